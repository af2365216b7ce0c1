//! What a host asks of its shell.

use bytes::BytesMut;
use callboard_model::{LeaderEpoch, Offset};

use crate::{RecordFault, Refusal, Shard};

/// Numbers the loads of one host: the answer to an older one means nothing any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Load(pub u64);

/// Numbers the appends of one host, over all its loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Append(pub u64);

/// The log as its leader knows it, once everything appended before the question is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadPoint {
    /// First readable offset.
    pub start: Offset,
    /// One past the last record, all of them committed.
    pub end: Offset,
    /// The leadership.
    pub epoch: LeaderEpoch,
    /// Bytes of the largest batch that the log takes.
    pub max_batch_bytes: usize,
}

/// One thing to do, in order. `W` is the shell's reply handle, handed back once at most; never if the asker has gone.
#[derive(Debug)]
pub enum Effect<S: Shard, W> {
    /// Answer.
    Answer {
        /// Whom.
        waiter: W,
        /// What.
        result: Result<S::Reply, Refusal>,
    },
    /// Append this batch if the log ends at `expected_end`, and say [`crate::Host::appended`] when it is committed.
    /// A new one comes only after that.
    Append {
        /// Its number.
        append: Append,
        /// Where the log has to end.
        expected_end: Offset,
        /// One whole batch.
        batch: BytesMut,
    },
    /// Ask the log's leader for its [`LoadPoint`], then say [`crate::Host::begin`].
    Load {
        /// The load that begins.
        load: Load,
        /// Why; for the log.
        reason: String,
    },
    /// Read a bounded piece of the log and say [`crate::Host::replay`].
    Read {
        /// The load that it is for.
        load: Load,
        /// Where to begin.
        from: Offset,
        /// No batch at or past this offset.
        until: Offset,
    },
    /// A stored record was passed over.
    PassedOver {
        /// Where it stands.
        offset: Offset,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// The load is done; commands are decided from now on.
    Loaded,
    /// Nothing before this offset is needed any more.
    MoveStart {
        /// First offset to keep.
        to: Offset,
    },
}
