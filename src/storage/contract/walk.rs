//! Random calls against a plain model: a list of batches per log, and maps of state.

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_model::{
    CleanupPolicy, JournalWrite, LogConfig, LogId, LogWrite, Offset, PartitionIndex, StateFamily, StoredBatch,
    Timestamp,
};

use super::{batch, topic, write};
use crate::{RetentionClass, Storage, StorageError};

/// A small generator of numbers (splitmix64): the same seed, the same walk.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number below `sides`.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides.max(1)
    }
}

type State = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

#[derive(Clone, Debug, Default)]
struct Model {
    start: i64,
    batches: Vec<StoredBatch>,
    state: State,
}

impl Model {
    fn end(&self) -> i64 {
        self.batches.last().map_or(0, |batch| batch.header.end_offset().0).max(self.start)
    }

    fn truncate(&mut self, to: i64) {
        self.batches.retain(|batch| batch.header.end_offset().0 <= to);
    }

    /// Some neighbours give way to some of them, of some only a shorter form stays.
    fn compact(&mut self, dice: &mut Dice) -> Option<LogWrite> {
        let count = dice.below(self.batches.len() as u64 + 1) as usize;
        let first = dice.below((self.batches.len() - count) as u64 + 1) as usize;
        let old: Vec<_> = self.batches[first..first + count].to_vec();
        let (from, until) = (old.first()?.header.base_offset, old.last()?.header.end_offset());
        let ends_log = until.0 == self.end();
        let mut kept: Vec<_> = Vec::new();
        for (at, batch) in old.iter().enumerate() {
            match dice.below(3) {
                0 if !(ends_log && at + 1 == old.len()) => {}
                1 => kept.push(batch.clone()),
                _ => {
                    let (base, delta) = (batch.header.base_offset.0, batch.header.last_offset_delta);
                    kept.push(super::batch(base, delta + 1, &[dice.below(256) as u8; 100]));
                }
            }
        }
        // A hole before it belongs to it as well.
        let from = match first.checked_sub(1) {
            Some(before) if dice.below(2) == 0 => self.batches[before].header.end_offset(),
            _ => from,
        };
        self.batches.splice(first..first + count, kept.iter().cloned());
        Some(LogWrite::Replace { from, until, batches: kept })
    }

    fn from(&self, offset: i64) -> impl Iterator<Item = &StoredBatch> {
        self.batches.iter().filter(move |batch| batch.header.end_offset().0 > offset)
    }
}

/// How a journal comes back: `None` makes the first one; the flag says whether it was closed before.
pub type Reopen<'a> = &'a mut dyn FnMut(Option<Arc<dyn Storage>>) -> Arc<dyn Storage>;

/// Walks `steps` random calls; the seed is in every message. `reopen` is called now and then; it may give back the same.
pub fn walk(seed: u64, steps: u64, reopen: Reopen<'_>) {
    let mut dice = Dice(seed);
    let mut storage = reopen(None);
    let mut logs: BTreeMap<LogId, Model> = BTreeMap::new();
    let mut now = 0;
    let mut made = 0;
    for step in 0..steps {
        let place = format!("seed {seed}, step {step}");
        now += dice.below(700) as i64;
        let roll = dice.below(100);
        if logs.is_empty() || (roll < 3 && logs.len() < 12) {
            made += 1;
            let log = storage.create_log(topic(7), PartitionIndex(made), class(&mut dice)).expect(&place);
            assert!(logs.insert(log, Model::default()).is_none(), "{place}: {log} is used twice");
            continue;
        }
        let log = *logs.keys().nth(dice.below(logs.len() as u64) as usize).expect("one is there");
        match roll {
            0..4 => {
                storage.drop_logs(&[log]).expect(&place);
                logs.remove(&log);
                assert_eq!(storage.end_offset(log), Err(StorageError::UnknownLog(log)), "{place}");
            }
            4..6 => storage.set_class(log, class(&mut dice)).expect(&place),
            6..9 => {
                storage.sync_wal().expect(&place);
                if dice.below(2) == 0 {
                    storage.close().expect(&place);
                }
                storage = reopen(Some(storage));
                logs.iter().for_each(|(log, model)| check(&*storage, *log, model, &mut dice, &place));
            }
            9..20 => {
                storage.maintain(Timestamp(now)).expect(&place);
                logs.iter().for_each(|(log, model)| check(&*storage, *log, model, &mut dice, &place));
            }
            20..70 => {
                let group: Vec<_> = (0..1 + dice.below(4))
                    .map(|_| {
                        let log = *logs.keys().nth(dice.below(logs.len() as u64) as usize).expect("one is there");
                        change(log, logs.get_mut(&log).expect("just seen"), &mut dice)
                    })
                    .collect();
                assert_eq!(storage.apply(&group), vec![Ok(()); group.len()], "{place}");
            }
            70..73 => {
                let wrong = logs[&log].end() + 1;
                let refused = storage.apply(&[write(log, vec![LogWrite::Append(batch(wrong, 1, b"gap"))])]);
                let expected = Offset(logs[&log].end());
                assert_eq!(
                    refused,
                    [Err(StorageError::NotContiguous { log, expected, given: Offset(wrong) })],
                    "{place}"
                );
            }
            _ => check(&*storage, log, &logs[&log], &mut dice, &place),
        }
    }
    let entries: Vec<_> = storage.logs().iter().map(|entry| (entry.log, entry.start.0)).collect();
    let expected: Vec<_> = logs.iter().map(|(log, model)| (*log, model.start)).collect();
    assert_eq!(entries, expected, "seed {seed}");
    logs.iter().for_each(|(log, model)| check(&*storage, *log, model, &mut dice, &format!("seed {seed}, at the end")));
}

fn class(dice: &mut Dice) -> RetentionClass {
    let retention = [Some(60), Some(60 * 60), None][dice.below(3) as usize];
    let cleanup_policy = CleanupPolicy { delete: true, compact: dice.below(2) == 0 };
    let retention = retention.map(std::time::Duration::from_secs);
    RetentionClass::of(&LogConfig { cleanup_policy, retention, ..LogConfig::default() })
}

/// A random write, done to the model and described for the journal.
fn change(log: LogId, model: &mut Model, dice: &mut Dice) -> JournalWrite {
    let mut writes = Vec::new();
    if dice.below(8) == 0 {
        return write(log, model.compact(dice).into_iter().collect());
    }
    for _ in 0..1 + dice.below(3) {
        match dice.below(20) {
            0 => {
                let to = dice.below(model.end() as u64 + 3) as i64;
                model.truncate(to);
                writes.push(LogWrite::Truncate(Offset(to)));
            }
            1 => {
                let to = model.start + dice.below((model.end() - model.start) as u64 + 2) as i64;
                model.start = model.start.max(to);
                writes.push(LogWrite::SetStart(Offset(to)));
            }
            2 => {
                // Retention's usual step: most of the log goes.
                let to = model.end() - dice.below(5).min((model.end() - model.start) as u64) as i64;
                model.start = to;
                writes.push(LogWrite::SetStart(Offset(to)));
            }
            3..6 => {
                let (family, key) = (dice.below(4) as usize, vec![dice.below(6) as u8; 1 + dice.below(2) as usize]);
                let value = vec![dice.below(256) as u8; dice.below(9) as usize];
                model.state.insert((family, key.clone()), value.clone());
                writes.push(LogWrite::Put { family: StateFamily::ALL[family], key, value });
            }
            6 => {
                let (family, key) = (dice.below(4) as usize, vec![dice.below(6) as u8]);
                model.state.remove(&(family, key.clone()));
                writes.push(LogWrite::Delete { family: StateFamily::ALL[family], key });
            }
            _ => {
                let body = vec![dice.below(256) as u8; dice.below(2000) as usize];
                let batch = batch(model.end(), 1 + dice.below(5) as i32, &body);
                model.batches.push(batch.clone());
                writes.push(LogWrite::Append(batch));
            }
        }
    }
    write(log, writes)
}

fn check(storage: &dyn Storage, log: LogId, model: &Model, dice: &mut Dice, place: &str) {
    let place = format!("{place}, log {log}");
    assert_eq!(storage.start_offset(log), Ok(Offset(model.start)), "{place}");
    assert_eq!(storage.end_offset(log), Ok(Offset(model.end())), "{place}");
    let from = model.start + dice.below((model.end() - model.start) as u64 + 1) as i64;
    let until = from + dice.below((model.end() - from) as u64 + 2) as i64;
    let max = dice.below(6000) as usize;
    let min_one = dice.below(2) == 0;
    let (mut bytes, mut next) = (Vec::new(), from);
    for batch in model.from(from).take_while(|batch| from < until && batch.header.base_offset.0 < until) {
        if bytes.len() + batch.bytes.len() > max && !(min_one && bytes.is_empty()) {
            break;
        }
        bytes.extend_from_slice(&batch.bytes);
        next = batch.header.end_offset().0;
    }
    let read = storage.read(log, Offset(from), Offset(until), max, min_one);
    let read = read.unwrap_or_else(|error| panic!("{place}, from {from}: {error}"));
    assert_eq!(read.next, Offset(next), "{place}, {from} to {until}, {max} bytes");
    assert!(read.bytes == bytes, "{place}, {from} to {until}, {max} bytes: not the same");
    let headers: Vec<_> = model.from(from).map(|batch| batch.header).collect();
    assert_eq!(storage.headers(log, Offset(from)), Ok(headers), "{place}");
    for (at, family) in StateFamily::ALL.into_iter().enumerate() {
        let entries = model.state.iter().filter(|((of, _), _)| *of == at);
        let entries: Vec<_> = entries.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        assert_eq!(storage.last_state(log, family), Ok(entries.last().cloned()), "{place}");
        assert_eq!(storage.state(log, family), Ok(entries), "{place}");
    }
}
