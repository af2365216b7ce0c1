//! Stories of the classic protocol's finer rules: static members, cooperative members, what is refused and how, a
//! coordinator that starts anew, a record that cannot be read.
//!
//! All but those that restart the node can be told to a real Kafka, for comparison:
//! `GROUPS_ON=127.0.0.1:9092 cargo test --test scenario group_rules` (started with `group.max.size=4`,
//! `group.initial.rebalance.delay.ms` small).

use std::time::Duration;

use callboard_model::{ErrorCode, PartitionIndex};
use callboard_test_client::{Acks, Joining, NewRecord, PartitionBatch, Place, encode_batch};

use crate::calls::now;
use crate::rig::{PATIENCE, Rig, eventually};

mod stage;

use stage::{Member, READS_T, Stage, assign, joined, joining, place, stable};

#[test]
fn a_static_member_that_starts_again_takes_its_place_and_fences_its_former_self() {
    let stage = Stage::set();
    stage.topics();
    let group = stage.group("statics");
    let mut members = stable(&stage, &group, &[Some("a"), Some("b"), None]);
    let at = members.iter().position(|member| !member.leads() && member.instance.is_some()).expect("a static follower");
    let mut old = members.remove(at);
    let instance = old.instance.expect("a static one");

    let mut client = stage.connect();
    let joined = client.join_group(&joining(&group, Some(instance))).expect("an answer");
    assert_eq!((joined.error, joined.generation), (ErrorCode::None, old.joined.generation), "no rebalance");
    assert_ne!(joined.member, old.joined.member);
    let mut new = Member { client, instance: old.instance, joined };
    let synced = new.client.sync_group(place(&group, &new.joined, new.instance), "range", &[]).expect("an answer");
    assert_eq!((synced.error, &synced.assignment[..]), (ErrorCode::None, old.joined.member.as_bytes()), "kept");

    let fenced = ErrorCode::FencedInstanceId;
    assert_eq!(old.beat(&group), fenced);
    let there = place(&group, &old.joined, old.instance);
    assert_eq!(old.client.sync_group(there, "range", &[]).expect("an answer").error, fenced);
    assert_eq!(old.client.commit_offsets(there, &[("t", 0, 1, "")]).expect("an answer"), [fenced]);
    let left = old.client.leave_group(&group, &[(&old.joined.member, old.instance)]).expect("an answer");
    assert_eq!(left, Ok(vec![fenced]));
    let back = Joining { member: &old.joined.member, ..joining(&group, old.instance) };
    assert_eq!(old.client.join_group(&back).expect("an answer").error, fenced);
    let unnamed = Place { instance: None, ..there };
    assert_eq!(old.client.heartbeat(unnamed).expect("an answer"), ErrorCode::UnknownMemberId);

    assert_eq!(new.beat(&group), ErrorCode::None);
    assert_eq!(members[0].beat(&group), ErrorCode::None);
    assert_eq!(stage.state(&group), "Stable");
    stage.end();
}

#[test]
fn a_static_leader_that_starts_again_is_told_to_skip_the_assignment() {
    let stage = Stage::set();
    let group = stage.group("leaders");
    let members = stable(&stage, &group, &[Some("a"), Some("b")]);
    let instance = members[0].instance.expect("a static one");
    let mut client = stage.connect();
    let back = client.join_group(&joining(&group, Some(instance))).expect("an answer");
    assert_eq!((back.error, back.generation), (ErrorCode::None, members[0].joined.generation));
    assert!(back.skip_assignment, "KIP-814");
    assert_eq!((back.members.len(), &back.leader), (2, &back.member));
    assert_eq!(stage.state(&group), "Stable");
    stage.end();
}

#[test]
fn an_administrator_removes_static_members_by_their_instance() {
    let stage = Stage::set();
    let group = stage.group("removed");
    let mut members = stable(&stage, &group, &[Some("a"), Some("b")]);
    let mut admin = stage.connect();
    let unknown = ErrorCode::UnknownMemberId;
    let left = admin.leave_group(&group, &[("", Some("a")), ("", Some("zz")), ("nobody", None)]).expect("an answer");
    assert_eq!(left, Ok(vec![ErrorCode::None, unknown, unknown]));
    for member in &mut members {
        let told = if member.instance == Some("a") { unknown } else { ErrorCode::RebalanceInProgress };
        assert_eq!(member.beat(&group), told);
    }
    assert_eq!(admin.leave_group(&group, &[("", Some("b"))]).expect("an answer"), Ok(vec![ErrorCode::None]));
    assert_eq!(stage.state(&group), "Empty");
    stage.end();
}

#[test]
fn a_cooperative_group_hands_partitions_over_in_two_generations() {
    let stage = Stage::set();
    let group = stage.group("cooperative");
    let protocol = "cooperative-sticky";
    // What members own lies in their subscriptions, which the coordinator passes on as they are (KIP-429).
    let owns = |partitions: &[u8]| {
        let mut bytes = b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\x01\0\x01t".to_vec();
        bytes.extend_from_slice(&(partitions.len() as u32).to_be_bytes());
        partitions.iter().for_each(|partition| bytes.extend_from_slice(&u32::from(*partition).to_be_bytes()));
        bytes
    };
    let mut first = stage.connect();
    let all = owns(&[]);
    let asked = Joining { protocols: &[(protocol, &all)], ..joining(&group, None) };
    let joined = first.join_anew(&asked).expect("an answer");
    let mut first = Member { client: first, instance: None, joined };
    let id = first.joined.member.clone();
    let synced = first.client.sync_group(place(&group, &first.joined, None), protocol, &[(&id, b"0 1")]);
    assert_eq!(&synced.expect("an answer").assignment[..], b"0 1");

    let mut second = stage.connect();
    let id = second.join_group(&asked).expect("an answer").member;
    second.send_join_group(&Joining { member: &id, ..asked.clone() }).expect("sent");
    assert!(eventually(PATIENCE, || first.beat(&group) == ErrorCode::RebalanceInProgress));
    let owned = owns(&[0, 1]);
    first.send_rejoin(&group, &[(protocol, &owned)]);
    first.receive_place();
    let mut second = Member { joined: second.receive_join_group().expect("an answer"), client: second, instance: None };
    let leader = if first.leads() { &first } else { &second };
    let seen = leader.joined.members.iter().find(|one| one.member == first.joined.member).expect("the first is in");
    assert_eq!(seen.metadata, owned, "the leader sees what the first still owns");
    // The first generation takes partition 1 away, the second gives it to the other one.
    for generation in [&[&b"0"[..], b""], &[b"0", b"1"]] {
        let ids = [first.joined.member.clone(), second.joined.member.clone()];
        let given: Vec<(&str, &[u8])> = ids.iter().map(String::as_str).zip(generation.iter().copied()).collect();
        for member in [&mut first, &mut second] {
            let brought = if member.leads() { &given[..] } else { &[] };
            let place = place(&group, &member.joined, None);
            member.client.send_sync_group(place, protocol, brought).expect("sent");
        }
        for (member, mine) in [&mut first, &mut second].into_iter().zip(generation) {
            let synced = member.client.receive_sync_group().expect("an answer");
            assert_eq!((synced.error, &synced.assignment[..]), (ErrorCode::None, *mine));
        }
        if generation[1].is_empty() {
            let owned = owns(&[0]);
            // Whoever gave something up asks for the next generation.
            first.send_rejoin(&group, &[(protocol, &owned)]);
            assert!(eventually(PATIENCE, || second.beat(&group) == ErrorCode::RebalanceInProgress));
            second.send_rejoin(&group, &[(protocol, &all)]);
            first.receive_place();
            second.receive_place();
        }
    }
    stage.end();
}

#[test]
fn what_a_group_cannot_take_is_refused_with_kafka_s_code_and_disturbs_nobody() {
    let stage = Stage::set();
    stage.topics();
    let group = stage.group("refusals");
    let mut members = stable(&stage, &group, &[None, Some("a"), None, None]);
    let mut client = stage.connect();
    let mut join = |joining: Joining<'_>| client.join_group(&joining).expect("an answer").error;
    let base = joining(&group, None);
    // Over its size.
    assert_eq!(join(base.clone()), ErrorCode::GroupMaxSizeReached);
    assert_eq!(join(joining(&group, Some("e"))), ErrorCode::GroupMaxSizeReached);
    // Unknown and fenced.
    assert_eq!(join(Joining { member: "nobody", ..joining(&group, Some("a")) }), ErrorCode::GroupMaxSizeReached);
    let gone = members.pop().expect("four");
    let left = stage.connect().leave_group(&group, &[(&gone.joined.member, gone.instance)]).expect("an answer");
    assert_eq!(left, Ok(vec![ErrorCode::None]));
    for member in &mut members {
        member.send_rejoin(&group, &[("range", READS_T)]);
    }
    members.iter_mut().for_each(Member::receive_place);
    members.sort_by_key(|member| !member.leads());
    assign(&group, &mut members);
    assert_eq!(join(Joining { member: "nobody", ..base.clone() }), ErrorCode::UnknownMemberId);
    assert_eq!(join(Joining { member: "nobody", ..joining(&group, Some("zz")) }), ErrorCode::UnknownMemberId);
    assert_eq!(join(Joining { member: "nobody", ..joining(&group, Some("a")) }), ErrorCode::FencedInstanceId);
    // Another protocol, none at all, a session out of bounds, no name.
    assert_eq!(join(Joining { protocols: &[("other", b"")], ..base.clone() }), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(join(Joining { protocols: &[], ..base.clone() }), ErrorCode::InconsistentGroupProtocol);
    for session_timeout in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(1_801)] {
        assert_eq!(join(Joining { session_timeout, ..base.clone() }), ErrorCode::InvalidSessionTimeout);
    }
    assert_eq!(join(Joining { group: "", ..base.clone() }), ErrorCode::InvalidGroupId);
    // An id that was given out is no static member's.
    let id = client.join_group(&base).expect("an answer").member;
    let named = Joining { member: &id, ..joining(&group, Some("new")) };
    assert_eq!(client.join_group(&named).expect("an answer").error, ErrorCode::UnknownServerError);

    // Not the static one, which leads if it came first.
    let here = members.iter().find(|member| member.instance.is_none()).expect("two of three").place(&group);
    let checks = [
        (Place { group: "", ..here }, ErrorCode::InvalidGroupId),
        (Place { member: "nobody", ..here }, ErrorCode::UnknownMemberId),
        (Place { member: &id, ..here }, ErrorCode::UnknownMemberId),
        (Place { instance: Some("zz"), ..here }, ErrorCode::UnknownMemberId),
        (Place { instance: Some("a"), member: "nobody", ..here }, ErrorCode::FencedInstanceId),
        (Place { generation: here.generation - 1, ..here }, ErrorCode::IllegalGeneration),
        (Place { generation: here.generation + 1, ..here }, ErrorCode::IllegalGeneration),
        (Place { generation: -1, ..here }, ErrorCode::IllegalGeneration),
    ];
    for (place, code) in checks {
        assert_eq!(client.heartbeat(place).expect("an answer"), code, "{place:?}");
        assert_eq!(client.sync_group(place, "range", &[]).expect("an answer").error, code, "{place:?}");
        if !place.group.is_empty() {
            let committed = client.commit_offsets(place, &[("t", 0, 1, "")]).expect("an answer");
            assert_eq!(committed, [code], "{place:?}");
        }
    }
    assert_eq!(client.sync_group(here, "other", &[]).expect("an answer").error, ErrorCode::InconsistentGroupProtocol);
    for member in &mut members {
        assert_eq!(member.beat(&group), ErrorCode::None, "{:?}", member.joined);
    }
    stage.end();
}

#[test]
fn what_is_committed_and_asked_wrongly_has_kafka_s_code() {
    let stage = Stage::set();
    stage.topics();
    let (group, tool) = (stage.group("readers"), stage.group("tool"));
    let mut members = stable(&stage, &group, &[None]);
    let mut client = stage.connect();
    let nobody = Place { group: &tool, generation: -1, member: "", instance: None };
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let long = "x".repeat(4_097);
    let commits = [
        (("none", 0, 1, ""), unknown),
        (("t", 9, 1, ""), unknown),
        (("t", -1, 1, ""), unknown),
        (("t", 0, 7, "kept"), ErrorCode::None),
        (("t", 0, 9, &long), ErrorCode::OffsetMetadataTooLarge),
        (("t", 1, -5, &long[1..]), ErrorCode::None),
    ];
    for (position, code) in commits {
        assert_eq!(client.commit_offsets(nobody, &[position]).expect("an answer"), [code], "{position:?}");
    }
    let asked: &[(&str, &[i32])] = &[("none", &[3]), ("t", &[1, 0, 9])];
    let positions = client.fetch_offsets(&tool, Some(asked)).expect("an answer").expect("a coordinator");
    let told: Vec<_> = positions.iter().map(|one| (one.offset.get(), one.metadata.len(), one.error)).collect();
    let none = (-1, 0, ErrorCode::None);
    assert_eq!(told, [none, (-5, 4_096, ErrorCode::None), (7, 4, ErrorCode::None), none]);
    assert_eq!(client.fetch_offsets("no such group", None).expect("an answer"), Ok(vec![]));
    // More than one record may hold, and more than one batch.
    let full = "x".repeat(4_096);
    let many: Vec<(&str, i32, i64, &str)> = (0..300).map(|at| ("t", at % 2, 1, full.as_str())).collect();
    let refused = client.commit_offsets(nobody, &many).expect("an answer");
    assert!(refused.iter().all(|code| *code == ErrorCode::UnknownServerError), "{refused:?}");
    let stranger = Place { generation: 3, member: "m", ..nobody };
    assert_eq!(client.commit_offsets(stranger, &[("t", 0, 1, "")]).expect("an answer"), [ErrorCode::UnknownMemberId]);
    let new = stage.group("new");
    let stranger = Place { group: &new, ..stranger };
    assert_eq!(client.commit_offsets(stranger, &[("t", 0, 1, "")]).expect("an answer"), [ErrorCode::IllegalGeneration]);
    let beside = Place { group: &group, ..nobody };
    assert_eq!(client.commit_offsets(beside, &[("t", 0, 1, "")]).expect("an answer"), [ErrorCode::UnknownMemberId]);
    // Deleting.
    for (position, code) in
        [(("t", 0), ErrorCode::GroupSubscribedToTopic), (("u", 0), ErrorCode::None), (("none", 0), unknown)]
    {
        assert_eq!(client.delete_offsets(&group, &[position]).expect("an answer"), Ok(vec![code]), "{position:?}");
    }
    assert_eq!(client.delete_offsets(&new, &[("t", 0)]).expect("an answer"), Err(ErrorCode::GroupIdNotFound));
    assert_eq!(client.delete_offsets("", &[("t", 0)]).expect("an answer"), Err(ErrorCode::InvalidGroupId));
    for (group, code) in
        [(&group, ErrorCode::NonEmptyGroup), (&new, ErrorCode::GroupIdNotFound), (&tool, ErrorCode::None)]
    {
        assert_eq!(client.delete_groups(&[group]).expect("an answer"), [code], "{group}");
    }
    assert_eq!(members[0].beat(&group), ErrorCode::None);
    let left = client.leave_group(&new, &[("x", None), ("", Some("i"))]).expect("an answer");
    assert_eq!(left, Ok(vec![ErrorCode::UnknownMemberId; 2]));
    assert_eq!(client.leave_group("", &[("x", None)]).expect("an answer"), Err(ErrorCode::InvalidGroupId));
    stage.end();
}

#[test]
fn an_assignment_too_large_for_a_record_is_refused_and_the_group_goes_on() {
    let stage = Stage::set();
    let group = stage.group("large");
    let mut members = joined(&stage, &group, &[None, None]);
    let huge = vec![7; 1_100_000];
    let [leader, follower] = &mut members[..] else { panic!("two members") };
    follower.client.send_sync_group(place(&group, &follower.joined, None), "range", &[]).expect("sent");
    let there = place(&group, &leader.joined, None);
    let synced = leader.client.sync_group(there, "range", &[(there.member, &huge)]).expect("an answer");
    assert_eq!(synced.error, ErrorCode::UnknownServerError);
    let synced = follower.client.receive_sync_group().expect("an answer");
    assert!(matches!(synced.error, ErrorCode::UnknownServerError | ErrorCode::RebalanceInProgress), "{synced:?}");
    assert_eq!(stage.state(&group), "PreparingRebalance");
    for member in &mut members {
        member.send_rejoin(&group, &[("range", READS_T)]);
    }
    members.iter_mut().for_each(Member::receive_place);
    assign(&group, &mut members);
    assert_eq!(stage.state(&group), "Stable");
    stage.end();
}

#[test]
fn names_with_odd_letters_are_names() {
    let stage = Stage::set();
    for name in ["\0", "a/b", "ä\n", " ", "\u{1f600}", "..", &"x".repeat(32_000)] {
        let group = stage.group(name);
        let mut members = stable(&stage, &group, &[None]);
        assert_eq!(members[0].beat(&group), ErrorCode::None);
        let described = stage.connect().describe_groups(&[&group]).expect("an answer").remove(0);
        assert_eq!(
            (described.error, described.state.as_str(), described.members.len()),
            (ErrorCode::None, "Stable", 1)
        );
        let Member { client, joined, .. } = &mut members[0];
        assert_eq!(
            client.leave_group(&group, &[(&joined.member, None)]).expect("an answer"),
            Ok(vec![ErrorCode::None])
        );
        assert_eq!(client.delete_groups(&[&group]).expect("an answer"), [ErrorCode::None]);
    }
    stage.end();
}

#[test]
fn a_subscription_that_nobody_can_read_stops_nobody() {
    // A real Kafka never answers this join: its coordinator fails over the bytes.
    if std::env::var("GROUPS_ON").is_ok() {
        return;
    }
    let stage = Stage::set();
    let group = stage.group("garbage");
    let mut client = stage.connect();
    let garbage = Joining { protocols: &[("range", b"\x7f\xff\x7f\xff\xff\xff")], ..joining(&group, None) };
    let joined = client.join_anew(&garbage).expect("an answer");
    assert_eq!(joined.error, ErrorCode::None);
    assign(&group, &mut [Member { client, instance: None, joined }]);
    stage.end();
}

#[test]
fn a_coordinator_that_starts_anew_goes_on_with_its_groups() {
    if std::env::var("GROUPS_ON").is_ok() {
        return;
    }
    let mut stage = Stage::set();
    stage.topics();
    let group = stage.group("survivors");
    let mut members = stable(&stage, &group, &[None, Some("a"), None]);
    let committed =
        stage.connect().commit_offsets(members[1].place(&group), &[("t", 0, 11, "before")]).expect("an answer");
    assert_eq!(committed, [ErrorCode::None]);
    let rig = stage.rig.as_mut().expect("a node of our own");
    rig.drop_and_start();
    stage.address = rig.kafka();
    for member in &mut members {
        member.client = stage.connect();
    }
    // A heartbeat is answered while the coordinator still reads its log, so it does not tell that it has.
    let mut asking = stage.connect();
    let mut positions = || asking.fetch_offsets(&group, None).expect("an answer").map(drop);
    assert!(eventually(PATIENCE, || positions().is_ok()), "the coordinator is there again: {:?}", positions());
    for member in &mut members {
        assert_eq!(member.beat(&group), ErrorCode::None, "no rebalance");
        let place = place(&group, &member.joined, member.instance);
        let synced = member.client.sync_group(place, "range", &[]).expect("an answer");
        assert_eq!((synced.error, &synced.assignment[..]), (ErrorCode::None, member.joined.member.as_bytes()));
    }
    let positions = stage.connect().fetch_offsets(&group, None).expect("an answer").expect("a coordinator");
    assert_eq!((positions[0].offset.get(), positions[0].metadata.as_str()), (11, "before"));
    // The leader goes: the next generation has another one.
    let leader = members.remove(0);
    let left = stage.connect().leave_group(&group, &[(&leader.joined.member, leader.instance)]).expect("an answer");
    assert_eq!(left, Ok(vec![ErrorCode::None]));
    for member in &mut members {
        assert_eq!(member.beat(&group), ErrorCode::RebalanceInProgress);
        member.send_rejoin(&group, &[("range", READS_T)]);
    }
    members.iter_mut().for_each(Member::receive_place);
    members.sort_by_key(|member| !member.leads());
    assert_eq!(members[0].joined.generation, leader.joined.generation + 1);
    assign(&group, &mut members);
    stage.end();
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_passed_over_and_disturbs_no_group() {
    if std::env::var("GROUPS_ON").is_ok() {
        return;
    }
    let mut rig = Rig::with(|settings| {
        settings.groups.initial_rebalance_delay = Duration::from_millis(100);
        // All groups in one partition.
        settings.groups.offsets_topic_num_partitions = 1;
    });
    let mut stage = Stage { address: rig.kafka(), run: 1, rig: None };
    stage.topics();
    let (hit, beside) = (stage.group("hit"), stage.group("beside"));
    let mut members: Vec<(String, Member)> = Vec::new();
    for group in [&hit, &beside] {
        members.extend(stable(&stage, group, &[None, None]).into_iter().map(|member| (group.clone(), member)));
        let commit = members.last_mut().expect("a member");
        let place = place(group, &commit.1.joined, None);
        assert_eq!(commit.1.client.commit_offsets(place, &[("t", 0, 5, "")]).expect("an answer"), [ErrorCode::None]);
    }
    // Only a client of this name may write to the topic at all.
    let mut writer = stage.connect().called("__admin_client");
    let about_hit = [&b"\0\x02"[..], &(hit.len() as u16).to_be_bytes(), hit.as_bytes()].concat();
    let records = [(&about_hit[..], &b"no group's bytes"[..]), (b"?", b"?"), (b"\0\x63", b"a later version's")];
    let records: Vec<NewRecord<'_>> = records.map(|(key, value)| NewRecord::new(key, value, now())).into();
    let (topic, partition) = ("__consumer_offsets", PartitionIndex(0));
    let batch = PartitionBatch { topic, partition, batch: encode_batch(&records, None) };
    let produced = writer.produce(Acks::All, &[batch]).expect("an answer").remove(0);
    assert_eq!(produced.error, ErrorCode::None);

    for is_restarted in [false, true] {
        if is_restarted {
            rig.restart();
            stage.address = rig.kafka();
        }
        // The coordinator notices with its next record at the latest, and reads its log again.
        let mut client = stage.connect();
        let nobody = Place { group: "tool", generation: -1, member: "", instance: None };
        let commits =
            || client.commit_offsets(nobody, &[("t", 1, 1, "")]).is_ok_and(|codes| codes == [ErrorCode::None]);
        assert!(eventually(PATIENCE, commits), "commits go on");
        for (group, member) in &mut members {
            member.client = stage.connect();
            assert_eq!(member.beat(group), ErrorCode::None, "{group}");
            let positions = client.fetch_offsets(group, None).expect("an answer").expect("a coordinator");
            assert_eq!(positions[0].offset.get(), 5, "{group}");
        }
        let (_, tree) = rig.get("/api/v1/actors").expect("the admin port answers");
        assert!(tree.contains("\"passed_over\":\"3\""), "{tree}");
    }
    rig.stop();
}
