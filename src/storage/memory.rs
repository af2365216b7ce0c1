//! A journal in memory: for tests, simulations and nodes that keep nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};
use callboard_model::{
    BatchHeader, Batches, JournalWrite, LogId, LogWrite, Offset, PartitionIndex, StateFamily, StoredBatch, Timestamp,
    TopicId,
};

use crate::{GenerationInfo, RetentionClass};
use crate::{LogEntry, MaintenanceReport, MemoryFigures, NewLog, ReadSlice, StateEntry, Storage, StorageError, Usage};

/// A journal whose disk is memory: what was synced is what a [`MemoryStorage::crash`] leaves.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Model,
    /// What a crash leaves, and the writes that it would take away; kept only if crashes were asked for.
    crashes: Option<Crashes>,
    full: bool,
    /// Bytes of batches beyond which appends are refused.
    bytes_max: Option<u64>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Crashes {
    synced: Model,
    unsynced: Vec<JournalWrite>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    logs: BTreeMap<LogId, MemoryLog>,
    by_partition: BTreeMap<(TopicId, PartitionIndex), LogId>,
    next: u32,
    /// Of the batches of all logs.
    bytes: u64,
}

#[derive(Clone, Debug)]
struct MemoryLog {
    topic: TopicId,
    partition: PartitionIndex,
    class: RetentionClass,
    start: Offset,
    batches: BTreeMap<Offset, (BatchHeader, Bytes)>,
    /// Of all batches.
    bytes: u64,
    state: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
}

impl MemoryLog {
    fn end(&self) -> Offset {
        let last = self.batches.values().next_back().map_or(Offset::ZERO, |(header, _)| header.end_offset());
        last.max(self.start)
    }

    /// The first batch that ends after `from`.
    fn position(&self, from: Offset) -> Offset {
        match self.batches.range(..=from).next_back() {
            Some((base, (header, _))) if header.end_offset() > from => *base,
            _ => from,
        }
    }

    fn check(&self, log: LogId, writes: &[LogWrite]) -> Result<(), StorageError> {
        // Only the end decides, so only the end is played through; a cut may reach into what this write appends.
        let mut copy: Option<Self> = None;
        let mut end = self.end();
        for write in writes {
            match write {
                LogWrite::Append(batch) => {
                    if batch.header.base_offset != end {
                        return Err(StorageError::NotContiguous {
                            log,
                            expected: end,
                            given: batch.header.base_offset,
                        });
                    }
                    end = batch.header.end_offset();
                }
                LogWrite::SetStart(_) | LogWrite::Truncate(_) | LogWrite::Replace { .. } => {
                    // Rare, so the log is copied and played through.
                    if copy.is_none() {
                        let mut played = self.clone();
                        for earlier in writes.iter().take_while(|earlier| !std::ptr::eq(*earlier, write)) {
                            played.perform(earlier);
                        }
                        copy = Some(played);
                    }
                }
                LogWrite::Put { .. } | LogWrite::Delete { .. } => {}
            }
            if let Some(played) = &mut copy {
                if let LogWrite::Replace { from, until, batches } = write {
                    let refused = |reason| StorageError::NotReplaceable { log, from: *from, until: *until, reason };
                    played.check_replace(*from, *until, batches, is_alone(writes)).map_err(refused)?;
                }
                played.perform(write);
                end = played.end();
            }
        }
        Ok(())
    }

    fn check_replace(
        &self,
        from: Offset,
        until: Offset,
        batches: &[StoredBatch],
        alone: bool,
    ) -> Result<(), &'static str> {
        let whole = |offset: Offset| self.position(offset) == offset;
        let checks = [
            (alone, NOT_ALONE),
            (replacement_fits(from, until, batches, self.end()), NOT_FITTING),
            (whole(from) && (until >= self.end() || whole(until)), NOT_AN_EDGE),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, reason)| Err(reason))
    }

    fn insert(&mut self, batch: &StoredBatch) {
        self.bytes += batch.bytes.len() as u64;
        let former = self.batches.insert(batch.header.base_offset, (batch.header, batch.bytes.clone()));
        self.bytes -= former.map_or(0, |(_, bytes)| bytes.len() as u64);
    }

    fn perform(&mut self, write: &LogWrite) {
        match write {
            LogWrite::Replace { from, until, batches } => {
                let replaced: Vec<Offset> = self.batches.range(from..until).map(|(base, _)| *base).collect();
                for base in replaced {
                    self.bytes -= self.batches.remove(&base).map_or(0, |(_, bytes)| bytes.len() as u64);
                }
                batches.iter().for_each(|batch| self.insert(batch));
            }
            LogWrite::Append(batch) => self.insert(batch),
            LogWrite::SetStart(start) => {
                self.start = self.start.max(*start);
                while let Some(first) = self.batches.first_entry() {
                    if first.get().0.end_offset() > self.start {
                        break;
                    }
                    self.bytes -= first.remove().1.len() as u64;
                }
            }
            LogWrite::Truncate(to) => {
                let cut = self.position(*to);
                let gone = self.batches.split_off(&cut);
                self.bytes -= gone.values().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            }
            LogWrite::Put { family, key, value } => {
                self.state.insert((*family as u8, key.clone()), value.clone());
            }
            LogWrite::Delete { family, key } => {
                self.state.remove(&(*family as u8, key.clone()));
            }
        }
    }
}

impl Model {
    fn log(&self, log: LogId) -> Result<&MemoryLog, StorageError> {
        self.logs.get(&log).ok_or(StorageError::UnknownLog(log))
    }

    fn perform(&mut self, write: &JournalWrite) {
        if let Some(log) = self.logs.get_mut(&write.log) {
            let before = log.bytes;
            write.writes.iter().for_each(|write| log.perform(write));
            self.bytes = self.bytes - before + log.bytes;
        }
    }
}

impl MemoryStorage {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty journal that refuses appends beyond so many bytes of batches, as a full disk does.
    pub fn bounded(bytes_max: u64) -> Self {
        Self { inner: Mutex::new(Inner { bytes_max: Some(bytes_max), ..Inner::default() }) }
    }

    /// An empty journal that remembers what was synced, for [`MemoryStorage::crash`]. Keeps a second list of the logs.
    pub fn with_crashes() -> Self {
        Self { inner: Mutex::new(Inner { crashes: Some(Crashes::default()), ..Inner::default() }) }
    }

    /// The journal as it is found after a power cut now: only what was synced. A journal that was not made
    /// [`MemoryStorage::with_crashes`] loses nothing.
    pub fn crash(&self) -> Self {
        let inner = self.lock();
        let now = inner.crashes.as_ref().map_or_else(|| inner.now.clone(), |crashes| crashes.synced.clone());
        let crashes = inner.crashes.as_ref().map(|_| Crashes { synced: now.clone(), unsynced: Vec::new() });
        let bytes_max = inner.bytes_max;
        Self { inner: Mutex::new(Inner { now, crashes, bytes_max, ..Inner::default() }) }
    }

    /// From now on appends are refused as on a full disk, or no more.
    pub fn set_disk_full(&self, full: bool) {
        self.lock().full = full;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    fn sync(&mut self) {
        if let Some(crashes) = &mut self.crashes {
            for write in std::mem::take(&mut crashes.unsynced) {
                crashes.synced.perform(&write);
            }
        }
    }

    /// A change outside of `apply` is durable at once, with all before it.
    fn change(&mut self, change: impl Fn(&mut Model)) {
        self.sync();
        change(&mut self.now);
        if let Some(crashes) = &mut self.crashes {
            change(&mut crashes.synced);
        }
    }

    fn apply(&mut self, write: &JournalWrite) -> Result<(), StorageError> {
        if self.closed {
            return Err(StorageError::Closed);
        }
        if self.full && write.batch_bytes() > 0 {
            return Err(StorageError::DiskFull { path: "memory".into(), free: 0, reserve: 1 });
        }
        // Compaction and retention go on: they make room.
        let appended =
            |write: &LogWrite| if let LogWrite::Append(batch) = write { batch.bytes.len() as u64 } else { 0 };
        let more: u64 = write.writes.iter().map(appended).sum();
        if let Some(max) = self.bytes_max
            && more > 0
            && self.now.bytes + more > max
        {
            return Err(StorageError::MemoryFull { held: self.now.bytes, max });
        }
        self.now.log(write.log)?.check(write.log, &write.writes)?;
        self.now.perform(write);
        if let Some(crashes) = &mut self.crashes {
            crashes.unsynced.push(write.clone());
        }
        Ok(())
    }
}

impl Storage for MemoryStorage {
    fn logs(&self) -> Vec<LogEntry> {
        let entry = |(log, it): (&LogId, &MemoryLog)| LogEntry {
            log: *log,
            topic: it.topic,
            partition: it.partition,
            class: it.class,
            start: it.start,
        };
        self.lock().now.logs.iter().map(entry).collect()
    }

    fn create_logs(&self, new: &[NewLog]) -> Result<Vec<LogId>, StorageError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(StorageError::Closed);
        }
        inner.change(|model| {
            for new in new {
                let key = (new.topic, new.partition);
                if model.by_partition.contains_key(&key) {
                    continue;
                }
                let log = LogId(model.next);
                model.next += 1;
                model.by_partition.insert(key, log);
                let made = MemoryLog {
                    topic: new.topic,
                    partition: new.partition,
                    class: new.class,
                    start: Offset::ZERO,
                    batches: BTreeMap::new(),
                    bytes: 0,
                    state: BTreeMap::new(),
                };
                model.logs.insert(log, made);
            }
        });
        Ok(new.iter().map(|new| inner.now.by_partition[&(new.topic, new.partition)]).collect())
    }

    fn set_class(&self, log: LogId, class: RetentionClass) -> Result<(), StorageError> {
        let mut inner = self.lock();
        inner.now.log(log)?;
        inner.change(|model| {
            if let Some(log) = model.logs.get_mut(&log) {
                log.class = class;
            }
        });
        Ok(())
    }

    fn drop_logs(&self, logs: &[LogId]) -> Result<(), StorageError> {
        self.lock().change(|model| {
            for log in logs {
                if let Some(gone) = model.logs.remove(log) {
                    model.bytes -= gone.bytes;
                    model.by_partition.remove(&(gone.topic, gone.partition));
                }
            }
        });
        Ok(())
    }

    fn apply(&self, group: &[JournalWrite]) -> Vec<Result<(), StorageError>> {
        let mut inner = self.lock();
        group.iter().map(|write| inner.apply(write)).collect()
    }

    fn flush_wal(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn sync_wal(&self) -> Result<(), StorageError> {
        self.lock().sync();
        Ok(())
    }

    fn start_offset(&self, log: LogId) -> Result<Offset, StorageError> {
        Ok(self.lock().now.log(log)?.start)
    }

    fn end_offset(&self, log: LogId) -> Result<Offset, StorageError> {
        Ok(self.lock().now.log(log)?.end())
    }

    fn read(
        &self,
        log: LogId,
        from: Offset,
        until: Offset,
        max_bytes: usize,
        min_one: bool,
    ) -> Result<ReadSlice, StorageError> {
        let inner = self.lock();
        let it = inner.now.log(log)?;
        if from < it.start || from > it.end() {
            return Err(StorageError::OutOfRange { log, start: it.start, end: it.end(), given: from });
        }
        if from >= until {
            return Ok(ReadSlice { bytes: Bytes::new(), next: from });
        }
        let (mut found, mut len, mut next) = (Vec::new(), 0, from);
        for (base, (header, bytes)) in it.batches.range(it.position(from)..) {
            let fits = len + bytes.len() <= max_bytes || (min_one && found.is_empty());
            if *base >= until || !fits {
                break;
            }
            len += bytes.len();
            next = header.end_offset();
            found.push(bytes.clone());
        }
        if found.len() == 1 {
            let bytes = found.pop().expect("its length was just seen");
            return Ok(ReadSlice { bytes, next });
        }
        let mut bytes = BytesMut::with_capacity(len);
        found.iter().for_each(|batch| bytes.extend_from_slice(batch));
        Ok(ReadSlice { bytes: bytes.freeze(), next })
    }

    fn headers(&self, log: LogId, from: Offset) -> Result<Vec<BatchHeader>, StorageError> {
        let inner = self.lock();
        let it = inner.now.log(log)?;
        let from = from.max(it.start);
        Ok(it.batches.range(it.position(from)..).map(|(_, (header, _))| *header).collect())
    }

    fn state_range(
        &self,
        log: LogId,
        family: StateFamily,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<StateEntry>, StorageError> {
        let inner = self.lock();
        let kind = family as u8;
        let entries = inner.now.log(log)?.state.range((kind, from.to_vec())..).take_while(|((of, _), _)| *of == kind);
        Ok(entries.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn last_state(&self, log: LogId, family: StateFamily) -> Result<Option<StateEntry>, StorageError> {
        let inner = self.lock();
        let kind = family as u8;
        let range = inner.now.log(log)?.state.range((kind, Vec::new())..(kind + 1, Vec::new()));
        Ok(range.last().map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn state_before(&self, log: LogId, family: StateFamily, at: &[u8]) -> Result<Option<StateEntry>, StorageError> {
        let inner = self.lock();
        let kind = family as u8;
        let mut range = inner.now.log(log)?.state.range((kind, Vec::new())..=(kind, at.to_vec()));
        Ok(range.next_back().map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn usage(&self) -> Result<Usage, StorageError> {
        let inner = self.lock();
        let mut generations: BTreeMap<RetentionClass, GenerationInfo> = BTreeMap::new();
        for log in inner.now.logs.values() {
            let (class, seq) = (log.class, u32::from(log.class.code()));
            let empty = GenerationInfo { class, seq, bytes: 0, logs: 0, sealed: false, created: None };
            let info = generations.entry(class).or_insert(empty);
            info.bytes += log.batches.values().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            info.logs += usize::from(!log.batches.is_empty());
        }
        Ok(Usage {
            generations: generations.into_values().collect(),
            disk: None,
            wal_bytes: 0,
            disk_full: inner.full,
            memory: MemoryFigures::default(),
        })
    }

    fn maintain(&self, _now: Timestamp) -> Result<MaintenanceReport, StorageError> {
        // Space comes back with every move of a start; there are no generations.
        Ok(MaintenanceReport::default())
    }

    fn close(&self) -> Result<(), StorageError> {
        let mut inner = self.lock();
        inner.sync();
        inner.closed = true;
        Ok(())
    }
}

pub(crate) const NOT_ALONE: &str = "the same write changes other batches of the log";
pub(crate) const NOT_FITTING: &str =
    "the survivors are not in order and within bounds, or do not end where the log does";
pub(crate) const NOT_AN_EDGE: &str = "a batch lies across a bound";

/// Whether at most one change of a write is to batches; those that replace some stand alone.
pub(crate) fn is_alone(writes: &[LogWrite]) -> bool {
    let of_batches =
        |write: &&LogWrite| matches!(write, LogWrite::Append(_) | LogWrite::Truncate(_) | LogWrite::Replace { .. });
    writes.iter().filter(of_batches).count() <= 1
}

/// Whether survivors may stand between two offsets of a log that ends at `end`.
pub(crate) fn replacement_fits(from: Offset, until: Offset, batches: &[StoredBatch], end: Offset) -> bool {
    let mut next = from;
    let in_order = batches.iter().all(|batch| {
        let follows = next <= batch.header.base_offset && batch.header.base_offset < batch.header.end_offset();
        next = batch.header.end_offset();
        follows && next <= until
    });
    in_order && from < until && until <= end && (until < end || next == end)
}

/// A batch of the right shape, for checks that only debug builds make.
pub(crate) fn is_one_batch(batch: &StoredBatch) -> bool {
    matches!(Batches::verified(&batch.bytes).next(), Some(Ok((header, bytes))) if header == batch.header && bytes.len() == batch.bytes.len())
}

#[cfg(test)]
mod tests;
