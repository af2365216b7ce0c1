//! One partition's leader as a machine: it decides what is appended, acknowledged, served and deleted, and asks for
//! it in effects.
//!
//! Invariants: offsets are contiguous; the high watermark never passes what the in-sync replicas have durably; a
//! repeated batch is recognised; state rebuilt from storage equals the live state. [`invariant::check`] has all.
//! Deliberately absent: clocks, disks, sockets, actors, codecs of compressed records, the follower's side.

mod active_producers;
mod append;
pub mod compaction;
mod delayed;
mod effect;
mod epoch_history;
mod error;
mod fetch;
pub mod invariant;
mod layout;
mod leader;
mod offsets;
mod producer_state;
mod recovery;
mod replica_set;
mod retention;
#[cfg(test)]
mod rig;
mod slices;
mod tail;
mod validate;

pub use active_producers::ActiveProducer;
pub use append::{Acks, Append, Unpacked};
pub use effect::{AbortedTransaction, Effect, FetchData, Fetched, Produced, Settled, Ticket, Watermarks};
pub use error::{
    DeleteError, EpochError, FetchError, ListError, ProduceError, RecordFailure, RecordReason, SettleError, WriteError,
};
pub use fetch::{Fetch, Isolation, Wait};
pub use layout::StateError;
pub use leader::{Leader, LeaderSnapshot, Now, PartitionLimits};
pub use offsets::{ListAnswer, ListOffset};
pub use recovery::{RecoverError, Recovered, StateEntry, scan_from};
pub use replica_set::ReplicaSet;
pub use retention::RetentionQuery;
pub use slices::{MaxBatch, Slice};
pub use validate::{needs_records, wants_codec};
