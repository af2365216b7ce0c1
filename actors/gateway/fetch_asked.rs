//! What a fetch request reads: its partitions, or those of its session, and who leads them here.

use callboard_gateway::{Asked, Begun, SessionRequest, TopicRef};
use callboard_model::{ErrorCode, PartitionIndex};
use callboard_wire::fetch::{FetchRequest, TOPIC_IDS_SINCE, TopicKey};

use super::fetching::{Absent, Place, Role};
use super::produce::unknown;
use super::services::Services;
use crate::broker::{LeaderRoute, Published, TopicRoute};

/// What a request comes to.
pub(super) struct Plan {
    pub(super) role: Role,
    /// In the order in which they are read.
    pub(super) places: Vec<Place>,
}

/// Takes what the request says into its session, or says why it is refused as a whole.
pub(super) fn plan(request: &FetchRequest, version: i16, services: &Services) -> Result<Plan, ErrorCode> {
    if request.replica_id >= 0 {
        // Replication between our own nodes does not go through this port.
        return Err(ErrorCode::InvalidRequest);
    }
    let published = services.published.borrow();
    let asked = asked(request, &published);
    let forgotten: Vec<(TopicRef, PartitionIndex)> = request
        .forgotten
        .iter()
        .flat_map(|forgotten| {
            let topic = reference(&forgotten.topic);
            forgotten.partitions.iter().map(move |partition| (topic.clone(), *partition))
        })
        .collect();
    let by_id = version >= TOPIC_IDS_SINCE;
    let session = SessionRequest { id: request.session_id, epoch: request.session_epoch, by_id };
    let (role, asked) = match services.sessions.begin(session, &asked, &forgotten, services.clock.tick()) {
        Begun::Sessionless => (Role::Sessionless, asked),
        Begun::Full => (Role::Full, asked),
        Begun::Incremental(followup, all) => (Role::Incremental(followup), all),
        Begun::Refused(error) => return Err(error),
    };
    Ok(Plan { role, places: located(asked, &published) })
}

/// A session outlives the frame that names share, so they are copied, once for each topic.
fn reference(topic: &TopicKey) -> TopicRef {
    match topic {
        TopicKey::Name(name) => TopicRef::Name((&**name).into()),
        TopicKey::Id(id) => TopicRef::Id(*id),
    }
}

fn asked(request: &FetchRequest, published: &Published) -> Vec<Asked> {
    let mut asked = Vec::with_capacity(request.topics.iter().map(|topic| topic.partitions.len()).sum());
    for topic in &request.topics {
        let reference = reference(&topic.topic);
        let name = match reference {
            TopicRef::Id(id) => published.image.topic_by_id(id).map(|topic| topic.name.clone()),
            TopicRef::Name(_) => None,
        };
        for partition in &topic.partitions {
            asked.push(Asked {
                topic: reference.clone(),
                name: name.clone(),
                partition: partition.index,
                offset: partition.offset,
                max_bytes: partition.max_bytes,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
            });
        }
    }
    asked
}

/// Finds the leaders. Partitions of one topic mostly stand together: each run is looked up once.
fn located(asked: Vec<Asked>, published: &Published) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(asked.len());
    let mut route: Result<Option<&TopicRoute>, Absent> = Ok(None);
    for asked in asked {
        let same = places.last().is_some_and(|last| last.asked.topic == asked.topic && last.asked.name == asked.name);
        if !same {
            route = topic_route(&asked, published);
        }
        places.push(Place { route: route.and_then(|route| leader(route, &asked)), asked });
    }
    places
}

/// The topic's leaders here. A topic that was deleted is unknown; one that was made anew under the same name is another
/// (Kafka: `KafkaApis.handleFetchRequest`, `ReplicaManager.readFromLog`).
fn topic_route<'a>(asked: &Asked, published: &'a Published) -> Result<Option<&'a TopicRoute>, Absent> {
    let route = |name: &str| published.routes.get(name).map(AsRef::as_ref);
    match (&asked.topic, &asked.name) {
        (TopicRef::Name(name), _) => Ok(route(name)),
        (TopicRef::Id(id), Some(name)) => match route(name.as_str()) {
            Some(route) if route.id != *id => Err(Absent::Elsewhere(ErrorCode::InconsistentTopicId)),
            route => Ok(route),
        },
        (TopicRef::Id(id), None) => match published.image.topic_by_id(*id) {
            // It came to be after the session first asked for it.
            Some(topic) => Ok(route(topic.name.as_str())),
            None => Err(Absent::Unknown(ErrorCode::UnknownTopicId)),
        },
    }
}

fn leader(route: Option<&TopicRoute>, asked: &Asked) -> Result<LeaderRoute, Absent> {
    let leader = route.and_then(|route| route.leader(asked.partition));
    leader.cloned().ok_or_else(|| match unknown(route, asked.partition) {
        code @ ErrorCode::UnknownTopicOrPartition => Absent::Unknown(code),
        code => Absent::Elsewhere(code),
    })
}
