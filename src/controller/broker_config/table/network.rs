//! Listeners, connections, requests and quotas.

use super::reasons::{
    CONNECTIONS, NO_CLASSES, NO_PURGATORY, NO_QUOTAS, NO_SECURITY, ONE_LISTENER, ONE_NODE, PAGES, QUEUE,
    SYSTEM_SOCKETS, THREADS,
};
use super::row::{ANY, NATURAL, POSITIVE, cluster_wide, fixed, per_broker};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Class, Int, List, Long, String};
use crate::config_value::Valid;

pub(super) const ROWS: &[BrokerConfig] = &[
    fixed("client.quota.callback.class", Class, None, ANY)
        .refused(NO_CLASSES)
        .doc("A class that decides on client quotas."),
    fixed("connection.failed.authentication.delay.ms", Int, Some("100"), NATURAL)
        .refused(NO_SECURITY)
        .doc("How long a connection whose authentication failed is held before it is closed."),
    fixed("connections.max.idle.ms", Long, Some("600000"), ANY)
        .set_by("kafka.connections_max_idle")
        .doc("After how many milliseconds without a request a connection is closed."),
    fixed("connections.max.reauth.ms", Long, Some("0"), ANY)
        .refused(NO_SECURITY)
        .doc("After how long a client must authenticate again."),
    fixed("controller.quota.window.num", Int, Some("11"), POSITIVE)
        .refused(NO_QUOTAS)
        .doc("How many samples the quota of topic changes is measured over."),
    fixed("controller.quota.window.size.seconds", Int, Some("1"), POSITIVE)
        .refused(NO_QUOTAS)
        .doc("How long one of those samples lasts."),
    fixed("delete.records.purgatory.purge.interval.requests", Int, Some("1"), ANY)
        .refused(NO_PURGATORY)
        .doc("After how many requests finished deletions of records are cleared away."),
    fixed("fetch.max.bytes", Int, Some("57671680"), Valid::AtLeast(1024))
        .doc("The most bytes that one fetch is answered with, whatever the client asks for."),
    fixed("fetch.purgatory.purge.interval.requests", Int, Some("1000"), ANY)
        .refused(NO_PURGATORY)
        .doc("After how many requests finished fetches are cleared away."),
    per_broker(
        "listener.security.protocol.map",
        String,
        Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"),
        ANY,
    )
    .refused(ONE_LISTENER)
    .doc("The security protocol of each listener."),
    per_broker("listeners", List, Some("PLAINTEXT://:9092"), ANY)
        .set_by("kafka.listen")
        .doc("The addresses that the node listens on, by listener."),
    cluster_wide("max.connection.creation.rate", Int, Some("2147483647"), NATURAL)
        .refused(CONNECTIONS)
        .doc("How many connections may be opened in a second."),
    cluster_wide("max.connections", Int, Some("2147483647"), POSITIVE)
        .set_by("kafka.max_connections")
        .doc("Connections open at the same time; further ones are closed at once."),
    cluster_wide("max.connections.per.ip", Int, Some("2147483647"), NATURAL)
        .refused(CONNECTIONS)
        .doc("Connections open at the same time from one address."),
    cluster_wide("max.connections.per.ip.overrides", String, Some(""), ANY)
        .refused(CONNECTIONS)
        .doc("Other bounds for single addresses."),
    fixed("max.incremental.fetch.session.cache.slots", Int, Some("1000"), NATURAL)
        .set_by("kafka.max_incremental_fetch_session_cache_slots")
        .doc("How many fetch sessions are remembered."),
    fixed("max.request.partition.size.limit", Int, Some("2000"), POSITIVE)
        .refused(PAGES)
        .doc("The most partitions in one answer of DescribeTopicPartitions."),
    cluster_wide("num.io.threads", Int, Some("8"), POSITIVE).refused(THREADS).doc("Threads that handle requests."),
    cluster_wide("num.network.threads", Int, Some("3"), POSITIVE)
        .refused(THREADS)
        .doc("Threads that read and write sockets."),
    fixed("producer.purgatory.purge.interval.requests", Int, Some("1000"), ANY)
        .refused(NO_PURGATORY)
        .doc("After how many requests finished produces are cleared away."),
    fixed("queued.max.request.bytes", Long, Some("-1"), ANY)
        .set_by("kafka.in_flight_max_bytes")
        .doc("The most bytes of requests that are being worked on."),
    fixed("queued.max.requests", Int, Some("500"), POSITIVE)
        .refused(QUEUE)
        .doc("How many requests may wait before sockets are no longer read."),
    fixed("quota.window.num", Int, Some("11"), POSITIVE)
        .refused(NO_QUOTAS)
        .doc("How many samples client quotas are measured over."),
    fixed("quota.window.size.seconds", Int, Some("1"), POSITIVE)
        .refused(NO_QUOTAS)
        .doc("How long one of those samples lasts."),
    fixed("request.timeout.ms", Int, Some("30000"), ANY)
        .refused(ONE_NODE)
        .doc("How long a broker waits for the answer of another one."),
    fixed("socket.connection.setup.timeout.max.ms", Long, Some("30000"), ANY)
        .refused(ONE_NODE)
        .doc("The longest that opening a connection to another broker may take."),
    fixed("socket.connection.setup.timeout.ms", Long, Some("10000"), ANY)
        .refused(ONE_NODE)
        .doc("How long opening a connection to another broker may take at first."),
    fixed("socket.listen.backlog.size", Int, Some("50"), POSITIVE)
        .refused(SYSTEM_SOCKETS)
        .doc("How many connections may wait to be accepted."),
    fixed("socket.receive.buffer.bytes", Int, Some("102400"), ANY)
        .refused(SYSTEM_SOCKETS)
        .doc("The system's buffer for what a connection sends."),
    fixed("socket.request.max.bytes", Int, Some("104857600"), POSITIVE)
        .set_by("kafka.socket_request_max_bytes")
        .doc("The largest request that is read, in bytes."),
    fixed("socket.send.buffer.bytes", Int, Some("102400"), ANY)
        .refused(SYSTEM_SOCKETS)
        .doc("The system's buffer for what a connection is sent."),
];
