//! A member told what its coordinator answers; what it asks next, and what it wants of its user.

use callboard_wire::messages::JoinGroupResponseMember;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Rig {
    member: Membership,
    now: Instant,
}

fn names(topics: &[&str]) -> BTreeSet<Arc<str>> {
    topics.iter().map(|topic| Arc::from(*topic)).collect()
}

fn partitions(list: &[(&str, i32)]) -> BTreeSet<TopicPartition> {
    list.iter().map(|one| TopicPartition::from(*one)).collect()
}

fn refused(code: ErrorCode) -> ClientError {
    ClientError::from_code(code.code(), "it", None).expect("no success")
}

impl Rig {
    fn new(assignors: &[Assignor], instance: Option<&str>) -> Self {
        let settings = GroupSettings {
            group: "group".into(),
            instance: instance.map(Into::into),
            assignors: assignors.to_vec(),
            session_timeout: 45 * SECOND,
            heartbeat_interval: 3 * SECOND,
            max_poll_interval: 300 * SECOND,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: SECOND,
        };
        let now = Instant::now();
        let mut member = Membership::new(settings);
        member.subscribe(names(&["t"]), now);
        Self { member, now }
    }

    fn after(&mut self, time: Duration) -> Vec<Effect> {
        self.now += time;
        self.member.polled(self.now);
        self.member.advance(self.now);
        self.member.effects()
    }

    /// Up to the join request; its ticket.
    fn asks_to_join(&mut self) -> (u64, Identity) {
        self.after(2 * SECOND);
        assert!(matches!(self.member.task(), Some(Task::GiveUp { .. })), "{:?}", self.member.phase);
        let kept = match self.member.task() {
            Some(Task::GiveUp { leaving, .. }) => self.member.owned.difference(&leaving).cloned().collect(),
            _ => BTreeSet::new(),
        };
        self.member.prepared(kept);
        match self.member.effects().pop() {
            Some(Effect::Join { ticket, who, .. }) => (ticket, who),
            other => panic!("{other:?}"),
        }
    }

    fn answer_join(&mut self, ticket: u64, generation: i32, leader: bool) -> Vec<Effect> {
        let mut answer = JoinGroupResponse::default();
        answer.generation_id = generation;
        answer.member_id = "me".into();
        answer.leader = if leader { "me" } else { "other" }.into();
        answer.protocol_name = Some(self.member.settings.assignors[0].name().into());
        if leader {
            let mut me = JoinGroupResponseMember::default();
            me.member_id = "me".into();
            let subscription = Subscription { topics: names(&["t"]), ..Subscription::default() };
            me.metadata = subscription.encode();
            let mut broken = JoinGroupResponseMember::default();
            broken.member_id = "zz".into();
            broken.metadata = Bytes::from_static(b"?");
            answer.members = vec![me, broken];
        }
        self.member.joined(ticket, Ok(answer), self.now, 0.5);
        self.member.effects()
    }

    fn answer_sync(&mut self, ticket: u64, list: &[(&str, i32)]) {
        let mut answer = SyncGroupResponse::default();
        answer.assignment = encode_assignment(&partitions(list).into_iter().collect::<Vec<_>>());
        self.member.synced(ticket, Ok(answer), self.now, 0.5);
    }

    fn joined(assignors: &[Assignor], instance: Option<&str>, list: &[(&str, i32)]) -> Self {
        let mut rig = Self::new(assignors, instance);
        let (ticket, _) = rig.asks_to_join();
        rig.answer_join(ticket, 1, false);
        rig.answer_sync(ticket, list);
        assert!(matches!(rig.member.task(), Some(Task::Take { assigned }) if assigned == partitions(list)));
        rig.member.accepted(partitions(list), false);
        assert!(rig.member.task().is_none());
        rig
    }

    fn beat(&mut self) -> (u64, Identity) {
        match self.after(3 * SECOND).pop() {
            Some(Effect::Heartbeat { ticket, who }) => (ticket, who),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_id_that_the_coordinator_gives_is_used_at_once_kip_394() {
    let mut rig = Rig::new(&[Assignor::Range], None);
    let (ticket, who) = rig.asks_to_join();
    assert_eq!(&*who.member, "");
    let mut answer = JoinGroupResponse::default();
    answer.error_code = ErrorCode::MemberIdRequired.code();
    answer.member_id = "me".into();
    rig.member.joined(ticket, Ok(answer), rig.now, 0.5);
    assert!(matches!(&rig.member.effects()[..], [Effect::Join { who, .. }] if &*who.member == "me"));
}

#[test]
fn the_leader_counts_and_shares_out_and_passes_over_members_it_cannot_read() {
    let mut rig = Rig::new(&[Assignor::Range], None);
    let (ticket, _) = rig.asks_to_join();
    let effects = rig.answer_join(ticket, 7, true);
    assert_eq!(effects, [Effect::Count { ticket, topics: names(&["t"]) }]);
    rig.member.counted(ticket, [("t".into(), 2)].into());
    match &rig.member.effects()[..] {
        [Effect::Sync { who, assignments, .. }] => {
            assert_eq!(who.generation, 7);
            let of = |id: &str| assignments.iter().find(|(member, _)| &**member == id).map(|(_, bytes)| bytes.clone());
            let mine = decode_assignment(&of("me").expect("mine")).expect("ours");
            assert_eq!(mine.len(), 2);
            assert_eq!(decode_assignment(&of("zz").expect("its")), Ok(Vec::new()));
        }
        other => panic!("{other:?}"),
    }
    rig.answer_sync(ticket, &[("t", 0), ("t", 1)]);
    rig.member.accepted(partitions(&[("t", 0), ("t", 1)]), false);
    rig.member.topics_changed(|_| Some(2));
    rig.after(SECOND);
    assert!(rig.member.task().is_none());
    // A third partition: the leader asks for a rebalance.
    rig.member.topics_changed(|_| Some(3));
    rig.after(SECOND);
    assert!(matches!(rig.member.task(), Some(Task::GiveUp { .. })));
}

#[test]
fn heartbeats_go_out_every_interval_and_a_rebalance_waits_for_the_user() {
    let mut rig = Rig::joined(&[Assignor::Range], None, &[("t", 0)]);
    let (ticket, who) = rig.beat();
    assert_eq!(who, Identity { member: "me".into(), generation: 1, instance: None });
    assert!(rig.after(10 * SECOND).is_empty(), "one at a time");
    rig.member.heartbeat_answered(ticket, Ok(()), rig.now);
    let (ticket, _) = rig.beat();
    rig.member.heartbeat_answered(ticket, Err(refused(ErrorCode::RebalanceInProgress)), rig.now);
    rig.after(SECOND / 2);
    assert!(
        matches!(rig.member.task(), Some(Task::GiveUp { leaving, lost: false }) if leaving == partitions(&[("t", 0)]))
    );
    // The user takes its time: the member lives on.
    assert!(matches!(&rig.after(3 * SECOND)[..], [Effect::Heartbeat { .. }]));
    rig.member.prepared(BTreeSet::new());
    assert!(matches!(&rig.member.effects()[..], [Effect::Join { who, .. }] if &*who.member == "me"));
}

#[test]
fn an_eager_member_gives_everything_up_a_cooperative_one_nothing_kip_429() {
    let mut eager = Rig::joined(&[Assignor::Range, Assignor::CooperativeSticky], None, &[("t", 0)]);
    let mut cooperative = Rig::joined(&[Assignor::CooperativeSticky], None, &[("t", 0), ("t", 1)]);
    for (rig, leaving) in [(&mut eager, partitions(&[("t", 0)])), (&mut cooperative, BTreeSet::new())] {
        let (ticket, _) = rig.beat();
        rig.member.heartbeat_answered(ticket, Err(refused(ErrorCode::RebalanceInProgress)), rig.now);
        rig.after(SECOND / 2);
        assert!(matches!(rig.member.task(), Some(Task::GiveUp { leaving: told, .. }) if told == leaving));
    }
    let rig = &mut cooperative;
    rig.member.prepared(partitions(&[("t", 0), ("t", 1)]));
    let Some(Effect::Join { ticket, protocols, .. }) = rig.member.effects().pop() else { panic!("no join") };
    let told = Subscription::decode(&protocols[0].1).expect("ours");
    assert_eq!((told.owned.len(), told.generation), (2, Some(1)), "it tells what it has");
    rig.answer_join(ticket, 2, false);
    rig.answer_sync(ticket, &[("t", 0)]);
    // What it loses makes it ask for the second round, in which another gets it.
    rig.member.accepted(partitions(&[("t", 0)]), true);
    rig.after(SECOND / 10);
    assert!(matches!(rig.member.task(), Some(Task::GiveUp { leaving, lost: false }) if leaving.is_empty()));
}

#[test]
fn a_topic_that_is_no_longer_subscribed_leaves_before_a_cooperative_join() {
    let mut rig = Rig::joined(&[Assignor::CooperativeSticky], None, &[("t", 0)]);
    rig.member.subscribe(names(&["u"]), rig.now);
    rig.after(SECOND / 10);
    assert!(matches!(rig.member.task(), Some(Task::GiveUp { leaving, .. }) if leaving == partitions(&[("t", 0)])));
}

#[test]
fn a_member_that_is_no_longer_known_has_lost_its_partitions() {
    for (code, id) in [(ErrorCode::UnknownMemberId, ""), (ErrorCode::IllegalGeneration, "me")] {
        let mut rig = Rig::joined(&[Assignor::CooperativeSticky], None, &[("t", 0)]);
        let (ticket, _) = rig.beat();
        rig.member.heartbeat_answered(ticket, Err(refused(code)), rig.now);
        rig.after(SECOND / 10);
        let told = rig.member.task();
        assert!(
            matches!(&told, Some(Task::GiveUp { leaving, lost: true }) if *leaving == partitions(&[("t", 0)])),
            "{told:?}"
        );
        rig.member.prepared(BTreeSet::new());
        assert!(matches!(&rig.member.effects()[..], [Effect::Join { who, .. }] if &*who.member == id), "{code}");
    }
}

#[test]
fn who_does_not_poll_leaves_and_comes_back_with_its_next_poll_kip_62() {
    let mut rig = Rig::joined(&[Assignor::Range], None, &[("t", 0)]);
    rig.now += 301 * SECOND;
    rig.member.advance(rig.now);
    let effects = rig.member.effects();
    assert!(matches!(&effects[..], [Effect::Leave { who }] if &*who.member == "me"), "{effects:?}");
    rig.now += 301 * SECOND;
    rig.member.advance(rig.now);
    assert!(rig.member.effects().is_empty(), "it neither joins nor beats by itself");
    assert!(rig.member.task().is_none());
    rig.after(Duration::ZERO);
    assert!(matches!(rig.member.task(), Some(Task::GiveUp { lost: true, .. })));
    let (_, who) = {
        rig.member.prepared(BTreeSet::new());
        match rig.member.effects().pop() {
            Some(Effect::Join { ticket, who, .. }) => (ticket, who),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(&*who.member, "");
}

#[test]
fn a_static_member_never_says_that_it_leaves_kip_345() {
    let mut rig = Rig::joined(&[Assignor::Range], Some("one"), &[("t", 0)]);
    rig.now += 301 * SECOND;
    rig.member.advance(rig.now);
    assert!(rig.member.effects().is_empty());
    let mut rig = Rig::joined(&[Assignor::Range], Some("one"), &[("t", 0)]);
    rig.member.leave();
    assert!(rig.member.effects().is_empty());
    let mut dynamic = Rig::joined(&[Assignor::Range], None, &[("t", 0)]);
    dynamic.member.leave();
    assert!(matches!(&dynamic.member.effects()[..], [Effect::Leave { .. }]));
}

#[test]
fn a_fenced_member_and_a_refused_protocol_are_told_to_the_user_for_good() {
    let mut rig = Rig::joined(&[Assignor::Range], Some("one"), &[("t", 0)]);
    let (ticket, _) = rig.beat();
    rig.member.heartbeat_answered(ticket, Err(refused(ErrorCode::FencedInstanceId)), rig.now);
    for _ in 0..2 {
        rig.after(60 * SECOND);
        assert!(
            matches!(rig.member.task(), Some(Task::Fail(error)) if error.kafka_code() == Some(ErrorCode::FencedInstanceId))
        );
    }
    for code in [ErrorCode::InconsistentGroupProtocol, ErrorCode::InvalidSessionTimeout, ErrorCode::GroupMaxSizeReached]
    {
        let mut rig = Rig::new(&[Assignor::Range], None);
        let (ticket, _) = rig.asks_to_join();
        rig.member.joined(ticket, Err(refused(code)), rig.now, 0.5);
        assert!(matches!(rig.member.task(), Some(Task::Fail(_))), "{code}");
    }
}

#[test]
fn a_coordinator_that_moved_is_looked_for_again_after_a_pause() {
    let mut rig = Rig::new(&[Assignor::Range], None);
    let (ticket, _) = rig.asks_to_join();
    rig.member.joined(ticket, Err(refused(ErrorCode::NotCoordinator)), rig.now, 0.5);
    assert_eq!(rig.member.effects(), [Effect::ForgetCoordinator]);
    rig.after(Duration::from_millis(50));
    assert!(rig.member.task().is_none(), "not before the pause is over");
    rig.after(Duration::from_millis(60));
    assert!(matches!(rig.member.task(), Some(Task::GiveUp { .. })));
    // While it loads it is the right one.
    let mut rig = Rig::new(&[Assignor::Range], None);
    let (ticket, _) = rig.asks_to_join();
    rig.member.joined(ticket, Err(refused(ErrorCode::CoordinatorLoadInProgress)), rig.now, 0.5);
    assert!(rig.member.effects().is_empty());
}

#[test]
fn answers_to_older_attempts_change_nothing() {
    let mut rig = Rig::joined(&[Assignor::Range], None, &[("t", 0)]);
    let (ticket, _) = rig.beat();
    rig.member.heartbeat_answered(ticket + 1, Err(refused(ErrorCode::UnknownMemberId)), rig.now);
    rig.member.joined(ticket, Err(refused(ErrorCode::UnknownMemberId)), rig.now, 0.5);
    rig.member.synced(ticket, Err(refused(ErrorCode::UnknownMemberId)), rig.now, 0.5);
    rig.member.commit_refused(0, &refused(ErrorCode::UnknownMemberId), rig.now);
    rig.after(SECOND);
    assert!(rig.member.task().is_none());
    assert_eq!(rig.member.identity().generation, 1);
}

#[test]
fn a_commit_that_is_refused_makes_the_member_join_again() {
    let mut rig = Rig::joined(&[Assignor::Range], None, &[("t", 0)]);
    rig.member.commit_refused(1, &refused(ErrorCode::RebalanceInProgress), rig.now);
    rig.after(SECOND / 10);
    assert!(matches!(rig.member.task(), Some(Task::GiveUp { lost: false, .. })));
    let mut rig = Rig::joined(&[Assignor::Range], None, &[("t", 0)]);
    rig.member.commit_refused(1, &refused(ErrorCode::UnknownMemberId), rig.now);
    rig.after(SECOND / 10);
    assert!(matches!(rig.member.task(), Some(Task::GiveUp { lost: true, .. })));
}

#[test]
fn a_sync_that_meets_another_round_joins_it_with_the_same_id() {
    let mut rig = Rig::new(&[Assignor::Range], None);
    let (ticket, _) = rig.asks_to_join();
    rig.answer_join(ticket, 1, false);
    rig.member.synced(ticket, Err(refused(ErrorCode::RebalanceInProgress)), rig.now, 0.5);
    let (_, who) = rig.asks_to_join();
    assert_eq!(&*who.member, "me");
}

#[test]
fn a_commit_that_the_next_generation_refuses_does_not_disturb_the_join_that_began_it() {
    for code in [ErrorCode::IllegalGeneration, ErrorCode::UnknownMemberId] {
        let mut rig = Rig::joined(&[Assignor::CooperativeSticky], None, &[("t", 0)]);
        let (beat, _) = rig.beat();
        rig.member.heartbeat_answered(beat, Err(refused(ErrorCode::RebalanceInProgress)), rig.now);
        let (ticket, _) = rig.asks_to_join();
        assert!(rig.member.has_outgrown(1), "the coordinator may count on already");
        rig.member.commit_refused(1, &refused(code), rig.now);
        // The answer to the join comes by another connection, later.
        let effects = rig.answer_join(ticket, 2, false);
        assert!(matches!(&effects[..], [Effect::Sync { who, .. }] if who.generation == 2), "{effects:?}");
        rig.answer_sync(ticket, &[("t", 0)]);
        let task = rig.member.task();
        assert!(matches!(&task, Some(Task::Take { assigned }) if *assigned == partitions(&[("t", 0)])), "{task:?}");
        assert!(rig.member.has_outgrown(1) && !rig.member.has_outgrown(2));
    }
}
