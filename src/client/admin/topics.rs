//! Topics: listed, described, created, deleted, given more partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_model::{ErrorCode, TopicId};
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatePartitionsRequest, CreatePartitionsTopic,
    CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest, Request, Response,
};

use super::asking::{Again, other_kind, outcome, work_ms};
use super::{Admin, Each};
use crate::{ClientError, Metadata, Topic};

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None` for the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// How many replicas each has; `None` for the broker's `default.replication.factor`.
    pub replicas: Option<i16>,
    /// Which brokers get which partition, the preferred leader first; instead of the two numbers.
    pub assignment: BTreeMap<i32, Vec<i32>>,
    /// Configs by Kafka's names.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with the cluster's defaults.
    pub fn new(name: impl Into<String>) -> Self {
        let (assignment, configs) = (BTreeMap::new(), BTreeMap::new());
        Self { name: name.into(), partitions: None, replicas: None, assignment, configs }
    }

    /// With so many partitions.
    pub fn partitions(mut self, count: i32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// With so many replicas of each partition.
    pub fn replicas(mut self, count: i16) -> Self {
        self.replicas = Some(count);
        self
    }

    /// With a config, `retention.ms` for example.
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(key.into(), value.into());
        self
    }
}

/// A topic as the cluster made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; [`TopicId::ZERO`] from brokers before Kafka 2.8, and from a check alone.
    pub id: TopicId,
    /// Partitions, if the broker tells.
    pub partitions: Option<i32>,
    /// Replicas of each, if the broker tells.
    pub replicas: Option<i16>,
}

impl Admin {
    /// Every topic there is, internal ones too.
    pub async fn list_topics(&self) -> Result<Metadata, ClientError> {
        let deadline = self.deadline();
        let options = self.cluster().options();
        crate::retrying("listing topics", options, deadline, || self.look_up(None, deadline)).await
    }

    /// Topics by their names. Asking creates none.
    pub async fn describe_topics(&self, names: &[&str]) -> Each<String, Arc<Topic>> {
        let deadline = self.deadline();
        let items = names.iter().map(|name| (*name).to_owned()).collect();
        self.rounds(items, Again::Always, deadline, |open| async move {
            let asked: Vec<Arc<str>> = open.iter().map(|name| name.as_str().into()).collect();
            let metadata = match self.look_up(Some(&asked), deadline).await {
                Ok(metadata) => metadata,
                Err(error) => return Self::all_failed(open, &error),
            };
            let read = |name: String| {
                let code = metadata.error(&name).unwrap_or(ErrorCode::UnknownTopicOrPartition);
                let refused = || ClientError::Kafka { code, about: format!("topic '{name}'").into(), message: None };
                let found = metadata.topic(&name).cloned().ok_or_else(refused);
                (name, found)
            };
            open.into_iter().map(read).collect()
        })
        .await
    }

    /// Creates topics; `validate_only` has the cluster check them and creates none.
    pub async fn create_topics(&self, topics: &[NewTopic], validate_only: bool) -> Each<String, CreatedTopic> {
        let deadline = self.deadline();
        let items = topics.iter().map(|topic| topic.name.clone()).collect();
        self.rounds(items, Again::IfNothingHappened, deadline, |open| async move {
            let build = |version: i16| {
                let mut request = CreateTopicsRequest::default();
                let asked = topics.iter().filter(|topic| open.contains(&topic.name));
                request.topics = asked.map(|topic| creatable(topic, version)).collect();
                request.timeout_ms = work_ms(self.cluster().request_deadline(deadline));
                request.validate_only = validate_only;
                Request::CreateTopics(request)
            };
            let answer = match self.ask_controller(ApiKey::CreateTopics, deadline, build).await {
                Ok(Response::CreateTopics(answer)) => answer,
                Ok(_) => return Self::all_failed(open, &other_kind(ApiKey::CreateTopics)),
                Err(error) => return Self::all_failed(open, &error),
            };
            let outcomes = answer.topics.iter().map(|topic| {
                let made = CreatedTopic {
                    id: TopicId::from_bytes(topic.topic_id.to_bytes()),
                    partitions: (topic.num_partitions > 0).then_some(topic.num_partitions),
                    replicas: (topic.replication_factor > 0).then_some(topic.replication_factor),
                };
                let about = format!("topic '{}'", topic.name);
                (
                    topic.name.to_string(),
                    outcome(topic.error_code, about, topic.error_message.as_deref()).map(|()| made),
                )
            });
            outcomes.collect()
        })
        .await
    }

    /// Deletes topics with everything in them.
    pub async fn delete_topics(&self, names: &[&str]) -> Each<String, ()> {
        let deadline = self.deadline();
        let items = names.iter().map(|name| (*name).to_owned()).collect();
        self.rounds(items, Again::IfNothingHappened, deadline, |open| async move {
            let build = |version: i16| {
                let mut request = DeleteTopicsRequest::default();
                request.timeout_ms = work_ms(self.cluster().request_deadline(deadline));
                if version >= 6 {
                    request.topics = open.iter().map(|name| to_delete(name)).collect();
                } else {
                    request.topic_names = open.iter().map(|name| name.as_str().into()).collect();
                }
                Request::DeleteTopics(request)
            };
            let answer = match self.ask_controller(ApiKey::DeleteTopics, deadline, build).await {
                Ok(Response::DeleteTopics(answer)) => answer,
                Ok(_) => return Self::all_failed(open, &other_kind(ApiKey::DeleteTopics)),
                Err(error) => return Self::all_failed(open, &error),
            };
            let outcomes = answer.responses.iter().filter_map(|topic| {
                let name = topic.name.as_ref()?.to_string();
                let about = format!("topic '{name}'");
                Some((name, outcome(topic.error_code, about, topic.error_message.as_deref())))
            });
            outcomes.collect()
        })
        .await
    }

    /// Gives topics more partitions: the numbers say how many there are to be in all.
    pub async fn create_partitions(&self, totals: &[(&str, i32)], validate_only: bool) -> Each<String, ()> {
        let deadline = self.deadline();
        let items = totals.iter().map(|(name, _)| (*name).to_owned()).collect();
        self.rounds(items, Again::IfNothingHappened, deadline, |open| async move {
            let build = |_| {
                let mut request = CreatePartitionsRequest::default();
                let asked = totals.iter().filter(|(name, _)| open.iter().any(|open| open == name));
                request.topics = asked.map(|(name, total)| to_grow(name, *total)).collect();
                request.timeout_ms = work_ms(self.cluster().request_deadline(deadline));
                request.validate_only = validate_only;
                Request::CreatePartitions(request)
            };
            let answer = match self.ask_controller(ApiKey::CreatePartitions, deadline, build).await {
                Ok(Response::CreatePartitions(answer)) => answer,
                Ok(_) => return Self::all_failed(open, &other_kind(ApiKey::CreatePartitions)),
                Err(error) => return Self::all_failed(open, &error),
            };
            let outcomes = answer.results.iter().map(|topic| {
                let about = format!("topic '{}'", topic.name);
                (topic.name.to_string(), outcome(topic.error_code, about, topic.error_message.as_deref()))
            });
            outcomes.collect()
        })
        .await
    }
}

fn creatable(topic: &NewTopic, version: i16) -> CreatableTopic {
    let mut made = CreatableTopic::default();
    made.name = topic.name.as_str().into();
    // Before version 4 the numbers must be said; 1 is what a broker would take unless told otherwise.
    let unsaid = if version >= 4 { -1 } else { 1 };
    let given = !topic.assignment.is_empty();
    made.num_partitions = if given { -1 } else { topic.partitions.unwrap_or(unsaid) };
    made.replication_factor = if given { -1 } else { topic.replicas.unwrap_or(unsaid as i16) };
    let assigned = topic.assignment.iter().map(|(index, brokers)| {
        let mut assigned = CreatableReplicaAssignment::default();
        assigned.partition_index = *index;
        assigned.broker_ids = brokers.clone();
        assigned
    });
    made.assignments = assigned.collect();
    let configs = topic.configs.iter().map(|(key, value)| {
        let mut config = CreatableTopicConfig::default();
        config.name = key.as_str().into();
        config.value = Some(value.as_str().into());
        config
    });
    made.configs = configs.collect();
    made
}

fn to_delete(name: &str) -> DeleteTopicState {
    let mut topic = DeleteTopicState::default();
    topic.name = Some(name.into());
    topic
}

fn to_grow(name: &str, total: i32) -> CreatePartitionsTopic {
    let mut topic = CreatePartitionsTopic::default();
    topic.name = name.into();
    topic.count = total;
    topic.assignments = None;
    topic
}
