use super::*;
use crate::rig::{Made, WALL};
use callboard_model::{CleanupPolicy, CompressionType, ErrorCode};
use std::time::Duration;

const T: i64 = WALL;
const CLIENT: Rules = Rules { zstd_allowed: true, internal: false, expected_end: None };
const AS_IT_IS: Unpacked = Unpacked { records: None, packed: None };
const NOW: Timestamp = Timestamp(WALL);
const HOUR: i64 = 3_600_000;

fn check(made: &Made, config: &LogConfig) -> Result<BatchHeader, ProduceError> {
    let mut batch = made.batch();
    validate(&mut batch, &AS_IT_IS, config, CLIENT, NOW).map(|()| *batch.header())
}

fn code(made: &Made, config: &LogConfig) -> ErrorCode {
    check(made, config).expect_err("refused").code()
}

fn compacted() -> LogConfig {
    LogConfig { cleanup_policy: CleanupPolicy { delete: false, compact: true }, ..LogConfig::default() }
}

fn keyed(keys: &[Option<&'static [u8]>]) -> Made {
    Made { records: keys.iter().map(|key| (*key, 3, T)).collect(), ..Made::of(1, T) }
}

#[test]
fn an_ordinary_batch_passes_without_a_look_at_its_records() {
    let batch = Made::of(3, T).by(1, 0, 0).batch();
    assert!(!needs_records(&batch, &LogConfig::default(), NOW));
    assert_eq!(check(&Made::of(3, T).by(1, 0, 0), &LogConfig::default()), Ok(*batch.header()));
}

#[test]
fn headers_that_no_client_may_send_have_kafka_s_codes() {
    let plain = || Made::of(2, T);
    let cases = [
        (Made { base_offset: 5, ..plain() }, ErrorCode::InvalidRecord),
        (Made { count: Some(1), ..plain() }, ErrorCode::InvalidRecord),
        (Made { count: Some(0), ..plain() }, ErrorCode::InvalidRecord),
        (Made { records: vec![], ..plain() }, ErrorCode::InvalidRecord),
        (Made { attributes: 1 << 5, ..plain() }, ErrorCode::InvalidRecord),
        (Made { attributes: 1 << 3, ..plain() }, ErrorCode::InvalidTimestamp),
        (Made { attributes: 1 << 4, ..plain().by(1, 0, 0) }, ErrorCode::InvalidTxnState),
        (plain().by(1, 0, -1), ErrorCode::InvalidRecord),
        (plain().by(1, -1, 0), ErrorCode::InvalidRecord),
    ];
    for (made, wanted) in cases {
        assert_eq!(code(&made, &LogConfig::default()), wanted, "{made:?}");
    }
}

#[test]
fn the_size_of_the_batch_as_sent_is_what_counts() {
    let len = Made::of(2, T).batch().len();
    let config = |max_message_bytes| LogConfig { max_message_bytes, ..LogConfig::default() };
    assert!(check(&Made::of(2, T), &config(len)).is_ok());
    let error = check(&Made::of(2, T), &config(len - 1)).expect_err("one byte too many");
    assert_eq!(error, ProduceError::TooLarge { given: len, max: len - 1 });
    assert_eq!(error.code(), ErrorCode::MessageTooLarge);
}

#[test]
fn zstd_is_refused_to_requests_that_do_not_know_it() {
    let made = Made { attributes: 4, ..Made::of(1, T) };
    let old = Rules { zstd_allowed: false, internal: false, expected_end: None };
    let error = validate(&mut made.batch(), &AS_IT_IS, &LogConfig::default(), old, NOW).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::UnsupportedCompressionType);
    assert!(check(&made, &LogConfig::default()).is_ok());
}

#[test]
fn every_record_without_a_key_is_named_on_a_compacted_topic() {
    let error = check(&keyed(&[Some(b"k"), None, Some(b""), None]), &compacted()).expect_err("refused");
    let failure = |index| RecordFailure { index, reason: RecordReason::MissingKey };
    assert_eq!(error.record_failures(), [failure(1), failure(3)]);
    assert_eq!(error.code(), ErrorCode::InvalidRecord);
    assert!(check(&keyed(&[Some(b"k"), Some(b"")]), &compacted()).is_ok());
}

#[test]
fn named_failures_are_bounded() {
    let error = check(&Made::of(FAILURES_MAX + 5, T), &compacted()).expect_err("refused");
    assert_eq!(error.record_failures().len(), FAILURES_MAX);
}

#[test]
fn a_time_too_far_ahead_is_refused_record_by_record() {
    let made = Made { records: vec![(None, 1, T), (None, 1, T + HOUR + 1)], ..Made::of(1, T) };
    let error = check(&made, &LogConfig::default()).expect_err("refused");
    let (given, earliest, latest) = (Timestamp(T + HOUR + 1), Timestamp(i64::MIN), Timestamp(T + HOUR));
    let reason = RecordReason::Timestamp { given, earliest, latest };
    assert_eq!(error.record_failures(), [RecordFailure { index: 1, reason }]);
    assert_eq!(error.code(), ErrorCode::InvalidTimestamp);
    assert!(check(&Made::of(1, T + HOUR), &LogConfig::default()).is_ok());
}

#[test]
fn a_time_too_far_back_is_found_between_good_ones() {
    let config = LogConfig { timestamp_before_max: Some(Duration::from_secs(3600)), ..LogConfig::default() };
    let made = |time| Made { records: vec![(None, 1, T), (None, 1, time), (None, 1, T)], ..Made::of(1, T) };
    assert_eq!(code(&made(T - HOUR - 1), &config), ErrorCode::InvalidTimestamp);
    assert!(check(&made(T - HOUR), &config).is_ok());
    assert!(check(&made(-1), &config).is_ok(), "a record without a time has none to check");
}

#[test]
fn a_missing_or_wrong_largest_time_is_computed() {
    let records = vec![(None, 1, T - 5), (None, 1, T), (None, 1, T - 9)];
    for claimed in [-1, T + 2 * HOUR] {
        let made = Made { records: records.clone(), max_timestamp: Some(claimed), ..Made::of(1, T) };
        let mut batch = made.batch();
        validate(&mut batch, &AS_IT_IS, &LogConfig::default(), CLIENT, NOW).expect("its records are in range");
        assert_eq!(batch.header().max_timestamp, Timestamp(T));
        let bytes = batch
            .assign(callboard_model::Prefix { base_offset: Offset(0), leader_epoch: callboard_model::LeaderEpoch(0) });
        let walked = callboard_model::Batches::verified(&bytes.1).next();
        assert!(matches!(walked, Some(Ok(_))), "the checksum covers it");
    }
    assert_eq!(check(&Made::of(2, -1), &LogConfig::default()).map(|header| header.max_timestamp), Ok(Timestamp::NONE));
}

#[test]
fn the_broker_s_time_makes_the_producer_s_irrelevant() {
    let config = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
    let header = check(&Made::of(1, T + 9 * HOUR), &config).expect("no time to check");
    assert_eq!((header.max_timestamp, header.is_log_append_time()), (NOW, true));
    assert!(!needs_records(&Made::of(1, -1).batch(), &config, NOW));
}

#[test]
fn compressed_records_are_looked_at_only_where_they_must_be() {
    let gzip = |timestamp| Made { attributes: 1, ..Made::of(1, timestamp) };
    let config = LogConfig::default();
    // The body is no gzip at all: nobody looked.
    assert!(check(&gzip(T), &config).is_ok());
    assert!(needs_records(&gzip(-1).batch(), &config, NOW));
    assert!(needs_records(&gzip(T).batch(), &compacted(), NOW));
    let mut batch = gzip(T).batch();
    let error = validate(&mut batch, &AS_IT_IS, &compacted(), CLIENT, NOW).expect_err("could not be decompressed");
    assert_eq!((error.code(), error), (ErrorCode::InvalidRecord, ProduceError::Unreadable));
    let records = Bytes::copy_from_slice(keyed(&[Some(b"k")]).batch().records());
    assert_eq!(
        validate(&mut batch, &Unpacked { records: Some(records), packed: None }, &compacted(), CLIENT, NOW),
        Ok(())
    );
}

#[test]
fn records_that_cannot_be_read_are_an_error_and_never_a_panic() {
    let good = keyed(&[Some(b"key"), Some(b"k")]);
    let body = good.batch().records().to_vec();
    for end in 0..body.len() {
        let mut cut = good.batch_around(&body[..end]);
        let error = validate(&mut cut, &AS_IT_IS, &compacted(), CLIENT, NOW).expect_err("cut");
        assert_eq!(error.code(), ErrorCode::InvalidRecord);
    }
    for at in 0..body.len() {
        for value in 0..=255 {
            let mut bad = body.clone();
            bad[at] = value;
            let _ = validate(&mut good.batch_around(&bad), &AS_IT_IS, &compacted(), CLIENT, NOW);
        }
    }
}

#[test]
fn offsets_inside_a_batch_that_do_not_count_up_are_refused_where_they_are_seen() {
    let good = keyed(&[Some(b"a"), Some(b"b")]);
    let body = good.batch().records().to_vec();
    // length, attributes, timestamp delta, offset delta: 1 becomes 2
    let second = body.len() / 2 + 3;
    assert_eq!(body[second], 2, "zigzag of 1");
    let mut bad = body;
    bad[second] = 4;
    let error = validate(&mut good.batch_around(&bad), &AS_IT_IS, &compacted(), CLIENT, NOW).expect_err("refused");
    assert_eq!(error.record_failures(), [RecordFailure { index: 1, reason: RecordReason::Offset { given: 2 } }]);
    assert_eq!(error.code(), ErrorCode::InvalidRecord);
}

fn in_codec(compression_type: CompressionType) -> LogConfig {
    LogConfig { compression_type, ..LogConfig::default() }
}

#[test]
fn a_batch_of_another_codec_than_its_topic_s_is_packed_anew_and_keeps_everything_else() {
    let config = in_codec(CompressionType::Zstd { level: 3 });
    let made = Made::of(3, T).by(7, 2, 40);
    let mut batch = made.batch();
    assert_eq!(wants_codec(&batch, &config), Some(Compression::Zstd));
    assert!(needs_records(&batch, &config, NOW), "its checksum becomes ours");
    let before = *batch.header();
    let packed = Some((Compression::Zstd, Bytes::from_static(b"packed")));
    assert_eq!(validate(&mut batch, &Unpacked { records: None, packed }, &config, CLIENT, NOW), Ok(()));
    let header = *batch.header();
    assert_eq!((header.compression(), batch.records()), (Ok(Compression::Zstd), &b"packed"[..]));
    let others = BatchHeader { attributes: 0, len: before.len, crc: before.crc, ..header };
    assert_eq!(others, before, "offsets, times, producer, sequence and count stay");
    let prefix = callboard_model::Prefix { base_offset: Offset(9), leader_epoch: callboard_model::LeaderEpoch(1) };
    let (_, bytes) = batch.assign(prefix);
    let walked =
        callboard_model::Batches::verified(&bytes).next().expect("a batch").expect("length and checksum are right");
    assert_eq!((walked.0.base_offset, walked.1.len()), (Offset(9), bytes.len()));
}

#[test]
fn a_batch_of_its_topic_s_codec_stays_as_it_is() {
    for (attributes, compression) in [
        (0, CompressionType::Uncompressed),
        (1, CompressionType::Gzip { level: 9 }),
        (2, CompressionType::Snappy),
        (3, CompressionType::Lz4),
        (4, CompressionType::Zstd { level: -5 }),
        (3, CompressionType::Producer),
    ] {
        let batch = Made { attributes, ..Made::of(1, T) }.batch();
        let config = in_codec(compression);
        assert_eq!(wants_codec(&batch, &config), None, "{compression:?}");
        assert!(!needs_records(&batch, &config, NOW));
    }
}

#[test]
fn a_batch_that_could_not_be_packed_or_has_grown_too_large_is_refused() {
    let config = in_codec(CompressionType::Uncompressed);
    let gzip = || Made { attributes: 1, ..Made::of(1, T) }.batch();
    let plain = Bytes::copy_from_slice(Made::of(1, T).batch().records());
    let check = |packed: Option<(Compression, Bytes)>, config: &LogConfig| {
        let unpacked = Unpacked { records: Some(plain.clone()), packed };
        validate(&mut gzip(), &unpacked, config, CLIENT, NOW)
    };
    assert_eq!(check(None, &config), Err(ProduceError::NotPacked));
    assert_eq!(
        check(Some((Compression::Zstd, plain.clone())), &config),
        Err(ProduceError::NotPacked),
        "for other settings"
    );
    assert_eq!(validate(&mut gzip(), &AS_IT_IS, &config, CLIENT, NOW), Err(ProduceError::Unreadable));
    let packed = || Some((Compression::None, plain.clone()));
    assert_eq!(check(packed(), &config), Ok(()));
    let max = gzip().len();
    let large = Bytes::from(vec![0; 100]);
    let tight = LogConfig { max_message_bytes: max, ..config };
    let error = check(Some((Compression::None, large)), &tight).expect_err("it has grown");
    assert_eq!(error.code(), ErrorCode::MessageTooLarge);
}

#[test]
fn what_the_platform_appends_itself_is_not_packed() {
    let config = in_codec(CompressionType::Gzip { level: -1 });
    let internal = Rules { zstd_allowed: true, internal: true, expected_end: None };
    let mut batch = Made::of(1, T).batch();
    assert_eq!(validate(&mut batch, &AS_IT_IS, &config, internal, NOW), Ok(()));
    assert_eq!(batch.header().compression(), Ok(Compression::None));
}
