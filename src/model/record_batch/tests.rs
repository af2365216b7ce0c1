use super::*;
use crate::record::tests::batch_of;

#[test]
fn a_batch_made_by_hand_reads_back() {
    let bytes = batch_of(&[(b"k1", b"v1", 100), (b"k2", b"v2", 90)]);
    let batch = CheckedBatch::new(BytesMut::from(&bytes[..])).expect("legal");
    let header = batch.header();
    assert_eq!((header.count, header.last_offset_delta), (2, 1));
    assert_eq!((header.base_timestamp, header.max_timestamp), (Timestamp(100), Timestamp(100)));
    assert_eq!(header.len, bytes.len());
}

#[test]
fn assigning_offset_and_epoch_keeps_the_checksum_valid() {
    let bytes = batch_of(&[(b"k", b"v", 1)]);
    let batch = CheckedBatch::new(BytesMut::from(&bytes[..])).expect("legal");
    let (header, stored) = batch.assign(Prefix { base_offset: Offset(7_000_000_000), leader_epoch: LeaderEpoch(3) });
    assert_eq!(header.base_offset, Offset(7_000_000_000));
    let walked: Vec<_> = Batches::verified(&stored).collect();
    assert_eq!(walked, vec![Ok((header, &stored[..]))]);
}

#[test]
fn log_append_time_is_covered_by_a_new_checksum() {
    let bytes = batch_of(&[(b"k", b"v", 1)]);
    let mut batch = CheckedBatch::new(BytesMut::from(&bytes[..])).expect("legal");
    batch.set_log_append_time(Timestamp(42));
    let (header, stored) = batch.assign(Prefix { base_offset: Offset(0), leader_epoch: LeaderEpoch(0) });
    assert!(header.is_log_append_time());
    assert_eq!(Batches::verified(&stored).next(), Some(Ok((header, &stored[..]))));
    assert_eq!(BatchHeader::read(&stored).map(|h| h.max_timestamp), Ok(Timestamp(42)));
}

#[test]
fn every_flipped_bit_behind_the_prefix_is_noticed() {
    let good = batch_of(&[(b"key", b"value", 5)]);
    for at in 8..good.len() {
        if (12..16).contains(&at) {
            continue; // the leader epoch is the leader's to write
        }
        for bit in 0..8 {
            let mut bad = BytesMut::from(&good[..]);
            bad[at] ^= 1 << bit;
            assert!(CheckedBatch::new(bad).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn wrong_lengths_are_told_apart() {
    let good = batch_of(&[(b"k", b"v", 1)]);
    let check = |bytes: &[u8]| CheckedBatch::new(BytesMut::from(bytes)).map(|_| ());
    assert_eq!(check(&good[..60]), Err(BatchError::Short { given: 60 }));
    assert!(matches!(check(&good[..good.len() - 1]), Err(BatchError::Length { .. })));
    let twice = [&good[..], &good[..]].concat();
    assert_eq!(check(&twice), Err(BatchError::Trailing { extra: good.len() }));
    let mut negative = good.to_vec();
    negative[8..12].copy_from_slice(&(-1i32).to_be_bytes());
    assert!(matches!(check(&negative), Err(BatchError::Length { .. })));
}

#[test]
fn a_walk_ends_at_an_incomplete_batch() {
    let one = batch_of(&[(b"k", b"v", 1)]);
    let mut two = [&one[..], &one[..]].concat();
    two.truncate(two.len() - 1);
    assert_eq!(Batches::new(&two).count(), 1);
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(sequence_plus(i32::MAX, 1), 0);
    assert_eq!(sequence_plus(i32::MAX - 1, 3), 1);
    assert_eq!(sequence_plus(5, 0), 5);
}

#[test]
fn records_in_another_codec_take_the_place_of_the_old_ones_under_a_new_checksum() {
    let bytes = batch_of(&[(b"k", b"v", 1), (b"k", b"w", 5)]);
    let mut batch = CheckedBatch::new(BytesMut::from(&bytes[..])).expect("legal");
    let before = *batch.header();
    for (codec, records) in
        [(Compression::Zstd, &b"much longer than it was before, as it happens"[..]), (Compression::Snappy, b"")]
    {
        batch.replace_records(codec, records);
        assert_eq!((batch.header().compression(), batch.records()), (Ok(codec), records));
    }
    let (header, stored) = batch.assign(Prefix { base_offset: Offset(3), leader_epoch: LeaderEpoch(1) });
    assert_eq!(Batches::verified(&stored).next(), Some(Ok((header, &stored[..]))));
    assert_eq!(BatchHeader::read(&stored), Ok(header), "what is known of it is what is written");
    assert_eq!((header.count, header.max_timestamp, header.len), (before.count, before.max_timestamp, HEADER_LEN));
}
