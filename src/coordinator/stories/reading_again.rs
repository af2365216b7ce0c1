//! The coordinator moves or fails: what its log says is what goes on.

use callboard_model::{ErrorCode, GroupConfig};
use std::time::Duration;

use crate::rig::{Rig, committing, joining, known, syncing};
use crate::{GroupState, OffsetCommit};

#[test]
fn a_stable_group_goes_on_without_a_rebalance() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 3);
    rig.compact();
    rig.reload();
    rig.pass_ms(9_999);
    for id in &ids {
        assert_eq!(rig.heartbeat("g", 1, id), ErrorCode::None, "sessions began anew");
    }
    assert_eq!(rig.state("g"), GroupState::Stable);
    let place =
        crate::JoinGroupReply { generation: 1, ..crate::JoinGroupReply::refused(ids[1].clone(), ErrorCode::None) };
    assert_eq!(&rig.sync(syncing("g", &place)).assignment[..], ids[1].as_str().as_bytes());
    let commit = OffsetCommit { generation: 1, member: ids[2].clone(), ..committing("g", "t", 0, 7) };
    assert_eq!(rig.commit(commit), [ErrorCode::None]);
    let caller = rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.joined(caller), None, "the leader is who it was");
}

#[test]
fn members_that_do_not_come_back_are_silent() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    rig.reload();
    rig.pass_ms(9_000);
    rig.heartbeat("g", 1, &ids[0]);
    rig.pass_ms(1_000);
    assert_eq!(rig.heartbeat("g", 1, &ids[0]), ErrorCode::RebalanceInProgress);
    assert_eq!(rig.heartbeat("g", 1, &ids[1]), ErrorCode::UnknownMemberId);
}

#[test]
fn a_generation_that_was_never_assigned_is_forgotten_and_its_members_rejoin() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    let callers: Vec<_> = ids.iter().map(|id| rig.send_join(known("g", id))).collect();
    let place = rig.joined(callers[0]).expect("a place");
    assert_eq!(place.generation, 2);
    rig.reload();
    assert_eq!(rig.heartbeat("g", 2, &ids[0]), ErrorCode::IllegalGeneration);
    assert_eq!(rig.sync(syncing("g", &place)).error, ErrorCode::IllegalGeneration);
    let callers: Vec<_> = ids.iter().map(|id| rig.send_join(known("g", id))).collect();
    let places: Vec<_> = callers.iter().map(|caller| rig.joined(*caller).expect("a place")).collect();
    rig.assign("g", &places);
}

#[test]
fn an_empty_group_is_still_there_and_its_members_begin_anew() {
    let mut rig = Rig::new();
    let pending = rig.admit(joining("g"));
    rig.reload();
    assert_eq!(rig.state("g"), GroupState::Empty);
    assert_eq!(rig.join(known("g", &pending)).error, ErrorCode::UnknownMemberId);
}

#[test]
fn a_group_that_has_become_too_large_rebalances_so_that_the_last_to_rejoin_are_out() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 3);
    rig.config = GroupConfig { max_size: 2, initial_rebalance_delay: Duration::ZERO, ..GroupConfig::default() };
    rig.reload();
    assert_eq!(rig.heartbeat("g", 1, &ids[0]), ErrorCode::RebalanceInProgress);
    let commit = OffsetCommit { generation: 1, member: ids[2].clone(), ..committing("g", "t", 0, 7) };
    assert_eq!(rig.commit(commit), [ErrorCode::None], "there is time to commit");
    let callers: Vec<_> = ids.iter().map(|id| rig.send_join(known("g", id))).collect();
    assert_eq!(rig.joined(callers[2]).expect("told").error, ErrorCode::GroupMaxSizeReached);
    let places: Vec<_> = callers[..2].iter().map(|caller| rig.joined(*caller).expect("a place")).collect();
    assert_eq!(places[0].members.len() + places[1].members.len(), 2);
    rig.assign("g", &places);
}

#[test]
fn what_the_log_says_is_what_there_was() {
    let mut rig = Rig::new();
    rig.stable("g", 2);
    rig.commit(committing("simple", "t", 0, 7));
    rig.commit(committing("gone", "t", 0, 7));
    assert_eq!(rig.delete("gone"), ErrorCode::None);
    use callboard_shard::Shard;
    let before = rig.groups.snapshot();
    rig.compact();
    rig.reload();
    assert_eq!(rig.groups.snapshot(), before);
    assert_eq!(rig.state("gone"), GroupState::Dead);
}
