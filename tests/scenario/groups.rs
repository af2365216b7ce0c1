//! Stories of consumer groups: joining, sharing, committing, leaving, and what is left after a restart.

use std::time::{Duration, Instant};

use callboard_model::ErrorCode;
use callboard_test_client::{Client, CommittedOffset, Joined, Joining, Place};
use callboard_wire::messages::{
    FindCoordinatorRequest, LeaveGroupRequest, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
    Request, Response,
};

use crate::calls::{connect, delete_topic};
use crate::rig::{PATIENCE, Rig, eventually};

const SESSION: Duration = Duration::from_secs(10);
const PROTOCOLS: [(&str, &[u8]); 2] = [("range", b"wants orders"), ("roundrobin", b"wants orders too")];

/// A node whose groups do not wait for further members when the first one comes.
fn rig() -> Rig {
    Rig::with(|settings| settings.groups.initial_rebalance_delay = Duration::ZERO)
}

fn joining<'a>(group: &'a str, member: &'a str) -> Joining<'a> {
    let protocols = &PROTOCOLS;
    Joining { group, member, instance: None, session_timeout: SESSION, rebalance_timeout: SESSION, protocols }
}

/// A client that is a member of a group.
struct Member {
    client: Client,
    group: String,
    id: String,
    generation: i32,
}

impl Member {
    /// The first and only member of a group, with the assignment `mine`.
    fn alone(rig: &Rig, group: &str) -> Self {
        let mut client = connect(rig);
        found(&mut client, group);
        let joined = client.join_anew(&joining(group, "")).expect("an answer");
        assert_eq!(joined.error, ErrorCode::None);
        assert_eq!((joined.leader.as_str(), joined.members.len()), (joined.member.as_str(), 1));
        let mut member =
            Self { client, group: group.to_owned(), id: joined.member.clone(), generation: joined.generation };
        member.sync(&joined, &[(&joined.member, b"mine")], b"mine");
        member
    }

    fn place(&self) -> Place<'_> {
        Place { group: &self.group, generation: self.generation, member: &self.id, instance: None }
    }

    fn sync(&mut self, joined: &Joined, assignments: &[(&str, &[u8])], mine: &[u8]) {
        self.generation = joined.generation;
        let place = Place { group: &self.group, generation: self.generation, member: &self.id, instance: None };
        let synced = self.client.sync_group(place, "range", assignments).expect("an answer");
        assert_eq!((synced.error, &synced.assignment[..]), (ErrorCode::None, mine));
    }

    fn beat(&mut self) -> ErrorCode {
        let place = Place { group: &self.group, generation: self.generation, member: &self.id, instance: None };
        self.client.heartbeat(place).expect("an answer")
    }

    fn commit(&mut self, positions: &[(&str, i32, i64, &str)]) -> Vec<ErrorCode> {
        let place = Place { group: &self.group, generation: self.generation, member: &self.id, instance: None };
        self.client.commit_offsets(place, positions).expect("an answer")
    }
}

/// Asks for the coordinator until it serves.
fn found(client: &mut Client, group: &str) {
    let served = eventually(PATIENCE, || {
        client.find_coordinator(group).expect("an answer").is_ok()
            && client.fetch_offsets(group, None).expect("an answer").is_ok()
    });
    assert!(served, "no coordinator for {group}");
}

/// What a group has committed, short.
fn committed(client: &mut Client, group: &str) -> Vec<(String, i32, i64, String)> {
    let positions = client.fetch_offsets(group, None).expect("an answer").expect("a coordinator");
    let short = |one: CommittedOffset| (one.topic, one.partition.get(), one.offset.get(), one.metadata);
    positions.into_iter().map(short).collect()
}

#[test]
fn a_member_joins_is_assigned_stays_commits_and_leaves() {
    let rig = rig();
    let mut client = connect(&rig);
    client.create_topic("orders", 2, &[]).expect("a topic");
    let mut member = Member::alone(&rig, "billing");
    assert_eq!(member.beat(), ErrorCode::None);
    assert_eq!(
        member.commit(&[("orders", 0, 7, "after the seventh"), ("orders", 1, 0, "")]),
        [ErrorCode::None, ErrorCode::None]
    );
    let expected = [("orders", 0, 7, "after the seventh"), ("orders", 1, 0, "")];
    let expected = expected.map(|(topic, at, offset, text)| (topic.to_owned(), at, offset, text.to_owned()));
    assert_eq!(committed(&mut client, "billing"), expected);

    let listed = client.list_groups(&[]).expect("an answer").expect("a list");
    assert_eq!(listed.len(), 1);
    let (name, state) = (listed[0].group.as_str(), listed[0].state.as_str());
    assert_eq!((name, state, listed[0].protocol_type.as_str()), ("billing", "Stable", "consumer"));
    assert_eq!(listed[0].group_type, "classic");
    assert_eq!(client.list_groups(&["Empty"]).expect("an answer").expect("a list"), []);
    let described = client.describe_groups(&["billing"]).expect("an answer").remove(0);
    assert_eq!((described.state.as_str(), described.protocol.as_str()), ("Stable", "range"));
    let seen = &described.members[0];
    assert_eq!((seen.client_host.as_str(), seen.client_id.as_str()), ("/127.0.0.1", "callboard-tests"));
    assert_eq!((&seen.metadata[..], &seen.assignment[..]), (&b"wants orders"[..], &b"mine"[..]));
    assert!(seen.member.starts_with("callboard-tests-") && seen.member.len() == 16 + 36, "{}", seen.member);

    assert_eq!(client.delete_groups(&["billing"]).expect("an answer"), [ErrorCode::NonEmptyGroup]);
    let left = client.leave_group("billing", &[(&member.id, None)]).expect("an answer");
    assert_eq!(left, Ok(vec![ErrorCode::None]));
    assert_eq!(member.beat(), ErrorCode::UnknownMemberId);
    assert_eq!(client.describe_groups(&["billing"]).expect("an answer")[0].state, "Empty");
    assert_eq!(committed(&mut client, "billing").len(), 2, "positions outlive the members");
    let deleted = client.delete_offsets("billing", &[("orders", 1), ("orders", 9), ("nothing", 0)]).expect("an answer");
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(deleted, Ok(vec![ErrorCode::None, unknown, unknown]));
    assert_eq!(committed(&mut client, "billing").len(), 1);
    assert_eq!(client.delete_groups(&["billing"]).expect("an answer"), [ErrorCode::None]);
    assert_eq!(client.delete_groups(&["billing"]).expect("an answer"), [ErrorCode::GroupIdNotFound]);
    assert_eq!(committed(&mut client, "billing"), []);
    rig.stop();
}

#[test]
fn two_members_share_a_group_and_each_learns_when_the_other_comes_and_goes() {
    let rig = rig();
    let mut first = Member::alone(&rig, "billing");
    let mut second = connect(&rig);
    let asked = second.join_group(&joining("billing", "")).expect("an answer");
    assert_eq!(asked.error, ErrorCode::MemberIdRequired);
    second.send_join_group(&joining("billing", &asked.member)).expect("sent");
    assert!(eventually(PATIENCE, || first.beat() == ErrorCode::RebalanceInProgress), "the first is told");
    // While one waits, the node goes on for everybody else.
    let mut other = connect(&rig);
    let started = Instant::now();
    assert_eq!(other.describe_groups(&["billing"]).expect("an answer")[0].state, "PreparingRebalance");
    assert!(started.elapsed() < Duration::from_secs(5));

    let joined = first.client.join_group(&joining("billing", &first.id)).expect("an answer");
    assert_eq!((joined.error, joined.members.len()), (ErrorCode::None, 2));
    let followed = second.receive_join_group().expect("an answer");
    assert_eq!((followed.error, followed.generation), (ErrorCode::None, joined.generation));
    assert_eq!((followed.leader.as_str(), followed.members.len()), (first.id.as_str(), 0));
    // A follower is answered when the leader has spoken.
    let mut second = Member {
        client: second,
        group: "billing".to_owned(),
        id: asked.member.clone(),
        generation: followed.generation,
    };
    let place = Place { group: "billing", generation: followed.generation, member: &asked.member, instance: None };
    second.client.send_sync_group(place, "range", &[]).expect("sent");
    first.sync(&joined, &[(&first.id.clone(), b"left half"), (&asked.member, b"right half")], b"left half");
    let synced = second.client.receive_sync_group().expect("an answer");
    assert_eq!((synced.error, &synced.assignment[..]), (ErrorCode::None, &b"right half"[..]));
    assert_eq!((first.beat(), second.beat()), (ErrorCode::None, ErrorCode::None));

    assert_eq!(other.leave_group("billing", &[(&first.id, None)]).expect("an answer"), Ok(vec![ErrorCode::None]));
    assert_eq!(second.beat(), ErrorCode::RebalanceInProgress);
    let alone = second.client.join_group(&joining("billing", &second.id)).expect("an answer");
    assert_eq!((alone.error, alone.leader.as_str(), alone.members.len()), (ErrorCode::None, second.id.as_str(), 1));
    second.sync(&alone, &[(&asked.member, b"everything")], b"everything");
    rig.stop();
}

#[test]
fn a_restart_keeps_the_group_its_members_and_its_offsets() {
    let mut rig = rig();
    connect(&rig).create_topic("orders", 1, &[]).expect("a topic");
    let mut member = Member::alone(&rig, "billing");
    for orderly in [true, false] {
        let offset = if orderly { 41 } else { 42 };
        assert_eq!(member.commit(&[("orders", 0, offset, "here")]), [ErrorCode::None]);
        if orderly {
            rig.restart()
        } else {
            rig.drop_and_start()
        }
        member.client = connect(&rig);
        found(&mut member.client, "billing");
        assert_eq!(member.beat(), ErrorCode::None, "a member of the same generation as before");
        let position = ("orders".to_owned(), 0, offset, "here".to_owned());
        assert_eq!(committed(&mut member.client, "billing"), [position]);
        let described = member.client.describe_groups(&["billing"]).expect("an answer").remove(0);
        assert_eq!((described.state.as_str(), described.members.len()), ("Stable", 1));
        assert_eq!(&described.members[0].assignment[..], b"mine");
    }
    rig.stop();
}

#[test]
fn what_a_member_says_wrongly_has_kafka_s_code() {
    let rig = rig();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let mut member = Member::alone(&rig, "billing");
    let place = member.place();
    let stale = Place { generation: place.generation - 1, ..place };
    let stranger = Place { member: "nobody", ..place };
    let here: &[(&str, i32, i64, &str)] = &[("orders", 0, 1, "")];
    for (place, code) in [(stale, ErrorCode::IllegalGeneration), (stranger, ErrorCode::UnknownMemberId)] {
        assert_eq!(client.heartbeat(place).expect("an answer"), code);
        assert_eq!(client.commit_offsets(place, here).expect("an answer"), [code]);
        assert_eq!(client.sync_group(place, "range", &[]).expect("an answer").error, code);
    }
    let unknown_group = Place { group: "shipping", ..place };
    assert_eq!(client.heartbeat(unknown_group).expect("an answer"), ErrorCode::UnknownMemberId);
    // Topics and partitions that are not there are refused one by one.
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(
        member.commit(&[("orders", 1, 5, ""), ("orders", 0, 5, ""), ("nothing", 0, 5, ""), ("orders", -1, 5, "")]),
        [unknown, ErrorCode::None, unknown, unknown]
    );
    let long = "x".repeat(5000);
    assert_eq!(member.commit(&[("orders", 0, 6, &long)]), [ErrorCode::OffsetMetadataTooLarge]);
    // Without a member, a consumer that assigns its partitions itself; not beside a group that has members.
    let simple = |group| Place { group, generation: -1, member: "", instance: None };
    assert_eq!(client.commit_offsets(simple("billing"), here).expect("an answer"), [ErrorCode::UnknownMemberId]);
    assert_eq!(client.commit_offsets(simple("tools"), here).expect("an answer"), [ErrorCode::None]);
    let none = client.fetch_offsets("tools", Some(&[("orders", &[0, 7]), ("nothing", &[0])])).expect("an answer");
    let offsets: Vec<i64> = none.expect("a coordinator").iter().map(|one| one.offset.get()).collect();
    assert_eq!(offsets, [1, -1, -1], "what is not known is no error");
    let joins: [(Joining<'_>, ErrorCode); 4] = [
        (joining("", ""), ErrorCode::InvalidGroupId),
        (
            Joining { session_timeout: Duration::from_millis(1), ..joining("billing", "") },
            ErrorCode::InvalidSessionTimeout,
        ),
        (Joining { protocols: &[("other", b"")], ..joining("billing", "") }, ErrorCode::InconsistentGroupProtocol),
        (joining("billing", "nobody"), ErrorCode::UnknownMemberId),
    ];
    for (join, code) in joins {
        assert_eq!(client.join_group(&join).expect("an answer").error, code, "{join:?}");
    }
    assert_eq!(member.beat(), ErrorCode::None, "the group is as it was");
    rig.stop();
}

#[test]
fn any_text_names_a_group() {
    let mut rig = rig();
    let names = ["grüppe ☃ \u{1f600}", "with\0zero", "__consumer_offsets", &"long".repeat(2000)];
    connect(&rig).create_topic("orders", 1, &[]).expect("a topic");
    for name in names {
        let mut member = Member::alone(&rig, name);
        assert_eq!(member.commit(&[("orders", 0, 3, "☃")]), [ErrorCode::None]);
    }
    rig.restart();
    let mut client = connect(&rig);
    for name in names {
        found(&mut client, name);
        assert_eq!(committed(&mut client, name), [("orders".to_owned(), 0, 3, "☃".to_owned())]);
    }
    let mut listed: Vec<String> =
        client.list_groups(&[]).expect("an answer").expect("a list").into_iter().map(|one| one.group).collect();
    listed.sort();
    let mut expected = names.map(str::to_owned);
    expected.sort();
    assert_eq!(listed, expected);
    rig.stop();
}

#[test]
fn one_question_may_be_about_many_groups() {
    let rig = rig();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let groups: Vec<String> = (0..100).map(|number| format!("group-{number}")).collect();
    let mut request = FindCoordinatorRequest::default();
    request.coordinator_keys = groups.iter().map(|group| group.clone().into()).collect();
    let Ok(Response::FindCoordinator(answer)) = client.call(4, &Request::FindCoordinator(request)) else {
        panic!("no answer");
    };
    assert_eq!(answer.coordinators.len(), 100);
    let at = rig.kafka();
    for (found, group) in answer.coordinators.iter().zip(&groups) {
        assert_eq!((&*found.key, found.error_code), (group.as_str(), 0));
        assert_eq!((found.host.to_string(), found.port), (at.ip().to_string(), i32::from(at.port())));
    }
    for (number, group) in (0..).zip(&groups) {
        found(&mut client, group);
        let place = Place { group, generation: -1, member: "", instance: None };
        assert_eq!(client.commit_offsets(place, &[("orders", 0, number, "")]).expect("an answer"), [ErrorCode::None]);
    }
    let mut request = OffsetFetchRequest::default();
    request.groups = groups
        .iter()
        .map(|group| {
            let mut asked = OffsetFetchRequestGroup::default();
            asked.group_id = group.clone().into();
            asked.topics = None;
            asked
        })
        .collect();
    let Ok(Response::OffsetFetch(answer)) = client.call(8, &Request::OffsetFetch(request)) else {
        panic!("no answer");
    };
    let offsets: Vec<i64> = answer.groups.iter().map(|group| group.topics[0].partitions[0].committed_offset).collect();
    assert_eq!(offsets, (0..100).collect::<Vec<i64>>(), "each group's own, in the order of the question");
    assert_eq!(client.list_groups(&[]).expect("an answer").expect("a list").len(), 100);
    let asked: Vec<&str> = groups.iter().map(String::as_str).collect();
    assert!(client.delete_groups(&asked).expect("an answer").iter().all(|code| *code == ErrorCode::None));
    assert_eq!(client.list_groups(&[]).expect("an answer").expect("a list"), []);
    rig.stop();
}

#[test]
fn the_oldest_versions_say_the_same_in_their_own_fields() {
    let rig = rig();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let mut member = Member::alone(&rig, "billing");
    assert_eq!(member.commit(&[("orders", 0, 9, "nine")]), [ErrorCode::None]);
    for version in 0..4 {
        let mut request = FindCoordinatorRequest::default();
        request.key = "billing".into();
        match client.call(version, &Request::FindCoordinator(request)) {
            Ok(Response::FindCoordinator(found)) => {
                assert_eq!((found.error_code, found.port), (0, i32::from(rig.kafka().port())), "version {version}");
            }
            other => panic!("{other:?}"),
        }
    }
    for version in 1..8 {
        let mut topic = OffsetFetchRequestTopic::default();
        topic.name = "orders".into();
        topic.partition_indexes = vec![0, 5];
        let mut request = OffsetFetchRequest::default();
        request.group_id = "billing".into();
        request.topics = Some(vec![topic]);
        match client.call(version, &Request::OffsetFetch(request)) {
            Ok(Response::OffsetFetch(answer)) => {
                let rows: Vec<_> =
                    answer.topics[0].partitions.iter().map(|one| (one.committed_offset, one.error_code)).collect();
                assert_eq!((answer.error_code, rows), (0, vec![(9, 0), (-1, 0)]), "version {version}");
            }
            other => panic!("{other:?}"),
        }
    }
    for (member, code) in [("nobody", ErrorCode::UnknownMemberId), (member.id.as_str(), ErrorCode::None)] {
        let mut request = LeaveGroupRequest::default();
        request.group_id = "billing".into();
        request.member_id = member.to_owned().into();
        match client.call(0, &Request::LeaveGroup(request)) {
            Ok(Response::LeaveGroup(left)) => assert_eq!(left.error_code, code.code()),
            other => panic!("{other:?}"),
        }
    }
    rig.stop();
}

#[test]
fn coordinators_of_anything_but_groups_are_refused_for_good() {
    let rig = rig();
    let mut client = connect(&rig);
    // None is a code that clients try again on: up to version 3 librdkafka does on all but those of missing rights.
    let (denied, invalid) = (ErrorCode::TransactionalIdAuthorizationFailed, ErrorCode::InvalidRequest);
    for (key_type, code, newer) in
        [(1, denied, ErrorCode::UnsupportedVersion), (2, invalid, invalid), (77, invalid, invalid)]
    {
        for version in [1, 3] {
            let mut request = FindCoordinatorRequest::default();
            request.key = "payments".into();
            request.key_type = key_type;
            match client.call(version, &Request::FindCoordinator(request)) {
                Ok(Response::FindCoordinator(found)) => {
                    assert_eq!((found.error_code, found.node_id), (code.code(), -1));
                    assert!(found.error_message.is_some());
                }
                other => panic!("{other:?}"),
            }
        }
        let mut request = FindCoordinatorRequest::default();
        request.coordinator_keys = vec!["payments".into()];
        request.key_type = key_type;
        match client.call(4, &Request::FindCoordinator(request)) {
            Ok(Response::FindCoordinator(found)) => {
                assert_eq!(found.coordinators[0].error_code, newer.code());
                assert!(found.coordinators[0].error_message.is_some());
            }
            other => panic!("{other:?}"),
        }
    }
    rig.stop();
}

#[test]
fn a_topic_takes_what_was_committed_for_it_along() {
    let rig = rig();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    client.create_topic("payments", 1, &[]).expect("a topic");
    let mut member = Member::alone(&rig, "billing");
    assert_eq!(member.commit(&[("orders", 0, 5, ""), ("payments", 0, 6, "")]), [ErrorCode::None; 2]);
    assert_eq!(delete_topic(&mut client, "orders"), 0);
    let payments = [("payments".to_owned(), 0, 6, String::new())];
    assert!(eventually(PATIENCE, || committed(&mut client, "billing") == payments), "they go soon");
    client.create_topic("orders", 1, &[]).expect("a topic of the same name");
    assert_eq!(committed(&mut client, "billing"), payments, "and do not come back");
    rig.stop();
}

#[test]
fn a_topic_takes_them_along_even_if_the_node_goes_down_at_that_moment() {
    let mut rig = rig();
    let mut client = connect(&rig);
    found(&mut client, "billing");
    for round in 0..5 {
        client.create_topic("orders", 1, &[]).expect("a topic");
        let place = Place { group: "billing", generation: -1, member: "", instance: None };
        let committing = eventually(PATIENCE, || {
            let done = client.commit_offsets(place, &[("orders", 0, 5, "")]).expect("an answer");
            done == [ErrorCode::None]
        });
        assert!(committing, "round {round}");
        assert_eq!(delete_topic(&mut client, "orders"), 0);
        rig.drop_and_start();
        client = connect(&rig);
        found(&mut client, "billing");
        assert!(eventually(PATIENCE, || committed(&mut client, "billing").is_empty()), "round {round}");
    }
    rig.stop();
}

#[test]
fn who_waits_for_a_rebalance_and_goes_away_holds_up_neither_the_others_nor_a_stop() {
    let rig = rig();
    let mut first = Member::alone(&rig, "billing");
    for round in 0..20 {
        let mut gone = connect(&rig);
        let asked = gone.join_group(&joining("billing", "")).expect("an answer");
        gone.send_join_group(&joining("billing", &asked.member)).expect("sent");
        // Who goes away before the coordinator hears of it has never been there; one at least has waited.
        if round == 0 {
            let told = eventually(PATIENCE, || first.beat() == ErrorCode::RebalanceInProgress);
            assert!(told, "the first is told, not {:?}", first.beat());
        }
        drop(gone);
    }
    let joined = first.client.join_group(&joining("billing", &first.id)).expect("an answer");
    assert_eq!(joined.error, ErrorCode::None);
    first.generation = joined.generation;
    let mut waiting = connect(&rig);
    let asked = waiting.join_group(&joining("billing", "")).expect("an answer");
    waiting.send_join_group(&joining("billing", &asked.member)).expect("sent");
    assert!(eventually(PATIENCE, || first.beat() == ErrorCode::RebalanceInProgress), "the first is told");
    let started = Instant::now();
    rig.stop();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
