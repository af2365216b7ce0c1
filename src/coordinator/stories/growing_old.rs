//! When positions and groups are forgotten (KIP-211).

use std::time::Duration;

use callboard_model::ErrorCode;

use crate::rig::{Rig, committing, joining, known};
use crate::{GroupState, JoinGroup, OffsetCommit};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CHECK: Duration = Duration::from_secs(10 * 60);

/// Lets days pass for a member that goes on beating.
fn live(rig: &mut Rig, group: &str, generation: i32, member: &crate::MemberId, days: u32) {
    for _ in 0..days * 24 * 60 {
        rig.pass(Duration::from_secs(60));
        assert_eq!(rig.heartbeat(group, generation, member), ErrorCode::None);
    }
}

fn patient(group: &str) -> JoinGroup {
    JoinGroup { session_timeout_ms: 1_800_000, ..joining(group) }
}

/// A stable group of one that reads `t`.
fn member(rig: &mut Rig) -> crate::MemberId {
    let id = rig.admit(patient("g"));
    let caller = rig.send_join(JoinGroup { member: id.clone(), ..patient("g") });
    rig.pass_ms(0);
    let place = rig.joined(caller).expect("a place");
    rig.assign("g", &[place]);
    id
}

#[test]
fn positions_of_nobody_in_particular_grow_old_from_their_commit() {
    let mut rig = Rig::new();
    rig.commit(committing("g", "t", 0, 7));
    rig.pass(3 * DAY);
    rig.commit(committing("g", "t", 1, 7));
    rig.pass(4 * DAY - Duration::from_secs(1));
    assert_eq!(rig.position("g", "t", 0), 7);
    rig.pass(CHECK + Duration::from_secs(1));
    assert_eq!((rig.position("g", "t", 0), rig.position("g", "t", 1)), (-1, 7));
    assert_eq!(rig.state("g"), GroupState::Empty);
    rig.pass(3 * DAY);
    assert_eq!(rig.state("g"), GroupState::Dead, "with its last position the group goes");
    rig.compact();
    assert!(rig.log.is_empty());
}

#[test]
fn positions_of_a_group_grow_old_from_the_moment_when_it_is_empty() {
    let mut rig = Rig::new();
    let id = member(&mut rig);
    let commit = OffsetCommit { generation: 1, member: id.clone(), ..committing("g", "t", 0, 7) };
    assert_eq!(rig.commit(commit), [ErrorCode::None]);
    live(&mut rig, "g", 1, &id, 8);
    assert_eq!(rig.position("g", "t", 0), 7, "it is read");
    rig.leave("g", &[(id.as_str(), None)]);
    rig.pass(6 * DAY);
    rig.reload();
    rig.pass(DAY - Duration::from_secs(1));
    assert_eq!(rig.position("g", "t", 0), 7);
    rig.pass(CHECK + Duration::from_secs(1));
    assert_eq!(rig.state("g"), GroupState::Dead);
    assert_eq!(rig.position("g", "t", 0), -1);
}

#[test]
fn in_a_stable_group_only_what_it_does_not_read_grows_old() {
    let mut rig = Rig::new();
    rig.commit(committing("g", "other", 0, 7));
    rig.commit(committing("g", "t", 0, 7));
    let id = member(&mut rig);
    live(&mut rig, "g", 1, &id, 8);
    assert_eq!((rig.position("g", "t", 0), rig.position("g", "other", 0)), (7, -1));
    assert_eq!(rig.state("g"), GroupState::Stable);
}

#[test]
fn while_it_is_not_known_what_a_group_reads_nothing_grows_old() {
    let mut rig = Rig::new();
    rig.commit(committing("g", "t", 0, 7));
    let protocols = vec![crate::GroupProtocol { name: "p".into(), metadata: bytes::Bytes::from_static(b"?") }];
    let join = JoinGroup { protocols, api_version: 3, ..patient("g") };
    let caller = rig.send_join(join);
    rig.pass_ms(0);
    let place = rig.joined(caller).expect("a place");
    rig.assign("g", std::slice::from_ref(&place));
    live(&mut rig, "g", 1, &place.member, 8);
    assert_eq!(rig.position("g", "t", 0), 7);
}

#[test]
fn a_position_with_a_time_of_its_own_goes_then() {
    // OffsetCommit 2 to 4.
    let mut rig = Rig::new();
    let hour = 60 * 60 * 1_000;
    for (partition, retention_ms) in [(0, hour), (1, 30 * 24 * hour), (2, -1)] {
        let commit = OffsetCommit { retention_ms, api_version: 4, ..committing("g", "t", partition, 7) };
        assert_eq!(rig.commit(commit), [ErrorCode::None]);
    }
    let offsets = |rig: &mut Rig| [0, 1, 2].map(|partition| rig.position("g", "t", partition));
    rig.pass(Duration::from_secs(3_599));
    assert_eq!(offsets(&mut rig), [7, 7, 7]);
    rig.pass(CHECK + Duration::from_secs(1));
    assert_eq!(offsets(&mut rig), [-1, 7, 7]);
    rig.reload();
    rig.pass(8 * DAY);
    assert_eq!(offsets(&mut rig), [-1, 7, -1]);
    rig.pass(30 * DAY);
    assert_eq!(offsets(&mut rig), [-1, -1, -1]);
}

#[test]
fn a_group_without_members_and_positions_goes_with_the_next_round() {
    let mut rig = Rig::new();
    rig.admit(joining("pending"));
    let ids = rig.stable("g", 1);
    rig.leave("g", &[(ids[0].as_str(), None)]);
    assert_eq!(rig.state("g"), GroupState::Empty);
    rig.pass(CHECK);
    assert_eq!(rig.state("g"), GroupState::Dead);
    assert!(rig.groups.is_empty());
    rig.compact();
    assert!(rig.log.is_empty());
}

#[test]
fn somebody_who_was_given_an_id_keeps_the_group() {
    let mut rig = Rig::new();
    rig.pass(CHECK - Duration::from_secs(1));
    let id = rig.admit(joining("g"));
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.state("g"), GroupState::Empty, "the round has been");
    rig.send_join(known("g", &id));
    assert_ne!(rig.state("g"), GroupState::Dead);
}

#[test]
fn a_round_goes_in_slices_and_never_writes_more_than_fits() {
    let mut rig = Rig::new();
    for group in 0..700 {
        rig.commit(committing(&format!("g{group}"), "t", 0, 7));
    }
    for partition in 0..100 {
        rig.commit(committing("large", "t", partition, 7));
    }
    rig.room = 1_000;
    rig.pass(7 * DAY + CHECK);
    assert!(rig.groups.is_empty(), "{} groups are left", rig.groups.len());
}
