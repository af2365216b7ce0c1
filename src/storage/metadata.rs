//! The metadata's own small log: numbered records, and a snapshot that replaces the oldest of them.
//!
//! A database of its own, because it has to be read before anything else and because it must never be cut short: a lost
//! metadata record is a lost promise (no point-in-time recovery, no acceptance of loss).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rocksdb::{DB, DBRecoveryMode, IteratorMode, WriteBatch, WriteOptions};

use crate::rocks::{Floor, damage, quiet_options};
use crate::{Opening, StorageError};

/// What a metadata log holds: a snapshot with the index that it covers, and the records after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedMetadata {
    /// The newest snapshot and the index of the last record in it.
    pub snapshot: Option<(u64, Bytes)>,
    /// Records after it, by index.
    pub records: Vec<(u64, Bytes)>,
}

/// The log of cluster metadata of one node. All calls may block on the disk.
pub trait MetadataLog: Send + Sync + std::fmt::Debug + 'static {
    /// Appends records, durably and all or none; gives the index of the last record of the log (0 if it is empty; the
    /// first record has index 1).
    fn append(&self, records: &[Bytes]) -> Result<u64, StorageError>;

    /// The snapshot and all records after it.
    fn load(&self) -> Result<LoadedMetadata, StorageError>;

    /// Stores a snapshot of everything up to and including `index`, durably, and forgets the records that it covers.
    /// An older one than stored changes nothing; one beyond the last record moves the log on to it.
    fn save_snapshot(&self, index: u64, snapshot: Bytes) -> Result<(), StorageError>;
}

/// Records: `r` and the index. Snapshot: `s`. In this order in the database.
const RECORD: u8 = b'r';
const SNAPSHOT: &[u8] = b"s";

/// Bytes of the index before a stored snapshot.
const INDEX_LEN: usize = 8;

/// The metadata log in a database of its own.
#[derive(Debug)]
pub struct MetadataStore {
    db: DB,
    folder: PathBuf,
    last: Mutex<u64>,
    floor: Floor,
}

fn record_key(index: u64) -> [u8; 9] {
    let mut key = [RECORD; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

impl MetadataStore {
    /// Opens the log in its folder. Errors name the file that is missing or damaged.
    pub fn open(folder: &Path, opening: Opening) -> Result<Self, StorageError> {
        let mut options = quiet_options();
        options.create_if_missing(opening == Opening::CreateIfMissing && !holds_data(folder));
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_write_buffer_size(4 << 20);
        options.set_compression_type(rocksdb::DBCompressionType::Lz4);
        options.set_max_open_files(64);
        if opening == Opening::CreateIfMissing {
            std::fs::create_dir_all(folder).map_err(|error| StorageError::io("create folder", folder, error))?;
        }
        let floor = Floor::read(folder).map_err(of_metadata)?.unwrap_or(0);
        let db = DB::open(&options, folder).map_err(|error| broken(folder, &error))?;
        let loaded = load(&db, folder)?;
        let covered = loaded.snapshot.map_or(0, |(index, _)| index);
        let last = loaded.records.last().map_or(covered, |(index, _)| *index);
        // A log file that was cut short or removed reads like a shorter log: only the floor can tell.
        if last < floor {
            return Err(StorageError::MetadataLoss { folder: folder.to_owned(), recovered: last, floor });
        }
        let floor = Floor::begin(folder, last)?;
        Ok(Self { db, folder: folder.to_owned(), last: Mutex::new(last), floor })
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db.write_opt(batch, &synced).map_err(|error| StorageError::engine("write metadata", &error))
    }

    fn raise_floor(&self, index: u64) -> Result<(), StorageError> {
        self.floor.raise(index)?;
        self.floor.sync()
    }
}

/// RocksDB's error while opening or reading, as one about metadata.
fn broken(folder: &Path, error: &rocksdb::Error) -> StorageError {
    of_metadata(damage(folder, error))
}

/// The same damage with metadata's choices: there is no going on without it.
fn of_metadata(error: StorageError) -> StorageError {
    match error {
        StorageError::Damaged { file, detail } => StorageError::MetadataDamaged { file, detail },
        other => other,
    }
}

fn load(db: &DB, folder: &Path) -> Result<LoadedMetadata, StorageError> {
    let damaged = |detail: String| StorageError::MetadataDamaged { file: folder.to_owned(), detail: detail.into() };
    let read = |error: rocksdb::Error| broken(folder, &error);
    let snapshot = match db.get(SNAPSHOT).map_err(read)? {
        None => None,
        Some(stored) => {
            let (index, text) = stored
                .split_first_chunk::<INDEX_LEN>()
                .ok_or_else(|| damaged(format!("a metadata snapshot of {} bytes", stored.len())))?;
            Some((u64::from_be_bytes(*index), Bytes::copy_from_slice(text)))
        }
    };
    let first = snapshot.as_ref().map_or(1, |(index, _)| index.saturating_add(1));
    let mut records = Vec::new();
    let from = record_key(first);
    let stored = db.iterator(IteratorMode::From(&from, rocksdb::Direction::Forward));
    for (expected, entry) in (first..).zip(stored) {
        let (key, value) = entry.map_err(read)?;
        if key.first() != Some(&RECORD) {
            break;
        }
        if *key != record_key(expected) {
            return Err(damaged(format!("metadata record {expected} is missing")));
        }
        records.push((expected, Bytes::from(value)));
    }
    Ok(LoadedMetadata { snapshot, records })
}

/// Whether a folder has files of a database, whole or not.
fn holds_data(folder: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(folder) else { return false };
    files.flatten().any(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.starts_with("MANIFEST") || name.ends_with(".sst") || name.ends_with(".log") || name == "CURRENT"
    })
}

impl MetadataLog for MetadataStore {
    fn append(&self, records: &[Bytes]) -> Result<u64, StorageError> {
        let mut last = self.lock();
        if records.is_empty() {
            return Ok(*last);
        }
        let mut batch = WriteBatch::default();
        let mut index = *last;
        for record in records {
            index += 1;
            batch.put(record_key(index), record);
        }
        self.write(batch)?;
        self.raise_floor(index)?;
        *last = index;
        Ok(index)
    }

    fn load(&self) -> Result<LoadedMetadata, StorageError> {
        load(&self.db, &self.folder)
    }

    fn save_snapshot(&self, index: u64, snapshot: Bytes) -> Result<(), StorageError> {
        let mut last = self.lock();
        if self.load()?.snapshot.is_some_and(|(stored, _)| stored >= index) {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        batch.put(SNAPSHOT, [&index.to_be_bytes()[..], &snapshot[..]].concat());
        batch.delete_range(record_key(0), record_key(index.saturating_add(1)));
        self.write(batch)?;
        *last = index.max(*last);
        self.raise_floor(*last)
    }
}

/// The metadata log in memory.
#[derive(Debug, Default)]
pub struct MemoryMetadata {
    inner: Mutex<(LoadedSnapshot, BTreeMap<u64, Bytes>)>,
}

type LoadedSnapshot = Option<(u64, Bytes)>;

impl MemoryMetadata {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, (LoadedSnapshot, BTreeMap<u64, Bytes>)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last_of(inner: &(LoadedSnapshot, BTreeMap<u64, Bytes>)) -> u64 {
    let covered = inner.0.as_ref().map_or(0, |(index, _)| *index);
    inner.1.last_key_value().map_or(covered, |(index, _)| *index)
}

impl MetadataLog for MemoryMetadata {
    fn append(&self, records: &[Bytes]) -> Result<u64, StorageError> {
        let mut inner = self.lock();
        for record in records {
            let index = last_of(&inner) + 1;
            inner.1.insert(index, record.clone());
        }
        Ok(last_of(&inner))
    }

    fn load(&self) -> Result<LoadedMetadata, StorageError> {
        let inner = self.lock();
        let records = inner.1.iter().map(|(index, record)| (*index, record.clone())).collect();
        Ok(LoadedMetadata { snapshot: inner.0.clone(), records })
    }

    fn save_snapshot(&self, index: u64, snapshot: Bytes) -> Result<(), StorageError> {
        let mut inner = self.lock();
        if inner.0.as_ref().is_none_or(|(stored, _)| *stored < index) {
            inner.0 = Some((index, snapshot));
            inner.1 = inner.1.split_off(&index.saturating_add(1));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
