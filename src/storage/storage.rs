//! The contract of a journal: what partitions ask of storage, whichever it is.

use bytes::Bytes;
use callboard_model::{BatchHeader, JournalWrite, LogId, Offset, PartitionIndex, StateFamily, Timestamp, TopicId};

use crate::{DiskSpace, RetentionClass, StorageError};

/// A log to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewLog {
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
    /// Where its appends go.
    pub class: RetentionClass,
}

/// A log that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number.
    pub log: LogId,
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
    /// Where its appends go.
    pub class: RetentionClass,
    /// First readable offset.
    pub start: Offset,
}

/// Whole batches, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSlice {
    /// The batches; empty if there were none, or none that fitted.
    pub bytes: Bytes,
    /// Where to read on: one past the last batch, or the offset asked for if there is none.
    pub next: Offset,
}

/// A key within its log, and the value.
pub type StateEntry = (Vec<u8>, Vec<u8>);

/// One generation: batches of many logs that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationInfo {
    /// Which logs share it.
    pub class: RetentionClass,
    /// Its number; rises over all classes.
    pub seq: u32,
    /// Its bytes, in files and in memory.
    pub bytes: u64,
    /// Logs that still have records in it.
    pub logs: usize,
    /// Whether it takes no more appends.
    pub sealed: bool,
    /// When maintenance first saw it.
    pub created: Option<Timestamp>,
}

/// Bytes that the database holds in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryFigures {
    /// Writes not yet in table files.
    pub memtables: u64,
    /// Open tables' own structures.
    pub table_readers: u64,
    /// Cached blocks.
    pub block_cache: u64,
}

/// What storage occupies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All generations, oldest first.
    pub generations: Vec<GenerationInfo>,
    /// Space on the disk; `None` without one.
    pub disk: Option<DiskSpace>,
    /// Bytes of write-ahead log.
    pub wal_bytes: u64,
    /// Whether appends are refused for lack of space.
    pub disk_full: bool,
    /// Bytes in memory.
    pub memory: MemoryFigures,
}

/// What one call of maintenance did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Generations that take no more appends from now on.
    pub sealed: Vec<u32>,
    /// Generations dropped, their space returned.
    pub dropped: Vec<u32>,
    /// Bytes that the dropped ones had.
    pub dropped_bytes: u64,
    /// Bytes copied out of held-up generations.
    pub evacuated_bytes: u64,
    /// Damage met while copying; the generation stays.
    pub damaged: Vec<StorageError>,
    /// Whether there is more to evacuate right now.
    pub more: bool,
}

/// A journal: logs of record batches, and state beside them. All calls may block on the disk.
///
/// One thread at a time applies and syncs (the committer); reads and the rest come from any thread. Data is readable
/// as soon as it is applied, before it is synced: readers bound themselves by `until`.
pub trait Storage: Send + Sync + std::fmt::Debug + std::any::Any {
    /// All logs, by number.
    fn logs(&self) -> Vec<LogEntry>;

    /// Creates logs, durably, with one sync for all. A log that exists for its topic and partition is given back as it
    /// is (its class too). Numbers are never used again, dropped logs' neither.
    fn create_logs(&self, new: &[NewLog]) -> Result<Vec<LogId>, StorageError>;

    /// Creates one log, durably.
    fn create_log(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
        class: RetentionClass,
    ) -> Result<LogId, StorageError> {
        let made = self.create_logs(&[NewLog { topic, partition, class }])?;
        Ok(made[0])
    }

    /// Appends from now on go to generations of this class; what is stored stays where it is.
    fn set_class(&self, log: LogId, class: RetentionClass) -> Result<(), StorageError>;

    /// Forgets logs with their state, durably. Their batches are unreadable at once, their space comes back with their
    /// generations. Unknown ones are passed over.
    fn drop_logs(&self, logs: &[LogId]) -> Result<(), StorageError>;

    /// Performs a group of writes as one atomic write (in parts, where one of them replaces or cuts what another of the
    /// same log has just changed), which is in memory and on its way to the write-ahead log afterwards;
    /// [`Storage::flush_wal`] and [`Storage::sync_wal`] make it last. Gives one result per write. A refused write
    /// changes nothing and lets the others through.
    ///
    /// `Truncate` cuts at a batch's edge: a batch that holds the offset goes whole, so the end may come to lie below it.
    /// `SetStart` never moves down; beyond the end it moves the end along. `Replace` takes effect as a whole: a reader
    /// or a crash meets either what was there or what came instead.
    fn apply(&self, group: &[JournalWrite]) -> Vec<Result<(), StorageError>>;

    /// Hands everything applied to the operating system: it survives the process, not the machine.
    fn flush_wal(&self) -> Result<(), StorageError>;

    /// Syncs everything applied before this call to the disk.
    fn sync_wal(&self) -> Result<(), StorageError>;

    /// Whether [`Storage::write_out`] has something to do. Costs nothing; ask after every group.
    fn needs_write_out(&self) -> bool {
        false
    }

    /// Moves what the write-ahead log and memory hold to where it will stay, so that both remain small. On a thread of its
    /// own: writes and syncs go on meanwhile.
    fn write_out(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// First readable offset.
    fn start_offset(&self, log: LogId) -> Result<Offset, StorageError>;

    /// One past the last record; the start of an empty log.
    fn end_offset(&self, log: LogId) -> Result<Offset, StorageError>;

    /// Reads whole batches: from the one that holds `from`, all that begin below `until`, in all at most `max_bytes` —
    /// but one at least, however large, if `min_one`. Each is verified, unless it was since the journal was opened, when it
    /// was written or read, and has been in memory since. `from` must lie between start and end. Where
    /// compaction left a hole it begins with the next batch; there may be none below `until`.
    fn read(
        &self,
        log: LogId,
        from: Offset,
        until: Offset,
        max_bytes: usize,
        min_one: bool,
    ) -> Result<ReadSlice, StorageError>;

    /// The same without waiting for the disk: `None` if some of it is not in memory.
    fn read_at_once(
        &self,
        log: LogId,
        from: Offset,
        until: Offset,
        max_bytes: usize,
        min_one: bool,
    ) -> Result<Option<ReadSlice>, StorageError> {
        self.read(log, from, until, max_bytes, min_one).map(Some)
    }

    /// The headers of all batches that end after `from`, verified; for rebuilding what is derived from them.
    fn headers(&self, log: LogId, from: Offset) -> Result<Vec<BatchHeader>, StorageError>;

    /// All state of one kind, by key.
    fn state(&self, log: LogId, family: StateFamily) -> Result<Vec<StateEntry>, StorageError> {
        self.state_range(log, family, &[], usize::MAX)
    }

    /// At most `limit` entries from a key (inclusive) on.
    fn state_range(
        &self,
        log: LogId,
        family: StateFamily,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<StateEntry>, StorageError>;

    /// The entry with the smallest key.
    fn first_state(&self, log: LogId, family: StateFamily) -> Result<Option<StateEntry>, StorageError> {
        Ok(self.state_range(log, family, &[], 1)?.pop())
    }

    /// The entry with the largest key.
    fn last_state(&self, log: LogId, family: StateFamily) -> Result<Option<StateEntry>, StorageError>;

    /// The entry with the largest key that is not above `at`.
    fn state_before(&self, log: LogId, family: StateFamily, at: &[u8]) -> Result<Option<StateEntry>, StorageError>;

    /// What is occupied now.
    fn usage(&self) -> Result<Usage, StorageError>;

    /// Seals generations by size and age, drops those that all logs have moved past, copies the rest out of ones that
    /// few hold up. Bounded work; call it about once a second.
    fn maintain(&self, now: Timestamp) -> Result<MaintenanceReport, StorageError>;

    /// Makes everything durable and marks this a clean end. Later writes are refused.
    fn close(&self) -> Result<(), StorageError>;
}
