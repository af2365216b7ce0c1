//! Why storage refused or failed, each with the values that explain it.

use std::path::PathBuf;
use std::sync::Arc;

use callboard_model::{LogId, Offset};

/// What an operator can do about a damaged or missing file of the journal.
pub(crate) const CHOICES: &str = "choices: put the file back from a backup; remove this node's data folder and let its replicas be fetched again \
     from other nodes; or start with storage.accept_data_loss=true, which keeps a copy of the damaged folder and goes \
     on with what can still be read";

/// What an operator can do about the metadata log, which is never cut short.
const METADATA_CHOICES: &str = "choices: put the folder back from a backup; or move this node's whole data folder away, \
     which begins anew with nothing unless other nodes have copies";

/// Why storage refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No such log here, or it was dropped.
    #[error("log {0} is not known to this node's storage")]
    UnknownLog(LogId),
    /// An append does not begin where the log ends.
    #[error("log {log} ends at offset {expected}, a batch at {given} does not continue it")]
    NotContiguous {
        /// Which log.
        log: LogId,
        /// Its end.
        expected: Offset,
        /// The batch's base offset.
        given: Offset,
    },
    /// Survivors that cannot stand where they are to be put.
    #[error("log {log} cannot have its batches from {from} to {until} replaced: {reason}")]
    NotReplaceable {
        /// Which log.
        log: LogId,
        /// First offset of what was to go.
        from: Offset,
        /// One past its last offset.
        until: Offset,
        /// What is wrong.
        reason: &'static str,
    },
    /// A read below the start or above the end.
    #[error("offset {given} is outside log {log}, which holds {start} to {end}")]
    OutOfRange {
        /// Which log.
        log: LogId,
        /// First readable offset.
        start: Offset,
        /// One past its last record.
        end: Offset,
        /// As asked for.
        given: Offset,
    },
    /// Too little space is left to take more records; reads go on, and so do appends once there is space.
    #[error("disk of {path} has {free} bytes free, appends need {reserve} (storage.disk_reserve_bytes)")]
    DiskFull {
        /// A folder on that disk.
        path: PathBuf,
        /// Bytes free when last looked at.
        free: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
    /// A node in memory holds as much as it may; reads go on, and so do appends once retention has made room.
    #[error("{held} bytes of records are in memory, at most {max} may be (storage.memory_max_bytes)")]
    MemoryFull {
        /// Bytes of all batches.
        held: u64,
        /// The bound.
        max: u64,
    },
    /// A stored batch is not what was written.
    #[error("log {log} is damaged at offset {offset} in {place}: {detail}")]
    Corrupt {
        /// Which log.
        log: LogId,
        /// Where in the log.
        offset: Offset,
        /// The generation, and the file as far as known.
        place: Arc<str>,
        /// What is wrong.
        detail: Arc<str>,
    },
    /// A file that opening needs is missing or damaged.
    #[error("{file} is missing or damaged: {detail}; {choices}", file = file.display(), choices = CHOICES)]
    Damaged {
        /// The file, or the folder where none could be told.
        file: PathBuf,
        /// RocksDB's words.
        detail: Arc<str>,
    },
    /// A file of the metadata log is missing or damaged. There is no way to go on without it: it says what exists.
    #[error("{file} is missing or damaged: {detail}; {choices}", file = file.display(), choices = METADATA_CHOICES)]
    MetadataDamaged {
        /// The file, or the folder where none could be told.
        file: PathBuf,
        /// What is wrong.
        detail: Arc<str>,
    },
    /// The metadata log ends before what it had synced.
    #[error(
        "{folder} holds metadata records up to {recovered}, but {floor} were synced before: files are missing or cut short; {choices}",
        folder = folder.display(),
        choices = METADATA_CHOICES
    )]
    MetadataLoss {
        /// The metadata's folder.
        folder: PathBuf,
        /// Index of the last record found.
        recovered: u64,
        /// Index known to have been synced.
        floor: u64,
    },
    /// Less was recovered than had been synced: acknowledged records are gone from this disk.
    #[error(
        "{folder} recovers up to sequence {recovered}, but {floor} was synced before: acknowledged writes are missing; {choices}",
        folder = folder.display(),
        choices = CHOICES
    )]
    UncleanLoss {
        /// The journal's folder.
        folder: PathBuf,
        /// Sequence number of the last write found.
        recovered: u64,
        /// Sequence number known to have been synced.
        floor: u64,
    },
    /// A folder holds data of a format that this version does not read.
    #[error("{folder} has storage format {found}, this version reads {expected}; start it with the version that wrote it", folder = folder.display())]
    Format {
        /// The journal's folder.
        folder: PathBuf,
        /// As stored.
        found: u32,
        /// As this version writes.
        expected: u32,
    },
    /// A file operation of our own failed.
    #[error("{doing} {path}: {detail}", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's words.
        detail: Arc<str>,
    },
    /// RocksDB failed. While writing or syncing this means that nothing more can be promised: stop the process.
    #[error("{doing}: {detail}")]
    Engine {
        /// What was tried.
        doing: &'static str,
        /// RocksDB's words.
        detail: Arc<str>,
    },
    /// Storage was closed.
    #[error("storage is closed")]
    Closed,
}

impl StorageError {
    /// Whether, seen while writing or syncing, it leaves the state of the disk unknown. Then nothing may be
    /// acknowledged any more and the process has to stop (a failed fsync is not to be tried again).
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Engine { .. } | Self::Io { .. } | Self::Damaged { .. } | Self::MetadataDamaged { .. } | Self::Closed
        )
    }

    pub(crate) fn engine(doing: &'static str, error: &rocksdb::Error) -> Self {
        Self::Engine { doing, detail: Arc::from(error.as_ref()) }
    }

    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, error: impl std::fmt::Display) -> Self {
        Self::Io { doing, path: path.into(), detail: Arc::from(error.to_string()) }
    }
}
