//! Fetch, versions 4 to 17: the answer shares the stored batches.
//!
//! ```text
//! replica id i32 (up to 14) | max wait ms i32 | min bytes i32 | max bytes i32 | isolation i8 | session id, epoch i32 (7+)
//! topics: name (up to 12) or id (13+) | partitions: index i32, current leader epoch i32 (9+), offset i64,
//!   last fetched epoch i32 (12+), log start offset i64 (5+), max bytes i32, tags: 0 directory id (17+)
//! forgotten topics (7+): name (up to 12) or id (13+) | partitions i32 ; rack id (11+)
//! tags (12+): 0 cluster id, 1 replica state: replica id i32, epoch i64 (15+)
//! ```
//! Cluster id and directory id are for the metadata quorum and for followers; what is not read is skipped.

use std::ops::RangeInclusive;

use bytes::BytesMut;
use callboard_model::{LeaderEpoch, Offset, PartitionIndex, TopicId};

use crate::reader::Reader;
use crate::{ApiKey, DecodeError, StrBytes};

mod response;

pub use crate::redirect::{CurrentLeader, NodeEndpoint};
pub use crate::writer::Gathered;
pub use response::{
    AbortedTransaction, DivergingEpoch, FetchResponse, PartitionFetched, TopicFetched, encode_response,
};

/// Versions that this room reads and writes.
pub const VERSIONS: RangeInclusive<i16> = 4..=17;
/// From this version on topics are named by their ids (KIP-516).
pub const TOPIC_IDS_SINCE: i16 = 13;
/// From this version on an answer may say where a leader is now (KIP-951).
pub const REDIRECTS_SINCE: i16 = 16;

/// What a consumer asks for. Fields that a version lacks have the default that Kafka gives them.
#[derive(Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// -1 for a consumer. From version 15 on the one of the replica state (KIP-903).
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

/// How a request names a topic, and its answer after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicKey {
    /// Up to version 12: text, not yet checked to be a legal topic name.
    Name(StrBytes),
    /// From version 13 on.
    Id(TopicId),
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
    /// Which.
    pub topic: TopicKey,
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
    /// Which topic.
    pub topic: TopicKey,
    /// Their numbers.
    pub partitions: Vec<PartitionIndex>,
}

/// The replica id of a consumer.
const CONSUMER: i32 = -1;
/// The tagged field that holds the replica id from version 15 on.
const REPLICA_STATE: u32 = 1;

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
    let mut replica_id = if version < 15 { from.i32("replica id")? } else { CONSUMER };
    let max_wait_ms = from.i32("max wait")?;
    let min_bytes = from.i32("min bytes")?;
    let max_bytes = from.i32("max bytes")?;
    let code = from.i8("isolation level")?;
    let unknown = DecodeError::Unknown { what: "isolation level", given: i64::from(code) };
    let isolation = Isolation::from_code(code).ok_or(unknown)?;
    let (session_id, session_epoch) =
        if version >= 7 { (from.i32("session id")?, from.i32("session epoch")?) } else { (0, -1) };
    let topics = from.array("topics", |from| topic(from, version))?;
    let forgotten =
        if version >= 7 { from.array("forgotten topics", |from| forgotten_topic(from, version))? } else { Vec::new() };
    let rack_id = if version >= 11 { from.string("rack id")? } else { StrBytes::default() };
    from.tags_with(|tag, field| {
        if tag == REPLICA_STATE && version >= 15 {
            replica_id = field.i32("replica id")?;
            field.i64("replica epoch")?;
        }
        Ok(())
    })?;
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

fn topic_key(from: &mut Reader, version: i16) -> Result<TopicKey, DecodeError> {
    if version >= TOPIC_IDS_SINCE {
        from.uuid("topic id").map(|bytes| TopicKey::Id(TopicId::from_bytes(bytes)))
    } else {
        from.string("topic name").map(TopicKey::Name)
    }
}

fn topic(from: &mut Reader, version: i16) -> Result<FetchTopic, DecodeError> {
    let topic = topic_key(from, version)?;
    let partitions = from.array("partitions", |from| partition(from, version))?;
    from.tags()?;
    Ok(FetchTopic { topic, partitions })
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

fn forgotten_topic(from: &mut Reader, version: i16) -> Result<ForgottenTopic, DecodeError> {
    let topic = topic_key(from, version)?;
    let partitions = from.array("partitions", |from| from.i32("partition index").map(PartitionIndex))?;
    from.tags()?;
    Ok(ForgottenTopic { topic, partitions })
}

#[cfg(test)]
mod tests;
