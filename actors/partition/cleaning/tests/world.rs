//! A leader, its storage and a list of all that was ever appended, driven at random and killed at any step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::{
    BatchHead, BatchWriter, Batches, CheckedBatch, CleanupPolicy, CompactionConfig, HEADER_LEN, JournalWrite,
    LeaderEpoch, LogConfig, LogWrite, NewRecord, PartitionIndex, ProducerEpoch, ProducerId, Records, Tick, TopicId,
};
use callboard_partition::compaction::ReplaceError;
use callboard_partition::{Acks, Append, Effect, Leader, Now, PartitionLimits, Unpacked};
use callboard_storage::RetentionClass;

use super::super::*;
use crate::partition::recovery::recover;

pub(super) const WALL: i64 = 1_790_000_000_000;
const DELETE_RETENTION: u64 = 30_000;
const KEYS: u64 = 24;

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

#[derive(Clone, Debug)]
struct Appended {
    key: u8,
    value: Option<Vec<u8>>,
    time: i64,
    /// When the first round began that came past it.
    met: Option<u64>,
}

/// How the journal comes back after a kill.
pub(super) type Reopen<'a> = &'a mut dyn FnMut(Option<Arc<dyn Storage>>) -> Arc<dyn Storage>;

pub(super) struct World<'a> {
    reopen: Reopen<'a>,
    pub(super) storage: Arc<dyn Storage>,
    config: LogConfig,
    pub(super) log: LogId,
    pub(super) leader: Leader<u32>,
    epoch: i32,
    pub(super) millis: u64,
    random: Random,
    all: Vec<Appended>,
    /// Records that must survive a kill.
    synced: usize,
    sequences: BTreeMap<i64, i32>,
    round: Option<(Round, u64)>,
    killed: bool,
    pub(super) rounds: usize,
    pub(super) chunks: usize,
    pub(super) kills: usize,
}

fn now(millis: u64) -> Now {
    Now { tick: Tick(Duration::from_millis(millis)), wall: Timestamp(WALL + millis as i64) }
}

fn begin(
    storage: &dyn Storage,
    log: LogId,
    epoch: i32,
    config: &LogConfig,
    at: u64,
) -> (Leader<u32>, Vec<Effect<u32>>) {
    let mut effects = Vec::new();
    let recovered = recover(storage, log).expect("readable");
    let (epoch, limits) = (LeaderEpoch(epoch), PartitionLimits::default());
    let leader = Leader::begin(log, recovered, epoch, config.clone(), limits, now(at), &mut effects).expect("sound");
    (leader, effects)
}

impl<'a> World<'a> {
    pub(super) fn new(seed: u64, reopen: Reopen<'a>) -> Self {
        let config = LogConfig {
            cleanup_policy: CleanupPolicy { delete: seed.is_multiple_of(3), compact: true },
            retention: Some(Duration::from_secs(120)),
            segment: Duration::from_secs(1),
            compaction: CompactionConfig {
                min_dirty_millionths: 200_000,
                delete_retention: Duration::from_millis(DELETE_RETENTION),
                ..CompactionConfig::default()
            },
            ..LogConfig::default()
        };
        let storage = reopen(None);
        let class = RetentionClass::of(&config);
        let log = storage.create_log(TopicId::from_bytes([1; 16]), PartitionIndex(0), class).expect("creates");
        // A neighbour that shares its generations and is never compacted.
        storage.create_log(TopicId::from_bytes([1; 16]), PartitionIndex(1), class).expect("creates");
        let (leader, effects) = begin(storage.as_ref(), log, 0, &config, 0);
        let mut world = Self {
            reopen,
            storage,
            config,
            log,
            leader,
            epoch: 0,
            millis: 0,
            random: Random(seed),
            all: Vec::new(),
            synced: 0,
            sequences: BTreeMap::new(),
            round: None,
            killed: false,
            rounds: 0,
            chunks: 0,
            kills: 0,
        };
        world.perform(effects);
        world
    }

    /// Calls the leader and performs what it asks for; killed in between now and then.
    pub(super) fn call(&mut self, act: impl FnOnce(&mut Leader<u32>, Now, &mut Vec<Effect<u32>>)) {
        let mut effects = Vec::new();
        act(&mut self.leader, now(self.millis), &mut effects);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect<u32>>) {
        let mut effects: std::collections::VecDeque<_> = effects.into();
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Write { ticket, durability, writes } => {
                    let is_chunk = writes.iter().any(|write| matches!(write, LogWrite::Replace { .. }));
                    if self.random.below(if is_chunk { 12 } else { 400 }) == 0 {
                        return self.kill();
                    }
                    let group = [JournalWrite { log: self.log, durability, writes }];
                    assert_eq!(self.storage.apply(&group), vec![Ok(())]);
                    if self.random.below(if is_chunk { 12 } else { 400 }) == 0 {
                        return self.kill(); // applied, and not handed over
                    }
                    self.storage.sync_wal().expect("syncs");
                    self.synced = self.all.len();
                    if self.random.below(if is_chunk { 12 } else { 400 }) == 0 {
                        return self.kill(); // synced, and nobody heard of it
                    }
                    let mut more = Vec::new();
                    self.leader.written(ticket, &mut more);
                    more.into_iter().rev().for_each(|effect| effects.push_front(effect));
                }
                Effect::Replaced { result: Ok(()), .. } => self.chunks += 1,
                Effect::Replaced { result: Err(ReplaceError::Overtaken { .. }), .. } => self.round = None,
                other => panic!("{other:?}"),
            }
        }
    }

    fn kill(&mut self) {
        self.killed = true;
        self.kills += 1;
        self.round = None;
        self.storage = (self.reopen)(Some(Arc::clone(&self.storage)));
        self.epoch += self.random.below(2) as i32;
        let (leader, effects) = begin(self.storage.as_ref(), self.log, self.epoch, &self.config, self.millis);
        self.leader = leader;
        let end = self.leader.snapshot().end.0 as usize;
        assert!(end >= self.synced, "{} records were synced, {end} are there", self.synced);
        self.all.truncate(end);
        self.sequences.clear();
        for (id, (end, _)) in self.leader.compaction_candidate().expect("compacted").producers {
            let last = self.headers().into_iter().rfind(|header| header.producer_id == id);
            let last = last.unwrap_or_else(|| panic!("producer {id}'s last batch is not in the log"));
            assert_eq!(last.end_offset(), end, "producer {id}");
            self.sequences.insert(id.0, last.last_sequence().wrapping_add(1) & i32::MAX);
        }
        self.check();
        self.perform(effects);
    }

    pub(super) fn headers(&self) -> Vec<callboard_model::BatchHeader> {
        let start = self.storage.start_offset(self.log).expect("there");
        self.storage.headers(self.log, start).expect("readable")
    }

    pub(super) fn step(&mut self) {
        match self.random.below(100) {
            0..=34 => self.append(),
            35..=49 => {
                self.millis += self.random.below(1500);
                self.call(|leader, now, effects| leader.expire(now, effects));
            }
            50..=89 => self.go_on(),
            90..=93 => self.retain(),
            94..=98 => {
                let report = self.storage.maintain(Timestamp(WALL + self.millis as i64)).expect("maintains");
                assert_eq!(report.damaged, []);
            }
            _ => self.kill(),
        }
    }

    fn append(&mut self) {
        let (count, time) = (1 + self.random.below(5), self.millis as i64);
        let mut made = Vec::new();
        for _ in 0..count {
            let key = self.random.below(KEYS) as u8;
            let len = self.random.below(1500) as usize;
            let value = (self.random.below(5) > 0).then(|| (0..len).map(|_| self.random.below(256) as u8).collect());
            made.push(Appended { key, value, time, met: None });
        }
        let mut head = BatchHead::new(Timestamp(WALL + time));
        if self.random.below(2) == 0 {
            let id = self.random.below(3) as i64;
            let sequence = self.sequences.entry(id).or_insert(0);
            (head.producer_id, head.producer_epoch) = (ProducerId(id), ProducerEpoch(0));
            head.base_sequence = *sequence;
            *sequence += count as i32;
        }
        let mut writer = BatchWriter::new(head);
        for (at, record) in (0..).zip(&made) {
            let timestamp = Timestamp(WALL + time);
            let (key, value) = (Some(&[record.key][..]), record.value.as_deref());
            writer.push(NewRecord { offset_delta: at, timestamp, key, value, headers: &[] });
        }
        let kinds = [Compression::None, Compression::Zstd, Compression::Lz4, Compression::Snappy, Compression::Gzip];
        let kind = kinds[self.random.below(5) as usize];
        let bytes = writer.finish_compressed(kind, |plain| compression::compress(kind, plain)).expect("packs");
        let batch = CheckedBatch::new(bytes).expect("legal");
        let records = compression::decompress(kind, batch.records()).ok().map(|plain| Bytes::from(plain.into_owned()));
        let unpacked = Unpacked { records, packed: None };
        let deadline = Tick(Duration::from_secs(u64::MAX / 4));
        let (waiter, acks) = (None, Acks::None);
        self.all.extend(made);
        self.call(|leader, now, effects| {
            let append = Append {
                waiter,
                acks,
                batch,
                unpacked,
                deadline,
                zstd_allowed: true,
                internal: false,
                expected_end: None,
            };
            leader.append(append, now, effects);
        });
    }

    fn go_on(&mut self) {
        let Some((mut round, began)) = self.round.take() else {
            let Some(candidate) = self.leader.compaction_candidate() else { return };
            let wall = Timestamp(WALL + self.millis as i64);
            let planned = make_plan(self.storage.as_ref(), self.log, candidate, wall).expect("readable");
            let map_bytes = [600, 1 << 20][self.random.below(2) as usize];
            self.round = planned.map(|plan| (Round::new(plan, map_bytes, wall), self.millis));
            return;
        };
        if let Wanted::Read { until, .. } = round.wanted() {
            for met in self.all.iter_mut().take(until.0 as usize) {
                met.met.get_or_insert(began);
            }
        }
        match step(self.storage.as_ref(), self.log, &mut round) {
            Ok(Step::Read(_)) => self.round = Some((round, began)),
            Ok(Step::Chunk(_, chunk)) => {
                self.killed = false;
                self.round = Some((round, began));
                self.call(|leader, _, effects| leader.replace_slices(*chunk, 0, effects));
                self.check();
            }
            Ok(Step::Through) => {
                self.rounds += 1;
                self.call(|leader, _, effects| leader.compacted(round.finish(), effects));
                self.check();
            }
            // Retention was faster.
            Err(CleanError::Storage(StorageError::OutOfRange { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn retain(&mut self) {
        let Some(query) = self.leader.retention_query(now(self.millis)) else { return };
        let entries = self.storage.state_range(self.log, StateFamily::Index, &query.from_key, 9).expect("readable");
        self.call(|leader, now, effects| leader.apply_retention(&query, &entries, now, effects).expect("readable"));
    }

    /// Everything in the log, read piece by piece as a consumer does.
    fn read_all(&self) -> Vec<(i64, u8, Option<Vec<u8>>, i64)> {
        let (start, end) = (self.leader.snapshot().start, self.leader.snapshot().high_watermark);
        let (mut from, mut found) = (start, Vec::new());
        while from < end {
            let slice = self.storage.read(self.log, from, end, 3000, true).expect("readable");
            assert!(slice.next > from, "a reader is stuck at {from} of {end}");
            for item in Batches::verified(&slice.bytes) {
                let (header, batch) = item.expect("whole");
                let kind = header.compression().expect("known");
                let plain = match header.count {
                    0 => Cow::Borrowed(&[][..]),
                    _ => compression::decompress(kind, &batch[HEADER_LEN..]).expect("expands"),
                };
                for record in Records::new(header, &plain) {
                    let record = record.expect("readable");
                    let (key, value) = (record.key.expect("keyed")[0], record.value.map(<[u8]>::to_vec));
                    if record.offset >= from {
                        found.push((record.offset.0, key, value, record.timestamp.0 - WALL));
                    }
                }
            }
            from = slice.next;
        }
        found
    }

    fn check(&self) {
        let found = self.read_all();
        assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "nothing is doubled");
        let by_offset: BTreeMap<i64, _> = found.iter().map(|record| (record.0, record)).collect();
        for (offset, key, value, time) in &found {
            let appended = &self.all[*offset as usize];
            assert_eq!((*key, value, *time), (appended.key, &appended.value, appended.time), "at {offset}");
        }
        let (start, end) = (self.leader.snapshot().start.0, self.leader.snapshot().high_watermark.0);
        for (offset, record) in self.all.iter().enumerate().take(end as usize).skip(start as usize) {
            let newer = self.all[offset + 1..end as usize].iter().any(|other| other.key == record.key);
            if newer || by_offset.contains_key(&(offset as i64)) {
                continue;
            }
            let met = record.met.expect("only a round removes a record");
            assert!(record.value.is_none(), "the newest value of key {} at {offset} is lost", record.key);
            assert!(met + DELETE_RETENTION <= self.millis, "the tombstone at {offset} was met at {met}");
        }
        assert!(found.iter().all(|(offset, ..)| *offset >= start || start == 0), "nothing below the start");
        let entries = self.storage.state(self.log, StateFamily::Index).expect("readable");
        let slices: Vec<_> = entries.iter().map(|(k, v)| Slice::decode(k, v).expect("readable")).collect();
        assert!(slices.windows(2).all(|pair| pair[0].end <= pair[1].start), "slices follow each other");
    }

    /// Left alone it comes to rest with one record of each key, and the disk is returned.
    pub(super) fn come_to_rest(&mut self) {
        self.round = None;
        for _ in 0..400 {
            self.millis += 1000;
            self.call(|leader, now, effects| leader.expire(now, effects));
            self.go_on();
            while self.round.is_some() {
                self.go_on();
            }
            self.storage.maintain(Timestamp(WALL + self.millis as i64)).expect("maintains");
        }
        self.check();
        let mut keys: Vec<_> = self.read_all().iter().map(|found| found.1).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        // What is left of the dirty part is too little to be worth a round.
        assert!(count <= keys.len() * 2, "{count} records of {} keys", keys.len());
    }
}
