//! Consumer groups whose members join, read, commit, leave and come back while everything fails.
//!
//! What must hold: a committed offset is never behind one that was acknowledged before it was asked for; every record
//! reaches every group at least once; and in the end no group waits for anything.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use callboard_model::{CONSUMER_OFFSETS, ErrorCode, Offset, PartitionIndex};
use callboard_test_client::{Client, ClientError, FetchFrom, FetchLimits, Joined, Joining, Place, Resource};

use crate::dice::Dice;
use crate::producer::{PAUSE, Seen, bear, number};

/// How long a call may meet nothing but errors that are to be tried again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Kafka's least, and a rebalance that does not wait long for members that have gone.
const SESSION: Duration = Duration::from_secs(6);
const REBALANCE: Duration = Duration::from_secs(3);
const PROTOCOL: &str = "range";
/// One in so many rounds ends with leaving.
const LEAVE_ONE_IN: usize = 80;

/// Has the topic that keeps groups compacted all the time, from now on: slices are closed soon, the least that is dirty is
/// enough, and what was deleted is forgotten at once.
pub(crate) fn compact_groups_all_the_time(client: &mut Client) {
    let settings = [("segment.ms", "200"), ("min.cleanable.dirty.ratio", "0"), ("delete.retention.ms", "0")];
    for (name, value) in settings {
        let answer = client.alter_config(Resource::Topic(CONSUMER_OFFSETS), name, Some(value)).expect("an answer");
        assert_eq!(answer, ErrorCode::None, "{name}");
    }
    let answer = client.alter_config(Resource::Brokers, "log.cleaner.backoff.ms", Some("50")).expect("an answer");
    assert_eq!(answer, ErrorCode::None);
}

/// What one group has done with one topic.
pub(crate) struct Reading {
    pub(crate) group: String,
    topic: &'static str,
    /// The largest acknowledged commit of each partition.
    committed: Mutex<Vec<i64>>,
    /// Which records of each partition were delivered.
    delivered: Mutex<Vec<Vec<bool>>>,
    pub(crate) generations: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) leaves: AtomicU64,
}

impl Reading {
    pub(crate) fn new(group: String, topic: &'static str, partitions: i32) -> Self {
        Self {
            group,
            topic,
            committed: Mutex::new((0..partitions).map(|_| 0).collect()),
            delivered: Mutex::new((0..partitions).map(|_| Vec::new()).collect()),
            generations: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            leaves: AtomicU64::new(0),
        }
    }

    /// The first record of each partition that was never delivered.
    pub(crate) fn missing(&self) -> Vec<i64> {
        let delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |seen: &Vec<bool>| seen.iter().position(|seen| !seen).unwrap_or(seen.len()) as i64;
        delivered.iter().map(first).collect()
    }

    fn deliver(&self, partition: i32, record: i64) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, at) = (&mut delivered[partition as usize], record as usize);
        if seen.len() <= at {
            seen.resize(at + 1, false);
        }
        seen[at] = true;
    }

    fn floor(&self) -> Vec<i64> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The committed offsets of some partitions: none may be behind what was acknowledged before.
    pub(crate) fn look(
        &self,
        client: &mut Option<Client>,
        address: SocketAddr,
        seen: &Seen,
        partitions: &[i32],
    ) -> Result<Vec<i64>, String> {
        let floor = self.floor();
        let asked = [(self.topic, partitions)];
        let positions = insist(client, address, seen, "fetch of offsets", |client| {
            Ok(match client.fetch_offsets(&self.group, Some(&asked))? {
                Ok(positions) => {
                    let worst = positions.iter().map(|one| one.error).find(|error| *error != ErrorCode::None);
                    (worst.unwrap_or(ErrorCode::None), positions)
                }
                Err(refused) => (refused, Vec::new()),
            })
        })?
        .map_err(|code| format!("{}: offsets cannot be fetched: {}", self.group, code.name()))?;
        let mut offsets = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let found = positions.iter().find(|position| position.partition == PartitionIndex(*partition));
            let offset = found.map_or(-1, |position| position.offset.get()).max(0);
            let floor = floor[*partition as usize];
            if offset < floor {
                return Err(format!(
                    "{}: partition {partition} was committed up to {floor}, and now is at {offset}",
                    self.group
                ));
            }
            offsets.push(offset);
        }
        Ok(offsets)
    }

    fn acknowledge(&self, positions: &[(i32, i64)]) {
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, offset) in positions {
            let at = &mut committed[*partition as usize];
            *at = (*at).max(*offset);
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

/// Calls until the answer is none of those that clients try again; gives the value or the error that means something.
fn insist<T>(
    client: &mut Option<Client>,
    address: SocketAddr,
    seen: &Seen,
    what: &str,
    mut call: impl FnMut(&mut Client) -> Result<(ErrorCode, T), ClientError>,
) -> Result<Result<T, ErrorCode>, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let (code, value) =
            bear(client, address, seen, PATIENCE, &mut call).map_err(|error| format!("{what}: {error}"))?;
        match code {
            ErrorCode::None => return Ok(Ok(value)),
            code if code.is_retriable() => {
                seen.retriable.fetch_add(1, Ordering::Relaxed);
            }
            code => return Ok(Err(code)),
        }
        if Instant::now() > until {
            return Err(format!("{what}: nothing but {} for {PATIENCE:?}", code.name()));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Where a member goes from here.
enum Next {
    /// Back into the group, with the id that it has.
    Join,
    /// Back into the group as somebody new.
    JoinAnew,
    /// On with reading.
    Stay,
}

/// What the codes of a group mean to its member; others are faults.
fn next(what: &str, group: &str, code: ErrorCode) -> Result<Next, String> {
    match code {
        ErrorCode::None => Ok(Next::Stay),
        ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => Ok(Next::Join),
        ErrorCode::UnknownMemberId => Ok(Next::JoinAnew),
        code => Err(format!("{what} of {group} is answered with {}", code.name())),
    }
}

/// One member's life, until it is told to stop.
pub(crate) fn attend(
    address: SocketAddr,
    reading: &Reading,
    seen: &Seen,
    stop: &AtomicBool,
    mut dice: Dice,
) -> Result<(), String> {
    let mut member = Member { address, reading, seen, client: None, id: String::new(), generation: -1 };
    while !stop.load(Ordering::Relaxed) {
        let Some(partitions) = member.enter()? else { continue };
        reading.generations.fetch_add(1, Ordering::Relaxed);
        member.read(&partitions, stop, &mut dice)?;
    }
    member.leave()
}

struct Member<'a> {
    address: SocketAddr,
    reading: &'a Reading,
    seen: &'a Seen,
    client: Option<Client>,
    id: String,
    generation: i32,
}

impl Member<'_> {
    fn insist<T>(
        &mut self,
        what: &str,
        mut call: impl FnMut(&mut Client, Place<'_>) -> Result<(ErrorCode, T), ClientError>,
    ) -> Result<Result<T, ErrorCode>, String> {
        let place = Place { group: &self.reading.group, generation: self.generation, member: &self.id, instance: None };
        insist(&mut self.client, self.address, self.seen, what, |client| call(client, place))
    }

    fn turn(&mut self, next: Next) {
        if let Next::JoinAnew = next {
            self.id.clear();
        }
    }

    /// Joins and syncs; gives the partitions that are this member's, or `None` if it has to begin again.
    fn enter(&mut self) -> Result<Option<Vec<i32>>, String> {
        let group = &self.reading.group;
        let id = self.id.clone();
        let joining = Joining {
            group,
            member: &id,
            instance: None,
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocols: &[(PROTOCOL, b"")],
        };
        let mut given = String::new();
        let joined = insist(&mut self.client, self.address, self.seen, "join", |client| {
            let joined = client.join_group(&joining)?;
            given.clone_from(&joined.member);
            Ok((joined.error, joined))
        })?;
        let joined = match joined {
            Ok(joined) => joined,
            Err(ErrorCode::MemberIdRequired) => {
                self.id = given;
                return Ok(None);
            }
            Err(code) => {
                let next = next("a join", group, code)?;
                self.turn(next);
                return Ok(None);
            }
        };
        (self.id, self.generation) = (joined.member.clone(), joined.generation);
        let assignments = assign(&joined, self.reading.floor().len() as i32);
        let assignments: Vec<(&str, &[u8])> = assignments.iter().map(|(id, parts)| (&**id, &**parts)).collect();
        let synced = self.insist("sync", |client, place| {
            let synced = client.sync_group(place, PROTOCOL, &assignments)?;
            Ok((synced.error, synced.assignment))
        })?;
        match synced {
            Ok(assignment) => Ok(Some(assignment.iter().map(|partition| i32::from(*partition)).collect())),
            Err(code) => {
                let next = next("a sync", &self.reading.group, code)?;
                self.turn(next);
                Ok(None)
            }
        }
    }

    /// Reads on from what is committed, commits and beats, until the generation ends or the member leaves.
    fn read(&mut self, partitions: &[i32], stop: &AtomicBool, dice: &mut Dice) -> Result<(), String> {
        let reading = self.reading;
        let mut at = reading.look(&mut self.client, self.address, self.seen, partitions)?;
        while !stop.load(Ordering::Relaxed) {
            self.fetch(partitions, &mut at)?;
            let positions: Vec<(&str, i32, i64, &str)> =
                partitions.iter().zip(&at).map(|(partition, at)| (reading.topic, *partition, *at, "")).collect();
            if !positions.is_empty() {
                let committed = self.insist("commit", |client, place| {
                    let codes = client.commit_offsets(place, &positions)?;
                    let worst = codes.into_iter().find(|code| *code != ErrorCode::None);
                    Ok((worst.unwrap_or(ErrorCode::None), ()))
                })?;
                match committed {
                    Ok(()) => {
                        let made: Vec<(i32, i64)> = partitions.iter().copied().zip(at.iter().copied()).collect();
                        reading.acknowledge(&made);
                    }
                    Err(code) => {
                        let next = next("a commit", &reading.group, code)?;
                        self.turn(next);
                        return Ok(());
                    }
                }
            }
            let beaten = self.insist("heartbeat", |client, place| Ok((client.heartbeat(place)?, ())))?;
            if let Err(code) = beaten {
                let next = next("a heartbeat", &reading.group, code)?;
                self.turn(next);
                return Ok(());
            }
            if dice.below(LEAVE_ONE_IN) == 0 {
                self.leave()?;
                reading.leaves.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(dice.below(100) as u64));
                return Ok(());
            }
        }
        Ok(())
    }

    fn fetch(&mut self, partitions: &[i32], at: &mut [i64]) -> Result<(), String> {
        let topic = self.reading.topic;
        let from: Vec<FetchFrom<'_>> = partitions
            .iter()
            .zip(&*at)
            .map(|(partition, at)| FetchFrom {
                topic,
                partition: PartitionIndex(*partition),
                offset: Offset(*at),
                max_bytes: 64 << 10,
            })
            .collect();
        if from.is_empty() {
            std::thread::sleep(Duration::from_millis(50));
            return Ok(());
        }
        let limits = FetchLimits { max_wait: Duration::from_millis(50), min_bytes: 1, max_bytes: 256 << 10 };
        let answers = bear(&mut self.client, self.address, self.seen, PATIENCE, |client| client.fetch(&from, limits))
            .map_err(|error| format!("fetch from {topic}: {error}"))?;
        for answer in answers {
            match answer.error {
                ErrorCode::None => {}
                error if error.is_retriable() => continue,
                error => return Err(format!("{topic}-{}: {}", answer.partition, error.name())),
            }
            let Some(place) = partitions.iter().position(|partition| *partition == answer.partition.get()) else {
                return Err(format!("{topic}-{} was not asked for", answer.partition));
            };
            let (reading, partition) = (self.reading, partitions[place]);
            let next = &mut at[place];
            let walked = answer.walk(Offset(*next), |_, record| {
                if let Some(number) = number(record.value) {
                    reading.deliver(partition, number);
                }
                *next = record.offset.get() + 1;
            });
            walked.map_err(|error| format!("{topic}-{}: {error}", answer.partition))?;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), String> {
        if self.id.is_empty() {
            return Ok(());
        }
        let left = self.insist("leave", |client, place| {
            Ok(match client.leave_group(place.group, &[(place.member, None)])? {
                Ok(codes) => (codes.first().copied().unwrap_or(ErrorCode::None), ()),
                Err(code) => (code, ()),
            })
        })?;
        self.id.clear();
        match left {
            // A repeated leave may find that the first one was done after all.
            Ok(()) | Err(ErrorCode::UnknownMemberId) => Ok(()),
            Err(code) => Err(format!("leaving {} is answered with {}", self.reading.group, code.name())),
        }
    }
}

/// The leader's part: every partition to one member, in turn.
fn assign(joined: &Joined, partitions: i32) -> Vec<(String, Vec<u8>)> {
    let mut shares: Vec<(String, Vec<u8>)> =
        joined.members.iter().map(|member| (member.member.clone(), Vec::new())).collect();
    shares.sort();
    for partition in 0..partitions {
        let count = shares.len();
        if let Some((_, share)) = shares.get_mut(partition as usize % count.max(1)) {
            share.push(partition as u8);
        }
    }
    shares
}
