//! Tiered storage: all of it is absent.

use super::reasons::NO_TIERS;
use super::row::{ANY, NATURAL, NO_BOUND, POSITIVE, cluster_wide, fixed};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Boolean, Double, Int, Long, String};
use crate::config_value::Valid;

pub(super) const ROWS: &[BrokerConfig] = &[
    cluster_wide("follower.fetch.last.tiered.offset.enable", Boolean, Some("false"), ANY)
        .refused(NO_TIERS)
        .doc("Whether a new follower begins at the last offset in remote storage."),
    cluster_wide("log.local.retention.bytes", Long, Some("-2"), Valid::AtLeast(-2))
        .doc("The default of the topic config local.retention.bytes."),
    cluster_wide("log.local.retention.ms", Long, Some("-2"), Valid::AtLeast(-2))
        .doc("The default of the topic config local.retention.ms."),
    cluster_wide("remote.fetch.max.wait.ms", Int, Some("500"), POSITIVE)
        .refused(NO_TIERS)
        .doc("The longest that a fetch waits for remote storage."),
    cluster_wide("remote.list.offsets.request.timeout.ms", Long, Some("30000"), POSITIVE)
        .refused(NO_TIERS)
        .doc("The longest that a lookup of offsets waits for remote storage."),
    cluster_wide("remote.log.index.file.cache.total.size.bytes", Long, Some("1073741824"), POSITIVE)
        .refused(NO_TIERS)
        .doc("Disk for indexes fetched from remote storage."),
    fixed("remote.log.index.file.cache.ttl.ms", Long, Some("900000"), Valid::AtLeast(-1))
        .refused(NO_TIERS)
        .hidden()
        .doc("How long an unused index stays in that cache."),
    cluster_wide("remote.log.manager.copier.thread.pool.size", Int, Some("10"), POSITIVE)
        .refused(NO_TIERS)
        .doc("Threads that copy to remote storage."),
    cluster_wide("remote.log.manager.copy.max.bytes.per.second", Long, Some(NO_BOUND), POSITIVE)
        .refused(NO_TIERS)
        .doc("How many bytes a second are copied to remote storage."),
    fixed("remote.log.manager.copy.quota.window.num", Int, Some("11"), POSITIVE)
        .refused(NO_TIERS)
        .doc("How many samples that rate is measured over."),
    fixed("remote.log.manager.copy.quota.window.size.seconds", Int, Some("1"), POSITIVE)
        .refused(NO_TIERS)
        .doc("How long one of those samples lasts."),
    cluster_wide("remote.log.manager.expiration.thread.pool.size", Int, Some("10"), POSITIVE)
        .refused(NO_TIERS)
        .doc("Threads that delete from remote storage."),
    cluster_wide("remote.log.manager.fetch.max.bytes.per.second", Long, Some(NO_BOUND), POSITIVE)
        .refused(NO_TIERS)
        .doc("How many bytes a second are read from remote storage."),
    fixed("remote.log.manager.fetch.quota.window.num", Int, Some("11"), POSITIVE)
        .refused(NO_TIERS)
        .doc("How many samples that rate is measured over."),
    fixed("remote.log.manager.fetch.quota.window.size.seconds", Int, Some("1"), POSITIVE)
        .refused(NO_TIERS)
        .doc("How long one of those samples lasts."),
    cluster_wide("remote.log.manager.follower.thread.pool.size", Int, Some("2"), POSITIVE)
        .refused(NO_TIERS)
        .doc("Threads that work on remote storage for followed partitions."),
    fixed("remote.log.manager.task.interval.ms", Long, Some("30000"), POSITIVE)
        .refused(NO_TIERS)
        .doc("How often what is to be copied or deleted remotely is looked for."),
    fixed("remote.log.manager.task.retry.backoff.max.ms", Long, Some("30000"), POSITIVE)
        .refused(NO_TIERS)
        .hidden()
        .doc("The longest pause before such a task is repeated."),
    fixed("remote.log.manager.task.retry.backoff.ms", Long, Some("500"), POSITIVE)
        .refused(NO_TIERS)
        .hidden()
        .doc("The first pause before such a task is repeated."),
    fixed("remote.log.manager.task.retry.jitter", Double, Some("0.2"), ANY)
        .refused(NO_TIERS)
        .hidden()
        .doc("The random part of that pause."),
    fixed("remote.log.manager.thread.pool.size", Int, Some("2"), POSITIVE)
        .refused(NO_TIERS)
        .doc("Threads that schedule work on remote storage."),
    fixed("remote.log.metadata.custom.metadata.max.bytes", Int, Some("128"), NATURAL)
        .refused(NO_TIERS)
        .doc("The most bytes that a remote storage may keep beside a segment."),
    fixed(
        "remote.log.metadata.manager.class.name",
        String,
        Some("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"),
        ANY,
    )
    .refused(NO_TIERS)
    .doc("The class that knows what lies in remote storage."),
    fixed("remote.log.metadata.manager.class.path", String, None, ANY)
        .refused(NO_TIERS)
        .doc("Where that class is found."),
    fixed("remote.log.metadata.manager.impl.prefix", String, Some("rlmm.config."), ANY)
        .refused(NO_TIERS)
        .doc("How the names of that class's own configs begin."),
    fixed("remote.log.metadata.manager.listener.name", String, None, ANY)
        .refused(NO_TIERS)
        .doc("The listener that the class connects to."),
    fixed("remote.log.reader.max.pending.tasks", Int, Some("100"), POSITIVE)
        .refused(NO_TIERS)
        .doc("How many reads of remote storage may wait."),
    cluster_wide("remote.log.reader.threads", Int, Some("10"), POSITIVE)
        .refused(NO_TIERS)
        .doc("Threads that read from remote storage."),
    fixed("remote.log.storage.manager.class.name", String, None, ANY)
        .refused(NO_TIERS)
        .doc("The class that is the remote storage."),
    fixed("remote.log.storage.manager.class.path", String, None, ANY)
        .refused(NO_TIERS)
        .doc("Where that class is found."),
    fixed("remote.log.storage.manager.impl.prefix", String, Some("rsm.config."), ANY)
        .refused(NO_TIERS)
        .doc("How the names of that class's own configs begin."),
    fixed("remote.log.storage.system.enable", Boolean, Some("false"), ANY)
        .refused(NO_TIERS)
        .doc("Whether the broker has tiered storage at all."),
];
