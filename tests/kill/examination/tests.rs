use bytes::BytesMut;
use callboard_model::{CheckedBatch, Prefix, ProducerEpoch, ProducerId, Timestamp};
use callboard_test_client::{Acks, Idempotence, NewRecord, ProducerIdentity, encode_batch, walk};

use super::*;

const PLACE: Place = Place(3);
const WORKLOAD: Workload = Workload { seed: 11, start: Timestamp(1_000_000) };

/// A log as a node would keep it, and what two producers know of it.
struct Log {
    ledgers: Vec<Ledger>,
    batches: Vec<(BatchId, i32)>,
}

impl Log {
    /// Six batches of an idempotent producer and five of another, in turn; the last of the other has no answer.
    fn kept() -> Self {
        let mut ledgers = vec![Ledger::new(Kind::Idempotent), Ledger::new(Kind::Plain(Acks::All))];
        let identity = ProducerIdentity { producer_id: ProducerId(7), producer_epoch: ProducerEpoch(0) };
        ledgers[0].identity = Some(identity);
        let (mut batches, mut offset, mut sequence) = (Vec::new(), Offset::ZERO, 0);
        for turn in 0..11u16 {
            let producer = turn % 2;
            let base_sequence = if producer == 0 { sequence } else { -1 };
            let ledger = &mut ledgers[usize::from(producer)];
            let id = BatchId { producer, place: PLACE, number: ledger.sending(PLACE, base_sequence) };
            let count = WORKLOAD.records(id).len();
            sequence += if producer == 0 { count as i32 } else { 0 };
            if turn != 9 {
                ledger.acknowledged(PLACE, id.number, offset);
            }
            offset = offset.plus(count as i64);
            batches.push((id, base_sequence));
        }
        Self { ledgers, batches }
    }

    fn bytes(&self, (id, base_sequence): (BatchId, i32)) -> Vec<u8> {
        let identity = self.ledgers[usize::from(id.producer)].identity;
        let stamp = identity.map(|identity| Idempotence {
            producer_id: identity.producer_id,
            producer_epoch: identity.producer_epoch,
            base_sequence,
        });
        WORKLOAD.records(id).encode(stamp).to_vec()
    }

    /// The batches with their offsets assigned.
    fn stored(&self) -> Vec<Vec<u8>> {
        assigned(self.batches.iter().map(|one| self.bytes(*one)).collect())
    }

    /// Examines a log against the ledgers; what was found wrong, and what is in it.
    fn examine(&self, stored: &[Vec<u8>], seen: &[u64]) -> (Vec<Check>, Contents) {
        let checks = Checks::default();
        let mut examination = Examination::new(&WORKLOAD, &self.ledgers, &checks, PLACE, seen);
        for bytes in stored {
            let header = BatchHeader::read(bytes).expect("legal");
            examination.batch(&header, bytes);
        }
        let end = examination.next();
        let contents = examination.finish(end);
        let wrong = Check::ALL.into_iter().filter(|check| checks.count_wrong(*check) > 0).collect();
        (wrong, contents)
    }

    fn wrong(&self, stored: &[Vec<u8>]) -> Vec<Check> {
        self.examine(stored, &[]).0
    }
}

fn assigned(batches: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut base_offset = Offset::ZERO;
    let assign = |bytes: Vec<u8>| {
        let batch = CheckedBatch::new(BytesMut::from(&bytes[..])).expect("legal");
        let (header, bytes) = batch.assign(Prefix { base_offset, leader_epoch: LeaderEpoch(1) });
        base_offset = header.end_offset();
        bytes.to_vec()
    };
    batches.into_iter().map(assign).collect()
}

fn seen(stored: &[Vec<u8>]) -> Vec<u64> {
    let mut seen = Vec::new();
    walk(&stored.concat(), Offset::ZERO, |_, record| seen.push(digest(&record))).expect("legal");
    seen
}

#[test]
fn a_log_that_keeps_every_promise_has_no_findings() {
    let log = Log::kept();
    let stored = log.stored();
    let (wrong, contents) = log.examine(&stored, &seen(&stored));
    assert_eq!(wrong, []);
    assert_eq!((contents.unknown_there, contents.unknown_missing), (1, 0));
}

#[test]
fn a_batch_without_an_answer_may_be_missing() {
    let mut log = Log::kept();
    let position = 9;
    let missing = log.batches.remove(position);
    let moved = WORKLOAD.records(missing.0).len() as i64;
    let entry = log.ledgers[0].batches(PLACE)[5];
    let base = entry.acknowledged.expect("acknowledged").plus(-moved);
    log.ledgers[0].acknowledged(PLACE, 5, base);
    let (wrong, contents) = log.examine(&log.stored(), &[]);
    assert_eq!(wrong, []);
    assert_eq!((contents.unknown_there, contents.unknown_missing), (0, 1));
}

#[test]
fn a_lost_batch_at_the_end_is_found() {
    let log = Log::kept();
    let mut stored = log.stored();
    stored.pop();
    assert_eq!(log.wrong(&stored), [Check::There]);
}

#[test]
fn a_hole_is_found() {
    let log = Log::kept();
    let mut stored = log.stored();
    stored.remove(4);
    assert_eq!(log.wrong(&stored), [Check::There, Check::Contiguous]);
}

#[test]
fn a_batch_at_another_offset_than_acknowledged_is_found() {
    let mut log = Log::kept();
    log.batches.remove(9); // Everything after it moves down.
    assert_eq!(log.wrong(&log.stored()), [Check::There]);
}

#[test]
fn a_batch_that_is_there_twice_is_found() {
    let mut log = Log::kept();
    log.batches.push(log.batches[10]);
    assert_eq!(log.wrong(&log.stored()), [Check::Once]);
    log.batches.pop();
    log.batches.push(log.batches[9]);
    assert_eq!(log.wrong(&log.stored()), [Check::Once], "without idempotence it may be missing, not doubled");
}

#[test]
fn batches_out_of_order_are_found() {
    let mut log = Log::kept();
    log.batches.swap(8, 10);
    assert!(log.wrong(&log.stored()).contains(&Check::Order));
}

#[test]
fn a_changed_value_is_found() {
    let log = Log::kept();
    let mut stored = log.stored();
    let within = stored[6].len() - 5; // A value has ten bytes at least; one byte follows the last.
    stored[6][within] ^= 1;
    assert_eq!(log.wrong(&stored), [Check::Bytes]);
}

#[test]
fn a_batch_under_another_sequence_is_found() {
    let mut log = Log::kept();
    log.batches[4].1 += 1;
    assert_eq!(log.wrong(&log.stored()), [Check::Bytes]);
}

#[test]
fn a_batch_that_nobody_sent_is_found() {
    let log = Log::kept();
    let foreign = encode_batch(&[NewRecord::new(b"key", b"value", Timestamp(5))], None).to_vec();
    let number = log.ledgers[1].batches(PLACE).len() as u32;
    let never_sent = log.bytes((BatchId { producer: 1, place: PLACE, number }, -1));
    let elsewhere = log.bytes((BatchId { producer: 1, place: Place(4), number: 0 }, -1));
    for strange in [foreign, never_sent, elsewhere] {
        let mut stored = log.stored();
        stored.push(strange);
        assert_eq!(log.wrong(&assigned(stored)), [Check::NothingElse]);
    }
}

#[test]
fn an_idempotent_batch_without_an_answer_is_found() {
    let mut log = Log::kept();
    log.ledgers[0].sending(PLACE, 9999);
    assert_eq!(log.wrong(&log.stored()), [Check::AllAcknowledged]);
}

#[test]
fn a_record_that_a_reader_saw_otherwise_is_found() {
    let log = Log::kept();
    let stored = log.stored();
    let mut otherwise = seen(&stored);
    otherwise[2] ^= 1;
    assert_eq!(log.examine(&stored, &otherwise).0, [Check::Seen]);
    let mut more = seen(&stored);
    more.push(5);
    assert_eq!(log.examine(&stored, &more).0, [Check::Seen], "a record that was seen is gone");
}

#[test]
fn an_epoch_that_falls_is_found() {
    let log = Log::kept();
    let mut stored = log.stored();
    stored[7][12..16].copy_from_slice(&0i32.to_be_bytes());
    assert_eq!(log.wrong(&stored), [Check::Epochs]);
}
