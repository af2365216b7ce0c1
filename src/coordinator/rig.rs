//! For tests: the machine with a clock that is moved by hand, timers that fire in order, and a log that it can be read
//! from again. Every record goes through its bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use callboard_model::{ErrorCode, GroupConfig, LeaderEpoch, Offset, PartitionIndex, Tick, Timestamp, TopicId};
use callboard_shard::{Caller, KeyValue, Now, Outcome, Shard, TimerChange};
use uuid::Uuid;

use crate::*;

/// When the tests begin, in milliseconds.
pub(crate) const DAWN: i64 = 1_700_000_000_000;

pub(crate) struct Rig {
    pub(crate) groups: Groups,
    pub(crate) config: GroupConfig,
    pub(crate) tick: Duration,
    pub(crate) log: Vec<KeyValue>,
    pub(crate) room: usize,
    timers: BTreeMap<Timer, (Duration, u64)>,
    serial: u64,
    waiting: BTreeSet<Caller>,
    answers: BTreeMap<Caller, Reply>,
    /// While commits are held up: how much of the log is committed, and the answers that wait for the rest.
    held: Option<(usize, Vec<(Caller, Reply)>)>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(GroupConfig { initial_rebalance_delay: Duration::ZERO, ..GroupConfig::default() })
    }

    pub(crate) fn with(config: GroupConfig) -> Self {
        let mut rig = Self {
            groups: Groups::new(config.clone()),
            config,
            tick: Duration::from_secs(100),
            log: Vec::new(),
            room: 1 << 20,
            timers: BTreeMap::new(),
            serial: 0,
            waiting: BTreeSet::new(),
            answers: BTreeMap::new(),
            held: None,
        };
        rig.load();
        rig
    }

    fn now(&self) -> Now {
        let passed = i64::try_from(self.tick.as_millis()).expect("tests are short");
        Now { tick: Tick(self.tick), wall: Timestamp(DAWN + passed) }
    }

    /// Everything volatile is gone; the log is read again.
    pub(crate) fn reload(&mut self) {
        self.groups = Groups::new(self.config.clone());
        self.timers.clear();
        self.waiting.clear();
        self.answers.clear();
        self.load();
    }

    fn load(&mut self) {
        for stored in &self.log {
            let record = Groups::decode(stored).expect("a record of ours").expect("that means something");
            self.groups.replay(&record, Timestamp(DAWN));
        }
        let mut outcome = Outcome::new(self.room);
        self.groups.loaded(self.now(), &mut outcome);
        self.settle(outcome);
    }

    /// From now on nothing is committed, so nobody is answered.
    pub(crate) fn hold_up(&mut self) {
        self.held.get_or_insert_with(|| (self.log.len(), Vec::new()));
    }

    pub(crate) fn is_held_up(&self) -> bool {
        self.held.is_some()
    }

    /// What was held up is committed.
    pub(crate) fn go_on(&mut self) {
        self.answers.extend(self.held.take().into_iter().flat_map(|(_, replies)| replies));
    }

    /// What was held up never was.
    pub(crate) fn lose(&mut self) {
        if let Some((committed, _)) = self.held.take() {
            self.log.truncate(committed);
        }
        self.reload();
    }

    /// Keeps the newest record of each key, without tombstones.
    pub(crate) fn compact(&mut self) {
        let newest: BTreeMap<_, _> = self.log.iter().enumerate().map(|(at, stored)| (stored.key.clone(), at)).collect();
        let mut at = 0..;
        self.log.retain(|stored| newest[&stored.key] == at.next().expect("endless") && stored.value.is_some());
    }

    fn settle(&mut self, outcome: Outcome<Groups>) {
        let size: usize =
            outcome.records.iter().map(|record| callboard_shard::stored_size(&Groups::encode(record))).sum();
        assert!(size <= self.room, "{size} bytes are more than there is room for");
        for record in &outcome.records {
            let stored = Groups::encode(record);
            assert_eq!(Groups::decode(&stored).as_ref(), Ok(&Some(record.clone())));
            self.log.push(stored);
            self.groups.replay(record, self.now().wall);
        }
        for (caller, reply) in outcome.replies {
            assert!(self.waiting.remove(&caller), "answered once: {reply:?}");
            match &mut self.held {
                Some((_, replies)) => replies.push((caller, reply)),
                None => drop(self.answers.insert(caller, reply)),
            }
        }
        for change in outcome.timers {
            match change {
                TimerChange::Start(timer, after) => {
                    self.serial += 1;
                    self.timers.insert(timer, (self.tick + after, self.serial));
                }
                TimerChange::Cancel(timer) => {
                    self.timers.remove(&timer);
                }
            }
        }
    }

    /// Asks, and does not wait for the answer.
    pub(crate) fn send(&mut self, command: Command) -> Caller {
        self.serial += 1;
        let caller = Caller(self.serial);
        self.waiting.insert(caller);
        let mut outcome = Outcome::new(self.room);
        self.groups.decide(command, caller, self.now(), &mut outcome);
        self.settle(outcome);
        caller
    }

    /// The answer, if there is one by now.
    pub(crate) fn take(&mut self, caller: Caller) -> Option<Reply> {
        self.answers.remove(&caller)
    }

    pub(crate) fn ask(&mut self, command: Command) -> Reply {
        let caller = self.send(command);
        self.take(caller).expect("answered at once")
    }

    /// Lets time pass; timers fire when they are due, in order.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.tick + time;
        for _ in 0..1_000_000 {
            let Some((timer, at)) =
                self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (timer.clone(), at.0))
            else {
                break;
            };
            if at > end {
                break;
            }
            self.tick = self.tick.max(at);
            self.timers.remove(&timer);
            let mut outcome = Outcome::new(self.room);
            self.groups.expired(timer, self.now(), &mut outcome);
            self.settle(outcome);
        }
        self.tick = end;
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    pub(crate) fn timers(&self) -> usize {
        self.timers.len()
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        self.serial += 1;
        Uuid::from_u128(u128::from(self.serial))
    }

    pub(crate) fn send_join(&mut self, join: JoinGroup) -> Caller {
        let fresh = self.uuid();
        self.send(Command::JoinGroup(JoinGroup { fresh, ..join }))
    }

    pub(crate) fn joined(&mut self, caller: Caller) -> Option<JoinGroupReply> {
        match self.take(caller)? {
            Reply::JoinGroup(reply) => Some(reply),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn join(&mut self, join: JoinGroup) -> JoinGroupReply {
        let caller = self.send_join(join);
        self.joined(caller).expect("answered at once")
    }

    /// A first join of a dynamic member: its id.
    pub(crate) fn admit(&mut self, join: JoinGroup) -> MemberId {
        let reply = self.join(JoinGroup { api_version: 5, ..join });
        assert_eq!(reply.error, ErrorCode::MemberIdRequired);
        reply.member
    }

    pub(crate) fn send_sync(&mut self, sync: SyncGroup) -> Caller {
        self.send(Command::SyncGroup(sync))
    }

    pub(crate) fn synced(&mut self, caller: Caller) -> Option<SyncGroupReply> {
        match self.take(caller)? {
            Reply::SyncGroup(reply) => Some(reply),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn sync(&mut self, sync: SyncGroup) -> SyncGroupReply {
        let caller = self.send_sync(sync);
        self.synced(caller).expect("answered at once")
    }

    pub(crate) fn heartbeat(&mut self, group: &str, generation: i32, member: &MemberId) -> ErrorCode {
        self.heartbeat_as(group, generation, member, None)
    }

    pub(crate) fn heartbeat_as(
        &mut self,
        group: &str,
        generation: i32,
        member: &MemberId,
        instance: Option<&str>,
    ) -> ErrorCode {
        let instance = instance.map(InstanceId::from);
        let heartbeat = Heartbeat { group: group.into(), generation, member: member.clone(), instance };
        match self.ask(Command::Heartbeat(heartbeat)) {
            Reply::Heartbeat(error) => error,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn leave(&mut self, group: &str, members: &[(&str, Option<&str>)]) -> Vec<ErrorCode> {
        let members = members.iter().map(|(member, instance)| LeavingMember {
            member: (*member).into(),
            instance: instance.map(InstanceId::from),
            reason: None,
        });
        match self.ask(Command::LeaveGroup(LeaveGroup { group: group.into(), members: members.collect() })) {
            Reply::LeaveGroup(reply) if reply.error == ErrorCode::None => {
                reply.members.iter().map(|member| member.error).collect()
            }
            Reply::LeaveGroup(reply) => vec![reply.error],
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn commit(&mut self, commit: OffsetCommit) -> Vec<ErrorCode> {
        match self.ask(Command::OffsetCommit(commit)) {
            Reply::OffsetCommit(topics) => {
                topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| partition.error)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// The offset in one partition.
    pub(crate) fn position(&mut self, group: &str, topic: &str, partition: i32) -> i64 {
        let asked =
            FetchedTopic { topic: topic.into(), topic_id: TopicId::ZERO, partitions: vec![PartitionIndex(partition)] };
        let reply = self.fetch(group, Some(vec![asked]));
        reply[0].partitions[0].offset.get()
    }

    pub(crate) fn fetch(&mut self, group: &str, topics: Option<Vec<FetchedTopic>>) -> Vec<FetchedOffsets> {
        let fetch = OffsetFetch { group: group.into(), member: None, member_epoch: -1, topics, require_stable: true };
        match self.ask(Command::OffsetFetch(fetch)) {
            Reply::OffsetFetch(reply) => {
                assert_eq!(reply.error, ErrorCode::None);
                reply.topics
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn describe(&mut self, group: &str) -> DescribeGroupReply {
        match self.ask(Command::DescribeGroup(DescribeGroup { group: group.into(), api_version: 6 })) {
            Reply::DescribeGroup(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn state(&mut self, group: &str) -> GroupState {
        self.describe(group).state
    }

    pub(crate) fn delete(&mut self, group: &str) -> ErrorCode {
        match self.ask(Command::DeleteGroup(DeleteGroup { group: group.into() })) {
            Reply::DeleteGroup(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// A stable group of dynamic members of its first generation; the leader is first.
    pub(crate) fn stable(&mut self, group: &str, members: usize) -> Vec<MemberId> {
        let ids: Vec<_> = (0..members).map(|_| self.admit(joining(group))).collect();
        let callers: Vec<_> = ids.iter().map(|id| self.send_join(known(group, id))).collect();
        self.pass(Duration::ZERO);
        let places: Vec<_> = callers.iter().map(|caller| self.joined(*caller).expect("a place")).collect();
        self.assign(group, &places);
        let leader = places[0].leader.clone();
        let mut ids = ids;
        ids.sort_by_key(|id| *id != leader);
        ids
    }

    /// All members of a generation sync; everybody's assignment is its own id.
    pub(crate) fn assign(&mut self, group: &str, places: &[JoinGroupReply]) {
        let mut callers = Vec::new();
        for place in places {
            let assignments = place.members.iter().map(|joined| MemberAssignment {
                member: joined.member.clone(),
                assignment: Bytes::copy_from_slice(joined.member.as_str().as_bytes()),
            });
            callers.push(self.send_sync(SyncGroup { assignments: assignments.collect(), ..syncing(group, place) }));
        }
        for (caller, place) in callers.into_iter().zip(places) {
            let reply = self.synced(caller).expect("an assignment");
            assert_eq!(reply.error, ErrorCode::None);
            assert_eq!(&reply.assignment[..], place.member.as_str().as_bytes());
        }
    }
}

/// A consumer's subscription to one topic.
pub(crate) fn subscription(topic: &str) -> Bytes {
    let mut bytes = b"\0\0\0\0\0\x01".to_vec();
    bytes.extend_from_slice(&u16::try_from(topic.len()).expect("short").to_be_bytes());
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(&(-1i32).to_be_bytes());
    bytes.into()
}

pub(crate) fn protocol(name: &str, topic: &str) -> GroupProtocol {
    GroupProtocol { name: name.into(), metadata: subscription(topic) }
}

/// A first join of a consumer, in the newest version.
pub(crate) fn joining(group: &str) -> JoinGroup {
    JoinGroup {
        group: group.into(),
        member: "".into(),
        instance: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", "t")],
        reason: None,
        api_version: 9,
        fresh: Uuid::nil(),
    }
}

pub(crate) fn known(group: &str, member: &MemberId) -> JoinGroup {
    JoinGroup { member: member.clone(), ..joining(group) }
}

pub(crate) fn as_instance(group: &str, instance: &str) -> JoinGroup {
    JoinGroup { instance: Some(instance.into()), ..joining(group) }
}

pub(crate) fn syncing(group: &str, place: &JoinGroupReply) -> SyncGroup {
    SyncGroup {
        group: group.into(),
        generation: place.generation,
        member: place.member.clone(),
        instance: None,
        protocol_type: place.protocol_type.clone(),
        protocol: place.protocol.clone(),
        assignments: Vec::new(),
    }
}

/// A commit of one position by nobody in particular.
pub(crate) fn committing(group: &str, topic: &str, partition: i32, offset: i64) -> OffsetCommit {
    OffsetCommit {
        group: group.into(),
        generation: -1,
        member: "".into(),
        instance: None,
        retention_ms: -1,
        topics: vec![CommittedTopic {
            topic: topic.into(),
            topic_id: TopicId::ZERO,
            partitions: vec![CommittingPartition {
                partition: PartitionIndex(partition),
                offset: Offset(offset),
                leader_epoch: Some(LeaderEpoch(3)),
                metadata: Some("note".into()),
            }],
        }],
        transaction: None,
        api_version: 8,
    }
}

impl Groups {
    /// What is written down of a group.
    pub(crate) fn snapshot_of(&self, group: &str) -> GroupMetadata {
        self.groups.get(group).and_then(|group| group.recorded()).cloned().expect("written down")
    }
}
