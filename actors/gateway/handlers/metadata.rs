//! Metadata (3), 0-9: brokers, topics, leaders; creates what is asked for by name where that is allowed.
//!
//! A topic that does not exist is created *before* the answer, with its leaders running: clients that take "no leader
//! yet" for a fatal error work too.

use std::net::SocketAddr;

use callboard_controller::{BrokerImage, CreateTopic, TopicImage};
use callboard_model::{ErrorCode, TopicName};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic, Uuid,
};

use super::{PATIENCE, internal_topics};
use crate::broker::Published;
use crate::controller::ControllerMessage;
use crate::gateway::services::Services;

/// Kafka's word for "authorised operations were not asked for".
pub(super) const OPERATIONS_UNKNOWN: i32 = i32::MIN;

pub(super) async fn answer(
    request: MetadataRequest,
    version: i16,
    local: Option<SocketAddr>,
    services: &Services,
) -> MetadataResponse {
    // v0 says "all" by an empty list, later versions by none.
    let names = match request.topics {
        None => None,
        Some(topics) if topics.is_empty() && version == 0 => None,
        Some(topics) => Some(topics.into_iter().map(|topic| topic.name).collect::<Vec<_>>()),
    };
    let mut published = services.now();
    let mut refused = Vec::new();
    if let Some(names) = &names {
        let create = services.config.auto_create_topics && (version < 4 || request.allow_auto_topic_creation);
        if create {
            refused = create_missing(names, &published, services).await;
            published = services.now();
        }
    }
    let mut response = MetadataResponse::default();
    response.cluster_id = Some(StrBytes::from(&*services.cluster.0));
    response.cluster_authorized_operations = OPERATIONS_UNKNOWN;
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
    match names {
        None => response.topics = published.image.topics().map(|topic| row(topic, &published, services)).collect(),
        Some(names) => {
            for name in names {
                let text = name.as_deref().unwrap_or_default();
                response.topics.push(match published.image.topic(text) {
                    Some(topic) => row(topic, &published, services),
                    None => {
                        let code = refused.iter().find(|(n, _)| n == text).map(|(_, code)| *code);
                        missing(name.clone(), code.unwrap_or_else(|| why_missing(text)))
                    }
                });
            }
        }
    }
    response
}

/// Where clients of this listener reach a broker: the advertised address, else for this node the address that the
/// client itself has reached it by.
pub(super) fn address(broker: &BrokerImage, local: Option<SocketAddr>, services: &Services) -> (String, u16) {
    if broker.id == services.me {
        match (&services.config.advertised, local) {
            (Some((host, port)), _) => return (host.clone(), *port),
            // An IPv4 client of a dual-stack socket shows as a mapped address, which nobody would dial.
            (None, Some(local)) => return (local.ip().to_canonical().to_string(), local.port()),
            (None, None) => {}
        }
    }
    broker.endpoints.first().map_or((String::new(), 0), |endpoint| (endpoint.host.clone(), endpoint.port))
}

fn why_missing(name: &str) -> ErrorCode {
    match TopicName::new(name) {
        Ok(_) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

/// Creates the topics that do not exist; gives those that could not be, with the reason.
async fn create_missing(
    names: &[Option<StrBytes>],
    published: &Published,
    services: &Services,
) -> Vec<(String, ErrorCode)> {
    let mut wanted: Vec<CreateTopic> = Vec::new();
    for name in names.iter().flatten() {
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
    row.topic_authorized_operations = OPERATIONS_UNKNOWN;
    row
}

fn row(topic: &TopicImage, published: &Published, services: &Services) -> MetadataResponseTopic {
    let mut row = MetadataResponseTopic::default();
    row.name = Some(StrBytes::from(topic.name.as_str()));
    row.topic_id = Uuid::from_bytes(*topic.id.as_bytes());
    row.is_internal = topic.name.is_internal();
    row.topic_authorized_operations = OPERATIONS_UNKNOWN;
    let route = published.routes.get(&topic.name);
    for (index, partition) in topic.partitions() {
        let mut part = MetadataResponsePartition::default();
        part.partition_index = index.get();
        // A leader that has been elected here but does not run yet cannot be told to clients.
        let running = partition.leader != Some(services.me) || route.is_some_and(|route| route.leader(index).is_some());
        part.leader_id = partition.leader.filter(|_| running).map_or(-1, |leader| leader.get());
        part.error_code = if part.leader_id < 0 { ErrorCode::LeaderNotAvailable } else { ErrorCode::None }.code();
        part.leader_epoch = partition.leader_epoch.get();
        part.replica_nodes = partition.replicas.iter().map(|broker| broker.get()).collect();
        part.isr_nodes = partition.isr.iter().map(|broker| broker.get()).collect();
        row.partitions.push(part);
    }
    row
}
