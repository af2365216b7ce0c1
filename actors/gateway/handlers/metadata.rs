//! Metadata (3), 0-13: brokers, topics by name or id, leaders; creates what is asked for by name where that is allowed.
//!
//! A topic that does not exist is created *before* the answer, with its leaders running: clients that take "no leader
//! yet" for a fatal error work too.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use callboard_controller::{CreateTopic, PartitionImage, TopicImage};
use callboard_model::{ErrorCode, PartitionIndex, TopicId, TopicName};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic, Uuid,
};

use super::{PATIENCE, internal_topics, operations};
use crate::broker::Published;
use crate::controller::ControllerMessage;
use crate::gateway::address::address;
use crate::gateway::services::Services;

pub(super) async fn answer(
    request: MetadataRequest,
    version: i16,
    local: Option<SocketAddr>,
    services: &Services,
) -> MetadataResponse {
    let topics_operations = operations::if_asked(request.include_topic_authorized_operations, operations::TOPIC);
    // v0 says "all" by an empty list, later versions by none.
    let wanted = match request.topics {
        None => None,
        Some(topics) if topics.is_empty() && version == 0 => None,
        Some(topics) if topics.iter().any(|topic| !is_legal(topic, version)) => return refused_whole(topics),
        Some(topics) => Some(wanted(topics)),
    };
    let mut published = services.now();
    let mut refused = Vec::new();
    if let Some(Wanted::Names(names)) = &wanted {
        let create = services.config.auto_create_topics && (version < 4 || request.allow_auto_topic_creation);
        if create {
            refused = create_missing(names, &published, services).await;
            published = services.now();
        }
    }
    let mut response = MetadataResponse::default();
    response.cluster_id = Some(StrBytes::from(&*services.cluster.0));
    response.cluster_authorized_operations =
        operations::if_asked(request.include_cluster_authorized_operations, operations::CLUSTER);
    response.controller_id = services.me.get();
    for broker in published.image.brokers() {
        let (host, port) = address(broker, local, services);
        let mut row = MetadataResponseBroker::default();
        row.node_id = broker.id.get();
        row.host = StrBytes::from(host);
        row.port = i32::from(port);
        row.rack = broker.rack.clone().map(StrBytes::from);
        response.brokers.push(row);
    }
    let mut told = |topic: Result<&TopicImage, MetadataResponseTopic>| {
        let mut row = topic.map_or_else(|missing| missing, |topic| row(topic, &published, services));
        row.topic_authorized_operations = topics_operations;
        response.topics.push(row);
    };
    match wanted {
        None => published.image.topics().for_each(|topic| told(Ok(topic))),
        Some(Wanted::Names(names)) => {
            for name in names {
                told(published.image.topic(&name).map(AsRef::as_ref).ok_or_else(|| {
                    let code = refused.iter().find(|(n, _)| *n == *name).map(|(_, code)| *code);
                    missing(Some(name.clone()), code.unwrap_or_else(|| why_missing(&name)))
                }));
            }
        }
        Some(Wanted::Ids(ids)) => {
            for id in ids {
                told(published.image.topic_by_id(TopicId::from_bytes(*id.as_bytes())).map(AsRef::as_ref).ok_or_else(
                    || {
                        let mut row = missing(None, ErrorCode::UnknownTopicId);
                        row.topic_id = id;
                        row
                    },
                ));
            }
        }
    }
    response
}

/// What a request asks for; if it has any id, its names do not count (Kafka: `handleTopicMetadataRequest`).
enum Wanted {
    Names(Vec<StrBytes>),
    Ids(Vec<Uuid>),
}

/// Each once, in the order of the request.
fn wanted(topics: Vec<MetadataRequestTopic>) -> Wanted {
    let mut seen = BTreeSet::new();
    let ids = topics.iter().map(|topic| topic.topic_id).filter(|id| *id != Uuid::ZERO);
    let ids: Vec<Uuid> = ids.filter(|id| seen.insert(*id.as_bytes())).collect();
    if !ids.is_empty() {
        return Wanted::Ids(ids);
    }
    let mut seen = BTreeSet::new();
    let names = topics.into_iter().filter_map(|topic| topic.name);
    Wanted::Names(names.filter(|name| seen.insert(name.to_string())).collect())
}

/// Ids count from version 12 on; 10 and 11 have the field, but no broker ever served it. A topic needs a name or an id.
fn is_legal(topic: &MetadataRequestTopic, version: i16) -> bool {
    match (&topic.name, topic.topic_id == Uuid::ZERO) {
        (Some(_), no_id) => no_id || version >= 12,
        (None, no_id) => !no_id && version >= 12,
    }
}

/// The answer to a request that names a topic as its version does not permit.
fn refused_whole(topics: Vec<MetadataRequestTopic>) -> MetadataResponse {
    let mut response = MetadataResponse::default();
    response.controller_id = -1;
    response.cluster_authorized_operations = operations::UNKNOWN;
    response.error_code = ErrorCode::InvalidRequest.code();
    for topic in topics {
        let mut row = missing(Some(topic.name.unwrap_or_default()), ErrorCode::InvalidRequest);
        row.topic_id = topic.topic_id;
        response.topics.push(row);
    }
    response
}

pub(super) fn why_missing(name: &str) -> ErrorCode {
    match TopicName::new(name) {
        Ok(_) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

/// Creates the topics that do not exist; gives those that could not be, with the reason.
async fn create_missing(names: &[StrBytes], published: &Published, services: &Services) -> Vec<(String, ErrorCode)> {
    let mut wanted: Vec<CreateTopic> = Vec::new();
    for name in names {
        let is_new = published.image.topic(name).is_none() && TopicName::new(name).is_ok();
        if is_new && !wanted.iter().any(|topic| topic.name == **name) {
            wanted.push(internal_topics::wanted(name, published, services).unwrap_or_else(|| CreateTopic {
                name: name.to_string(),
                partitions: -1,
                replication_factor: -1,
                assignments: Vec::new(),
                configs: Vec::new(),
            }));
        }
    }
    if wanted.is_empty() {
        return Vec::new();
    }
    let asked: Vec<String> = wanted.iter().map(|topic| topic.name.clone()).collect();
    let created = services
        .control(PATIENCE, |reply| ControllerMessage::CreateTopics { topics: wanted, validate_only: false, reply })
        .await;
    match created {
        Ok(results) => asked
            .into_iter()
            .zip(results)
            .filter_map(|(name, result)| {
                // Somebody else may have been quicker; then it is there.
                let code = result.err()?.code;
                (code != ErrorCode::TopicAlreadyExists).then_some((name, code))
            })
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "topics could not be created on demand");
            asked.into_iter().map(|name| (name, ErrorCode::LeaderNotAvailable)).collect()
        }
    }
}

fn missing(name: Option<StrBytes>, code: ErrorCode) -> MetadataResponseTopic {
    let mut row = MetadataResponseTopic::default();
    row.error_code = code.code();
    row.name = name;
    row.topic_authorized_operations = operations::UNKNOWN;
    row
}

fn row(topic: &TopicImage, published: &Published, services: &Services) -> MetadataResponseTopic {
    let mut row = MetadataResponseTopic::default();
    row.name = Some(StrBytes::from(topic.name.as_str()));
    row.topic_id = Uuid::from_bytes(*topic.id.as_bytes());
    row.is_internal = topic.name.is_internal();
    for (index, partition) in topic.partitions() {
        let mut part = MetadataResponsePartition::default();
        part.partition_index = index.get();
        (part.leader_id, part.error_code) = told_leader(topic, index, partition, published, services);
        part.leader_epoch = partition.leader_epoch.get();
        part.replica_nodes = partition.replicas.iter().map(|broker| broker.get()).collect();
        part.isr_nodes = partition.isr.iter().map(|broker| broker.get()).collect();
        row.partitions.push(part);
    }
    row
}

/// The leader as clients are told it, and the code beside it: one that has been elected here but does not run yet cannot
/// be told.
pub(super) fn told_leader(
    topic: &TopicImage,
    index: PartitionIndex,
    partition: &PartitionImage,
    published: &Published,
    services: &Services,
) -> (i32, i16) {
    let route = published.routes.get(&topic.name);
    let running = partition.leader != Some(services.me) || route.is_some_and(|route| route.leader(index).is_some());
    match partition.leader.filter(|_| running) {
        Some(leader) => (leader.get(), ErrorCode::None.code()),
        None => (-1, ErrorCode::LeaderNotAvailable.code()),
    }
}
