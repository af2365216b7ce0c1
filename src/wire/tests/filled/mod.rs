//! Requests and answers with every field set to something that is not its default.

use callboard_wire::ApiKey;
use callboard_wire::messages::*;

/// `made!(Type { field: value, .. })` for the codec's structs, which cannot be written out.
macro_rules! made {
    ($type:path { $($field:ident: $value:expr),* $(,)? }) => {{
        let mut value = <$type>::default();
        $(value.$field = $value;)*
        value
    }};
}

mod admin;
mod groups;
mod hot;

pub(crate) use hot::{fetch_request, fetch_response, produce_request, produce_response};

/// A request of the control plane with every field of its version set.
pub(crate) fn request(key: ApiKey, version: i16) -> Request {
    let since = |first: i16| version >= first;
    match key {
        ApiKey::Produce | ApiKey::Fetch => unreachable!("{key:?} has its own decoder"),
        ApiKey::OffsetCommit
        | ApiKey::OffsetFetch
        | ApiKey::FindCoordinator
        | ApiKey::JoinGroup
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::SyncGroup
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::DeleteGroups
        | ApiKey::OffsetDelete => groups::request(key, version),
        ApiKey::ListOffsets => Request::ListOffsets(made!(ListOffsetsRequest {
            replica_id: -1,
            isolation_level: i8::from(since(2)),
            topics: vec![made!(ListOffsetsTopic {
                name: "orders".into(),
                partitions: vec![made!(ListOffsetsPartition {
                    partition_index: 3,
                    current_leader_epoch: if since(4) { 7 } else { -1 },
                    timestamp: -3,
                })],
            })],
            timeout_ms: if since(10) { 1234 } else { 0 },
        })),
        ApiKey::Metadata => Request::Metadata(made!(MetadataRequest {
            topics: Some(vec![made!(MetadataRequestTopic {
                name: if since(10) { None } else { Some("orders".into()) },
                topic_id: if since(10) { Uuid::from_bytes([7; 16]) } else { Uuid::ZERO },
            })]),
            allow_auto_topic_creation: !since(4),
            include_cluster_authorized_operations: (8..=10).contains(&version),
            include_topic_authorized_operations: since(8),
        })),
        ApiKey::ApiVersions if since(3) => Request::ApiVersions(made!(ApiVersionsRequest {
            client_software_name: "callboard".into(),
            client_software_version: "0.1.0".into(),
        })),
        ApiKey::ApiVersions => Request::ApiVersions(ApiVersionsRequest::default()),
        ApiKey::CreateTopics => Request::CreateTopics(made!(CreateTopicsRequest {
            topics: vec![made!(CreatableTopic {
                name: "orders".into(),
                num_partitions: -1,
                replication_factor: -1,
                assignments: vec![made!(CreatableReplicaAssignment { partition_index: 2, broker_ids: vec![1, 2] })],
                configs: vec![
                    made!(CreatableTopicConfig { name: "retention.ms".into(), value: Some("1".into()) }),
                    made!(CreatableTopicConfig { name: "cleanup.policy".into(), value: None }),
                ],
            })],
            timeout_ms: 1234,
            validate_only: true,
        })),
        ApiKey::DeleteTopics => Request::DeleteTopics(made!(DeleteTopicsRequest {
            topics: if since(6) {
                vec![
                    made!(DeleteTopicState { name: Some("orders".into()) }),
                    made!(DeleteTopicState { name: None, topic_id: Uuid::from_bytes([7; 16]) }),
                ]
            } else {
                Vec::new()
            },
            topic_names: if since(6) { Vec::new() } else { vec!["orders".into(), "payments".into()] },
            timeout_ms: 1234,
        })),
        ApiKey::DeleteRecords => Request::DeleteRecords(made!(DeleteRecordsRequest {
            topics: vec![made!(DeleteRecordsTopic {
                name: "orders".into(),
                partitions: vec![made!(DeleteRecordsPartition { partition_index: 3, offset: 1 << 40 })],
            })],
            timeout_ms: 1234,
        })),
        ApiKey::InitProducerId => Request::InitProducerId(made!(InitProducerIdRequest {
            transactional_id: Some("payments".into()),
            transaction_timeout_ms: 60_000,
            producer_id: if since(3) { 12 } else { -1 },
            producer_epoch: if since(3) { 3 } else { -1 },
        })),
        ApiKey::OffsetForLeaderEpoch => Request::OffsetForLeaderEpoch(made!(OffsetForLeaderEpochRequest {
            replica_id: if since(3) { -1 } else { -2 },
            topics: vec![made!(OffsetForLeaderTopic {
                topic: "orders".into(),
                partitions: vec![made!(OffsetForLeaderPartition {
                    partition: 3,
                    current_leader_epoch: 7,
                    leader_epoch: 5,
                })],
            })],
        })),
        ApiKey::DescribeConfigs => Request::DescribeConfigs(made!(DescribeConfigsRequest {
            resources: vec![made!(DescribeConfigsResource {
                resource_type: 2,
                resource_name: "orders".into(),
                configuration_keys: Some(vec!["retention.ms".into()]),
            })],
            include_synonyms: true,
            include_documentation: since(3),
        })),
        ApiKey::AlterConfigs => Request::AlterConfigs(made!(AlterConfigsRequest {
            resources: vec![made!(AlterConfigsResource {
                resource_type: 2,
                resource_name: "orders".into(),
                configs: vec![made!(AlterableConfig { name: "retention.ms".into(), value: Some("1".into()) })],
            })],
            validate_only: true,
        })),
        ApiKey::CreatePartitions => Request::CreatePartitions(made!(CreatePartitionsRequest {
            topics: vec![made!(CreatePartitionsTopic {
                name: "orders".into(),
                count: 9,
                assignments: Some(vec![made!(CreatePartitionsAssignment { broker_ids: vec![1, 2, 3] })]),
            })],
            timeout_ms: 1234,
            validate_only: true,
        })),
        ApiKey::IncrementalAlterConfigs => Request::IncrementalAlterConfigs(made!(IncrementalAlterConfigsRequest {
            resources: vec![made!(IncrementalAlterConfigsResource {
                resource_type: 2,
                resource_name: "orders".into(),
                configs: vec![made!(IncrementalAlterableConfig {
                    name: "retention.ms".into(),
                    config_operation: 2,
                    value: Some("1".into()),
                })],
            })],
            validate_only: true,
        })),
        ApiKey::DescribeCluster => Request::DescribeCluster(made!(DescribeClusterRequest {
            include_cluster_authorized_operations: true,
            endpoint_type: if since(1) { 2 } else { 1 },
            include_fenced_brokers: since(2),
        })),
        tools => admin::request(tools, version),
    }
}

/// An answer of the control plane with every field that any version knows set.
pub(crate) fn response(key: ApiKey) -> Response {
    match key {
        ApiKey::Produce | ApiKey::Fetch => unreachable!("{key:?} has its own encoder"),
        ApiKey::OffsetCommit
        | ApiKey::OffsetFetch
        | ApiKey::FindCoordinator
        | ApiKey::JoinGroup
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::SyncGroup
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::DeleteGroups
        | ApiKey::OffsetDelete => groups::response(key),
        ApiKey::ListOffsets => made!(ListOffsetsResponse {
            throttle_time_ms: 5,
            topics: vec![made!(ListOffsetsTopicResponse {
                name: "orders".into(),
                partitions: vec![made!(ListOffsetsPartitionResponse {
                    partition_index: 3,
                    error_code: 1,
                    timestamp: 1 << 41,
                    offset: 1 << 40,
                    leader_epoch: 7,
                })],
            })],
        })
        .into(),
        ApiKey::Metadata => made!(MetadataResponse {
            throttle_time_ms: 5,
            brokers: vec![made!(MetadataResponseBroker {
                node_id: 1,
                host: "broker.example".into(),
                port: 9092,
                rack: Some("r1".into()),
            })],
            cluster_id: Some("cluster".into()),
            controller_id: 1,
            topics: vec![
                made!(MetadataResponseTopic {
                    error_code: 3,
                    name: Some("orders".into()),
                    topic_id: Uuid::from_bytes([7; 16]),
                    is_internal: true,
                    partitions: vec![made!(MetadataResponsePartition {
                        error_code: 5,
                        partition_index: 3,
                        leader_id: 1,
                        leader_epoch: 7,
                        replica_nodes: vec![1, 2],
                        isr_nodes: vec![1],
                        offline_replicas: vec![2],
                    })],
                    topic_authorized_operations: 0x1f,
                }),
                made!(MetadataResponseTopic { error_code: 100, name: None, topic_id: Uuid::from_bytes([8; 16]) }),
            ],
            cluster_authorized_operations: 0x3f,
            error_code: 31,
        })
        .into(),
        ApiKey::ApiVersions => made!(ApiVersionsResponse {
            error_code: 42,
            api_keys: vec![made!(ApiVersion { api_key: 3, min_version: 1, max_version: 9 })],
            throttle_time_ms: 5,
            supported_features: vec![
                made!(SupportedFeatureKey { name: "group.version".into(), min_version: 0, max_version: 1 }),
                made!(SupportedFeatureKey { name: "metadata.version".into(), min_version: 7, max_version: 30 }),
            ],
            finalized_features_epoch: 9,
            finalized_features: vec![made!(FinalizedFeatureKey {
                name: "metadata.version".into(),
                max_version_level: 30,
                min_version_level: 7,
            })],
            zk_migration_ready: true,
        })
        .into(),
        ApiKey::CreateTopics => made!(CreateTopicsResponse {
            throttle_time_ms: 5,
            topics: vec![made!(CreatableTopicResult {
                name: "orders".into(),
                topic_id: Uuid::from_bytes([7; 16]),
                error_code: 36,
                error_message: Some("there already".into()),
                topic_config_error_code: 29,
                num_partitions: 6,
                replication_factor: 3,
                configs: Some(vec![made!(CreatableTopicConfigs {
                    name: "retention.ms".into(),
                    value: Some("1".into()),
                    read_only: true,
                    config_source: 5,
                    is_sensitive: true,
                })]),
            })],
        })
        .into(),
        ApiKey::DeleteTopics => made!(DeleteTopicsResponse {
            throttle_time_ms: 5,
            responses: vec![
                made!(DeletableTopicResult {
                    name: Some("orders".into()),
                    topic_id: Uuid::from_bytes([7; 16]),
                    error_code: 3,
                    error_message: Some("not there".into()),
                }),
                made!(DeletableTopicResult { name: None, error_code: 100 }),
            ],
        })
        .into(),
        ApiKey::DeleteRecords => made!(DeleteRecordsResponse {
            throttle_time_ms: 5,
            topics: vec![made!(DeleteRecordsTopicResult {
                name: "orders".into(),
                partitions: vec![made!(DeleteRecordsPartitionResult {
                    partition_index: 3,
                    low_watermark: 1 << 40,
                    error_code: 1,
                })],
            })],
        })
        .into(),
        ApiKey::InitProducerId => made!(InitProducerIdResponse {
            throttle_time_ms: 5,
            error_code: 51,
            producer_id: 12,
            producer_epoch: 3,
            ongoing_txn_producer_id: 11,
            ongoing_txn_producer_epoch: 2,
        })
        .into(),
        ApiKey::OffsetForLeaderEpoch => made!(OffsetForLeaderEpochResponse {
            throttle_time_ms: 5,
            topics: vec![made!(OffsetForLeaderTopicResult {
                topic: "orders".into(),
                partitions: vec![made!(EpochEndOffset {
                    error_code: 74,
                    partition: 3,
                    leader_epoch: 5,
                    end_offset: 1 << 40,
                })],
            })],
        })
        .into(),
        ApiKey::DescribeConfigs => made!(DescribeConfigsResponse {
            throttle_time_ms: 5,
            results: vec![made!(DescribeConfigsResult {
                error_code: 40,
                error_message: Some("wrong".into()),
                resource_type: 2,
                resource_name: "orders".into(),
                configs: vec![made!(DescribeConfigsResourceResult {
                    name: "retention.ms".into(),
                    value: Some("1".into()),
                    read_only: true,
                    config_source: 5,
                    is_sensitive: true,
                    synonyms: vec![made!(DescribeConfigsSynonym {
                        name: "log.retention.ms".into(),
                        value: Some("2".into()),
                        source: 4,
                    })],
                    config_type: 5,
                    documentation: Some("how long".into()),
                })],
            })],
        })
        .into(),
        ApiKey::AlterConfigs => made!(AlterConfigsResponse {
            throttle_time_ms: 5,
            responses: vec![made!(AlterConfigsResourceResponse {
                error_code: 40,
                error_message: Some("wrong".into()),
                resource_type: 2,
                resource_name: "orders".into(),
            })],
        })
        .into(),
        ApiKey::CreatePartitions => made!(CreatePartitionsResponse {
            throttle_time_ms: 5,
            results: vec![made!(CreatePartitionsTopicResult {
                name: "orders".into(),
                error_code: 37,
                error_message: Some("fewer".into()),
            })],
        })
        .into(),
        ApiKey::IncrementalAlterConfigs => made!(IncrementalAlterConfigsResponse {
            throttle_time_ms: 5,
            responses: vec![made!(IncrementalAlterConfigsResourceResponse {
                error_code: 40,
                error_message: Some("wrong".into()),
                resource_type: 2,
                resource_name: "orders".into(),
            })],
        })
        .into(),
        ApiKey::DescribeCluster => made!(DescribeClusterResponse {
            throttle_time_ms: 5,
            error_code: 31,
            error_message: Some("no".into()),
            endpoint_type: 2,
            cluster_id: "cluster".into(),
            controller_id: 1,
            brokers: vec![made!(DescribeClusterBroker {
                broker_id: 1,
                host: "broker.example".into(),
                port: 9092,
                rack: Some("r1".into()),
                is_fenced: true,
            })],
            cluster_authorized_operations: 0x3f,
        })
        .into(),
        tools => admin::response(tools),
    }
}
