//! Our own encoders and decoders against the codec of the control plane, and the codec against itself, for every
//! (API, version) served.

mod filled;

use bytes::{Bytes, BytesMut};
use callboard_model::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use callboard_wire::messages::{self, Response, client};
use callboard_wire::{ApiKey, DecodeError, EncodeError, RequestHeader, StrBytes, api, fetch, produce};

fn control_plane() -> impl Iterator<Item = (ApiKey, i16)> {
    let keys = ApiKey::ALL.iter().filter(|key| !matches!(key, ApiKey::Produce | ApiKey::Fetch));
    keys.flat_map(|key| api::served_range(*key).map(|version| (*key, version)))
}

/// Cuts the length off a frame and checks it.
fn unframed(frame: &Bytes) -> Bytes {
    let len = u32::from_be_bytes(frame[..4].try_into().expect("four bytes")) as usize;
    assert_eq!(len, frame.len() - 4, "the length counts what follows it");
    frame.slice(4..)
}

fn header_and_body(frame: &Bytes) -> (RequestHeader, BytesMut) {
    RequestHeader::parse(BytesMut::from(&unframed(frame)[..])).expect("legal header")
}

#[test]
fn every_request_of_the_control_plane_reads_back() {
    for (key, version) in control_plane() {
        let request = filled::request(key, version);
        let frame = client::encode_request(42, Some("tester"), version, &request).expect("encodes");
        let (header, body) = header_and_body(&frame);
        assert_eq!((header.api(), header.version, header.correlation_id), (Some(key), version, 42));
        assert_eq!(header.client_id.as_deref(), Some("tester"));
        let read = messages::decode_request(key, version, body.freeze());
        assert_eq!(read, Ok(request), "{} {version}", key.name());
    }
}

#[test]
fn a_filled_answer_is_written_in_every_version_and_loses_only_what_the_version_lacks() {
    for (key, version) in control_plane() {
        let response = filled::response(key);
        let frame = messages::encode_response(42, version, response)
            .unwrap_or_else(|error| panic!("{} {version}: {error}", key.name()));
        let (correlation_id, body) = client::split_response(key, version, unframed(&frame)).expect("legal header");
        assert_eq!(correlation_id, 42);
        let read = client::decode_response(key, version, body).expect("legal body");
        // What was read can be said in this version in full, so writing it again gives the same bytes.
        assert_eq!(messages::encode_response(42, version, read).as_ref(), Ok(&frame), "{} {version}", key.name());
        // And the newest version that is served loses nothing that the one before it kept.
        if version > *api::served_range(key).start() {
            let older = messages::encode_response(42, version - 1, filled::response(key)).expect("encodes");
            if !key.is_flexible(version) {
                assert!(frame.len() >= older.len(), "{} {version} says less than {}", key.name(), version - 1);
            }
        }
    }
}

#[test]
fn metadata_keeps_all_that_version_9_can_say() {
    let frame = messages::encode_response(1, 9, filled::response(ApiKey::Metadata)).expect("encodes");
    let (_, body) = client::split_response(ApiKey::Metadata, 9, unframed(&frame)).expect("legal");
    let Ok(Response::Metadata(read)) = client::decode_response(ApiKey::Metadata, 9, body) else {
        panic!("not metadata");
    };
    assert_eq!(read.cluster_id.as_deref(), Some("cluster"));
    assert_eq!(read.cluster_authorized_operations, 0x3f);
    assert_eq!(read.brokers[0].rack.as_deref(), Some("r1"));
    let topic = &read.topics[0];
    assert_eq!((topic.name.as_deref(), topic.is_internal), (Some("orders"), true));
    assert_eq!(topic.topic_authorized_operations, 0x1f);
    let partition = &topic.partitions[0];
    assert_eq!((partition.leader_epoch, &partition.offline_replicas[..]), (7, &[2][..]));
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let answer = messages::encode_response(7, 99, messages::api_versions::unsupported().into()).expect("encodes");
    // length, correlation id, error 35, one key: 18, 0 to 4. No tagged fields anywhere.
    let expected = [0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
    assert_eq!(&answer[..], &expected);
    let request = messages::decode_request(ApiKey::ApiVersions, 99, Bytes::from_static(b"\xff\xff"));
    assert_eq!(request, Ok(messages::Request::UnsupportedApiVersions));
}

#[test]
fn the_answer_of_api_versions_has_an_old_header_and_a_flexible_body() {
    let answer = messages::encode_response(7, 3, filled::response(ApiKey::ApiVersions)).expect("encodes");
    // No tag count between correlation id and error code; the array has a compact length.
    assert_eq!(&answer[4..11], &[0, 0, 0, 7, 0, 42, 2]);
}

#[test]
fn features_that_may_be_level_0_are_hidden_below_version_4() {
    let features = |version| {
        let frame = messages::encode_response(7, version, filled::response(ApiKey::ApiVersions)).expect("encodes");
        let (_, body) = client::split_response(ApiKey::ApiVersions, version, unframed(&frame)).expect("legal");
        match client::decode_response(ApiKey::ApiVersions, version, body) {
            Ok(Response::ApiVersions(read)) => read.supported_features.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((features(3), features(4)), (1, 2));
}

#[test]
fn produce_requests_of_the_codec_are_read_by_our_decoder() {
    for version in api::served_range(ApiKey::Produce) {
        let sent = filled::produce_request(version);
        let frame = client::encode_produce(42, None, version, &sent).expect("encodes");
        let (header, body) = header_and_body(&frame);
        assert_eq!((header.api(), header.client_id), (Some(ApiKey::Produce), None));
        let read = produce::decode_request(version, body).expect("legal");
        assert_eq!(read.transactional_id, sent.transactional_id);
        assert_eq!((read.acks, read.timeout_ms), (sent.acks, sent.timeout_ms));
        assert_eq!(read.topics.len(), sent.topic_data.len());
        for (read, sent) in read.topics.iter().zip(&sent.topic_data) {
            assert_eq!(read.name, sent.name);
            let read: Vec<_> = read.partitions.iter().map(|p| (p.index.0, p.records.as_deref())).collect();
            let sent: Vec<_> = sent.partition_data.iter().map(|p| (p.index, p.records.as_deref())).collect();
            assert_eq!(read, sent, "version {version}");
        }
    }
}

#[test]
fn fetch_requests_of_the_codec_are_read_by_our_decoder() {
    for version in fetch::VERSIONS {
        let sent = filled::fetch_request(version);
        let frame = client::encode_fetch(42, Some("tester"), version, &sent).expect("encodes");
        let (_, body) = header_and_body(&frame);
        let read = fetch::decode_request(version, body).expect("legal");
        assert_eq!((read.replica_id, read.max_wait_ms), (4, sent.max_wait_ms), "version {version}");
        assert_eq!((read.min_bytes, read.max_bytes), (sent.min_bytes, sent.max_bytes));
        assert_eq!(read.isolation, fetch::Isolation::ReadCommitted);
        assert_eq!((read.session_id, read.session_epoch), (sent.session_id, sent.session_epoch));
        assert_eq!(read.rack_id, sent.rack_id);
        let topics: Vec<_> = read.topics.iter().map(|topic| topic.topic.clone()).collect();
        let sent_topics: Vec<_> = sent.topics.iter().map(|t| topic_key(version, &t.topic, t.topic_id)).collect();
        assert_eq!(topics, sent_topics, "version {version}");
        for (read, sent) in read.topics[0].partitions.iter().zip(&sent.topics[0].partitions) {
            let expected = fetch::FetchPartition {
                index: PartitionIndex(sent.partition),
                current_leader_epoch: LeaderEpoch(sent.current_leader_epoch),
                offset: Offset(sent.fetch_offset),
                last_fetched_epoch: LeaderEpoch(sent.last_fetched_epoch),
                log_start_offset: Offset(sent.log_start_offset),
                max_bytes: sent.partition_max_bytes,
            };
            assert_eq!(*read, expected, "version {version}");
        }
        assert_eq!(read.topics[0].partitions.len(), sent.topics[0].partitions.len());
        assert_eq!(read.forgotten.len(), sent.forgotten_topics_data.len());
        for (read, sent) in read.forgotten.iter().zip(&sent.forgotten_topics_data) {
            assert_eq!(read.topic, topic_key(version, &sent.topic, sent.topic_id));
            assert_eq!(read.partitions.iter().map(|p| p.0).collect::<Vec<_>>(), sent.partitions);
        }
    }
}

#[test]
fn our_produce_answers_are_read_by_the_codec() {
    let sent = filled::produce_response();
    for version in api::served_range(ApiKey::Produce) {
        let frame = produce::encode_response(42, version, &sent).expect("encodes");
        let (correlation_id, body) =
            client::split_response(ApiKey::Produce, version, unframed(&frame)).expect("legal header");
        assert_eq!(correlation_id, 42);
        let read = client::decode_produce(version, body.clone()).expect("legal body");
        assert_eq!(read.throttle_time_ms, 5);
        assert_eq!(read.node_endpoints.len(), usize::from(version >= 10));
        for (read, sent) in read.responses.iter().zip(&sent.topics) {
            assert_eq!(read.name, sent.name);
            assert_eq!(read.partition_responses.len(), sent.partitions.len());
            for (read, sent) in read.partition_responses.iter().zip(&sent.partitions) {
                assert_eq!((read.index, read.error_code), (sent.index.0, sent.error.code()));
                assert_eq!(read.base_offset, sent.base_offset.0);
                assert_eq!(read.log_append_time_ms, sent.log_append_time.0);
                assert_eq!(read.log_start_offset, if version >= 5 { sent.log_start_offset.0 } else { -1 });
                let errors = if version >= 8 { &sent.record_errors[..] } else { &[] };
                let read_errors: Vec<_> = read
                    .record_errors
                    .iter()
                    .map(|error| (error.batch_index, error.batch_index_error_message.as_deref()))
                    .collect();
                assert_eq!(
                    read_errors,
                    errors.iter().map(|e| (e.batch_index, e.message.as_deref())).collect::<Vec<_>>()
                );
                let message = if version >= 8 { sent.error_message.as_deref() } else { None };
                assert_eq!(read.error_message.as_deref(), message);
                let leader = sent.current_leader.filter(|_| version >= 10);
                let leader = leader.map_or((-1, -1), |leader| (leader.leader_id.0, leader.leader_epoch.0));
                assert_eq!((read.current_leader.leader_id, read.current_leader.leader_epoch), leader);
            }
        }
        assert_eq!(read.responses.len(), sent.topics.len());
        // Nothing is left over.
        let again = codec_bytes(&read, version);
        assert_eq!(again, body, "version {version}");
    }
}

#[test]
fn our_fetch_answers_are_read_by_the_codec_and_share_the_batches() {
    for version in fetch::VERSIONS {
        let sent = filled::fetch_response(version);
        let gathered = fetch::encode_response(42, version, &sent).expect("encodes");
        assert_eq!(gathered.len, gathered.segments.iter().map(Bytes::len).sum::<usize>());
        assert!(gathered.segments.iter().all(|segment| !segment.is_empty()));
        for topic in &sent.topics {
            for batch in topic.partitions.iter().flat_map(|p| &p.records).filter(|batch| !batch.is_empty()) {
                let shared = gathered.segments.iter().any(|segment| segment.as_ptr() == batch.as_ptr());
                assert!(shared, "version {version} copies a batch");
            }
        }
        let frame = Bytes::from(gathered.segments.concat());
        let (correlation_id, body) =
            client::split_response(ApiKey::Fetch, version, unframed(&frame)).expect("legal header");
        assert_eq!(correlation_id, 42);
        let read = client::decode_fetch(version, body.clone()).expect("legal body");
        assert_eq!((read.throttle_time_ms, read.error_code, read.session_id), (5, 0, sent.session_id));
        let endpoints: Vec<_> =
            read.node_endpoints.iter().map(|e| (e.node_id, &*e.host, e.port, e.rack.as_deref())).collect();
        let expected = if version >= 16 { &[(2, "two.example", 9092, Some("r2"))][..] } else { &[] };
        assert_eq!(endpoints, expected, "version {version}");
        assert_eq!(read.responses.len(), sent.topics.len());
        for (read, sent) in read.responses.iter().zip(&sent.topics) {
            assert_eq!(topic_key(version, &read.topic, read.topic_id), sent.topic);
            assert_eq!(read.partitions.len(), sent.partitions.len());
            for (read, sent) in read.partitions.iter().zip(&sent.partitions) {
                assert_eq!((read.partition_index, read.error_code), (sent.index.0, sent.error.code()));
                assert_eq!(read.high_watermark, sent.high_watermark.0);
                assert_eq!(read.last_stable_offset, sent.last_stable_offset.0);
                assert_eq!(read.log_start_offset, if version >= 5 { sent.log_start_offset.0 } else { -1 });
                let aborted = |list: &Vec<fetch::AbortedTransaction>| {
                    list.iter().map(|t| (t.producer_id.0, t.first_offset.0)).collect::<Vec<_>>()
                };
                let read_aborted = read
                    .aborted_transactions
                    .as_ref()
                    .map(|list| list.iter().map(|t| (t.producer_id, t.first_offset)).collect::<Vec<_>>());
                assert_eq!(read_aborted, sent.aborted_transactions.as_ref().map(aborted));
                let preferred = if version >= 11 { sent.preferred_read_replica.map_or(-1, |id| id.0) } else { -1 };
                assert_eq!(read.preferred_read_replica, preferred);
                assert_eq!(read.records.as_deref(), Some(&sent.records.concat()[..]));
                let diverging = sent.diverging_epoch.filter(|_| version >= 12);
                let diverging = diverging.map_or((-1, -1), |d| (d.epoch.0, d.end_offset.0));
                assert_eq!((read.diverging_epoch.epoch, read.diverging_epoch.end_offset), diverging);
                let leader = sent.current_leader.filter(|_| version >= 16);
                let leader = leader.map_or((-1, -1), |leader| (leader.leader_id.0, leader.leader_epoch.0));
                assert_eq!((read.current_leader.leader_id, read.current_leader.leader_epoch), leader);
            }
        }
        assert_eq!(codec_bytes(&read, version), body, "version {version}");
    }
}

#[test]
fn batches_carved_out_of_a_request_can_be_changed_in_place_and_frozen_without_a_copy() {
    let frame = client::encode_produce(1, None, 9, &filled::produce_request(9)).expect("encodes");
    let (_, body) = header_and_body(&frame);
    let place = body.as_ptr_range();
    let read = produce::decode_request(9, body).expect("legal");
    let mut batches: Vec<BytesMut> =
        read.topics.into_iter().flat_map(|topic| topic.partitions).filter_map(|p| p.records).collect();
    for (at, batch) in batches.iter_mut().enumerate().filter(|(_, batch)| !batch.is_empty()) {
        assert!(place.contains(&batch.as_ptr()), "batch {at} was copied");
        batch[0] = 0xee;
    }
    assert_eq!(&batches[0][..], b"\xeeirst batch");
    let pointer = batches[0].as_ptr();
    assert_eq!(batches.swap_remove(0).freeze().as_ptr(), pointer);
}

#[test]
fn versions_that_are_not_served_are_refused_by_the_decoders_themselves() {
    for version in [-1, 0, 2, 12, i16::MAX] {
        let error = DecodeError::NotServed { api_key: 0, version };
        assert_eq!(produce::decode_request(version, BytesMut::new()), Err(error));
        assert!(produce::encode_response(1, version, &produce::ProduceResponse::default()).is_err());
    }
    for version in [-1, 3, 18] {
        assert_eq!(
            fetch::decode_request(version, BytesMut::new()),
            Err(DecodeError::NotServed { api_key: 1, version })
        );
        assert!(fetch::encode_response(1, version, &filled::fetch_response(version)).is_err());
    }
    let outside = messages::decode_request(ApiKey::Metadata, 14, Bytes::new());
    assert_eq!(outside, Err(DecodeError::NotServed { api_key: 3, version: 14 }));
    assert!(messages::encode_response(1, 99, filled::response(ApiKey::Metadata)).is_err());
}

#[test]
fn a_topic_is_never_named_in_the_way_of_another_version() {
    let wrong = |version| EncodeError::TopicKey { version };
    assert_eq!(fetch::encode_response(1, 12, &filled::fetch_response(13)).err(), Some(wrong(12)));
    assert_eq!(fetch::encode_response(1, 13, &filled::fetch_response(12)).err(), Some(wrong(13)));
}

/// How our decoder says what the codec says in two fields.
fn topic_key(version: i16, name: &StrBytes, id: messages::Uuid) -> fetch::TopicKey {
    if version >= fetch::TOPIC_IDS_SINCE {
        assert_eq!(&**name, "");
        fetch::TopicKey::Id(TopicId::from_bytes(*id.as_bytes()))
    } else {
        fetch::TopicKey::Name(name.clone())
    }
}

fn codec_bytes<M: client::Message>(message: &M, version: i16) -> Bytes {
    client::encode_body(message, version).expect("encodes")
}
