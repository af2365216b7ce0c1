//! Random members, crashes and coordinators that are read again, against what must always hold.
//!
//! - No group is stuck: from any state, once all live members act by the protocol, it is stable within the timeouts.
//! - A generation has one assignment, and a partition of it one owner.
//! - A committed position is told until another one is committed, also by a coordinator read from the log.
//! - What is read from the log is what there was.

use std::collections::BTreeMap;

use bytes::Bytes;
use callboard_model::{ErrorCode, GroupConfig};
use callboard_shard::{Caller, Shard};
use proptest::prelude::*;

use crate::rig::{Rig, committing, joining, protocol, syncing};
use crate::{
    Command, GroupState, JoinGroup, JoinGroupReply, LeaveGroup, LeavingMember, MemberAssignment, MemberId,
    OffsetCommit, Reply, SyncGroup,
};

const GROUP: &str = "g";
const PARTITIONS: usize = 6;
const CLIENTS: usize = 5;

/// What one client does next, whether it fits or not.
#[derive(Clone, Copy, Debug)]
enum Act {
    Join,
    Sync,
    Heartbeat,
    Commit,
    Leave,
    /// The process dies without a word; another takes its place.
    Crash,
    /// It subscribes to something else.
    Change,
}

#[derive(Clone, Debug)]
enum Step {
    Act(usize, Act),
    /// A client does whatever the protocol asks of it next.
    Behave(usize),
    Pass(u64),
    Reload,
    /// Commits are held up from here on.
    HoldUp,
    /// They come through.
    GoOn,
    /// They never will.
    Lose,
    Compact,
    DeleteGroup,
}

fn any_step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        Just(Act::Join),
        Just(Act::Sync),
        Just(Act::Heartbeat),
        Just(Act::Commit),
        Just(Act::Leave),
        Just(Act::Crash),
        Just(Act::Change),
    ];
    prop_oneof![
        6 => (0..CLIENTS, act).prop_map(|(client, act)| Step::Act(client, act)),
        12 => (0..CLIENTS).prop_map(Step::Behave),
        3 => prop_oneof![Just(0u64), Just(500), Just(3_000), Just(9_000), Just(61_000)].prop_map(Step::Pass),
        1 => Just(Step::Reload),
        1 => Just(Step::HoldUp),
        2 => Just(Step::GoOn),
        1 => Just(Step::Lose),
        1 => Just(Step::Compact),
        1 => Just(Step::DeleteGroup),
    ]
}

/// A consumer of the classic protocol, as much of it as matters here.
#[derive(Clone, Debug, Default)]
struct Client {
    instance: Option<&'static str>,
    version: i16,
    topic: &'static str,
    member: Option<MemberId>,
    place: Option<JoinGroupReply>,
    is_assigned: bool,
    waits: Option<Caller>,
    /// The offset that its commit under way says.
    commits: i64,
}

struct World {
    rig: Rig,
    clients: Vec<Client>,
    /// Who was told that it owns a partition in a generation.
    owners: BTreeMap<(i32, u8), String>,
    committed: BTreeMap<usize, i64>,
    next: i64,
}

impl World {
    fn new() -> Self {
        let kinds = [(None, 5, "t"), (None, 3, "t"), (None, 9, "u"), (Some("a"), 9, "t"), (Some("b"), 5, "u")];
        let clients = kinds
            .into_iter()
            .map(|(instance, version, topic)| Client { instance, version, topic, ..Client::default() })
            .collect();
        let config = GroupConfig { max_size: 4, ..GroupConfig::default() };
        Self { rig: Rig::with(config), clients, owners: BTreeMap::new(), committed: BTreeMap::new(), next: 0 }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Act(client, act) => self.act(client, act),
            Step::Behave(client) => self.behave(client),
            Step::Pass(ms) => self.rig.pass_ms(ms),
            Step::Compact => {
                self.rig.go_on();
                self.rig.compact();
            }
            Step::Reload => {
                self.rig.go_on();
                self.collect();
                self.reload();
            }
            Step::HoldUp => self.rig.hold_up(),
            Step::GoOn => self.rig.go_on(),
            Step::Lose => {
                self.rig.lose();
                self.ask_again();
            }
            Step::DeleteGroup => {
                self.rig.go_on();
                self.collect();
                if self.rig.delete(GROUP) == ErrorCode::None {
                    self.committed.clear();
                }
            }
        }
        self.collect();
        self.check();
    }

    fn reload(&mut self) {
        let before = self.rig.groups.snapshot();
        self.rig.reload();
        assert_eq!(self.rig.groups.snapshot(), before, "what is read is what there was");
        self.ask_again();
    }

    /// Who waited is refused, and its connection or its coordinator is another one now.
    fn ask_again(&mut self) {
        for client in &mut self.clients {
            if client.waits.take().is_some() {
                client.place = client.place.take().filter(|_| client.is_assigned);
            }
        }
    }

    fn act(&mut self, at: usize, act: Act) {
        if self.clients[at].waits.is_some() && !matches!(act, Act::Crash | Act::Leave) {
            return;
        }
        match act {
            Act::Join => self.join(at),
            Act::Sync => self.sync(at),
            Act::Heartbeat => self.heartbeat(at),
            Act::Commit => self.commit(at),
            Act::Leave => {
                let client = self.clients[at].clone();
                if let Some(member) = client.member {
                    let instance = client.instance.map(Into::into);
                    let members = vec![LeavingMember { member, instance, reason: None }];
                    self.rig.send(Command::LeaveGroup(LeaveGroup { group: GROUP.into(), members }));
                }
                self.forget(at);
            }
            Act::Crash => self.forget(at),
            Act::Change => self.clients[at].topic = if self.clients[at].topic == "t" { "u" } else { "t" },
        }
    }

    fn forget(&mut self, at: usize) {
        let Client { instance, version, topic, .. } = self.clients[at];
        self.clients[at] = Client { instance, version, topic, ..Client::default() };
    }

    fn behave(&mut self, at: usize) {
        let client = &self.clients[at];
        if client.waits.is_some() {
        } else if client.place.is_none() {
            self.join(at);
        } else if !client.is_assigned {
            self.sync(at);
        } else {
            self.heartbeat(at);
        }
    }

    fn join(&mut self, at: usize) {
        let client = &self.clients[at];
        let join = JoinGroup {
            member: client.member.clone().unwrap_or_else(|| "".into()),
            instance: client.instance.map(Into::into),
            api_version: client.version,
            protocols: vec![protocol("sticky", client.topic), protocol("range", client.topic)],
            ..joining(GROUP)
        };
        let caller = self.rig.send_join(join);
        self.clients[at].is_assigned = false;
        self.clients[at].place = None;
        self.clients[at].waits = Some(caller);
    }

    fn sync(&mut self, at: usize) {
        let Some(place) = self.clients[at].place.clone() else { return };
        let mut assignments = Vec::new();
        for (turn, joined) in place.members.iter().enumerate().filter(|_| !place.skip_assignment) {
            let mine: Vec<u8> =
                (0..PARTITIONS).filter(|at| at % place.members.len() == turn).map(|at| at as u8).collect();
            assignments.push(MemberAssignment { member: joined.member.clone(), assignment: mine.into() });
        }
        let instance = self.clients[at].instance.map(Into::into);
        let caller = self.rig.send_sync(SyncGroup { instance, assignments, ..syncing(GROUP, &place) });
        self.clients[at].waits = Some(caller);
    }

    fn heartbeat(&mut self, at: usize) {
        let client = self.clients[at].clone();
        let Some(place) = client.place else { return };
        if !self.rig.is_held_up() {
            let error = self.rig.heartbeat_as(GROUP, place.generation, &place.member, client.instance);
            self.react(at, error);
        }
    }

    fn react(&mut self, at: usize, error: ErrorCode) {
        let client = &mut self.clients[at];
        match error {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => {
                client.place = None;
                client.is_assigned = false;
            }
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId | ErrorCode::GroupMaxSizeReached => {
                self.forget(at)
            }
            other => panic!("{other} is no answer here"),
        }
    }

    fn commit(&mut self, at: usize) {
        let client = self.clients[at].clone();
        let Some(place) = client.place.filter(|_| client.is_assigned) else { return };
        self.next += 1;
        let partition = at % PARTITIONS;
        let one = committing(GROUP, "t", i32::try_from(partition).expect("small"), self.next);
        let instance = client.instance.map(Into::into);
        let commit = OffsetCommit { generation: place.generation, member: place.member, instance, ..one };
        let caller = self.rig.send(Command::OffsetCommit(commit));
        self.clients[at].waits = Some(caller);
        self.clients[at].commits = self.next;
    }

    fn committed(&mut self, at: usize, error: ErrorCode) {
        self.clients[at].waits = None;
        if error == ErrorCode::None {
            self.committed.insert(at % PARTITIONS, self.clients[at].commits);
        }
        self.react(at, error);
    }

    /// Hands out the answers that have come.
    fn collect(&mut self) {
        for at in 0..self.clients.len() {
            let Some(caller) = self.clients[at].waits else { continue };
            match self.rig.take(caller) {
                None => continue,
                Some(Reply::JoinGroup(reply)) => self.joined(at, reply),
                Some(Reply::SyncGroup(reply)) => self.synced(at, reply.error, reply.assignment),
                Some(Reply::OffsetCommit(topics)) => self.committed(at, topics[0].partitions[0].error),
                Some(other) => panic!("{other:?}"),
            }
        }
    }

    fn joined(&mut self, at: usize, reply: JoinGroupReply) {
        let client = &mut self.clients[at];
        client.waits = None;
        match reply.error {
            ErrorCode::None => {
                client.member = Some(reply.member.clone());
                client.place = Some(reply);
            }
            ErrorCode::MemberIdRequired => client.member = Some(reply.member),
            error => self.react(at, error),
        }
    }

    fn synced(&mut self, at: usize, error: ErrorCode, assignment: Bytes) {
        self.clients[at].waits = None;
        if error != ErrorCode::None {
            return self.react(at, error);
        }
        self.clients[at].is_assigned = true;
        let place = self.clients[at].place.as_ref().expect("it synced with one");
        // A static member's next process owns what the last one did.
        let owner = self.clients[at].instance.map_or_else(|| place.member.to_string(), str::to_owned);
        for partition in assignment {
            let before = self.owners.insert((place.generation, partition), owner.clone());
            assert!(before.is_none_or(|before| before == owner), "a generation has one assignment");
        }
    }

    fn check(&mut self) {
        if self.rig.is_held_up() {
            return;
        }
        if self.rig.state(GROUP) == GroupState::Dead {
            // Generations count from one again.
            self.owners.clear();
        }
        for (partition, offset) in self.committed.clone() {
            let told = self.rig.position(GROUP, "t", i32::try_from(partition).expect("small"));
            // A client may have gone before it heard of its commit.
            assert!(told >= offset, "partition {partition} went back from {offset} to {told}");
        }
        let written = self.rig.groups.snapshot();
        for record in &written {
            let crate::Record::Group { value: Some(value), .. } = record else { continue };
            let mut owned: Vec<u8> = value.members.iter().flat_map(|member| member.assignment.to_vec()).collect();
            owned.sort_unstable();
            let count = owned.len();
            owned.dedup();
            assert_eq!(owned.len(), count, "two owners of one partition");
        }
    }

    /// From here on everybody acts by the protocol, and nobody comes or goes.
    fn settle(&mut self) {
        self.rig.go_on();
        self.collect();
        // The group has places for four.
        for client in &mut self.clients[4..] {
            client.waits = None;
        }
        self.clients.truncate(4);
        for _ in 0..400 {
            for at in 0..self.clients.len() {
                self.behave(at);
                self.collect();
                self.check();
            }
            self.rig.pass_ms(1_000);
            self.collect();
            let all = self.clients.iter().all(|client| client.is_assigned && client.waits.is_none());
            if all && self.rig.state(GROUP) == GroupState::Stable && self.all_agree() {
                return;
            }
        }
        panic!("stuck: {:?}, {:?}", self.rig.describe(GROUP), self.clients);
    }

    fn all_agree(&mut self) -> bool {
        let generation = self.clients[0].place.as_ref().map(|place| place.generation);
        let members = self.rig.describe(GROUP).members.len();
        let heartbeats = (0..self.clients.len()).all(|at| {
            let client = self.clients[at].clone();
            client.place.is_some_and(|place| {
                Some(place.generation) == generation
                    && self.rig.heartbeat_as(GROUP, place.generation, &place.member, client.instance) == ErrorCode::None
            })
        });
        heartbeats && members == self.clients.len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_members_do_the_group_is_stable_in_the_end(steps in proptest::collection::vec(any_step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
        world.reload();
        prop_assert_eq!(world.rig.state(GROUP), GroupState::Stable);
        prop_assert!(world.all_agree());
    }
}
