//! The journal in RocksDB: log generations shared by many logs, state families by kind, one write-ahead log.
//!
//! ```text
//! <folder>/floor   <folder>/clean   proof of what was synced (floor.rs)
//! <folder>/wal/                     the write-ahead log (wal.rs)
//! <folder>/db/                      the database (families and keys: keys.rs)
//! <folder>/payload/                 batches, a file per generation (payload.rs), and files to be used again (spare.rs)
//! ```
//! A log's batches lie in one or more generations; its *ranges* say from which offset on in which. A generation is
//! dropped whole when no log has records in it; records that hold one up are copied to the newest (maintain.rs).
//!
//! What compaction leaves of a stretch goes to a generation of the class's *cleaned* kind, and the range with it, in one
//! write: nothing is deleted where it lay. So a generation may hold batches that a log has left behind there. They stay
//! out of sight because a log's ranges meet without overlap, and because whatever makes a log lie in a generation anew
//! (apply.rs, maintain.rs) first makes sure that nothing of it is there already.

mod apply;
mod catalogue;
mod checkpoint;
mod damage;
mod families;
mod floor;
mod gather;
mod keys;
mod leaving;
mod maintain;
mod open;
mod payload;
mod read;
mod space;
mod spare;
mod verified;
mod wal;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callboard_model::{BatchHeader, JournalWrite, LogId, Offset, StateFamily, Timestamp};
use rocksdb::{BoundColumnFamily, DB, ReadOptions, WriteBatch};

use crate::{
    DiskSpace, GenerationInfo, LogEntry, MaintenanceReport, MemoryFigures, NewLog, Opening, Options, ReadSlice,
    RetentionClass, StateEntry, Storage, StorageError, Usage,
};
use catalogue::{Catalogue, Generation, Generations, Log, range_of};
pub(crate) use damage::damage;
pub(crate) use families::quiet_options;
use families::{Families, LOGS, RANGES};
pub(crate) use floor::Floor;
use gather::Wish;
use keys::{CatalogueEntry, NEXT_LOG_KEY, batch_key, log_limit, state_key, state_limit};

/// What opening a journal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Whether it was made now.
    pub created: bool,
    /// Whether it was closed in order, and nothing is missing since.
    pub clean: bool,
    /// Sequence number of the last write found.
    pub sequence: u64,
    /// Sequence number that was known to be synced.
    pub floor: u64,
    /// Whether the write-ahead log had to be cut at a damaged record behind the floor.
    pub cut: bool,
    /// Where a copy of the damaged database is kept, if loss was accepted.
    pub kept: Option<PathBuf>,
}

/// The journal of a node, on disk.
pub struct RocksStorage {
    db: DB,
    folder: PathBuf,
    options: Options,
    families: Families,
    catalogue: Catalogue,
    generations: Generations,
    writer: Mutex<Writer>,
    upkeep: Mutex<maintain::Upkeep>,
    floor: floor::Floor,
    space: space::SpaceGate,
    leaving: leaving::Leaving,
    payloads: payload::Payloads,
    wal: wal::Wal,
    writing_out: Mutex<()>,
    /// Whether something waits for tables.
    checkpoint_wanted: AtomicBool,
    closed: AtomicBool,
    recovery: Recovery,
}

/// What only one writer at a time may touch.
#[derive(Debug, Default)]
struct Writer {
    /// The generation of each class that takes appends.
    open: HashMap<RetentionClass, Arc<Generation>>,
    next_log: u32,
    next_generation: u32,
}

type Handle<'a> = Arc<BoundColumnFamily<'a>>;

impl std::fmt::Debug for RocksStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksStorage").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl RocksStorage {
    /// Opens the journal in its folder, or begins one there if it may.
    ///
    /// Errors name the file that is missing or damaged, or say that acknowledged writes are missing; nothing was
    /// changed then. With [`Options::accept_data_loss`] it goes on with what can be read and keeps a copy of the rest.
    pub fn open(folder: &Path, opening: Opening, options: &Options) -> Result<Self, StorageError> {
        open::open(folder, opening, options)
    }

    /// What opening found.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fixed(&self, name: &str) -> Handle<'_> {
        self.db.cf_handle(name).expect("fixed families are created on opening and never dropped")
    }

    /// A generation's handle; `None` once it was dropped.
    fn generation_handle(&self, seq: u32) -> Option<Handle<'_>> {
        self.db.cf_handle(&self.generations.get(seq)?.name)
    }

    fn check_open(&self) -> Result<(), StorageError> {
        if self.closed.load(Ordering::Acquire) { Err(StorageError::Closed) } else { Ok(()) }
    }

    /// A failed read of the database.
    fn unreadable(&self, error: &rocksdb::Error) -> StorageError {
        damage(&self.folder.join(open::DB_FOLDER), error)
    }

    /// Reads state within `[from, limit)` in one direction.
    fn scan_state(
        &self,
        log: LogId,
        family: StateFamily,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<StateEntry>, StorageError> {
        self.catalogue.get(log)?;
        let mut iterator = self.state_iterator(log, family);
        iterator.seek(state_key(log, from));
        let mut found = Vec::new();
        while found.len() < limit
            && let Some((key, value)) = iterator.item()
        {
            found.push((key[keys::LOG_LEN..].to_vec(), value.to_vec()));
            iterator.next();
        }
        iterator.status().map_err(|error| self.unreadable(&error))?;
        Ok(found)
    }

    fn state_iterator(&self, log: LogId, family: StateFamily) -> rocksdb::DBRawIteratorWithThreadMode<'_, DB> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(log.0.to_be_bytes());
        if let Some(limit) = state_limit(log) {
            options.set_iterate_upper_bound(limit);
        }
        self.db.raw_iterator_cf_opt(&self.fixed(family.name()), options)
    }

    fn memory(&self) -> MemoryFigures {
        let mut builder = match rocksdb::perf::MemoryUsageBuilder::new() {
            Ok(builder) => builder,
            Err(_) => return MemoryFigures::default(),
        };
        builder.add_db(&self.db);
        builder.add_cache(self.families.cache());
        builder.build().map_or_else(
            |_| MemoryFigures::default(),
            |usage| MemoryFigures {
                memtables: usage.approximate_mem_table_total(),
                table_readers: usage.approximate_mem_table_readers_total(),
                block_cache: usage.approximate_cache_total(),
            },
        )
    }
}

impl Storage for RocksStorage {
    fn logs(&self) -> Vec<LogEntry> {
        let entry = |log: Arc<Log>| {
            let state = log.lock();
            LogEntry { log: log.id, topic: log.topic, partition: log.partition, class: state.class, start: state.start }
        };
        self.catalogue.all().into_iter().map(entry).collect()
    }

    fn create_logs(&self, new: &[NewLog]) -> Result<Vec<LogId>, StorageError> {
        let mut writer = self.writer();
        self.check_open()?;
        let (mut batch, mut made, mut ids) = (WriteBatch::default(), Vec::new(), Vec::with_capacity(new.len()));
        let mut fresh: HashMap<_, LogId> = HashMap::new();
        let mut next = writer.next_log;
        for NewLog { topic, partition, class } in new.iter().copied() {
            let key = (topic, partition);
            if let Some(id) = self.catalogue.of_partition(topic, partition).or_else(|| fresh.get(&key).copied()) {
                ids.push(id);
                continue;
            }
            let id = LogId(next);
            next = next
                .checked_add(1)
                .ok_or(StorageError::Engine { doing: "create log", detail: "all log numbers are used up".into() })?;
            let entry = CatalogueEntry { topic, partition, class, start: Offset::ZERO };
            batch.put_cf(&self.fixed(LOGS), id.0.to_be_bytes(), entry.to_bytes());
            made.push(Log::new(id, entry, Vec::new(), Some(Offset::ZERO)));
            fresh.insert(key, id);
            ids.push(id);
        }
        if made.is_empty() {
            return Ok(ids);
        }
        batch.put(NEXT_LOG_KEY, next.to_be_bytes());
        self.write("create logs", batch)?;
        self.sync_wal()?;
        writer.next_log = next;
        made.into_iter().for_each(|log| self.catalogue.insert(log));
        Ok(ids)
    }

    fn set_class(&self, log: LogId, class: RetentionClass) -> Result<(), StorageError> {
        let _writer = self.writer();
        self.check_open()?;
        let log = self.catalogue.get(log)?;
        let mut state = log.lock();
        if state.class == class {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        let entry = CatalogueEntry { class, ..log.entry(&state) };
        batch.put_cf(&self.fixed(LOGS), log.id.0.to_be_bytes(), entry.to_bytes());
        self.write("set retention class", batch)?;
        state.class = class;
        Ok(())
    }

    fn drop_logs(&self, logs: &[LogId]) -> Result<(), StorageError> {
        let _writer = self.writer();
        self.check_open()?;
        let mut known: Vec<LogId> = logs.iter().copied().filter(|log| self.catalogue.find(*log).is_some()).collect();
        known.sort_unstable();
        known.dedup();
        if known.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        for log in &known {
            batch.delete_cf(&self.fixed(LOGS), log.0.to_be_bytes());
            let ranges = Arc::clone(&self.catalogue.get(*log)?.lock().ranges);
            for range in ranges.iter() {
                batch.delete_cf(&self.fixed(RANGES), batch_key(*log, range.first));
            }
        }
        // Neighbours in one deletion: a topic's logs are numbered one after another, and few deletions read faster.
        for run in known.chunk_by(|one, next| one.0 + 1 == next.0) {
            let (first, last) = (run[0], run[run.len() - 1]);
            let limit = state_limit(last).map_or_else(|| log_limit(last).to_vec(), |limit| limit.to_vec());
            for family in StateFamily::ALL {
                batch.delete_range_cf(&self.fixed(family.name()), &first.0.to_be_bytes()[..], &limit[..]);
            }
        }
        self.write("drop logs", batch)?;
        self.sync_wal()?;
        for log in known {
            if let Some(log) = self.catalogue.remove(log) {
                log.lock().dropped = true;
            }
        }
        Ok(())
    }

    fn apply(&self, group: &[JournalWrite]) -> Vec<Result<(), StorageError>> {
        self.apply_group(group)
    }

    fn flush_wal(&self) -> Result<(), StorageError> {
        // A write is handed over when it is applied.
        self.wal.lock().check()
    }

    fn sync_wal(&self) -> Result<(), StorageError> {
        self.sync()
    }

    fn needs_write_out(&self) -> bool {
        self.is_write_out_due()
    }

    fn write_out(&self) -> Result<(), StorageError> {
        self.write_out_due()
    }

    fn start_offset(&self, log: LogId) -> Result<Offset, StorageError> {
        Ok(self.catalogue.get(log)?.lock().start)
    }

    fn end_offset(&self, log: LogId) -> Result<Offset, StorageError> {
        Ok(self.view(&*self.catalogue.get(log)?)?.end)
    }

    fn read(
        &self,
        log: LogId,
        from: Offset,
        until: Offset,
        max_bytes: usize,
        min_one: bool,
    ) -> Result<ReadSlice, StorageError> {
        let wish = Wish { from, until, max_bytes, min_one, at_once: false };
        let nothing = ReadSlice { bytes: bytes::Bytes::new(), next: from };
        Ok(self.read_batches(log, wish)?.unwrap_or(nothing))
    }

    fn read_at_once(
        &self,
        log: LogId,
        from: Offset,
        until: Offset,
        max_bytes: usize,
        min_one: bool,
    ) -> Result<Option<ReadSlice>, StorageError> {
        self.read_batches(log, Wish { from, until, max_bytes, min_one, at_once: true })
    }

    fn headers(&self, log: LogId, from: Offset) -> Result<Vec<BatchHeader>, StorageError> {
        self.read_headers(log, from)
    }

    fn state_range(
        &self,
        log: LogId,
        family: StateFamily,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<StateEntry>, StorageError> {
        self.scan_state(log, family, from, limit)
    }

    fn last_state(&self, log: LogId, family: StateFamily) -> Result<Option<StateEntry>, StorageError> {
        self.catalogue.get(log)?;
        let mut iterator = self.state_iterator(log, family);
        iterator.seek_to_last();
        let found = iterator.item().map(|(key, value)| (key[keys::LOG_LEN..].to_vec(), value.to_vec()));
        iterator.status().map_err(|error| self.unreadable(&error))?;
        Ok(found)
    }

    fn state_before(&self, log: LogId, family: StateFamily, at: &[u8]) -> Result<Option<StateEntry>, StorageError> {
        self.catalogue.get(log)?;
        let mut iterator = self.state_iterator(log, family);
        iterator.seek_for_prev(state_key(log, at));
        let found = iterator.item().map(|(key, value)| (key[keys::LOG_LEN..].to_vec(), value.to_vec()));
        iterator.status().map_err(|error| self.unreadable(&error))?;
        Ok(found)
    }

    fn usage(&self) -> Result<Usage, StorageError> {
        let mut logs_in: HashMap<u32, usize> = HashMap::new();
        for log in self.catalogue.all() {
            let state = log.lock();
            for range in &state.ranges[range_of(&state.ranges, state.start)..] {
                *logs_in.entry(range.generation).or_default() += 1;
            }
        }
        let info = |generation: Arc<Generation>| GenerationInfo {
            class: generation.class,
            seq: generation.seq,
            bytes: self.bytes_of(&generation),
            logs: logs_in.get(&generation.seq).copied().unwrap_or(0),
            sealed: generation.sealed(),
            created: generation.created(),
        };
        Ok(Usage {
            generations: self.generations.all().into_iter().map(info).collect(),
            disk: DiskSpace::of(&self.folder).ok(),
            wal_bytes: self.wal.lock().pending(),
            disk_full: self.space.check(0).is_err(),
            memory: self.memory(),
        })
    }

    fn maintain(&self, now: Timestamp) -> Result<MaintenanceReport, StorageError> {
        self.maintain_once(now)
    }

    fn close(&self) -> Result<(), StorageError> {
        let _writer = self.writer();
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // Written out now, so that the next start has nothing to replay.
        self.checkpoint()?;
        let sequence = self.wal.lock().sequence();
        self.floor.sync()?;
        floor::leave_clean_mark(&self.folder, sequence)
    }
}

impl Drop for RocksStorage {
    /// RocksDB writes its memtables to tables when it goes, in order or not: they must not be ahead of the log.
    fn drop(&mut self) {
        if !self.closed.load(Ordering::Acquire) {
            // What cannot be done here an opening will find out.
            drop(self.write_down());
        }
    }
}

#[cfg(test)]
mod tests;
