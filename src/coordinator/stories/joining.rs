//! JoinGroup: ids, delays, sizes, protocols, and the answer in every state.

use callboard_model::{ErrorCode, GroupConfig};
use std::time::Duration;

use crate::rig::{Rig, joining, known, protocol, subscription};
use crate::{GroupState, JoinGroup, MemberId};

#[test]
fn from_version_4_on_a_first_join_is_sent_back_with_an_id() {
    // KIP-394
    let mut rig = Rig::new();
    for api_version in 4..=9 {
        let reply = rig.join(JoinGroup { api_version, ..joining("g") });
        assert_eq!(reply.error, ErrorCode::MemberIdRequired);
        assert!(reply.member.as_str().starts_with("client-"), "{:?}", reply.member);
        assert_eq!((reply.generation, reply.leader.as_str()), (-1, ""));
    }
    assert_eq!(rig.state("g"), GroupState::Empty, "nobody is in it yet");
}

#[test]
fn until_version_3_a_first_join_goes_straight_in() {
    let mut rig = Rig::new();
    let caller = rig.send_join(JoinGroup { api_version: 3, ..joining("g") });
    rig.pass_ms(0);
    let reply = rig.joined(caller).expect("a place");
    assert_eq!((reply.error, reply.generation, reply.leader == reply.member), (ErrorCode::None, 1, true));
    assert_eq!(reply.members.len(), 1);
    assert_eq!(reply.members[0].metadata, subscription("t"));
}

#[test]
fn an_id_that_does_not_come_back_is_forgotten_after_its_session() {
    let mut rig = Rig::new();
    let id = rig.admit(joining("g"));
    rig.pass_ms(9_999);
    let other = rig.admit(joining("g"));
    rig.pass_ms(1);
    assert_eq!(rig.join(known("g", &id)).error, ErrorCode::UnknownMemberId);
    let caller = rig.send_join(known("g", &other));
    rig.pass_ms(0);
    assert_eq!(rig.joined(caller).expect("a place").error, ErrorCode::None);
}

#[test]
fn an_id_that_was_given_out_holds_the_rebalance_up_until_it_comes_or_expires() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 1);
    let pending = rig.admit(joining("g"));
    let caller = rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.joined(caller), None, "the other one may join");
    rig.pass_ms(10_000);
    let place = rig.joined(caller).expect("a place");
    assert_eq!((place.generation, place.members.len()), (2, 1));
    assert_eq!(rig.join(known("g", &pending)).error, ErrorCode::UnknownMemberId);
}

#[test]
fn an_empty_group_waits_for_the_initial_delay_and_longer_while_members_come() {
    // KIP-134: 3 s by default, on every change from empty.
    let mut rig = Rig::with(GroupConfig::default());
    for generation in [1, 3] {
        let mut callers = vec![];
        let join = |rig: &mut Rig| {
            let id = rig.admit(joining("g"));
            (rig.send_join(known("g", &id)), id)
        };
        callers.push(join(&mut rig));
        rig.pass_ms(2_900);
        callers.push(join(&mut rig));
        rig.pass_ms(200);
        assert_eq!(rig.state("g"), GroupState::PreparingRebalance, "another round, somebody came");
        rig.pass_ms(2_900);
        for (caller, _) in &callers {
            assert_eq!(rig.joined(*caller).expect("a place").generation, generation);
        }
        for (_, id) in callers {
            assert_eq!(rig.leave("g", &[(id.as_str(), None)]), [ErrorCode::None]);
        }
        // The first one's leaving began a rebalance for the other.
        assert_eq!(rig.state("g"), GroupState::Empty);
    }
}

#[test]
fn the_initial_delay_is_not_put_off_beyond_the_rebalance_timeout() {
    let mut rig = Rig::with(GroupConfig::default());
    let first = JoinGroup { rebalance_timeout_ms: 8_000, ..joining("g") };
    let id = rig.admit(first.clone());
    let caller = rig.send_join(JoinGroup { member: id, ..first.clone() });
    for _ in 0..8 {
        assert_eq!(rig.joined(caller), None);
        let id = rig.admit(first.clone());
        rig.send_join(JoinGroup { member: id, ..first.clone() });
        rig.pass_ms(1_000);
    }
    assert_eq!(rig.joined(caller).expect("a place").members.len(), 9);
}

#[test]
fn session_timeouts_out_of_bounds_are_refused() {
    let mut rig = Rig::new();
    for session_timeout_ms in [5_999, 1_800_001, 0, -1, i32::MIN, i32::MAX] {
        let reply = rig.join(JoinGroup { session_timeout_ms, ..joining("g") });
        assert_eq!(reply.error, ErrorCode::InvalidSessionTimeout, "{session_timeout_ms}");
    }
    for session_timeout_ms in [6_000, 1_800_000] {
        assert_eq!(rig.join(JoinGroup { session_timeout_ms, ..joining("g") }).error, ErrorCode::MemberIdRequired);
    }
}

#[test]
fn a_group_needs_a_name_and_any_other_name_is_legal() {
    let mut rig = Rig::new();
    assert_eq!(rig.join(joining("")).error, ErrorCode::InvalidGroupId);
    for name in ["\0", "a/b", "ä\n", " ", "\u{1f600}", &"x".repeat(32_767)] {
        assert_eq!(rig.join(joining(name)).error, ErrorCode::MemberIdRequired, "{name:?}");
    }
    assert_eq!(rig.join(joining(&"x".repeat(32_768))).error, ErrorCode::InvalidRequest, "no record could say it");
}

#[test]
fn a_client_id_of_any_length_makes_a_legal_member_id() {
    let mut rig = Rig::new();
    for (client_id, starts) in [("".to_owned(), "-"), ("é".repeat(16_383), "éé")] {
        let join = JoinGroup { client_id: client_id.into(), ..joining("g") };
        let id = rig.admit(join.clone());
        assert!(id.as_str().starts_with(starts));
        rig.send_join(JoinGroup { member: id, ..join });
        rig.pass_ms(0);
    }
}

#[test]
fn an_unknown_member_is_told_so_in_every_state() {
    let mut rig = Rig::new();
    let nobody = MemberId::from("nobody");
    assert_eq!(rig.join(known("g", &nobody)).error, ErrorCode::UnknownMemberId, "no group");
    let ids = rig.stable("g", 2);
    assert_eq!(rig.join(known("g", &nobody)).error, ErrorCode::UnknownMemberId, "stable");
    rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.join(known("g", &nobody)).error, ErrorCode::UnknownMemberId, "preparing");
    rig.send_join(known("g", &ids[1]));
    assert_eq!(rig.state("g"), GroupState::CompletingRebalance);
    assert_eq!(rig.join(known("g", &nobody)).error, ErrorCode::UnknownMemberId, "completing");
    assert_eq!(rig.leave("g", &[(ids[0].as_str(), None), (ids[1].as_str(), None)]), [ErrorCode::None; 2]);
    assert_eq!(rig.join(known("g", &ids[0])).error, ErrorCode::UnknownMemberId, "empty");
}

#[test]
fn a_follower_that_joins_again_unchanged_stays_in_its_generation() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    let place = rig.join(known("g", &ids[1]));
    assert_eq!((place.error, place.generation, place.members.len()), (ErrorCode::None, 1, 0));
    assert_eq!(place.leader, ids[0]);
    assert_eq!(rig.state("g"), GroupState::Stable);
}

#[test]
fn a_leader_that_joins_again_and_a_changed_subscription_rebalance() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    let caller = rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.heartbeat("g", 1, &ids[1]), ErrorCode::RebalanceInProgress);
    let other = rig.send_join(known("g", &ids[1]));
    let places = [rig.joined(caller).expect("a place"), rig.joined(other).expect("a place")];
    assert_eq!(places[0].generation, 2);
    rig.assign("g", &places);

    let changed = JoinGroup { protocols: vec![protocol("range", "other")], ..known("g", &ids[1]) };
    let caller = rig.send_join(changed);
    assert_eq!(rig.joined(caller), None);
    assert_eq!(rig.state("g"), GroupState::PreparingRebalance);
}

#[test]
fn a_join_that_is_sent_again_gets_the_same_generation() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    let lost = ids.iter().map(|id| rig.send_join(known("g", id))).collect::<Vec<_>>();
    let place = rig.joined(lost[0]).expect("a place");
    assert_eq!(rig.state("g"), GroupState::CompletingRebalance);
    assert_eq!(rig.join(known("g", &ids[0])), place, "the leader with all members");
    let again = rig.join(known("g", &ids[1]));
    assert_eq!((again.generation, again.members.len()), (2, 0));
    let changed = JoinGroup { protocols: vec![protocol("range", "other")], ..known("g", &ids[1]) };
    let caller = rig.send_join(changed);
    assert_eq!(rig.joined(caller), None, "its metadata differs, so all join again");
    assert_eq!(rig.state("g"), GroupState::PreparingRebalance);
}

#[test]
fn a_join_that_takes_over_from_another_is_answered_and_the_other_one_too() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    let lost = rig.send_join(known("g", &ids[0]));
    let again = rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.joined(lost).expect("told").error, ErrorCode::RebalanceInProgress);
    let other = rig.send_join(known("g", &ids[1]));
    assert_eq!(rig.joined(again).expect("a place").generation, 2);
    assert_eq!(rig.joined(other).expect("a place").generation, 2);
}

#[test]
fn whoever_has_not_joined_when_the_rebalance_timeout_ends_is_out() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 3);
    let caller = rig.send_join(known("g", &ids[0]));
    for _ in 0..6 {
        // Alive, but not joining.
        assert_eq!(rig.heartbeat("g", 1, &ids[1]), ErrorCode::RebalanceInProgress);
        assert_eq!(rig.heartbeat("g", 1, &ids[2]), ErrorCode::RebalanceInProgress);
        rig.pass_ms(9_990);
    }
    assert_eq!(rig.joined(caller), None);
    rig.pass_ms(60);
    let place = rig.joined(caller).expect("a place");
    assert_eq!((place.generation, place.members.len()), (2, 1));
    assert_eq!(rig.heartbeat("g", 1, &ids[1]), ErrorCode::UnknownMemberId);
}

#[test]
fn the_rebalance_timeout_is_the_longest_of_all_members() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    let longer =
        |id| JoinGroup { rebalance_timeout_ms: 90_000, protocols: vec![protocol("range", "u")], ..known("g", id) };
    let caller = rig.send_join(longer(&ids[1]));
    for _ in 0..9 {
        rig.heartbeat("g", 1, &ids[0]);
        rig.pass_ms(9_990);
    }
    assert_eq!(rig.joined(caller), None);
    rig.pass_ms(100);
    let place = rig.joined(caller).expect("a place");
    assert_eq!((place.leader, place.members.len()), (ids[1].clone(), 1), "the leader's place went over");
}

#[test]
fn a_new_member_that_waits_for_a_generation_is_dropped_after_five_minutes() {
    let mut rig = Rig::new();
    let slow = JoinGroup { rebalance_timeout_ms: 3_600_000, session_timeout_ms: 1_800_000, ..joining("g") };
    let id = rig.admit(slow.clone());
    let caller = rig.send_join(JoinGroup { member: id, ..slow.clone() });
    rig.pass_ms(0);
    let place = rig.joined(caller).expect("a place");
    rig.assign("g", &[place]);
    let new = rig.admit(joining("g"));
    let caller = rig.send_join(known("g", &new));
    rig.pass_ms(299_999);
    assert_eq!(rig.joined(caller), None);
    rig.pass_ms(1);
    let reply = rig.joined(caller).expect("told");
    assert_eq!((reply.error, reply.member.as_str()), (ErrorCode::UnknownMemberId, ""));
}

#[test]
fn silence_ends_a_membership_and_begins_a_rebalance() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 2);
    for _ in 0..4 {
        rig.pass_ms(9_000);
        assert_eq!(
            rig.heartbeat("g", 1, &ids[0]),
            if rig.tick.as_secs() < 110 { ErrorCode::None } else { ErrorCode::RebalanceInProgress }
        );
    }
    assert_eq!(rig.heartbeat("g", 1, &ids[1]), ErrorCode::UnknownMemberId);
    let caller = rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.joined(caller).expect("a place").members.len(), 1);
}

#[test]
fn a_heartbeat_costs_no_timer() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 1);
    rig.pass_ms(1_000);
    let before = rig.timers();
    let mut outcome = callboard_shard::Outcome::new(rig.room);
    let heartbeat = crate::Heartbeat { group: "g".into(), generation: 1, member: ids[0].clone(), instance: None };
    let now = callboard_shard::Now { tick: callboard_model::Tick(rig.tick), wall: callboard_model::Timestamp(0) };
    use callboard_shard::Shard;
    rig.groups.decide(crate::Command::Heartbeat(heartbeat), callboard_shard::Caller(0), now, &mut outcome);
    assert!(outcome.timers.is_empty() && outcome.records.is_empty());
    assert_eq!(rig.timers(), before);
}

#[test]
fn a_group_takes_no_more_members_than_it_may_have() {
    let mut rig =
        Rig::with(GroupConfig { initial_rebalance_delay: Duration::ZERO, max_size: 2, ..GroupConfig::default() });
    let ids = rig.stable("g", 2);
    let reply = rig.join(joining("g"));
    assert_eq!((reply.error, reply.member.as_str()), (ErrorCode::GroupMaxSizeReached, ""));
    assert_eq!(rig.state("g"), GroupState::Stable, "nobody is disturbed");
    assert_eq!(rig.heartbeat("g", 1, &ids[1]), ErrorCode::None);
    assert_eq!(rig.leave("g", &[(ids[1].as_str(), None)]), [ErrorCode::None]);
    let caller = rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.joined(caller).expect("a place").generation, 2);
    assert_eq!(rig.join(joining("g")).error, ErrorCode::MemberIdRequired, "there is a place again");
}

#[test]
fn more_ids_may_be_given_out_than_there_are_places_and_the_last_find_none() {
    let mut rig = Rig::with(GroupConfig { max_size: 2, ..GroupConfig::default() });
    let ids: Vec<_> = (0..3).map(|_| rig.admit(joining("g"))).collect();
    let callers: Vec<_> = ids.iter().map(|id| rig.send_join(known("g", id))).collect();
    assert_eq!(rig.joined(callers[2]).expect("told").error, ErrorCode::GroupMaxSizeReached);
    rig.pass_ms(6_000);
    let places = [callers[0], callers[1]].map(|caller| rig.joined(caller).expect("a place"));
    assert_eq!(places.iter().map(|place| place.members.len()).sum::<usize>(), 2, "the leader knows both");
}

#[test]
fn members_agree_on_a_protocol_that_all_know_and_most_prefer() {
    let mut rig = Rig::new();
    let know = |names: &[&str]| names.iter().map(|name| protocol(name, "t")).collect::<Vec<_>>();
    let joins = [know(&["a", "b", "c"]), know(&["c", "b"]), know(&["x", "c", "b"])];
    let ids: Vec<_> =
        joins.iter().map(|protocols| rig.admit(JoinGroup { protocols: protocols.clone(), ..joining("g") })).collect();
    let callers: Vec<_> = ids
        .iter()
        .zip(&joins)
        .map(|(id, protocols)| rig.send_join(JoinGroup { protocols: protocols.clone(), ..known("g", id) }))
        .collect();
    rig.pass_ms(0);
    let place = rig.joined(callers[0]).expect("a place");
    assert_eq!(place.protocol.as_deref(), Some("c"), "two of three prefer it to b, a is not known to all");
}

#[test]
fn who_knows_no_common_protocol_or_is_of_another_type_finds_no_place() {
    let mut rig = Rig::new();
    let other = |name: &str| vec![protocol(name, "t")];
    assert_eq!(rig.join(JoinGroup { protocols: vec![], ..joining("g") }).error, ErrorCode::InconsistentGroupProtocol);
    assert_eq!(
        rig.join(JoinGroup { protocol_type: "".into(), ..joining("g") }).error,
        ErrorCode::InconsistentGroupProtocol
    );
    let ids = rig.stable("g", 1);
    for join in [
        JoinGroup { protocols: other("foo"), ..joining("g") },
        JoinGroup { protocols: vec![], ..joining("g") },
        JoinGroup { protocol_type: "connect".into(), ..joining("g") },
        JoinGroup { protocols: other("foo"), ..known("g", &ids[0]) },
    ] {
        assert_eq!(rig.join(join).error, ErrorCode::InconsistentGroupProtocol);
    }
    assert_eq!(rig.state("g"), GroupState::Stable);
    // An empty group may become one of another type.
    rig.leave("g", &[(ids[0].as_str(), None)]);
    let caller = rig.send_join(JoinGroup { protocol_type: "connect".into(), api_version: 3, ..joining("g") });
    rig.pass_ms(0);
    assert_eq!(rig.joined(caller).expect("a place").protocol_type.as_deref(), Some("connect"));
}

#[test]
fn a_protocol_named_twice_counts_once() {
    let mut rig = Rig::new();
    let twice =
        JoinGroup { protocols: vec![protocol("range", "t"), protocol("range", "u")], api_version: 3, ..joining("g") };
    let callers = [rig.send_join(twice.clone()), rig.send_join(twice)];
    rig.pass_ms(0);
    let place = rig.joined(callers[0]).expect("a place");
    assert_eq!((place.error, place.protocol.as_deref()), (ErrorCode::None, Some("range")));
}

#[test]
fn a_cooperative_subscription_passes_through_untouched() {
    // KIP-429: what members own lies in their subscriptions.
    let mut rig = Rig::new();
    let owned = bytes::Bytes::from_static(
        b"\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x01\x00\x00\x00\x05",
    );
    let protocols = vec![crate::GroupProtocol { name: "cooperative-sticky".into(), metadata: owned.clone() }];
    let caller = rig.send_join(JoinGroup { protocols, api_version: 3, ..joining("g") });
    rig.pass_ms(0);
    assert_eq!(rig.joined(caller).expect("a place").members[0].metadata, owned);
}

#[test]
fn a_subscription_that_cannot_be_read_stops_nobody() {
    let mut rig = Rig::new();
    let metadata = bytes::Bytes::from_static(b"\x7f\xff\x7f\xff\xff\xff");
    let protocols = vec![crate::GroupProtocol { name: "range".into(), metadata }];
    let caller = rig.send_join(JoinGroup { protocols, api_version: 3, ..joining("g") });
    rig.pass_ms(0);
    let place = rig.joined(caller).expect("a place");
    rig.assign("g", &[place]);
    assert_eq!(rig.state("g"), GroupState::Stable);
}

#[test]
fn the_generation_after_the_last_is_the_first_again() {
    let mut rig = Rig::new();
    let ids = rig.stable("g", 1);
    let mut last = rig.groups.snapshot_of("g");
    last.generation = i32::MAX;
    rig.log = vec![crate::record::encode(&crate::Record::Group { group: "g".into(), value: Some(last) })];
    rig.reload();
    let caller = rig.send_join(known("g", &ids[0]));
    assert_eq!(rig.joined(caller).expect("a place").generation, 1);
}
