use callboard_client::GroupMember;
use callboard_client::model::BrokerId;

use super::seek::{Stage, Step};
use super::*;
use crate::snapshot::check_answer;

fn listed(group: &str, state: &str) -> ListedGroup {
    ListedGroup {
        group: group.to_owned(),
        protocol_type: "consumer".to_owned(),
        state: state.to_owned(),
        group_type: "Classic".to_owned(),
        coordinator: BrokerId(1),
    }
}

#[test]
fn a_list_of_groups() {
    check_answer("group-list", &show::list(&[listed("billing", "Stable"), listed("audit", "PreparingRebalance")]));
    check_answer("group-list-empty", &show::list(&[]));
}

fn picture() -> GroupPicture {
    let member = GroupMember {
        member_id: "billing-1-uuid".to_owned(),
        group_instance_id: Some("host-7".to_owned()),
        client_id: "billing-1".to_owned(),
        host: "/10.0.0.7".to_owned(),
        partitions: Some(vec![TopicPartition::new("orders", 0)]),
        assignment: bytes::Bytes::new(),
    };
    let group = GroupDescription {
        group: "billing".to_owned(),
        state: "Stable".to_owned(),
        protocol_type: "consumer".to_owned(),
        protocol: "range".to_owned(),
        coordinator: BrokerId(1),
        members: vec![member],
    };
    let standing = |index, committed, end, read: bool| Standing {
        partition: TopicPartition::new("orders", index),
        committed,
        start: Some(5),
        end,
        member: read.then(|| ("billing-1-uuid".to_owned(), "billing-1".to_owned(), "/10.0.0.7".to_owned())),
    };
    let standings = vec![
        standing(0, Some(1200), Some(1205), true),
        standing(1, None, Some(105), false),
        standing(2, Some(7), None, false),
    ];
    GroupPicture { group, standings }
}

#[test]
fn a_described_group() {
    check_answer("group-describe", &Answer::Many(vec![show::describe(&picture())]));
}

#[test]
fn lag_counts_from_the_log_s_start_where_nothing_is_committed() {
    let lags: Vec<_> = picture().standings.iter().map(Standing::lag).collect();
    assert_eq!(lags, [Some(5), Some(100), None]);
    check_answer("group-lag", &show::lag(&[picture()]));
    check_answer("group-lag-partitions", &show::lag_of_partitions(&[picture()]));
}

#[test]
fn a_plan_of_offsets() {
    let step = |index, from, to| Step { partition: TopicPartition::new("orders", index), from, to, end: 1205 };
    let plan = [step(0, Some(1200), 700), step(1, None, 1205)];
    check_answer("group-seek-plan", &seek::show("billing", &plan, Stage::Planned));
    check_answer("group-seek-done", &seek::show("billing", &plan, Stage::Done));
}
