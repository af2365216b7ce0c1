//! Stories of the admin client; each asks the cluster for what an operator needs and looks at what came of it.

use std::time::Duration;

use callboard_client::consumer::{Consumer, ConsumerOptions};
use callboard_client::model::ErrorCode;
use callboard_client::{
    Admin, ClientError, ConfigChange, ConfigResource, ElectionType, NewTopic, OffsetSpec, Producer, ProducerOptions,
    ProducerRecord, TopicPartition,
};
use callboard_client_suite::stage::{Stage, stage};
use tokio::time::{Instant, sleep};

async fn admin(stage: &Stage) -> Admin {
    Admin::new(stage.cluster().await).with_timeout(Duration::from_secs(20))
}

/// A topic of the story's own.
async fn topic(stage: &Stage, admin: &Admin, story: &str, partitions: i32) -> String {
    let name = stage.name(story);
    let made = admin.create_topics(&[NewTopic::new(&name).partitions(partitions)], false).await;
    made.only().expect("the topic is made");
    // Brokers hear of a topic one after the other.
    let deadline = Instant::now() + Duration::from_secs(10);
    while admin
        .list_offsets(&[(TopicPartition::new(name.as_str(), 0), OffsetSpec::Latest)], false)
        .await
        .only()
        .is_err()
    {
        assert!(Instant::now() < deadline, "the topic is not served");
        sleep(Duration::from_millis(50)).await;
    }
    name
}

async fn write(stage: &Stage, topic: &str, partition: i32, count: i64) {
    let mut options = ProducerOptions::default();
    options.cluster = stage.options();
    let producer = Producer::connect(options).await.expect("the cluster answers");
    for number in 0..count {
        // A second apart, from 1970 on.
        let record = ProducerRecord::to(topic).partition(partition).value(format!("{number}"));
        let record = record.timestamp(callboard_client::model::Timestamp(1_000_000 + number * 1000));
        drop(producer.send(record).await.expect("taken"));
    }
    producer.close(Duration::from_secs(20)).await.expect("in time");
}

fn code<T: std::fmt::Debug>(outcome: &Result<T, ClientError>) -> ErrorCode {
    outcome.as_ref().expect_err("refused").kafka_code().expect("by the broker")
}

#[tokio::test]
async fn topics_are_made_checked_grown_described_and_deleted() {
    let Some(stage) = stage() else { return };
    let admin = admin(&stage).await;
    let (name, other) = (stage.name("admin-topics"), stage.name("admin-topics"));
    let checked = admin.create_topics(&[NewTopic::new(&name).partitions(2)], true).await;
    checked.only().expect("a check alone");
    assert_eq!(code(&admin.describe_topics(&[&name]).await.only()), ErrorCode::UnknownTopicOrPartition);

    let wanted = [
        NewTopic::new(&name).partitions(2).config("retention.ms", "60000"),
        NewTopic::new("no/legal name").partitions(1),
        NewTopic::new(&other).partitions(1).config("no.such.config", "1"),
        NewTopic::new(&other).partitions(1).replicas(99),
    ];
    let made = admin.create_topics(&wanted[..3], false).await;
    assert_eq!(made.get(name.as_str()).unwrap().as_ref().expect("made").partitions, Some(2));
    assert_eq!(code(made.get("no/legal name").unwrap()), ErrorCode::InvalidTopicException);
    assert_eq!(code(made.get(other.as_str()).unwrap()), ErrorCode::InvalidConfig);
    let refused = admin.create_topics(&wanted[3..], false).await.only();
    assert_eq!(code(&refused), ErrorCode::InvalidReplicationFactor);
    let again = admin.create_topics(&wanted[..1], false).await.only();
    assert_eq!(code(&again), ErrorCode::TopicAlreadyExists);

    let grown = admin.create_partitions(&[(&name, 5), ("nowhere-at-all", 3)], false).await;
    grown.get(name.as_str()).unwrap().as_ref().expect("grown");
    assert_eq!(code(grown.get("nowhere-at-all").unwrap()), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(code(&admin.create_partitions(&[(&name, 2)], false).await.only()), ErrorCode::InvalidPartitions);
    let described = admin.describe_topics(&[&name]).await.only().expect("there");
    assert_eq!(described.partitions.len(), 5);
    assert!(admin.list_topics().await.expect("listed").topic(&name).is_some());

    let deleted = admin.delete_topics(&[&name, "nowhere-at-all"]).await;
    deleted.get(name.as_str()).unwrap().as_ref().expect("deleted");
    assert_eq!(code(deleted.get("nowhere-at-all").unwrap()), ErrorCode::UnknownTopicOrPartition);
}

#[tokio::test]
async fn single_configs_change_and_the_others_stay_kip_339() {
    let Some(stage) = stage() else { return };
    let admin = admin(&stage).await;
    let name = topic(&stage, &admin, "admin-configs", 1).await;
    let resource = ConfigResource::Topic(name.clone());
    let value = async |key: &str| {
        let entries = admin.describe_configs(std::slice::from_ref(&resource), Some(&[key])).await.only().expect("told");
        let entry = entries.into_iter().find(|entry| entry.name == key).expect("a config");
        (entry.value.clone().unwrap_or_default(), entry.is_own_of(&resource))
    };
    let set = |key: &str, value: &str| ConfigChange::Set(key.to_owned(), value.to_owned());
    let change = async |changes: Vec<ConfigChange>, check| {
        admin.alter_configs(&[(resource.clone(), changes)], check).await.only()
    };
    change(vec![set("retention.ms", "60000"), set("cleanup.policy", "compact")], false).await.expect("changed");
    assert_eq!(value("retention.ms").await, ("60000".to_owned(), true));
    change(vec![set("retention.ms", "1")], true).await.expect("a check alone");
    assert_eq!(value("retention.ms").await.0, "60000");
    let append = ConfigChange::Append("cleanup.policy".to_owned(), "delete".to_owned());
    change(vec![append], false).await.expect("appended");
    assert_eq!(value("cleanup.policy").await.0, "compact,delete");
    change(vec![ConfigChange::Delete("retention.ms".to_owned())], false).await.expect("taken back");
    assert!(!value("retention.ms").await.1);
    assert_eq!(code(&change(vec![set("retention.ms", "soon")], false).await), ErrorCode::InvalidConfig);
    let nowhere = ConfigResource::Topic("nowhere-at-all".to_owned());
    let told = admin.describe_configs(&[resource.clone(), nowhere.clone()], None).await;
    assert!(told.get(&resource).unwrap().is_ok());
    assert_eq!(code(told.get(&nowhere).unwrap()), ErrorCode::UnknownTopicOrPartition);
    let broker = admin.describe_cluster().await.expect("told").brokers[0].id;
    let configs = admin.describe_configs(&[ConfigResource::Broker(broker)], None).await.only().expect("told");
    assert!(configs.len() > 50, "{} configs", configs.len());
}

#[tokio::test]
async fn offsets_are_found_by_every_spec_and_records_are_deleted_up_to_one() {
    let Some(stage) = stage() else { return };
    let admin = admin(&stage).await;
    let name = topic(&stage, &admin, "admin-offsets", 2).await;
    write(&stage, &name, 1, 10).await;
    let place = TopicPartition::new(name.as_str(), 1);
    let find = async |spec| admin.list_offsets(&[(place.clone(), spec)], false).await.only().expect("found");
    assert_eq!(find(OffsetSpec::Earliest).await.offset, Some(0));
    assert_eq!(find(OffsetSpec::Latest).await.offset, Some(10));
    let at = find(OffsetSpec::Timestamp(1_004_500)).await;
    assert_eq!((at.offset, at.timestamp), (Some(5), Some(1_005_000)));
    assert_eq!(find(OffsetSpec::Timestamp(2_000_000)).await.offset, None);
    let newest = find(OffsetSpec::MaxTimestamp).await;
    assert_eq!((newest.offset, newest.timestamp), (Some(9), Some(1_009_000)));

    assert_eq!(admin.delete_records(&[(place.clone(), 4)]).await.only().expect("deleted"), 4);
    assert_eq!(find(OffsetSpec::Earliest).await.offset, Some(4));
    let refused = admin.delete_records(&[(place.clone(), 11)]).await.only();
    assert_eq!(code(&refused), ErrorCode::OffsetOutOfRange);
    assert_eq!(admin.delete_records(&[(place.clone(), -1)]).await.only().expect("all of it"), 10);

    let both = [TopicPartition::new(name.as_str(), 0), TopicPartition::new(name.as_str(), 7)];
    let told = admin.list_offsets(&both.clone().map(|place| (place, OffsetSpec::Latest)), false).await;
    assert_eq!(told.get(&both[0]).unwrap().as_ref().expect("there").offset, Some(0));
    assert!(matches!(told.get(&both[1]).unwrap(), Err(ClientError::NoPartition { count: 2, .. })));
    let producers = admin.describe_producers(std::slice::from_ref(&place)).await.only().expect("told");
    assert!(producers.iter().all(|producer| producer.producer_id >= 0), "{producers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_listed_described_moved_and_deleted_but_not_while_they_have_members() {
    let Some(stage) = stage() else { return };
    let admin = admin(&stage).await;
    let name = topic(&stage, &admin, "admin-groups", 2).await;
    write(&stage, &name, 0, 5).await;
    let group = stage.name("admin-group");
    let place = |partition| TopicPartition::new(name.as_str(), partition);
    assert_eq!(code(&admin.describe_groups(&[&group]).await.only()), ErrorCode::GroupIdNotFound);

    let moved = admin.alter_group_offsets(&group, &[(place(0), 3), (place(1), 0)]).await;
    moved.all().expect("a new group is given offsets");
    let offsets = admin.list_group_offsets(&group, None).await.expect("told").all().expect("each");
    let told: Vec<_> = offsets.iter().map(|(place, offset)| (place.partition, offset.offset)).collect();
    assert_eq!(told, [(0, 3), (1, 0)]);
    let listed = admin.list_groups().await.expect("listed");
    assert!(listed.failures.is_empty(), "{:?}", listed.failures);
    assert!(listed.groups.iter().any(|listed| listed.group == group && listed.state == "Empty"));

    let mut options = ConsumerOptions::new(&stage.bootstrap);
    options.group_id = Some(group.clone());
    let mut consumer = Consumer::new(options).await.expect("the cluster answers");
    consumer.subscribe([name.as_str()]).expect("a topic");
    let first = consumer.recv().await.expect("a record");
    assert_eq!((first.partition, first.offset), (0, 3), "it reads on where it was set to");
    let described = admin.describe_groups(&[&group]).await.only().expect("there");
    assert_eq!((described.state.as_str(), described.members.len()), ("Stable", 1));
    let reads = described.members[0].partitions.clone().expect("a consumer's");
    assert_eq!(reads, [place(0), place(1)]);
    let refused = admin.alter_group_offsets(&group, &[(place(0), 0)]).await.only();
    assert!(matches!(code(&refused), ErrorCode::UnknownMemberId | ErrorCode::NonEmptyGroup), "{refused:?}");
    assert_eq!(code(&admin.delete_groups(&[&group]).await.only()), ErrorCode::NonEmptyGroup);
    let refused = admin.delete_group_offsets(&group, &[place(0)]).await.only();
    assert_eq!(code(&refused), ErrorCode::GroupSubscribedToTopic);
    consumer.close(Duration::from_secs(10)).await.expect("it leaves");

    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = admin.delete_group_offsets(&group, &[place(1)]).await.only() {
        assert!(Instant::now() < deadline, "{error}");
        sleep(Duration::from_millis(100)).await;
    }
    let left = admin.list_group_offsets(&group, None).await.expect("told").all().expect("each");
    assert_eq!(left.iter().map(|(place, _)| place.partition).collect::<Vec<_>>(), [0]);
    let deleted = admin.delete_groups(&[&group, "nobody-at-all"]).await;
    deleted.get(group.as_str()).unwrap().as_ref().expect("deleted");
    assert_eq!(code(deleted.get("nobody-at-all").unwrap()), ErrorCode::GroupIdNotFound);
}

#[tokio::test]
async fn the_cluster_its_disks_and_its_quorum_are_described_and_leaders_elected() {
    let Some(stage) = stage() else { return };
    let admin = admin(&stage).await;
    let name = topic(&stage, &admin, "admin-cluster", 1).await;
    write(&stage, &name, 0, 20).await;
    let cluster = admin.describe_cluster().await.expect("told");
    assert!(!cluster.cluster_id.is_empty() && !cluster.brokers.is_empty());
    assert!(cluster.controller.is_some_and(|id| cluster.brokers.iter().any(|broker| broker.id == id)));
    let ids: Vec<_> = cluster.brokers.iter().map(|broker| broker.id).collect();
    let folders = admin.describe_log_dirs(&ids).await.all().expect("each broker");
    let replicas = || folders.iter().flat_map(|(_, folders)| folders).flat_map(|folder| &folder.replicas);
    let mine = replicas().find(|replica| *replica.partition.topic == *name).expect("it lies somewhere");
    assert!(mine.bytes > 0, "{mine:?}");
    let nobody = callboard_client::model::BrokerId(4711);
    assert!(admin.describe_log_dirs(&[nobody]).await.only().is_err());

    let quorum = admin.describe_quorum().await.expect("told");
    assert!(quorum.leader.is_some() && !quorum.voters.is_empty(), "{quorum:?}");
    let place = TopicPartition::new(name.as_str(), 0);
    let elected =
        admin.elect_leaders(ElectionType::Preferred, Some(std::slice::from_ref(&place))).await.expect("asked");
    assert_eq!(code(elected.get(&place).unwrap()), ErrorCode::ElectionNotNeeded);
}
