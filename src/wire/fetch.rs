//! Fetch, versions 4 to 12 (12 is ready but not advertised, see [`crate::api`]): the answer shares the stored batches.
//!
//! ```text
//! replica id i32 | max wait ms i32 | min bytes i32 | max bytes i32 | isolation i8 | session id, epoch i32 (7+)
//! topics: name | partitions: index i32, current leader epoch i32 (9+), offset i64, last fetched epoch i32 (12+),
//!   log start offset i64 (5+), max bytes i32
//! forgotten topics (7+): name | partitions i32 ; rack id (11+)
//! ```

use std::ops::RangeInclusive;

use bytes::BytesMut;
use callboard_model::{LeaderEpoch, Offset, PartitionIndex};

use crate::reader::Reader;
use crate::{ApiKey, DecodeError, StrBytes};

mod response;

pub use crate::redirect::CurrentLeader;
pub use crate::writer::Gathered;
pub use response::{
    AbortedTransaction, DivergingEpoch, FetchResponse, PartitionFetched, TopicFetched, encode_response,
};

/// Versions that this room reads and writes.
pub const VERSIONS: RangeInclusive<i16> = 4..=12;

/// What a consumer asks for. Fields that a version lacks have the default that Kafka gives them.
#[derive(Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// -1 for a consumer.
    pub replica_id: i32,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Bytes worth answering for.
    pub min_bytes: i32,
    /// Bytes in all; one batch may exceed it (KIP-74).
    pub max_bytes: i32,
    /// Which records are visible.
    pub isolation: Isolation,
    /// The fetch session; 0 for none (KIP-227).
    pub session_id: i32,
    /// The session's epoch; -1 for none.
    pub session_epoch: i32,
    /// In the order of the request.
    pub topics: Vec<FetchTopic>,
    /// Partitions that leave the session.
    pub forgotten: Vec<ForgottenTopic>,
    /// The consumer's rack, empty if none (KIP-392).
    pub rack_id: StrBytes,
}

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All that are replicated.
    #[default]
    ReadUncommitted,
    /// None of a transaction that is open or was aborted.
    ReadCommitted,
}

impl Isolation {
    /// As on the wire: Kafka knows 0 and 1 and refuses the rest.
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::ReadUncommitted),
            1 => Some(Self::ReadCommitted),
            _ => None,
        }
    }
}

/// The part of one topic.
#[derive(Debug, PartialEq, Eq)]
pub struct FetchTopic {
    /// Text, not yet checked to be a legal topic name.
    pub name: StrBytes,
    /// In the order of the request.
    pub partitions: Vec<FetchPartition>,
}

/// The part of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// As sent: may be negative.
    pub index: PartitionIndex,
    /// The epoch that the reader believes in, [`LeaderEpoch::NONE`] if it does not say (KIP-320).
    pub current_leader_epoch: LeaderEpoch,
    /// Where to read from.
    pub offset: Offset,
    /// Epoch of the last record that the reader has, [`LeaderEpoch::NONE`] if it does not say (KIP-595).
    pub last_fetched_epoch: LeaderEpoch,
    /// Where a follower's log starts, [`Offset::NONE`] for a consumer.
    pub log_start_offset: Offset,
    /// Bytes of this partition; one batch may exceed it.
    pub max_bytes: i32,
}

/// Partitions of one topic that leave the session.
#[derive(Debug, PartialEq, Eq)]
pub struct ForgottenTopic {
    /// The topic's name.
    pub name: StrBytes,
    /// Their numbers.
    pub partitions: Vec<PartitionIndex>,
}

/// Reads the body of a request. Bytes after its end are ignored, as Kafka does.
pub fn decode_request(version: i16, body: BytesMut) -> Result<FetchRequest, DecodeError> {
    if !VERSIONS.contains(&version) {
        return Err(DecodeError::NotServed { api_key: ApiKey::Fetch.code(), version });
    }
    let max = ApiKey::Fetch.body_max();
    if body.len() > max {
        return Err(DecodeError::TooLarge { api: ApiKey::Fetch.name(), given: body.len(), max });
    }
    let mut from = Reader::new(body, ApiKey::Fetch.is_flexible(version));
    let replica_id = from.i32("replica id")?;
    let max_wait_ms = from.i32("max wait")?;
    let min_bytes = from.i32("min bytes")?;
    let max_bytes = from.i32("max bytes")?;
    let code = from.i8("isolation level")?;
    let unknown = DecodeError::Unknown { what: "isolation level", given: i64::from(code) };
    let isolation = Isolation::from_code(code).ok_or(unknown)?;
    let (session_id, session_epoch) =
        if version >= 7 { (from.i32("session id")?, from.i32("session epoch")?) } else { (0, -1) };
    let topics = from.array("topics", |from| topic(from, version))?;
    let forgotten = if version >= 7 { from.array("forgotten topics", forgotten_topic)? } else { Vec::new() };
    let rack_id = if version >= 11 { from.string("rack id")? } else { StrBytes::default() };
    from.tags()?;
    Ok(FetchRequest {
        replica_id,
        max_wait_ms,
        min_bytes,
        max_bytes,
        isolation,
        session_id,
        session_epoch,
        topics,
        forgotten,
        rack_id,
    })
}

fn topic(from: &mut Reader, version: i16) -> Result<FetchTopic, DecodeError> {
    let name = from.string("topic name")?;
    let partitions = from.array("partitions", |from| partition(from, version))?;
    from.tags()?;
    Ok(FetchTopic { name, partitions })
}

fn partition(from: &mut Reader, version: i16) -> Result<FetchPartition, DecodeError> {
    let epoch = |from: &mut Reader, since: i16, what| {
        if version >= since { from.i32(what).map(LeaderEpoch) } else { Ok(LeaderEpoch::NONE) }
    };
    let index = PartitionIndex(from.i32("partition index")?);
    let current_leader_epoch = epoch(from, 9, "current leader epoch")?;
    let offset = Offset(from.i64("fetch offset")?);
    let last_fetched_epoch = epoch(from, 12, "last fetched epoch")?;
    let log_start_offset = if version >= 5 { Offset(from.i64("log start offset")?) } else { Offset::NONE };
    let max_bytes = from.i32("partition max bytes")?;
    from.tags()?;
    Ok(FetchPartition { index, current_leader_epoch, offset, last_fetched_epoch, log_start_offset, max_bytes })
}

fn forgotten_topic(from: &mut Reader) -> Result<ForgottenTopic, DecodeError> {
    let name = from.string("topic name")?;
    let partitions = from.array("partitions", |from| from.i32("partition index").map(PartitionIndex))?;
    from.tags()?;
    Ok(ForgottenTopic { name, partitions })
}

#[cfg(test)]
mod tests;
