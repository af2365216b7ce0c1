//! The reserve of the disk: appends are refused before the disk is really full.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{DiskSpace, StorageError};

/// How long a look at the disk counts.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Bytes after which it is looked at again in any case.
const LOOK_AFTER_BYTES: u64 = 32 << 20;
/// How long writing may go on failing for lack of space while the disk has some; after that it is no passing state.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Looks at the disk now and then and says whether there is room for appends.
#[derive(Debug)]
pub(super) struct SpaceGate {
    folder: PathBuf,
    reserve: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    at: Option<Instant>,
    free: u64,
    bytes_since: u64,
    /// Since when writing fails although there is space.
    failing_since: Option<Instant>,
}

impl SpaceGate {
    pub(super) fn new(folder: &Path, reserve: u64) -> Self {
        let seen = Seen { at: None, free: 0, bytes_since: 0, failing_since: None };
        Self { folder: folder.to_owned(), reserve, seen: Mutex::new(seen) }
    }

    /// Whether `bytes` more may be appended.
    pub(super) fn check(&self, bytes: u64) -> Result<(), StorageError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let fresh = seen.at.is_some_and(|at| now.duration_since(at) < LOOK_EVERY);
        if !fresh || seen.bytes_since >= LOOK_AFTER_BYTES {
            let space = DiskSpace::of(&self.folder)
                .map_err(|error| StorageError::io("look at the disk of", self.folder.clone(), error))?;
            seen.at = Some(now);
            seen.free = space.free;
            seen.bytes_since = 0;
        }
        if seen.free < self.reserve {
            return Err(self.full(seen.free));
        }
        seen.bytes_since += bytes;
        Ok(())
    }

    /// A write found the disk full. A passing state while that is so; when it persists with space on the disk, the
    /// database is stuck and only a restart helps: then the error is fatal.
    pub(super) fn no_space(&self, error: &str) -> StorageError {
        let free = DiskSpace::of(&self.folder).map_or(0, |space| space.free);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.at = None;
        if free <= self.reserve.max(LOOK_AFTER_BYTES) {
            seen.failing_since = None;
            return self.full(free);
        }
        let since = *seen.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() < STUCK_AFTER {
            self.full(free)
        } else {
            StorageError::Engine { doing: "write", detail: error.into() }
        }
    }

    /// A write went through.
    pub(super) fn wrote(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).failing_since = None;
    }

    fn full(&self, free: u64) -> StorageError {
        StorageError::DiskFull { path: self.folder.clone(), free, reserve: self.reserve }
    }
}
