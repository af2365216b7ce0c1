//! What this broker has applied of the cluster's metadata, as everyone on the node may read it at any moment.

use std::sync::Arc;

use callboard_controller::Image;
use callboard_model::{LogId, PartitionIndex, TopicId, TopicName};
use callboard_runtime::ActorRef;
use rpds::HashTrieMapSync;
use tokio::sync::watch;

use crate::partition::PartitionMessage;

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

/// One consistent state: the image, and the leaders that run because of it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// The index of the last metadata record applied.
    pub index: u64,
    /// The metadata.
    pub image: Image,
    /// Who leads what here.
    pub routes: HashTrieMapSync<TopicName, Arc<TopicRoute>>,
}

impl Published {
    /// Before anything was applied.
    pub(crate) fn empty() -> Self {
        Self { index: 0, image: Image::default(), routes: HashTrieMapSync::new_sync() }
    }
}

/// Where the broker publishes and everyone else reads.
pub(crate) type PublishedReceiver = watch::Receiver<Published>;
/// The broker's end.
pub(super) type PublishedSender = watch::Sender<Published>;
