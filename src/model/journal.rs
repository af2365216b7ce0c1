//! What a node's journal is asked to write: values that a partition decides on and storage performs.
//!
//! All writes of one [`JournalWrite`] become durable together or not at all.

use bytes::Bytes;

use crate::{BatchHeader, LogId, Offset};

/// State kept beside the logs, by kind; keys are prefixed with the log's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateFamily {
    /// Leader epoch -> its start offset.
    Epochs,
    /// Producer id -> its last batches.
    Producers,
    /// Sparse index: first offset of a closed slice -> its end, bytes and largest timestamp.
    Index,
    /// How far the log was compacted; nothing for a log that never was.
    Compaction,
}

impl StateFamily {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Epochs, Self::Producers, Self::Index, Self::Compaction];

    /// The kind's name in storage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epochs => "epochs",
            Self::Producers => "producers",
            Self::Index => "index",
            Self::Compaction => "compaction",
        }
    }
}

/// A batch as a leader assigned it, ready to be stored and served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// Its header, offsets assigned.
    pub header: BatchHeader,
    /// The whole batch.
    pub bytes: Bytes,
}

/// One change of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogWrite {
    /// Adds a batch; its base offset must be the log's end.
    Append(StoredBatch),
    /// Moves the first readable offset up; what lies below may be dropped.
    SetStart(Offset),
    /// Cuts the log: everything from this offset on goes.
    Truncate(Offset),
    /// Puts other batches in the place of some, with holes where fewer are left. Both bounds are edges of batches, and
    /// neither start nor end of the log changes: what ends with the log may only give way to what ends there too. A
    /// write that replaces batches changes no others.
    Replace {
        /// First offset of what goes.
        from: Offset,
        /// One past the last offset of what goes.
        until: Offset,
        /// What comes instead, in order and within the bounds.
        batches: Vec<StoredBatch>,
    },
    /// Writes one entry of state.
    Put {
        /// Its kind.
        family: StateFamily,
        /// Its key within the log; ordered bytewise.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Removes one entry of state.
    Delete {
        /// Its kind.
        family: StateFamily,
        /// Its key within the log.
        key: Vec<u8>,
    },
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Synced to the disk.
    Synced,
    /// Handed to the operating system.
    Written,
}

/// The changes of one log that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalWrite {
    /// Which log.
    pub log: LogId,
    /// When it counts as done.
    pub durability: Durability,
    /// What to change, in order.
    pub writes: Vec<LogWrite>,
}

impl JournalWrite {
    /// Bytes of record batches in it.
    pub fn batch_bytes(&self) -> usize {
        let bytes = |write: &LogWrite| match write {
            LogWrite::Append(batch) => batch.bytes.len(),
            LogWrite::Replace { batches, .. } => batches.iter().map(|batch| batch.bytes.len()).sum(),
            _ => 0,
        };
        self.writes.iter().map(bytes).sum()
    }
}
