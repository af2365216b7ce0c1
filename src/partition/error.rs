//! Every refusal of a leader: one enum per operation, each with Kafka's code.

use callboard_model::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, RecordError, Timestamp};

use crate::effect::Watermarks;

/// Why the journal did not take a write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// No room; reading goes on.
    #[error("the disk is too full for more records")]
    Full,
    /// Anything else.
    #[error("writing to storage failed: {0}")]
    Failed(String),
}

/// Why a caller's leader epoch is not ours (KIP-320).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// It knows an older leadership.
    #[error("leader epoch {given} is fenced by {current}")]
    Fenced {
        /// The caller's.
        given: LeaderEpoch,
        /// Ours.
        current: LeaderEpoch,
    },
    /// It knows a newer leadership than we do.
    #[error("leader epoch {given} is newer than {current}, the newest known here")]
    Unknown {
        /// The caller's.
        given: LeaderEpoch,
        /// Ours.
        current: LeaderEpoch,
    },
    /// This replica leads no more.
    #[error("this replica no longer leads the partition")]
    NotLeader,
}

impl EpochError {
    /// Kafka's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Fenced { .. } => ErrorCode::FencedLeaderEpoch,
            Self::Unknown { .. } => ErrorCode::UnknownLeaderEpoch,
            Self::NotLeader => ErrorCode::NotLeaderOrFollower,
        }
    }
}

/// What is wrong with one record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordReason {
    /// A compacted topic keeps records by key.
    #[error("compacted topic cannot accept message without key")]
    MissingKey,
    /// Outside `message.timestamp.{before,after}.max.ms`.
    #[error("timestamp {given} is out of range, it should be within [{earliest}, {latest}]")]
    Timestamp {
        /// The record's.
        given: Timestamp,
        /// The oldest allowed now.
        earliest: Timestamp,
        /// The newest allowed now.
        latest: Timestamp,
    },
    /// Offsets inside a batch count from 0.
    #[error("record has offset {given} inside its batch instead of its place in it")]
    Offset {
        /// The record's offset delta.
        given: i64,
    },
}

/// A refused record (KIP-467).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFailure {
    /// Its place in the batch, from 0.
    pub index: i32,
    /// What is wrong with it.
    pub reason: RecordReason,
}

/// Why a batch was not appended, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// This replica leads no more.
    #[error("this replica no longer leads the partition")]
    NotLeader,
    /// acks=all with too few replicas in sync (R7).
    #[error("{in_sync} replicas are in sync, min.insync.replicas asks for {wanted}")]
    NotEnoughReplicas {
        /// In-sync replicas.
        in_sync: usize,
        /// The effective minimum.
        wanted: usize,
    },
    /// Larger than `max.message.bytes`.
    #[error("a record batch of {given} bytes exceeds max.message.bytes={max}")]
    TooLarge {
        /// Bytes of the batch.
        given: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A codec that the request's version does not know (KIP-110).
    #[error("zstd needs a newer version of the produce request")]
    UnsupportedCompression,
    /// Clients send base offset 0; assigning is the leader's part.
    #[error("the base offset of a record batch should be 0, not {given}")]
    BaseOffset {
        /// The batch's.
        given: Offset,
    },
    /// Record count and offset span disagree, or there is no record.
    #[error("a record batch of {count} records cannot end at offset delta {last_delta}")]
    Count {
        /// Records by the header.
        count: i32,
        /// Last offset delta by the header.
        last_delta: i32,
    },
    /// Control records are the brokers'.
    #[error("clients are not allowed to write control records")]
    Control,
    /// The broker's timestamp bit is the broker's to set.
    #[error("producer should not set timestamp type to LogAppendTime")]
    TimestampType,
    /// A producer id without a sequence number or an epoch.
    #[error("producer {producer} sent sequence {sequence} and epoch {epoch}, neither may be negative")]
    Sequence {
        /// The producer.
        producer: ProducerId,
        /// Its sequence number.
        sequence: i32,
        /// Its epoch.
        epoch: ProducerEpoch,
    },
    /// Records that cannot be read.
    #[error(transparent)]
    Malformed(#[from] RecordError),
    /// Compressed records that could not be decompressed but have to be looked at.
    #[error("the compressed records of the batch cannot be read")]
    Unreadable,
    /// Records that could not be put into the codec that the topic asks for.
    #[error("the records of the batch could not be compressed as compression.type asks")]
    NotPacked,
    /// Single records are wrong.
    #[error("one or more records have been rejected, the first is record {}: {}", failures[0].index, failures[0].reason)]
    Records {
        /// Which and why: never empty, at most the first 1000.
        failures: Vec<RecordFailure>,
    },
    /// A transactional batch of a producer that has no transaction here.
    #[error("producer {producer} has no transaction on this partition")]
    Transactional {
        /// The producer.
        producer: ProducerId,
    },
    /// A gap in the producer's numbers.
    #[error("producer {producer} sent sequence {given} in epoch {epoch}, {expected} is expected")]
    OutOfOrder {
        /// The producer.
        producer: ProducerId,
        /// Its epoch.
        epoch: ProducerEpoch,
        /// What it sent.
        given: i32,
        /// What follows its last batch.
        expected: i32,
    },
    /// An older incarnation of the producer.
    #[error("epoch {given} of producer {producer} is older than {current}")]
    ProducerFenced {
        /// The producer.
        producer: ProducerId,
        /// What it sent.
        given: ProducerEpoch,
        /// The newest seen.
        current: ProducerEpoch,
    },
    /// The log does not end where its writer expects; somebody else has written, or the writer is of an earlier life.
    /// Clients cannot ask for this.
    #[error("the log ends at {end}, its writer expects {expected}")]
    UnexpectedEnd {
        /// Where the writer expects it to end.
        expected: Offset,
        /// Where it ends.
        end: Offset,
    },
    /// Not acknowledged in the time that the producer gave; it may still be.
    #[error("not acknowledged within the timeout")]
    TimedOut,
    /// Storage failed; the batch may or may not be there.
    #[error(transparent)]
    Storage(#[from] WriteError),
}

impl ProduceError {
    /// Kafka's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotLeader => ErrorCode::NotLeaderOrFollower,
            Self::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
            Self::TooLarge { .. } => ErrorCode::MessageTooLarge,
            Self::UnsupportedCompression => ErrorCode::UnsupportedCompressionType,
            Self::TimestampType => ErrorCode::InvalidTimestamp,
            Self::Records { failures }
                if failures.iter().any(|f| matches!(f.reason, RecordReason::Timestamp { .. })) =>
            {
                ErrorCode::InvalidTimestamp
            }
            Self::BaseOffset { .. }
            | Self::Count { .. }
            | Self::Control
            | Self::Sequence { .. }
            | Self::Malformed(_)
            | Self::Unreadable
            | Self::NotPacked
            | Self::Records { .. } => ErrorCode::InvalidRecord,
            Self::Transactional { .. } => ErrorCode::InvalidTxnState,
            Self::OutOfOrder { .. } | Self::UnexpectedEnd { .. } => ErrorCode::OutOfOrderSequenceNumber,
            Self::ProducerFenced { .. } => ErrorCode::InvalidProducerEpoch,
            Self::TimedOut => ErrorCode::RequestTimedOut,
            Self::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }

    /// The refused records, for `record_errors` of the answer (KIP-467).
    pub fn record_failures(&self) -> &[RecordFailure] {
        if let Self::Records { failures } = self { failures } else { &[] }
    }
}

/// Why a log did not settle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// This replica leads no more.
    #[error("this replica no longer leads the partition")]
    NotLeader,
    /// Storage failed; what was under way may or may not be there.
    #[error(transparent)]
    Storage(#[from] WriteError),
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Below the start or past the end.
    #[error("offset {offset} is outside [{}, {end}]", marks.log_start)]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The log's end.
        end: Offset,
        /// The positions.
        marks: Watermarks,
    },
    /// The fetcher's last epoch is unknown, so that nobody can say where its log parted from ours.
    #[error("nothing is known of epoch {epoch}")]
    UnknownHistory {
        /// The fetcher's last epoch.
        epoch: LeaderEpoch,
        /// The positions.
        marks: Watermarks,
    },
    /// Another leadership.
    #[error("{error}")]
    Epoch {
        /// Which way.
        error: EpochError,
        /// The positions.
        marks: Watermarks,
    },
}

impl FetchError {
    /// Kafka's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::OutOfRange { .. } | Self::UnknownHistory { .. } => ErrorCode::OffsetOutOfRange,
            Self::Epoch { error, .. } => error.code(),
        }
    }

    /// The three positions that error rows carry too.
    pub fn marks(&self) -> Watermarks {
        match self {
            Self::OutOfRange { marks, .. } | Self::UnknownHistory { marks, .. } | Self::Epoch { marks, .. } => *marks,
        }
    }
}

/// Why no offset was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Another leadership.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The high watermark has not caught up with this leadership yet, an answer could go backwards (R6).
    #[error("high watermark {high_watermark} is still below {epoch_start}, where this leadership began")]
    NotAvailable {
        /// The high watermark.
        high_watermark: Offset,
        /// Where the leadership began.
        epoch_start: Offset,
    },
}

impl ListError {
    /// Kafka's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Epoch(error) => error.code(),
            Self::NotAvailable { .. } => ErrorCode::OffsetNotAvailable,
        }
    }
}

/// Why records were not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteError {
    /// This replica leads no more.
    #[error("this replica no longer leads the partition")]
    NotLeader,
    /// Past the high watermark, or negative.
    #[error("offset {offset} is outside [0, {high_watermark}]")]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The high watermark.
        high_watermark: Offset,
    },
    /// The topic does not delete (`cleanup.policy`).
    #[error("records of a topic without cleanup.policy=delete cannot be deleted")]
    Policy,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] WriteError),
}

impl DeleteError {
    /// Kafka's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotLeader => ErrorCode::NotLeaderOrFollower,
            Self::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            Self::Policy => ErrorCode::PolicyViolation,
            Self::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }
}
