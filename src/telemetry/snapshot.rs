//! What the shells show of themselves when the metrics page is asked for; values, gathered by the caller.

use std::sync::Arc;

/// The state of one node at one moment, as far as it is no handle of [`crate::Metrics`].
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The brokers of the cluster.
    pub brokers: Vec<BrokerSnapshot>,
    /// This node's partitions, those of one topic in a row.
    pub partitions: Vec<PartitionSnapshot>,
    /// This node's actors by class and state.
    pub actors: Vec<ActorClass>,
}

/// One broker of the cluster.
#[derive(Clone, Debug)]
pub struct BrokerSnapshot {
    /// Its id.
    pub id: i32,
    /// Where clients reach it, `host:port`.
    pub address: String,
}

/// One partition with a replica on this node.
#[derive(Clone, Debug)]
pub struct PartitionSnapshot {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number within the topic.
    pub partition: i32,
    /// The broker that leads it; `-1` if none does.
    pub leader: i32,
    /// Whether this node leads it.
    pub leads_here: bool,
    /// Whether it serves: recovered, and neither failed nor offline.
    pub online: bool,
    /// Replicas assigned, the preferred one first.
    pub replicas: Vec<i32>,
    /// How many of them are in sync.
    pub in_sync: usize,
    /// The topic's `min.insync.replicas`.
    pub min_in_sync: usize,
    /// The first offset that can be read.
    pub log_start: i64,
    /// The offset that consumers will see next.
    pub high_watermark: i64,
    /// Bytes of its batches, if known.
    pub log_bytes: Option<u64>,
}

/// Actors of one class in one state.
#[derive(Clone, Debug)]
pub struct ActorClass {
    /// The class: what the actors do, not which one (`partition`, `connection`).
    pub class: String,
    /// Their state.
    pub state: ActorState,
    /// How many.
    pub count: u64,
    /// Messages waiting for all of them.
    pub mailbox_sum: u64,
    /// Messages waiting for the one with the longest mailbox.
    pub mailbox_max: u64,
}

/// What an actor is doing, as its supervisor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActorState {
    /// Being built.
    Starting,
    /// At work.
    Running,
    /// Failed, waiting to be built again.
    Restarting,
    /// Told to stop, not yet gone.
    Stopping,
    /// Failed for good.
    Failed,
}

impl ActorState {
    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }
}
