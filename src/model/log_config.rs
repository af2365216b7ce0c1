//! The topic settings that a partition obeys, typed; the names, texts and defaults of all of them are the controller's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Compression;

/// Kafka's `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CleanupPolicy {
    /// Old data goes by time and size.
    pub delete: bool,
    /// The newest value of each key is kept.
    pub compact: bool,
}

/// Kafka's `message.timestamp.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimestampType {
    /// The producer's time.
    CreateTime,
    /// The broker's time.
    LogAppendTime,
}

/// Kafka's `compression.type`, each codec with its `compression.*.level` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CompressionType {
    /// As the producer sent it.
    Producer,
    /// Plain.
    Uncompressed,
    /// RFC 1952.
    Gzip {
        /// 1 to 9; -1 is the library's own choice.
        level: i32,
    },
    /// Snappy in the xerial framing.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd {
        /// -131072 to 22.
        level: i32,
    },
}

impl CompressionType {
    /// The codec that every batch is to have; none if that is the producer's choice.
    pub fn codec(self) -> Option<Compression> {
        match self {
            Self::Producer => None,
            Self::Uncompressed => Some(Compression::None),
            Self::Gzip { .. } => Some(Compression::Gzip),
            Self::Snappy => Some(Compression::Snappy),
            Self::Lz4 => Some(Compression::Lz4),
            Self::Zstd { .. } => Some(Compression::Zstd),
        }
    }

    /// The level to pack with; none where the codec has none, or the library is to choose.
    pub fn level(self) -> Option<i32> {
        match self {
            Self::Gzip { level } => Some(level).filter(|level| *level != -1),
            Self::Zstd { level } => Some(level),
            Self::Producer | Self::Uncompressed | Self::Snappy | Self::Lz4 => None,
        }
    }
}

/// Ours, `flush.mode`: when an append counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FlushMode {
    /// On disk, synced, before it is acknowledged.
    Sync,
    /// Written to the operating system; synced later. Survives a killed process, not a power cut.
    Async,
}

/// When and how a topic with `cleanup.policy=compact` is compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionConfig {
    /// `min.cleanable.dirty.ratio`, in millionths: the part of a log that must be dirty before it is worth a round.
    pub min_dirty_millionths: u32,
    /// `min.compaction.lag.ms`: how long a record stays as it is.
    pub min_lag: Duration,
    /// `max.compaction.lag.ms`: how long a record may wait, however little is dirty.
    pub max_lag: Option<Duration>,
    /// `delete.retention.ms`: how long a tombstone stays after the first round that met it.
    pub delete_retention: Duration,
}

impl Default for CompactionConfig {
    /// Kafka 4's defaults.
    fn default() -> Self {
        Self {
            min_dirty_millionths: 500_000,
            min_lag: Duration::ZERO,
            max_lag: None,
            delete_retention: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What one topic's partitions are held to. Durations and sizes that are `None` have no bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `retention.ms`: records older than this may go.
    pub retention: Option<Duration>,
    /// `retention.bytes`: bytes of one partition beyond which its oldest may go.
    pub retention_bytes: Option<u64>,
    /// `segment.ms`: the longest time that data waits for its slice of the log to be closed.
    pub segment: Duration,
    /// `max.message.bytes`: bytes of the largest batch taken, as sent.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's time may lie in the past.
    pub timestamp_before_max: Option<Duration>,
    /// `message.timestamp.after.max.ms`: how far a record's time may lie in the future.
    pub timestamp_after_max: Option<Duration>,
    /// `min.insync.replicas`: replicas that must have an acks=all record.
    pub min_insync_replicas: usize,
    /// `compression.type`.
    pub compression_type: CompressionType,
    /// `flush.mode` (ours).
    pub flush_mode: FlushMode,
    /// `producer.id.expiration.ms`, the broker's: a producer not seen for so long is forgotten.
    pub producer_expiration: Duration,
    /// What compaction goes by.
    pub compaction: CompactionConfig,
}

impl Default for LogConfig {
    /// Kafka 4's defaults.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            cleanup_policy: CleanupPolicy { delete: true, compact: false },
            retention: Some(7 * DAY),
            retention_bytes: None,
            segment: 7 * DAY,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max: None,
            timestamp_after_max: Some(Duration::from_secs(60 * 60)),
            min_insync_replicas: 1,
            compression_type: CompressionType::Producer,
            flush_mode: FlushMode::Sync,
            producer_expiration: DAY,
            compaction: CompactionConfig::default(),
        }
    }
}
