//! What the tests share: batches made by hand, a storage of maps, a leader on top of it.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use callboard_model::{
    CheckedBatch, LeaderEpoch, LogConfig, LogId, LogWrite, Offset, StateFamily, StoredBatch, Tick, Timestamp,
};

use crate::{
    Acks, Append, Effect, Fetch, FetchData, Fetched, Isolation, Leader, Now, PartitionLimits, Recovered, StateEntry,
    Ticket, Wait, scan_from,
};

/// A day in 2026, so that ages in tests are ordinary numbers.
pub(crate) const WALL: i64 = 1_790_000_000_000;

/// The value of a record that fills a slice by itself and is just not too large a message.
pub(crate) const FULL: usize = 1_048_510;

/// Both clocks, so many milliseconds after the start.
pub(crate) fn at(millis: u64) -> Now {
    Now { tick: tick(millis), wall: Timestamp(WALL + millis as i64) }
}

pub(crate) fn tick(millis: u64) -> Tick {
    Tick(std::time::Duration::from_millis(millis))
}

/// A batch to be made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) records: Vec<(Option<&'static [u8]>, usize, i64)>,
    pub(crate) producer: (i64, i16, i32),
    pub(crate) attributes: i16,
    pub(crate) base_offset: i64,
    pub(crate) max_timestamp: Option<i64>,
    pub(crate) count: Option<i32>,
}

impl Made {
    /// So many records without keys, of this time.
    pub(crate) fn of(count: usize, timestamp: i64) -> Self {
        Self {
            records: vec![(None, 3, timestamp); count],
            producer: (-1, -1, -1),
            attributes: 0,
            base_offset: 0,
            max_timestamp: None,
            count: None,
        }
    }

    /// Sent by an idempotent producer.
    pub(crate) fn by(mut self, id: i64, epoch: i16, sequence: i32) -> Self {
        self.producer = (id, epoch, sequence);
        self
    }

    /// With a first value of so many bytes.
    pub(crate) fn sized(mut self, bytes: usize) -> Self {
        self.records[0].1 = bytes;
        self
    }

    pub(crate) fn batch(&self) -> CheckedBatch {
        let base = self.records.first().map_or(0, |record| record.2);
        let mut body = Vec::new();
        for (delta, (key, len, timestamp)) in self.records.iter().enumerate() {
            let mut one = vec![0];
            put_varint(&mut one, timestamp - base);
            put_varint(&mut one, delta as i64);
            put_varint(&mut one, key.map_or(-1, |key| key.len() as i64));
            one.extend_from_slice(key.unwrap_or_default());
            put_varint(&mut one, *len as i64);
            one.resize(one.len() + len, b'v');
            put_varint(&mut one, 0);
            put_varint(&mut body, one.len() as i64);
            body.extend_from_slice(&one);
        }
        self.batch_around(&body)
    }

    /// The header around a body, whatever that is.
    pub(crate) fn batch_around(&self, body: &[u8]) -> CheckedBatch {
        let base = self.records.first().map_or(0, |record| record.2);
        let max = self.max_timestamp.or(self.records.iter().map(|record| record.2).max()).unwrap_or(-1);
        let count = self.records.len() as i32;
        let mut tail = Vec::new();
        tail.extend_from_slice(&self.attributes.to_be_bytes());
        tail.extend_from_slice(&(count - 1).max(0).to_be_bytes());
        tail.extend_from_slice(&base.to_be_bytes());
        tail.extend_from_slice(&max.to_be_bytes());
        tail.extend_from_slice(&self.producer.0.to_be_bytes());
        tail.extend_from_slice(&self.producer.1.to_be_bytes());
        tail.extend_from_slice(&self.producer.2.to_be_bytes());
        tail.extend_from_slice(&self.count.unwrap_or(count).to_be_bytes());
        tail.extend_from_slice(body);
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(&self.base_offset.to_be_bytes());
        bytes.extend_from_slice(&(tail.len() as i32 + 9).to_be_bytes());
        bytes.extend_from_slice(&(-1i32).to_be_bytes());
        bytes.extend_from_slice(&[2]);
        bytes.extend_from_slice(&crc32c::crc32c(&tail).to_be_bytes());
        bytes.extend_from_slice(&tail);
        CheckedBatch::new(bytes).expect("made legally")
    }
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// What storage does with writes, by the letter of their contract: data below the start is gone at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    pub(crate) batches: BTreeMap<Offset, StoredBatch>,
    pub(crate) epochs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) producers: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) index: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) compaction: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Disk {
    fn family(&mut self, family: StateFamily) -> &mut BTreeMap<Vec<u8>, Vec<u8>> {
        match family {
            StateFamily::Epochs => &mut self.epochs,
            StateFamily::Producers => &mut self.producers,
            StateFamily::Index => &mut self.index,
            StateFamily::Compaction => &mut self.compaction,
        }
    }

    pub(crate) fn apply(&mut self, writes: &[LogWrite]) {
        for write in writes {
            match write {
                LogWrite::Append(batch) => {
                    assert_eq!(batch.header.base_offset, self.end, "appended at the end");
                    self.end = batch.header.end_offset();
                    self.batches.insert(batch.header.base_offset, batch.clone());
                }
                LogWrite::SetStart(start) => {
                    assert!(self.start < *start && *start <= self.end, "the start moves up");
                    self.start = *start;
                    self.batches.retain(|_, batch| batch.header.end_offset() > *start);
                }
                LogWrite::Truncate(_) => panic!("a leader never truncates"),
                LogWrite::Replace { from, until, batches } => {
                    assert!(from < until && *until <= self.end);
                    let whole = |offset: Offset| {
                        let before = self.batches.range(..offset).next_back();
                        before.is_none_or(|(_, batch)| batch.header.end_offset() <= offset)
                    };
                    assert!(whole(*from) && whole(*until), "{from} and {until} are edges of batches");
                    self.batches.retain(|base, _| base < from || base >= until);
                    for batch in batches {
                        let header = batch.header;
                        assert!(header.base_offset >= *from && header.end_offset() <= *until);
                        self.batches.insert(header.base_offset, batch.clone());
                    }
                    let last = self.batches.values().next_back().map(|batch| batch.header.end_offset());
                    assert_eq!(last, Some(self.end), "the end stays");
                }
                LogWrite::Put { family, key, value } => {
                    self.family(*family).insert(key.clone(), value.clone());
                }
                LogWrite::Delete { family, key } => {
                    self.family(*family).remove(key);
                }
            }
        }
    }

    pub(crate) fn recover(&self) -> Recovered {
        let entries = |family: &BTreeMap<Vec<u8>, Vec<u8>>| -> Vec<StateEntry> {
            family.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let index = entries(&self.index);
        let from = scan_from(self.start, index.last()).expect("readable");
        let batches = self.batches.values().filter(|batch| batch.header.end_offset() > from);
        Recovered {
            start: self.start,
            end: self.end,
            epochs: entries(&self.epochs),
            producers: entries(&self.producers),
            index_first: index.first().cloned(),
            index_last: index.last().cloned(),
            compaction: entries(&self.compaction).pop(),
            index: if self.compaction.is_empty() { Vec::new() } else { index },
            headers: batches.map(|batch| batch.header).collect(),
        }
    }

    /// Index entries from a key on, a few at a time.
    pub(crate) fn index_from(&self, key: &[u8], count: usize) -> Vec<StateEntry> {
        self.index.range(key.to_vec()..).take(count).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// A leader on a disk; waiters are numbers.
pub(crate) struct Rig {
    pub(crate) leader: Leader<u32>,
    pub(crate) disk: Disk,
    /// Writes asked for and not yet done.
    pub(crate) journal: std::collections::VecDeque<(Ticket, Vec<LogWrite>)>,
    pub(crate) now: Now,
}

pub(crate) type Effects = Vec<Effect<u32>>;

impl Rig {
    /// A new log in epoch 0, its epoch's start written.
    pub(crate) fn new(config: LogConfig) -> Self {
        let mut rig = Self::on(Disk::default(), 0, config, at(0));
        rig.settle();
        rig
    }

    pub(crate) fn on(disk: Disk, epoch: i32, config: LogConfig, now: Now) -> Self {
        let mut effects = Vec::new();
        let limits = PartitionLimits::default();
        let leader = Leader::begin(LogId(7), disk.recover(), LeaderEpoch(epoch), config, limits, now, &mut effects)
            .expect("what a leader wrote it can read");
        let mut rig = Self { leader, disk, journal: Default::default(), now };
        rig.queue(effects);
        rig
    }

    /// Keeps the writes and gives the rest.
    fn queue(&mut self, effects: Effects) -> Effects {
        assert_eq!(crate::invariant::check(&self.leader), Ok(()));
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Write { ticket, writes, .. } => self.journal.push_back((ticket, writes)),
                answer => answers.push(answer),
            }
        }
        answers
    }

    /// Calls the leader.
    pub(crate) fn call(&mut self, call: impl FnOnce(&mut Leader<u32>, Now, &mut Effects)) -> Effects {
        let mut effects = Vec::new();
        call(&mut self.leader, self.now, &mut effects);
        self.queue(effects)
    }

    pub(crate) fn append(&mut self, waiter: u32, acks: Acks, made: &Made) -> Effects {
        let append = append(waiter, acks, made.batch());
        self.call(|leader, now, effects| leader.append(append, now, effects))
    }

    /// The journal does the oldest write; false if there is none.
    pub(crate) fn write_one(&mut self) -> Option<Effects> {
        let (ticket, writes) = self.journal.pop_front()?;
        self.disk.apply(&writes);
        Some(self.call(|leader, _, effects| leader.written(ticket, effects)))
    }

    /// The journal does all writes.
    pub(crate) fn settle(&mut self) -> Effects {
        let mut all = Vec::new();
        while let Some(effects) = self.write_one() {
            all.extend(effects);
        }
        all
    }

    /// The same log led again from what is on disk.
    pub(crate) fn again(self, epoch: i32) -> Self {
        let config = self.leader.config().clone();
        Self::on(self.disk, epoch, config, self.now)
    }

    pub(crate) fn fetch(&mut self, fetch: Fetch<u32>) -> Effects {
        self.call(|leader, now, effects| leader.fetch(fetch, now, effects))
    }

    /// What a plain fetch answers.
    pub(crate) fn read(&mut self, offset: i64) -> Fetched {
        match self.fetch(fetch(0, offset)).pop() {
            Some(Effect::Fetched { result: Ok(fetched), .. }) => fetched,
            other => panic!("no fetch answer but {other:?}"),
        }
    }
}

pub(crate) fn append(waiter: u32, acks: Acks, batch: CheckedBatch) -> Append<u32> {
    Append {
        waiter: (acks != Acks::None).then_some(waiter),
        acks,
        batch,
        unpacked: crate::Unpacked::default(),
        deadline: tick(30_000),
        zstd_allowed: true,
        internal: false,
        expected_end: None,
    }
}

/// A fetch that does not wait; its key is its waiter.
pub(crate) fn fetch(waiter: u32, offset: i64) -> Fetch<u32> {
    Fetch {
        key: u64::from(waiter),
        waiter,
        offset: Offset(offset),
        current_leader_epoch: None,
        last_fetched_epoch: None,
        isolation: Isolation::ReadUncommitted,
        max_bytes: 1 << 20,
        min_one: true,
        wait: None,
    }
}

pub(crate) fn waiting(waiter: u32, offset: i64, beyond: i64, until: u64) -> Fetch<u32> {
    let wait = Some(Wait { until: tick(until), beyond: Offset(beyond) });
    Fetch { wait, ..fetch(waiter, offset) }
}

/// What a produce answers if all is well.
pub(crate) fn produced(waiter: u32, base_offset: i64) -> Effect<u32> {
    let result = Ok(crate::Produced { base_offset: Offset(base_offset), log_append_time: None, log_start: Offset(0) });
    Effect::Produced { waiter, result }
}

/// What a batch becomes at an offset.
pub(crate) fn stored(made: &Made, base_offset: i64, epoch: i32) -> Bytes {
    let prefix = callboard_model::Prefix { base_offset: Offset(base_offset), leader_epoch: LeaderEpoch(epoch) };
    made.batch().assign(prefix).1
}

pub(crate) fn memory(fetched: &Fetched) -> &[Bytes] {
    if let FetchData::Memory(batches) = &fetched.data { batches } else { &[] }
}
