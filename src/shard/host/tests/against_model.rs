//! Goal: whatever happens between a host and its log, what was acknowledged is in the log, what was answered was true of
//! the log, every load gives what the log says, and nobody waits for ever.
//!
//! Method: random commands, time, crashes, changes of leadership; appends that are done, lost, done with the answer lost,
//! or held back and done in another life; loads in slices with commands between them; snapshots whose start may not be
//! moved. The log keeps all facts ever appended as the plain model.

use std::collections::BTreeMap;

use super::*;
use crate::What;
use crate::counter::Fact;

/// A small generator of numbers that a seed repeats (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// How much happened, so that a run which tests nothing shows.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: u64,
    fired: u64,
    refused: u64,
    loads: u64,
    snapshots: u64,
    late_landed: u64,
    late_fenced: u64,
    abandoned: u64,
}

struct World {
    dice: Dice,
    log: Log,
    /// Every fact that was ever appended, but those of snapshots.
    facts: Vec<Fact>,
    /// The sum after so many facts.
    sums: Vec<i64>,
    host: Host<Counters, u32>,
    epoch: i32,
    effects: Vec<Effect<Counters, u32>>,
    /// Appends on their way to the log.
    sent: Vec<(Append, Offset, BytesMut)>,
    /// Those that nobody waits for any more.
    late: Vec<(Offset, BytesMut)>,
    load: Option<Load>,
    read: Option<(Load, Offset, Offset)>,
    /// Facts that the load under way will find.
    expected: usize,
    asked: BTreeMap<u32, (Ask, u64)>,
    next_request: u32,
    next_by: i64,
    now: u64,
    seen: Seen,
}

fn policy(dice: &mut Dice) -> SnapshotPolicy {
    match dice.below(3) {
        0 => SnapshotPolicy::ByKey,
        _ => SnapshotPolicy::After { records: 1 + dice.below(30) },
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let policy = policy(&mut dice);
        let mut world = Self {
            dice,
            log: Log::default(),
            facts: Vec::new(),
            sums: vec![0],
            host: Host::new(policy, Counters::default),
            epoch: 1,
            effects: Vec::new(),
            sent: Vec::new(),
            late: Vec::new(),
            load: None,
            read: None,
            expected: 0,
            asked: BTreeMap::new(),
            next_request: 0,
            next_by: 1,
            now: 0,
            seen: Seen::default(),
        };
        world.host.lead(LeaderEpoch(1), &mut world.effects);
        world.perform();
        world
    }

    fn perform(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Answer { waiter, result } => self.answered(waiter, result),
                Effect::Append { append, expected_end, batch } => self.sent.push((append, expected_end, batch)),
                Effect::Load { load, .. } => (self.load, self.read) = (Some(load), None),
                Effect::Read { load, from, until } => self.read = Some((load, from, until)),
                Effect::PassedOver { offset, fault } => panic!("{fault} at {offset}"),
                Effect::Loaded => self.loaded(),
                Effect::MoveStart { to } => {
                    self.seen.snapshots += 1;
                    // It may never be done, or later.
                    if self.dice.below(3) > 0 {
                        self.log.move_start(to);
                    }
                }
            }
        }
    }

    fn answered(&mut self, waiter: u32, result: Result<Answer, Refusal>) {
        let (ask, at) = self.asked.remove(&waiter).expect("an answer to somebody who waits");
        match result {
            Ok(Answer::State { version, sum } | Answer::Fired { version, sum }) => {
                assert!(version as usize <= self.facts.len(), "{ask:?} was shown what is not in the log");
                assert_eq!(self.sums[version as usize], sum, "{ask:?} was shown what the log does not say");
                match ask {
                    Ask::Add { name, by } => {
                        assert_eq!(self.facts[version as usize - 1], Fact::Added { name, by });
                        self.seen.acknowledged += 1;
                    }
                    Ask::Park { key, after } => {
                        assert_eq!(self.facts[version as usize - 1], Fact::Added { name: key as u8, by: 1000 });
                        assert!(self.now >= at + after.as_millis() as u64, "{ask:?} fired early");
                        self.seen.fired += 1;
                    }
                    _ => {}
                }
            }
            Ok(Answer::Woken) => {}
            Err(_) => self.seen.refused += 1,
        }
    }

    fn loaded(&mut self) {
        let mut model = Counters::default();
        self.facts[..self.expected].iter().for_each(|fact| model.replay(fact, Timestamp(0)));
        let shard = self.host.shard().expect("it says that it is loaded");
        assert_eq!(shard.durable(), model.durable(), "loaded what the log does not say");
        self.seen.loads += 1;
    }

    /// The log does an append, or refuses it.
    fn land(&mut self, expected_end: Offset, batch: BytesMut) -> Result<Offset, String> {
        let base = self.log.append(expected_end, batch)?;
        for entry in self.log.read(base, self.log.end(), 1).entries {
            if let (What::Record(fact), false) = (entry.what, entry.of_snapshot) {
                let by = if let Fact::Added { by, .. } = fact { by } else { 0 };
                self.sums.push(self.sums[self.facts.len()] + by);
                self.facts.push(fact);
            }
        }
        Ok(base)
    }

    fn ask(&mut self) {
        let command = match self.dice.below(20) {
            0..10 => {
                self.next_by += 1;
                Ask::Add { name: self.dice.below(12) as u8, by: self.next_by }
            }
            10..12 => Ask::AddToAll { names: self.dice.below(8) as u8 },
            12..14 => Ask::Get,
            14..17 => {
                Ask::Park { key: self.dice.below(4) as u16, after: Duration::from_millis(1 + self.dice.below(200)) }
            }
            17 => Ask::Wake { key: self.dice.below(4) as u16 },
            18 => Ask::Pad { bytes: self.dice.below(40) as usize },
            // Now and then one that does not fit.
            _ => Ask::Pad { bytes: (self.dice.below(20) / 19) as usize * BATCH_MAX },
        };
        self.next_request += 1;
        self.asked.insert(self.next_request, (command.clone(), self.now));
        self.host.command(command, self.next_request, at(self.now), &mut self.effects);
    }

    /// What becomes of the oldest append under way.
    fn deliver(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let (append, expected_end, batch) = self.sent.remove(0);
        let lost = Err("no answer".to_owned());
        let result = match self.dice.below(30) {
            0 => {
                drop(self.land(expected_end, batch));
                lost
            }
            1 => lost,
            2 => {
                self.late.push((expected_end, batch));
                lost
            }
            _ => self.land(expected_end, batch),
        };
        self.host.appended(append, result, at(self.now), &mut self.effects);
    }

    fn land_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let which = self.dice.below(self.late.len() as u64) as usize;
        let (expected_end, batch) = self.late.remove(which);
        match self.land(expected_end, batch) {
            Ok(_) => self.seen.late_landed += 1,
            Err(_) => self.seen.late_fenced += 1,
        }
    }

    fn go_on_loading(&mut self) {
        if let Some(load) = self.load.take() {
            self.expected = self.facts.len();
            self.host.begin(load, self.log.load_point(), at(self.now), &mut self.effects);
        } else if let Some((load, from, until)) = self.read.take() {
            let slice = self.log.read(from, until, 1 + self.dice.below(30) as usize);
            self.host.replay(load, slice, at(self.now), &mut self.effects);
        }
    }

    fn crash(&mut self) {
        // Whoever waited hears that nobody will answer; what was sent may yet land.
        self.asked.clear();
        self.effects.clear();
        let sent = std::mem::take(&mut self.sent);
        self.late.extend(sent.into_iter().map(|(_, expected_end, batch)| (expected_end, batch)));
        // Another policy, so that a snapshot is left without its end and something else follows.
        self.host = Host::new(policy(&mut self.dice), Counters::default);
        self.host.lead(LeaderEpoch(self.epoch), &mut self.effects);
    }

    fn sweep(&mut self) {
        let Some(gone) = self.asked.keys().next().copied().filter(|_| self.dice.below(2) == 0) else { return };
        let before = self.host.snapshot();
        self.host.sweep(at(self.now), |waiter| *waiter == gone, &mut self.effects);
        let after = self.host.snapshot();
        if (after.waiting, after.held) != (before.waiting, before.held) {
            self.asked.remove(&gone);
            self.seen.abandoned += 1;
        }
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..35 => self.ask(),
            35..60 => self.deliver(),
            60..63 => self.land_late(),
            63..80 => self.go_on_loading(),
            80..94 => {
                self.now += self.dice.below(30);
                self.host.expire(at(self.now), &mut self.effects);
            }
            94..97 => self.sweep(),
            97 => self.crash(),
            98 => {
                self.host.resign(&mut self.effects);
                self.epoch += 1;
                self.perform();
                assert_eq!(self.asked.len(), 0, "somebody waits though nothing is hosted here");
                self.host.lead(LeaderEpoch(self.epoch), &mut self.effects);
            }
            _ => {
                self.epoch += 1;
                self.host.lead(LeaderEpoch(self.epoch), &mut self.effects);
            }
        }
        self.perform();
    }

    /// Nothing fails any more: everybody gets an answer, and in the end the shard is what the log says.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            while !self.late.is_empty() {
                self.land_late();
            }
            self.go_on_loading();
            self.perform();
            if let Some((append, expected_end, batch)) = self.sent.pop() {
                let result = self.land(expected_end, batch);
                self.host.appended(append, result, at(self.now), &mut self.effects);
                self.perform();
            }
            self.now += 1;
            self.host.expire(at(self.now), &mut self.effects);
            self.perform();
            let is_quiet = self.sent.is_empty() && self.load.is_none() && self.read.is_none();
            if self.asked.is_empty() && is_quiet && self.host.snapshot().held == 0 {
                let numbers = self.host.snapshot();
                assert_eq!((numbers.waiting, numbers.role), (0, Role::InOffice));
                // What landed late since the load is found by the next one.
                self.host.reload("to compare".to_owned(), &mut self.effects);
                self.perform();
                while self.host.role() != Role::InOffice {
                    self.go_on_loading();
                    self.perform();
                }
                return;
            }
        }
        panic!("these wait for ever: {:?}, {:?}", self.asked, self.host.snapshot());
    }
}

fn run(seed: u64, steps: usize) -> Seen {
    println!("seed {seed}");
    let mut world = World::new(seed);
    (0..steps).for_each(|_| world.step());
    world.settle();
    world.seen
}

#[test]
fn whatever_happens_the_log_is_right_and_everybody_is_answered() {
    let (seeds, steps) = (400, 600);
    let mut all = Seen::default();
    for seed in 0..seeds {
        let seen = run(seed, steps);
        all.acknowledged += seen.acknowledged;
        all.fired += seen.fired;
        all.refused += seen.refused;
        all.loads += seen.loads;
        all.snapshots += seen.snapshots;
        all.late_landed += seen.late_landed;
        all.late_fenced += seen.late_fenced;
        all.abandoned += seen.abandoned;
    }
    println!("{all:?}");
    assert!(all.acknowledged > 1_000 && all.fired > 100 && all.refused > 1_000 && all.loads > 1_000, "{all:?}");
    assert!(all.snapshots > 100 && all.late_landed > 10 && all.late_fenced > 10 && all.abandoned > 10, "{all:?}");
}
