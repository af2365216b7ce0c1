//! The answer to Produce.
//!
//! ```text
//! topics: name | partitions: index i32, error i16, base offset i64, log append time i64, log start offset i64 (5+),
//!   record errors (8+): batch index i32, message; error message (8+); tag 0 (10+): current leader
//! throttle time ms i32 | tag 0 (10+): node endpoints
//! ```

use bytes::Bytes;
use callboard_model::{ErrorCode, Offset, PartitionIndex, Timestamp};

use super::{CurrentLeader, NodeEndpoint, joined};
use crate::writer::{Writer, gather};
use crate::{ApiKey, EncodeError, StrBytes, api};

/// What became of a produce request. Fields that a version lacks are left out of its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProduceResponse {
    /// In the order of the request.
    pub topics: Vec<TopicProduced>,
    /// How long the client is muted, in milliseconds (KIP-219).
    pub throttle_time_ms: i32,
    /// Addresses of the leaders that partitions name (KIP-951).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The part of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicProduced {
    /// As in the request.
    pub name: StrBytes,
    /// In the order of the request.
    pub partitions: Vec<PartitionProduced>,
}

/// The part of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProduced {
    /// As in the request.
    pub index: PartitionIndex,
    /// [`ErrorCode::None`] if the batch was appended.
    pub error: ErrorCode,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// The broker's time if the topic's records carry it, else [`Timestamp::NONE`].
    pub log_append_time: Timestamp,
    /// Where the log starts.
    pub log_start_offset: Offset,
    /// Which records made the batch illegal (KIP-467).
    pub record_errors: Vec<RecordError>,
    /// The reason for people (KIP-467).
    pub error_message: Option<String>,
    /// Who leads the partition, if not we (KIP-951).
    pub current_leader: Option<CurrentLeader>,
}

/// A record that made its batch illegal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Its place in the batch, from 0.
    pub batch_index: i32,
    /// The reason for people.
    pub message: Option<String>,
}

impl PartitionProduced {
    /// A refusal: nothing was appended.
    pub fn refused(index: PartitionIndex, error: ErrorCode) -> Self {
        Self {
            index,
            error,
            base_offset: Offset::NONE,
            log_append_time: Timestamp::NONE,
            log_start_offset: Offset::NONE,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: None,
        }
    }
}

/// The whole frame, its length and header included.
pub fn encode_response(correlation_id: i32, version: i16, response: &ProduceResponse) -> Result<Bytes, EncodeError> {
    if !api::served(ApiKey::Produce, version) {
        return Err(EncodeError::Version { api: ApiKey::Produce.name(), version });
    }
    let frame = gather(ApiKey::Produce.is_flexible(version), |to| {
        to.i32(correlation_id);
        to.no_tags();
        to.array(&response.topics, |to, topic| {
            to.string("topic name", &topic.name)?;
            to.array(&topic.partitions, |to, partition| write_partition(to, version, partition))?;
            to.no_tags();
            Ok(())
        })?;
        to.i32(response.throttle_time_ms);
        match &response.node_endpoints[..] {
            endpoints if version >= 10 && !endpoints.is_empty() => {
                to.varint(1);
                to.tagged(0, |to| to.array(endpoints, |to, endpoint| endpoint.write(to)))
            }
            _ => {
                to.no_tags();
                Ok(())
            }
        }
    })?;
    Ok(joined(frame.segments))
}

fn write_partition(to: &mut Writer<'_>, version: i16, partition: &PartitionProduced) -> Result<(), EncodeError> {
    to.i32(partition.index.0);
    to.i16(partition.error.code());
    to.i64(partition.base_offset.0);
    to.i64(partition.log_append_time.0);
    if version >= 5 {
        to.i64(partition.log_start_offset.0);
    }
    if version >= 8 {
        to.array(&partition.record_errors, |to, error| {
            to.i32(error.batch_index);
            to.nullable_string("record error message", error.message.as_deref())?;
            to.no_tags();
            Ok(())
        })?;
        to.nullable_string("error message", partition.error_message.as_deref())?;
    }
    match partition.current_leader {
        Some(leader) if version >= 10 => {
            to.varint(1);
            to.tagged(0, |to| {
                leader.write(to);
                Ok(())
            })
        }
        _ => {
            to.no_tags();
            Ok(())
        }
    }
}
