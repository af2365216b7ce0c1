//! The answer to a fetch: which partitions it names, and how.

use callboard_gateway::{Finished, TopicRef};
use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::fetch::{
    FetchResponse, PartitionFetched, REDIRECTS_SINCE, TOPIC_IDS_SINCE, TopicFetched, TopicKey,
};

use super::fetching::{Caller, Place, Role, seen};
use super::redirect::Redirects;
use super::services::Services;

/// Tells the session what was found: its id, and for each row whether it is answered; `None` answers all.
pub(super) fn remember(
    role: Role,
    version: i16,
    places: &[Place],
    rows: &[PartitionFetched],
    services: &Services,
) -> Result<(i32, Option<Vec<bool>>), ErrorCode> {
    match role {
        Role::Sessionless => Ok((0, None)),
        Role::Full => {
            let all = places.iter().zip(rows).map(|(place, row)| (&place.asked, seen(row)));
            Ok((services.sessions.create(version >= TOPIC_IDS_SINCE, all, services.clock.tick()), None))
        }
        Role::Incremental(followup) => {
            let all: Vec<_> = rows.iter().map(seen).collect();
            match services.sessions.finish(followup, &all) {
                Finished::Changed(told) => Ok((followup.id, Some(told))),
                Finished::Gone => Ok((followup.id, None)),
                Finished::Refused(error) => Err(error),
            }
        }
    }
}

/// Rows of one topic that stand together become one topic, as in Kafka; a session's order may name a topic twice.
pub(super) fn response(
    session_id: i32,
    places: Vec<Place>,
    rows: Vec<PartitionFetched>,
    told: Option<&[bool]>,
    caller: Caller,
    services: &Services,
) -> FetchResponse {
    let mut response = FetchResponse {
        throttle_time_ms: 0,
        error: ErrorCode::None,
        session_id,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    };
    let redirected = caller.version >= REDIRECTS_SINCE && rows.iter().any(|row| row.error != ErrorCode::None);
    let published = redirected.then(|| services.now());
    let mut redirects = published.as_ref().map(Redirects::new);
    let mut current: Option<TopicRef> = None;
    for (at, (place, mut row)) in places.into_iter().zip(rows).enumerate() {
        if told.is_some_and(|told| !told.get(at).copied().unwrap_or(true)) {
            continue;
        }
        let asked = place.asked;
        if let Some(redirects) = &mut redirects {
            let name = match &asked.topic {
                TopicRef::Name(name) => Some(&**name),
                TopicRef::Id(_) => asked.name.as_ref().map(|name| name.as_str()),
            };
            row.current_leader = name.and_then(|name| redirects.leader(row.error, name, asked.partition));
        }
        if current.as_ref() != Some(&asked.topic) {
            response.topics.push(TopicFetched { topic: key(&asked.topic), partitions: Vec::new() });
            current = Some(asked.topic);
        }
        if let Some(topic) = response.topics.last_mut() {
            topic.partitions.push(row);
        }
    }
    if let Some(redirects) = redirects {
        response.node_endpoints = redirects.endpoints(caller.local, services);
    }
    response
}

fn key(topic: &TopicRef) -> TopicKey {
    match topic {
        TopicRef::Name(name) => TopicKey::Name(StrBytes::from(name.to_string())),
        TopicRef::Id(id) => TopicKey::Id(*id),
    }
}
