//! Creating and deleting topics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use callboard_model::limits::PARTITIONS_PER_REQUEST_MAX;
use callboard_model::{BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId, TopicName};

use super::partitions::{ReplicaAssignment, check_brokers};
use super::{ApiError, ConfigEntry, Controller, Intent, Outcome, occurrences};
use crate::image::{Configs, metric_name};
use crate::placement::Placer;
use crate::record::Record;
use crate::topic_config;

/// The topic that holds Kafka's own metadata; the one name that Kafka never creates for a client.
const CLUSTER_METADATA: &str = "__cluster_metadata";

/// How often a fresh topic id is asked for before giving up; a source of random ids needs one.
const ID_ATTEMPTS: usize = 8;

/// A topic that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopic {
    /// Its name.
    pub name: String,
    /// Its partitions; -1 for the broker's default, and with `assignments`.
    pub partitions: i32,
    /// The replicas of each; -1 for the broker's default, and with `assignments`.
    pub replication_factor: i16,
    /// Who keeps which partition; empty lets the controller choose.
    pub assignments: Vec<ReplicaAssignment>,
    /// Its own configs.
    pub configs: Vec<(String, Option<String>)>,
}

/// A topic that was created, or with [`Intent::ValidateOnly`] could be.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedTopic {
    /// Its name.
    pub name: TopicName,
    /// Its identity; zero if it was only validated.
    pub id: TopicId,
    /// Its partitions.
    pub partitions: i32,
    /// The replicas of each.
    pub replication_factor: i16,
    /// All its configs as they will count, ordered by name (KIP-525); shared with topics of the same request that
    /// have the same ones.
    pub configs: Arc<[ConfigEntry]>,
}

/// A topic that somebody wants to be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteTopic {
    /// By name.
    Name(String),
    /// By identity (KIP-516).
    Id(TopicId),
}

/// What became of one [`DeleteTopic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// The topic's name, where it is known or was given.
    pub name: Option<String>,
    /// Its identity, zero where it is not known.
    pub id: TopicId,
    /// Whether it is gone.
    pub result: Result<(), ApiError>,
}

/// What the topics before in the same request took.
struct Taken {
    ids: BTreeSet<TopicId>,
    metric_names: BTreeMap<String, TopicName>,
    partitions: i64,
    /// The effective configs of topics by what was set on them.
    configs: BTreeMap<Configs, Arc<[ConfigEntry]>>,
}

impl Controller {
    /// Creates topics. One result per request, in order.
    pub fn create_topics(
        &self,
        requests: Vec<CreateTopic>,
        intent: Intent,
        ids: &mut dyn FnMut() -> TopicId,
    ) -> Outcome<Vec<Result<CreatedTopic, ApiError>>> {
        let counts = occurrences(requests.iter().map(|request| request.name.clone()));
        let mut taken =
            Taken { ids: BTreeSet::new(), metric_names: BTreeMap::new(), partitions: 0, configs: BTreeMap::new() };
        let mut records = Vec::new();
        let mut reply = Vec::with_capacity(requests.len());
        for request in requests {
            reply.push(if counts[&request.name] > 1 {
                Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
            } else {
                self.create_topic(request, intent, ids, &mut taken, &mut records)
            });
        }
        intent.outcome(records, reply)
    }

    fn create_topic(
        &self,
        request: CreateTopic,
        intent: Intent,
        ids: &mut dyn FnMut() -> TopicId,
        taken: &mut Taken,
        records: &mut Vec<Record>,
    ) -> Result<CreatedTopic, ApiError> {
        let name = self.check_new_name(&request.name, taken)?;
        let configs = creation_configs(&request.configs)?;
        let layers = self.image.layers(self.node, &self.settings).with_topic(&configs);
        layers.check_together()?;
        let id = match intent {
            Intent::Perform => self.fresh_id(ids, taken)?,
            Intent::ValidateOnly => TopicId::ZERO,
        };
        let partitions = self.place_topic(&request, id, taken)?;
        let created = CreatedTopic {
            name: name.clone(),
            id,
            partitions: i32::try_from(partitions.len()).expect("partitions per request are bounded"),
            replication_factor: i16::try_from(partitions[0].len()).unwrap_or(i16::MAX),
            configs: match taken.configs.get(&configs) {
                Some(entries) => entries.clone(),
                None => topic_config::ALL.iter().map(|config| ConfigEntry::of_topic(config, &layers)).collect(),
            },
        };
        taken.ids.insert(id);
        taken.partitions += i64::from(created.partitions);
        if let Some(metric_name) = metric_name(&name) {
            taken.metric_names.insert(metric_name, name.clone());
        }
        taken.configs.insert(configs.clone(), created.configs.clone());
        records.push(Record::Topic { id, name });
        let configs = configs.into_iter();
        records.extend(configs.map(|(key, value)| Record::TopicConfig { topic: id, key, value: Some(value) }));
        records.extend((0..).zip(partitions).map(|(number, replicas)| self.new_partition(id, number, replicas)));
        Ok(created)
    }

    fn check_new_name(&self, name: &str, taken: &Taken) -> Result<TopicName, ApiError> {
        let invalid = |message: String| ApiError::new(ErrorCode::InvalidTopicException, message);
        let name = TopicName::new(name).map_err(|error| invalid(error.to_string()))?;
        if name.as_str() == CLUSTER_METADATA {
            let message = format!("Creation of internal topic {name} is prohibited.");
            return Err(ApiError::new(ErrorCode::InvalidRequest, message));
        }
        if self.image.topic(name.as_str()).is_some() {
            return Err(ApiError::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        let beside = metric_name(&name).and_then(|metric_name| taken.metric_names.get(&metric_name));
        match self.image.collision(&name).or(beside) {
            Some(other) => Err(invalid(format!("Topic '{name}' collides with existing topic: {other}"))),
            None => Ok(name),
        }
    }

    fn fresh_id(&self, ids: &mut dyn FnMut() -> TopicId, taken: &Taken) -> Result<TopicId, ApiError> {
        let fresh =
            |id: &TopicId| *id != TopicId::ZERO && self.image.topic_by_id(*id).is_none() && !taken.ids.contains(id);
        (0..ID_ATTEMPTS).map(|_| ids()).find(fresh).ok_or_else(|| {
            ApiError::new(ErrorCode::UnknownServerError, "No topic id could be found that is not taken.")
        })
    }

    /// The replicas of each partition, as asked for or as chosen.
    fn place_topic(&self, request: &CreateTopic, id: TopicId, taken: &Taken) -> Result<Vec<Vec<BrokerId>>, ApiError> {
        if !request.assignments.is_empty() {
            check_count(taken.partitions, request.assignments.len() as i64)?;
            return self.place_by_hand(request);
        }
        if request.replication_factor < -1 || request.replication_factor == 0 {
            let message = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message));
        }
        if request.partitions < -1 || request.partitions == 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return Err(ApiError::new(ErrorCode::InvalidPartitions, message));
        }
        let or = |given: i32, default: i32| if given == -1 { default } else { given };
        let partitions = or(request.partitions, self.settings.num_partitions());
        check_count(taken.partitions, i64::from(partitions))?;
        let factor = match request.replication_factor {
            -1 => self.settings.default_replication_factor(),
            factor => factor,
        };
        let placer = Placer::new(self.image.brokers().map(|broker| &**broker), factor, id)?;
        Ok((0..partitions).map(|partition| placer.place(partition)).collect())
    }

    fn place_by_hand(&self, request: &CreateTopic) -> Result<Vec<Vec<BrokerId>>, ApiError> {
        for (set, what) in
            [(request.replication_factor != -1, "replication factor"), (request.partitions != -1, "numPartitions")]
        {
            if set {
                let message = format!("A manual partition assignment was specified, but {what} was not set to -1.");
                return Err(ApiError::new(ErrorCode::InvalidRequest, message));
            }
        }
        let wrong = |message: String| ApiError::new(ErrorCode::InvalidReplicaAssignment, message);
        let mut by_number: BTreeMap<i32, &Vec<BrokerId>> = BTreeMap::new();
        let mut factor = None;
        for assignment in &request.assignments {
            let number = assignment.partition.0;
            if by_number.insert(number, &assignment.brokers).is_some() {
                return Err(wrong(format!("Found multiple manual partition assignments for partition {number}")));
            }
            check_brokers(&self.image, assignment.partition, &assignment.brokers, factor)?;
            factor = Some(assignment.brokers.len());
        }
        if !by_number.keys().copied().eq(0..request.assignments.len() as i32) {
            return Err(wrong("partitions should be a consecutive 0-based integer sequence".to_owned()));
        }
        Ok(by_number.into_values().cloned().collect())
    }

    /// The record of a partition that begins with all its live replicas in sync.
    pub(super) fn new_partition(&self, topic: TopicId, number: i32, replicas: Vec<BrokerId>) -> Record {
        let live = |id: &BrokerId| self.image.broker(*id).is_some_and(|broker| !broker.fenced);
        let isr: Vec<BrokerId> = replicas.iter().copied().filter(live).collect();
        Record::Partition {
            topic,
            partition: PartitionIndex(number),
            leader: isr.first().copied(),
            isr,
            replicas,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
        }
    }

    /// Deletes topics. One result per request, in order.
    pub fn delete_topics(&self, requests: &[DeleteTopic]) -> Outcome<Vec<DeletedTopic>> {
        let found = |request: &DeleteTopic| match request {
            DeleteTopic::Name(name) => self.image.topic(name),
            DeleteTopic::Id(id) => self.image.topic_by_id(*id),
        };
        let counts = occurrences(requests.iter().filter_map(found).map(|topic| topic.id));
        let mut records = Vec::new();
        let mut reply = Vec::with_capacity(requests.len());
        for request in requests {
            let topic = found(request);
            let (name, id) = match (topic, request) {
                (Some(topic), _) => (Some(topic.name.as_str().to_owned()), topic.id),
                (None, DeleteTopic::Name(name)) => (Some(name.clone()), TopicId::ZERO),
                (None, DeleteTopic::Id(id)) => (None, *id),
            };
            let result = match (topic, request) {
                _ if !self.settings.delete_topic_enable() => {
                    Err(ApiError::new(ErrorCode::TopicDeletionDisabled, "Topic deletion is disabled."))
                }
                (None, DeleteTopic::Name(_)) => Err(unknown_topic()),
                (None, DeleteTopic::Id(_)) => {
                    Err(ApiError::new(ErrorCode::UnknownTopicId, "This server does not host this topic ID."))
                }
                (Some(topic), _) if counts[&topic.id] > 1 => {
                    Err(ApiError::new(ErrorCode::InvalidRequest, "The topic was named more than once."))
                }
                (Some(topic), _) => {
                    records.push(Record::RemoveTopic { id: topic.id });
                    Ok(())
                }
            };
            reply.push(DeletedTopic { name, id, result });
        }
        Outcome { records, reply }
    }
}

pub(super) fn unknown_topic() -> ApiError {
    ApiError::new(ErrorCode::UnknownTopicOrPartition, "This server does not host this topic-partition.")
}

/// Errors if a request asks for more partitions in all than one may.
pub(super) fn check_count(before: i64, more: i64) -> Result<(), ApiError> {
    if before + more > i64::from(PARTITIONS_PER_REQUEST_MAX) {
        let message = format!(
            "Excessively large number of partitions per request: at most {PARTITIONS_PER_REQUEST_MAX} are created at \
             once."
        );
        return Err(ApiError::new(ErrorCode::PolicyViolation, message));
    }
    Ok(())
}

fn creation_configs(given: &[(String, Option<String>)]) -> Result<Configs, ApiError> {
    let nulls: Vec<&str> = given.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.as_str()).collect();
    if !nulls.is_empty() {
        let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
        return Err(ApiError::new(ErrorCode::InvalidConfig, message));
    }
    let mut configs = Configs::new();
    for (key, value) in given {
        let value = value.as_deref().unwrap_or_default();
        topic_config::require(key)?.check(value)?;
        if configs.insert(key.clone(), value.to_owned()).is_some() {
            return Err(ApiError::new(ErrorCode::InvalidRequest, "Error due to duplicate config keys"));
        }
    }
    Ok(configs)
}
