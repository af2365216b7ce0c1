use super::*;
use bytes::BufMut;
use callboard_model::{BrokerId, ErrorCode, LeaderEpoch, Offset, Timestamp};
use proptest::prelude::*;

use crate::EncodeError;

const PLAIN: &[u8] = b"\xff\xff\xff\xff\0\0\x05\xdc\0\0\0\x01\0\x06orders\0\0\0\x02\
    \0\0\0\x03\0\0\0\x05batch\0\0\0\x04\xff\xff\xff\xff";
const FLEXIBLE: &[u8] = b"\x04txn\0\x01\0\0\x05\xdc\x02\x07orders\x03\
    \0\0\0\x03\x06batch\0\0\0\0\x04\0\x01\x07\x02xy\0\0";

fn read(version: i16, body: &[u8]) -> Result<ProduceRequest, DecodeError> {
    decode_request(version, BytesMut::from(body))
}

fn contents(request: &ProduceRequest) -> Vec<(&str, i32, Option<&[u8]>)> {
    let of = |topic: &'_ ProduceTopic| topic.partitions.len();
    assert!(request.topics.iter().map(of).sum::<usize>() > 0);
    let topics = request.topics.iter();
    topics.flat_map(|topic| topic.partitions.iter().map(|p| (&*topic.name, p.index.0, p.records.as_deref()))).collect()
}

#[test]
fn a_plain_request_is_read_field_by_field() {
    let request = read(3, PLAIN).expect("legal");
    assert_eq!((request.transactional_id.as_deref(), request.acks, request.timeout_ms), (None, -1, 1500));
    assert_eq!(contents(&request), vec![("orders", 3, Some(&b"batch"[..])), ("orders", 4, None)]);
}

#[test]
fn a_flexible_request_is_read_and_unknown_tags_are_skipped() {
    let request = read(9, FLEXIBLE).expect("legal");
    assert_eq!((request.transactional_id.as_deref(), request.acks, request.timeout_ms), (Some("txn"), 1, 1500));
    assert_eq!(contents(&request), vec![("orders", 3, Some(&b"batch"[..])), ("orders", 4, None)]);
}

#[test]
fn every_cut_is_an_error() {
    for (version, body) in [(3, PLAIN), (8, PLAIN), (9, FLEXIBLE), (11, FLEXIBLE)] {
        for end in 0..body.len() {
            assert!(read(version, &body[..end]).is_err(), "version {version} cut at {end}");
        }
    }
}

#[test]
fn bytes_after_the_end_are_ignored() {
    for (version, body) in [(3, PLAIN), (9, FLEXIBLE)] {
        assert_eq!(read(version, &[body, b"more"].concat()), read(version, body));
    }
}

#[test]
fn declared_counts_are_held_against_the_bytes_that_are_left() {
    let mut body = PLAIN.to_vec();
    body[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    let left = body.len() - 12;
    let declared = i32::MAX as usize;
    assert_eq!(read(3, &body), Err(DecodeError::Count { what: "topics", declared, left }));
    body[8..12].copy_from_slice(&(-2i32).to_be_bytes());
    assert_eq!(read(3, &body), Err(DecodeError::Length { what: "topics", declared: -2 }));
    body[8..12].copy_from_slice(&(-1i32).to_be_bytes());
    assert_eq!(read(3, &body), Err(DecodeError::Null("topics")));
}

#[test]
fn records_longer_than_the_frame_are_refused() {
    let mut body = PLAIN.to_vec();
    let at = body.windows(5).position(|five| five == b"batch").expect("there") - 4;
    body[at..at + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    let left = body.len() - at - 4;
    assert_eq!(read(3, &body), Err(DecodeError::Truncated { what: "records", needed: i32::MAX as usize, left }));
}

#[test]
fn topics_without_end_are_refused_before_they_cost_memory() {
    // Three bytes each: an empty name, no partitions, no tags; more of them than any request has.
    let count = callboard_model::limits::HOT_ELEMENTS_MAX + 1;
    let mut body = b"\0\0\x01\0\0\x05\xdc".to_vec();
    let mut compact = count + 1;
    while compact >= 0x80 {
        body.push(compact as u8 | 0x80);
        compact >>= 7;
    }
    body.push(compact as u8);
    body.extend(std::iter::repeat_n([1, 1, 0], count).flatten());
    body.push(0);
    let max = callboard_model::limits::HOT_ELEMENTS_MAX;
    assert_eq!(read(9, &body), Err(DecodeError::TooMany { what: "topics", max }));
}

#[test]
fn an_illegal_topic_name_is_text_but_bytes_that_are_no_text_are_refused() {
    let mut body = PLAIN.to_vec();
    let at = body.windows(6).position(|six| six == b"orders").expect("there");
    body[at..at + 6].copy_from_slice(b"a/ \0?*");
    assert_eq!(&*read(3, &body).expect("legal").topics[0].name, "a/ \0?*");
    body[at] = 0xff;
    assert_eq!(read(3, &body), Err(DecodeError::Utf8("topic name")));
}

fn one_partition(current_leader: Option<CurrentLeader>) -> ProduceResponse {
    let partition = PartitionProduced {
        index: PartitionIndex(3),
        error: ErrorCode::None,
        base_offset: Offset(7),
        log_append_time: Timestamp::NONE,
        log_start_offset: Offset(2),
        record_errors: Vec::new(),
        error_message: None,
        current_leader,
    };
    let topics = vec![TopicProduced { name: "t".into(), partitions: vec![partition] }];
    ProduceResponse { topics, throttle_time_ms: 0, node_endpoints: Vec::new() }
}

#[test]
fn a_version_3_answer_has_exactly_its_bytes() {
    let mut expected = Vec::new();
    expected.put_i32(9);
    expected.put_slice(b"\0\0\0\x01\0\x01t\0\0\0\x01");
    expected.put_i32(3);
    expected.put_i16(0);
    expected.put_i64(7);
    expected.put_i64(-1);
    expected.put_i32(0);
    let frame = encode_response(9, 3, &one_partition(None)).expect("encodes");
    assert_eq!(&frame[..4], (expected.len() as u32).to_be_bytes());
    assert_eq!(&frame[4..], &expected[..]);
}

#[test]
fn the_leader_is_a_tagged_field_from_version_10_on() {
    let leader = CurrentLeader { leader_id: BrokerId(2), leader_epoch: LeaderEpoch(8) };
    let told = |version| encode_response(9, version, &one_partition(Some(leader))).expect("encodes");
    let untold = |version| encode_response(9, version, &one_partition(None)).expect("encodes");
    assert_eq!(told(9), untold(9));
    // tag 0, nine bytes: leader 2, epoch 8, no tags of its own
    let tagged = b"\x01\0\x09\0\0\0\x02\0\0\0\x08\0";
    assert!(told(10).windows(tagged.len()).any(|window| window == tagged));
    assert_eq!(told(10).len(), untold(10).len() + tagged.len() - 1);
}

#[test]
fn a_text_too_long_for_its_length_is_an_error_and_no_broken_frame() {
    let mut response = one_partition(None);
    response.topics[0].partitions[0].error_message = Some("x".repeat(40_000));
    assert_eq!(encode_response(9, 8, &response), Err(EncodeError::Text { what: "error message", given: 40_000 }));
    assert!(encode_response(9, 9, &response).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_an_error(version in 3i16..=11, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(version, &body);
    }

    #[test]
    fn changed_requests_are_requests_or_errors(
        version in 3i16..=11,
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let mut body = if version >= 9 { FLEXIBLE.to_vec() } else { PLAIN.to_vec() };
        let at = at.index(body.len());
        body[at] = with;
        let _ = read(version, &body);
    }
}
