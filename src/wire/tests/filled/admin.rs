//! Requests and answers of the APIs that operators' tools use, with every field set to something that is not its default.

use callboard_wire::ApiKey;
use callboard_wire::messages::*;

/// A request with every field of its version set.
pub(crate) fn request(key: ApiKey, version: i16) -> Request {
    let since = |first: i16| version >= first;
    match key {
        ApiKey::DescribeAcls => Request::DescribeAcls(made!(DescribeAclsRequest {
            resource_type_filter: 2,
            resource_name_filter: Some("orders".into()),
            pattern_type_filter: 3,
            principal_filter: Some("User:ada".into()),
            host_filter: Some("*".into()),
            operation: 3,
            permission_type: 3,
        })),
        ApiKey::CreateAcls => Request::CreateAcls(made!(CreateAclsRequest {
            creations: vec![made!(create_acls_request::AclCreation {
                resource_type: 2,
                resource_name: "orders".into(),
                resource_pattern_type: 3,
                principal: "User:ada".into(),
                host: "*".into(),
                operation: 3,
                permission_type: 3,
            })],
        })),
        ApiKey::DeleteAcls => Request::DeleteAcls(made!(DeleteAclsRequest {
            filters: vec![made!(delete_acls_request::DeleteAclsFilter {
                resource_type_filter: 2,
                resource_name_filter: Some("orders".into()),
                pattern_type_filter: 3,
                principal_filter: Some("User:ada".into()),
                host_filter: Some("*".into()),
                operation: 3,
                permission_type: 3,
            })],
        })),
        ApiKey::AlterReplicaLogDirs => Request::AlterReplicaLogDirs(made!(AlterReplicaLogDirsRequest {
            dirs: vec![made!(alter_replica_log_dirs_request::AlterReplicaLogDir {
                path: "/logs".into(),
                topics: vec![made!(alter_replica_log_dirs_request::AlterReplicaLogDirTopic {
                    name: "orders".into(),
                    partitions: vec![3, 4],
                })],
            })],
        })),
        ApiKey::DescribeLogDirs => Request::DescribeLogDirs(made!(DescribeLogDirsRequest {
            topics: Some(vec![made!(describe_log_dirs_request::DescribableLogDirTopic {
                topic: "orders".into(),
                partitions: vec![3, 4],
            })]),
        })),
        ApiKey::ElectLeaders => Request::ElectLeaders(made!(ElectLeadersRequest {
            election_type: i8::from(since(1)),
            topic_partitions: Some(vec![made!(elect_leaders_request::TopicPartitions {
                topic: "orders".into(),
                partitions: vec![3, 4],
            })]),
            timeout_ms: 1234,
        })),
        ApiKey::AlterPartitionReassignments => {
            Request::AlterPartitionReassignments(made!(AlterPartitionReassignmentsRequest {
                timeout_ms: 1234,
                allow_replication_factor_change: !since(1),
                topics: vec![made!(alter_partition_reassignments_request::ReassignableTopic {
                    name: "orders".into(),
                    partitions: vec![
                        made!(alter_partition_reassignments_request::ReassignablePartition {
                            partition_index: 3,
                            replicas: Some(vec![1, 2]),
                        }),
                        made!(alter_partition_reassignments_request::ReassignablePartition {
                            partition_index: 4,
                            replicas: None,
                        }),
                    ],
                })],
            }))
        }
        ApiKey::ListPartitionReassignments => {
            Request::ListPartitionReassignments(made!(ListPartitionReassignmentsRequest {
                timeout_ms: 1234,
                topics: Some(vec![made!(list_partition_reassignments_request::ListPartitionReassignmentsTopics {
                    name: "orders".into(),
                    partition_indexes: vec![3, 4],
                })]),
            }))
        }
        ApiKey::DescribeClientQuotas => Request::DescribeClientQuotas(made!(DescribeClientQuotasRequest {
            components: vec![made!(describe_client_quotas_request::ComponentData {
                entity_type: "user".into(),
                match_type: 2,
                match_: Some("ada".into()),
            })],
            strict: true,
        })),
        ApiKey::AlterClientQuotas => Request::AlterClientQuotas(made!(AlterClientQuotasRequest {
            entries: vec![made!(alter_client_quotas_request::EntryData {
                entity: vec![made!(alter_client_quotas_request::EntityData {
                    entity_type: "user".into(),
                    entity_name: Some("ada".into()),
                })],
                ops: vec![made!(alter_client_quotas_request::OpData {
                    key: "producer_byte_rate".into(),
                    value: 2.5,
                    remove: true,
                })],
            })],
            validate_only: true,
        })),
        ApiKey::DescribeUserScramCredentials => {
            Request::DescribeUserScramCredentials(made!(DescribeUserScramCredentialsRequest {
                users: Some(vec![made!(describe_user_scram_credentials_request::UserName { name: "ada".into() })]),
            }))
        }
        ApiKey::DescribeQuorum => Request::DescribeQuorum(made!(DescribeQuorumRequest {
            topics: vec![made!(describe_quorum_request::TopicData {
                topic_name: "__cluster_metadata".into(),
                partitions: vec![made!(describe_quorum_request::PartitionData { partition_index: 3 })],
            })],
        })),
        ApiKey::DescribeProducers => Request::DescribeProducers(made!(DescribeProducersRequest {
            topics: vec![made!(describe_producers_request::TopicRequest {
                name: "orders".into(),
                partition_indexes: vec![3, 4],
            })],
        })),
        ApiKey::ListConfigResources => Request::ListConfigResources(made!(ListConfigResourcesRequest {
            resource_types: if since(1) { vec![2, 4] } else { Vec::new() },
        })),
        ApiKey::DescribeTopicPartitions => Request::DescribeTopicPartitions(made!(DescribeTopicPartitionsRequest {
            topics: vec![made!(describe_topic_partitions_request::TopicRequest { name: "orders".into() })],
            response_partition_limit: 7,
            cursor: Some(made!(describe_topic_partitions_request::Cursor {
                topic_name: "orders".into(),
                partition_index: 3,
            })),
        })),
        other => unreachable!("{other:?} is no tool's"),
    }
}

/// An answer with every field that any version knows set.
pub(crate) fn response(key: ApiKey) -> Response {
    match key {
        ApiKey::DescribeAcls => made!(DescribeAclsResponse {
            throttle_time_ms: 5,
            error_code: 54,
            error_message: Some("no".into()),
            resources: vec![made!(describe_acls_response::DescribeAclsResource {
                resource_type: 2,
                resource_name: "orders".into(),
                pattern_type: 4,
                acls: vec![made!(describe_acls_response::AclDescription {
                    principal: "User:ada".into(),
                    host: "*".into(),
                    operation: 3,
                    permission_type: 3,
                })],
            })],
        })
        .into(),
        ApiKey::CreateAcls => made!(CreateAclsResponse {
            throttle_time_ms: 5,
            results: vec![made!(create_acls_response::AclCreationResult {
                error_code: 54,
                error_message: Some("no".into()),
            })],
        })
        .into(),
        ApiKey::DeleteAcls => made!(DeleteAclsResponse {
            throttle_time_ms: 5,
            filter_results: vec![made!(delete_acls_response::DeleteAclsFilterResult {
                error_code: 54,
                error_message: Some("no".into()),
                matching_acls: vec![made!(delete_acls_response::DeleteAclsMatchingAcl {
                    error_code: 54,
                    error_message: Some("no".into()),
                    resource_type: 2,
                    resource_name: "orders".into(),
                    pattern_type: 4,
                    principal: "User:ada".into(),
                    host: "*".into(),
                    operation: 3,
                    permission_type: 3,
                })],
            })],
        })
        .into(),
        ApiKey::AlterReplicaLogDirs => made!(AlterReplicaLogDirsResponse {
            throttle_time_ms: 5,
            results: vec![made!(alter_replica_log_dirs_response::AlterReplicaLogDirTopicResult {
                topic_name: "orders".into(),
                partitions: vec![made!(alter_replica_log_dirs_response::AlterReplicaLogDirPartitionResult {
                    partition_index: 3,
                    error_code: 57,
                })],
            })],
        })
        .into(),
        ApiKey::DescribeLogDirs => made!(DescribeLogDirsResponse {
            throttle_time_ms: 5,
            error_code: 31,
            results: vec![made!(describe_log_dirs_response::DescribeLogDirsResult {
                error_code: 57,
                log_dir: "/logs".into(),
                topics: vec![made!(describe_log_dirs_response::DescribeLogDirsTopic {
                    name: "orders".into(),
                    partitions: vec![made!(describe_log_dirs_response::DescribeLogDirsPartition {
                        partition_index: 3,
                        partition_size: 1 << 40,
                        offset_lag: 7,
                        is_future_key: true,
                    })],
                })],
                total_bytes: 1 << 41,
                usable_bytes: 1 << 40,
                is_cordoned: true,
            })],
        })
        .into(),
        ApiKey::ElectLeaders => made!(ElectLeadersResponse {
            throttle_time_ms: 5,
            error_code: 41,
            replica_election_results: vec![made!(elect_leaders_response::ReplicaElectionResult {
                topic: "orders".into(),
                partition_result: vec![made!(elect_leaders_response::PartitionResult {
                    partition_id: 3,
                    error_code: 84,
                    error_message: Some("no need".into()),
                })],
            })],
        })
        .into(),
        ApiKey::AlterPartitionReassignments => made!(AlterPartitionReassignmentsResponse {
            throttle_time_ms: 5,
            allow_replication_factor_change: false,
            error_code: 41,
            error_message: Some("no".into()),
            responses: vec![made!(alter_partition_reassignments_response::ReassignableTopicResponse {
                name: "orders".into(),
                partitions: vec![made!(alter_partition_reassignments_response::ReassignablePartitionResponse {
                    partition_index: 3,
                    error_code: 39,
                    error_message: Some("no".into()),
                })],
            })],
        })
        .into(),
        ApiKey::ListPartitionReassignments => made!(ListPartitionReassignmentsResponse {
            throttle_time_ms: 5,
            error_code: 41,
            error_message: Some("no".into()),
            topics: vec![made!(list_partition_reassignments_response::OngoingTopicReassignment {
                name: "orders".into(),
                partitions: vec![made!(list_partition_reassignments_response::OngoingPartitionReassignment {
                    partition_index: 3,
                    replicas: vec![1, 2],
                    adding_replicas: vec![2],
                    removing_replicas: vec![1],
                })],
            })],
        })
        .into(),
        ApiKey::DescribeClientQuotas => made!(DescribeClientQuotasResponse {
            throttle_time_ms: 5,
            error_code: 42,
            error_message: Some("no".into()),
            entries: Some(vec![made!(describe_client_quotas_response::EntryData {
                entity: vec![made!(describe_client_quotas_response::EntityData {
                    entity_type: "user".into(),
                    entity_name: Some("ada".into()),
                })],
                values: vec![made!(describe_client_quotas_response::ValueData {
                    key: "producer_byte_rate".into(),
                    value: 2.5,
                })],
            })]),
        })
        .into(),
        ApiKey::AlterClientQuotas => made!(AlterClientQuotasResponse {
            throttle_time_ms: 5,
            entries: vec![made!(alter_client_quotas_response::EntryData {
                error_code: 35,
                error_message: Some("no".into()),
                entity: vec![made!(alter_client_quotas_response::EntityData {
                    entity_type: "user".into(),
                    entity_name: Some("ada".into()),
                })],
            })],
        })
        .into(),
        ApiKey::DescribeUserScramCredentials => made!(DescribeUserScramCredentialsResponse {
            throttle_time_ms: 5,
            error_code: 31,
            error_message: Some("no".into()),
            results: vec![made!(describe_user_scram_credentials_response::DescribeUserScramCredentialsResult {
                user: "ada".into(),
                error_code: 91,
                error_message: Some("unknown".into()),
                credential_infos: vec![made!(describe_user_scram_credentials_response::CredentialInfo {
                    mechanism: 2,
                    iterations: 8192,
                })],
            })],
        })
        .into(),
        ApiKey::DescribeQuorum => made!(DescribeQuorumResponse {
            error_code: 41,
            error_message: Some("no".into()),
            topics: vec![made!(describe_quorum_response::TopicData {
                topic_name: "__cluster_metadata".into(),
                partitions: vec![made!(describe_quorum_response::PartitionData {
                    partition_index: 3,
                    error_code: 3,
                    error_message: Some("no".into()),
                    leader_id: 1,
                    leader_epoch: 7,
                    high_watermark: 1 << 40,
                    current_voters: vec![replica(1)],
                    observers: vec![replica(2)],
                })],
            })],
            nodes: vec![made!(describe_quorum_response::Node {
                node_id: 1,
                listeners: vec![made!(describe_quorum_response::Listener {
                    name: "CONTROLLER".into(),
                    host: "broker.example".into(),
                    port: 9093,
                })],
            })],
        })
        .into(),
        ApiKey::DescribeProducers => made!(DescribeProducersResponse {
            throttle_time_ms: 5,
            topics: vec![made!(describe_producers_response::TopicResponse {
                name: "orders".into(),
                partitions: vec![made!(describe_producers_response::PartitionResponse {
                    partition_index: 3,
                    error_code: 6,
                    error_message: Some("no".into()),
                    active_producers: vec![made!(describe_producers_response::ProducerState {
                        producer_id: 12,
                        producer_epoch: 3,
                        last_sequence: 99,
                        last_timestamp: 1 << 41,
                        coordinator_epoch: 4,
                        current_txn_start_offset: 1 << 40,
                    })],
                })],
            })],
        })
        .into(),
        ApiKey::ListConfigResources => made!(ListConfigResourcesResponse {
            throttle_time_ms: 5,
            error_code: 35,
            config_resources: vec![made!(list_config_resources_response::ConfigResource {
                resource_name: "orders".into(),
                resource_type: 2,
            })],
        })
        .into(),
        ApiKey::DescribeTopicPartitions => made!(DescribeTopicPartitionsResponse {
            throttle_time_ms: 5,
            topics: vec![made!(describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic {
                error_code: 3,
                name: Some("orders".into()),
                topic_id: Uuid::from_bytes([7; 16]),
                is_internal: true,
                partitions: vec![made!(describe_topic_partitions_response::DescribeTopicPartitionsResponsePartition {
                    error_code: 5,
                    partition_index: 3,
                    leader_id: 1,
                    leader_epoch: 7,
                    replica_nodes: vec![1, 2],
                    isr_nodes: vec![1],
                    eligible_leader_replicas: Some(vec![2]),
                    last_known_elr: Some(vec![3]),
                    offline_replicas: vec![2],
                })],
                topic_authorized_operations: 0x1f,
            })],
            next_cursor: Some(made!(describe_topic_partitions_response::Cursor {
                topic_name: "orders".into(),
                partition_index: 4,
            })),
        })
        .into(),
        other => unreachable!("{other:?} is no tool's"),
    }
}

fn replica(id: i32) -> describe_quorum_response::ReplicaState {
    made!(describe_quorum_response::ReplicaState {
        replica_id: id,
        replica_directory_id: Uuid::from_bytes([9; 16]),
        log_end_offset: 1 << 40,
        last_fetch_timestamp: 1 << 41,
        last_caught_up_timestamp: 1 << 42,
    })
}
