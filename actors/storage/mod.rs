//! The shells around storage: the blocking pool, the way back from the committer to the leaders, the keeper.
//!
//! Deliberately absent: what is written and when it may go (that is decided in `src/`).

mod directory;
mod keeper;
mod pool;

pub(crate) use directory::LeaderDirectory;
pub(crate) use keeper::JournalKeeper;
pub(crate) use pool::{Pool, PoolError};
