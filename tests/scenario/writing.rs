//! Stories of writers: what is refused and with which code, and what makes a repeat a repeat.

use std::time::Duration;

use bytes::Bytes;
use callboard_model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp};
use callboard_test_client::{Acks, Client, ClientError, Idempotence, PartitionBatch, encode_batch};

use crate::calls::{all, altered, append, batch, connect, fetch, large, now, offset_at, produce, refusal, timed};
use crate::rig::Rig;

/// Where a batch's header holds its magic, attributes, last offset delta and count.
const MAGIC: usize = 16;
const ATTRIBUTES: usize = 21;
const LAST_DELTA: usize = 23;
const COUNT: usize = 57;

struct Producer {
    id: ProducerId,
}

impl Producer {
    fn batch(&self, epoch: i16, sequence: i32, values: &[&[u8]]) -> Bytes {
        let stamp = Idempotence { producer_id: self.id, producer_epoch: ProducerEpoch(epoch), base_sequence: sequence };
        timed(&values.iter().map(|value| (*value, now())).collect::<Vec<_>>(), Some(stamp))
    }
}

fn producer(client: &mut Client) -> Producer {
    Producer { id: client.init_producer_id().expect("an id").producer_id }
}

#[test]
fn a_repeated_batch_gets_its_first_offset_and_is_not_stored_twice() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let one = producer(&mut client);
    let other = producer(&mut client);
    assert_ne!(one.id, other.id);
    assert_eq!(append(&mut client, "orders", one.batch(0, 0, &[b"a", b"b"])), 0);
    assert_eq!(append(&mut client, "orders", other.batch(0, 0, &[b"x"])), 2);
    assert_eq!(append(&mut client, "orders", one.batch(0, 2, &[b"c"])), 3);
    assert_eq!(append(&mut client, "orders", one.batch(0, 0, &[b"a", b"b"])), 0, "sent again");
    assert_eq!(append(&mut client, "orders", one.batch(0, 2, &[b"c"])), 3, "sent again");
    assert_eq!(refusal(&mut client, "orders", one.batch(0, 4, &[b"e"])), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(refusal(&mut client, "orders", one.batch(0, 1, &[b"b"])), ErrorCode::OutOfOrderSequenceNumber);
    // A higher epoch begins at 0; the lower one is fenced from then on.
    assert_eq!(refusal(&mut client, "orders", one.batch(1, 3, &[b"d"])), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(append(&mut client, "orders", one.batch(1, 0, &[b"d"])), 4);
    assert_eq!(refusal(&mut client, "orders", one.batch(0, 3, &[b"d"])), ErrorCode::InvalidProducerEpoch);
    rig.restart();
    let mut client = connect(&rig);
    assert_eq!(append(&mut client, "orders", one.batch(1, 0, &[b"d"])), 4, "known after a restart");
    assert_eq!(append(&mut client, "orders", other.batch(0, 0, &[b"x"])), 2, "known after a restart");
    assert_eq!(refusal(&mut client, "orders", other.batch(0, 2, &[b"z"])), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(refusal(&mut client, "orders", one.batch(0, 3, &[b"d"])), ErrorCode::InvalidProducerEpoch);
    let third = producer(&mut client);
    assert!(third.id != one.id && third.id != other.id, "an id is never given out twice");
    assert_eq!(all(&mut client, "orders", 0).len(), 5);
    rig.stop();
}

#[test]
fn sequence_numbers_go_on_with_0_after_the_largest() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let one = producer(&mut client);
    assert_eq!(
        append(&mut client, "orders", one.batch(0, i32::MAX - 1, &[b"a"])),
        0,
        "an unknown producer may begin anywhere"
    );
    assert_eq!(append(&mut client, "orders", one.batch(0, i32::MAX, &[b"b", b"c", b"d"])), 1);
    assert_eq!(refusal(&mut client, "orders", one.batch(0, 3, &[b"f"])), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(append(&mut client, "orders", one.batch(0, 2, &[b"e"])), 4);
    assert_eq!(append(&mut client, "orders", one.batch(0, i32::MAX, &[b"b", b"c", b"d"])), 1, "sent again");
    rig.stop();
}

#[test]
fn an_illegal_batch_is_refused_with_kafka_s_code_and_the_next_one_is_taken() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[("max.message.bytes", "10000")]).expect("a topic");
    let good = batch(&[b"a", b"b"]);
    let mut flipped = good.to_vec();
    *flipped.last_mut().expect("not empty") ^= 1;
    let twice: Bytes = [&good[..], &good[..]].concat().into();
    let cases: Vec<(&str, Bytes, ErrorCode)> = vec![
        ("a flipped bit", flipped.into(), ErrorCode::CorruptMessage),
        ("half a batch", good.slice(..40), ErrorCode::CorruptMessage),
        ("a batch without its end", good.slice(..good.len() - 1), ErrorCode::CorruptMessage),
        ("format 1", altered(&good, MAGIC, &[1]), ErrorCode::InvalidRecord),
        ("format 3", altered(&good, MAGIC, &[3]), ErrorCode::InvalidRecord),
        ("two batches", twice, ErrorCode::InvalidRecord),
        ("no records", encode_batch(&[], None), ErrorCode::InvalidRecord),
        ("a wrong count", altered(&good, COUNT, &7i32.to_be_bytes()), ErrorCode::InvalidRecord),
        ("a negative count", altered(&good, COUNT, &(-2i32).to_be_bytes()), ErrorCode::InvalidRecord),
        ("a huge offset span", altered(&good, LAST_DELTA, &i32::MAX.to_be_bytes()), ErrorCode::InvalidRecord),
        ("a base offset", altered(&good, 0, &9i64.to_be_bytes()), ErrorCode::InvalidRecord),
        ("an unknown codec", altered(&good, ATTRIBUTES, &7i16.to_be_bytes()), ErrorCode::UnsupportedCompressionType),
        ("a control batch", altered(&good, ATTRIBUTES, &(1i16 << 5).to_be_bytes()), ErrorCode::InvalidRecord),
        ("the broker's time", altered(&good, ATTRIBUTES, &(1i16 << 3).to_be_bytes()), ErrorCode::InvalidTimestamp),
        ("too many bytes", large(10_000), ErrorCode::MessageTooLarge),
    ];
    for (what, batch, code) in cases {
        assert_eq!(refusal(&mut client, "orders", batch), code, "{what}");
    }
    assert_eq!(append(&mut client, "orders", good), 0, "nothing of it was stored");
    let bad_acks = client.produce(Acks::All, &[]).expect("an answer");
    assert!(bad_acks.is_empty());
    assert_eq!(produce(&mut client, "orders", -1, batch(&[b"x"])).error, ErrorCode::UnknownTopicOrPartition);
    rig.stop();
}

#[test]
fn times_outside_of_what_the_topic_allows_are_refused() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    let limits = [("message.timestamp.after.max.ms", "60000"), ("message.timestamp.before.max.ms", "60000")];
    client.create_topic("narrow", 1, &limits).expect("a topic");
    let at = |shift: i64| timed(&[(b"a", now()), (b"b", Timestamp(now().0 + shift))], None);
    assert_eq!(refusal(&mut client, "narrow", at(3_600_000)), ErrorCode::InvalidTimestamp);
    assert_eq!(refusal(&mut client, "narrow", at(-3_600_000)), ErrorCode::InvalidTimestamp);
    let answer = produce(&mut client, "narrow", 0, at(30_000));
    assert_eq!((answer.error, answer.log_append_time), (ErrorCode::None, Timestamp::NONE));

    client.create_topic("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]).expect("a topic");
    let before = now();
    let answer = produce(&mut client, "stamped", 0, timed(&[(b"a", Timestamp(1))], None));
    let stamp = answer.log_append_time;
    assert!(answer.error == ErrorCode::None && stamp >= before && stamp <= now(), "{stamp:?}");
    let mut seen = Vec::new();
    fetch(&mut client, "stamped", 0).walk(Offset(0), |_, record| seen.push(record.timestamp)).expect("legal");
    assert_eq!(seen, [stamp], "every record carries the broker's time");
    assert_eq!(offset_at(&mut client, "stamped", 0, before).0, 0);
    rig.stop();
}

#[test]
fn without_acknowledgement_nothing_is_answered_and_a_failure_closes_the_connection() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let silent = |batch: Bytes| [PartitionBatch { topic: "orders", partition: PartitionIndex(0), batch }];
    for _ in 0..10 {
        client.send_produce(Acks::None, &silent(batch(&[b"a"]))).expect("sent");
    }
    // The answer to the next request is the first one to come, and it sees all that went before.
    assert_eq!(offset_at(&mut client, "orders", 0, Timestamp(-1)).0, 10);
    let mut bad = batch(&[b"b"]).to_vec();
    *bad.last_mut().expect("not empty") ^= 1;
    client.send_produce(Acks::None, &silent(bad.into())).expect("sent");
    let error = client.connection().receive_frame().expect_err("the connection is closed");
    assert!(matches!(error, ClientError::Closed { .. } | ClientError::Io { .. }), "{error}");
    assert_eq!(all(&mut connect(&rig), "orders", 0).len(), 10);
    rig.stop();
}

#[test]
fn pipelined_requests_are_answered_in_their_order_whatever_they_are() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 2, &[]).expect("a topic");
    let mut other = connect(&rig);
    other.set_deadline(Duration::from_secs(10));
    for round in 0..20_i64 {
        let row = |partition, values: &[&[u8]]| PartitionBatch {
            topic: "orders",
            partition: PartitionIndex(partition),
            batch: batch(values),
        };
        client.send_produce(Acks::All, &[row(0, &[b"a"])]).expect("sent");
        client.send_produce(Acks::All, &[row(1, &[b"b"])]).expect("sent");
        let frame = metadata_frame(client.connection().next_correlation_id());
        client.connection().send(callboard_wire::ApiKey::Metadata, 1, &frame, true).expect("sent");
        client.send_produce(Acks::Leader, &[row(0, &[b"c"]), row(1, &[b"d"])]).expect("sent");
        assert_eq!(client.unanswered(), 4);
        // The client verifies each correlation id.
        let mut offsets = Vec::new();
        for _ in 0..2 {
            offsets.extend(client.receive_produce().expect("an answer").into_iter().map(|row| row.base_offset.get()));
        }
        client.connection().receive(callboard_wire::ApiKey::Metadata).expect("an answer");
        offsets.extend(client.receive_produce().expect("an answer").into_iter().map(|row| row.base_offset.get()));
        assert_eq!(offsets, [2 * round, 2 * round, 2 * round + 1, 2 * round + 1]);
    }
    assert_eq!(offset_at(&mut other, "orders", 0, Timestamp(-1)), (40, -1, LeaderEpoch(0).get()));
    rig.stop();
}

/// Metadata of all topics, version 1.
fn metadata_frame(correlation_id: i32) -> Vec<u8> {
    let mut frame = vec![0, 0, 0, 14, 0, 3, 0, 1];
    frame.extend_from_slice(&correlation_id.to_be_bytes());
    frame.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    frame
}

#[test]
fn a_connection_that_falls_silent_after_a_large_request_stays_open() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    // Large enough that its end is read into a buffer of just its size.
    append(&mut client, "orders", large(900_000));
    std::thread::sleep(Duration::from_secs(11));
    assert_eq!(append(&mut client, "orders", batch(&[b"more"])), 1);
    rig.stop();
}
