//! Batches as brokers send them: cut, compressed, damaged, with gaps, with transactions.

use callboard_model::{
    BatchHead, BatchWriter, CONTROL, Compression, LeaderEpoch, NewRecord, ProducerEpoch, ProducerId, RecordHeader,
    Timestamp,
};
use callboard_wire::compression::compress;

use super::*;

const TRANSACTIONAL: i16 = 1 << 4;
const PLAIN: Reading = Reading { check_crcs: true, read_committed: false };
const COMMITTED: Reading = Reading { check_crcs: true, read_committed: true };

struct Made {
    base: i64,
    last_delta: i32,
    values: &'static [(i32, &'static str)],
    codec: Compression,
    attributes: i16,
    producer: i64,
}

impl Made {
    fn at(base: i64, values: &'static [(i32, &'static str)]) -> Self {
        Self { base, last_delta: 0, values, codec: Compression::None, attributes: 0, producer: -1 }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut writer = BatchWriter::new(BatchHead {
            base_offset: Offset(self.base),
            leader_epoch: LeaderEpoch(3),
            attributes: self.attributes,
            producer_id: ProducerId(self.producer),
            producer_epoch: ProducerEpoch(0),
            last_offset_delta: self.last_delta,
            ..BatchHead::new(Timestamp(1000))
        });
        for (delta, value) in self.values {
            let control = self.attributes & CONTROL != 0;
            let key: &[u8] = if control { &[0, 0, 0, (*value == "commit") as u8] } else { b"key" };
            writer.push(NewRecord {
                offset_delta: *delta,
                timestamp: Timestamp(1000 + i64::from(*delta)),
                key: Some(key),
                value: Some(value.as_bytes()),
                headers: &[RecordHeader { key: b"h", value: None }],
            });
        }
        let codec = self.codec;
        writer.finish_compressed(codec, |plain| compress(codec, plain)).expect("codecs take anything").to_vec()
    }
}

fn chunk(position: i64, bytes: Vec<u8>, aborted: Vec<(i64, i64)>, reading: Reading) -> Chunk {
    Chunk::new(TopicPartition::new("t", 0), position, Bytes::from(bytes), aborted, reading)
}

fn read(chunk: &mut Chunk) -> Vec<(i64, String)> {
    let mut seen = Vec::new();
    while let Some(batch) = chunk.next_batch() {
        for record in batch.expect("legal").into_records() {
            let record = record.expect("legal");
            seen.push((record.offset, String::from_utf8(record.value.expect("a value").to_vec()).expect("text")));
        }
    }
    seen
}

/// The batch at offset 0, of one record.
fn first(len: usize) -> Whole {
    Whole { end: Position { offset: 1, epoch: Some(3) }, len }
}

fn expected(list: &[(i64, &str)]) -> Vec<(i64, String)> {
    list.iter().map(|(offset, value)| (*offset, (*value).to_owned())).collect()
}

#[test]
fn records_of_every_codec_are_read_without_a_copy_where_they_are_plain() {
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let bytes = Made { codec, ..Made::at(7, &[(0, "a"), (1, "b")]) }.bytes();
        let mut chunk = chunk(7, bytes, Vec::new(), PLAIN);
        let batch = chunk.next_batch().expect("one").expect("legal");
        assert_eq!((batch.next_offset(), batch.leader_epoch(), batch.count_at_most()), (9, Some(3), 2));
        let records: Vec<_> = batch.clone().into_records().map(|record| record.expect("legal")).collect();
        assert_eq!(records[1].offset, 8, "{codec:?}");
        assert_eq!(records[1].timestamp, Timestamp(1001));
        assert_eq!(records[1].key.as_deref(), Some(&b"key"[..]));
        assert_eq!(records[1].headers[0].key.as_str(), "h");
        let borrowed: Vec<_> = batch.iter().map(|record| record.expect("legal").offset.0).collect();
        assert_eq!(borrowed, [7, 8]);
        assert!(chunk.next_batch().is_none());
        assert_eq!(chunk.position(), 9);
    }
}

#[test]
fn a_fetch_from_the_middle_of_a_batch_shows_nothing_before_it_kip_74() {
    let bytes = Made::at(5, &[(0, "a"), (1, "b"), (2, "c")]).bytes();
    assert_eq!(read(&mut chunk(7, bytes.clone(), Vec::new(), PLAIN)), expected(&[(7, "c")]));
    assert_eq!(read(&mut chunk(8, bytes, Vec::new(), PLAIN)), expected(&[]));
}

#[test]
fn gaps_and_batches_that_compaction_emptied_are_passed_over() {
    let mut bytes = Made { last_delta: 9, ..Made::at(0, &[(3, "a")]) }.bytes();
    bytes.extend(Made { last_delta: 9, ..Made::at(10, &[]) }.bytes());
    bytes.extend(Made::at(30, &[(0, "b")]).bytes());
    bytes.extend(Made { last_delta: 4, ..Made::at(31, &[]) }.bytes());
    let mut chunk = chunk(0, bytes, Vec::new(), PLAIN);
    assert_eq!(read(&mut chunk), expected(&[(3, "a"), (30, "b")]));
    assert_eq!(chunk.position(), 36, "past the last batch although it holds nothing");
}

#[test]
fn a_last_batch_that_is_cut_is_left_for_the_next_fetch() {
    let mut bytes = Made::at(0, &[(0, "a")]).bytes();
    let whole = bytes.len();
    bytes.extend(Made::at(1, &[(0, "b")]).bytes());
    for end in whole..bytes.len() {
        let cut = bytes[..end].to_vec();
        assert_eq!(whole_batches(&cut), Ok(Some(first(whole))), "cut at {end}");
        let mut chunk = chunk(0, cut, Vec::new(), PLAIN);
        assert_eq!(read(&mut chunk), expected(&[(0, "a")]));
        assert_eq!(chunk.position(), 1);
    }
    assert_eq!(whole_batches(&bytes[..whole - 1]), Ok(None));
}

#[test]
fn control_batches_are_never_shown() {
    let marker = Made { attributes: TRANSACTIONAL | CONTROL, producer: 1, ..Made::at(1, &[(0, "commit")]) };
    let mut bytes = Made { attributes: TRANSACTIONAL, producer: 1, ..Made::at(0, &[(0, "a")]) }.bytes();
    bytes.extend(marker.bytes());
    for reading in [PLAIN, COMMITTED] {
        let mut chunk = chunk(0, bytes.clone(), Vec::new(), reading);
        assert_eq!(read(&mut chunk), expected(&[(0, "a")]));
        assert_eq!(chunk.position(), 2);
    }
}

#[test]
fn of_aborted_transactions_nothing_is_shown_to_who_reads_committed_kip_98() {
    let of = |producer, base, value| Made { attributes: TRANSACTIONAL, producer, ..Made::at(base, value) }.bytes();
    let marker =
        |producer, base, value| Made { attributes: TRANSACTIONAL | CONTROL, producer, ..Made::at(base, value) }.bytes();
    // Producer 1 aborts what begins at 0 and commits what begins at 5; producer 2 and the one without a transaction stay.
    let bytes: Vec<u8> = [
        of(1, 0, &[(0, "no")]),
        of(2, 1, &[(0, "two")]),
        Made::at(2, &[(0, "plain")]).bytes(),
        of(1, 3, &[(0, "no")]),
        marker(1, 4, &[(0, "abort")]),
        of(1, 5, &[(0, "yes")]),
        marker(1, 6, &[(0, "commit")]),
        marker(2, 7, &[(0, "commit")]),
        of(2, 8, &[(0, "no")]),
    ]
    .concat();
    // The list comes in any order.
    let aborted = vec![(2, 8), (1, 0)];
    let mut committed = chunk(0, bytes.clone(), aborted, COMMITTED);
    assert_eq!(read(&mut committed), expected(&[(1, "two"), (2, "plain"), (5, "yes")]));
    assert_eq!(committed.position(), 9);
    assert_eq!(read(&mut chunk(0, bytes, Vec::new(), PLAIN)).len(), 6);
}

#[test]
fn a_wrong_checksum_is_told_and_what_comes_before_it_is_read() {
    let mut bytes = Made::at(0, &[(0, "a")]).bytes();
    let at = bytes.len();
    bytes.extend(Made::at(1, &[(0, "b")]).bytes());
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    let mut checked = chunk(0, bytes.clone(), Vec::new(), PLAIN);
    assert!(matches!(checked.next_batch(), Some(Ok(batch)) if batch.next_offset() == 1));
    assert!(matches!(checked.next_batch(), Some(Err(CorruptBatch::Batch(BatchError::Crc { .. })))));
    assert!(checked.next_batch().is_none());
    assert_eq!(checked.position(), 1, "it stands before the damage");
    let mut trusting = chunk(0, bytes.clone(), Vec::new(), Reading { check_crcs: false, ..PLAIN });
    assert_eq!(read(&mut trusting).len(), 2);
    // A header that is damaged ends the walk where it stands.
    bytes[at + 16] = 9;
    assert_eq!(whole_batches(&bytes), Ok(Some(first(at))));
    assert_eq!(whole_batches(&bytes[at..]), Err(BatchError::Magic(9)));
}

#[test]
fn no_damage_panics() {
    let bytes = Made { codec: Compression::Lz4, ..Made::at(0, &[(0, "a"), (1, "bb")]) }.bytes();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] = value;
            let mut chunk = chunk(0, bad, Vec::new(), Reading { check_crcs: false, read_committed: true });
            while let Some(Ok(batch)) = chunk.next_batch() {
                let _ = batch.iter().count();
                let _ = batch.into_records().count();
            }
        }
    }
}

#[test]
fn the_rest_of_a_batch_that_was_begun_can_be_taken_as_a_batch() {
    let bytes = Made::at(5, &[(0, "a"), (1, "b"), (2, "c")]).bytes();
    let batch = chunk(5, bytes, Vec::new(), PLAIN).next_batch().expect("one").expect("legal");
    let rest: Vec<_> = batch.rest_from(6).iter().map(|record| record.expect("legal").offset.0).collect();
    assert_eq!(rest, [6, 7]);
    assert_eq!(batch.rest_from(2).first_offset(), 5);
}
