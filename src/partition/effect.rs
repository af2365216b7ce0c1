//! What a leader asks its shell to do, in order.

use bytes::Bytes;
use callboard_model::{Durability, LeaderEpoch, LogWrite, Offset, ProducerId, Timestamp};

use crate::compaction::ReplaceError;
use crate::error::{DeleteError, FetchError, ProduceError, SettleError};

/// Numbers the writes of one leadership; the journal does them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One thing to do. `W` is the shell's reply handle, handed back exactly once.
#[derive(Debug, PartialEq)]
pub enum Effect<W> {
    /// Write these together; then say [`crate::Leader::written`] or [`crate::Leader::write_failed`].
    Write {
        /// Its number.
        ticket: Ticket,
        /// When it counts as done.
        durability: Durability,
        /// The changes, in order.
        writes: Vec<LogWrite>,
    },
    /// Answer a produce.
    Produced {
        /// Whom.
        waiter: W,
        /// What.
        result: Result<Produced, ProduceError>,
    },
    /// Answer a fetch.
    Fetched {
        /// Whom.
        waiter: W,
        /// What.
        result: Result<Fetched, FetchError>,
    },
    /// Answer a deletion of records with the log's start.
    Deleted {
        /// Whom.
        waiter: W,
        /// What.
        result: Result<Offset, DeleteError>,
    },
    /// Tell that everything appended before the question is committed.
    Settled {
        /// Whom.
        waiter: W,
        /// Where the log stands now.
        result: Result<Settled, SettleError>,
    },
    /// Answer a compaction.
    Replaced {
        /// Whom.
        waiter: W,
        /// What.
        result: Result<(), ReplaceError>,
    },
    /// This machine no longer agrees with storage: throw it away and begin again from there.
    Rebuild {
        /// Why, for the log.
        reason: String,
    },
}

/// A batch that is stored as its producer asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Offset of its first record; of the first try if it was repeated.
    pub base_offset: Offset,
    /// The broker's time in its records, if `message.timestamp.type=LogAppendTime`.
    pub log_append_time: Option<Timestamp>,
    /// The log's start.
    pub log_start: Offset,
}

/// A log all of which, up to `end`, is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// First readable offset.
    pub start: Offset,
    /// Where the log ended when it was asked about.
    pub end: Offset,
    /// The leadership.
    pub epoch: LeaderEpoch,
    /// `max.message.bytes` of the topic.
    pub max_message_bytes: usize,
}

/// The three positions that every fetch row carries, errors included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// End of what consumers see.
    pub high_watermark: Offset,
    /// End of what read-committed consumers see (R30).
    pub last_stable: Offset,
    /// First readable offset.
    pub log_start: Offset,
}

/// An answer to a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// End of what consumers see.
    pub high_watermark: Offset,
    /// End of what read-committed consumers see.
    pub last_stable: Offset,
    /// First readable offset.
    pub log_start: Offset,
    /// Aborted transactions in the data, by first offset; only for read-committed fetches.
    pub aborted: Vec<AbortedTransaction>,
    /// Set if the fetcher's log parted from ours: the last epoch both have, and where it ends here (R11).
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// The batches, or where they are.
    pub data: FetchData,
}

impl Fetched {
    /// The three positions.
    pub fn marks(&self) -> Watermarks {
        Watermarks { high_watermark: self.high_watermark, last_stable: self.last_stable, log_start: self.log_start }
    }
}

/// A transaction whose records a read-committed consumer skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// Its first offset.
    pub first_offset: Offset,
}

/// Batches of a fetch answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchData {
    /// Nothing to read.
    Empty,
    /// Whole batches, the first of them containing the fetch offset.
    Memory(Vec<Bytes>),
    /// To be read from storage, beginning with the batch that contains `from`.
    Disk {
        /// The fetch offset.
        from: Offset,
        /// No batch at or past this offset.
        until: Offset,
        /// Bytes of whole batches, at most.
        max_bytes: usize,
        /// Whether the first batch goes out even if it is larger (KIP-74).
        min_one: bool,
    },
}
