use super::*;
use bytes::Bytes;
use callboard_model::ErrorCode;
use proptest::prelude::*;

use crate::EncodeError;

const PLAIN: &[u8] = b"\xff\xff\xff\xff\0\0\x01\xf4\0\0\0\x01\0\x10\0\0\x01\0\0\0\x01\0\x06orders\0\0\0\x01\
    \0\0\0\x03\0\0\0\0\0\0\0\x07\0\x01\0\0";

fn read(version: i16, body: &[u8]) -> Result<FetchRequest, DecodeError> {
    decode_request(version, BytesMut::from(body))
}

#[test]
fn a_version_4_request_has_defaults_for_what_came_later() {
    let request = read(4, PLAIN).expect("legal");
    assert_eq!((request.max_wait_ms, request.min_bytes, request.max_bytes), (500, 1, 1 << 20));
    assert_eq!(request.isolation, Isolation::ReadCommitted);
    assert_eq!((request.session_id, request.session_epoch), (0, -1));
    assert_eq!(&*request.rack_id, "");
    let expected = FetchPartition {
        index: PartitionIndex(3),
        current_leader_epoch: LeaderEpoch::NONE,
        offset: Offset(7),
        last_fetched_epoch: LeaderEpoch::NONE,
        log_start_offset: Offset::NONE,
        max_bytes: 1 << 16,
    };
    assert_eq!(request.topics[0], FetchTopic { topic: TopicKey::Name("orders".into()), partitions: vec![expected] });
}

#[test]
fn every_cut_is_an_error() {
    for end in 0..PLAIN.len() {
        assert!(read(4, &PLAIN[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn an_unknown_isolation_level_is_refused() {
    let mut body = PLAIN.to_vec();
    body[16] = 2;
    assert_eq!(read(4, &body), Err(DecodeError::Unknown { what: "isolation level", given: 2 }));
}

#[test]
fn a_request_larger_than_any_client_sends_is_not_even_walked() {
    let body = BytesMut::zeroed(ApiKey::Fetch.body_max() + 1);
    assert!(matches!(decode_request(4, body), Err(DecodeError::TooLarge { api: "Fetch", .. })));
}

fn answer(records: Vec<Bytes>) -> FetchResponse {
    let partition = PartitionFetched { records, ..PartitionFetched::refused(PartitionIndex(1), ErrorCode::None) };
    let topics = vec![TopicFetched { topic: TopicKey::Name("t".into()), partitions: vec![partition] }];
    FetchResponse { throttle_time_ms: 0, error: ErrorCode::None, session_id: 0, topics, node_endpoints: Vec::new() }
}

#[test]
fn an_answer_without_records_is_one_piece_with_a_length_of_zero() {
    let gathered = encode_response(1, 4, &answer(Vec::new())).expect("encodes");
    assert_eq!(gathered.segments.len(), 1);
    assert!(gathered.segments[0].ends_with(&[0, 0, 0, 0]));
    assert_eq!(gathered.segments[0][..4], (gathered.len as u32 - 4).to_be_bytes());
}

#[test]
fn batches_lie_between_the_fields_in_their_order() {
    let batches = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
    let gathered = encode_response(1, 11, &answer(batches)).expect("encodes");
    let pieces: Vec<_> = gathered.segments.iter().skip(1).map(|piece| &piece[..]).collect();
    assert_eq!(pieces, vec![&b"one"[..], b"two"]);
    assert!(gathered.segments[0].ends_with(&[0, 0, 0, 6]));
}

#[test]
fn more_than_a_frame_can_say_is_an_error() {
    let mebi = Bytes::from(vec![0; 1 << 20]);
    let given = answer(vec![mebi; 2048]);
    assert!(matches!(encode_response(1, 11, &given), Err(EncodeError::TooLarge(_))));
    assert!(matches!(encode_response(1, 12, &given), Err(EncodeError::TooLarge(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_an_error(version in VERSIONS, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(version, &body);
    }

    #[test]
    fn changed_requests_are_requests_or_errors(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut body = PLAIN.to_vec();
        let at = at.index(body.len());
        body[at] = with;
        let _ = read(4, &body);
    }
}
