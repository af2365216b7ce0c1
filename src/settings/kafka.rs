//! Section `[kafka]`: the port that Kafka clients speak to, and what clients may ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::key::section;
use crate::value::{ByteSize, HostPort};

section! {
    kafka:
    /// The port that Kafka clients speak to, and what clients may ask for.
    KafkaSettings {
        /// Where to listen for Kafka clients. There is no authentication yet: listen on an address that only trusted
        /// machines reach. Port 0 takes any free port.
        listen: HostPort = "127.0.0.1:9092", kafka "listeners";
        /// The address that clients are told to connect to. Empty: each client is told the address that it connected to
        /// itself, which is right unless a port mapping, a proxy or a name lies between.
        advertised_listeners: Option<HostPort> = "", kafka "advertised.listeners";
        /// The largest request taken. A connection that announces a larger one is closed before anything is read.
        socket_request_max_bytes: ByteSize = "100MiB", unit "bytes", from "1KiB" to "1GiB", kafka "socket.request.max.bytes";
        /// Connections open at the same time; further ones are closed at once.
        max_connections: u32 = "10000", unit "connections", from "1" to "1000000", kafka "max.connections";
        /// Requests of one connection being worked on, in bytes: beyond that the connection is not read until some are
        /// answered. One request is always let in.
        connection_in_flight_max_bytes: ByteSize = "32MiB", unit "bytes", from "1KiB" to "16GiB";
        /// Requests of all connections being worked on, in bytes: beyond that no connection is read until some are answered.
        in_flight_max_bytes: ByteSize = "512MiB", unit "bytes", from "1MiB" to "256GiB", kafka "queued.max.request.bytes";
        /// Answers that one connection holds until its client has read them, in bytes: a fetch gets at most this much at once,
        /// but one batch always, and nothing more is read for a client that leaves more than this unread.
        connection_answers_max_bytes: ByteSize = "8MiB", unit "bytes", from "1KiB" to "1GiB";
        /// Answers to fetches that all connections hold until their clients have read them, in bytes. As it runs short each
        /// fetch gets fewer bytes, at last they wait, and who reads nothing for ten seconds meanwhile is closed.
        answers_max_bytes: ByteSize = "128MiB", unit "bytes", from "1MiB" to "256GiB";
        /// How many bytes of its answers a client has to take every second, over any ten seconds, while other connections
        /// wait for the memory that they take: a slower one is closed. 0: who takes a byte every ten seconds may go on.
        answers_min_bytes_per_second: ByteSize = "4KiB", unit "bytes", from "0" to "1GiB";
        /// A connection that has been silent for this long is closed, and so is one that leaves its answers unread for as long.
        connections_max_idle: Duration = "10m", unit "time", from "1s" to "365d", kafka "connections.max.idle.ms";
        /// Fetch sessions kept at the same time; who gets none says with every fetch what it reads. 0 turns them off.
        max_incremental_fetch_session_cache_slots: u32 = "1000", unit "sessions", from "0" to "1000000", kafka "max.incremental.fetch.session.cache.slots";
        /// Whether a topic is created when a client asks for one that is not there.
        auto_create_topics_enable: bool = "true", kafka "auto.create.topics.enable";
        /// Partitions of a topic whose creator names no number.
        num_partitions: u32 = "1", unit "partitions", from "1" to "100000", kafka "num.partitions";
        /// Replicas of each partition of a topic whose creator names no number.
        default_replication_factor: u16 = "1", unit "replicas", from "1" to "32767", kafka "default.replication.factor";
        /// Topic settings that a topic has unless it sets its own, by Kafka's names: `"retention.ms" = 86400000`. In a
        /// variable's name write `_` for each dot: CALLBOARD__KAFKA__TOPIC_DEFAULTS__RETENTION_MS.
        topic_defaults: BTreeMap<String, String> = "";
        /// Broker settings that have no key of their own here, by Kafka's names, as they stand in a server.properties:
        /// `"log.retention.hours" = 24`. The file kafka-configs.md says what each does. In a variable's name write `_` for each
        /// dot: CALLBOARD__KAFKA__BROKER__LOG_RETENTION_HOURS.
        broker: BTreeMap<String, String> = "";
    }
}
