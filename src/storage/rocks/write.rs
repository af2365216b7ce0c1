//! The one way a change takes: batches to their files, the record to the write-ahead log, the change to the database.

use std::io;
use std::sync::atomic::Ordering;

use rocksdb::{WriteBatch, WriteOptions};

use super::RocksStorage;
use super::payload::Spills;
use super::wal::{Kind, Unsynced};
use crate::StorageError;

/// Batches that one record has within at most, whatever the options say: its length is a number of 32 bits.
const WITHIN_MAX: u64 = 256 << 20;

impl RocksStorage {
    /// Writes a change without batches beside.
    pub(super) fn write(&self, doing: &'static str, batch: WriteBatch) -> Result<(), StorageError> {
        self.write_with(doing, batch, Spills::new(), true)
    }

    /// Writes a change and the batches that its places point to. `synced` says that somebody will wait for the sync: then
    /// what only its file has is synced here, before the record can be.
    pub(super) fn write_with(
        &self,
        doing: &'static str,
        mut batch: WriteBatch,
        spills: Spills,
        synced: bool,
    ) -> Result<(), StorageError> {
        let kind = self.spill_all(&mut batch, &spills, synced)?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut log = self.wal.lock();
        log.check()?;
        let appended = self.wal.append(&mut log, &batch, &spills, kind);
        let appended = appended.map_err(|error| self.unwritten("write to the write-ahead log in", &error))?;
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        if let Err(error) = self.db.write_opt(batch, &options) {
            // Who was refused must not find it done after a restart.
            let undone = self.wal.take_back(&mut log, &appended);
            undone.map_err(|error| log.fail(StorageError::io("take back a write in", self.folder.clone(), error)))?;
            return Err(self.refused(doing, &error));
        }
        drop(log);
        self.space.wrote();
        Ok(())
    }

    /// Writes batches to their generations' files, and stages how long these are with them.
    fn spill_all(&self, batch: &mut WriteBatch, spills: &Spills, synced: bool) -> Result<Kind, StorageError> {
        let bytes: u64 = spills.values().map(|spill| spill.len).sum();
        let kind = match bytes >= WITHIN_MAX.min(self.options.spill_group_bytes as u64) {
            false => Kind::Within,
            true if synced => Kind::Synced,
            true => Kind::Written,
        };
        for (seq, spill) in spills {
            let written = self.payloads.write(*seq, spill).and_then(|()| match kind {
                Kind::Synced => self.payloads.sync(*seq),
                Kind::Within | Kind::Written => Ok(()),
            });
            written.map_err(|error| self.unwritten("write batches in", &error))?;
            if kind != Kind::Synced {
                self.payloads.note_unsynced(*seq, spill.len);
            }
            batch.put(super::keys::payload_key(*seq), spill.end().to_be_bytes());
            // Before their places can be read. Should those not be written, there is a stretch that nobody points to.
            if let Some(generation) = self.generations.get(*seq) {
                generation.payload.store(spill.end(), Ordering::Release);
            }
        }
        Ok(kind)
    }

    /// The database did not take something; that there is no space is a passing state.
    pub(super) fn refused(&self, doing: &'static str, error: &rocksdb::Error) -> StorageError {
        match super::damage::is_no_space(error) {
            true => self.space.no_space(error.as_ref()),
            false => StorageError::engine(doing, error),
        }
    }

    /// A file could not be written to; that there is no space is a passing state.
    pub(super) fn unwritten(&self, doing: &'static str, error: &io::Error) -> StorageError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.space.no_space(&error.to_string()),
            _ => StorageError::io(doing, self.folder.clone(), error),
        }
    }

    /// Syncs everything written so far.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        let _turn = self.wal.sync_turn();
        let unsynced = {
            let mut log = self.wal.lock();
            log.check()?;
            log.unsynced()
        };
        let synced = self.sync_these(&unsynced);
        let mut log = self.wal.lock();
        log.synced();
        synced.map_err(|error| log.fail(error))
    }

    /// Syncs what the log counts on, then the log, and raises the floor.
    pub(super) fn sync_these(&self, unsynced: &Unsynced) -> Result<(), StorageError> {
        for seq in &unsynced.beside {
            let synced = self.payloads.sync(*seq);
            synced.map_err(|error| StorageError::io("sync", self.payloads.path(*seq), error))?;
        }
        for segment in unsynced.full.iter().chain(&unsynced.segment) {
            let synced = segment.sync_data();
            synced.map_err(|error| StorageError::io("sync the write-ahead log in", self.folder.clone(), error))?;
        }
        self.floor.raise(unsynced.sequence)
    }
}
