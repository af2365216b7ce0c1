//! OffsetCommit, OffsetFetch, OffsetDelete, DeleteGroups, and topics that are gone.

use std::sync::Arc;

use callboard_model::{
    ErrorCode, GroupConfig, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicId,
};

use crate::rig::{Rig, committing, joining, known};
use crate::{
    Command, CommittedTopic, CommittingPartition, FetchedTopic, GroupState, JoinGroup, OffsetCommit, OffsetDelete,
    Reply, TopicsDeleted, TransactionIdentity,
};

const ID: TopicId = TopicId(uuid::Uuid::from_u128(7));
const OTHER_ID: TopicId = TopicId(uuid::Uuid::from_u128(8));

fn delete_offsets(rig: &mut Rig, group: &str, topics: &[(&str, &[i32])]) -> Result<Vec<ErrorCode>, ErrorCode> {
    let topics = topics.iter().map(|(topic, partitions)| {
        (Arc::from(*topic), partitions.iter().map(|partition| PartitionIndex(*partition)).collect())
    });
    let Reply::OffsetDelete(reply) =
        rig.ask(Command::OffsetDelete(OffsetDelete { group: group.into(), topics: topics.collect() }))
    else {
        panic!("an answer")
    };
    match reply.error {
        ErrorCode::None => {
            Ok(reply.topics.iter().flat_map(|topic| topic.partitions.iter().map(|at| at.error)).collect())
        }
        error => Err(error),
    }
}

fn of_topic(topic: &str, topic_id: TopicId, partitions: &[i32]) -> FetchedTopic {
    let partitions = partitions.iter().map(|partition| PartitionIndex(*partition)).collect();
    FetchedTopic { topic: topic.into(), topic_id, partitions }
}

#[test]
fn a_position_comes_back_as_it_was_committed() {
    let mut rig = Rig::new();
    assert_eq!(rig.commit(committing("g", "t", 0, 42)), [ErrorCode::None]);
    for _ in 0..2 {
        let fetched = rig.fetch("g", Some(vec![of_topic("t", TopicId::ZERO, &[0])]));
        let position = &fetched[0].partitions[0];
        assert_eq!((position.offset, position.leader_epoch), (Offset(42), Some(LeaderEpoch(3))));
        assert_eq!((&*position.metadata, position.error), ("note", ErrorCode::None));
        rig.reload();
    }
}

#[test]
fn what_was_never_committed_is_minus_one_and_no_error() {
    let mut rig = Rig::new();
    rig.commit(committing("g", "t", 0, 42));
    let asked = vec![of_topic("u", TopicId::ZERO, &[5]), of_topic("t", TopicId::ZERO, &[1, 0])];
    let fetched = rig.fetch("g", Some(asked.clone()));
    let offsets: Vec<_> = fetched.iter().flat_map(|topic| topic.partitions.iter().map(|at| at.offset.get())).collect();
    assert_eq!(offsets, [-1, -1, 42], "all that was asked, in that order");
    assert_eq!((&*fetched[0].partitions[0].metadata, fetched[0].partitions[0].leader_epoch), ("", None));
    let unknown = rig.fetch("none", Some(asked));
    assert!(
        unknown
            .iter()
            .all(|topic| topic.partitions.iter().all(|at| at.offset.get() == -1 && at.error == ErrorCode::None))
    );
    assert_eq!(rig.fetch("none", None), []);
}

#[test]
fn no_topics_mean_all() {
    let mut rig = Rig::new();
    for (topic, partition) in [("u", 1), ("t", 1), ("t", 0)] {
        rig.commit(committing("g", topic, partition, 7));
    }
    let all = rig.fetch("g", None);
    let all: Vec<_> = all.iter().map(|topic| (&*topic.topic, topic.partitions.len())).collect();
    assert_eq!(all, [("t", 2), ("u", 1)]);
    assert_eq!(rig.fetch("g", Some(vec![])), [], "none is none");
}

#[test]
fn who_may_commit() {
    let mut rig = Rig::new();
    let one = committing("g", "t", 0, 7);
    let of = |generation, member: &str| OffsetCommit { generation, member: member.into(), ..one.clone() };
    // Nobody is there: whoever assigns partitions by itself may, members may not.
    assert_eq!(rig.commit(of(1, "m")), [ErrorCode::IllegalGeneration]);
    assert_eq!(rig.commit(OffsetCommit { api_version: 9, ..of(1, "m") }), [ErrorCode::GroupIdNotFound]);
    assert_eq!(rig.state("g"), GroupState::Dead, "and nothing came of it");
    assert_eq!(rig.commit(of(-1, "")), [ErrorCode::None]);
    assert_eq!(rig.commit(of(-1, "m")), [ErrorCode::None]);
    assert_eq!(
        rig.commit(OffsetCommit { group: "".into(), ..of(-1, "") }),
        [ErrorCode::None],
        "the empty name is legal here"
    );
    // Members are there.
    let ids = rig.stable("g", 2);
    let leader = ids[0].as_str();
    assert_eq!(rig.commit(of(1, leader)), [ErrorCode::None]);
    assert_eq!(rig.commit(of(0, leader)), [ErrorCode::IllegalGeneration]);
    assert_eq!(rig.commit(of(2, leader)), [ErrorCode::IllegalGeneration]);
    assert_eq!(rig.commit(of(-1, leader)), [ErrorCode::IllegalGeneration]);
    assert_eq!(rig.commit(of(1, "nobody")), [ErrorCode::UnknownMemberId]);
    assert_eq!(rig.commit(of(-1, "")), [ErrorCode::UnknownMemberId]);
    assert_eq!(rig.commit(OffsetCommit { instance: Some("i".into()), ..of(-1, "") }), [ErrorCode::UnknownMemberId]);
    // A rebalance begins: there is time to commit. Once the generation is over there is not.
    let caller = rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.commit(of(1, ids[1].as_str())), [ErrorCode::None]);
    rig.send_join(known("g", &ids[1]));
    let place = rig.joined(caller).expect("a place");
    assert_eq!(place.generation, 2);
    assert_eq!(rig.commit(of(1, leader)), [ErrorCode::IllegalGeneration]);
    assert_eq!(rig.commit(of(2, leader)), [ErrorCode::RebalanceInProgress], "it may not be its partition any more");
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 1);
    for _ in 0..3 {
        rig.pass_ms(9_000);
        let commit = OffsetCommit { generation: 1, member: ids[0].clone(), ..committing("g", "t", 0, 7) };
        assert_eq!(rig.commit(commit), [ErrorCode::None]);
    }
}

#[test]
fn texts_that_are_too_long_are_refused_one_by_one() {
    let mut rig = Rig::new();
    let text = |letter: &str, count| CommittingPartition {
        partition: PartitionIndex(count),
        offset: Offset(1),
        leader_epoch: None,
        metadata: Some(letter.repeat(count as usize).into()),
    };
    let partitions = vec![text("x", 4_096), text("x", 4_097), text("é", 4_095), text("é", 4_098)];
    let topics = vec![CommittedTopic { topic: "t".into(), topic_id: TopicId::ZERO, partitions }];
    let too_large = ErrorCode::OffsetMetadataTooLarge;
    let results = rig.commit(OffsetCommit { topics, ..committing("g", "t", 0, 0) });
    assert_eq!(results, [ErrorCode::None, too_large, ErrorCode::None, too_large], "counted as Java counts");
    assert_eq!(rig.position("g", "t", 4_096), 1);
    assert_eq!(rig.position("g", "t", 4_097), -1);
}

#[test]
fn a_commit_too_large_for_a_batch_is_refused_whole() {
    let mut rig = Rig::new();
    rig.room = 2_000;
    let many = |count| OffsetCommit {
        topics: vec![CommittedTopic {
            topic: "t".into(),
            topic_id: ID,
            partitions: (0..count)
                .map(|at| CommittingPartition {
                    partition: PartitionIndex(at),
                    offset: Offset(1),
                    leader_epoch: None,
                    metadata: None,
                })
                .collect(),
        }],
        ..committing("g", "t", 0, 0)
    };
    assert_eq!(rig.commit(many(100)), [ErrorCode::UnknownServerError; 100]);
    assert_eq!(rig.state("g"), GroupState::Dead);
    assert_eq!(rig.commit(many(5)), [ErrorCode::None; 5]);
}

#[test]
fn a_transactional_commit_is_refused_until_there_are_transactions() {
    let mut rig = Rig::new();
    let transaction =
        Some(TransactionIdentity { transactional_id: "tx".into(), producer: ProducerId(1), epoch: ProducerEpoch(0) });
    let commit = OffsetCommit { transaction, ..committing("g", "t", 0, 7) };
    assert_eq!(rig.commit(commit), [ErrorCode::UnsupportedVersion]);
}

#[test]
fn a_topic_made_anew_does_not_inherit_positions() {
    let mut rig = Rig::new();
    let mut commit = committing("g", "t", 0, 7);
    commit.topics[0].topic_id = ID;
    rig.commit(commit);
    let mut offset = |id| rig.fetch("g", Some(vec![of_topic("t", id, &[0])]))[0].partitions[0].offset.get();
    assert_eq!([offset(ID), offset(OTHER_ID), offset(TopicId::ZERO)], [7, -1, 7]);
}

#[test]
fn positions_of_topics_that_are_gone_are_forgotten_however_many_they_are() {
    let mut rig = Rig::new();
    for group in 0..600 {
        let group = format!("g{group}");
        for (topic, id) in [("t", ID), ("u", OTHER_ID), ("v", TopicId::ZERO)] {
            let mut commit = committing(&group, topic, 0, 7);
            commit.topics[0].topic_id = id;
            rig.commit(commit);
        }
    }
    let committed = vec![("t".into(), ID), ("u".into(), OTHER_ID), ("v".into(), TopicId::ZERO)];
    assert_eq!(rig.ask(Command::CommittedTopics), Reply::CommittedTopics(committed));
    rig.room = 5_000;
    let topics = vec![("t".into(), ID), ("u".into(), ID), ("v".into(), ID)];
    assert_eq!(rig.ask(Command::TopicsDeleted(TopicsDeleted { topics })), Reply::TopicsDeleted);
    rig.pass_ms(0);
    for group in [0, 7, 256, 599] {
        let group = format!("g{group}");
        let mut offset = |topic| rig.position(&group, topic, 0);
        assert_eq!([offset("t"), offset("u"), offset("v")], [-1, 7, -1], "another topic of that name stays");
    }
    assert_eq!(rig.ask(Command::CommittedTopics), Reply::CommittedTopics(vec![("u".into(), OTHER_ID)]));
}

#[test]
fn positions_that_members_read_cannot_be_deleted() {
    // KIP-496
    let mut rig = Rig::new();
    assert_eq!(delete_offsets(&mut rig, "", &[("t", &[0])]), Err(ErrorCode::InvalidGroupId));
    assert_eq!(delete_offsets(&mut rig, "g", &[("t", &[0])]), Err(ErrorCode::GroupIdNotFound));
    for topic in ["t", "u"] {
        rig.commit(committing("g", topic, 0, 7));
    }
    let ids = rig.stable("g", 1);
    let results = delete_offsets(&mut rig, "g", &[("u", &[0, 1]), ("t", &[0])]);
    assert_eq!(results, Ok(vec![ErrorCode::None, ErrorCode::None, ErrorCode::GroupSubscribedToTopic]));
    assert_eq!((rig.position("g", "t", 0), rig.position("g", "u", 0)), (7, -1));
    rig.leave("g", &[(ids[0].as_str(), None)]);
    assert_eq!(delete_offsets(&mut rig, "g", &[("t", &[0])]), Ok(vec![ErrorCode::None]));
    assert_eq!(rig.position("g", "t", 0), -1);
}

#[test]
fn where_it_is_not_known_what_members_read_nothing_is_deleted() {
    let mut rig = Rig::new();
    for (group, protocol_type) in [("opaque", "consumer"), ("workers", "connect")] {
        let metadata = bytes::Bytes::from_static(b"?");
        let protocols = vec![crate::GroupProtocol { name: "p".into(), metadata }];
        let join = JoinGroup { protocols, protocol_type: protocol_type.into(), api_version: 3, ..joining(group) };
        let caller = rig.send_join(join);
        rig.pass_ms(0);
        let place = rig.joined(caller).expect("a place");
        rig.assign(group, &[place]);
    }
    assert_eq!(delete_offsets(&mut rig, "opaque", &[("t", &[0])]), Ok(vec![ErrorCode::GroupSubscribedToTopic]));
    assert_eq!(delete_offsets(&mut rig, "workers", &[("t", &[0])]), Err(ErrorCode::NonEmptyGroup));
}

#[test]
fn a_group_without_members_is_deleted_with_its_positions() {
    let mut rig = Rig::new();
    assert_eq!(rig.delete("g"), ErrorCode::GroupIdNotFound);
    rig.commit(committing("g", "t", 0, 7));
    let ids = rig.stable("g", 1);
    assert_eq!(rig.delete("g"), ErrorCode::NonEmptyGroup);
    rig.leave("g", &[(ids[0].as_str(), None)]);
    assert_eq!(rig.delete("g"), ErrorCode::None);
    for _ in 0..2 {
        assert_eq!(rig.state("g"), GroupState::Dead);
        assert_eq!(rig.position("g", "t", 0), -1);
        rig.compact();
        assert!(rig.log.is_empty(), "nothing is left of it");
        rig.reload();
    }
}

#[test]
fn a_group_with_more_positions_than_fit_into_a_batch_is_not_deleted() {
    let mut rig = Rig::new();
    for partition in 0..100 {
        rig.commit(committing("g", "t", partition, 7));
    }
    rig.room = 2_000;
    assert_eq!(rig.delete("g"), ErrorCode::UnknownServerError);
    assert_eq!(rig.position("g", "t", 99), 7);
}

#[test]
fn groups_are_listed_by_state_and_type() {
    // KIP-518, KIP-848
    let mut rig = Rig::with(GroupConfig::default());
    rig.commit(committing("simple", "t", 0, 7));
    let id = rig.admit(joining("busy"));
    rig.send_join(known("busy", &id));
    let mut list = |states: &[&str], types: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| Arc::from(*text)).collect();
        let request = crate::ListGroups { states: texts(states), types: texts(types) };
        let Reply::ListGroups(groups) = rig.ask(Command::ListGroups(request)) else { panic!("a list") };
        groups.iter().map(|group| format!("{} {}", group.group, group.protocol_type)).collect::<Vec<_>>()
    };
    assert_eq!(list(&[], &[]), ["busy consumer", "simple "]);
    assert_eq!(list(&[" empty"], &["CLASSIC"]), ["simple "]);
    assert_eq!(list(&["PreparingRebalance", "Stable"], &[]), ["busy consumer"]);
    assert_eq!(list(&["bogus"], &[]), Vec::<String>::new());
    assert_eq!(list(&[], &["consumer"]), Vec::<String>::new());
    let parts = callboard_shard::Shard::parts(&rig.groups);
    assert_eq!(parts[0].name, "busy");
    assert!(parts[0].fields.contains(&("cause", "a member joined".to_owned())), "{parts:?}");
}
