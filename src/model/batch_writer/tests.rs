use super::*;
use crate::{CheckedBatch, RecordHeader, Records};

fn record(delta: i32, time: i64, key: Option<&'static [u8]>, value: Option<&'static [u8]>) -> NewRecord<'static> {
    NewRecord { offset_delta: delta, timestamp: Timestamp(time), key, value, headers: &[] }
}

#[test]
fn what_is_written_is_read_back() {
    let mut writer = BatchWriter::new(BatchHead::new(Timestamp(1_000)));
    let headers = [RecordHeader { key: b"trace", value: Some(b"1") }, RecordHeader { key: b"trace", value: None }];
    writer.push(NewRecord { headers: &headers, ..record(0, 1_000, Some(b"k"), Some(b"v")) });
    writer.push(record(1, 999, None, Some(&[7; 300])));
    writer.push(record(2, 5_000, Some(b""), None));
    let batch = CheckedBatch::new(writer.finish()).expect("a legal batch");
    let header = *batch.header();
    assert_eq!((header.count, header.last_offset_delta, header.max_timestamp), (3, 2, Timestamp(5_000)));
    let read: Vec<_> = Records::new(header, batch.records()).map(Result::unwrap).collect();
    assert_eq!(read[0].headers, headers);
    assert_eq!((read[0].key, read[0].value), (Some(&b"k"[..]), Some(&b"v"[..])));
    assert_eq!((read[1].key, read[1].timestamp), (None, Timestamp(999)));
    assert_eq!((read[2].key, read[2].value, read[2].offset), (Some(&b""[..]), None, Offset(2)));
}

#[test]
fn a_rewritten_batch_keeps_offsets_producer_and_times() {
    let mut writer = BatchWriter::new(BatchHead::new(Timestamp(10)));
    for delta in 0..4 {
        writer.push(record(delta, 10 + i64::from(delta), Some(b"k"), Some(b"v")));
    }
    let mut header = *CheckedBatch::new(writer.finish()).expect("a legal batch").header();
    header.base_offset = Offset(70);
    header.producer_id = ProducerId(4);
    header.producer_epoch = ProducerEpoch(1);
    header.base_sequence = 12;
    let mut rewritten = BatchWriter::new(BatchHead::like(&header));
    rewritten.push(record(1, 11, Some(b"k"), Some(b"v")));
    let batch = CheckedBatch::new(rewritten.finish()).expect("a legal batch");
    let new = batch.header();
    assert_eq!((new.base_offset, new.end_offset(), new.count), (Offset(70), Offset(74), 1));
    assert_eq!((new.last_sequence(), new.max_timestamp), (15, Timestamp(13)));
}

#[test]
fn an_empty_batch_is_legal_and_still_spans_its_offsets() {
    let mut head = BatchHead::new(Timestamp(1));
    head.last_offset_delta = 9;
    let batch = CheckedBatch::new(BatchWriter::new(head).finish()).expect("a legal batch");
    assert_eq!((batch.header().count, batch.header().end_offset()), (0, Offset(10)));
}

#[test]
fn the_codec_is_written_into_the_attributes() {
    let mut writer = BatchWriter::new(BatchHead::new(Timestamp(1)));
    writer.push(record(0, 1, Some(b"k"), Some(b"v")));
    let packed =
        writer.finish_compressed(Compression::Zstd, |plain| Ok::<_, ()>(plain.iter().rev().copied().collect()));
    let batch = CheckedBatch::new(packed.expect("cannot fail")).expect("a legal batch");
    assert_eq!(batch.header().compression(), Ok(Compression::Zstd));
}

#[test]
fn a_record_never_takes_more_than_foretold() {
    let mut writer = BatchWriter::new(BatchHead::new(Timestamp(i64::MIN)));
    let (key, value) = (Some(&[1; 200][..]), Some(&[2; 70_000][..]));
    let before = writer.len();
    writer.push(NewRecord { offset_delta: i32::MAX, timestamp: Timestamp(i64::MAX), key, value, headers: &[] });
    assert!(writer.len() - before <= record_size_max(key, value));
}
