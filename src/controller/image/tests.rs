use callboard_model::{FlushMode, LeaderEpoch};
use uuid::Uuid;

use super::*;
use crate::record::{LeaderChange, Record};
use crate::{ConfigError, Delta};

fn id(number: u128) -> TopicId {
    TopicId(Uuid::from_u128(number))
}

fn name(name: &str) -> TopicName {
    TopicName::new(name).expect("legal")
}

fn topic(number: u128, text: &str) -> Record {
    Record::Topic { id: id(number), name: name(text) }
}

fn partition(topic: u128, number: i32, leader: i32) -> Record {
    Record::Partition {
        topic: id(topic),
        partition: PartitionIndex(number),
        replicas: vec![BrokerId(leader)],
        isr: vec![BrokerId(leader)],
        leader: Some(BrokerId(leader)),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
    }
}

fn broker(number: i32) -> Record {
    Record::RegisterBroker {
        broker: BrokerId(number),
        incarnation: IncarnationId(Uuid::from_u128(1)),
        epoch: BrokerEpoch(1),
        endpoints: vec![Endpoint { listener: "PLAINTEXT".into(), host: "localhost".into(), port: 9092 }],
        rack: None,
        fenced: false,
    }
}

fn topic_config(topic: u128, key: &str, value: Option<&str>) -> Record {
    Record::TopicConfig { topic: id(topic), key: key.into(), value: value.map(str::to_owned) }
}

fn broker_config(broker: Option<i32>, key: &str, value: Option<&str>) -> Record {
    Record::BrokerConfig { broker: broker.map(BrokerId), key: key.into(), value: value.map(str::to_owned) }
}

fn at(topic: u128, number: i32) -> TopicIdPartition {
    TopicIdPartition { topic: id(topic), partition: PartitionIndex(number) }
}

/// Two brokers, one topic of two partitions with a config.
fn small() -> Image {
    let records = [
        broker(1),
        broker(2),
        topic(7, "orders"),
        topic_config(7, "retention.ms", Some("5")),
        partition(7, 0, 1),
        partition(7, 1, 2),
    ];
    Image::default().apply(1, &records).expect("they follow").0
}

fn change(image: &Image, records: &[Record]) -> (Image, Delta) {
    image.apply(image.applied() + 1, records).expect("they follow")
}

fn refused(records: &[Record]) -> ApplyError {
    small().apply(2, records).expect_err("they do not follow")
}

#[test]
fn a_topic_is_found_by_name_and_by_id() {
    let image = small();
    let orders = image.topic("orders").expect("created");
    assert_eq!(image.topic_by_id(id(7)), Some(orders));
    assert_eq!((orders.partition_count(), orders.replication_factor()), (2, 1));
    assert_eq!(image.partition(id(7), PartitionIndex(1)).and_then(|image| image.leader), Some(BrokerId(2)));
    for missing in [2, -1, i32::MAX, i32::MIN] {
        assert_eq!(image.partition(id(7), PartitionIndex(missing)), None);
    }
    assert!(image.topic("Orders").is_none());
}

#[test]
fn entries_come_in_order_and_may_skip_indices() {
    let image = small();
    assert_eq!(image.apply(1, &[]), Err(ApplyError::Index { given: 1, applied: 1 }));
    assert_eq!(image.apply(5, &[]).map(|(image, _)| image.applied()), Ok(5));
}

#[test]
fn records_that_do_not_follow_are_refused_with_their_values() {
    assert_eq!(refused(&[topic(7, "other")]), ApplyError::TopicIdTaken(id(7)));
    let taken = ApplyError::NameTaken { name: name("orders"), by: name("orders") };
    assert_eq!(refused(&[topic(8, "orders")]), taken);
    let taken = ApplyError::NameTaken { name: name("a_b"), by: name("a.b") };
    assert_eq!(refused(&[topic(8, "a.b"), topic(9, "a_b")]), taken);
    assert_eq!(refused(&[partition(9, 0, 1)]), ApplyError::UnknownTopic(id(9)));
    let gap = ApplyError::PartitionOutOfOrder { topic: id(7), given: PartitionIndex(3), expected: 2 };
    assert_eq!(refused(&[partition(7, 3, 1)]), gap);
    assert_eq!(refused(&[Record::RemoveTopic { id: id(9) }]), ApplyError::UnknownTopic(id(9)));
    assert_eq!(refused(&[Record::BrokerRestarted { broker: BrokerId(9) }]), ApplyError::UnknownBroker(BrokerId(9)));
    let back = [Record::ProducerIds { next: ProducerId(10) }, Record::ProducerIds { next: ProducerId(9) }];
    let error = ApplyError::ProducerIdsBackwards { given: ProducerId(9), current: ProducerId(10) };
    assert_eq!(refused(&back), error);
    let error = refused(&[topic_config(7, "retention.ms", Some("soon"))]);
    assert!(matches!(error, ApplyError::Config(ConfigError::Invalid { name: "retention.ms", .. })));
    assert!(matches!(refused(&[broker_config(None, "log.roll.ms", Some("0"))]), ApplyError::Config(_)));
    let unknown = Record::PartitionChange {
        topic: id(7),
        partition: PartitionIndex(-1),
        replicas: None,
        isr: None,
        leader: LeaderChange::Keep,
    };
    let error = ApplyError::UnknownPartition { topic: id(7), partition: PartitionIndex(-1) };
    assert_eq!(refused(&[unknown]), error);
}

#[test]
fn an_entry_that_fails_half_way_changes_nothing() {
    let image = small();
    let before = image.clone();
    assert!(image.apply(2, &[topic(8, "payments"), partition(8, 1, 1)]).is_err());
    assert_eq!(image, before);
}

#[test]
fn a_name_is_free_again_after_its_topic_is_gone() {
    let (image, _) = change(&small(), &[topic(8, "a.b"), partition(8, 0, 1)]);
    let (image, _) = change(&image, &[Record::RemoveTopic { id: id(8) }, topic(9, "a_b"), partition(9, 0, 1)]);
    assert_eq!(image.topic("a_b").map(|topic| topic.id), Some(id(9)));
    assert!(image.topic("a.b").is_none() && image.topic_by_id(id(8)).is_none());
    assert_eq!(image.collision(&name("a.b")), Some(&name("a_b")));
}

#[test]
fn a_restarted_broker_keeps_what_it_leads_in_a_new_epoch() {
    let image = small();
    let (after, delta) = change(&image, &[Record::BrokerRestarted { broker: BrokerId(1) }]);
    let epochs = |image: &Image, number| {
        let image = image.partition(id(7), PartitionIndex(number)).expect("there");
        (image.leader, image.leader_epoch.0, image.partition_epoch.0)
    };
    assert_eq!(epochs(&after, 0), (Some(BrokerId(1)), 1, 1));
    assert_eq!(epochs(&after, 1), (Some(BrokerId(2)), 0, 0), "another's partition is left alone");
    assert_eq!(epochs(&image, 0), (Some(BrokerId(1)), 0, 0), "the old image stays as it was");
    assert_eq!(delta.partitions_changed, [at(7, 0)].into());
}

#[test]
fn a_change_of_leader_raises_the_leader_epoch_and_any_change_the_partition_epoch() {
    let change_to = |image: &Image, isr: Option<Vec<BrokerId>>, leader| {
        let (topic, partition) = (id(7), PartitionIndex(0));
        let record = Record::PartitionChange { topic, partition, replicas: None, isr, leader };
        let image = change(image, &[record]).0;
        let image = image.partition(topic, partition).expect("there");
        (image.leader, image.isr.to_vec(), image.leader_epoch.0, image.partition_epoch.0)
    };
    let (one, two) = (BrokerId(1), BrokerId(2));
    let image = small();
    let grown = change_to(&image, Some(vec![one, two]), LeaderChange::Keep);
    assert_eq!(grown, (Some(one), vec![one, two], 0, 1));
    assert_eq!(change_to(&image, None, LeaderChange::Nobody), (None, vec![one], 1, 1));
    assert_eq!(change_to(&image, None, LeaderChange::Elect(two)), (Some(two), vec![one], 1, 1));
    assert_eq!(change_to(&image, None, LeaderChange::Elect(one)), (Some(one), vec![one], 1, 1));
}

#[test]
fn a_delta_names_what_changed_and_nothing_else() {
    let image = small();
    let moved = Record::PartitionChange {
        topic: id(7),
        partition: PartitionIndex(0),
        replicas: None,
        isr: None,
        leader: LeaderChange::Nobody,
    };
    let grown = Record::PartitionChange {
        topic: id(7),
        partition: PartitionIndex(2),
        replicas: None,
        isr: Some(vec![BrokerId(1), BrokerId(2)]),
        leader: LeaderChange::Keep,
    };
    let records = [
        moved,
        partition(7, 2, 1),
        grown,
        topic(8, "payments"),
        topic_config(8, "retention.ms", Some("1")),
        partition(8, 0, 1),
        topic_config(7, "retention.ms", None),
        broker_config(None, "log.retention.ms", Some("9")),
        broker(2),
        Record::ProducerIds { next: ProducerId(1000) },
    ];
    let (_, delta) = change(&image, &records);
    let expected = Delta {
        applied: 2,
        topics_created: [(id(8), name("payments"))].into(),
        topics_removed: BTreeMap::new(),
        partitions_added: [at(7, 2), at(8, 0)].into(),
        partitions_changed: [at(7, 0)].into(),
        topic_configs_changed: [(id(7), ["retention.ms".to_owned()].into())].into(),
        brokers_registered: [BrokerId(2)].into(),
        broker_configs_changed: [None].into(),
        next_producer_id: Some(ProducerId(1000)),
    };
    assert_eq!(delta, expected);
    assert!(!delta.is_empty() && change(&image, &[]).1.is_empty());
}

#[test]
fn a_removed_topic_leaves_only_its_removal_in_the_delta() {
    let image = small();
    let records = [partition(7, 2, 1), topic_config(7, "retention.ms", None), Record::RemoveTopic { id: id(7) }];
    let (after, delta) = change(&image, &records);
    assert_eq!(delta.topics_removed.keys().copied().collect::<Vec<_>>(), [id(7)]);
    assert!(Delta { topics_removed: BTreeMap::new(), ..delta }.is_empty());
    assert_eq!(after.topic_count(), 0);
    let short_lived = [topic(8, "payments"), partition(8, 0, 1), Record::RemoveTopic { id: id(8) }];
    assert!(change(&image, &short_lived).1.is_empty());
}

#[test]
fn a_starting_broker_is_told_everything() {
    let image = small();
    let (image, _) = change(&image, &[broker_config(Some(1), "log.roll.ms", Some("4"))]);
    let delta = Delta::initial(&image);
    let built = Image::default().apply(2, &image.to_records()).expect("they follow").1;
    assert_eq!(delta, built);
}

#[test]
fn a_snapshot_rebuilds_the_image() {
    let (image, _) = change(
        &small(),
        &[
            topic(8, "a.b"),
            partition(8, 0, 2),
            Record::RegisterBroker {
                broker: BrokerId(3),
                incarnation: IncarnationId(Uuid::from_u128(9)),
                epoch: BrokerEpoch(5),
                endpoints: Vec::new(),
                rack: Some("a".into()),
                fenced: true,
            },
            broker_config(Some(1), "log.roll.ms", Some("4")),
            broker_config(None, "log.flush.mode", Some("async")),
            Record::BrokerRestarted { broker: BrokerId(2) },
            Record::ProducerIds { next: ProducerId(3000) },
        ],
    );
    assert_eq!(Image::from_records(image.applied(), &image.to_records()), Ok(image.clone()));
    let bytes = image.to_bytes();
    assert_eq!(Image::from_bytes(&bytes), Ok(image.clone()));
    assert_eq!(Image::from_bytes(&bytes[..7]), Err(SnapshotError::Short { given: 7 }));
    assert!(matches!(Image::from_bytes(&bytes[..bytes.len() - 1]), Err(SnapshotError::Decode(_))));
    let mut twice = bytes.to_vec();
    twice.extend_from_slice(&bytes[8..]);
    assert!(matches!(Image::from_bytes(&twice), Err(SnapshotError::Apply(_))));
    assert_eq!(Image::from_bytes(&Image::default().to_bytes()), Ok(Image::default()));
}

#[test]
fn a_topic_s_log_config_follows_the_dynamic_configs() {
    let settings = StaticConfig::default();
    let of =
        |image: &Image, broker| image.log_config(image.topic("orders").expect("there"), BrokerId(broker), &settings);
    let (image, _) = change(&small(), &[broker_config(Some(1), "log.flush.mode", Some("async"))]);
    assert_eq!(of(&image, 1).flush_mode, FlushMode::Async);
    assert_eq!(of(&image, 2).flush_mode, FlushMode::Sync);
    assert_eq!(of(&image, 2).retention.map(|retention| retention.as_millis()), Some(5));
    let (image, _) = change(&image, &[broker_config(Some(1), "log.flush.mode", None)]);
    assert_eq!(of(&image, 1).flush_mode, FlushMode::Sync);
    assert_eq!(image.configured_brokers().count(), 0, "nothing is left of configs that are gone");
}

#[test]
fn what_an_entry_does_not_touch_is_shared_with_the_image_before() {
    const TOPICS: u128 = 10_000;
    let mut image = small();
    for number in 0..TOPICS {
        let name = format!("topic-{number}");
        let before = image.clone();
        let (next, delta) = change(&before, &[topic(100 + number, &name), partition(100 + number, 0, 1)]);
        assert_eq!((delta.topics_created.len(), delta.partitions_added.len()), (1, 1));
        assert!(delta.partitions_changed.is_empty());
        let same = |text: &str| match (before.topic(text), next.topic(text)) {
            (Some(before), Some(next)) => Arc::ptr_eq(before, next),
            _ => false,
        };
        assert!(same("orders"));
        assert!(number == 0 || same(&format!("topic-{}", number / 2)));
        image = next;
    }
    assert_eq!(image.topic_count() as u128, TOPICS + 1);
    let (after, delta) = change(&image, &[Record::BrokerRestarted { broker: BrokerId(1) }]);
    assert_eq!(delta.partitions_changed.len() as u128, TOPICS + 1);
    assert_eq!(after.partition(id(100), PartitionIndex(0)).map(|image| image.leader_epoch), Some(LeaderEpoch(1)));
}
