//! Requests encoded once and sent many times, and the answers to them judged. Topics by name: these versions are served by
//! every broker of the last years.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use callboard_model::{Batches, Offset, Timestamp};
use callboard_test_client::{NewRecord, encode_batch};
use callboard_wire::messages::client::{self, FetchRequest, ProduceRequest, fetch_request, produce_request};
use callboard_wire::messages::{ApiVersionsRequest, MetadataRequest, MetadataRequestTopic, Request, Response};
use callboard_wire::{ApiKey, EncodeError, StrBytes};

use crate::error::LinkError;

const CLIENT_ID: &str = "callboard-connections";
const API_VERSIONS: i16 = 3;
const METADATA: i16 = 9;
const PRODUCE: i16 = 9;
/// The last version of Fetch that names topics; later ones want their ids.
const FETCH: i16 = 12;
/// What a broker is given for an answer to Produce; ours wait longer.
const PRODUCE_TIMEOUT: Duration = Duration::from_secs(60);

/// A whole request whose correlation id is filled in when it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) bytes: Bytes,
}

fn text(value: &str) -> StrBytes {
    value.to_owned().into()
}

fn control(version: i16, request: &Request) -> Result<Frame, EncodeError> {
    let bytes = client::encode_request(0, Some(CLIENT_ID), version, request)?;
    Ok(Frame { key: request.key(), version, bytes })
}

/// What every client asks first.
pub(crate) fn api_versions() -> Result<Frame, EncodeError> {
    let mut request = ApiVersionsRequest::default();
    request.client_software_name = text(CLIENT_ID);
    request.client_software_version = text("1");
    control(API_VERSIONS, &Request::ApiVersions(request))
}

/// What every client asks next.
pub(crate) fn metadata(topic: &str) -> Result<Frame, EncodeError> {
    let mut asked = MetadataRequestTopic::default();
    asked.name = Some(text(topic));
    let mut request = MetadataRequest::default();
    request.topics = Some(vec![asked]);
    request.allow_auto_topic_creation = false;
    control(METADATA, &Request::Metadata(request))
}

/// A batch of so many records with values of so many bytes that differ from each other.
pub(crate) fn batch(records: usize, record_bytes: usize) -> Bytes {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let values: Vec<Vec<u8>> = (0..records)
        .map(|_| {
            let letter = |_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                b'a' + (seed % 26) as u8
            };
            (0..record_bytes).map(letter).collect()
        })
        .collect();
    let records: Vec<_> =
        values.iter().map(|value| NewRecord { key: None, value: Some(value), timestamp: now, headers: &[] }).collect();
    encode_batch(&records, None)
}

/// The same batch for each of the partitions, acks=all.
pub(crate) fn produce(topic: &str, partitions: &[i32], batch: &Bytes) -> Result<Frame, EncodeError> {
    let mut request = ProduceRequest::default();
    request.transactional_id = None;
    request.acks = -1;
    request.timeout_ms = i32::try_from(PRODUCE_TIMEOUT.as_millis()).unwrap_or(i32::MAX);
    let mut data = produce_request::TopicProduceData::default();
    data.name = text(topic);
    for partition in partitions {
        let mut of_partition = produce_request::PartitionProduceData::default();
        of_partition.index = *partition;
        of_partition.records = Some(batch.clone());
        data.partition_data.push(of_partition);
    }
    request.topic_data = vec![data];
    let bytes = client::encode_produce(0, Some(CLIENT_ID), PRODUCE, &request)?;
    Ok(Frame { key: ApiKey::Produce, version: PRODUCE, bytes })
}

/// Whatever is there from these offsets on, by partition; waits so long for at least one byte.
pub(crate) fn fetch(
    topic: &str,
    from: &[(i32, Offset)],
    max_bytes: i32,
    max_wait: Duration,
) -> Result<Frame, EncodeError> {
    let mut request = FetchRequest::default();
    request.replica_id = -1;
    request.max_wait_ms = i32::try_from(max_wait.as_millis()).unwrap_or(i32::MAX);
    request.min_bytes = 1;
    request.max_bytes = max_bytes;
    request.session_id = 0;
    request.session_epoch = -1;
    let mut asked = fetch_request::FetchTopic::default();
    asked.topic = text(topic);
    for (index, offset) in from {
        let mut partition = fetch_request::FetchPartition::default();
        partition.partition = *index;
        partition.current_leader_epoch = -1;
        partition.fetch_offset = offset.get();
        partition.log_start_offset = -1;
        partition.partition_max_bytes = max_bytes;
        asked.partitions.push(partition);
    }
    request.topics = vec![asked];
    let bytes = client::encode_fetch(0, Some(CLIENT_ID), FETCH, &request)?;
    Ok(Frame { key: ApiKey::Fetch, version: FETCH, bytes })
}

fn judged(api: ApiKey, code: i16) -> Result<(), LinkError> {
    if code == 0 { Ok(()) } else { Err(LinkError::Refused { api: api.name(), code }) }
}

/// An answer that must be good, whatever it answers: how many batches were appended, or of how many bytes batches came,
/// every one of them whole, with its checksum.
pub(crate) fn judge(frame: &Frame, body: Bytes) -> Result<u64, LinkError> {
    let (key, version) = (frame.key, frame.version);
    let mut counted = 0;
    match key {
        ApiKey::Produce => {
            for partition in
                client::decode_produce(version, body)?.responses.iter().flat_map(|t| &t.partition_responses)
            {
                judged(key, partition.error_code)?;
                counted += 1;
            }
            if counted == 0 {
                return Err(LinkError::Wrong("an answer to Produce is about no partition".to_owned()));
            }
        }
        ApiKey::Fetch => counted = judge_fetch(version, body)?.iter().map(|read| read.bytes as u64).sum(),
        _ => match client::decode_response(key, version, body)? {
            Response::ApiVersions(answer) => judged(key, answer.error_code)?,
            Response::Metadata(answer) => {
                for topic in &answer.topics {
                    judged(key, topic.error_code)?;
                }
                if answer.brokers.is_empty() {
                    return Err(LinkError::Wrong("an answer to Metadata names no broker".to_owned()));
                }
            }
            _ => return Err(LinkError::Wrong(format!("nobody asks for {} here", key.name()))),
        },
    }
    Ok(counted)
}

/// What was read of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The partition.
    pub(crate) partition: i32,
    /// One past the last record that came, if one came.
    pub(crate) next: Option<Offset>,
    /// Of batches, also of an incomplete last one.
    pub(crate) bytes: usize,
}

/// An answer to Fetch: what came of each partition.
pub(crate) fn judge_fetch(version: i16, body: Bytes) -> Result<Vec<Read>, LinkError> {
    let answer = client::decode_fetch(version, body)?;
    judged(ApiKey::Fetch, answer.error_code)?;
    let mut reads = Vec::new();
    for partition in answer.responses.iter().flat_map(|topic| &topic.partitions) {
        judged(ApiKey::Fetch, partition.error_code)?;
        let records = partition.records.clone().unwrap_or_default();
        let mut next = None;
        for batch in Batches::verified(&records) {
            let (header, _) = batch.map_err(|error| LinkError::Wrong(format!("a batch that was read: {error}")))?;
            next = Some(header.end_offset());
        }
        reads.push(Read { partition: partition.partition_index, next, bytes: records.len() });
    }
    Ok(reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_its_records_and_its_checksum() {
        let bytes = batch(3, 100);
        let batches: Vec<_> = Batches::verified(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].0.last_offset(), Offset(2));
        assert!(bytes.len() > 300 && bytes.len() < 420, "{}", bytes.len());
    }

    #[test]
    fn the_correlation_id_is_where_links_write_it() {
        let frame = produce("t", &[0, 1], &batch(1, 10)).unwrap();
        assert_eq!(frame.bytes[4..6], (ApiKey::Produce as i16).to_be_bytes());
        assert_eq!(frame.bytes[6..8], PRODUCE.to_be_bytes());
        assert_eq!(frame.bytes[8..12], [0; 4]);
        assert_eq!(frame.bytes[..4], u32::try_from(frame.bytes.len() - 4).unwrap().to_be_bytes());
    }

    #[test]
    fn rubbish_is_an_error() {
        let frame = api_versions().unwrap();
        assert!(judge(&frame, Bytes::from_static(b"\x00")).is_err());
        assert!(judge_fetch(FETCH, Bytes::from_static(&[0xff; 9])).is_err());
    }
}
