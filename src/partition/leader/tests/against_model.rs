//! Random histories against a model so plain that it can be checked by reading: a list of all batches.

mod plain;

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_model::{CleanupPolicy, LeaderEpoch, LogConfig, LogId, Offset, Timestamp};

use self::plain::{Entry, Model, Random, Verdict};
use crate::rig::{Disk, Effects, Made, Rig, WALL, append, at, fetch, tick, waiting};
use crate::slices::{Oldest, Slice};
use crate::{
    Acks, DeleteError, Effect, Fetch, FetchData, FetchError, Fetched, Leader, PartitionLimits, ProduceError,
    WriteError, invariant,
};

/// What a produce waits for.
struct Expected {
    acks: Acks,
    base: i64,
    end: i64,
}

/// What a fetch asked for.
#[derive(Clone, Copy)]
struct Asked {
    offset: i64,
    max_bytes: usize,
    min_one: bool,
    beyond: Option<i64>,
}

struct World {
    rig: Rig,
    model: Model,
    random: Random,
    millis: u64,
    next_waiter: u32,
    produces: BTreeMap<u32, Expected>,
    fetches: BTreeMap<u32, Asked>,
    counted: Counted,
}

/// That the histories really contain what they are meant to.
#[derive(Debug, Default)]
struct Counted {
    repeats: usize,
    gaps: usize,
    memory: usize,
    disk: usize,
    woken: usize,
    retained: usize,
    rebuilt: usize,
    lost: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = LogConfig {
            retention: Some(Duration::from_secs(3600)),
            retention_bytes: seed.is_multiple_of(2).then_some(3 << 20),
            cleanup_policy: CleanupPolicy { delete: true, compact: false },
            ..LogConfig::default()
        };
        Self {
            rig: Rig::new(config),
            model: Model::default(),
            random: Random(seed),
            millis: 0,
            next_waiter: 0,
            produces: BTreeMap::new(),
            fetches: BTreeMap::new(),
            counted: Counted::default(),
        }
    }

    fn waiter(&mut self) -> u32 {
        self.next_waiter += 1;
        self.next_waiter
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..=44 => self.append(),
            45..=48 => self.overtake(),
            49..=64 => {
                if let Some(effects) = self.rig.write_one() {
                    self.answered(effects);
                }
            }
            65..=79 => self.fetch(),
            80..=84 => self.pass_time(),
            85..=88 => self.rig.leader.shrink_tail(self.random.below(1 << 20) as usize, self.rig.now.tick),
            89..=91 => self.delete_records(),
            92..=94 => self.retain(),
            95..=97 => self.compare_with_rebuilt(),
            98 => self.crash(),
            _ => self.fail_write(),
        }
        self.check();
    }

    fn check(&mut self) {
        assert_eq!(invariant::check(&self.rig.leader), Ok(()));
        let snapshot = self.rig.leader.snapshot();
        assert_eq!(snapshot.end.0, self.model.end());
        assert_eq!(snapshot.start.0, self.model.start);
        assert_eq!(snapshot.high_watermark, self.rig.disk.end, "all that is on disk is visible, and nothing else");
        assert_eq!(snapshot.delayed_produces, self.produces.len());
        assert_eq!(snapshot.delayed_fetches, self.fetches.len());
        let safe = |expected: &Expected| expected.end <= self.rig.disk.end.0;
        assert!(!self.produces.values().any(safe), "a produce that is safe was not answered");
        let high = snapshot.high_watermark.0;
        assert!(!self.fetches.values().any(|asked| asked.beyond.is_some_and(|beyond| beyond < high)));
    }

    fn append(&mut self) {
        let count = 1 + self.random.below(4);
        let timestamp = WALL + self.millis as i64 - self.random.below(10_000) as i64;
        let mut made = Made::of(count as usize, timestamp);
        if self.random.chance(3) {
            made = made.sized(self.random.below(300_000) as usize);
        }
        let sent = self.random.chance(2).then(|| self.sender());
        if let Some((id, epoch, sequence)) = sent {
            made = made.by(id, epoch, sequence);
        }
        let verdict = sent.map_or(Verdict::New, |sent| self.model.judge(sent, count as i64));
        let acks = [Acks::None, Acks::Leader, Acks::All][self.random.below(3) as usize];
        let waiter = self.waiter();
        let base = self.model.end();
        let refused = match verdict {
            Verdict::New => {
                let end = base + count as i64;
                let bytes = crate::rig::stored(&made, base, self.rig.leader.epoch().get());
                self.model.log.push(Entry { base, end, bytes, sent });
                self.produces.insert(waiter, Expected { acks, base, end });
                false
            }
            Verdict::Repeat(base, end) => {
                self.counted.repeats += 1;
                self.produces.insert(waiter, Expected { acks, base, end });
                false
            }
            Verdict::Gap | Verdict::Fenced => true,
        };
        if acks == Acks::None {
            self.produces.remove(&waiter);
        }
        let mut request = append(waiter, acks, made.batch());
        request.deadline = tick(u64::MAX / 2);
        let effects = self.rig.call(|leader, now, effects| leader.append(request, now, effects));
        if !refused {
            return self.answered(effects);
        }
        self.counted.gaps += 1;
        match (&effects[..], acks, verdict) {
            ([], Acks::None, _) => {}
            ([Effect::Produced { result: Err(ProduceError::OutOfOrder { .. }), .. }], _, Verdict::Gap) => {}
            ([Effect::Produced { result: Err(ProduceError::ProducerFenced { .. }), .. }], _, Verdict::Fenced) => {}
            other => panic!("{other:?}"),
        }
    }

    /// One of three producers: mostly the next number, else a repeat, a gap, an older or a newer epoch.
    fn sender(&mut self) -> (i64, i16, i32) {
        let id = self.random.below(3) as i64;
        let of_producer: Vec<&Entry> =
            self.model.log.iter().filter(|entry| entry.sent.is_some_and(|sent| sent.0 == id)).collect();
        let Some(last) = of_producer.last() else {
            // Near the end of the numbers, so that they wrap.
            return (id, 5, i32::MAX - self.random.below(20) as i32);
        };
        let (_, epoch, sequence) = last.sent.expect("filtered");
        let next = ((i64::from(sequence) + last.end - last.base) % (1 << 31)) as i32;
        match self.random.below(12) {
            0..=2 => {
                let back = self.random.below(of_producer.len().min(8) as u64) as usize;
                of_producer[of_producer.len() - 1 - back].sent.expect("filtered")
            }
            3 => (id, epoch, next.wrapping_add(1) & i32::MAX),
            4 => (id, epoch - 1, next),
            5 => (id, epoch + 1, self.random.below(2) as i32),
            _ => (id, epoch, next),
        }
    }

    /// Two writes are done and the later one is reported first.
    fn overtake(&mut self) {
        if self.rig.journal.len() < 2 {
            return;
        }
        let done: Vec<_> = self.rig.journal.drain(..2).collect();
        for (ticket, writes) in [&done[1], &done[0]] {
            assert_eq!(self.rig.leader.snapshot().high_watermark, self.rig.disk.end);
            if *ticket == done[0].0 {
                self.rig.disk.apply(writes);
                self.rig.disk.apply(&done[1].1);
            }
            let effects = self.rig.call(|leader, _, effects| leader.written(*ticket, effects));
            self.answered(effects);
        }
    }

    fn fetch(&mut self) {
        let waiter = self.waiter();
        let end = self.model.end();
        let offset = self.random.below(end as u64 + 3) as i64;
        let high = self.rig.disk.end.0;
        let beyond = self.random.chance(2).then(|| high - 2 + self.random.below(6) as i64);
        let mut request: Fetch<u32> = match beyond {
            Some(beyond) => waiting(waiter, offset, beyond, self.millis + 1 + self.random.below(5000)),
            None => fetch(waiter, offset),
        };
        request.max_bytes = self.random.below(600_000) as usize;
        request.min_one = self.random.chance(2);
        let asked = Asked { offset, max_bytes: request.max_bytes, min_one: request.min_one, beyond };
        self.fetches.insert(waiter, asked);
        let effects = self.rig.fetch(request);
        self.answered(effects);
    }

    fn answered(&mut self, effects: Effects) {
        for effect in effects {
            match effect {
                Effect::Produced { waiter, result } => {
                    let expected = self.produces.remove(&waiter).expect("answered once");
                    let produced = result.expect("nothing failed");
                    assert_eq!(produced.base_offset.0, expected.base);
                    assert_eq!(produced.log_start.0, self.model.start);
                    assert!(expected.end <= self.rig.disk.end.0, "{:?} answered too early", expected.acks);
                }
                Effect::Fetched { waiter, result } => {
                    let asked = self.fetches.remove(&waiter).expect("answered once");
                    self.check_fetch(asked, result);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn check_fetch(&mut self, asked: Asked, result: Result<Fetched, FetchError>) {
        let (start, end, high) = (self.model.start, self.model.end(), self.rig.disk.end.0);
        let fetched = match result {
            Ok(fetched) => fetched,
            Err(FetchError::OutOfRange { .. }) => {
                return assert!(asked.offset < start || asked.offset > end, "{} is there", asked.offset);
            }
            Err(other) => panic!("{other}"),
        };
        assert_eq!((fetched.high_watermark.0, fetched.log_start.0), (high, start));
        assert!(start <= asked.offset && asked.offset <= end);
        self.counted.woken += usize::from(asked.beyond.is_some_and(|beyond| beyond < high));
        let wanted = match asked {
            Asked { offset, .. } if offset >= high => Vec::new(),
            Asked { offset, max_bytes, min_one, .. } => self.model.read(offset, high, max_bytes, min_one),
        };
        let found = match fetched.data {
            FetchData::Empty => Vec::new(),
            FetchData::Memory(batches) => {
                self.counted.memory += 1;
                batches
            }
            FetchData::Disk { from, until, max_bytes, min_one } => {
                self.counted.disk += 1;
                assert_eq!((from.0, until.0, max_bytes, min_one), (asked.offset, high, asked.max_bytes, asked.min_one));
                let on_disk = self.rig.disk.batches.values().map(|batch| Entry {
                    base: batch.header.base_offset.0,
                    end: batch.header.end_offset().0,
                    bytes: batch.bytes.clone(),
                    sent: None,
                });
                Model { log: on_disk.collect(), start }.read(from.0, until.0, max_bytes, min_one)
            }
        };
        assert!(found == wanted, "fetch at {} of {start}..{high}: {} batches", asked.offset, found.len());
    }

    fn pass_time(&mut self) {
        self.millis += if self.random.chance(4) { 400_000 } else { self.random.below(2000) };
        self.rig.now = at(self.millis);
        let effects = self.rig.call(|leader, now, effects| leader.expire(now, effects));
        self.answered(effects);
        let due = self.rig.leader.next_deadline().is_some_and(|deadline| deadline <= self.rig.now.tick);
        assert!(!due, "nothing is left to do");
    }

    fn delete_records(&mut self) {
        let high = self.rig.disk.end.0;
        let before = self.random.below(high as u64 + 2) as i64;
        let waiter = self.waiter();
        let moved = before > self.model.start && before <= high;
        if moved {
            self.model.start = before;
        }
        let effects = self.rig.call(|leader, _, effects| leader.delete_records(Offset(before), waiter, effects));
        let (mut deleted, others): (Effects, Effects) =
            effects.into_iter().partition(|effect| matches!(effect, Effect::Deleted { .. }));
        self.answered(others);
        while deleted.is_empty() {
            let effects = self.rig.write_one().expect("the deletion waits for a write");
            let (found, others): (Effects, Effects) =
                effects.into_iter().partition(|effect| matches!(effect, Effect::Deleted { .. }));
            self.answered(others);
            deleted = found;
        }
        let start = Offset(self.model.start);
        let result = if before > high {
            Err(DeleteError::OutOfRange { offset: Offset(before), high_watermark: Offset(high) })
        } else {
            Ok(start)
        };
        assert_eq!(deleted, [Effect::Deleted { waiter, result }]);
        assert!(before > high || self.rig.disk.start >= start, "told before it was written");
    }

    /// Runs retention until it has nothing to do, and looks at the disk whether that is right.
    fn retain(&mut self) {
        self.settle();
        while let Some(query) = self.rig.leader.retention_query(self.rig.now) {
            let count = 1 + self.random.below(3) as usize;
            let entries = self.rig.disk.index_from(&query.from_key, count);
            let before = self.rig.disk.index.len();
            let mut applied = Ok(());
            let effects =
                self.rig.call(|leader, now, effects| applied = leader.apply_retention(&query, &entries, now, effects));
            assert_eq!(applied, Ok(()));
            self.model.start = self.rig.leader.snapshot().start.0;
            self.answered(effects);
            self.settle();
            self.counted.retained += before - self.rig.disk.index.len();
        }
        assert_eq!(self.rig.disk.start.0, self.model.start);
        let config = self.rig.leader.config();
        let oldest = self.rig.disk.index.first_key_value();
        let oldest = oldest.map(|(key, value)| Slice::decode(key, value).expect("readable"));
        let from = oldest.map_or(self.rig.leader.slices.open.start.0, |oldest| oldest.start.0);
        let size: usize = self.model.log.iter().filter(|entry| entry.base >= from).map(|entry| entry.bytes.len()).sum();
        assert_eq!(self.rig.leader.snapshot().size_bytes, size as u64);
        let Some(oldest) = oldest else { return };
        assert!(oldest.end.0 > self.model.start, "a slice below the start is still in the index");
        let newest_time = self.rig.now.wall.0 - 3_600_000;
        assert!(oldest.max.timestamp >= Timestamp(newest_time), "an old slice is still there");
        let keep = config.retention_bytes.unwrap_or(u64::MAX);
        assert!(size as u64 - oldest.bytes < keep, "{size} bytes are still there");
    }

    fn settle(&mut self) {
        while let Some(effects) = self.rig.write_one() {
            self.answered(effects);
        }
    }

    /// Whatever the moment: once the journal has done all it was asked for, storage holds the live state.
    fn compare_with_rebuilt(&mut self) {
        self.counted.rebuilt += 1;
        let mut disk: Disk = self.rig.disk.clone();
        self.rig.journal.iter().for_each(|(_, writes)| disk.apply(writes));
        let live = &self.rig.leader;
        let (config, now, mut effects) = (live.config().clone(), self.rig.now, Effects::new());
        let limits = PartitionLimits::default();
        let rebuilt: Leader<u32> =
            Leader::begin(LogId(7), disk.recover(), live.epoch(), config, limits, now, &mut effects).expect("readable");
        assert_eq!(effects, [], "the epoch's start is known");
        assert_eq!(invariant::check(&rebuilt), Ok(()));
        assert_eq!((rebuilt.start, rebuilt.end), (live.start, live.end));
        assert_eq!(rebuilt.history, live.history);
        let producers = |leader: &Leader<u32>| -> Vec<_> {
            let states = leader.producers.by_id().iter();
            states.map(|(id, state)| (*id, state.epoch, state.dirty, state.batches().to_vec())).collect()
        };
        assert_eq!(producers(&rebuilt), producers(live));
        let open = |leader: &Leader<u32>| {
            let open = leader.slices.open;
            (open.start, open.bytes, open.max, leader.slices.bytes())
        };
        assert_eq!(open(&rebuilt), open(live));
        match (rebuilt.slices.oldest, live.slices.oldest) {
            (Oldest::Known(slice), Oldest::Unread(from)) => assert_eq!(slice.start, from),
            (rebuilt, live) => assert_eq!(rebuilt, live),
        }
    }

    /// Kill: the journal did some of the writes, nobody heard of it, every waiter is gone.
    fn crash(&mut self) {
        let done = self.random.below(self.rig.journal.len() as u64 + 1) as usize;
        for (_, writes) in self.rig.journal.drain(..done) {
            self.rig.disk.apply(&writes);
        }
        self.begin_again();
    }

    fn fail_write(&mut self) {
        let Some((ticket, _)) = self.rig.journal.front() else { return };
        let ticket = *ticket;
        let error = WriteError::Full;
        let effects = self.rig.call(|leader, _, effects| leader.write_failed(ticket, error, effects));
        for effect in effects {
            match effect {
                Effect::Produced { waiter, result: Err(ProduceError::Storage(WriteError::Full)) } => {
                    self.produces.remove(&waiter).expect("answered once");
                }
                Effect::Fetched { waiter, result } => {
                    let asked = self.fetches.remove(&waiter).expect("answered once");
                    self.check_fetch(asked, result);
                }
                Effect::Rebuild { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(self.produces.is_empty() && self.fetches.is_empty(), "somebody was left waiting");
        self.begin_again();
    }

    fn begin_again(&mut self) {
        let same_epoch = self.random.chance(3);
        let epoch = self.rig.leader.epoch().get() + i32::from(!same_epoch);
        let fresh = Rig::new(self.rig.leader.config().clone());
        let old = std::mem::replace(&mut self.rig, fresh);
        self.rig = old.again(epoch);
        let end = self.rig.disk.end.0;
        let before = self.model.log.len();
        self.model.log.retain(|entry| entry.end <= end);
        self.counted.lost += before - self.model.log.len();
        self.model.start = self.rig.disk.start.0;
        self.produces.clear();
        self.fetches.clear();
        assert_eq!(self.rig.leader.epoch(), LeaderEpoch(epoch));
    }
}

#[test]
fn random_histories_agree_with_the_model() {
    let mut counted = Counted::default();
    for seed in 0..60 {
        let mut world = World::new(seed);
        for _ in 0..250 {
            world.step();
        }
        world.settle();
        world.compare_with_rebuilt();
        world.check();
        let one = world.counted;
        counted.repeats += one.repeats;
        counted.gaps += one.gaps;
        counted.memory += one.memory;
        counted.disk += one.disk;
        counted.woken += one.woken;
        counted.retained += one.retained;
        counted.rebuilt += one.rebuilt;
        counted.lost += one.lost;
    }
    let Counted { repeats, gaps, memory, disk, woken, retained, rebuilt, lost } = counted;
    let all = [repeats, gaps, memory, disk, woken, retained, rebuilt, lost];
    assert!(all.iter().all(|count| *count > 50), "the histories miss something: {counted:?}");
}
