//! Proof of what was synced: the durable floor, and the mark of a clean end.
//!
//! `floor` holds a sequence number that was synced, written after every sync and itself synced now and then: exact
//! after a killed process, a lower bound after a power cut. `clean` exists after an orderly end only and is removed
//! before anything is loaded, so that a crash while loading is not taken for a clean end (KAFKA-10471).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StorageError;
use crate::disk::{sync_dir, write_atomically};

const FLOOR: &str = "floor";
const CLEAN: &str = "clean";

/// `sequence u64 BE | crc32c of it u32 BE`.
const RECORD_LEN: usize = 12;

/// Two records, written in turn: a torn one leaves the other.
const SLOTS: u64 = 2;

/// The floor's file, kept open.
#[derive(Debug)]
pub(crate) struct Floor {
    file: File,
    path: PathBuf,
    written: Mutex<(u64, u64)>,
    synced: AtomicU64,
}

impl Floor {
    /// Reads the floor; `None` if there never was one. An unreadable one is an error: it is the only proof.
    pub(crate) fn read(folder: &Path) -> Result<Option<u64>, StorageError> {
        let path = folder.join(FLOOR);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::io("read", path, error)),
        };
        let slots = bytes.as_chunks::<RECORD_LEN>().0.iter().filter_map(read_record);
        match slots.max() {
            Some(floor) => Ok(Some(floor)),
            None => {
                Err(StorageError::Damaged { file: path, detail: "none of its records has a right checksum".into() })
            }
        }
    }

    /// Opens the file and makes `sequence` the floor, synced.
    pub(crate) fn begin(folder: &Path, sequence: u64) -> Result<Self, StorageError> {
        let path = folder.join(FLOOR);
        let io = |error| StorageError::io("write", path.clone(), error);
        write_atomically(&path, &[record(sequence), record(sequence)].concat()).map_err(io)?;
        let file = File::options().write(true).open(&path).map_err(io)?;
        Ok(Self { file, path, written: Mutex::new((sequence, 0)), synced: AtomicU64::new(sequence) })
    }

    /// Raises the floor; the operating system has it afterwards.
    pub(crate) fn raise(&self, sequence: u64) -> Result<(), StorageError> {
        let mut written = self.written.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sequence <= written.0 {
            return Ok(());
        }
        let slot = (written.1 + 1) % SLOTS;
        let at = slot * RECORD_LEN as u64;
        let io = |error| StorageError::io("write", self.path.clone(), error);
        self.file.write_all_at(&record(sequence), at).map_err(io)?;
        *written = (sequence, slot);
        Ok(())
    }

    /// Syncs the file if it was raised since.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let sequence = self.written.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0;
        if self.synced.load(Ordering::Relaxed) != sequence {
            self.file.sync_data().map_err(|error| StorageError::io("sync", self.path.clone(), error))?;
            self.synced.store(sequence, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn record(sequence: u64) -> [u8; RECORD_LEN] {
    let mut out = [0; RECORD_LEN];
    out[..8].copy_from_slice(&sequence.to_be_bytes());
    let crc = crc32c::crc32c(&out[..8]);
    out[8..].copy_from_slice(&crc.to_be_bytes());
    out
}

fn read_record(bytes: &[u8; RECORD_LEN]) -> Option<u64> {
    let (sequence, crc) = bytes.split_first_chunk::<8>()?;
    (crc32c::crc32c(sequence).to_be_bytes() == *crc).then_some(u64::from_be_bytes(*sequence))
}

/// Removes the mark of a clean end, for good, and says whether it was there and named this sequence number.
pub(super) fn take_clean_mark(folder: &Path) -> Result<Option<u64>, StorageError> {
    let path = folder.join(CLEAN);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io("read", path, error)),
    };
    fs::remove_file(&path)
        .and_then(|()| sync_dir(folder))
        .map_err(|error| StorageError::io("remove", path.clone(), error))?;
    Ok(text.as_slice().try_into().ok().and_then(|record| read_record(&record)))
}

/// Marks a clean end at this sequence number.
pub(super) fn leave_clean_mark(folder: &Path, sequence: u64) -> Result<(), StorageError> {
    let path = folder.join(CLEAN);
    write_atomically(&path, &record(sequence)).map_err(|error| StorageError::io("write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_highest_whole_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        assert_eq!(Floor::read(folder), Ok(None));
        let floor = Floor::begin(folder, 5).expect("begins");
        for sequence in [9, 12, 11] {
            floor.raise(sequence).expect("raises");
        }
        floor.sync().expect("syncs");
        assert_eq!(Floor::read(folder), Ok(Some(12)));
        // The newest record torn: the one before it counts.
        let mut bytes = fs::read(folder.join(FLOOR)).expect("there");
        let newest = bytes.as_chunks::<RECORD_LEN>().0.iter().position(|r| read_record(r) == Some(12)).expect("there");
        bytes[newest * RECORD_LEN + 3] ^= 1;
        fs::write(folder.join(FLOOR), &bytes).expect("writes");
        assert_eq!(Floor::read(folder), Ok(Some(9)));
        fs::write(folder.join(FLOOR), [0; 7]).expect("writes");
        assert!(matches!(Floor::read(folder), Err(StorageError::Damaged { .. })));
    }

    #[test]
    fn the_mark_of_a_clean_end_counts_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        assert_eq!(take_clean_mark(folder), Ok(None));
        leave_clean_mark(folder, 77).expect("writes");
        assert_eq!(take_clean_mark(folder), Ok(Some(77)));
        assert_eq!(take_clean_mark(folder), Ok(None));
    }
}
