use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::net::fake;

fn broker() -> (i32, SocketAddr) {
    (1, "127.0.0.1:9092".parse().expect("an address"))
}

fn picture(topics: Vec<MetadataResponseTopic>) -> Metadata {
    Metadata::default().with(&fake::metadata(&[broker()], topics), false, Instant::now())
}

#[test]
fn topics_and_their_leaders_are_found() {
    let metadata = picture(vec![fake::topic("a", 3, 1), fake::topic("b", 1, -1)]);
    assert_eq!(metadata.leader("a", 2), Some(BrokerId(1)));
    assert_eq!(metadata.leader("a", 3), None);
    assert_eq!(metadata.leader("a", -1), None);
    assert_eq!(metadata.leader("b", 0), None);
    assert_eq!(metadata.cluster_id().map(|id| &**id), Some("fake"));
    assert_eq!(metadata.controller(), Some(BrokerId(1)));
    assert_eq!(metadata.broker(BrokerId(1)).map(|broker| broker.address().to_string()), Some("127.0.0.1:9092".into()));
}

#[test]
fn an_older_leader_epoch_does_not_overwrite_a_newer_one_unless_the_topic_is_another() {
    let mut newer = fake::topic("a", 1, 1);
    newer.partitions[0].leader_epoch = 5;
    let metadata = picture(vec![newer]);
    let mut older = fake::topic("a", 1, 2);
    older.partitions[0].leader_epoch = 4;
    let same = metadata.with(&fake::metadata(&[broker()], vec![older.clone()]), false, Instant::now());
    assert_eq!(same.leader("a", 0), Some(BrokerId(1)));
    older.topic_id = callboard_wire::messages::Uuid::from_bytes([9; 16]);
    let made_anew = metadata.with(&fake::metadata(&[broker()], vec![older]), false, Instant::now());
    assert_eq!(made_anew.leader("a", 0), Some(BrokerId(2)));
}

#[test]
fn a_leader_named_by_a_refusal_is_taken_if_it_is_newer_kip_951() {
    let metadata = picture(vec![fake::topic("a", 2, 1)]);
    assert!(metadata.with_leader("a", 1, BrokerId(9), LeaderEpoch(3)).is_none(), "nobody knows broker 9");
    assert!(metadata.with_leader("a", 1, BrokerId(1), LeaderEpoch(0)).is_none(), "no news");
    let changed = metadata.with_leader("a", 1, BrokerId(1), LeaderEpoch(1)).expect("news");
    let epoch = changed.topic("a").and_then(|topic| topic.partition(1)).map(|partition| partition.leader_epoch);
    assert_eq!(epoch, Some(LeaderEpoch(1)));
}

#[test]
fn what_is_gone_is_gone_and_says_why() {
    let metadata = picture(vec![fake::topic("a", 1, 1), fake::topic("b", 1, 1)]);
    let error = ErrorCode::UnknownTopicOrPartition;
    let next = metadata.with(&fake::metadata(&[broker()], vec![fake::absent("a", error)]), false, Instant::now());
    assert!(next.topic("a").is_none() && next.topic("b").is_some());
    assert_eq!(next.error("a"), Some(error));
    let all = next.with(&fake::metadata(&[broker()], vec![fake::topic("c", 1, 1)]), true, Instant::now());
    assert_eq!(all.topics().map(|topic| topic.name.to_string()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(all.error("a"), None);
}

#[test]
fn partitions_that_make_no_sense_are_sorted_out() {
    let mut topic = fake::topic("a", 4, 1);
    for (partition, index) in topic.partitions.iter_mut().zip([7, -3, 2, 7]) {
        partition.partition_index = index;
    }
    let metadata = picture(vec![topic]);
    let topic = metadata.topic("a").expect("there");
    assert_eq!(topic.partitions.iter().map(|partition| partition.index).collect::<Vec<_>>(), [2, 7]);
    assert_eq!(topic.partition(7).map(|partition| partition.index), Some(7));
    assert_eq!(topic.partition(0), None);
}

proptest! {
    #[test]
    fn any_answer_makes_a_picture(
        ids in prop::collection::vec((any::<i32>(), any::<i32>()), 0..4),
        indices in prop::collection::vec((any::<i32>(), any::<i32>(), any::<i16>()), 0..8),
    ) {
        let mut answer = fake::metadata(&[], vec![fake::topic("a", indices.len() as i32, 1)]);
        for (id, port) in ids {
            let mut broker = callboard_wire::messages::MetadataResponseBroker::default();
            (broker.node_id, broker.port) = (id, port);
            answer.brokers.push(broker);
        }
        for (partition, (index, leader, error)) in answer.topics[0].partitions.iter_mut().zip(indices) {
            (partition.partition_index, partition.leader_id, partition.error_code) = (index, leader, error);
        }
        let metadata = Metadata::default().with(&answer, false, Instant::now());
        let topic = metadata.topic("a").expect("there");
        prop_assert!(topic.partitions.windows(2).all(|pair| pair[0].index < pair[1].index));
        for partition in &topic.partitions {
            prop_assert_eq!(topic.partition(partition.index), Some(partition));
        }
    }
}
