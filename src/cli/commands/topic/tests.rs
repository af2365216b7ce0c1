use callboard_client::model::{BrokerId, ErrorCode, LeaderEpoch, TopicId};
use callboard_client::{ConfigSource, ListedOffset, Partition};

use super::*;
use crate::snapshot::check_answer;

fn partition(index: i32, leader: Option<i32>, isr: &[i32]) -> Partition {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    Partition {
        index,
        leader: leader.map(BrokerId),
        leader_epoch: LeaderEpoch(4),
        replicas: ids(&[1, 2]),
        isr: ids(isr),
        offline: Vec::new(),
        error: ErrorCode::None,
    }
}

fn topic(name: &str, internal: bool, partitions: Vec<Partition>) -> Arc<Topic> {
    Arc::new(Topic::new(name, TopicId::from_bytes([7; 16]), internal, partitions))
}

fn topics() -> Vec<Arc<Topic>> {
    vec![
        topic("orders", false, vec![partition(0, Some(1), &[1, 2]), partition(1, Some(2), &[2])]),
        topic("payments", false, vec![partition(0, None, &[])]),
        topic("__consumer_offsets", true, vec![partition(0, Some(1), &[1, 2])]),
    ]
}

#[test]
fn a_list_of_topics() {
    check_answer("topic-list", &show::list(&topics()));
    check_answer("topic-list-empty", &show::list(&[]));
}

fn config(name: &str, value: Option<&str>, source: ConfigSource) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        source,
        read_only: false,
        sensitive: value.is_none(),
        documentation: None,
    }
}

#[test]
fn a_described_topic() {
    let described = Described {
        topic: topics()[0].clone(),
        configs: vec![
            config("cleanup.policy", Some("delete"), ConfigSource::Default),
            config("retention.ms", Some("86400000"), ConfigSource::Topic),
            config("a.secret", None, ConfigSource::Topic),
        ],
        offsets: BTreeMap::from([(0, (Some(5), Some(1205))), (1, (None, None))]),
    };
    check_answer("topic-describe", &Answer::Many(vec![show::describe(&described, false)]));
    check_answer("topic-describe-configs", &Answer::Many(vec![show::describe(&described, true)]));
}

#[test]
fn offsets_of_a_topic() {
    let ends = BTreeMap::from([("orders".to_owned(), BTreeMap::from([(0, (Some(5), Some(1205))), (1, (None, None))]))]);
    check_answer("topic-offsets", &show::offsets(&topics()[..1], &ends, None));
    let found = ListedOffset { offset: Some(77), timestamp: Some(1_795_341_600_123), leader_epoch: LeaderEpoch(4) };
    let none = ListedOffset { offset: None, timestamp: None, leader_epoch: LeaderEpoch(-1) };
    let at = BTreeMap::from([(TopicPartition::new("orders", 0), found), (TopicPartition::new("orders", 1), none)]);
    check_answer("topic-offsets-at", &show::offsets(&topics()[..1], &ends, Some(&at)));
}
