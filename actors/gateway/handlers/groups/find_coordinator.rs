//! FindCoordinator (10), 0-4: which node coordinates a group; from version 4 on for many groups at once (KIP-699). The
//! first who asks has `__consumer_offsets` made, and is answered when its leaders run.

use std::net::SocketAddr;

use callboard_coordinator::partition_of;
use callboard_model::{CONSUMER_OFFSETS, ErrorCode};
use callboard_wire::StrBytes;
use callboard_wire::messages::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

use crate::broker::Published;
use crate::controller::ControllerMessage;
use crate::gateway::address::address;
use crate::gateway::handlers::{PATIENCE, internal_topics};
use crate::gateway::services::Services;

/// Kafka's numbers of the kinds of keys.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// From this version on a request names many keys (KIP-699).
const MANY_KEYS_SINCE: i16 = 4;

/// A code and words for people.
type Refused = (ErrorCode, &'static str);

pub(in super::super) async fn answer(
    request: FindCoordinatorRequest,
    version: i16,
    local: Option<SocketAddr>,
    services: &Services,
) -> FindCoordinatorResponse {
    let keys = if version < MANY_KEYS_SINCE { vec![request.key] } else { request.coordinator_keys };
    let found = match request.key_type {
        GROUP if keys.is_empty() => Ok(services.now()),
        GROUP => with_topic(services).await,
        TRANSACTION => Err((no_transactions(version), "transactions are not served")),
        _ => Err((ErrorCode::InvalidRequest, "the key type is unknown")),
    };
    let mut response = FindCoordinatorResponse::default();
    response.coordinators = keys
        .into_iter()
        .map(|key| {
            let place = found.as_ref().map_err(|refused| *refused);
            match place.and_then(|published| place_of(&key, published, local, services)) {
                Ok((host, port, node)) => row(key, host, port, node),
                Err(refused) => refusal(key, refused),
            }
        })
        .collect();
    response
}

/// A code that the clients of a version take for final. On others they ask again for a minute, and then say no more than
/// that the time is up.
///
/// Java and franz-go look up many at once; they give up on any code that is not retriable, and show our words. librdkafka
/// looks up one, and gives up only where it lacks the right to (`rd_kafka_txn_handle_FindCoordinator`), with our words.
fn no_transactions(version: i16) -> ErrorCode {
    if version < MANY_KEYS_SINCE {
        ErrorCode::TransactionalIdAuthorizationFailed
    } else {
        ErrorCode::UnsupportedVersion
    }
}

/// The metadata with `__consumer_offsets` in it.
async fn with_topic(services: &Services) -> Result<Published, Refused> {
    let published = services.now();
    let wanted = internal_topics::wanted(CONSUMER_OFFSETS, &published, services);
    let Some(wanted) = wanted.filter(|_| published.image.topic(CONSUMER_OFFSETS).is_none()) else {
        return Ok(published);
    };
    let not_made = (ErrorCode::CoordinatorNotAvailable, "the topic of consumer groups cannot be made just now");
    let making = services.control(PATIENCE, |reply| ControllerMessage::CreateTopics {
        topics: vec![wanted],
        validate_only: false,
        reply,
    });
    let made = making.await.map_err(|error| {
        tracing::warn!(%error, "{CONSUMER_OFFSETS} could not be made");
        not_made
    })?;
    match made.into_iter().next() {
        // Somebody else may have been quicker; then it is there.
        Some(Err(error)) if error.code != ErrorCode::TopicAlreadyExists => {
            tracing::warn!(code = error.code.name(), message = error.message, "{CONSUMER_OFFSETS} could not be made");
            Err(not_made)
        }
        _ => Ok(services.now()),
    }
}

/// The leader of the group's partition: host, port and node.
fn place_of(
    group: &str,
    published: &Published,
    local: Option<SocketAddr>,
    services: &Services,
) -> Result<(String, u16, i32), Refused> {
    let nobody = (ErrorCode::CoordinatorNotAvailable, "the group's partition has no leader just now");
    let topic = published.image.topic(CONSUMER_OFFSETS).ok_or(nobody)?;
    let index = partition_of(group, topic.partition_count());
    let leader = topic.partition(index).and_then(|partition| partition.leader).ok_or(nobody)?;
    let broker = published.image.broker(leader).ok_or(nobody)?;
    let (host, port) = address(broker, local, services);
    Ok((host, port, leader.get()))
}

fn row(key: StrBytes, host: String, port: u16, node: i32) -> Coordinator {
    let mut row = Coordinator::default();
    row.key = key;
    row.node_id = node;
    row.host = StrBytes::from(host);
    row.port = i32::from(port);
    row
}

fn refusal(key: StrBytes, (code, message): Refused) -> Coordinator {
    let mut row = Coordinator::default();
    row.key = key;
    row.node_id = -1;
    row.port = -1;
    row.error_code = code.code();
    row.error_message = Some(StrBytes::from(message));
    row
}
