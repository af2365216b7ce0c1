//! Stories of operators' tools: what they ask, and what a node of one broker without quotas, rules or moves answers.

use callboard_model::{ErrorCode, ProducerEpoch, ProducerId};
use callboard_test_client::{Client, Idempotence};
use callboard_wire::ApiKey;
use callboard_wire::messages::*;

use crate::calls::{append, batch, connect, now, offset_at, produce, timed};
use crate::rig::Rig;

/// Calls an API and takes its answer apart.
macro_rules! ask {
    ($client:expr, $version:expr, $api:ident, $request:expr) => {
        match $client.call($version, &Request::$api($request)).expect("an answer") {
            Response::$api(answer) => answer,
            other => panic!("{other:?}"),
        }
    };
}

fn text(text: &str) -> callboard_wire::StrBytes {
    text.to_owned().into()
}

#[test]
fn every_api_that_is_listed_is_answered_in_every_version() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    let mut request = ApiVersionsRequest::default();
    request.client_software_name = text("tester");
    request.client_software_version = text("1");
    let listed = ask!(client, 4, ApiVersions, request);
    let keys: Vec<i16> = listed.api_keys.iter().map(|key| key.api_key).collect();
    for inter_broker in (4..8).chain(52..55).chain([56, 58, 59, 62, 63, 67, 70, 71, 72, 73, 82]) {
        assert!(!keys.contains(&inter_broker), "{inter_broker} is not for clients");
    }
    assert!(listed.supported_features.is_empty() && listed.finalized_features.is_empty(), "nothing that is not real");
    for key in listed.api_keys {
        assert!(ApiKey::from_code(key.api_key).is_some());
        assert!(key.min_version <= key.max_version);
    }
    rig.stop();
}

/// Of each topic its name, its error and its partitions; and where the next page begins.
type Page = (Vec<(String, i16, Vec<i32>)>, Option<(String, i32)>);

fn page(client: &mut Client, topics: &[&str], limit: i32, from: Option<(&str, i32)>) -> Page {
    let mut request = DescribeTopicPartitionsRequest::default();
    for topic in topics {
        let mut row = describe_topic_partitions_request::TopicRequest::default();
        row.name = text(topic);
        request.topics.push(row);
    }
    request.response_partition_limit = limit;
    request.cursor = from.map(|(topic, partition)| {
        let mut cursor = describe_topic_partitions_request::Cursor::default();
        cursor.topic_name = text(topic);
        cursor.partition_index = partition;
        cursor
    });
    let answer = ask!(client, 0, DescribeTopicPartitions, request);
    for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
        assert_eq!((partition.error_code, &partition.isr_nodes), (0, &partition.replica_nodes));
        assert_eq!(partition.leader_id, partition.replica_nodes[0]);
    }
    let rows = answer.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        (topic.name.as_deref().unwrap_or_default().to_owned(), topic.error_code, partitions)
    });
    (rows.collect(), answer.next_cursor.map(|next| (next.topic_name.to_string(), next.partition_index)))
}

#[test]
fn topics_are_told_page_by_page() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("ta", 3, &[]).expect("a topic");
    client.create_topic("tb", 2, &[]).expect("a topic");
    let row = |name: &str, code: ErrorCode, partitions: &[i32]| (name.to_owned(), code.code(), partitions.to_vec());
    let (ta, tb) = (row("ta", ErrorCode::None, &[0, 1, 2]), row("tb", ErrorCode::None, &[0, 1]));
    assert_eq!(page(&mut client, &[], 2000, None), (vec![ta.clone(), tb.clone()], None));
    assert_eq!(page(&mut client, &["tb", "ta"], 3, None), (vec![ta.clone()], Some(("tb".to_owned(), 0))));
    let next = page(&mut client, &["tb", "ta"], 4, Some(("ta", 1)));
    assert_eq!(next, (vec![row("ta", ErrorCode::None, &[1, 2]), tb.clone()], None));
    let unknown = row("nix", ErrorCode::UnknownTopicOrPartition, &[]);
    let illegal = row("a!b", ErrorCode::InvalidTopicException, &[]);
    let cut = (vec![illegal, unknown, row("ta", ErrorCode::None, &[0])], Some(("ta".to_owned(), 1)));
    assert_eq!(page(&mut client, &["ta", "nix", "a!b"], 0, None), cut);
    // A cursor that points nowhere.
    let lost = |topic| row(topic, ErrorCode::InvalidRequest, &[]);
    assert_eq!(page(&mut client, &["tb", "ta"], 9, Some(("t", 0))), (vec![lost("tb"), lost("ta")], None));
    assert_eq!(page(&mut client, &["ta"], 9, Some(("ta", -1))), (vec![lost("ta")], None));
    assert_eq!(page(&mut client, &[], 9, Some(("taa", 5))), (vec![tb], None), "its topic is gone: go on behind it");
    rig.stop();
}

#[test]
fn log_dirs_tell_what_is_on_the_disk() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 2, &[]).expect("a topic");
    for _ in 0..10 {
        append(&mut client, "orders", batch(&[&[b'x'; 1000]]));
    }
    let mut request = DescribeLogDirsRequest::default();
    request.topics = None;
    let answer = ask!(client, 5, DescribeLogDirs, request);
    assert_eq!((answer.error_code, answer.results.len()), (0, 1));
    let dir = &answer.results[0];
    assert_eq!(std::path::Path::new(&*dir.log_dir), rig.data());
    assert!(0 < dir.usable_bytes && dir.usable_bytes <= dir.total_bytes);
    let sizes: Vec<(i32, i64)> =
        dir.topics[0].partitions.iter().map(|row| (row.partition_index, row.partition_size)).collect();
    assert!((10_000..20_000).contains(&sizes[0].1) && sizes[1] == (1, 0), "{sizes:?}");

    // What is not there is left out.
    let mut topic = describe_log_dirs_request::DescribableLogDirTopic::default();
    topic.topic = text("orders");
    topic.partitions = vec![1, 9];
    let mut missing = describe_log_dirs_request::DescribableLogDirTopic::default();
    missing.topic = text("nix");
    missing.partitions = vec![0];
    let mut request = DescribeLogDirsRequest::default();
    request.topics = Some(vec![topic, missing]);
    let answer = ask!(client, 1, DescribeLogDirs, request);
    let told: Vec<(&str, usize)> =
        answer.results[0].topics.iter().map(|topic| (&*topic.name, topic.partitions.len())).collect();
    assert_eq!(told, [("orders", 1)]);

    let mut moved = alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default();
    moved.name = text("orders");
    moved.partitions = vec![0, 9];
    let mut here = alter_replica_log_dirs_request::AlterReplicaLogDir::default();
    here.path = dir.log_dir.clone();
    here.topics = vec![moved];
    let mut elsewhere = here.clone();
    elsewhere.path = text("/elsewhere");
    let mut request = AlterReplicaLogDirsRequest::default();
    request.dirs = vec![here, elsewhere];
    let answer = ask!(client, 2, AlterReplicaLogDirs, request);
    let codes: Vec<i16> =
        answer.results.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).collect();
    let (unknown, no_dir) = (ErrorCode::UnknownTopicOrPartition.code(), ErrorCode::LogDirNotFound.code());
    assert_eq!(codes, [0, unknown, no_dir, no_dir]);
    rig.stop();
}

#[test]
fn elections_are_not_needed_and_moves_not_possible() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let elect = |client: &mut Client, kind, topics: Option<&[(&str, i32)]>| {
        let mut request = ElectLeadersRequest::default();
        request.election_type = kind;
        request.topic_partitions = topics.map(|topics| {
            let topic = |(name, partition): &(&str, i32)| {
                let mut row = elect_leaders_request::TopicPartitions::default();
                row.topic = text(name);
                row.partitions = vec![*partition];
                row
            };
            topics.iter().map(topic).collect()
        });
        let answer = ask!(client, 2, ElectLeaders, request);
        let rows = answer.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
        (answer.error_code, rows.map(|row| row.error_code).collect::<Vec<_>>())
    };
    let (unneeded, unknown) = (ErrorCode::ElectionNotNeeded.code(), ErrorCode::UnknownTopicOrPartition.code());
    let asked = [("orders", 0), ("orders", 9), ("nix", 0)];
    for kind in [0, 1] {
        assert_eq!(elect(&mut client, kind, Some(&asked)), (0, vec![unneeded, unknown, unknown]));
        assert_eq!(elect(&mut client, kind, None), (0, vec![]));
    }
    let refused = ErrorCode::InvalidRequest.code();
    assert_eq!(elect(&mut client, 2, Some(&asked[..1])), (refused, vec![refused]));

    let me = client.metadata(None).expect("metadata").brokers[0].node_id;
    let mut partition = |index, replicas: Option<Vec<i32>>| {
        let mut partition = alter_partition_reassignments_request::ReassignablePartition::default();
        partition.partition_index = index;
        partition.replicas = replicas;
        let mut topic = alter_partition_reassignments_request::ReassignableTopic::default();
        topic.name = text("orders");
        topic.partitions = vec![partition];
        let mut request = AlterPartitionReassignmentsRequest::default();
        request.topics = vec![topic];
        let answer = ask!(client, 1, AlterPartitionReassignments, request);
        ErrorCode::from_code(answer.responses[0].partitions[0].error_code)
    };
    assert_eq!(partition(0, Some(vec![me])), Some(ErrorCode::None));
    assert_eq!(partition(0, None), Some(ErrorCode::NoReassignmentInProgress));
    assert_eq!(partition(0, Some(vec![me, me + 1])), Some(ErrorCode::InvalidReplicaAssignment));
    assert_eq!(partition(9, Some(vec![me])), Some(ErrorCode::UnknownTopicOrPartition));
    let mut request = ListPartitionReassignmentsRequest::default();
    request.topics = None;
    let answer = ask!(client, 0, ListPartitionReassignments, request);
    assert_eq!((answer.error_code, answer.topics.len()), (0, 0));
    rig.stop();
}

#[test]
fn what_is_not_there_is_not_pretended() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    let disabled = ErrorCode::SecurityDisabled.code();
    for version in 1..=3 {
        let mut filter = DescribeAclsRequest::default();
        (filter.resource_type_filter, filter.pattern_type_filter) = (1, if version > 1 { 1 } else { 3 });
        (filter.operation, filter.permission_type) = (1, 1);
        assert_eq!(ask!(client, version, DescribeAcls, filter).error_code, disabled);
        let mut request = CreateAclsRequest::default();
        request.creations = vec![create_acls_request::AclCreation::default(); 2];
        request.creations.iter_mut().for_each(|creation| creation.resource_pattern_type = 3);
        let codes: Vec<i16> =
            ask!(client, version, CreateAcls, request).results.iter().map(|row| row.error_code).collect();
        assert_eq!(codes, [disabled, disabled]);
        let mut request = DeleteAclsRequest::default();
        request.filters = vec![delete_acls_request::DeleteAclsFilter::default()];
        request.filters[0].pattern_type_filter = 3;
        let answer = ask!(client, version, DeleteAcls, request);
        assert_eq!(answer.filter_results[0].error_code, disabled);
    }

    let quotas = |client: &mut Client, kind: &str| {
        let mut component = describe_client_quotas_request::ComponentData::default();
        component.entity_type = text(kind);
        component.match_type = 2;
        component.match_ = None;
        let mut request = DescribeClientQuotasRequest::default();
        request.components = vec![component];
        let answer = ask!(client, 1, DescribeClientQuotas, request);
        let silent = answer.error_message.as_deref() == Some("");
        (ErrorCode::from_code(answer.error_code), silent, answer.entries.map(|entries| entries.len()))
    };
    assert_eq!(quotas(&mut client, "user"), (Some(ErrorCode::None), true, Some(0)));
    assert_eq!(quotas(&mut client, "weird"), (Some(ErrorCode::UnsupportedVersion), false, None));
    let mut entity = alter_client_quotas_request::EntityData::default();
    entity.entity_type = text("user");
    entity.entity_name = Some(text("ada"));
    let mut entry = alter_client_quotas_request::EntryData::default();
    entry.entity = vec![entity];
    let mut request = AlterClientQuotasRequest::default();
    request.entries = vec![entry];
    let answer = ask!(client, 1, AlterClientQuotas, request);
    let words = answer.entries[0].error_message.as_deref();
    assert_eq!(words, Some("client quotas are not served yet"), "taken and ignored would be worse");

    let mut user = describe_user_scram_credentials_request::UserName::default();
    user.name = text("ada");
    let mut request = DescribeUserScramCredentialsRequest::default();
    request.users = Some(vec![user]);
    let answer = ask!(client, 0, DescribeUserScramCredentials, request);
    assert_eq!(answer.error_message.as_deref(), Some(""));
    assert_eq!(answer.results[0].error_code, ErrorCode::ResourceNotFound.code());
    rig.stop();
}

#[test]
fn the_cluster_its_quorum_and_its_resources_are_described() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let mut request = DescribeClusterRequest::default();
    request.include_cluster_authorized_operations = true;
    let cluster = ask!(client, 2, DescribeCluster, request);
    assert_eq!((cluster.error_code, cluster.brokers.len(), cluster.cluster_authorized_operations), (0, 1, 8096));
    let me = cluster.brokers[0].broker_id;
    for (endpoint, code) in [(2, ErrorCode::MismatchedEndpointType), (3, ErrorCode::UnsupportedEndpointType)] {
        let mut request = DescribeClusterRequest::default();
        request.endpoint_type = endpoint;
        assert_eq!(ask!(client, 1, DescribeCluster, request).error_code, code.code());
    }

    let quorum = |client: &mut Client, version, topic: &str| {
        let mut data = describe_quorum_request::TopicData::default();
        data.topic_name = text(topic);
        data.partitions = vec![describe_quorum_request::PartitionData::default()];
        let mut request = DescribeQuorumRequest::default();
        request.topics = vec![data];
        ask!(client, version, DescribeQuorum, request).topics.remove(0).partitions.remove(0)
    };
    let before = quorum(&mut client, 2, "__cluster_metadata");
    assert_eq!((before.error_code, before.leader_id, before.current_voters.len()), (0, me, 1));
    assert!(before.high_watermark > 0 && before.current_voters[0].log_end_offset == before.high_watermark);
    client.create_topic("payments", 1, &[]).expect("a topic");
    assert!(quorum(&mut client, 0, "__cluster_metadata").high_watermark > before.high_watermark);
    assert_eq!(quorum(&mut client, 2, "orders").error_code, ErrorCode::UnknownTopicOrPartition.code());

    let listed = |client: &mut Client, version, kinds: &[i8]| {
        let mut request = ListConfigResourcesRequest::default();
        request.resource_types = kinds.to_vec();
        let answer = ask!(client, version, ListConfigResources, request);
        let rows = answer.config_resources.iter().map(|row| (row.resource_type, row.resource_name.to_string()));
        (answer.error_code, rows.collect::<Vec<_>>())
    };
    let (orders, payments) = ((2, "orders".to_owned()), (2, "payments".to_owned()));
    assert_eq!(listed(&mut client, 1, &[]), (0, vec![(4, me.to_string()), orders.clone(), payments.clone()]));
    assert_eq!(listed(&mut client, 1, &[2]), (0, vec![orders, payments]));
    assert_eq!(listed(&mut client, 0, &[]), (0, vec![]), "version 0 knows client metrics alone");
    assert_eq!(listed(&mut client, 1, &[2, 99]), (ErrorCode::UnsupportedVersion.code(), vec![]));
    rig.stop();
}

#[test]
fn a_partition_tells_the_producers_that_it_remembers() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let at = now();
    let stamp = Idempotence { producer_id: ProducerId(4000), producer_epoch: ProducerEpoch(3), base_sequence: 0 };
    produce(&mut client, "orders", 0, timed(&[(b"a", at), (b"b", at)], Some(stamp)));
    let mut topic = describe_producers_request::TopicRequest::default();
    topic.name = text("orders");
    topic.partition_indexes = vec![0, 9];
    let mut illegal = topic.clone();
    illegal.name = text("a!b");
    let mut missing = topic.clone();
    missing.name = text("nix");
    let mut request = DescribeProducersRequest::default();
    request.topics = vec![topic, illegal, missing];
    let answer = ask!(client, 0, DescribeProducers, request);
    let rows = &answer.topics[0].partitions;
    let producer = &rows[0].active_producers[0];
    assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (4000, 3, 1));
    assert_eq!((producer.last_timestamp, producer.current_txn_start_offset), (at.millis(), -1));
    assert_eq!(rows[1].error_code, ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(rows[1].error_message, None);
    assert_eq!(answer.topics[1].partitions[0].error_code, ErrorCode::InvalidTopicException.code());
    let missing = &answer.topics[2].partitions[0];
    assert_eq!(missing.error_code, ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(missing.error_message.as_deref(), Some("This server does not host this topic-partition."));
    rig.stop();
}

#[test]
fn places_in_a_log_have_names_that_came_with_versions() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut client, "orders", batch(&[b"a", b"b"]));
    let at = |client: &mut Client, version, timestamp| {
        let mut partition = ListOffsetsPartition::default();
        partition.timestamp = timestamp;
        partition.current_leader_epoch = -1;
        let mut topic = ListOffsetsTopic::default();
        topic.name = text("orders");
        topic.partitions = vec![partition];
        let mut request = ListOffsetsRequest::default();
        request.replica_id = -1;
        request.topics = vec![topic];
        request.timeout_ms = if version >= 10 { 5000 } else { 0 };
        let answer = ask!(client, version, ListOffsets, request);
        let row = &answer.topics[0].partitions[0];
        (row.error_code, row.offset)
    };
    let unknown = (ErrorCode::UnsupportedVersion.code(), -1);
    assert_eq!((at(&mut client, 1, -1), at(&mut client, 11, -1)), ((0, 2), (0, 2)));
    assert_eq!((at(&mut client, 1, -2), at(&mut client, 11, -2)), ((0, 0), (0, 0)));
    assert_eq!((at(&mut client, 6, -3), at(&mut client, 7, -3)), (unknown, (0, 0)));
    assert_eq!((at(&mut client, 7, -4), at(&mut client, 8, -4)), (unknown, (0, 0)));
    assert_eq!((at(&mut client, 8, -5), at(&mut client, 9, -5)), (unknown, (0, -1)));
    assert_eq!((at(&mut client, 10, -6), at(&mut client, 11, -6)), (unknown, (0, -1)));
    assert_eq!(at(&mut client, 11, -7), unknown);
    assert_eq!(offset_at(&mut client, "orders", 0, callboard_model::Timestamp(0)).0, 0);
    rig.stop();
}
