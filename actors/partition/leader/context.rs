//! What a leader is given: which partition it is, its role, and what it shares with the others of its node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use callboard_model::{LeaderEpoch, LogConfig, LogId, PartitionIndex, TopicId, TopicName};
use callboard_storage::{CommitHandle, Storage};

use crate::clock::Clock;
use crate::storage::{LeaderDirectory, Pool};

/// Which partition this is, for good.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The topic's name.
    pub topic: TopicName,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's number.
    pub partition: PartitionIndex,
    /// Its log on this node.
    pub log: LogId,
}

/// What the metadata image says of a partition's leadership here, asked at every start (never remembered).
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// The epoch of the leadership.
    pub epoch: LeaderEpoch,
    /// The topic's settings.
    pub config: LogConfig,
}

/// Asks the current metadata image for the role of a partition; `None` when this node does not lead it.
type AskRole = dyn Fn(&Identity) -> Option<Role> + Send + Sync;

/// What all leaders of a node share.
pub(crate) struct LeaderContext {
    /// The logs.
    pub storage: Arc<dyn Storage>,
    /// The committer's queue.
    pub commit: CommitHandle,
    /// The blocking pool.
    pub pool: Pool,
    /// Where the committer finds the leaders.
    pub directory: LeaderDirectory,
    /// Tells a starting leader its role.
    pub role: Box<AskRole>,
    /// Wall and monotonic time.
    pub clock: Clock,
    /// Counts the lives of all leaders.
    pub lives: AtomicU64,
    /// Bytes in all tail caches of the node.
    pub tail_bytes: AtomicUsize,
    /// Bytes that all tail caches together may hold.
    pub tail_limit: usize,
}
