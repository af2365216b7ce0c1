//! SyncGroup and Heartbeat: assignments, and what each state answers.

use bytes::Bytes;
use callboard_model::ErrorCode;

use crate::rig::{Rig, joining, known, syncing};
use crate::{GroupState, JoinGroup, JoinGroupReply, MemberAssignment, SyncGroup};

/// A group of two after its join: the leader's place first.
fn completing(rig: &mut Rig) -> [JoinGroupReply; 2] {
    let ids = rig.stable("g", 2);
    let callers: Vec<_> = ids.iter().map(|id| rig.send_join(known("g", id))).collect();
    assert_eq!(rig.state("g"), GroupState::CompletingRebalance);
    [rig.joined(callers[0]).expect("a place"), rig.joined(callers[1]).expect("a place")]
}

fn assignment(place: &JoinGroupReply, bytes: &'static [u8]) -> MemberAssignment {
    MemberAssignment { member: place.member.clone(), assignment: Bytes::from_static(bytes) }
}

#[test]
fn followers_wait_for_the_leader_and_everybody_gets_its_own() {
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    let waiting = rig.send_sync(syncing("g", &follower));
    assert_eq!(rig.synced(waiting), None);
    let assignments = vec![assignment(&follower, b"F"), assignment(&leader, b"L")];
    let reply = rig.sync(SyncGroup { assignments, ..syncing("g", &leader) });
    assert_eq!((reply.error, &reply.assignment[..]), (ErrorCode::None, &b"L"[..]));
    let reply = rig.synced(waiting).expect("an assignment");
    assert_eq!((&reply.assignment[..], reply.protocol.as_deref()), (&b"F"[..], Some("range")));
    assert_eq!(reply.protocol_type.as_deref(), Some("consumer"));
}

#[test]
fn a_sync_after_the_leader_s_and_one_that_is_sent_again_get_the_same() {
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    rig.sync(SyncGroup { assignments: vec![assignment(&follower, b"F")], ..syncing("g", &leader) });
    for _ in 0..2 {
        assert_eq!(&rig.sync(syncing("g", &follower)).assignment[..], b"F");
    }
    let other = SyncGroup { assignments: vec![assignment(&follower, b"other")], ..syncing("g", &leader) };
    assert_eq!(&rig.sync(other).assignment[..], b"", "it is decided; the leader gave itself nothing");
    assert_eq!(&rig.sync(syncing("g", &follower)).assignment[..], b"F");
}

#[test]
fn assignments_to_strangers_are_left_out() {
    let mut rig = Rig::new();
    let [leader, _] = completing(&mut rig);
    let stranger = MemberAssignment { member: "stranger".into(), assignment: Bytes::from_static(b"S") };
    rig.sync(SyncGroup { assignments: vec![stranger], ..syncing("g", &leader) });
    assert_eq!(rig.groups.snapshot_of("g").members.len(), 2);
    assert!(rig.groups.snapshot_of("g").members.iter().all(|member| member.assignment.is_empty()));
}

#[test]
fn a_sync_is_checked() {
    let mut rig = Rig::new();
    let [leader, _] = completing(&mut rig);
    let right = syncing("g", &leader);
    let checks = [
        (SyncGroup { group: "".into(), ..right.clone() }, ErrorCode::InvalidGroupId),
        (SyncGroup { group: "none".into(), ..right.clone() }, ErrorCode::UnknownMemberId),
        (SyncGroup { member: "none".into(), ..right.clone() }, ErrorCode::UnknownMemberId),
        (SyncGroup { instance: Some("none".into()), ..right.clone() }, ErrorCode::UnknownMemberId),
        (SyncGroup { generation: 1, ..right.clone() }, ErrorCode::IllegalGeneration),
        (SyncGroup { generation: -1, ..right.clone() }, ErrorCode::IllegalGeneration),
        // KIP-559
        (SyncGroup { protocol_type: Some("connect".into()), ..right.clone() }, ErrorCode::InconsistentGroupProtocol),
        (SyncGroup { protocol: Some("other".into()), ..right.clone() }, ErrorCode::InconsistentGroupProtocol),
    ];
    for (sync, error) in checks {
        assert_eq!(rig.sync(sync.clone()).error, error, "{sync:?}");
    }
    let silent = SyncGroup { protocol_type: None, protocol: None, ..right };
    assert_eq!(rig.sync(silent).error, ErrorCode::None, "what is not said agrees");
}

#[test]
fn a_sync_into_a_rebalance_is_sent_back() {
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    let waiting = rig.send_sync(syncing("g", &follower));
    rig.leave("g", &[(leader.member.as_str(), None)]);
    assert_eq!(rig.synced(waiting).expect("told").error, ErrorCode::RebalanceInProgress);
    assert_eq!(rig.sync(syncing("g", &follower)).error, ErrorCode::RebalanceInProgress);
    rig.leave("g", &[(follower.member.as_str(), None)]);
    assert_eq!(rig.sync(syncing("g", &follower)).error, ErrorCode::UnknownMemberId, "empty");
}

#[test]
fn a_sync_that_takes_over_from_another_is_answered_and_the_other_one_too() {
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    let lost = rig.send_sync(syncing("g", &follower));
    let again = rig.send_sync(syncing("g", &follower));
    assert_eq!(rig.synced(lost).expect("told").error, ErrorCode::RebalanceInProgress);
    rig.sync(SyncGroup { assignments: vec![assignment(&follower, b"F")], ..syncing("g", &leader) });
    assert_eq!(&rig.synced(again).expect("an assignment").assignment[..], b"F");
}

#[test]
fn members_that_do_not_sync_in_time_are_out() {
    // KAFKA-12759: pending sync members.
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    let waiting = rig.send_sync(syncing("g", &follower));
    for _ in 0..6 {
        assert_eq!(rig.heartbeat("g", 2, &leader.member), ErrorCode::None, "alive, but it does not assign");
        rig.pass_ms(9_990);
    }
    assert_eq!(rig.synced(waiting), None);
    rig.pass_ms(100);
    assert_eq!(rig.synced(waiting).expect("told").error, ErrorCode::RebalanceInProgress);
    assert_eq!(rig.heartbeat("g", 2, &leader.member), ErrorCode::UnknownMemberId);
    let caller = rig.send_join(known("g", &follower.member));
    let place = rig.joined(caller).expect("a place");
    assert_eq!((place.generation, &place.leader), (3, &follower.member));
}

#[test]
fn members_that_do_not_sync_a_stable_generation_are_out_too() {
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    rig.sync(syncing("g", &leader));
    for _ in 0..7 {
        rig.heartbeat("g", 2, &leader.member);
        rig.heartbeat("g", 2, &follower.member);
        rig.pass_ms(9_000);
    }
    assert_eq!(rig.heartbeat("g", 2, &follower.member), ErrorCode::UnknownMemberId);
    assert_eq!(rig.heartbeat("g", 2, &leader.member), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_member_that_waits_is_not_silent() {
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    let waiting = rig.send_sync(syncing("g", &follower));
    for _ in 0..3 {
        rig.pass_ms(9_990);
        rig.heartbeat("g", 2, &leader.member);
    }
    rig.sync(SyncGroup { assignments: vec![assignment(&follower, b"F")], ..syncing("g", &leader) });
    assert_eq!(&rig.synced(waiting).expect("an assignment").assignment[..], b"F");
    rig.pass_ms(9_990);
    assert_eq!(rig.heartbeat("g", 2, &follower.member), ErrorCode::None, "its session began with the answer");
}

#[test]
fn a_member_that_waited_beyond_its_session_has_a_new_one_from_its_answer_on() {
    for is_refused in [false, true] {
        let mut rig = Rig::new();
        let [leader, follower] = completing(&mut rig);
        let waiting = rig.send_sync(syncing("g", &follower));
        for _ in 0..2 {
            rig.pass_ms(9_000);
            rig.heartbeat("g", 2, &leader.member);
        }
        if is_refused {
            rig.send_join(JoinGroup {
                protocols: vec![crate::rig::protocol("range", "u")],
                ..known("g", &leader.member)
            });
        } else {
            rig.sync(syncing("g", &leader));
        }
        assert!(rig.synced(waiting).is_some());
        rig.pass_ms(9_000);
        rig.heartbeat("g", 2, &leader.member);
        rig.pass_ms(1_000);
        assert_eq!(rig.heartbeat("g", 2, &follower.member), ErrorCode::UnknownMemberId, "it was silent");
    }
}

#[test]
fn who_waits_for_its_assignment_and_leaves_is_told() {
    let mut rig = Rig::new();
    let [_, follower] = completing(&mut rig);
    let waiting = rig.send_sync(syncing("g", &follower));
    rig.leave("g", &[(follower.member.as_str(), None)]);
    assert_eq!(rig.synced(waiting).expect("told").error, ErrorCode::UnknownMemberId);
}

#[test]
fn an_assignment_too_large_for_a_record_is_refused_and_the_group_goes_on() {
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    rig.room = 4_000;
    let waiting = rig.send_sync(syncing("g", &follower));
    let huge = MemberAssignment { member: leader.member.clone(), assignment: vec![7; 4_000].into() };
    let reply = rig.sync(SyncGroup { assignments: vec![huge], ..syncing("g", &leader) });
    assert_eq!(reply.error, ErrorCode::UnknownServerError);
    assert_eq!(rig.synced(waiting).expect("told").error, ErrorCode::UnknownServerError);
    assert_eq!(rig.state("g"), GroupState::PreparingRebalance);
    let callers = [&leader, &follower].map(|place| rig.send_join(known("g", &place.member)));
    let places = callers.map(|caller| rig.joined(caller).expect("a place"));
    assert_eq!(places[0].generation, 3);
    rig.assign("g", &places);
}

#[test]
fn what_a_heartbeat_is_told() {
    let mut rig = Rig::new();
    let nobody = "nobody".into();
    assert_eq!(rig.heartbeat("", 1, &nobody), ErrorCode::InvalidGroupId);
    assert_eq!(rig.heartbeat("none", 1, &nobody), ErrorCode::UnknownMemberId);
    let pending = rig.admit(joining("g"));
    assert_eq!(rig.heartbeat("g", 0, &pending), ErrorCode::UnknownMemberId, "pending");
    rig.leave("g", &[(pending.as_str(), None)]);
    let [leader, follower] = completing(&mut rig);
    assert_eq!(rig.heartbeat("g", 2, &leader.member), ErrorCode::None, "completing");
    assert_eq!(rig.heartbeat("g", 1, &leader.member), ErrorCode::IllegalGeneration);
    rig.assign("g", &[leader.clone(), follower.clone()]);
    assert_eq!(rig.heartbeat("g", 2, &leader.member), ErrorCode::None, "stable");
    assert_eq!(rig.heartbeat("g", 3, &leader.member), ErrorCode::IllegalGeneration);
    rig.leave("g", &[(follower.member.as_str(), None)]);
    assert_eq!(rig.heartbeat("g", 2, &leader.member), ErrorCode::RebalanceInProgress, "preparing");
    rig.leave("g", &[(leader.member.as_str(), None)]);
    assert_eq!(rig.heartbeat("g", 2, &leader.member), ErrorCode::UnknownMemberId, "empty");
}

#[test]
fn a_stable_group_shows_its_members_in_full_and_others_only_who_they_are() {
    let mut rig = Rig::new();
    let [leader, follower] = completing(&mut rig);
    let described = rig.describe("g");
    assert_eq!((described.state, &*described.protocol), (GroupState::CompletingRebalance, ""));
    assert!(described.members.iter().all(|member| member.metadata.is_empty()));
    rig.assign("g", &[leader, follower]);
    let described = rig.describe("g");
    assert_eq!((&*described.protocol, &*described.protocol_type), ("range", "consumer"));
    for member in described.members {
        assert_eq!(member.metadata, crate::rig::subscription("t"));
        assert_eq!(&member.assignment[..], member.member.as_str().as_bytes());
        assert_eq!((&*member.client_id, &*member.client_host), ("client", "/127.0.0.1"));
    }
}

#[test]
fn an_unknown_group_is_dead_and_from_version_6_on_an_error() {
    // KIP-1043
    let mut rig = Rig::new();
    let described = rig.describe("g");
    assert_eq!((described.error, described.state), (ErrorCode::GroupIdNotFound, GroupState::Dead));
    assert_eq!(described.error_message.as_deref(), Some("Group g not found."));
    let old = crate::DescribeGroup { group: "g".into(), api_version: 5 };
    let crate::Reply::DescribeGroup(described) = rig.ask(crate::Command::DescribeGroup(old)) else { panic!() };
    assert_eq!((described.error, described.error_message, described.state), (ErrorCode::None, None, GroupState::Dead));
}

#[test]
fn five_hundred_members_are_one_generation_and_only_the_leader_hears_of_all() {
    let mut rig = Rig::new();
    let join = JoinGroup { api_version: 3, ..joining("g") };
    let callers: Vec<_> = (0..500).map(|_| rig.send_join(join.clone())).collect();
    rig.pass_ms(0);
    let places: Vec<_> = callers.iter().map(|caller| rig.joined(*caller).expect("a place")).collect();
    assert_eq!(places.iter().map(|place| place.members.len()).sum::<usize>(), 500);
    rig.assign("g", &places);
    assert_eq!(rig.describe("g").members.len(), 500);
    assert_eq!(rig.timers(), 500 + 1, "a session each, and the round for old positions");
}
