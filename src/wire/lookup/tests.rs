use super::*;
use crate::compression::compress;
use callboard_model::Compression;
use proptest::prelude::*;

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
const LOG_APPEND_TIME: i16 = 8;

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A batch of empty records with these times; its leader epoch is 7.
fn batch(base_offset: i64, times: &[i64], codec: Compression, attributes: i16) -> Vec<u8> {
    let base = times[0];
    let mut records = Vec::new();
    for (at, time) in times.iter().enumerate() {
        let mut one = vec![0];
        put_varint(&mut one, time - base);
        put_varint(&mut one, at as i64);
        one.extend_from_slice(&[1, 1, 0]); // no key, no value, no headers
        put_varint(&mut records, one.len() as i64);
        records.extend_from_slice(&one);
    }
    let records = compress(codec, &records).expect("packs");
    let code = CODECS.iter().position(|known| *known == codec).expect("known") as i16;
    let mut tail = Vec::new();
    tail.extend_from_slice(&(code | attributes).to_be_bytes());
    tail.extend_from_slice(&(times.len() as i32 - 1).to_be_bytes());
    tail.extend_from_slice(&base.to_be_bytes());
    tail.extend_from_slice(&times.iter().max().expect("some").to_be_bytes());
    tail.extend_from_slice(&[0xff; 8 + 2 + 4]);
    tail.extend_from_slice(&(times.len() as i32).to_be_bytes());
    tail.extend_from_slice(&records);
    let mut batch = Vec::new();
    batch.extend_from_slice(&base_offset.to_be_bytes());
    batch.extend_from_slice(&(tail.len() as i32 + 9).to_be_bytes());
    batch.extend_from_slice(&7i32.to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&crc32c::crc32c(&tail).to_be_bytes());
    batch.extend_from_slice(&tail);
    batch
}

fn found(offset: i64, time: i64) -> Option<TimedRecord> {
    Some(TimedRecord { offset: Offset(offset), timestamp: Timestamp(time), leader_epoch: LeaderEpoch(7) })
}

fn first(batches: &[u8], target: i64) -> Option<TimedRecord> {
    first_at_or_after(batches, Offset::ZERO, Timestamp(target)).expect("legal")
}

#[test]
fn the_first_record_in_time_is_found_inside_its_batch_under_every_codec() {
    for codec in CODECS {
        let log = [batch(10, &[100, 110, 120], codec, 0), batch(13, &[105, 130], codec, 0)].concat();
        assert_eq!(first(&log, 0), found(10, 100));
        assert_eq!(first(&log, 101), found(11, 110));
        assert_eq!(first(&log, 120), found(12, 120));
        assert_eq!(first(&log, 121), found(14, 130), "{}", codec.name());
        assert_eq!(first(&log, 131), None);
    }
}

#[test]
fn records_before_the_starting_offset_do_not_count() {
    let log = [batch(10, &[100, 110, 120], Compression::None, 0), batch(13, &[90, 130], Compression::None, 0)].concat();
    let from = |offset, target| first_at_or_after(&log, Offset(offset), Timestamp(target)).expect("legal");
    assert_eq!(from(11, 0), found(11, 110));
    assert_eq!(from(13, 0), found(13, 90));
    assert_eq!(from(14, 0), found(14, 130));
    assert_eq!(from(15, 0), None);
}

#[test]
fn all_records_of_a_log_append_time_batch_have_its_time() {
    let log = batch(10, &[100, 110, 120], Compression::Zstd, LOG_APPEND_TIME);
    assert_eq!(first(&log, 115), found(10, 120));
    assert_eq!(max_timestamp(&log), Ok(found(10, 120)));
}

#[test]
fn the_largest_time_is_found_with_the_first_record_that_has_it() {
    for codec in CODECS {
        let log = [
            batch(0, &[100, 300, 200], codec, 0),
            batch(3, &[50, 400, 400, 60], codec, 0),
            batch(7, &[400, 10], codec, 0),
        ]
        .concat();
        assert_eq!(max_timestamp(&log), Ok(found(4, 400)), "{}", codec.name());
    }
    assert_eq!(max_timestamp(&[]), Ok(None));
}

#[test]
fn an_incomplete_last_batch_is_ignored() {
    let mut log = [batch(0, &[100], Compression::None, 0), batch(1, &[200], Compression::None, 0)].concat();
    log.truncate(log.len() - 1);
    assert_eq!(first(&log, 150), None);
    assert_eq!(max_timestamp(&log), Ok(found(0, 100)));
}

#[test]
fn a_batch_that_cannot_be_expanded_is_named() {
    let mut log = batch(42, &[100], Compression::Zstd, 0);
    log[HEADER_LEN] ^= 0xff;
    let error = first_at_or_after(&log, Offset::ZERO, Timestamp(0)).expect_err("broken");
    assert!(matches!(error, LookupError::Decompress { base_offset: Offset(42), .. }), "{error}");
    // It is not looked into when its header says that it is too old.
    assert_eq!(first_at_or_after(&log, Offset::ZERO, Timestamp(101)), Ok(None));
}

#[test]
fn a_batch_whose_records_are_cut_is_named() {
    let mut log = batch(42, &[100, 200], Compression::None, 0);
    log.pop();
    let len = log.len() as i32 - 12;
    log[8..12].copy_from_slice(&len.to_be_bytes());
    let error = first_at_or_after(&log, Offset::ZERO, Timestamp(150)).expect_err("broken");
    let source = RecordError::Truncated { record: 1 };
    assert_eq!(error, LookupError::Record { base_offset: Offset(42), source });
}

proptest! {
    #[test]
    fn the_answer_is_that_of_a_plain_search(
        batches in prop::collection::vec((prop::collection::vec(0i64..100, 1..6), 0usize..5), 0..6),
        from in 0i64..30,
        target in 0i64..110,
    ) {
        let mut log = Vec::new();
        let mut all = Vec::new();
        for (times, codec) in &batches {
            let base = all.len() as i64;
            log.extend(batch(base, times, CODECS[*codec], 0));
            all.extend(times.iter().copied());
        }
        let timed = || all.iter().enumerate().map(|(offset, time)| (offset as i64, *time));
        let expected = timed().find(|(offset, time)| *offset >= from && *time >= target);
        prop_assert_eq!(
            first_at_or_after(&log, Offset(from), Timestamp(target)),
            Ok(expected.and_then(|(offset, time)| found(offset, time)))
        );
        let latest = all.iter().max().copied();
        let expected = timed().find(|(_, time)| Some(*time) == latest);
        prop_assert_eq!(max_timestamp(&log), Ok(expected.and_then(|(offset, time)| found(offset, time))));
    }

    #[test]
    fn changed_batches_end_in_an_answer_or_an_error(
        codec in 0usize..5,
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        target in any::<i64>(),
    ) {
        let mut log = batch(5, &[1, 2, 3, 4], CODECS[codec], 0);
        let at = at.index(log.len());
        log[at] = with;
        let _ = first_at_or_after(&log, Offset::ZERO, Timestamp(target));
        let _ = max_timestamp(&log);
    }
}
