//! Static members (KIP-345, KIP-814): a process that comes back takes its own place.

use callboard_model::{ErrorCode, GroupConfig};
use std::time::Duration;

use crate::rig::{Rig, as_instance, known, protocol, subscription, syncing};
use crate::{Command, GroupState, JoinGroup, JoinGroupReply, Reply, SyncGroup};

/// A stable group of the instances `a`, `b`, ...; their places, the leader's first.
fn stable(rig: &mut Rig, instances: &[&str]) -> Vec<(String, JoinGroupReply)> {
    let callers: Vec<_> = instances.iter().map(|instance| rig.send_join(as_instance("g", instance))).collect();
    rig.pass_ms(0);
    let places: Vec<_> = callers.iter().map(|caller| rig.joined(*caller).expect("a place")).collect();
    rig.assign("g", &places);
    let mut places: Vec<_> = instances.iter().map(|name| (*name).to_owned()).zip(places).collect();
    places.sort_by_key(|(_, place)| place.member != place.leader);
    places
}

#[test]
fn a_static_member_goes_straight_in_and_its_id_begins_with_its_instance() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a"]);
    assert!(places[0].1.member.as_str().starts_with("a-"));
    assert_eq!(places[0].1.members[0].instance, Some("a".into()));
}

#[test]
fn a_static_follower_that_comes_back_keeps_its_assignment_without_a_rebalance() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let (instance, old) = &places[1];
    let records = rig.log.len();
    let back =
        rig.join(JoinGroup { client_id: "new".into(), session_timeout_ms: 20_000, ..as_instance("g", instance) });
    assert_eq!((back.error, back.generation, back.members.len()), (ErrorCode::None, 1, 0));
    assert_ne!(back.member, old.member);
    assert_eq!(rig.log.len(), records + 1, "its new id is written down");
    assert_eq!(rig.state("g"), GroupState::Stable);
    let assignment = rig.sync(SyncGroup { instance: Some(instance.as_str().into()), ..syncing("g", &back) }).assignment;
    assert_eq!(&assignment[..], old.member.as_str().as_bytes(), "what the old id was given");
    let described = rig.describe("g");
    let member = described.members.iter().find(|member| member.member == back.member).expect("it is in");
    assert_eq!(&*member.client_id, "new");
    // Its session is its own: 20 s.
    rig.heartbeat("g", 1, &places[0].1.member);
    rig.pass_ms(9_999);
    rig.heartbeat("g", 1, &places[0].1.member);
    rig.pass_ms(9_000);
    assert_eq!(rig.heartbeat_as("g", 1, &back.member, Some(instance)), ErrorCode::None);
}

#[test]
fn a_static_member_that_takes_its_place_and_is_silent_then_is_out() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let back = rig.join(as_instance("g", &places[1].0));
    for _ in 0..2 {
        rig.heartbeat("g", 1, &places[0].1.member);
        rig.pass_ms(5_000);
    }
    assert_eq!(rig.heartbeat("g", 1, &back.member), ErrorCode::UnknownMemberId);
    assert_eq!(rig.heartbeat("g", 1, &places[0].1.member), ErrorCode::RebalanceInProgress);
}

#[test]
fn the_process_whose_place_was_taken_is_fenced_whatever_it_asks() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let (instance, old) = &places[1];
    rig.join(as_instance("g", instance));
    let instance = Some(instance.as_str());
    assert_eq!(rig.heartbeat_as("g", 1, &old.member, instance), ErrorCode::FencedInstanceId);
    assert_eq!(rig.heartbeat("g", 1, &old.member), ErrorCode::UnknownMemberId, "without its instance nobody knows it");
    let id = instance.map(Into::into);
    let sync = SyncGroup { instance: id.clone(), ..syncing("g", old) };
    assert_eq!(rig.sync(sync).error, ErrorCode::FencedInstanceId);
    let join = JoinGroup { instance: id.clone(), ..known("g", &old.member) };
    assert_eq!(rig.join(join).error, ErrorCode::FencedInstanceId);
    assert_eq!(rig.leave("g", &[(old.member.as_str(), instance)]), [ErrorCode::FencedInstanceId]);
    let commit = crate::OffsetCommit {
        member: old.member.clone(),
        generation: 1,
        instance: id,
        ..crate::rig::committing("g", "t", 0, 5)
    };
    assert_eq!(rig.commit(commit), [ErrorCode::FencedInstanceId]);
}

#[test]
fn an_instance_that_nobody_knows_is_an_unknown_member() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a"]);
    assert_eq!(rig.heartbeat_as("g", 1, &places[0].1.member, Some("zz")), ErrorCode::UnknownMemberId);
    let pending = rig.admit(crate::rig::joining("g"));
    let join = JoinGroup { instance: Some("zz".into()), ..known("g", &pending) };
    assert_eq!(rig.join(join).error, ErrorCode::UnknownServerError, "ids are given out to dynamic members");
}

#[test]
fn a_static_leader_that_comes_back_is_told_to_skip_the_assignment() {
    // KIP-814: it learns of all members, so that it sees what changes later.
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let (instance, _) = &places[0];
    let back = rig.join(JoinGroup { api_version: 9, ..as_instance("g", instance) });
    assert_eq!((back.skip_assignment, back.members.len(), back.leader == back.member), (true, 2, true));
    assert_eq!(rig.state("g"), GroupState::Stable);
}

#[test]
fn a_static_leader_that_cannot_skip_is_not_told_that_it_leads() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let (instance, old) = &places[0];
    let back = rig.join(JoinGroup { api_version: 8, ..as_instance("g", instance) });
    assert_eq!((back.skip_assignment, back.members.len(), &back.leader), (false, 0, &old.member));
    // It leads all the same: its next join rebalances.
    let caller = rig.send_join(JoinGroup { instance: Some(instance.as_str().into()), ..known("g", &back.member) });
    assert_eq!(rig.joined(caller), None);
}

#[test]
fn a_changed_subscription_of_a_stable_static_member_is_noted_without_a_rebalance() {
    // As Kafka does: only a change of the chosen protocol rebalances.
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let changed = JoinGroup { protocols: vec![protocol("range", "other")], ..as_instance("g", &places[1].0) };
    assert_eq!(rig.join(changed).generation, 1);
    let described = rig.describe("g");
    assert_eq!(described.state, GroupState::Stable);
    assert!(described.members.iter().any(|member| member.metadata == subscription("other")));
}

#[test]
fn a_static_member_that_changes_the_group_s_protocol_rebalances() {
    let mut rig = Rig::new();
    let both = |first: &str, second: &str| vec![protocol(first, "t"), protocol(second, "t")];
    let joins = ["a", "b"].map(|name| JoinGroup { protocols: both("x", "y"), ..as_instance("g", name) });
    let callers = joins.clone().map(|join| rig.send_join(join));
    rig.pass_ms(0);
    let places = callers.map(|caller| rig.joined(caller).expect("a place"));
    rig.assign("g", &places);
    let [first, second] = joins.map(|join| JoinGroup { protocols: both("y", "x"), ..join });
    let back = rig.join(first);
    assert_eq!(back.generation, 1, "one vote each, x still");
    let caller = rig.send_join(second);
    assert_eq!(rig.joined(caller), None);
    assert_eq!(rig.state("g"), GroupState::PreparingRebalance);
}

#[test]
fn a_static_member_that_comes_back_while_the_leader_assigns_rebalances() {
    let mut rig = Rig::new();
    let callers = ["a", "b"].map(|instance| rig.send_join(as_instance("g", instance)));
    rig.pass_ms(0);
    let places = callers.map(|caller| rig.joined(caller).expect("a place"));
    let waiting = rig.send_sync(SyncGroup { instance: Some("b".into()), ..syncing("g", &places[1]) });
    let caller = rig.send_join(as_instance("g", "b"));
    assert_eq!(rig.synced(waiting).expect("told").error, ErrorCode::FencedInstanceId);
    assert_eq!(rig.state("g"), GroupState::PreparingRebalance);
    let other = rig.send_join(JoinGroup { instance: Some("a".into()), ..known("g", &places[0].member) });
    assert_eq!(rig.joined(caller).expect("a place").generation, 2);
    assert_eq!(rig.joined(other).expect("a place").generation, 2);
}

#[test]
fn a_static_member_that_comes_back_while_members_join_takes_over_the_wait() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b", "c"]);
    let leader = places[0].1.member.clone();
    rig.send_join(JoinGroup { instance: Some(places[0].0.as_str().into()), ..known("g", &leader) });
    let old =
        rig.send_join(JoinGroup { instance: Some(places[1].0.as_str().into()), ..known("g", &places[1].1.member) });
    let new = rig.send_join(as_instance("g", &places[1].0));
    assert_eq!(rig.joined(old).expect("told").error, ErrorCode::FencedInstanceId);
    assert_eq!(rig.joined(new), None);
    let last = rig.send_join(as_instance("g", &places[2].0));
    assert_eq!(rig.joined(new).expect("a place").generation, 2);
    assert_eq!(rig.joined(last).expect("a place").generation, 2);
}

#[test]
fn a_static_member_that_is_late_stays_in_the_group_until_its_session_ends() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let (leader, follower) = (&places[0], &places[1]);
    let rejoin = JoinGroup { instance: Some(leader.0.as_str().into()), ..known("g", &leader.1.member) };
    let caller = rig.send_join(rejoin);
    for _ in 0..7 {
        rig.heartbeat_as("g", 1, &follower.1.member, Some(&follower.0));
        rig.pass_ms(9_000);
    }
    let place = rig.joined(caller).expect("a place after the rebalance timeout");
    assert_eq!(place.members.len(), 2, "the other one keeps its place");
}

#[test]
fn when_only_static_members_are_left_and_none_joins_their_sessions_decide() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let leaving = rig.leave("g", &[("", Some(places[0].0.as_str()))]);
    assert_eq!(leaving, [ErrorCode::None]);
    assert_eq!(rig.state("g"), GroupState::PreparingRebalance);
    rig.pass_ms(10_000);
    assert_eq!(rig.state("g"), GroupState::Empty);
}

#[test]
fn a_full_group_lets_a_static_member_take_its_own_place() {
    let config = GroupConfig { max_size: 2, initial_rebalance_delay: Duration::ZERO, ..GroupConfig::default() };
    let mut rig = Rig::with(config);
    let places = stable(&mut rig, &["a", "b"]);
    assert_eq!(rig.join(as_instance("g", "c")).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(rig.join(as_instance("g", &places[1].0)).error, ErrorCode::None);
}

#[test]
fn a_new_subscription_too_large_for_a_record_changes_nothing() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    rig.room = 4_000;
    let metadata = vec![0; 4_000].into();
    let huge = vec![crate::GroupProtocol { name: "range".into(), metadata }];
    let reply = rig.join(JoinGroup { protocols: huge, ..as_instance("g", &places[1].0) });
    assert_eq!(reply.error, ErrorCode::UnknownServerError);
    assert_eq!(
        rig.heartbeat_as("g", 1, &places[1].1.member, Some(&places[1].0)),
        ErrorCode::None,
        "the old process goes on"
    );
}

#[test]
fn a_place_that_was_taken_survives_the_coordinator() {
    let mut rig = Rig::new();
    let places = stable(&mut rig, &["a", "b"]);
    let back = rig.join(as_instance("g", &places[0].0));
    rig.reload();
    assert_eq!(rig.heartbeat_as("g", 1, &back.member, Some(&places[0].0)), ErrorCode::None);
    assert_eq!(rig.heartbeat_as("g", 1, &places[0].1.member, Some(&places[0].0)), ErrorCode::FencedInstanceId);
    let Reply::ListGroups(groups) = rig.ask(Command::ListGroups(crate::ListGroups::default())) else {
        panic!("a list")
    };
    assert_eq!(groups[0].state, GroupState::Stable);
}
