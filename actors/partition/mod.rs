//! Partitions: the shell of the leader machine, one actor for each partition led here; and the cleaner that compacts
//! their logs.
//!
//! Deliberately absent: decisions (they are `src/partition`'s) and disk access on the arbiter (it is the pool's).

mod cleaner;
mod cleaning;
mod leader;
pub(crate) mod lookup;
mod message;
mod packing;
mod recovery;

pub(crate) use cleaner::{Cleaner, CleanerContext};
pub(crate) use leader::{Identity, LeaderContext, PartitionLeader, Role};
pub(crate) use message::{Append, AppendInternal, Fetch, FetchSlot, PartitionMessage, ProduceSlot};
