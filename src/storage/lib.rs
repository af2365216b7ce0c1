//! What a node keeps on its disk: the journal of all its partitions, the small log of its metadata, its identity.
//!
//! The journal is one RocksDB database behind a write-ahead log of our own. Batches of all partitions of a retention class
//! go to a shared *generation* (a column family that is dropped whole), or rather to its file beside the database, which
//! has their places; state goes to a few families by kind; everything that belongs together is one record of the log.
//! [`Committer`] groups the writes of many partitions into one sync.
//!
//! Invariants: a log is contiguous from its start to its end but for what compaction or the operator took away; a write
//! is acknowledged after its own sync; a batch is verified when it is written or first read, and whenever it comes from
//! the disk; a log's number is never used twice.
//! Deliberately absent: leadership, high watermarks, producers' rules, retention's decisions (partitions make them and
//! hand in [`callboard_model::JournalWrite`]s), actors, logging. RocksDB is used here and nowhere else.

#![cfg_attr(test, allow(clippy::duplicate_mod, reason = "some tests run a second time, on other options"))]

mod class;
mod committer;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod data_dir;
mod disk;
mod error;
mod memory;
mod metadata;
mod options;
mod rocks;
mod storage;

pub use class::RetentionClass;
pub use committer::{
    CommitError, CommitHandle, CommitSink, CommitStats, Committer, CommitterOptions, Done, OnFatal, Ticket,
};
pub use data_dir::{DataDir, DataDirError, DataDirOpenError, DataDirOptions, Identity, raise_open_file_limit};
pub use disk::DiskSpace;
pub use error::StorageError;
pub use memory::MemoryStorage;
pub use metadata::{LoadedMetadata, MemoryMetadata, MetadataLog, MetadataStore};
pub use options::{Opening, Options};
pub use rocks::{Recovery, RocksStorage};
pub use storage::{
    GenerationInfo, LogEntry, MaintenanceReport, MemoryFigures, NewLog, ReadSlice, StateEntry, Storage, Usage,
};
