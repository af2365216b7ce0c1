//! What can go wrong while reading, and what to do about it.

use std::sync::Arc;

use callboard_model::ErrorCode;

use super::{CorruptBatch, TopicPartition};
use crate::ClientError;

/// Why a call of a consumer failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// Nothing is committed for a partition, and `auto.offset.reset=none` says not to guess.
    #[error(
        "nothing is committed for {0} and auto.offset.reset is none: seek, commit an offset, or set it to earliest or latest"
    )]
    NoOffset(TopicPartition),
    /// A position that the log does not have (any more), and `auto.offset.reset=none` says not to guess.
    #[error(
        "{partition} has no offset {offset} and auto.offset.reset is none: seek to one between its start and its end"
    )]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The offset that was asked for.
        offset: i64,
    },
    /// Records that were read have been lost since by a change of leaders (KIP-320), and `auto.offset.reset=none` says not
    /// to guess.
    #[error(
        "{partition} was truncated below offset {offset}{}: what was read from there on is no longer in the log; seek",
        Divergence(.diverges_at)
    )]
    LogTruncated {
        /// The partition.
        partition: TopicPartition,
        /// The position before.
        offset: i64,
        /// From where on the log is another one, if the broker knows.
        diverges_at: Option<i64>,
    },
    /// Bytes that are no legal batch. Reading stands still there: seek past it to go on.
    #[error(
        "{partition} cannot be read at offset {offset}: {source}; seek past it to go on, or fetch from another replica"
    )]
    Corrupt {
        /// The partition.
        partition: TopicPartition,
        /// Where reading stands.
        offset: i64,
        /// What is wrong.
        source: CorruptBatch,
    },
    /// A broker refuses to serve a partition for good.
    #[error("{partition} cannot be fetched: {code}; {}", Advice(*.code))]
    Refused {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        code: ErrorCode,
    },
    /// A commit came too late: the partitions belong to others, who read again from what was committed last.
    #[error(
        "the commit was refused ({code}): the group has rebalanced and the partitions have other readers; poll more often, raise max.poll.interval.ms, or handle fewer records at a time"
    )]
    CommitFailed {
        /// Why.
        code: ErrorCode,
    },
    /// A commit met a rebalance: poll, so that it comes to an end, and commit again what is still assigned.
    #[error("the commit was refused because the group is rebalancing: poll, then commit again what is still assigned")]
    Rebalancing,
    /// A partition that is not assigned to this consumer.
    #[error("{0} is not assigned to this consumer")]
    NotAssigned(TopicPartition),
    /// Nothing to poll: neither topics nor partitions were chosen.
    #[error("the consumer has no topics: call subscribe or assign first")]
    NotSubscribed,
    /// Group calls without a group.
    #[error("this needs a group: set group.id")]
    NoGroup,
    /// A pattern for topics that is no regular expression.
    #[error("'{pattern}' is no regular expression: {reason}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Anything that any client can meet.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl ConsumerError {
    /// Whether the same call may succeed later without anyone changing anything.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Rebalancing => true,
            Self::Client(error) => error.is_retriable(),
            _ => false,
        }
    }

    /// Whether the broker may have done what was asked, a commit, in spite of the error.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Client(error) if error.may_have_happened())
    }

    /// The broker's error code, if it is what went wrong.
    pub fn kafka_code(&self) -> Option<ErrorCode> {
        match self {
            Self::CommitFailed { code } | Self::Refused { code, .. } => Some(*code),
            Self::Rebalancing => Some(ErrorCode::RebalanceInProgress),
            Self::OffsetOutOfRange { .. } => Some(ErrorCode::OffsetOutOfRange),
            Self::Client(error) => error.kafka_code(),
            _ => None,
        }
    }

    pub(crate) fn illegal(text: impl Into<Arc<str>>) -> Self {
        Self::Client(ClientError::Illegal(text.into()))
    }
}

struct Divergence<'a>(&'a Option<i64>);

impl std::fmt::Display for Divergence<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |offset| write!(f, " (the log is another one from offset {offset} on)"))
    }
}

struct Advice(ErrorCode);

impl std::fmt::Display for Advice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            ErrorCode::TopicAuthorizationFailed => "grant READ on the topic to this client",
            ErrorCode::CorruptMessage => "the broker's own log is damaged there: seek past it to go on",
            _ => "see the broker's log",
        })
    }
}
