//! Random histories of appends, rounds, retention and crashes against a list of all that was ever appended.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_model::{CleanupPolicy, LeaderEpoch, LogId, Offset};

use super::stage::{PLAIN, Put, Stage, Stamp, config, headers, records};
use crate::compaction::{Round, Wanted};
use crate::rig::{Disk, Effects, at};
use crate::slices::Oldest;
use crate::{Effect, Leader, PartitionLimits, invariant};

const DELETE_RETENTION: u64 = 20_000;

/// Steele's splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A record as it was appended.
#[derive(Clone, Debug)]
struct Appended {
    key: u8,
    value: Option<Vec<u8>>,
    time: i64,
    /// When the first round began that came past it.
    met: Option<u64>,
}

struct World {
    stage: Stage,
    /// By offset.
    all: Vec<Appended>,
    /// Next sequence number of each producer.
    sequences: BTreeMap<i64, i32>,
    random: Random,
    millis: u64,
    round: Option<(Round, u64)>,
    waiting: bool,
    counted: [usize; 6],
}

impl World {
    fn new(seed: u64) -> Self {
        let mut config = config(DELETE_RETENTION);
        if seed.is_multiple_of(3) {
            config.cleanup_policy = CleanupPolicy { delete: true, compact: true };
            config.retention = Some(Duration::from_secs(30));
        }
        if seed.is_multiple_of(4) {
            config.compaction.min_lag = Duration::from_secs(3);
        }
        let mut stage = Stage::new(config);
        stage.map_bytes = if seed.is_multiple_of(5) { 200 } else { 1 << 20 };
        let sequences = BTreeMap::new();
        Self {
            stage,
            all: Vec::new(),
            sequences,
            random: Random(seed),
            millis: 0,
            round: None,
            waiting: false,
            counted: [0; 6],
        }
    }

    fn step(&mut self) {
        match self.random.below(1000) {
            0..=249 => self.append(),
            250..=449 => {
                if let Some(effects) = self.stage.rig.write_one() {
                    self.answered(effects);
                }
            }
            450..=549 => self.pass_time(),
            550..=969 => self.go_on(),
            970..=985 => self.retain(),
            986..=990 => self.crash(),
            _ => self.fail(),
        }
        assert_eq!(invariant::check(&self.stage.rig.leader), Ok(()));
    }

    fn append(&mut self) {
        let count = 1 + self.random.below(4);
        let time = self.millis as i64 - self.random.below(500) as i64;
        let mut made = Vec::new();
        for _ in 0..count {
            let key = self.random.below(7) as u8;
            let value =
                (self.random.below(4) > 0).then(|| vec![self.random.below(256) as u8; self.random.below(40) as usize]);
            made.push(Appended { key, value, time, met: None });
        }
        let mut stamp = PLAIN;
        if self.random.below(2) == 0 {
            stamp.compression = callboard_model::Compression::Zstd;
        }
        if self.random.below(2) == 0 {
            let id = self.random.below(3) as i64;
            let sequence = self.sequences.entry(id).or_insert(0);
            stamp = Stamp { producer: Some((id, 0, *sequence)), ..stamp };
            *sequence += count as i32;
        }
        let keys: Vec<[u8; 1]> = made.iter().map(|record| [record.key]).collect();
        let puts: Vec<Put<'_>> =
            made.iter().zip(&keys).map(|(record, key)| (Some(&key[..]), record.value.as_deref(), time)).collect();
        self.stage.append(&puts, stamp);
        self.all.extend(made);
    }

    fn pass_time(&mut self) {
        self.millis += self.random.below(2500);
        self.stage.rig.now = at(self.millis);
        let effects = self.stage.rig.call(|leader, now, effects| leader.expire(now, effects));
        self.answered(effects);
    }

    /// Begins a round, or does its next step.
    fn go_on(&mut self) {
        let Some((mut round, began)) = self.round.take() else {
            // What is on the disk is what a round reads; the bound keeps it below the high watermark.
            self.round = self.stage.begin().map(|round| (round, self.millis));
            return;
        };
        if self.waiting {
            self.round = Some((round, began));
            return;
        }
        let Wanted::Read { from, until } = round.wanted() else {
            self.stage.finish(&round);
            self.check_finished(&round);
            self.counted[0] += 1;
            return;
        };
        if from < self.stage.rig.disk.start {
            return; // overtaken by retention: the round is void
        }
        let max = 1 + self.random.below(4) as usize;
        let (chunk, _) = self.stage.step(&mut round, max);
        for met in self.all.iter_mut().take(until.0 as usize) {
            met.met.get_or_insert(began);
        }
        if let Some(chunk) = chunk {
            self.waiting = true;
            let effects = self.stage.replace(chunk);
            self.round = Some((round, began));
            return self.answered(effects);
        }
        self.round = Some((round, began));
    }

    fn answered(&mut self, effects: Effects) {
        for effect in effects {
            match effect {
                Effect::Replaced { result: Ok(()), .. } => {
                    self.waiting = false;
                    self.counted[1] += 1;
                }
                Effect::Replaced { .. } => {
                    self.waiting = false;
                    self.round = None;
                    self.counted[2] += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn retain(&mut self) {
        let Some(query) = self.stage.rig.leader.retention_query(self.stage.rig.now) else { return };
        let entries = self.stage.rig.disk.index_from(&query.from_key, 5);
        let before = self.stage.rig.leader.snapshot().start;
        let applied = |leader: &mut Leader<u32>, now, effects: &mut Effects| {
            leader.apply_retention(&query, &entries, now, effects).expect("readable");
        };
        let effects = self.stage.rig.call(applied);
        self.counted[3] += usize::from(self.stage.rig.leader.snapshot().start > before);
        self.answered(effects);
    }

    /// Kill: the journal did some of the writes, nobody heard of it.
    fn crash(&mut self) {
        let done = self.random.below(self.stage.rig.journal.len() as u64 + 1) as usize;
        for (_, writes) in self.stage.rig.journal.drain(..done) {
            self.stage.rig.disk.apply(&writes);
        }
        let epoch = self.stage.rig.leader.epoch().get() + self.random.below(2) as i32;
        let fresh = Stage::new(self.stage.rig.leader.config().clone());
        let map_bytes = self.stage.map_bytes;
        let old = std::mem::replace(&mut self.stage, fresh);
        self.stage = Stage { rig: old.rig.again(epoch), map_bytes };
        self.counted[4] += usize::from(self.round.is_some());
        (self.round, self.waiting) = (None, false);
        self.all.truncate(self.stage.rig.disk.end.0 as usize);
        self.sequences.clear();
        for (id, state) in self.stage.rig.leader.producers.by_id() {
            let last = state.batches().last().expect("one at least");
            self.sequences.insert(id.0, last.next_sequence());
        }
        self.check();
    }

    /// The journal refuses a chunk, as on a full disk.
    fn fail(&mut self) {
        let is_chunk = |writes: &[callboard_model::LogWrite]| {
            writes.iter().any(|write| matches!(write, callboard_model::LogWrite::Replace { .. }))
        };
        let Some(at) = self.stage.rig.journal.iter().position(|(_, writes)| is_chunk(writes)) else { return };
        let (ticket, _) = self.stage.rig.journal.remove(at).expect("just found");
        let error = crate::WriteError::Full;
        let effects = self.stage.rig.call(|leader, _, effects| leader.write_failed(ticket, error, effects));
        self.answered(effects);
        self.counted[5] += 1;
    }

    /// What is on the disk is what was appended, less what may go.
    fn check(&self) {
        let disk = &self.stage.rig.disk;
        let found = records(disk);
        assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "offsets rise: nothing is doubled");
        let by_offset: BTreeMap<i64, _> = found.iter().map(|record| (record.0, record)).collect();
        for (offset, key, value, time) in &found {
            let appended = &self.all[*offset as usize];
            assert_eq!((&key[..], value, *time), (&[appended.key][..], &appended.value, appended.time), "at {offset}");
        }
        let alive = |offset: usize| offset as i64 >= disk.start.0 && (offset as i64) < disk.end.0;
        for (offset, record) in self.all.iter().enumerate().filter(|(offset, _)| alive(*offset)) {
            let newer = self.all[offset + 1..disk.end.0 as usize].iter().any(|other| other.key == record.key);
            if newer || by_offset.contains_key(&(offset as i64)) {
                continue;
            }
            let met = record.met.expect("only a round removes a record");
            assert!(record.value.is_none(), "the newest value of key {} at {offset} is lost", record.key);
            assert!(met + DELETE_RETENTION <= self.millis, "the tombstone at {offset} was met at {met}");
        }
        for (id, state) in self.stage.rig.leader.producers.by_id() {
            let last = state.batches().last().expect("one at least");
            let in_log = headers(disk).into_iter().rfind(|header| header.producer_id == *id);
            let expected = last.base_offset >= disk.start && last.end_offset() <= disk.end;
            assert!(!expected || in_log.is_some_and(|h| h.end_offset() == last.end_offset()), "producer {id}");
        }
    }

    /// A round that ended has left one record of each key, or one that a newer one beyond its end shadows.
    fn check_finished(&self, round: &Round) {
        let until = round.finish().until;
        let mut keys: Vec<_> =
            records(&self.stage.rig.disk).into_iter().filter(|found| found.0 < until.0).map(|found| found.1).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count, "a key is there twice below {until}");
    }

    /// Storage holds the live state once the journal has done all it was asked for.
    fn compare_with_rebuilt(&mut self) {
        let effects = self.stage.rig.settle();
        self.answered(effects);
        self.check();
        let disk: &Disk = &self.stage.rig.disk;
        let live = &self.stage.rig.leader;
        let (config, now, mut effects) = (live.config().clone(), self.stage.rig.now, Effects::new());
        let limits = PartitionLimits::default();
        let rebuilt: Leader<u32> =
            Leader::begin(LogId(7), disk.recover(), live.epoch(), config, limits, now, &mut effects).expect("readable");
        assert_eq!((rebuilt.epoch(), effects), (LeaderEpoch(live.epoch().get()), Vec::new()));
        assert_eq!((rebuilt.start, rebuilt.end, rebuilt.high_watermark), (live.start, live.end, live.high_watermark));
        let bytes = |leader: &Leader<u32>| (leader.slices.bytes(), leader.slices.first_dirty);
        assert_eq!(bytes(&rebuilt), bytes(live));
        let from = match rebuilt.slices.oldest {
            Oldest::Known(oldest) => oldest.start,
            _ => rebuilt.slices.open.start,
        };
        let there = disk.batches.values().filter(|batch| batch.header.end_offset() > from);
        let there: u64 = there.map(|batch| batch.bytes.len() as u64).sum();
        assert_eq!(live.slices.bytes(), there, "bytes from {from} on");
    }
}

#[test]
fn random_histories_keep_the_newest_of_each_key() {
    let mut counted = [0; 6];
    for seed in 0..60 {
        let mut world = World::new(seed);
        for _ in 0..10 {
            for _ in 0..80 {
                world.step();
            }
            world.compare_with_rebuilt();
        }
        // At the end, left alone, it comes to rest with one record of each key.
        world.round = None;
        world.millis += 100_000;
        world.stage.rig.now = at(world.millis);
        world.stage.roll();
        while world.stage.compact().is_some() {}
        assert!(world.stage.rig.disk.batches.keys().all(|base| *base >= Offset::ZERO));
        (0..6).for_each(|at| counted[at] += world.counted[at]);
    }
    let [rounds, chunks, void, retained, crashed, failed] = counted;
    assert!(rounds > 100 && chunks > 300 && retained > 20 && crashed > 20 && failed > 5, "{counted:?}");
    assert!(void >= failed, "{counted:?}");
}
