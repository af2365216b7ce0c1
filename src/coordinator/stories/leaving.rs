//! LeaveGroup: by oneself, by an administrator, several at once.

use callboard_model::ErrorCode;

use crate::GroupState;
use crate::rig::{Rig, as_instance, joining, known};

#[test]
fn a_member_that_leaves_rebalances_the_others_and_the_last_empties_the_group() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    assert_eq!(rig.leave("g", &[(ids[0].as_str(), None)]), [ErrorCode::None]);
    assert_eq!(rig.state("g"), GroupState::PreparingRebalance);
    assert_eq!(rig.leave("g", &[(ids[1].as_str(), None)]), [ErrorCode::None]);
    assert_eq!(rig.state("g"), GroupState::Empty);
    let written = rig.groups.snapshot_of("g");
    assert_eq!((written.generation, written.members.len(), written.leader), (2, 0, None));
    assert_eq!((&*written.protocol_type, written.protocol), ("consumer", None));
}

#[test]
fn who_waits_and_leaves_is_told() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    let caller = rig.send_join(known("g", &ids[0]));
    rig.leave("g", &[(ids[0].as_str(), None)]);
    assert_eq!(rig.joined(caller).expect("told").error, ErrorCode::UnknownMemberId);
    let caller = rig.send_join(known("g", &ids[1]));
    assert_eq!(rig.joined(caller).expect("a place").leader, ids[1], "the leader's place went over");
}

#[test]
fn members_leave_in_one_batch_and_one_rebalance() {
    // KIP-345: by id, by id and instance, by instance alone.
    let mut rig = Rig::new();
    let callers = ["a", "b", "c"].map(|instance| rig.send_join(as_instance("g", instance)));
    rig.pass_ms(0);
    let places = callers.map(|caller| rig.joined(caller).expect("a place"));
    rig.assign("g", &places);
    let id = places[1].member.as_str();
    let left = rig.leave(
        "g",
        &[
            ("", Some("a")),
            (id, Some("b")),
            ("", Some("zz")),
            ("nobody", None),
            ("", None),
            (places[2].member.as_str(), Some("a")),
        ],
    );
    let unknown = ErrorCode::UnknownMemberId;
    assert_eq!(left, [ErrorCode::None, ErrorCode::None, unknown, unknown, unknown, unknown]);
    assert_eq!(rig.state("g"), GroupState::PreparingRebalance);
    let caller = rig.send_join(crate::JoinGroup { instance: Some("c".into()), ..known("g", &places[2].member) });
    assert_eq!(rig.joined(caller).expect("a place").members.len(), 1);
}

#[test]
fn leaving_what_is_not_there() {
    let mut rig = Rig::new();
    assert_eq!(rig.leave("none", &[("x", None), ("", Some("i"))]), [ErrorCode::UnknownMemberId; 2]);
    assert_eq!(rig.leave("", &[("x", None)]), [ErrorCode::InvalidGroupId]);
}

#[test]
fn an_id_that_was_given_out_can_leave_without_disturbing_anybody() {
    let mut rig = Rig::new();
    rig.stable("g", 1);
    let pending = rig.admit(joining("g"));
    assert_eq!(rig.leave("g", &[(pending.as_str(), None)]), [ErrorCode::None]);
    assert_eq!(rig.state("g"), GroupState::Stable);
    assert_eq!(rig.join(known("g", &pending)).error, ErrorCode::UnknownMemberId);
}

#[test]
fn everybody_may_leave_during_the_initial_delay() {
    let mut rig = Rig::with(callboard_model::GroupConfig::default());
    let id = rig.admit(joining("g"));
    let caller = rig.send_join(known("g", &id));
    rig.leave("g", &[(id.as_str(), None)]);
    assert_eq!(rig.joined(caller).expect("told").error, ErrorCode::UnknownMemberId);
    rig.pass_ms(3_000);
    assert_eq!(rig.state("g"), GroupState::Empty);
}
