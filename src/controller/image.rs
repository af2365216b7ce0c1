//! The cluster's metadata as of one index: persistent maps, so that a copy costs nothing and is never out of step.

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_model::{
    BrokerId, LeaderEpoch, LogConfig, PartitionEpoch, PartitionIndex, ProducerId, TopicId, TopicName,
};
use rpds::{RedBlackTreeMapSync, VectorSync};

use crate::delta::TopicIdPartition;
use crate::effective::{CleanerConfig, Layers, StaticConfig};
use crate::record::{BrokerEpoch, DecodeError, Endpoint, IncarnationId};

mod replay;
mod snapshot;

pub use replay::ApplyError;

/// Config names and values of one topic or broker.
pub(crate) type Configs = BTreeMap<String, String>;

/// Why bytes are no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Fewer bytes than the index takes.
    #[error("a metadata snapshot of {given} bytes is too short")]
    Short {
        /// Bytes given.
        given: usize,
    },
    /// One of its records cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its records contradict each other.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// One partition as the controller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// Who keeps a copy; the first is preferred to lead.
    pub replicas: Arc<[BrokerId]>,
    /// Who of them is in sync.
    pub isr: Arc<[BrokerId]>,
    /// Who leads, if anybody.
    pub leader: Option<BrokerId>,
    /// Counts leaderships.
    pub leader_epoch: LeaderEpoch,
    /// Counts changes.
    pub partition_epoch: PartitionEpoch,
}

/// One topic as the controller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// Its identity.
    pub id: TopicId,
    /// Its name.
    pub name: TopicName,
    partitions: VectorSync<PartitionImage>,
    configs: Arc<Configs>,
}

impl TopicImage {
    /// How many partitions it has.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).expect("partitions are numbered by an i32")
    }

    /// One of its partitions.
    pub fn partition(&self, partition: PartitionIndex) -> Option<&PartitionImage> {
        self.partitions.get(usize::try_from(partition.0).ok()?)
    }

    /// Its partitions in order.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionIndex, &PartitionImage)> {
        (0..).map(PartitionIndex).zip(self.partitions.iter())
    }

    /// The configs that were set on the topic itself, by name.
    pub fn configs(&self) -> &BTreeMap<String, String> {
        &self.configs
    }

    /// How many replicas its first partition has; Kafka calls that the topic's replication factor.
    pub fn replication_factor(&self) -> usize {
        self.partitions.first().map_or(0, |partition| partition.replicas.len())
    }

    pub(crate) fn at(&self, partition: PartitionIndex) -> TopicIdPartition {
        TopicIdPartition { topic: self.id, partition }
    }
}

/// One broker as the controller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    /// Its id.
    pub id: BrokerId,
    /// Which run of its process.
    pub incarnation: IncarnationId,
    /// Fences its older registrations.
    pub epoch: BrokerEpoch,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// Its failure domain.
    pub rack: Option<String>,
    /// Whether it may not lead.
    pub fenced: bool,
}

/// The cluster's metadata as of one index of the metadata log. Cloning shares everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    applied: u64,
    topics: RedBlackTreeMapSync<TopicId, Arc<TopicImage>>,
    names: RedBlackTreeMapSync<TopicName, TopicId>,
    /// Names that hold '.' or '_', with all of them written as '_': at most one topic each (Kafka: metric names).
    metric_names: RedBlackTreeMapSync<String, TopicName>,
    brokers: RedBlackTreeMapSync<BrokerId, Arc<BrokerImage>>,
    broker_configs: RedBlackTreeMapSync<Option<BrokerId>, Arc<Configs>>,
    next_producer_id: ProducerId,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            applied: 0,
            topics: RedBlackTreeMapSync::new_sync(),
            names: RedBlackTreeMapSync::new_sync(),
            metric_names: RedBlackTreeMapSync::new_sync(),
            brokers: RedBlackTreeMapSync::new_sync(),
            broker_configs: RedBlackTreeMapSync::new_sync(),
            next_producer_id: ProducerId(0),
        }
    }
}

impl Image {
    /// The index of the last entry in it; 0 before the first.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// A topic by its name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.names.get(name)?)
    }

    /// A topic by its identity.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.get(&id)
    }

    /// All topics, ordered by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.names.values().map(|id| self.topics.get(id).expect("every name has its topic"))
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.size()
    }

    /// A partition by its topic's identity.
    pub fn partition(&self, topic: TopicId, partition: PartitionIndex) -> Option<&PartitionImage> {
        self.topics.get(&topic)?.partition(partition)
    }

    /// All brokers, ordered by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerImage>> {
        self.brokers.values()
    }

    /// A broker by its id.
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<BrokerImage>> {
        self.brokers.get(&id)
    }

    /// The dynamic configs of one broker, or with none the defaults of all brokers; empty if there are none.
    pub fn broker_configs(&self, broker: Option<BrokerId>) -> &BTreeMap<String, String> {
        static NOTHING: Configs = BTreeMap::new();
        self.broker_configs.get(&broker).map_or(&NOTHING, |configs| configs)
    }

    /// The first producer id that nobody was given.
    pub fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// What a topic's partitions on `broker` are held to: the topic's own configs, else the broker's dynamic ones,
    /// else the cluster's dynamic ones, else the broker's `settings`, else the defaults.
    pub fn log_config(&self, topic: &TopicImage, broker: BrokerId, settings: &StaticConfig) -> LogConfig {
        self.layers(broker, settings).with_topic(&topic.configs).log_config()
    }

    /// `max.connections` of `broker`: as it was set while it runs, else in its `settings`.
    pub fn max_connections(&self, broker: BrokerId, settings: &StaticConfig) -> usize {
        let number = self.layers(broker, settings).broker_number("max.connections");
        usize::try_from(number).expect("it is at least 0")
    }

    /// What a broker's cleaner is held to.
    pub fn cleaner_config(&self, broker: BrokerId, settings: &StaticConfig) -> CleanerConfig {
        self.layers(broker, settings).cleaner_config()
    }

    pub(crate) fn layers<'a>(&'a self, broker: BrokerId, settings: &'a StaticConfig) -> Layers<'a> {
        Layers::new(self.broker_configs(Some(broker)), self.broker_configs(None), settings)
    }

    pub(crate) fn configured_brokers(&self) -> impl Iterator<Item = Option<BrokerId>> {
        self.broker_configs.keys().copied()
    }

    /// The existing topic whose metric name would be the same as this one's.
    pub(crate) fn collision(&self, name: &TopicName) -> Option<&TopicName> {
        self.metric_names.get(&metric_name(name)?)
    }
}

/// The name with '.' written as '_', if it holds either: only such names can collide (Kafka: `Topic.hasCollision`).
pub(crate) fn metric_name(name: &TopicName) -> Option<String> {
    name.as_str().contains(['.', '_']).then(|| name.as_str().replace('.', "_"))
}

#[cfg(test)]
mod tests;
