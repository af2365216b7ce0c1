//! Asking about many things: each to whom it belongs, again while what failed passes and time is left.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use callboard_model::BrokerId;
use callboard_wire::ApiKey;
use callboard_wire::messages::{MetadataRequest, MetadataRequestTopic, Request, Response};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use super::{Admin, Each};
use crate::{Backoff, ClientError, Metadata, Target, TopicPartition};

/// Outcomes of one round.
pub(super) type Outcomes<K, T> = Vec<(K, Result<T, ClientError>)>;

/// Whether an outcome may be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Asking twice does no harm.
    Always,
    /// Only if the first time did nothing for certain: creating and deleting.
    IfNothingHappened,
}

/// Rounds after which a topic or a broker that nobody knows does not exist. Kafka calls this error retriable, because brokers hear of a
/// new topic one after the other; who asks about one that is not there wants to hear so soon.
const UNKNOWN_ROUNDS: u32 = 2;

fn is_unknown(error: &ClientError) -> bool {
    use callboard_model::ErrorCode::{UnknownTopicId, UnknownTopicOrPartition};
    matches!(
        error,
        ClientError::Kafka { code: UnknownTopicOrPartition | UnknownTopicId, .. } | ClientError::NoBroker(_)
    )
}

impl Admin {
    /// Rounds over what is still open, until everything has an outcome that stays or time is up.
    pub(super) async fn rounds<K, T, F>(
        &self,
        items: Vec<K>,
        again: Again,
        deadline: Instant,
        mut round: impl FnMut(Vec<K>) -> F,
    ) -> Each<K, T>
    where
        K: Clone + Eq + Hash,
        F: Future<Output = Outcomes<K, T>>,
    {
        let mut done: HashMap<K, Result<T, ClientError>> = HashMap::new();
        let mut open = unique(&items);
        let mut backoff = Backoff::retries(self.cluster.options());
        while !open.is_empty() {
            let patient = backoff.failures() < UNKNOWN_ROUNDS;
            for (key, outcome) in round(open).await {
                // That time is up says less than what went wrong before.
                let late = matches!(outcome, Err(ClientError::Timeout { .. } | ClientError::Bootstrap { .. }));
                if !(late && Instant::now() >= deadline && done.contains_key(&key)) {
                    done.insert(key, outcome);
                }
            }
            let at = Instant::now() + backoff.next(fastrand::f64());
            let passes = |outcome: &Result<T, ClientError>| match outcome {
                Ok(_) => false,
                Err(error) if is_unknown(error) && !patient => false,
                Err(error) => error.is_retriable() && (again == Again::Always || !error.may_have_happened()),
            };
            // What an answer leaves out is not asked for again.
            open = items.iter().filter(|key| done.get(key).is_some_and(passes)).cloned().collect();
            open = unique(&open);
            if open.is_empty() || at >= deadline {
                break;
            }
            sleep_until(at).await;
            if done.values().any(|outcome| matches!(outcome, Err(ClientError::NoBroker(_)))) {
                self.cluster.refresh(self.cluster.request_deadline(deadline)).await.ok();
            }
        }
        let missing = || Err(ClientError::Illegal("the answer leaves it out".into()));
        Each::new(
            unique(&items)
                .into_iter()
                .map(|key| {
                    let outcome = done.remove(&key).unwrap_or_else(missing);
                    (key, outcome)
                })
                .collect(),
        )
    }

    /// The same error for everything.
    pub(super) fn all_failed<K, T>(items: Vec<K>, error: &ClientError) -> Outcomes<K, T> {
        items.into_iter().map(|key| (key, Err(error.clone()))).collect()
    }

    /// One question to one broker.
    pub(super) async fn ask_one(
        &self,
        to: Target,
        key: ApiKey,
        deadline: Instant,
        build: impl FnOnce(i16) -> Request,
    ) -> Result<Response, ClientError> {
        let request_deadline = self.cluster.request_deadline(deadline);
        self.cluster.ask_for(to, key, build, request_deadline).await.map(|(_, answer)| answer)
    }

    /// One question to the controller, which may have moved.
    pub(super) async fn ask_controller(
        &self,
        key: ApiKey,
        deadline: Instant,
        build: impl FnOnce(i16) -> Request,
    ) -> Result<Response, ClientError> {
        let answer = self.ask_one(Target::Controller, key, deadline, build).await;
        if answer.is_err() {
            // Whoever it is now; the next round asks there.
            self.cluster.refresh(self.cluster.request_deadline(deadline)).await.ok();
        }
        answer
    }

    /// What is known of topics, asked for now; none of them is created by it.
    pub(super) async fn look_up(&self, names: Option<&[Arc<str>]>, deadline: Instant) -> Result<Metadata, ClientError> {
        let build = |version: i16| {
            let mut request = MetadataRequest::default();
            request.allow_auto_topic_creation = version < 4;
            request.topics = match names {
                None if version == 0 => Some(Vec::new()),
                None => None,
                Some(names) => Some(names.iter().map(|name| named(name)).collect()),
            };
            Request::Metadata(request)
        };
        let answer = self.ask_one(Target::Any, ApiKey::Metadata, deadline, build).await?;
        let Response::Metadata(answer) = answer else { return Err(other_kind(ApiKey::Metadata)) };
        match ClientError::from_code(answer.error_code, "metadata", None) {
            Some(error) => Err(error),
            None => Ok(Metadata::default().with(&answer, true, Instant::now())),
        }
    }

    /// Partitions to the brokers that lead them; those without a leader or a topic have their outcome already.
    pub(super) async fn by_leader<T>(
        &self,
        items: Vec<TopicPartition>,
        deadline: Instant,
    ) -> (BTreeMap<BrokerId, Vec<TopicPartition>>, Outcomes<TopicPartition, T>) {
        let mut names: Vec<Arc<str>> = items.iter().map(|item| item.topic.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let metadata = match self.look_up(Some(&names), deadline).await {
            Ok(metadata) => metadata,
            Err(error) => return (BTreeMap::new(), Self::all_failed(items, &error)),
        };
        let known = self.cluster.metadata();
        if metadata
            .brokers()
            .any(|broker| known.broker(broker.id).map(|known| known.address()) != Some(broker.address()))
        {
            self.cluster.refresh(self.cluster.request_deadline(deadline)).await.ok();
        }
        let mut led: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        let mut failed = Vec::new();
        for item in items {
            match leader(&metadata, &item) {
                Ok(broker) => led.entry(broker).or_default().push(item),
                Err(error) => failed.push((item, Err(error))),
            }
        }
        (led, failed)
    }

    /// Groups to the brokers that coordinate them; those whose coordinator is not found have their outcome already.
    pub(super) async fn by_coordinator<T>(
        &self,
        groups: Vec<String>,
        deadline: Instant,
    ) -> (BTreeMap<BrokerId, Vec<String>>, Outcomes<String, T>) {
        let found = join_all(groups.into_iter().map(|group| async move {
            let broker = self.cluster.coordinator(&group, deadline).await;
            (group, broker)
        }));
        let mut led: BTreeMap<BrokerId, Vec<String>> = BTreeMap::new();
        let mut failed = Vec::new();
        for (group, broker) in found.await {
            match broker {
                Ok(broker) => led.entry(broker).or_default().push(group),
                Err(error) => failed.push((group, Err(error))),
            }
        }
        (led, failed)
    }

    /// Forgets where groups are coordinated if what failed may be because of that.
    pub(super) fn heed<T>(&self, group: &str, outcome: &Result<T, ClientError>) {
        if outcome.as_ref().is_err_and(ClientError::is_retriable) {
            self.cluster.forget_coordinator(group);
        }
    }
}

fn named(name: &str) -> MetadataRequestTopic {
    let mut topic = MetadataRequestTopic::default();
    topic.name = Some(name.into());
    topic
}

fn leader(metadata: &Metadata, item: &TopicPartition) -> Result<BrokerId, ClientError> {
    let Some(topic) = metadata.topic(&item.topic) else {
        let code = metadata.error(&item.topic).unwrap_or(callboard_model::ErrorCode::UnknownTopicOrPartition);
        return Err(ClientError::Kafka { code, about: format!("topic '{}'", item.topic).into(), message: None });
    };
    match topic.partition(item.partition) {
        None => Err(ClientError::NoPartition {
            topic: item.topic.clone(),
            partition: item.partition,
            count: topic.partitions.len(),
        }),
        Some(partition) => {
            let none = || ClientError::NoLeader { topic: item.topic.clone(), partition: item.partition };
            partition.leader.ok_or_else(none)
        }
    }
}

/// Each once, in the order of their first appearance.
fn unique<K: Clone + Eq + Hash>(items: &[K]) -> Vec<K> {
    let mut seen = std::collections::HashSet::new();
    items.iter().filter(|item| seen.insert(*item)).cloned().collect()
}

/// By topic, as requests list partitions.
pub(super) fn by_topic(items: &[TopicPartition]) -> BTreeMap<Arc<str>, Vec<i32>> {
    let mut topics: BTreeMap<Arc<str>, Vec<i32>> = BTreeMap::new();
    for item in items {
        topics.entry(item.topic.clone()).or_default().push(item.partition);
    }
    topics
}

pub(super) fn other_kind(key: ApiKey) -> ClientError {
    ClientError::Illegal(format!("the answer to {} is of another kind", key.name()).into())
}

/// A broker's code as an outcome.
pub(super) fn outcome(code: i16, about: impl Into<Arc<str>>, message: Option<&str>) -> Result<(), ClientError> {
    ClientError::from_code(code, about, message.filter(|text| !text.is_empty())).map_or(Ok(()), Err)
}

/// Milliseconds that a broker is given for work that takes time.
pub(super) fn work_ms(deadline: Instant) -> i32 {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    i32::try_from(left).unwrap_or(i32::MAX).max(1)
}
