//! The answer to Fetch, as pieces for a gathering write.
//!
//! ```text
//! throttle time ms i32 | error i16, session id i32 (7+) | topics: name (up to 12) or id (13+) | partitions: index i32,
//!   error i16, high watermark i64, last stable offset i64, log start offset i64 (5+), aborted transactions: producer id
//!   i64, first offset i64; preferred read replica i32 (11+), records, tags (12+): 0 diverging epoch, 1 current leader
//! tags (12+): 0 node endpoints (16+): node id i32, host, port i32, rack
//! ```

use bytes::Bytes;
use callboard_model::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerId};

use super::{CurrentLeader, Gathered, NodeEndpoint, REDIRECTS_SINCE, TOPIC_IDS_SINCE, TopicKey, VERSIONS};
use crate::writer::{Writer, gather};
use crate::{ApiKey, EncodeError};

/// What a fetch found. Fields that a version lacks are left out of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchResponse {
    /// How long the client is muted, in milliseconds (KIP-219).
    pub throttle_time_ms: i32,
    /// Of the session, not of a partition.
    pub error: ErrorCode,
    /// 0: there is no session, the client goes on asking for everything (KIP-227).
    pub session_id: i32,
    /// In the order of the request.
    pub topics: Vec<TopicFetched>,
    /// Addresses of the leaders named in `topics` (16+).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The part of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFetched {
    /// As in the request.
    pub topic: TopicKey,
    /// In the order of the request.
    pub partitions: Vec<PartitionFetched>,
}

/// The part of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFetched {
    /// As in the request.
    pub index: PartitionIndex,
    /// [`ErrorCode::None`] if the offset could be read.
    pub error: ErrorCode,
    /// One past the last replicated record.
    pub high_watermark: Offset,
    /// One past the last record that read_committed shows.
    pub last_stable_offset: Offset,
    /// Where the log starts.
    pub log_start_offset: Offset,
    /// Where the reader's log and ours part (12+).
    pub diverging_epoch: Option<DivergingEpoch>,
    /// Who leads now, beside an error that says that the reader is wrong about it (written from 16 on).
    pub current_leader: Option<CurrentLeader>,
    /// By first offset; only for read_committed, else none.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// A replica nearer to the reader (KIP-392).
    pub preferred_read_replica: Option<BrokerId>,
    /// Whole batches, in order, as stored.
    pub records: Vec<Bytes>,
}

/// Where two logs part (KIP-595).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DivergingEpoch {
    /// The last epoch in common.
    pub epoch: LeaderEpoch,
    /// Where it ends.
    pub end_offset: Offset,
}

/// An aborted transaction within the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// Where it began.
    pub first_offset: Offset,
}

impl PartitionFetched {
    /// An answer without records, with no offset known.
    pub fn refused(index: PartitionIndex, error: ErrorCode) -> Self {
        Self {
            index,
            error,
            high_watermark: Offset::NONE,
            last_stable_offset: Offset::NONE,
            log_start_offset: Offset::NONE,
            diverging_epoch: None,
            current_leader: None,
            aborted_transactions: None,
            preferred_read_replica: None,
            records: Vec::new(),
        }
    }
}

/// The whole frame, its length and header included, as pieces: record data is shared, not copied.
pub fn encode_response(correlation_id: i32, version: i16, response: &FetchResponse) -> Result<Gathered, EncodeError> {
    if !VERSIONS.contains(&version) {
        return Err(EncodeError::Version { api: ApiKey::Fetch.name(), version });
    }
    gather(ApiKey::Fetch.is_flexible(version), |to| {
        to.i32(correlation_id);
        to.no_tags();
        to.i32(response.throttle_time_ms);
        if version >= 7 {
            to.i16(response.error.code());
            to.i32(response.session_id);
        }
        to.array(&response.topics, |to, topic| {
            write_key(to, version, &topic.topic)?;
            to.array(&topic.partitions, |to, partition| write_partition(to, version, partition))?;
            to.no_tags();
            Ok(())
        })?;
        match &response.node_endpoints[..] {
            endpoints if version >= REDIRECTS_SINCE && !endpoints.is_empty() => {
                to.varint(1);
                to.tagged(0, |to| to.array(endpoints, |to, endpoint| endpoint.write(to)))
            }
            _ => {
                to.no_tags();
                Ok(())
            }
        }
    })
}

fn write_key(to: &mut Writer<'_>, version: i16, topic: &TopicKey) -> Result<(), EncodeError> {
    match topic {
        TopicKey::Name(name) if version < TOPIC_IDS_SINCE => to.string("topic name", name),
        TopicKey::Id(id) if version >= TOPIC_IDS_SINCE => {
            to.uuid(id.as_bytes());
            Ok(())
        }
        _ => Err(EncodeError::TopicKey { version }),
    }
}

fn write_partition(to: &mut Writer<'_>, version: i16, partition: &PartitionFetched) -> Result<(), EncodeError> {
    to.i32(partition.index.0);
    to.i16(partition.error.code());
    to.i64(partition.high_watermark.0);
    to.i64(partition.last_stable_offset.0);
    if version >= 5 {
        to.i64(partition.log_start_offset.0);
    }
    match &partition.aborted_transactions {
        None => to.length(None)?,
        Some(aborted) => to.array(aborted, |to, transaction| {
            to.i64(transaction.producer_id.0);
            to.i64(transaction.first_offset.0);
            to.no_tags();
            Ok(())
        })?,
    }
    if version >= 11 {
        to.i32(partition.preferred_read_replica.map_or(-1, BrokerId::get));
    }
    to.records(&partition.records)?;
    if version >= 12 { write_tags(to, version, partition) } else { Ok(()) }
}

fn write_tags(to: &mut Writer<'_>, version: i16, partition: &PartitionFetched) -> Result<(), EncodeError> {
    let current_leader = partition.current_leader.filter(|_| version >= REDIRECTS_SINCE);
    let count = u32::from(partition.diverging_epoch.is_some()) + u32::from(current_leader.is_some());
    to.varint(count);
    if let Some(diverging) = partition.diverging_epoch {
        to.tagged(0, |to| {
            to.i32(diverging.epoch.0);
            to.i64(diverging.end_offset.0);
            to.no_tags();
            Ok(())
        })?;
    }
    if let Some(leader) = current_leader {
        to.tagged(1, |to| {
            leader.write(to);
            Ok(())
        })?;
    }
    Ok(())
}
