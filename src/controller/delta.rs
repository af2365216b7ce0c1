//! What changed between two images: the part of it that a broker must act on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use callboard_model::{BrokerId, PartitionIndex, ProducerId, TopicId, TopicName};

use crate::{Image, TopicImage};

/// A partition by its topic's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIdPartition {
    /// The topic.
    pub topic: TopicId,
    /// The partition's number within it.
    pub partition: PartitionIndex,
}

/// Names what changed; the values are in the new image. What was created and removed in one step appears nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The index of the new image.
    pub applied: u64,
    /// Topics that are new. Their partitions are in `partitions_added`, their configs are not listed.
    pub topics_created: BTreeMap<TopicId, TopicName>,
    /// Topics that are gone, as they were.
    pub topics_removed: BTreeMap<TopicId, Arc<TopicImage>>,
    /// Partitions that are new, of new and of old topics.
    pub partitions_added: BTreeSet<TopicIdPartition>,
    /// Partitions whose replicas, in-sync set, leader or epoch changed.
    pub partitions_changed: BTreeSet<TopicIdPartition>,
    /// Topics whose own configs changed, with the names of those configs.
    pub topic_configs_changed: BTreeMap<TopicId, BTreeSet<String>>,
    /// Brokers that registered, anew or for the first time.
    pub brokers_registered: BTreeSet<BrokerId>,
    /// Whose dynamic configs changed; none is the default of all brokers. Any topic's effective config may differ.
    pub broker_configs_changed: BTreeSet<Option<BrokerId>>,
    /// The first free producer id, if it moved.
    pub next_producer_id: Option<ProducerId>,
}

impl Delta {
    /// Everything in an image, as if it had come in one step: what a broker that starts has to act on.
    pub fn initial(image: &Image) -> Self {
        let mut delta = Self { applied: image.applied(), ..Self::default() };
        for topic in image.topics() {
            delta.topics_created.insert(topic.id, topic.name.clone());
            delta.partitions_added.extend(topic.partitions().map(|(partition, _)| topic.at(partition)));
        }
        delta.brokers_registered.extend(image.brokers().map(|broker| broker.id));
        delta.broker_configs_changed.extend(image.configured_brokers());
        delta.next_producer_id = (image.next_producer_id() != ProducerId(0)).then_some(image.next_producer_id());
        delta
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self { applied: self.applied, ..Self::default() }
    }
}
