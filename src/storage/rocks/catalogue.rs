//! What is known in memory: the logs with the generations that hold them, and the generations.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use callboard_model::{LogId, Offset, PartitionIndex, Timestamp, TopicId};

use super::keys::{CatalogueEntry, GenerationEntry, generation_name};
use crate::{RetentionClass, StorageError};

/// From an offset on, up to the next range, a log lies in this generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: Offset,
    pub(super) generation: u32,
}

/// One log.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) id: LogId,
    pub(super) topic: TopicId,
    pub(super) partition: PartitionIndex,
    state: Mutex<LogState>,
}

/// What changes about a log.
#[derive(Clone, Debug)]
pub(super) struct LogState {
    pub(super) class: RetentionClass,
    pub(super) start: Offset,
    /// `None` until the newest batch was looked up.
    pub(super) end: Option<Offset>,
    /// By first offset; a reader keeps the list that it began with.
    pub(super) ranges: Arc<[Range]>,
    pub(super) dropped: bool,
}

impl Log {
    pub(super) fn new(id: LogId, entry: CatalogueEntry, ranges: Vec<Range>, end: Option<Offset>) -> Self {
        let CatalogueEntry { topic, partition, class, start } = entry;
        let state = LogState { class, start, end, ranges: ranges.into(), dropped: false };
        Self { id, topic, partition, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn entry(&self, state: &LogState) -> CatalogueEntry {
        CatalogueEntry { topic: self.topic, partition: self.partition, class: state.class, start: state.start }
    }
}

/// The position of the range that holds an offset: the last that begins at or below it, else the first of all.
pub(super) fn range_of(ranges: &[Range], offset: Offset) -> usize {
    ranges.partition_point(|range| range.first <= offset).saturating_sub(1)
}

/// All logs.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    by_id: RwLock<BTreeMap<LogId, Arc<Log>>>,
    by_partition: Mutex<HashMap<(TopicId, PartitionIndex), LogId>>,
}

impl Catalogue {
    pub(super) fn insert(&self, log: Log) {
        let key = (log.topic, log.partition);
        let id = log.id;
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(log));
        self.by_partition.lock().unwrap_or_else(PoisonError::into_inner).insert(key, id);
    }

    pub(super) fn remove(&self, id: LogId) -> Option<Arc<Log>> {
        let log = self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(&id)?;
        self.by_partition.lock().unwrap_or_else(PoisonError::into_inner).remove(&(log.topic, log.partition));
        Some(log)
    }

    pub(super) fn find(&self, id: LogId) -> Option<Arc<Log>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub(super) fn get(&self, id: LogId) -> Result<Arc<Log>, StorageError> {
        self.find(id).ok_or(StorageError::UnknownLog(id))
    }

    pub(super) fn of_partition(&self, topic: TopicId, partition: PartitionIndex) -> Option<LogId> {
        self.by_partition.lock().unwrap_or_else(PoisonError::into_inner).get(&(topic, partition)).copied()
    }

    pub(super) fn all(&self) -> Vec<Arc<Log>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// One generation: a column family of batches of many logs.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) seq: u32,
    pub(super) class: RetentionClass,
    pub(super) name: String,
    /// Bytes of batches appended, or of files as found at the start.
    pub(super) bytes: AtomicU64,
    /// Bytes of its file of batches, all of them synced; changed by the writer only.
    pub(super) payload: AtomicU64,
    sealed: AtomicBool,
    created: Mutex<Option<Timestamp>>,
}

impl Generation {
    pub(super) fn new(class: RetentionClass, seq: u32, entry: GenerationEntry, bytes: u64) -> Self {
        Self {
            seq,
            class,
            name: generation_name(class, seq),
            bytes: AtomicU64::new(bytes),
            payload: AtomicU64::new(0),
            sealed: AtomicBool::new(entry.sealed),
            created: Mutex::new(entry.created.map(Timestamp)),
        }
    }

    pub(super) fn sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    pub(super) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn payload(&self) -> u64 {
        self.payload.load(Ordering::Acquire)
    }

    pub(super) fn created(&self) -> Option<Timestamp> {
        *self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_created(&self, now: Timestamp) {
        *self.created.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    pub(super) fn entry(&self) -> GenerationEntry {
        GenerationEntry { sealed: self.sealed(), created: self.created().map(Timestamp::millis) }
    }
}

/// All generations, oldest first.
#[derive(Debug, Default)]
pub(super) struct Generations {
    by_seq: RwLock<BTreeMap<u32, Arc<Generation>>>,
}

impl Generations {
    pub(super) fn insert(&self, generation: Generation) -> Arc<Generation> {
        let generation = Arc::new(generation);
        let kept = Arc::clone(&generation);
        self.by_seq.write().unwrap_or_else(PoisonError::into_inner).insert(generation.seq, generation);
        kept
    }

    pub(super) fn remove(&self, seq: u32) {
        self.by_seq.write().unwrap_or_else(PoisonError::into_inner).remove(&seq);
    }

    pub(super) fn get(&self, seq: u32) -> Option<Arc<Generation>> {
        self.by_seq.read().unwrap_or_else(PoisonError::into_inner).get(&seq).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Generation>> {
        self.by_seq.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
