//! Produce and Fetch with every field set to something that is not its default.

use bytes::Bytes;
use callboard_model::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerId, Timestamp, TopicId};
use callboard_wire::messages::Uuid;
use callboard_wire::messages::client::{self, fetch_request, produce_request};
use callboard_wire::{fetch, produce};

/// A Produce request by the codec: two topics, several partitions, one of them without records.
pub(crate) fn produce_request(version: i16) -> client::ProduceRequest {
    let partition = |index, records: Option<&'static [u8]>| {
        made!(produce_request::PartitionProduceData { index: index, records: records.map(Bytes::from_static) })
    };
    assert!((3..=11).contains(&version), "fields are the same in all of these");
    made!(client::ProduceRequest {
        transactional_id: Some("payments".into()),
        acks: -1,
        timeout_ms: 1500,
        topic_data: vec![
            made!(produce_request::TopicProduceData {
                name: "orders".into(),
                partition_data: vec![partition(0, Some(b"first batch")), partition(5, None), partition(-1, Some(b""))],
            }),
            made!(produce_request::TopicProduceData {
                name: "no/topic name".into(),
                partition_data: vec![partition(1, Some(&[9; 300]))],
            }),
        ],
    })
}

/// A Fetch request by the codec with every field of its version set.
pub(crate) fn fetch_request(version: i16) -> client::FetchRequest {
    let since = |first: i16| version >= first;
    // 13 and later name topics by their ids.
    let (orders, payments) = if since(13) { ("", "") } else { ("orders", "payments") };
    let id = |byte| if since(13) { Uuid::from_bytes([byte; 16]) } else { Uuid::ZERO };
    made!(client::FetchRequest {
        cluster_id: since(12).then(|| "cluster".into()),
        replica_id: if since(15) { -1 } else { 4 },
        replica_state: if since(15) {
            made!(fetch_request::ReplicaState { replica_id: 4, replica_epoch: 1 << 40 })
        } else {
            fetch_request::ReplicaState::default()
        },
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation_level: 1,
        session_id: if since(7) { 9 } else { 0 },
        session_epoch: if since(7) { 2 } else { -1 },
        topics: vec![made!(fetch_request::FetchTopic {
            topic: orders.into(),
            topic_id: id(7),
            partitions: vec![
                made!(fetch_request::FetchPartition {
                    partition: 3,
                    current_leader_epoch: if since(9) { 7 } else { -1 },
                    fetch_offset: 1 << 40,
                    last_fetched_epoch: if since(12) { 6 } else { -1 },
                    log_start_offset: if since(5) { 4 } else { -1 },
                    partition_max_bytes: 1 << 16,
                    replica_directory_id: if since(17) { Uuid::from_bytes([5; 16]) } else { Uuid::ZERO },
                }),
                made!(fetch_request::FetchPartition { partition: -4, fetch_offset: -1, partition_max_bytes: -5 }),
            ],
        })],
        forgotten_topics_data: if since(7) {
            vec![made!(fetch_request::ForgottenTopic {
                topic: payments.into(),
                topic_id: id(8),
                partitions: vec![1, 2],
            })]
        } else {
            Vec::new()
        },
        rack_id: if since(11) { "r1".into() } else { "".into() },
    })
}

/// An answer to Produce with everything that any version knows.
pub(crate) fn produce_response() -> produce::ProduceResponse {
    let partition = produce::PartitionProduced {
        index: PartitionIndex(3),
        error: ErrorCode::InvalidRecord,
        base_offset: Offset(1 << 40),
        log_append_time: Timestamp(1 << 41),
        log_start_offset: Offset(17),
        record_errors: vec![
            produce::RecordError { batch_index: 0, message: Some("no key".into()) },
            produce::RecordError { batch_index: 4, message: None },
        ],
        error_message: Some("one record has no key".into()),
        current_leader: Some(produce::CurrentLeader { leader_id: BrokerId(2), leader_epoch: LeaderEpoch(8) }),
    };
    let refused = produce::PartitionProduced::refused(PartitionIndex(4), ErrorCode::NotLeaderOrFollower);
    produce::ProduceResponse {
        topics: vec![
            produce::TopicProduced { name: "orders".into(), partitions: vec![partition, refused] },
            produce::TopicProduced { name: "empty".into(), partitions: Vec::new() },
        ],
        throttle_time_ms: 5,
        node_endpoints: vec![produce::NodeEndpoint {
            node_id: BrokerId(2),
            host: "broker.example".into(),
            port: 9092,
            rack: Some("r1".into()),
        }],
    }
}

/// An answer to Fetch with everything that any version knows, topics named as its version does.
pub(crate) fn fetch_response(version: i16) -> fetch::FetchResponse {
    let topic = |name: &'static str, byte| {
        if version >= fetch::TOPIC_IDS_SINCE {
            fetch::TopicKey::Id(TopicId::from_bytes([byte; 16]))
        } else {
            fetch::TopicKey::Name(name.into())
        }
    };
    let full = fetch::PartitionFetched {
        index: PartitionIndex(3),
        error: ErrorCode::None,
        high_watermark: Offset(1 << 40),
        last_stable_offset: Offset(1 << 39),
        log_start_offset: Offset(17),
        diverging_epoch: Some(fetch::DivergingEpoch { epoch: LeaderEpoch(6), end_offset: Offset(99) }),
        current_leader: Some(fetch::CurrentLeader { leader_id: BrokerId(2), leader_epoch: LeaderEpoch(8) }),
        aborted_transactions: Some(vec![fetch::AbortedTransaction {
            producer_id: ProducerId(12),
            first_offset: Offset(5),
        }]),
        preferred_read_replica: Some(BrokerId(2)),
        records: vec![Bytes::from_static(b"batch one"), Bytes::new(), Bytes::from_static(b"batch two")],
    };
    let refused = fetch::PartitionFetched::refused(PartitionIndex(4), ErrorCode::OffsetOutOfRange);
    fetch::FetchResponse {
        throttle_time_ms: 5,
        error: ErrorCode::None,
        session_id: if version >= 7 { 9 } else { 0 },
        topics: vec![
            fetch::TopicFetched { topic: topic("orders", 7), partitions: vec![full.clone(), refused] },
            fetch::TopicFetched { topic: topic("payments", 8), partitions: vec![full] },
        ],
        node_endpoints: vec![fetch::NodeEndpoint {
            node_id: BrokerId(2),
            host: "two.example".into(),
            port: 9092,
            rack: Some("r2".into()),
        }],
    }
}
