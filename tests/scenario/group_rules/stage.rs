//! Where the stories of groups are told, and the members that play in them.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use callboard_model::ErrorCode;
use callboard_test_client::{Client, Joined, JoinedMember, Joining, Place};

use crate::rig::{PATIENCE, Rig, eventually};

pub(super) const SESSION: Duration = Duration::from_secs(10);
/// A consumer's subscription to the topic `t`.
pub(super) const READS_T: &[u8] = b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff";
/// Members that a group may have.
pub(super) const PLACES: u32 = 4;

/// Where a story is told: on a node of our own, or on whatever listens at `GROUPS_ON`.
pub(super) struct Stage {
    pub(super) rig: Option<Rig>,
    pub(super) address: SocketAddr,
    /// Keeps the groups of one run apart from those of another.
    pub(super) run: u128,
}

impl Stage {
    pub(super) fn set() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let run = since.as_nanos();
        if let Ok(address) = std::env::var("GROUPS_ON") {
            return Self { rig: None, address: address.parse().expect("HOST:PORT"), run };
        }
        let rig = Rig::with(|settings| {
            settings.groups.initial_rebalance_delay = Duration::from_millis(500);
            settings.groups.max_size = PLACES;
        });
        let address = rig.kafka();
        Self { rig: Some(rig), address, run }
    }

    pub(super) fn connect(&self) -> Client {
        Client::connect(self.address, PATIENCE).expect("a connection")
    }

    /// A group of this run whose coordinator answers.
    pub(super) fn group(&self, name: &str) -> String {
        let group = format!("{name}-{}", self.run);
        let mut client = self.connect();
        let found = eventually(PATIENCE, || {
            let unknown = Place { group: &group, generation: 1, member: "nobody", instance: None };
            matches!(client.find_coordinator(&group), Ok(Ok(_)))
                && matches!(client.heartbeat(unknown), Ok(ErrorCode::UnknownMemberId))
        });
        assert!(found, "{group} has a coordinator");
        group
    }

    pub(super) fn topics(&self) {
        let mut client = self.connect();
        for topic in ["t", "u"] {
            // It may be there from another story.
            drop(client.create_topic(topic, 2, &[]));
        }
        let known = |client: &mut Client| {
            let topics = client.metadata(Some(&["t", "u"])).expect("an answer").topics;
            topics.iter().all(|topic| topic.error_code == 0)
        };
        assert!(eventually(PATIENCE, || known(&mut client)), "both topics are there");
    }

    pub(super) fn state(&self, group: &str) -> String {
        self.connect().describe_groups(&[group]).expect("an answer").remove(0).state
    }

    pub(super) fn end(self) {
        if let Some(rig) = self.rig {
            rig.stop();
        }
    }
}

pub(super) fn joining<'a>(group: &'a str, instance: Option<&'a str>) -> Joining<'a> {
    let protocols = &[("range", READS_T)];
    Joining { group, member: "", instance, session_timeout: SESSION, rebalance_timeout: SESSION, protocols }
}

/// A client with its place in a generation.
pub(super) struct Member {
    pub(super) client: Client,
    pub(super) instance: Option<&'static str>,
    pub(super) joined: Joined,
}

impl Member {
    pub(super) fn place<'a>(&'a self, group: &'a str) -> Place<'a> {
        place(group, &self.joined, self.instance)
    }

    pub(super) fn leads(&self) -> bool {
        self.joined.leader == self.joined.member
    }

    pub(super) fn beat(&mut self, group: &str) -> ErrorCode {
        let place = place(group, &self.joined, self.instance);
        self.client.heartbeat(place).expect("an answer")
    }

    /// Sends a join with the id that it has.
    pub(super) fn send_rejoin(&mut self, group: &str, protocols: &[(&str, &[u8])]) {
        let member = self.joined.member.clone();
        let joining = Joining { member: &member, protocols, ..joining(group, self.instance) };
        self.client.send_join_group(&joining).expect("sent");
    }

    pub(super) fn receive_place(&mut self) {
        self.joined = self.client.receive_join_group().expect("an answer");
        assert_eq!(self.joined.error, ErrorCode::None);
    }
}

pub(super) fn place<'a>(group: &'a str, joined: &'a Joined, instance: Option<&'a str>) -> Place<'a> {
    Place { group, generation: joined.generation, member: &joined.member, instance }
}

/// A stable group of these members; the leader is first. Everybody's assignment is its own id.
pub(super) fn stable(stage: &Stage, group: &str, instances: &[Option<&'static str>]) -> Vec<Member> {
    let mut members = joined(stage, group, instances);
    assign(group, &mut members);
    members
}

/// A generation of these members, `None` for a dynamic one, that have no assignment yet; the leader is first.
pub(super) fn joined(stage: &Stage, group: &str, instances: &[Option<&'static str>]) -> Vec<Member> {
    let mut waiting = Vec::new();
    for instance in instances {
        let mut client = stage.connect();
        let asked = joining(group, *instance);
        let id = match instance {
            Some(_) => String::new(),
            None => client.join_group(&asked).expect("an answer").member,
        };
        client.send_join_group(&Joining { member: &id, ..asked }).expect("sent");
        waiting.push((client, *instance));
    }
    let mut members: Vec<Member> = waiting
        .into_iter()
        .map(|(mut client, instance)| {
            let joined = client.receive_join_group().expect("an answer");
            assert_eq!(joined.error, ErrorCode::None, "{instance:?}");
            Member { client, instance, joined }
        })
        .collect();
    members.sort_by_key(|member| !member.leads());
    members
}

/// Everybody asks for its assignment, which is its own id.
pub(super) fn assign(group: &str, members: &mut [Member]) {
    for member in members.iter_mut() {
        let everyone: Vec<JoinedMember> = member.joined.members.clone();
        let given: Vec<(&str, &[u8])> =
            everyone.iter().map(|one| (one.member.as_str(), one.member.as_bytes())).collect();
        let place = place(group, &member.joined, member.instance);
        member.client.send_sync_group(place, "range", &given).expect("sent");
    }
    for member in members {
        let synced = member.client.receive_sync_group().expect("an answer");
        assert_eq!((synced.error, &synced.assignment[..]), (ErrorCode::None, member.joined.member.as_bytes()));
    }
}
