//! What a node answered, in the house's own types.

use bytes::Bytes;
use callboard_model::{
    BatchHeader, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Record, Timestamp,
};

use crate::{ClientError, walk};

/// What InitProducerId gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// The id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
}

/// What became of the batch of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Produced {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
    /// [`ErrorCode::None`] if it was appended.
    pub error: ErrorCode,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// The broker's time if the topic's records carry it.
    pub log_append_time: Timestamp,
    /// Where the log starts.
    pub log_start_offset: Offset,
    /// The reason for people.
    pub message: Option<String>,
}

/// What was read of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
    /// [`ErrorCode::None`] if the offset could be read.
    pub error: ErrorCode,
    /// One past the last visible record.
    pub high_watermark: Offset,
    /// Where the log starts.
    pub log_start_offset: Offset,
    /// Batches one after another; the first may begin before the offset that was asked for.
    pub batches: Bytes,
}

impl Fetched {
    /// Visits every record at or after `from`, as [`walk`] does.
    pub fn walk(&self, from: Offset, visit: impl FnMut(&BatchHeader, Record<'_>)) -> Result<(), ClientError> {
        walk(&self.batches, from, visit)
    }
}

/// An offset found by its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
    /// [`ErrorCode::None`] if there is an answer.
    pub error: ErrorCode,
    /// The offset; [`Offset::NONE`] if no record matches.
    pub offset: Offset,
    /// The record's time, [`Timestamp::NONE`] for the ends of the log.
    pub timestamp: Timestamp,
    /// The record's leader epoch.
    pub leader_epoch: LeaderEpoch,
}
