//! The log: defaults of topics, files and flushing.

use super::reasons::{CHECKPOINTS, INTERNAL, ONE_FOLDER, RETENTION, THREADS};
use super::row::{ANY, NATURAL, NO_BOUND, POSITIVE, cluster_wide, fixed, per_broker};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Boolean, Int, List, Long, String};
use crate::config_value::Valid;

pub(super) const ROWS: &[BrokerConfig] = &[
    fixed("auto.create.topics.enable", Boolean, Some("true"), ANY)
        .set_by("kafka.auto_create_topics_enable")
        .doc("Whether asking for the metadata of an unknown topic creates it."),
    cluster_wide("compression.gzip.level", Int, Some("-1"), Valid::BetweenOr(1, 9, -1))
        .doc("The default of the topic config of the same name."),
    cluster_wide("compression.lz4.level", Int, Some("9"), Valid::Between(1, 17))
        .doc("The default of the topic config of the same name."),
    cluster_wide(
        "compression.type",
        String,
        Some("producer"),
        Valid::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
    )
    .doc("The default of the topic config of the same name."),
    cluster_wide("compression.zstd.level", Int, Some("3"), Valid::Between(-131_072, 22))
        .doc("The default of the topic config of the same name."),
    per_broker("cordoned.log.dirs", List, Some(""), ANY)
        .refused(ONE_FOLDER)
        .doc("Folders that are given no new partitions."),
    fixed("delete.topic.enable", Boolean, Some("true"), ANY).doc("Whether topics can be deleted."),
    cluster_wide("log.cleanup.policy", List, Some("delete"), Valid::EachOf(&["compact", "delete"]))
        .doc("The default of the topic config cleanup.policy."),
    fixed("log.dir", List, Some("/tmp/kafka-logs"), ANY)
        .refused(ONE_FOLDER)
        .doc("The folder that holds the node's data, if log.dirs is not set."),
    fixed("log.dir.failure.timeout.ms", Long, Some("30000"), POSITIVE)
        .refused(ONE_FOLDER)
        .doc("How long a broker with a failed folder waits for the controller before it stops."),
    fixed("log.dirs", List, None, ANY).set_by("storage.data_dir").doc("The folder that holds the node's data."),
    cluster_wide("log.flush.interval.messages", Long, Some(NO_BOUND), POSITIVE)
        .doc("The default of the topic config flush.messages."),
    cluster_wide("log.flush.interval.ms", Long, None, ANY).doc("The default of the topic config flush.ms."),
    cluster_wide("log.flush.mode", String, Some("sync"), Valid::OneOf(&["sync", "async"]))
        .doc("Callboard's own: the default of the topic config flush.mode."),
    fixed("log.flush.offset.checkpoint.interval.ms", Int, Some("60000"), NATURAL)
        .refused(CHECKPOINTS)
        .doc("How often the point up to which the log is synced is written down."),
    fixed("log.flush.scheduler.interval.ms", Long, Some(NO_BOUND), ANY)
        .doc("The default of the topic config flush.ms, if log.flush.interval.ms is not set."),
    fixed("log.flush.start.offset.checkpoint.interval.ms", Int, Some("60000"), NATURAL)
        .refused(CHECKPOINTS)
        .doc("How often the first offsets of the logs are written down."),
    cluster_wide("log.index.interval.bytes", Int, Some("4096"), NATURAL)
        .doc("The default of the topic config index.interval.bytes."),
    cluster_wide("log.index.size.max.bytes", Int, Some("10485760"), Valid::AtLeast(4))
        .doc("The default of the topic config segment.index.bytes."),
    fixed("log.initial.task.delay.ms", Long, Some("30000"), NATURAL)
        .refused(INTERNAL)
        .hidden()
        .doc("How long after the start the tasks of the log begin."),
    cluster_wide("log.message.timestamp.after.max.ms", Long, Some("3600000"), NATURAL)
        .doc("The default of the topic config message.timestamp.after.max.ms."),
    cluster_wide("log.message.timestamp.before.max.ms", Long, Some(NO_BOUND), NATURAL)
        .doc("The default of the topic config message.timestamp.before.max.ms."),
    cluster_wide(
        "log.message.timestamp.type",
        String,
        Some("CreateTime"),
        Valid::OneOf(&["CreateTime", "LogAppendTime"]),
    )
    .doc("The default of the topic config message.timestamp.type."),
    cluster_wide("log.preallocate", Boolean, Some("false"), ANY).doc("The default of the topic config preallocate."),
    cluster_wide("log.retention.bytes", Long, Some("-1"), ANY).doc("The default of the topic config retention.bytes."),
    fixed("log.retention.check.interval.ms", Long, Some("300000"), POSITIVE)
        .refused(RETENTION)
        .doc("How often data beyond its retention is looked for."),
    fixed("log.retention.hours", Int, Some("168"), Valid::NotZero)
        .doc("The default of the topic config retention.ms in hours, if neither milliseconds nor minutes are set."),
    fixed("log.retention.minutes", Int, None, Valid::NotZero)
        .doc("The default of the topic config retention.ms in minutes, if log.retention.ms is not set."),
    cluster_wide("log.retention.ms", Long, None, Valid::NotZero).doc("The default of the topic config retention.ms."),
    fixed("log.roll.hours", Int, Some("168"), POSITIVE)
        .doc("The default of the topic config segment.ms in hours, if log.roll.ms is not set."),
    fixed("log.roll.jitter.hours", Int, Some("0"), NATURAL)
        .doc("The default of the topic config segment.jitter.ms in hours, if log.roll.jitter.ms is not set."),
    cluster_wide("log.roll.jitter.ms", Long, None, NATURAL).doc("The default of the topic config segment.jitter.ms."),
    cluster_wide("log.roll.ms", Long, None, POSITIVE).doc("The default of the topic config segment.ms."),
    cluster_wide("log.segment.bytes", Int, Some("1073741824"), Valid::AtLeast(1_048_576))
        .doc("The default of the topic config segment.bytes."),
    cluster_wide("log.segment.delete.delay.ms", Long, Some("60000"), NATURAL)
        .doc("The default of the topic config file.delete.delay.ms."),
    cluster_wide("message.max.bytes", Int, Some("1048588"), NATURAL)
        .doc("The default of the topic config max.message.bytes."),
    cluster_wide("min.insync.replicas", Int, Some("1"), POSITIVE)
        .doc("The default of the topic config of the same name."),
    fixed("num.partitions", Int, Some("1"), POSITIVE)
        .set_by("kafka.num_partitions")
        .doc("The partitions of a topic that is created without saying how many."),
    cluster_wide("num.recovery.threads.per.data.dir", Int, Some("2"), POSITIVE)
        .refused(THREADS)
        .doc("Threads that recover logs at the start, for each folder."),
    fixed("producer.id.expiration.check.interval.ms", Int, Some("600000"), POSITIVE)
        .refused(INTERNAL)
        .hidden()
        .doc("How often silent producers are looked for."),
    cluster_wide("producer.id.expiration.ms", Int, Some("86400000"), POSITIVE)
        .doc("How long a partition remembers an idempotent producer that has gone silent."),
];
