//! Produce: splits a request by partition, hands each batch to its leader, and joins the answers.

use std::net::SocketAddr;

use bytes::Bytes;
use callboard_model::{BatchError, CheckedBatch, ErrorCode, Offset, PartitionIndex, Tick, Timestamp};
use callboard_partition::{Acks, ProduceError, Produced};
use callboard_runtime::{ActorRef, SendError};
use callboard_wire::produce::{
    PartitionProduced, ProducePartition, ProduceRequest, ProduceResponse, RecordError, TopicProduced, encode_response,
};
use callboard_wire::{EncodeError, StrBytes};

use super::connection::ConnectionMessage;
use super::redirect::Redirects;
use super::services::Services;
use crate::broker::TopicRoute;
use crate::partition::{Append, PartitionMessage, ProduceSlot};

/// From this version on a batch may be compressed with zstd (KIP-110).
const ZSTD_VERSION: i16 = 7;
/// From this version on an answer says where a leader is now (KIP-951).
const REDIRECTS_VERSION: i16 = 10;

/// The one client that may write to the platform's own topics (Kafka: `AdminUtils.ADMIN_CLIENT_ID`).
const ADMIN_CLIENT: &str = "__admin_client";

/// One produce request while its partitions answer.
#[derive(Debug)]
pub(super) struct ProduceJoin {
    correlation_id: i32,
    version: i16,
    topics: Vec<TopicProduced>,
    /// For each partition of the request in order: its topic's place and its place there.
    places: Vec<(u32, u32)>,
    missing: usize,
    failed: bool,
}

/// What a request asks of all its partitions.
#[derive(Clone, Copy)]
struct Terms {
    acks: Acks,
    deadline: Tick,
    zstd_allowed: bool,
}

/// Hands every batch of a request to its leader. The join may be complete already when nothing could be handed on.
pub(super) fn begin(
    request: ProduceRequest,
    (correlation_id, version): (i32, i16),
    client: Option<&str>,
    number: u64,
    myself: &ActorRef<ConnectionMessage>,
    services: &Services,
) -> ProduceJoin {
    let count = request.topics.iter().map(|topic| topic.partitions.len()).sum();
    let mut join = ProduceJoin {
        correlation_id,
        version,
        topics: Vec::with_capacity(request.topics.len()),
        places: Vec::with_capacity(count),
        missing: 0,
        failed: false,
    };
    let acks = match request.acks {
        // With acks=0 nobody is answered, but what the batch holds in memory is accounted for until it is stored.
        0 | 1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    };
    let wait = std::time::Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = services.clock.tick().after(wait);
    let published = services.published.borrow();
    for (topic_at, topic) in request.topics.into_iter().enumerate() {
        let known = published.routes.get_key_value(&*topic.name);
        let route = known.map(|(_, route)| route.as_ref());
        let is_closed = client != Some(ADMIN_CLIENT) && known.is_some_and(|(name, _)| name.is_internal());
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for (partition_at, partition) in topic.partitions.into_iter().enumerate() {
            let index = partition.index;
            let slot = ProduceSlot::new(myself.clone(), number, join.places.len() as u32);
            join.places.push((topic_at as u32, partition_at as u32));
            let handed = match acks {
                Some(_) if is_closed => {
                    slot.forget();
                    let message = format!("Cannot append to internal topic {}", &*topic.name);
                    Err(refused(index, ErrorCode::InvalidTopicException, Some(message)))
                }
                Some(acks) => {
                    let terms = Terms { acks, deadline, zstd_allowed: version >= ZSTD_VERSION };
                    hand_on(partition, route, slot, terms, services)
                }
                None => {
                    slot.forget();
                    Err(refused(index, ErrorCode::InvalidRequiredAcks, None))
                }
            };
            match handed {
                Ok(()) => {
                    join.missing += 1;
                    partitions.push(PartitionProduced::refused(index, ErrorCode::NotLeaderOrFollower));
                }
                Err(refusal) => {
                    join.failed = true;
                    partitions.push(refusal);
                }
            }
        }
        join.topics.push(TopicProduced { name: owned(&topic.name), partitions });
    }
    join
}

/// A copy of a name: the shared text would keep the whole request in memory, batches and all.
fn owned(name: &StrBytes) -> StrBytes {
    StrBytes::from(name.to_string())
}

fn hand_on(
    partition: ProducePartition,
    route: Option<&TopicRoute>,
    slot: ProduceSlot,
    terms: Terms,
    services: &Services,
) -> Result<(), PartitionProduced> {
    let index = partition.index;
    let leader = route.and_then(|route| route.leader(index));
    let checked = match (leader, partition.records) {
        (None, _) => Err(refused(index, unknown(route, index), None)),
        (Some(_), None) => Err(refused(index, ErrorCode::InvalidRecord, Some("no record batch was sent".into()))),
        (Some(leader), Some(records)) => {
            CheckedBatch::new(records).map(|batch| (leader, batch)).map_err(|error| batch_refused(index, &error))
        }
    };
    let (leader, batch) = match checked {
        Ok(checked) => checked,
        Err(refusal) => {
            slot.forget();
            return Err(refusal);
        }
    };
    services.metrics.produce_batches.increment();
    services.metrics.produce_records.add(u64::try_from(batch.header().count).unwrap_or(0));
    services.metrics.produce_bytes.add(batch.len() as u64);
    let Terms { acks, deadline, zstd_allowed } = terms;
    let message = PartitionMessage::Append(Append { slot: Some(slot), acks, batch, deadline, zstd_allowed });
    match leader.leader.tell(message) {
        Ok(()) => Ok(()),
        // The slot is dropped with the message and would answer a second time.
        Err(SendError::Full { message, .. }) => {
            forget(message);
            Err(refused(index, ErrorCode::RequestTimedOut, Some("the partition's queue is full".into())))
        }
        Err(SendError::Gone { message, .. }) => {
            forget(message);
            Err(refused(index, ErrorCode::NotLeaderOrFollower, None))
        }
    }
}

fn forget(message: PartitionMessage) {
    if let PartitionMessage::Append(Append { slot: Some(slot), .. }) = message {
        slot.forget();
    }
}

/// A partition beyond the topic's count does not exist; one within it is led elsewhere.
pub(super) fn unknown(route: Option<&TopicRoute>, index: PartitionIndex) -> ErrorCode {
    match route {
        Some(route) if usize::try_from(index.0).is_ok_and(|at| at < route.leaders.len()) => {
            ErrorCode::NotLeaderOrFollower
        }
        _ => ErrorCode::UnknownTopicOrPartition,
    }
}

fn refused(index: PartitionIndex, error: ErrorCode, message: Option<String>) -> PartitionProduced {
    PartitionProduced { error_message: message, ..PartitionProduced::refused(index, error) }
}

/// Kafka's codes: `ProduceRequest.validateRecords` and `LogValidator`.
fn batch_refused(index: PartitionIndex, error: &BatchError) -> PartitionProduced {
    let code = match error {
        BatchError::Short { .. } | BatchError::Length { .. } | BatchError::Crc { .. } => ErrorCode::CorruptMessage,
        BatchError::Compression(_) => ErrorCode::UnsupportedCompressionType,
        BatchError::Magic(_) | BatchError::Count { .. } | BatchError::Trailing { .. } => ErrorCode::InvalidRecord,
    };
    refused(index, code, Some(error.to_string()))
}

impl ProduceJoin {
    /// Whether every partition has been answered for.
    pub(super) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Whether some partition was refused; with acks=0 the connection is closed then, so that the client notices.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The error that the request is counted under.
    pub(super) fn first_error(&self) -> ErrorCode {
        let rows = self.topics.iter().flat_map(|topic| &topic.partitions);
        rows.map(|row| row.error).find(|error| *error != ErrorCode::None).unwrap_or(ErrorCode::None)
    }

    /// A leader has answered. Gives whether all have.
    pub(super) fn fill(&mut self, index: u32, result: Result<Produced, ProduceError>) -> bool {
        let Some((topic, at)) = self.places.get(index as usize) else { return false };
        let place = &mut self.topics[*topic as usize].partitions[*at as usize];
        match result {
            Ok(produced) => {
                place.error = ErrorCode::None;
                place.base_offset = produced.base_offset;
                place.log_append_time = produced.log_append_time.unwrap_or(Timestamp::NONE);
                place.log_start_offset = produced.log_start;
            }
            Err(error) => {
                self.failed = true;
                place.error = error.code();
                place.base_offset = Offset::NONE;
                place.error_message = Some(error.to_string());
                place.record_errors = error
                    .record_failures()
                    .iter()
                    .map(|record| RecordError { batch_index: record.index, message: Some(record.reason.to_string()) })
                    .collect();
            }
        }
        self.missing -= 1;
        self.missing == 0
    }

    /// The answer's bytes, for a client that came to `local`.
    pub(super) fn encode(self, local: Option<SocketAddr>, services: &Services) -> Result<Bytes, EncodeError> {
        let mut response = ProduceResponse { topics: self.topics, ..ProduceResponse::default() };
        if self.failed && self.version >= REDIRECTS_VERSION {
            let published = services.now();
            let mut redirects = Redirects::new(&published);
            for topic in &mut response.topics {
                for row in &mut topic.partitions {
                    row.current_leader = redirects.leader(row.error, &topic.name, row.index);
                }
            }
            response.node_endpoints = redirects.endpoints(local, services);
        }
        encode_response(self.correlation_id, self.version, &response)
    }
}
