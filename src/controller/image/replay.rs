//! Replaying records: the only way that an image changes.

use std::sync::Arc;

use callboard_model::{BrokerId, PartitionEpoch, PartitionIndex, ProducerId, TopicId, TopicName};
use rpds::VectorSync;

use super::{BrokerImage, Configs, Image, PartitionImage, TopicImage, metric_name};
use crate::config_value::ConfigError;
use crate::record::{LeaderChange, Record};
use crate::{Delta, TopicIdPartition, broker_config, topic_config};

/// Why records do not follow from an image. The log is then not the one that the image was built from, or a release
/// with other rules wrote it; nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// An entry that is not the next one.
    #[error("metadata entry {given} cannot follow entry {applied}")]
    Index {
        /// As given.
        given: u64,
        /// The last one applied.
        applied: u64,
    },
    /// A topic id that exists.
    #[error("topic id {0} is taken")]
    TopicIdTaken(TopicId),
    /// A topic name that exists, or that gives the same metric name as an existing one.
    #[error("topic name {name} is taken by {by}")]
    NameTaken {
        /// As given.
        name: TopicName,
        /// The topic that has it.
        by: TopicName,
    },
    /// A topic that does not exist.
    #[error("topic id {0} is not known")]
    UnknownTopic(TopicId),
    /// A partition that does not exist.
    #[error("partition {partition} of topic id {topic} is not known")]
    UnknownPartition {
        /// Of which topic.
        topic: TopicId,
        /// Its number.
        partition: PartitionIndex,
    },
    /// A partition that is not the topic's next one.
    #[error("partition {given} of topic id {topic} was given where {expected} comes next")]
    PartitionOutOfOrder {
        /// Of which topic.
        topic: TopicId,
        /// As given.
        given: PartitionIndex,
        /// The next one.
        expected: i32,
    },
    /// A broker that does not exist.
    #[error("broker {0} is not known")]
    UnknownBroker(BrokerId),
    /// Producer ids would be given out twice.
    #[error("the next producer id cannot go back from {current} to {given}")]
    ProducerIdsBackwards {
        /// As given.
        given: ProducerId,
        /// As it is.
        current: ProducerId,
    },
    /// A config value that this release cannot read.
    #[error("{0}")]
    Config(#[from] ConfigError),
}

impl Image {
    /// The image after `records`, which were appended together at `index`; and what they changed. All or nothing.
    pub fn apply(&self, index: u64, records: &[Record]) -> Result<(Self, Delta), ApplyError> {
        if index <= self.applied {
            return Err(ApplyError::Index { given: index, applied: self.applied });
        }
        let mut next = self.clone();
        let mut delta = Delta::default();
        for record in records {
            next.replay(record, &mut delta)?;
        }
        next.applied = index;
        delta.applied = index;
        Ok((next, delta))
    }

    pub(super) fn replay(&mut self, record: &Record, delta: &mut Delta) -> Result<(), ApplyError> {
        match record {
            Record::RegisterBroker { broker, incarnation, epoch, endpoints, rack, fenced } => {
                let broker = BrokerImage {
                    id: *broker,
                    incarnation: *incarnation,
                    epoch: *epoch,
                    endpoints: endpoints.clone(),
                    rack: rack.clone(),
                    fenced: *fenced,
                };
                delta.brokers_registered.insert(broker.id);
                self.brokers.insert_mut(broker.id, Arc::new(broker));
                Ok(())
            }
            Record::BrokerRestarted { broker } => self.replay_restart(*broker, delta),
            Record::Topic { id, name } => self.replay_topic(*id, name, delta),
            Record::Partition { topic, partition, replicas, isr, leader, leader_epoch, partition_epoch } => {
                let image = PartitionImage {
                    replicas: replicas.as_slice().into(),
                    isr: isr.as_slice().into(),
                    leader: *leader,
                    leader_epoch: *leader_epoch,
                    partition_epoch: *partition_epoch,
                };
                self.replay_partition(*topic, *partition, image, delta)
            }
            Record::PartitionChange { topic, partition, replicas, isr, leader } => {
                let at = TopicIdPartition { topic: *topic, partition: *partition };
                let image = self.partition_mut(at)?;
                if let Some(replicas) = replicas {
                    image.replicas = replicas.as_slice().into();
                }
                if let Some(isr) = isr {
                    image.isr = isr.as_slice().into();
                }
                image.change_leader(*leader);
                delta.note_change(at);
                Ok(())
            }
            Record::RemoveTopic { id } => self.replay_remove(*id, delta),
            Record::TopicConfig { topic, key, value } => {
                if let (Some(config), Some(value)) = (topic_config::find(key), value) {
                    config.parse(value)?;
                }
                let image = self.topic_mut(*topic)?;
                set(Arc::make_mut(&mut image.configs), key, value.as_deref());
                if !delta.topics_created.contains_key(topic) {
                    delta.topic_configs_changed.entry(*topic).or_default().insert(key.clone());
                }
                Ok(())
            }
            Record::BrokerConfig { broker, key, value } => {
                if let (Some(config), Some(value)) = (broker_config::find(key), value) {
                    config.parse(value)?;
                }
                let mut configs = self.broker_configs.get(broker).cloned().unwrap_or_default();
                set(Arc::make_mut(&mut configs), key, value.as_deref());
                if configs.is_empty() {
                    self.broker_configs.remove_mut(broker);
                } else {
                    self.broker_configs.insert_mut(*broker, configs);
                }
                delta.broker_configs_changed.insert(*broker);
                Ok(())
            }
            Record::ProducerIds { next } => {
                if *next < self.next_producer_id {
                    return Err(ApplyError::ProducerIdsBackwards { given: *next, current: self.next_producer_id });
                }
                self.next_producer_id = *next;
                delta.next_producer_id = Some(*next);
                Ok(())
            }
        }
    }

    fn replay_topic(&mut self, id: TopicId, name: &TopicName, delta: &mut Delta) -> Result<(), ApplyError> {
        if self.topics.contains_key(&id) {
            return Err(ApplyError::TopicIdTaken(id));
        }
        if self.names.contains_key(name) {
            return Err(ApplyError::NameTaken { name: name.clone(), by: name.clone() });
        }
        if let Some(metric_name) = metric_name(name) {
            if let Some(by) = self.metric_names.get(&metric_name) {
                return Err(ApplyError::NameTaken { name: name.clone(), by: by.clone() });
            }
            self.metric_names.insert_mut(metric_name, name.clone());
        }
        let topic = TopicImage { id, name: name.clone(), partitions: VectorSync::new_sync(), configs: Arc::default() };
        self.names.insert_mut(name.clone(), id);
        self.topics.insert_mut(id, Arc::new(topic));
        delta.topics_created.insert(id, name.clone());
        Ok(())
    }

    fn replay_partition(
        &mut self,
        topic: TopicId,
        partition: PartitionIndex,
        image: PartitionImage,
        delta: &mut Delta,
    ) -> Result<(), ApplyError> {
        let owner = self.topic_mut(topic)?;
        let expected = owner.partition_count();
        if partition.0 != expected || expected == i32::MAX {
            return Err(ApplyError::PartitionOutOfOrder { topic, given: partition, expected });
        }
        owner.partitions.push_back_mut(image);
        delta.partitions_added.insert(TopicIdPartition { topic, partition });
        Ok(())
    }

    fn replay_remove(&mut self, id: TopicId, delta: &mut Delta) -> Result<(), ApplyError> {
        let topic = self.topics.get(&id).cloned().ok_or(ApplyError::UnknownTopic(id))?;
        self.topics.remove_mut(&id);
        self.names.remove_mut(&topic.name);
        if let Some(metric_name) = metric_name(&topic.name) {
            self.metric_names.remove_mut(&metric_name);
        }
        delta.note_removal(topic);
        Ok(())
    }

    fn replay_restart(&mut self, broker: BrokerId, delta: &mut Delta) -> Result<(), ApplyError> {
        if !self.brokers.contains_key(&broker) {
            return Err(ApplyError::UnknownBroker(broker));
        }
        let led: Vec<TopicIdPartition> = self
            .topics
            .values()
            .flat_map(|topic| {
                let led = topic.partitions().filter(|(_, image)| image.leader == Some(broker));
                led.map(|(partition, _)| topic.at(partition))
            })
            .collect();
        for at in led {
            self.partition_mut(at)?.change_leader(LeaderChange::Elect(broker));
            delta.note_change(at);
        }
        Ok(())
    }

    fn topic_mut(&mut self, id: TopicId) -> Result<&mut TopicImage, ApplyError> {
        self.topics.get_mut(&id).map(Arc::make_mut).ok_or(ApplyError::UnknownTopic(id))
    }

    fn partition_mut(&mut self, at: TopicIdPartition) -> Result<&mut PartitionImage, ApplyError> {
        let unknown = ApplyError::UnknownPartition { topic: at.topic, partition: at.partition };
        let topic = self.topic_mut(at.topic)?;
        let index = usize::try_from(at.partition.0).map_err(|_| unknown.clone())?;
        topic.partitions.get_mut(index).ok_or(unknown)
    }
}

impl PartitionImage {
    fn change_leader(&mut self, change: LeaderChange) {
        self.partition_epoch = PartitionEpoch(self.partition_epoch.0.saturating_add(1));
        match change {
            LeaderChange::Keep => return,
            LeaderChange::Nobody => self.leader = None,
            LeaderChange::Elect(broker) => self.leader = Some(broker),
        }
        self.leader_epoch = self.leader_epoch.next();
    }
}

impl Delta {
    fn note_change(&mut self, at: TopicIdPartition) {
        if !self.partitions_added.contains(&at) {
            self.partitions_changed.insert(at);
        }
    }

    fn note_removal(&mut self, topic: Arc<TopicImage>) {
        self.topic_configs_changed.remove(&topic.id);
        for (partition, _) in topic.partitions() {
            self.partitions_added.remove(&topic.at(partition));
            self.partitions_changed.remove(&topic.at(partition));
        }
        if self.topics_created.remove(&topic.id).is_none() {
            self.topics_removed.insert(topic.id, topic);
        }
    }
}

fn set(configs: &mut Configs, key: &str, value: Option<&str>) {
    match value {
        Some(value) => configs.insert(key.to_owned(), value.to_owned()),
        None => configs.remove(key),
    };
}
