//! What this broker has applied of the cluster's metadata, as everyone on the node may read it at any moment.

use std::sync::Arc;

use callboard_controller::Image;
use callboard_coordinator::{Groups, partition_of};
use callboard_model::{LogId, PartitionIndex, TopicId, TopicName};
use callboard_runtime::ActorRef;
use rpds::HashTrieMapSync;
use tokio::sync::watch;

use crate::partition::PartitionMessage;
use crate::shard::ShardMessage;

/// A partition's leader on this node, and the log that it writes.
#[derive(Clone, Debug)]
pub(crate) struct LeaderRoute {
    /// The log in this node's storage.
    pub log: LogId,
    /// The leader.
    pub leader: ActorRef<PartitionMessage>,
}

/// The leaders of one topic on this node, by partition number.
#[derive(Clone, Debug)]
pub(crate) struct TopicRoute {
    /// The topic's id.
    pub id: TopicId,
    /// A leader for each partition led here.
    pub leaders: Vec<Option<LeaderRoute>>,
}

impl TopicRoute {
    /// The leader of a partition, if it is led here.
    pub(crate) fn leader(&self, partition: PartitionIndex) -> Option<&LeaderRoute> {
        self.leaders.get(usize::try_from(partition.0).ok()?)?.as_ref()
    }
}

/// The coordinators of consumer groups on this node, by partition of their topic.
#[derive(Clone, Debug)]
pub(crate) struct Coordinators {
    /// The topic's id; zero without the topic.
    pub topic: TopicId,
    /// A coordinator for each partition led here.
    pub running: Vec<Option<GroupCoordinator>>,
}

/// The coordinator of one partition's groups.
pub(crate) type GroupCoordinator = ActorRef<ShardMessage<Groups>>;

impl Default for Coordinators {
    /// None, of no topic.
    fn default() -> Self {
        Self { topic: TopicId::ZERO, running: Vec::new() }
    }
}

impl Coordinators {
    /// The coordinator of a group, if it is here.
    pub(crate) fn of(&self, group: &str) -> Option<&GroupCoordinator> {
        let partitions = i32::try_from(self.running.len()).ok().filter(|partitions| *partitions > 0)?;
        self.running.get(usize::try_from(partition_of(group, partitions).0).ok()?)?.as_ref()
    }

    /// All that are here.
    pub(crate) fn all(&self) -> impl Iterator<Item = &GroupCoordinator> {
        self.running.iter().flatten()
    }
}

/// One consistent state: the image, and the leaders that run because of it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// The index of the last metadata record applied.
    pub index: u64,
    /// The metadata.
    pub image: Image,
    /// Who leads what here.
    pub routes: HashTrieMapSync<TopicName, Arc<TopicRoute>>,
    /// Who coordinates groups here.
    pub coordinators: Arc<Coordinators>,
}

impl Published {
    /// Before anything was applied.
    pub(crate) fn empty() -> Self {
        Self { index: 0, image: Image::default(), routes: HashTrieMapSync::new_sync(), coordinators: Arc::default() }
    }
}

/// Where the broker publishes and everyone else reads.
pub(crate) type PublishedReceiver = watch::Receiver<Published>;
/// The broker's end.
pub(super) type PublishedSender = watch::Sender<Published>;
