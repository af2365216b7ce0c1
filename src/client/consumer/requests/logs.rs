//! Questions to the leaders of partitions: offsets by time, ends of epochs, batches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use callboard_model::{BrokerId, ErrorCode, TopicId};
use callboard_wire::ApiKey;
use callboard_wire::fetch::TOPIC_IDS_SINCE;
use callboard_wire::messages::client::{FetchRequest, FetchResponse, fetch_request};
use callboard_wire::messages::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, OffsetForLeaderEpochRequest, OffsetForLeaderPartition,
    OffsetForLeaderTopic, Request, Response, Uuid,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::unexpected;
use crate::consumer::TopicPartition;
use crate::consumer::fetching::{FetchLimits, Plan};
use crate::consumer::options::IsolationLevel;
use crate::consumer::positions::{Position, Validation};
use crate::{ClientError, Cluster, Lane, Target};

/// Timestamps that stand for places (Kafka: `ListOffsetsRequest`).
pub(crate) const LATEST: i64 = -1;
/// The start of the log.
pub(crate) const EARLIEST: i64 = -2;

/// A record found by its time, or a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) position: Position,
    /// -1 for places.
    pub(crate) timestamp: i64,
}

/// What was found in each partition.
pub(crate) type Answers<T> = Vec<(TopicPartition, Result<T, ClientError>)>;

fn isolation(level: IsolationLevel) -> i8 {
    match level {
        IsolationLevel::ReadUncommitted => 0,
        IsolationLevel::ReadCommitted => 1,
    }
}

/// One attempt for each partition; what the leaders say. `None`: no record is that young.
pub(crate) async fn offsets(
    cluster: &Cluster,
    wanted: &[(TopicPartition, i64)],
    level: IsolationLevel,
    deadline: Instant,
) -> Answers<Option<Found>> {
    let (by_leader, mut answers) =
        by_leader(cluster, wanted.iter().map(|(partition, time)| (partition, *time)), deadline).await;
    let mut asking = FuturesUnordered::new();
    for (broker, parts) in by_leader {
        asking.push(async move {
            let asked = ask_offsets(cluster, broker, &parts, level, deadline).await;
            spread(cluster, parts.into_iter().map(|(partition, ..)| partition), asked)
        });
    }
    while let Some(of_broker) = asking.next().await {
        answers.extend(of_broker);
    }
    answers
}

/// Partitions by their leaders with the leaders' epochs; those without one as errors.
async fn by_leader<'a, T, R>(
    cluster: &Cluster,
    wanted: impl Iterator<Item = (&'a TopicPartition, T)>,
    deadline: Instant,
) -> (BTreeMap<BrokerId, Vec<(TopicPartition, T, i32)>>, Answers<R>) {
    let wanted: Vec<_> = wanted.collect();
    let mut names: Vec<&str> = wanted.iter().map(|(partition, _)| &*partition.topic).collect();
    names.sort_unstable();
    names.dedup();
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let metadata = match cluster.topics(&names, deadline).await {
        Ok(metadata) => metadata,
        Err(error) => {
            let all = wanted.into_iter().map(|(partition, _)| (partition.clone(), Err(error.clone())));
            return (found, all.collect());
        }
    };
    let mut errors = Vec::new();
    for (partition, about) in wanted {
        let topic = metadata.topic(&partition.topic);
        let known = topic.and_then(|topic| topic.partition(partition.partition));
        match known.map(|known| (known.leader, known.leader_epoch.0)) {
            Some((Some(leader), epoch)) => {
                found.entry(leader).or_default().push((partition.clone(), about, epoch));
            }
            Some((None, _)) => {
                let (topic, partition_index) = (partition.topic.clone(), partition.partition);
                errors.push((partition.clone(), Err(ClientError::NoLeader { topic, partition: partition_index })));
            }
            None => {
                let code = metadata.error(&partition.topic).unwrap_or(ErrorCode::UnknownTopicOrPartition);
                let error = ClientError::Kafka { code, about: partition.to_string().into(), message: None };
                errors.push((partition.clone(), Err(error)));
            }
        }
    }
    (found, errors)
}

/// One answer for every partition that was asked for; what the answer leaves out is an error of its own.
fn spread<T: Clone>(
    cluster: &Cluster,
    asked: impl Iterator<Item = TopicPartition>,
    answer: Result<HashMap<TopicPartition, Result<T, ClientError>>, ClientError>,
) -> Answers<T> {
    let missing = |partition: &TopicPartition| {
        Err(ClientError::Illegal(format!("the broker's answer leaves {partition} out").into()))
    };
    asked
        .map(|partition| {
            let one = match &answer {
                Ok(found) => found.get(&partition).cloned().unwrap_or_else(|| missing(&partition)),
                Err(error) => Err(error.clone()),
            };
            if let Err(error) = &one
                && shows_stale_metadata(error)
            {
                cluster.mark_stale(&partition.topic);
            }
            (partition, one)
        })
        .collect()
}

/// Whether another broker may lead the partition now.
pub(crate) fn shows_stale_metadata(error: &ClientError) -> bool {
    match error.kafka_code() {
        Some(code) => is_stale(code),
        None => error.is_retriable(),
    }
}

pub(crate) fn is_stale(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::KafkaStorageError
            | ErrorCode::OffsetNotAvailable
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
    )
}

async fn ask_offsets(
    cluster: &Cluster,
    broker: BrokerId,
    parts: &[(TopicPartition, i64, i32)],
    level: IsolationLevel,
    deadline: Instant,
) -> Result<HashMap<TopicPartition, Result<Option<Found>, ClientError>>, ClientError> {
    let build = |version| {
        let mut request = ListOffsetsRequest::default();
        request.replica_id = -1;
        if version >= 2 {
            request.isolation_level = isolation(level);
        }
        if version >= 10 {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            request.timeout_ms = i32::try_from(left).unwrap_or(i32::MAX);
        }
        for (partition, timestamp, epoch) in parts {
            let mut one = ListOffsetsPartition::default();
            one.partition_index = partition.partition;
            if version >= 4 {
                one.current_leader_epoch = *epoch;
            }
            one.timestamp = *timestamp;
            match request.topics.last_mut() {
                Some(topic) if topic.name.as_str() == &*partition.topic => topic.partitions.push(one),
                _ => {
                    let mut topic = ListOffsetsTopic::default();
                    topic.name = (&*partition.topic).into();
                    topic.partitions.push(one);
                    request.topics.push(topic);
                }
            }
        }
        Request::ListOffsets(request)
    };
    let deadline = cluster.request_deadline(deadline);
    let (_, answer) = cluster.ask_for(Target::Broker(broker), ApiKey::ListOffsets, build, deadline).await?;
    let Response::ListOffsets(answer) = answer else {
        return Err(unexpected(ApiKey::ListOffsets));
    };
    let mut found = HashMap::new();
    for topic in &answer.topics {
        for one in &topic.partitions {
            let partition = TopicPartition::new(topic.name.as_str(), one.partition_index);
            let about = format!("looking up an offset of {partition}");
            let result = ClientError::from_code(one.error_code, about, None).map_or_else(
                || {
                    let epoch = Some(one.leader_epoch).filter(|epoch| *epoch >= 0);
                    let position = Position { offset: one.offset, epoch };
                    Ok((one.offset >= 0).then_some(Found { position, timestamp: one.timestamp }))
                },
                Err,
            );
            found.insert(partition, result);
        }
    }
    Ok(found)
}

/// Where epochs end in the leaders' logs (KIP-320); `None` where a log does not know the epoch.
pub(crate) async fn epoch_ends(
    cluster: &Cluster,
    wanted: &[Validation],
    deadline: Instant,
) -> Answers<Option<Position>> {
    let asked = wanted.iter().map(|one| (&one.partition, (one.current_leader_epoch, one.epoch)));
    let (by_leader, mut answers) = by_leader(cluster, asked, deadline).await;
    let mut asking = FuturesUnordered::new();
    for (broker, parts) in by_leader {
        asking.push(async move {
            let asked = ask_epoch_ends(cluster, broker, &parts, deadline).await;
            spread(cluster, parts.into_iter().map(|(partition, ..)| partition), asked)
        });
    }
    while let Some(of_broker) = asking.next().await {
        answers.extend(of_broker);
    }
    answers
}

async fn ask_epoch_ends(
    cluster: &Cluster,
    broker: BrokerId,
    parts: &[(TopicPartition, (i32, i32), i32)],
    deadline: Instant,
) -> Result<HashMap<TopicPartition, Result<Option<Position>, ClientError>>, ClientError> {
    let build = |version| {
        let mut request = OffsetForLeaderEpochRequest::default();
        if version >= 3 {
            request.replica_id = -1;
        }
        for (partition, (current, epoch), _) in parts {
            let mut one = OffsetForLeaderPartition::default();
            one.partition = partition.partition;
            one.current_leader_epoch = *current;
            one.leader_epoch = *epoch;
            match request.topics.last_mut() {
                Some(topic) if topic.topic.as_str() == &*partition.topic => topic.partitions.push(one),
                _ => {
                    let mut topic = OffsetForLeaderTopic::default();
                    topic.topic = (&*partition.topic).into();
                    topic.partitions.push(one);
                    request.topics.push(topic);
                }
            }
        }
        Request::OffsetForLeaderEpoch(request)
    };
    let deadline = cluster.request_deadline(deadline);
    let (_, answer) = cluster.ask_for(Target::Broker(broker), ApiKey::OffsetForLeaderEpoch, build, deadline).await?;
    let Response::OffsetForLeaderEpoch(answer) = answer else {
        return Err(unexpected(ApiKey::OffsetForLeaderEpoch));
    };
    let mut found = HashMap::new();
    for topic in &answer.topics {
        for one in &topic.partitions {
            let partition = TopicPartition::new(topic.topic.as_str(), one.partition);
            let about = format!("checking the position in {partition}");
            let result = ClientError::from_code(one.error_code, about, None).map_or_else(
                || {
                    let epoch = Some(one.leader_epoch).filter(|epoch| *epoch >= 0);
                    Ok((one.end_offset >= 0 && epoch.is_some()).then_some(Position { offset: one.end_offset, epoch }))
                },
                Err,
            );
            found.insert(partition, result);
        }
    }
    Ok(found)
}

/// Ids of the topics of a plan, by name; [`TopicId::ZERO`] where the broker has none.
fn topic_ids(cluster: &Cluster, plan: &Plan) -> HashMap<Arc<str>, TopicId> {
    let metadata = cluster.metadata();
    let names = plan.parts.iter().map(|part| part.partition.topic.clone());
    names.map(|name| (name.clone(), metadata.topic(&name).map_or(TopicId::ZERO, |topic| topic.id))).collect()
}

/// One fetch. The answer names topics, whichever version it came in: where it names an id, the topic's name is filled in.
pub(crate) async fn fetch(
    cluster: &Cluster,
    plan: &Plan,
    limits: &FetchLimits,
    level: IsolationLevel,
) -> Result<FetchResponse, ClientError> {
    let ids = topic_ids(cluster, plan);
    let build = |version| {
        let mut request = FetchRequest::default();
        request.replica_id = -1;
        request.max_wait_ms = i32::try_from(plan.max_wait.as_millis()).unwrap_or(i32::MAX);
        request.min_bytes = limits.min_bytes;
        request.max_bytes = i32::try_from(plan.max_bytes).unwrap_or(i32::MAX);
        request.isolation_level = isolation(level);
        if version >= 7 {
            request.session_epoch = -1;
        }
        let mut at: HashMap<&str, usize> = HashMap::new();
        for part in &plan.parts {
            let mut one = fetch_request::FetchPartition::default();
            one.partition = part.partition.partition;
            if version >= 9 {
                one.current_leader_epoch = part.leader_epoch;
            }
            one.fetch_offset = part.offset;
            if version >= 12 {
                one.last_fetched_epoch = -1;
            }
            if version >= 5 {
                one.log_start_offset = -1;
            }
            one.partition_max_bytes = i32::try_from(limits.partition_max_bytes).unwrap_or(i32::MAX);
            let name = &part.partition.topic;
            let index = *at.entry(name).or_insert_with(|| {
                let mut topic = fetch_request::FetchTopic::default();
                if version >= TOPIC_IDS_SINCE {
                    let id = ids.get(name).copied().unwrap_or(TopicId::ZERO);
                    topic.topic_id = Uuid::from_bytes(*id.as_bytes());
                } else {
                    topic.topic = (&**name).into();
                }
                request.topics.push(topic);
                request.topics.len() - 1
            });
            request.topics[index].partitions.push(one);
        }
        request
    };
    let deadline = Instant::now() + plan.max_wait + cluster.options().request_timeout;
    let (version, mut answer) = cluster.fetch(Target::Lane(plan.broker, Lane::Fetch), build, deadline).await?;
    if version >= TOPIC_IDS_SINCE {
        let names: HashMap<[u8; 16], &Arc<str>> = ids.iter().map(|(name, id)| (*id.as_bytes(), name)).collect();
        for topic in &mut answer.responses {
            if let Some(name) = names.get(&topic.topic_id.to_bytes()) {
                topic.topic = (&***name).into();
            }
        }
    }
    Ok(answer)
}
