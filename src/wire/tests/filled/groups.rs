//! Requests and answers of consumer groups with every field set.

use bytes::Bytes;
use callboard_wire::ApiKey;
use callboard_wire::messages::*;

/// A request with every field of its version set.
pub(super) fn request(key: ApiKey, version: i16) -> Request {
    let since = |first: i16| version >= first;
    let instance = |first: i16| since(first).then(|| "instance".into());
    match key {
        ApiKey::OffsetCommit => Request::OffsetCommit(made!(OffsetCommitRequest {
            group_id: "billing".into(),
            generation_id_or_member_epoch: 4,
            member_id: "member".into(),
            group_instance_id: instance(7),
            retention_time_ms: if since(5) { -1 } else { 1 << 33 },
            topics: vec![made!(OffsetCommitRequestTopic {
                name: "orders".into(),
                partitions: vec![made!(OffsetCommitRequestPartition {
                    partition_index: 3,
                    committed_offset: 1 << 40,
                    committed_leader_epoch: if since(6) { 7 } else { -1 },
                    committed_metadata: Some("here".into()),
                })],
            })],
        })),
        ApiKey::OffsetFetch if since(8) => Request::OffsetFetch(made!(OffsetFetchRequest {
            groups: vec![
                made!(OffsetFetchRequestGroup {
                    group_id: "billing".into(),
                    topics: Some(vec![made!(OffsetFetchRequestTopics {
                        name: "orders".into(),
                        partition_indexes: vec![3, 4],
                    })]),
                }),
                made!(OffsetFetchRequestGroup { group_id: "shipping".into(), topics: None }),
            ],
            require_stable: true,
        })),
        ApiKey::OffsetFetch => Request::OffsetFetch(made!(OffsetFetchRequest {
            group_id: "billing".into(),
            topics: Some(vec![made!(OffsetFetchRequestTopic { name: "orders".into(), partition_indexes: vec![3, 4] })]),
            require_stable: since(7),
        })),
        ApiKey::FindCoordinator if since(4) => Request::FindCoordinator(made!(FindCoordinatorRequest {
            key_type: 1,
            coordinator_keys: vec!["billing".into(), "shipping".into()],
        })),
        ApiKey::FindCoordinator => Request::FindCoordinator(made!(FindCoordinatorRequest {
            key: "billing".into(),
            key_type: i8::from(since(1)),
        })),
        ApiKey::JoinGroup => Request::JoinGroup(made!(JoinGroupRequest {
            group_id: "billing".into(),
            session_timeout_ms: 45_000,
            rebalance_timeout_ms: if since(1) { 300_000 } else { -1 },
            member_id: "member".into(),
            group_instance_id: instance(5),
            protocol_type: "consumer".into(),
            protocols: vec![made!(JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: Bytes::from_static(b"subscription"),
            })],
            reason: since(8).then(|| "started".into()),
        })),
        ApiKey::Heartbeat => Request::Heartbeat(made!(HeartbeatRequest {
            group_id: "billing".into(),
            generation_id: 4,
            member_id: "member".into(),
            group_instance_id: instance(3),
        })),
        ApiKey::LeaveGroup if since(3) => Request::LeaveGroup(made!(LeaveGroupRequest {
            group_id: "billing".into(),
            members: vec![made!(MemberIdentity {
                member_id: "member".into(),
                group_instance_id: Some("instance".into()),
                reason: since(5).then(|| "closing".into()),
            })],
        })),
        ApiKey::LeaveGroup => {
            Request::LeaveGroup(made!(LeaveGroupRequest { group_id: "billing".into(), member_id: "member".into() }))
        }
        ApiKey::SyncGroup => Request::SyncGroup(made!(SyncGroupRequest {
            group_id: "billing".into(),
            generation_id: 4,
            member_id: "member".into(),
            group_instance_id: instance(3),
            protocol_type: since(5).then(|| "consumer".into()),
            protocol_name: since(5).then(|| "range".into()),
            assignments: vec![made!(SyncGroupRequestAssignment {
                member_id: "member".into(),
                assignment: Bytes::from_static(b"partitions"),
            })],
        })),
        ApiKey::DescribeGroups => Request::DescribeGroups(made!(DescribeGroupsRequest {
            groups: vec!["billing".into(), "shipping".into()],
            include_authorized_operations: since(3),
        })),
        ApiKey::ListGroups => Request::ListGroups(made!(ListGroupsRequest {
            states_filter: if since(4) { vec!["Stable".into()] } else { Vec::new() },
            types_filter: if since(5) { vec!["classic".into()] } else { Vec::new() },
        })),
        ApiKey::DeleteGroups => Request::DeleteGroups(made!(DeleteGroupsRequest {
            groups_names: vec!["billing".into(), "shipping".into()],
        })),
        ApiKey::OffsetDelete => Request::OffsetDelete(made!(OffsetDeleteRequest {
            group_id: "billing".into(),
            topics: vec![made!(OffsetDeleteRequestTopic {
                name: "orders".into(),
                partitions: vec![made!(OffsetDeleteRequestPartition { partition_index: 3 })],
            })],
        })),
        _ => unreachable!("{key:?} is not about groups"),
    }
}

/// An answer with every field that any version knows set.
pub(super) fn response(key: ApiKey) -> Response {
    match key {
        ApiKey::OffsetCommit => made!(OffsetCommitResponse {
            throttle_time_ms: 5,
            topics: vec![made!(OffsetCommitResponseTopic {
                name: "orders".into(),
                partitions: vec![made!(OffsetCommitResponsePartition { partition_index: 3, error_code: 25 })],
            })],
        })
        .into(),
        ApiKey::OffsetFetch => made!(OffsetFetchResponse {
            throttle_time_ms: 5,
            groups: vec![
                made!(OffsetFetchResponseGroup {
                    group_id: "billing".into(),
                    topics: vec![made!(OffsetFetchResponseTopics {
                        name: "orders".into(),
                        partitions: vec![made!(OffsetFetchResponsePartitions {
                            partition_index: 3,
                            committed_offset: 1 << 40,
                            committed_leader_epoch: 7,
                            metadata: Some("here".into()),
                            error_code: 88,
                        })],
                    })],
                    error_code: 14,
                }),
                made!(OffsetFetchResponseGroup { group_id: "shipping".into(), error_code: 16 }),
            ],
        })
        .into(),
        ApiKey::FindCoordinator => made!(FindCoordinatorResponse {
            throttle_time_ms: 5,
            coordinators: vec![
                made!(Coordinator {
                    key: "billing".into(),
                    node_id: 1,
                    host: "broker.example".into(),
                    port: 9092,
                    error_code: 15,
                    error_message: Some("not yet".into()),
                }),
                made!(Coordinator { key: "shipping".into(), node_id: -1, port: -1, error_code: 24 }),
            ],
        })
        .into(),
        ApiKey::JoinGroup => made!(JoinGroupResponse {
            throttle_time_ms: 5,
            error_code: 79,
            generation_id: 4,
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            leader: "member".into(),
            skip_assignment: true,
            member_id: "member".into(),
            members: vec![made!(JoinGroupResponseMember {
                member_id: "member".into(),
                group_instance_id: Some("instance".into()),
                metadata: Bytes::from_static(b"subscription"),
            })],
        })
        .into(),
        ApiKey::Heartbeat => made!(HeartbeatResponse { throttle_time_ms: 5, error_code: 27 }).into(),
        ApiKey::LeaveGroup => made!(LeaveGroupResponse {
            throttle_time_ms: 5,
            error_code: 0,
            members: vec![made!(MemberResponse {
                member_id: "member".into(),
                group_instance_id: Some("instance".into()),
                error_code: 25,
            })],
        })
        .into(),
        ApiKey::SyncGroup => made!(SyncGroupResponse {
            throttle_time_ms: 5,
            error_code: 27,
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignment: Bytes::from_static(b"partitions"),
        })
        .into(),
        ApiKey::DescribeGroups => made!(DescribeGroupsResponse {
            throttle_time_ms: 5,
            groups: vec![made!(DescribedGroup {
                error_code: 69,
                error_message: Some("no such group".into()),
                group_id: "billing".into(),
                group_state: "Stable".into(),
                protocol_type: "consumer".into(),
                protocol_data: "range".into(),
                members: vec![made!(DescribedGroupMember {
                    member_id: "member".into(),
                    group_instance_id: Some("instance".into()),
                    client_id: "tester".into(),
                    client_host: "/127.0.0.1".into(),
                    member_metadata: Bytes::from_static(b"subscription"),
                    member_assignment: Bytes::from_static(b"partitions"),
                })],
                authorized_operations: 0x3f,
            })],
        })
        .into(),
        ApiKey::ListGroups => made!(ListGroupsResponse {
            throttle_time_ms: 5,
            error_code: 14,
            groups: vec![made!(ListedGroup {
                group_id: "billing".into(),
                protocol_type: "consumer".into(),
                group_state: "Stable".into(),
                group_type: "classic".into(),
            })],
        })
        .into(),
        ApiKey::DeleteGroups => made!(DeleteGroupsResponse {
            throttle_time_ms: 5,
            results: vec![made!(DeletableGroupResult { group_id: "billing".into(), error_code: 68 })],
        })
        .into(),
        ApiKey::OffsetDelete => made!(OffsetDeleteResponse {
            error_code: 69,
            throttle_time_ms: 5,
            topics: vec![made!(OffsetDeleteResponseTopic {
                name: "orders".into(),
                partitions: vec![made!(OffsetDeleteResponsePartition { partition_index: 3, error_code: 86 })],
            })],
        })
        .into(),
        _ => unreachable!("{key:?} is not about groups"),
    }
}
