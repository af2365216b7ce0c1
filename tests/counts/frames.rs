//! Requests encoded once and sent many times, and what their answers say. Topics by name.

use bytes::Bytes;
use callboard_model::Timestamp;
use callboard_test_client::{NewRecord, encode_batch};
use callboard_wire::StrBytes;
use callboard_wire::messages::client::{
    self, FetchRequest, ProduceRequest, fetch_request, produce_request, split_response,
};
use callboard_wire::{ApiKey, EncodeError};

const CLIENT_ID: &str = "callboard-counts";
const PRODUCE: i16 = 9;
/// The last version of Fetch that names topics.
const FETCH: i16 = 12;
const PRODUCE_TIMEOUT_MS: i32 = 60_000;
/// The time of every record, in milliseconds since 1970.
const NOON: Timestamp = Timestamp(1_780_000_000_000);

/// What an answer to Produce says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Partitions that took their batch.
    pub partitions: usize,
    /// Partitions that refused it.
    pub refused: usize,
}

fn text(value: &str) -> StrBytes {
    value.to_owned().into()
}

/// A batch of so many records of so many bytes.
pub fn batch(records: usize, record_bytes: usize) -> Bytes {
    let value: Vec<u8> = (0..record_bytes).map(|at| b'a' + (at % 26) as u8).collect();
    let record = NewRecord { key: None, value: Some(&value), timestamp: NOON, headers: &[] };
    encode_batch(&vec![record; records], None)
}

/// The same batch for each of the partitions from 0 on, acks=all, no producer id.
pub fn produce(topic: &str, partitions: i32, batch: &Bytes) -> Result<Bytes, EncodeError> {
    let mut data = produce_request::TopicProduceData::default();
    data.name = text(topic);
    for index in 0..partitions {
        let mut partition = produce_request::PartitionProduceData::default();
        partition.index = index;
        partition.records = Some(batch.clone());
        data.partition_data.push(partition);
    }
    let mut request = ProduceRequest::default();
    request.transactional_id = None;
    request.acks = -1;
    request.timeout_ms = PRODUCE_TIMEOUT_MS;
    request.topic_data = vec![data];
    client::encode_produce(0, Some(CLIENT_ID), PRODUCE, &request)
}

/// Partition 0 from an offset on, at most so many bytes, not waiting for any; no session.
pub fn fetch(topic: &str, offset: i64, max_bytes: i32) -> Result<Bytes, EncodeError> {
    let mut partition = fetch_request::FetchPartition::default();
    partition.partition = 0;
    partition.current_leader_epoch = -1;
    partition.fetch_offset = offset;
    partition.log_start_offset = -1;
    partition.partition_max_bytes = max_bytes;
    let mut asked = fetch_request::FetchTopic::default();
    asked.topic = text(topic);
    asked.partitions = vec![partition];
    let mut request = FetchRequest::default();
    request.replica_id = -1;
    request.max_wait_ms = 0;
    request.min_bytes = 1;
    request.max_bytes = max_bytes;
    request.session_id = 0;
    request.session_epoch = -1;
    request.topics = vec![asked];
    client::encode_fetch(0, Some(CLIENT_ID), FETCH, &request)
}

/// What became of the batches of [`produce`].
pub fn read_produce(answer: Bytes) -> Appended {
    let (_, body) = split_response(ApiKey::Produce, PRODUCE, answer).expect("an answer has a header");
    let answer = client::decode_produce(PRODUCE, body).expect("an answer to Produce");
    let codes = || answer.responses.iter().flat_map(|topic| &topic.partition_responses).map(|one| one.error_code);
    Appended {
        partitions: codes().filter(|code| *code == 0).count(),
        refused: codes().filter(|code| *code != 0).count(),
    }
}

/// The batches that came for [`fetch`].
pub fn read_fetch(answer: Bytes) -> Bytes {
    let (_, body) = split_response(ApiKey::Fetch, FETCH, answer).expect("an answer has a header");
    let mut answer = client::decode_fetch(FETCH, body).expect("an answer to Fetch");
    assert_eq!(answer.error_code, 0, "{answer:?}");
    let partition = answer.responses.pop().and_then(|mut topic| topic.partitions.pop()).expect("one was asked for");
    assert_eq!(partition.error_code, 0, "{partition:?}");
    partition.records.unwrap_or_default()
}
