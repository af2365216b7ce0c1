//! A plain shard for tests: named counters, callers that wait for a timer or for each other.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::Timestamp;
use callboard_shard::{Caller, KeyValue, Now, Outcome, RecordFault, Shard};

/// Counters by name, and how many records made them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) counts: BTreeMap<u8, i64>,
    pub(crate) version: u64,
    /// Callers that wait for their key's timer.
    parked: BTreeMap<u16, Caller>,
    /// Bytes stored to no purpose.
    pub(crate) padding: usize,
}

/// What it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Adds to a counter.
    Add { name: u8, by: i64 },
    /// Adds 1 to many counters at once.
    AddToAll { names: u8 },
    /// Reads.
    Get,
    /// Waits until a timer fires or somebody wakes it; who waited there before is answered.
    Park { key: u16, after: Duration },
    /// Wakes who waits there.
    Wake { key: u16 },
    /// Stores bytes without asking whether they fit.
    Pad { bytes: usize },
    /// Panics; for the tests of the actor.
    #[allow(dead_code, reason = "the machine alone has nobody to catch it")]
    Panic,
}

/// What a caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The state that the caller may rely on.
    State { version: u64, sum: i64 },
    /// Its timer has fired, and counted.
    Fired { version: u64, sum: i64 },
    /// Another took its place, or woke it.
    Woken,
}

/// What is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Added {
        name: u8,
        by: i64,
    },
    Padded {
        bytes: usize,
    },
    /// Of snapshots.
    Version(u64),
    Count {
        name: u8,
        count: i64,
    },
}

impl Counters {
    pub(crate) fn sum(&self) -> i64 {
        self.counts.values().sum()
    }

    /// What the state will be once `more` records are replayed that add `by` together.
    fn after(&self, more: u64, by: i64) -> (u64, i64) {
        (self.version + more, self.sum() + by)
    }

    /// What survives.
    pub(crate) fn durable(&self) -> (u64, usize, BTreeMap<u8, i64>) {
        (self.version, self.padding, self.counts.clone())
    }
}

impl Shard for Counters {
    type Command = Ask;
    type Reply = Answer;
    type Record = Fact;
    type Timer = u16;

    fn decide(&mut self, command: Ask, caller: Caller, _now: Now, outcome: &mut Outcome<Self>) {
        match command {
            Ask::Add { name, by } => {
                outcome.record(Fact::Added { name, by });
                let (version, sum) = self.after(1, by);
                outcome.reply(caller, Answer::State { version, sum });
            }
            Ask::AddToAll { names } => {
                (0..names).for_each(|name| outcome.record(Fact::Added { name, by: 1 }));
                let (version, sum) = self.after(names.into(), names.into());
                outcome.reply(caller, Answer::State { version, sum });
            }
            Ask::Get => outcome.reply(caller, Answer::State { version: self.version, sum: self.sum() }),
            Ask::Park { key, after } => {
                outcome.start(key, after);
                if let Some(before) = self.parked.insert(key, caller) {
                    outcome.reply(before, Answer::Woken);
                }
            }
            Ask::Wake { key } => {
                if let Some(parked) = self.parked.remove(&key) {
                    outcome.cancel(key);
                    outcome.reply(parked, Answer::Woken);
                }
                outcome.reply(caller, Answer::Woken);
            }
            Ask::Pad { bytes } => {
                outcome.record(Fact::Padded { bytes });
                let (version, sum) = self.after(1, 0);
                outcome.reply(caller, Answer::State { version, sum });
            }
            Ask::Panic => panic!("asked to"),
        }
    }

    fn expired(&mut self, timer: u16, _now: Now, outcome: &mut Outcome<Self>) {
        outcome.record(Fact::Added { name: timer as u8, by: 1000 });
        if let Some(parked) = self.parked.remove(&timer) {
            let (version, sum) = self.after(1, 1000);
            outcome.reply(parked, Answer::Fired { version, sum });
        }
    }

    fn abandoned(&mut self, caller: Caller, _now: Now, outcome: &mut Outcome<Self>) {
        let key = self.parked.iter().find(|(_, parked)| **parked == caller).map(|(key, _)| *key);
        if let Some(key) = key {
            self.parked.remove(&key);
            outcome.cancel(key);
        }
    }

    fn replay(&mut self, record: &Fact, _written: Timestamp) {
        match record {
            Fact::Added { name, by } => *self.counts.entry(*name).or_default() += by,
            Fact::Padded { bytes } => self.padding += bytes,
            Fact::Version(version) => {
                self.version = *version;
                return;
            }
            Fact::Count { name, count } => {
                self.counts.insert(*name, *count);
                return;
            }
        }
        self.version += 1;
    }

    fn loaded(&mut self, _now: Now, outcome: &mut Outcome<Self>) {
        outcome.start(u16::MAX, Duration::from_secs(60 * 60));
    }

    fn snapshot(&self) -> Vec<Fact> {
        let counts = self.counts.iter().map(|(name, count)| Fact::Count { name: *name, count: *count });
        let padding = (self.padding > 0).then_some(Fact::Padded { bytes: self.padding });
        padding.into_iter().chain([Fact::Version(self.version)]).chain(counts).collect()
    }

    fn encode(record: &Fact) -> KeyValue {
        let (key, value) = match record {
            Fact::Added { name, by } => (vec![0, *name], by.to_be_bytes().to_vec()),
            Fact::Padded { bytes } => (vec![1], vec![7; *bytes]),
            Fact::Version(version) => (vec![2], version.to_be_bytes().to_vec()),
            Fact::Count { name, count } => (vec![3, *name], count.to_be_bytes().to_vec()),
        };
        KeyValue { key: Some(Bytes::from(key)), value: Some(Bytes::from(value)) }
    }

    fn decode(stored: &KeyValue) -> Result<Option<Fact>, RecordFault> {
        let key = stored.key.as_deref().unwrap_or_default();
        let Some(value) = stored.value.as_deref() else { return Ok(None) };
        let number =
            || value.try_into().map(i64::from_be_bytes).map_err(|_| RecordFault::Corrupt(format!("{value:?}")));
        Ok(Some(match key {
            [0, name] => Fact::Added { name: *name, by: number()? },
            [1] => Fact::Padded { bytes: value.len() },
            [2] => Fact::Version(number()? as u64),
            [3, name] => Fact::Count { name: *name, count: number()? },
            [kind, ..] => return Err(RecordFault::UnknownType((*kind).into())),
            [] => return Err(RecordFault::Corrupt("a record without a key".to_owned())),
        }))
    }
}
