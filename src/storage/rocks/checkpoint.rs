//! Checkpoints: what the write-ahead log has goes to the database's tables, and the log begins behind it.
//!
//! RocksDB never writes tables on its own here. It would not know that what a table says must not be ahead of the
//! write-ahead log and of the files that its places point to, on the disk. So first these are synced, then all memtables
//! are exchanged at one point of the log, and when their tables are written, that point is the checkpoint. Replaying more
//! than is needed does no harm: every change sets what it sets, and the last one counts.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rocksdb::{FlushOptions, properties};

use super::families;
use super::wal::Reached;
use super::{Handle, RocksStorage};
use crate::StorageError;

/// Bytes of batches only the operating system has, from which on their files are synced: in steps, so that no sync of the log
/// has to wait for much.
const STEP_BYTES: u64 = 4 << 20;
/// The part of the bounds from which on a checkpoint is due.
const DUE_PART: u64 = 4;
/// How long tables may take, and how long on a disk that has no space: then RocksDB tries again by itself.
const TABLES_WITHIN: Duration = Duration::from_secs(60);
const FULL_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl RocksStorage {
    /// Whether [`Self::write_out_due`] has something to do.
    pub(super) fn is_write_out_due(&self) -> bool {
        self.payloads.unsynced_bytes() >= STEP_BYTES || self.is_checkpoint_due(DUE_PART)
    }

    fn is_checkpoint_due(&self, part: u64) -> bool {
        self.wal.is_due(self.options.wal_bytes, self.options.memtables_bytes as u64, part)
    }

    /// Syncs batches' files, and makes a checkpoint if it is time.
    pub(super) fn write_out_due(&self) -> Result<(), StorageError> {
        let writing = self.writing_turn();
        self.wal.lock().check()?;
        if self.payloads.unsynced_bytes() >= STEP_BYTES {
            self.sync_batches()?;
        }
        if self.checkpoint_wanted.swap(false, Ordering::Relaxed) || self.is_checkpoint_due(DUE_PART) {
            self.checkpoint_in(&writing)?;
        }
        Ok(())
    }

    /// The same before a write, if whoever should have done it has not, and the bounds are reached.
    pub(super) fn write_out_overdue(&self) -> Result<(), StorageError> {
        if !self.is_checkpoint_due(1) {
            return Ok(());
        }
        let writing = self.writing_turn();
        // Whoever had the turn may have done it meanwhile.
        if self.is_checkpoint_due(1) { self.checkpoint_in(&writing) } else { Ok(()) }
    }

    /// Syncs batches' files and the log.
    pub(super) fn write_down(&self) -> Result<(), StorageError> {
        let _writing = self.writing_turn();
        self.sync_batches()?;
        self.sync()
    }

    /// Writes everything to tables and begins the log anew behind it.
    pub(super) fn checkpoint(&self) -> Result<(), StorageError> {
        self.checkpoint_in(&self.writing_turn())
    }

    /// The right to write out: one at a time.
    pub(super) fn writing_turn(&self) -> MutexGuard<'_, ()> {
        self.writing_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checkpoint_in(&self, _writing: &MutexGuard<'_, ()>) -> Result<(), StorageError> {
        // Most of it while others write.
        self.sync_batches()?;
        self.sync()?;
        // Looked at before: tables may fail as soon as they are begun.
        let before = self.background_errors();
        let (reached, written) = self.exchange()?;
        let begun = Instant::now();
        // To wait in RocksDB would begin tables of what was written since, too, and nobody tells when these are done.
        while !written.iter().all(|name| self.is_written(name)) {
            let patience = if self.space.check(0).is_ok() { TABLES_WITHIN } else { FULL_WITHIN };
            if self.background_errors() > before || begun.elapsed() > patience {
                return Err(self.space.no_space("tables could not be written"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.wal.checkpoint(&reached).map_err(|error| self.unwritten("note a checkpoint in", &error))
    }

    /// Begins new memtables; gives where the log stood, and the families whose tables are being written.
    fn exchange(&self) -> Result<(Reached, Vec<String>), StorageError> {
        let _turn = self.wal.sync_turn();
        let mut log = self.wal.lock();
        log.check()?;
        let unsynced = log.unsynced();
        let synced = self.sync_batches_noted().and_then(|()| self.sync_these(&unsynced));
        log.synced();
        synced.map_err(|error| log.fail(error))?;
        let mut flush = FlushOptions::default();
        flush.set_wait(false);
        let mut begun = Vec::new();
        let generations = self.generations.all().into_iter().map(|generation| generation.name.clone());
        for name in families::fixed().map(str::to_owned).chain(generations) {
            let Some(handle) = self.db.cf_handle(&name) else { continue };
            if self.number(&handle, properties::NUM_ENTRIES_ACTIVE_MEM_TABLE) > 0 {
                let flushed = self.db.flush_cf_opt(&handle, &flush);
                flushed.map_err(|error| self.refused("write tables", &error))?;
            }
            if self.number(&handle, properties::NUM_IMMUTABLE_MEM_TABLE) > 0 {
                begun.push(name);
            }
        }
        Ok((log.reached(), begun))
    }

    fn background_errors(&self) -> u64 {
        self.number(&self.fixed(families::DEFAULT), properties::BACKGROUND_ERRORS)
    }

    fn is_written(&self, name: &str) -> bool {
        let handle = self.db.cf_handle(name);
        handle.is_none_or(|handle| self.number(&handle, properties::NUM_IMMUTABLE_MEM_TABLE) == 0)
    }

    fn number(&self, handle: &Handle<'_>, property: &properties::PropName) -> u64 {
        self.db.property_int_value_cf(handle, property).ok().flatten().unwrap_or(0)
    }

    fn sync_batches(&self) -> Result<(), StorageError> {
        self.sync_batches_noted().map_err(|error| self.wal.lock().fail(error))
    }

    fn sync_batches_noted(&self) -> Result<(), StorageError> {
        self.payloads.sync_noted().map_err(|(path, error)| StorageError::io("sync", path, error))
    }
}
