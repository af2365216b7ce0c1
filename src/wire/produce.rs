//! Produce, versions 3 to 11: batches are carved out of the frame, never copied, never parsed.
//!
//! ```text
//! transactional id | acks i16 | timeout ms i32 | topics: name | partitions: index i32, records
//! ```
//! From version 9 on with compact lengths, and with tagged fields after each of the three structures.

use bytes::{Bytes, BytesMut};
use callboard_model::PartitionIndex;

use crate::frame::keep;
use crate::reader::Reader;
use crate::{ApiKey, DecodeError, StrBytes, api};

mod response;

pub use crate::redirect::{CurrentLeader, NodeEndpoint};
pub use response::{PartitionProduced, ProduceResponse, RecordError, TopicProduced, encode_response};

/// What a producer asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct ProduceRequest {
    /// The transaction that it writes in, if any.
    pub transactional_id: Option<StrBytes>,
    /// 0: no answer, 1: the leader has it, -1: all in-sync replicas have it. Other values are for the caller to refuse.
    pub acks: i16,
    /// How long to wait for the acknowledgement, in milliseconds.
    pub timeout_ms: i32,
    /// In the order of the request.
    pub topics: Vec<ProduceTopic>,
}

/// The part of one topic.
#[derive(Debug, PartialEq, Eq)]
pub struct ProduceTopic {
    /// Text, not yet checked to be a legal topic name.
    pub name: StrBytes,
    /// In the order of the request.
    pub partitions: Vec<ProducePartition>,
}

/// The part of one partition.
#[derive(Debug, PartialEq, Eq)]
pub struct ProducePartition {
    /// As sent: may be negative.
    pub index: PartitionIndex,
    /// Unchecked bytes, to be one batch. They share the frame's memory and are the holder's alone to change in place.
    pub records: Option<BytesMut>,
}

impl ProduceRequest {
    /// Makes its batches ready to be kept after the frame of `frame_len` bytes that they came in: see [`keep`].
    pub fn keep_batches(&mut self, frame_len: usize) {
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.records = partition.records.take().map(|records| keep(records, frame_len));
        }
    }
}

/// Reads the body of a request. Bytes after its end are ignored, as Kafka does.
pub fn decode_request(version: i16, body: BytesMut) -> Result<ProduceRequest, DecodeError> {
    if !api::served(ApiKey::Produce, version) {
        return Err(DecodeError::NotServed { api_key: ApiKey::Produce.code(), version });
    }
    let mut from = Reader::new(body, ApiKey::Produce.is_flexible(version));
    let transactional_id = from.nullable_string("transactional id")?;
    let acks = from.i16("acks")?;
    let timeout_ms = from.i32("timeout")?;
    let topics = from.array("topics", topic)?;
    from.tags()?;
    Ok(ProduceRequest { transactional_id, acks, timeout_ms, topics })
}

fn topic(from: &mut Reader) -> Result<ProduceTopic, DecodeError> {
    let name = from.string("topic name")?;
    let partitions = from.array("partitions", partition)?;
    from.tags()?;
    Ok(ProduceTopic { name, partitions })
}

fn partition(from: &mut Reader) -> Result<ProducePartition, DecodeError> {
    let index = PartitionIndex(from.i32("partition index")?);
    let records = from.nullable_bytes("records")?;
    from.tags()?;
    Ok(ProducePartition { index, records })
}

/// Joins the pieces of a frame that holds no record data.
fn joined(pieces: Vec<Bytes>) -> Bytes {
    debug_assert!(pieces.len() == 1, "fields without batches are one piece");
    pieces.into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
