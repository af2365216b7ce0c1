//! The calls that stories make, short; every one judges what it does not return.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use callboard_model::{Compression, ErrorCode, HEADER_LEN, Offset, PartitionIndex, Timestamp};
use callboard_test_client::{
    Acks, Client, FetchFrom, FetchLimits, Fetched, Idempotence, NewRecord, OffsetAt, PartitionBatch, Produced,
    Resource, encode_batch,
};
use callboard_wire::compression::compress;
use callboard_wire::messages::{
    CreatePartitionsRequest, CreatePartitionsTopic, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
    DeleteTopicsRequest, MetadataRequest, MetadataRequestTopic, MetadataResponseTopic, OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition, OffsetForLeaderTopic, Request, Response,
};

use crate::rig::{PATIENCE, Rig};

/// A client of this node.
pub(crate) fn connect(rig: &Rig) -> Client {
    Client::connect(rig.kafka(), PATIENCE).expect("a connection")
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("before the year 292 million"))
}

/// A batch of records with these values, of this moment.
pub(crate) fn batch(values: &[&[u8]]) -> Bytes {
    timed(&values.iter().map(|value| (*value, now())).collect::<Vec<_>>(), None)
}

/// A batch of one value that is `len` bytes long.
pub(crate) fn large(len: usize) -> Bytes {
    batch(&[&vec![b'x'; len]])
}

/// A batch of values with their times, and its producer's stamp.
pub(crate) fn timed(values: &[(&[u8], Timestamp)], stamp: Option<Idempotence>) -> Bytes {
    let records: Vec<NewRecord<'_>> = values.iter().map(|(value, at)| NewRecord::new(b"k", value, *at)).collect();
    encode_batch(&records, stamp)
}

/// The same batch with other bytes at a place, its checksum made right.
pub(crate) fn altered(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut batch = BytesMut::from(&batch[..]);
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    sealed(batch)
}

fn sealed(mut batch: BytesMut) -> Bytes {
    let len = i32::try_from(batch.len() - 12).expect("a small batch");
    batch[8..12].copy_from_slice(&len.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

/// The same batch with its records compressed.
pub(crate) fn compressed(batch: &Bytes, codec: Compression, number: i16) -> Bytes {
    let mut out = BytesMut::from(&batch[..HEADER_LEN]);
    out.extend_from_slice(&compress(codec, &batch[HEADER_LEN..]).expect("it compresses"));
    let attributes = i16::from_be_bytes([out[21], out[22]]) | number;
    out[21..23].copy_from_slice(&attributes.to_be_bytes());
    sealed(out)
}

/// Sends one batch to one partition; its row of the answer, unjudged.
pub(crate) fn produce(client: &mut Client, topic: &str, partition: i32, batch: Bytes) -> Produced {
    let batches = [PartitionBatch { topic, partition: PartitionIndex(partition), batch }];
    let mut answers = client.produce(Acks::All, &batches).expect("an answer");
    assert_eq!(answers.len(), 1, "one row for one partition");
    answers.remove(0)
}

/// Appends one batch to partition 0; the offset of its first record.
pub(crate) fn append(client: &mut Client, topic: &str, batch: Bytes) -> i64 {
    let answer = produce(client, topic, 0, batch);
    assert_eq!(answer.error, ErrorCode::None, "{topic}: {:?}", answer.message);
    answer.base_offset.get()
}

/// What a batch for partition 0 is answered with.
pub(crate) fn refusal(client: &mut Client, topic: &str, batch: Bytes) -> ErrorCode {
    produce(client, topic, 0, batch).error
}

/// Reads partition 0 from an offset on without waiting; its row of the answer, unjudged.
pub(crate) fn fetch(client: &mut Client, topic: &str, offset: i64) -> Fetched {
    fetch_from(client, topic, 0, offset)
}

/// Reads any partition from an offset on without waiting; its row of the answer, unjudged.
pub(crate) fn fetch_from(client: &mut Client, topic: &str, partition: i32, offset: i64) -> Fetched {
    let from = FetchFrom { topic, partition: PartitionIndex(partition), offset: Offset(offset), max_bytes: 8 << 20 };
    let limits = FetchLimits { max_wait: Duration::ZERO, min_bytes: 0, max_bytes: 8 << 20 };
    let mut answers = client.fetch(&[from], limits).expect("an answer");
    assert_eq!(answers.len(), 1, "one row for one partition");
    answers.remove(0)
}

/// Offsets and values of what was fetched, whole batches.
pub(crate) fn records(fetched: &Fetched) -> Vec<(i64, Vec<u8>)> {
    assert_eq!(fetched.error, ErrorCode::None, "{}-{}", fetched.topic, fetched.partition);
    let mut records = Vec::new();
    fetched
        .walk(Offset(0), |_, record| records.push((record.offset.get(), record.value.unwrap_or_default().to_vec())))
        .expect("legal batches");
    records
}

/// Everything in a partition, read until its end.
pub(crate) fn all(client: &mut Client, topic: &str, partition: i32) -> Vec<(i64, Vec<u8>)> {
    let mut records_read: Vec<(i64, Vec<u8>)> = Vec::new();
    let mut next = offset_at(client, topic, partition, OffsetAt::EARLIEST).0;
    loop {
        let fetched = fetch_from(client, topic, partition, next);
        let read: Vec<_> = records(&fetched).into_iter().filter(|(offset, _)| *offset >= next).collect();
        let Some((last, _)) = read.last() else { return records_read };
        next = last + 1;
        records_read.extend(read);
    }
}

/// Offset, time and leader epoch that ListOffsets finds.
pub(crate) fn offset_at(client: &mut Client, topic: &str, partition: i32, timestamp: Timestamp) -> (i64, i64, i32) {
    let at = OffsetAt { topic, partition: PartitionIndex(partition), timestamp };
    let found = client.list_offsets(&[at]).expect("an answer").remove(0);
    assert_eq!(found.error, ErrorCode::None, "{topic}-{partition} at {timestamp:?}");
    (found.offset.get(), found.timestamp.millis(), found.leader_epoch.get())
}

/// Sets, or without a value takes away, one setting of a topic; the error code.
pub(crate) fn configure(client: &mut Client, topic: &str, name: &str, value: Option<&str>) -> i16 {
    client.alter_config(Resource::Topic(topic), name, value).expect("an answer").code()
}

/// Sets one setting of all brokers; the error code.
pub(crate) fn configure_brokers(client: &mut Client, name: &str, value: &str) -> i16 {
    client.alter_config(Resource::Brokers, name, Some(value)).expect("an answer").code()
}

/// Deletes a topic; the error code.
pub(crate) fn delete_topic(client: &mut Client, topic: &str) -> i16 {
    let mut request = DeleteTopicsRequest::default();
    request.topic_names = vec![topic.to_owned().into()];
    request.timeout_ms = 10_000;
    match client.call(5, &Request::DeleteTopics(request)).expect("an answer") {
        Response::DeleteTopics(answer) => answer.responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

/// Raises a topic's partitions; the error code.
pub(crate) fn create_partitions(client: &mut Client, topic: &str, count: i32) -> i16 {
    let mut row = CreatePartitionsTopic::default();
    row.name = topic.to_owned().into();
    row.count = count;
    // Kafka's default for the list of assignments is an empty list, which means something else than none.
    row.assignments = None;
    let mut request = CreatePartitionsRequest::default();
    request.topics = vec![row];
    request.timeout_ms = 10_000;
    match client.call(3, &Request::CreatePartitions(request)).expect("an answer") {
        Response::CreatePartitions(answer) => answer.results[0].error_code,
        other => panic!("{other:?}"),
    }
}

/// Moves the log start of partition 0 up, with a timeout of 0, which is for followers; the error code and the new start.
pub(crate) fn delete_records(client: &mut Client, topic: &str, before: i64) -> (i16, i64) {
    let mut partition = DeleteRecordsPartition::default();
    partition.partition_index = 0;
    partition.offset = before;
    let mut row = DeleteRecordsTopic::default();
    row.name = topic.to_owned().into();
    row.partitions = vec![partition];
    let mut request = DeleteRecordsRequest::default();
    request.topics = vec![row];
    request.timeout_ms = 0;
    match client.call(2, &Request::DeleteRecords(request)).expect("an answer") {
        Response::DeleteRecords(answer) => {
            let row = &answer.topics[0].partitions[0];
            (row.error_code, row.low_watermark)
        }
        other => panic!("{other:?}"),
    }
}

/// Where an epoch ended in partition 0: error code, epoch, offset.
pub(crate) fn epoch_end(client: &mut Client, topic: &str, current: i32, epoch: i32) -> (i16, i32, i64) {
    let mut partition = OffsetForLeaderPartition::default();
    partition.partition = 0;
    partition.current_leader_epoch = current;
    partition.leader_epoch = epoch;
    let mut row = OffsetForLeaderTopic::default();
    row.topic = topic.to_owned().into();
    row.partitions = vec![partition];
    let mut request = OffsetForLeaderEpochRequest::default();
    request.replica_id = -1;
    request.topics = vec![row];
    match client.call(4, &Request::OffsetForLeaderEpoch(request)).expect("an answer") {
        Response::OffsetForLeaderEpoch(answer) => {
            let row = &answer.topics[0].partitions[0];
            (row.error_code, row.leader_epoch, row.end_offset)
        }
        other => panic!("{other:?}"),
    }
}

/// One topic's metadata, created if it is not there and `create` says so.
pub(crate) fn describe(client: &mut Client, topic: &str, create: bool) -> MetadataResponseTopic {
    let mut named = MetadataRequestTopic::default();
    named.name = Some(topic.to_owned().into());
    let mut request = MetadataRequest::default();
    request.topics = Some(vec![named]);
    request.allow_auto_topic_creation = create;
    match client.call(9, &Request::Metadata(request)).expect("an answer") {
        Response::Metadata(mut answer) => answer.topics.remove(0),
        other => panic!("{other:?}"),
    }
}
