//! The table itself: the 33 topic configs of Apache Kafka 4.3 and one of ours, ordered by name.

use super::{Status, Synonym, TopicConfig, Unit};
use crate::config_value::{ConfigType, Valid};

/// Kafka's "no bound" for numbers of 64 bits.
const NO_BOUND: &str = "9223372036854775807";

const fn same(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Same }
}

const NO_TIERS: &str = "it shapes the local part of a tiered log, and remote.storage.enable admits no tiered log";
const NO_SEGMENT_FILES: &str =
    "a partition has no segment files of its own: all partitions share one journal, which is cut by size and age";

/// All topic configs, ordered by name.
pub const ALL: &[TopicConfig] = &[
    TopicConfig {
        name: "cleanup.policy",
        config_type: ConfigType::List,
        default: "delete",
        valid: Valid::EachOf(&["compact", "delete"]),
        status: Status::Honoured,
        synonyms: &[same("log.cleanup.policy")],
        documentation: "What happens to old records. 'delete' removes them once they exceed the retention time or \
                        size; \
                        'compact' keeps the newest record of each key; with the empty list nothing is ever removed.",
    },
    TopicConfig {
        name: "compression.gzip.level",
        config_type: ConfigType::Int,
        default: "-1",
        valid: Valid::BetweenOr(1, 9, -1),
        status: Status::Honoured,
        synonyms: &[same("compression.gzip.level")],
        documentation: "The level used where the broker compresses with gzip; -1 is the library's own choice.",
    },
    TopicConfig {
        name: "compression.lz4.level",
        config_type: ConfigType::Int,
        default: "9",
        valid: Valid::Between(1, 17),
        status: Status::Refused(
            "lz4 is written at one level here, the fastest; for smaller data take zstd and its level",
        ),
        synonyms: &[same("compression.lz4.level")],
        documentation: "The level used where the broker compresses with lz4.",
    },
    TopicConfig {
        name: "compression.type",
        config_type: ConfigType::String,
        default: "producer",
        valid: Valid::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        status: Status::Honoured,
        synonyms: &[same("compression.type")],
        documentation: "How record batches are compressed in the log. 'producer' keeps what the producer chose; any \
                        other value makes the broker compress anew what has come otherwise.",
    },
    TopicConfig {
        name: "compression.zstd.level",
        config_type: ConfigType::Int,
        default: "3",
        valid: Valid::Between(-131_072, 22),
        status: Status::Honoured,
        synonyms: &[same("compression.zstd.level")],
        documentation: "The level used where the broker compresses with zstd.",
    },
    TopicConfig {
        name: "delete.retention.ms",
        config_type: ConfigType::Long,
        default: "86400000",
        valid: Valid::AtLeast(0),
        status: Status::Honoured,
        synonyms: &[same("log.cleaner.delete.retention.ms")],
        documentation: "How long compaction leaves a record without a value in place, so that readers learn that its \
                        key is gone.",
    },
    TopicConfig {
        name: "file.delete.delay.ms",
        config_type: ConfigType::Long,
        default: "60000",
        valid: Valid::AtLeast(0),
        status: Status::Accepted("no reader holds a file open that could be removed under it, so none has to linger"),
        synonyms: &[same("log.segment.delete.delay.ms")],
        documentation: "How long a file stays on disk after it left the log.",
    },
    TopicConfig {
        name: "flush.messages",
        config_type: ConfigType::Long,
        default: NO_BOUND,
        valid: Valid::AtLeast(1),
        status: Status::Accepted(
            "every record is on disk before it is acknowledged, which is stricter than any value of this; refused \
             together with flush.mode=async",
        ),
        synonyms: &[same("log.flush.interval.messages")],
        documentation: "After how many records the log is synced to disk.",
    },
    TopicConfig {
        name: "flush.mode",
        config_type: ConfigType::String,
        default: "sync",
        valid: Valid::OneOf(&["sync", "async"]),
        status: Status::Honoured,
        synonyms: &[same("log.flush.mode")],
        documentation: "Callboard's own. 'sync': a record is on disk, synced, before it is acknowledged. 'async': it \
                        is handed to the operating system and synced later; a killed process loses nothing, a power \
                        cut loses what was not synced yet.",
    },
    TopicConfig {
        name: "flush.ms",
        config_type: ConfigType::Long,
        default: NO_BOUND,
        valid: Valid::AtLeast(0),
        status: Status::Accepted(
            "every record is on disk before it is acknowledged, which is stricter than any value of this; refused \
             together with flush.mode=async",
        ),
        synonyms: &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")],
        documentation: "After how many milliseconds the log is synced to disk.",
    },
    TopicConfig {
        name: "follower.replication.throttled.replicas",
        config_type: ConfigType::List,
        default: "",
        valid: Valid::Replicas,
        status: Status::Accepted("it names replicas whose copying is slowed down, and replicas are not moved yet"),
        synonyms: &[],
        documentation: "The replicas whose fetching is held to the follower's replication quota: '*' for all, or pairs \
                        of partition and broker such as 0:1,1:2.",
    },
    TopicConfig {
        name: "index.interval.bytes",
        config_type: ConfigType::Int,
        default: "4096",
        valid: Valid::AtLeast(0),
        status: Status::Accepted("every batch is found by its offset without an index beside the log"),
        synonyms: &[same("log.index.interval.bytes")],
        documentation: "How many bytes of log lie between two entries of the offset index.",
    },
    TopicConfig {
        name: "leader.replication.throttled.replicas",
        config_type: ConfigType::List,
        default: "",
        valid: Valid::Replicas,
        status: Status::Accepted("it names replicas whose copying is slowed down, and replicas are not moved yet"),
        synonyms: &[],
        documentation: "The replicas that are served within the leader's replication quota: '*' for all, or pairs of \
                        partition and broker such as 0:1,1:2.",
    },
    TopicConfig {
        name: "local.retention.bytes",
        config_type: ConfigType::Long,
        default: "-2",
        valid: Valid::AtLeast(-2),
        status: Status::Accepted(NO_TIERS),
        synonyms: &[same("log.local.retention.bytes")],
        documentation: "How many bytes of a tiered partition stay on the broker; -2 takes retention.bytes.",
    },
    TopicConfig {
        name: "local.retention.ms",
        config_type: ConfigType::Long,
        default: "-2",
        valid: Valid::AtLeast(-2),
        status: Status::Accepted(NO_TIERS),
        synonyms: &[same("log.local.retention.ms")],
        documentation: "How many milliseconds the records of a tiered partition stay on the broker; -2 takes \
                        retention.ms.",
    },
    TopicConfig {
        name: "max.compaction.lag.ms",
        config_type: ConfigType::Long,
        default: NO_BOUND,
        valid: Valid::AtLeast(1),
        status: Status::Honoured,
        synonyms: &[same("log.cleaner.max.compaction.lag.ms")],
        documentation: "The longest that a record waits before compaction looks at it.",
    },
    TopicConfig {
        name: "max.message.bytes",
        config_type: ConfigType::Int,
        default: "1048588",
        valid: Valid::AtLeast(0),
        status: Status::Honoured,
        synonyms: &[same("message.max.bytes")],
        documentation: "The largest record batch that is taken, in bytes, compressed as it was sent.",
    },
    TopicConfig {
        name: "message.timestamp.after.max.ms",
        config_type: ConfigType::Long,
        default: "3600000",
        valid: Valid::AtLeast(0),
        status: Status::Honoured,
        synonyms: &[same("log.message.timestamp.after.max.ms")],
        documentation: "How far ahead of the broker's clock a record's own time may lie. Without effect on topics with \
                        message.timestamp.type=LogAppendTime.",
    },
    TopicConfig {
        name: "message.timestamp.before.max.ms",
        config_type: ConfigType::Long,
        default: NO_BOUND,
        valid: Valid::AtLeast(0),
        status: Status::Honoured,
        synonyms: &[same("log.message.timestamp.before.max.ms")],
        documentation: "How far behind the broker's clock a record's own time may lie. Without effect on topics with \
                        message.timestamp.type=LogAppendTime.",
    },
    TopicConfig {
        name: "message.timestamp.type",
        config_type: ConfigType::String,
        default: "CreateTime",
        valid: Valid::OneOf(&["CreateTime", "LogAppendTime"]),
        status: Status::Honoured,
        synonyms: &[same("log.message.timestamp.type")],
        documentation: "Whose clock a record's time is from: the producer's (CreateTime) or the broker's \
                        (LogAppendTime).",
    },
    TopicConfig {
        name: "min.cleanable.dirty.ratio",
        config_type: ConfigType::Double,
        default: "0.5",
        valid: Valid::Ratio,
        status: Status::Honoured,
        synonyms: &[same("log.cleaner.min.cleanable.ratio")],
        documentation: "The share of a log that must be new since the last compaction before the next one.",
    },
    TopicConfig {
        name: "min.compaction.lag.ms",
        config_type: ConfigType::Long,
        default: "0",
        valid: Valid::AtLeast(0),
        status: Status::Honoured,
        synonyms: &[same("log.cleaner.min.compaction.lag.ms")],
        documentation: "The shortest that a record stays before compaction may remove it.",
    },
    TopicConfig {
        name: "min.insync.replicas",
        config_type: ConfigType::Int,
        default: "1",
        valid: Valid::AtLeast(1),
        status: Status::Honoured,
        synonyms: &[same("min.insync.replicas")],
        documentation: "How many replicas must have a record before a producer with acks=all is told that it is safe; \
                        with fewer in sync, such a produce is refused.",
    },
    TopicConfig {
        name: "preallocate",
        config_type: ConfigType::Boolean,
        default: "false",
        valid: Valid::Any,
        status: Status::Accepted("it is a hint for segment files; the shared journal reuses its files by itself"),
        synonyms: &[same("log.preallocate")],
        documentation: "Whether a new log file takes its full size on disk at once.",
    },
    TopicConfig {
        name: "remote.log.copy.disable",
        config_type: ConfigType::Boolean,
        default: "false",
        valid: Valid::Any,
        status: Status::Accepted(NO_TIERS),
        synonyms: &[],
        documentation: "Whether a tiered topic stops copying to remote storage and only reads from there.",
    },
    TopicConfig {
        name: "remote.log.delete.on.disable",
        config_type: ConfigType::Boolean,
        default: "false",
        valid: Valid::Any,
        status: Status::Accepted(NO_TIERS),
        synonyms: &[],
        documentation: "Whether the remote data of a topic goes when remote.storage.enable is turned off.",
    },
    TopicConfig {
        name: "remote.storage.enable",
        config_type: ConfigType::Boolean,
        default: "false",
        valid: Valid::Any,
        status: Status::Refused(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log \
             storage.",
        ),
        synonyms: &[],
        documentation: "Whether old data moves to remote storage.",
    },
    TopicConfig {
        name: "retention.bytes",
        config_type: ConfigType::Long,
        default: "-1",
        valid: Valid::Any,
        status: Status::Honoured,
        synonyms: &[same("log.retention.bytes")],
        documentation: "How many bytes one partition may hold before its oldest records go, if cleanup.policy has \
                        'delete'. Negative: no bound.",
    },
    TopicConfig {
        name: "retention.ms",
        config_type: ConfigType::Long,
        default: "604800000",
        valid: Valid::AtLeast(-1),
        status: Status::Honoured,
        synonyms: &[
            Synonym { name: "log.retention.ms", unit: Unit::Milliseconds },
            Synonym { name: "log.retention.minutes", unit: Unit::Minutes },
            Synonym { name: "log.retention.hours", unit: Unit::Hours },
        ],
        documentation: "How many milliseconds a record is kept, if cleanup.policy has 'delete'. -1: for ever.",
    },
    TopicConfig {
        name: "segment.bytes",
        config_type: ConfigType::Int,
        default: "1073741824",
        valid: Valid::AtLeast(1024 * 1024),
        status: Status::Accepted(NO_SEGMENT_FILES),
        synonyms: &[same("log.segment.bytes")],
        documentation: "The size at which one file of the log is closed and the next begun.",
    },
    TopicConfig {
        name: "segment.index.bytes",
        config_type: ConfigType::Int,
        default: "10485760",
        valid: Valid::AtLeast(4),
        status: Status::Accepted(NO_SEGMENT_FILES),
        synonyms: &[same("log.index.size.max.bytes")],
        documentation: "The size of the index that maps offsets to places in a file.",
    },
    TopicConfig {
        name: "segment.jitter.ms",
        config_type: ConfigType::Long,
        default: "0",
        valid: Valid::AtLeast(0),
        status: Status::Accepted("it keeps many files from being begun at the same moment, and there are not many"),
        synonyms: &[same("log.roll.jitter.ms"), Synonym { name: "log.roll.jitter.hours", unit: Unit::Hours }],
        documentation: "The most by which the closing of a file is moved at random.",
    },
    TopicConfig {
        name: "segment.ms",
        config_type: ConfigType::Long,
        default: "604800000",
        valid: Valid::AtLeast(1),
        status: Status::Honoured,
        synonyms: &[same("log.roll.ms"), Synonym { name: "log.roll.hours", unit: Unit::Hours }],
        documentation: "The longest that records wait until their slice of the log is closed, so that retention and \
                        compaction can take it. A slice is also closed at one mebibyte, whatever segment.bytes says.",
    },
    TopicConfig {
        name: "unclean.leader.election.enable",
        config_type: ConfigType::Boolean,
        default: "false",
        valid: Valid::Any,
        status: Status::Accepted(
            "every partition has one replica in this release, so none is ever out of sync; it will count once there \
             are more",
        ),
        synonyms: &[same("unclean.leader.election.enable")],
        documentation: "Whether a replica that is not in sync may lead when no other is left, at the price of records.",
    },
];
