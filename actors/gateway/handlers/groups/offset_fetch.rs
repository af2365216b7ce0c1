//! OffsetFetch (9), 1-8: how far groups have read; from version 8 on several groups at once, each asked of its own
//! coordinator.

use callboard_coordinator::{Command, FetchedOffsets, FetchedTopic, OffsetFetch, OffsetFetchReply, Reply};
use callboard_model::{ErrorCode, Offset, PartitionIndex, TopicId};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};

use super::ask::{Room, ask, each, mixed_up};
use super::kept;
use crate::broker::Published;
use crate::gateway::services::Services;

pub(in super::super) async fn answer(
    request: OffsetFetchRequest,
    version: i16,
    services: &Services,
) -> OffsetFetchResponse {
    let published = services.now();
    let require_stable = request.require_stable;
    let groups = if version < 8 { vec![only_group(request)] } else { request.groups };
    let (published, room) = (&published, &Room::new());
    let mut response = OffsetFetchResponse::default();
    response.groups = each(&groups, |group| one(group, version, require_stable, published, room, services)).await;
    response
}

/// The one group of a request before version 8, in the form of the later ones.
fn only_group(request: OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let mut group = OffsetFetchRequestGroup::default();
    group.group_id = request.group_id;
    group.topics = request.topics.map(|topics| {
        topics
            .into_iter()
            .map(|topic| {
                let mut row = OffsetFetchRequestTopics::default();
                row.name = topic.name;
                row.partition_indexes = topic.partition_indexes;
                row
            })
            .collect()
    });
    group
}

async fn one(
    group: &OffsetFetchRequestGroup,
    version: i16,
    require_stable: bool,
    published: &Published,
    room: &Room,
    services: &Services,
) -> OffsetFetchResponseGroup {
    let wanted = group.topics.as_ref().map(|topics| {
        topics
            .iter()
            .map(|topic| FetchedTopic {
                topic: kept(&topic.name),
                topic_id: published.image.topic(&topic.name).map_or(TopicId::ZERO, |image| image.id),
                partitions: topic.partition_indexes.iter().copied().map(PartitionIndex).collect(),
            })
            .collect()
    });
    let command = Command::OffsetFetch(OffsetFetch {
        group: (&*group.group_id).into(),
        member: group.member_id.as_deref().map(Into::into),
        member_epoch: group.member_epoch,
        topics: wanted,
        require_stable,
    });
    let reply = match ask(services, &group.group_id, command).await {
        Ok(Reply::OffsetFetch(reply)) if room.take(size(&reply)) => reply,
        Ok(Reply::OffsetFetch(_)) => OffsetFetchReply { error: ErrorCode::UnknownServerError, topics: Vec::new() },
        Ok(other) => OffsetFetchReply { error: mixed_up(&other), topics: Vec::new() },
        Err(code) => OffsetFetchReply { error: code, topics: Vec::new() },
    };
    let mut row = OffsetFetchResponseGroup::default();
    row.group_id = group.group_id.clone();
    row.error_code = reply.error.code();
    row.topics = match reply.error {
        ErrorCode::None => reply.topics.into_iter().map(found).collect(),
        // Version 1 has no field for the group's error: every partition asked for carries it.
        code if version < 2 => group.topics.iter().flatten().map(|topic| repeated(topic, code)).collect(),
        _ => Vec::new(),
    };
    row
}

/// Bytes that a group's row takes in memory, roughly.
fn size(reply: &OffsetFetchReply) -> usize {
    let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
    128 * reply.topics.len() + partitions.map(|partition| 112 + partition.metadata.len()).sum::<usize>()
}

fn found(topic: FetchedOffsets) -> OffsetFetchResponseTopics {
    let mut row = OffsetFetchResponseTopics::default();
    row.name = StrBytes::from(&*topic.topic);
    row.partitions = topic
        .partitions
        .into_iter()
        .map(|partition| {
            let mut part = OffsetFetchResponsePartitions::default();
            part.partition_index = partition.partition.get();
            part.committed_offset = partition.offset.get();
            part.committed_leader_epoch = partition.leader_epoch.map_or(-1, |epoch| epoch.get());
            part.metadata = Some(StrBytes::from(&*partition.metadata));
            part.error_code = partition.error.code();
            part
        })
        .collect();
    row
}

fn repeated(topic: &OffsetFetchRequestTopics, code: ErrorCode) -> OffsetFetchResponseTopics {
    let mut row = OffsetFetchResponseTopics::default();
    row.name = topic.name.clone();
    row.partitions = topic
        .partition_indexes
        .iter()
        .map(|index| {
            let mut part = OffsetFetchResponsePartitions::default();
            part.partition_index = *index;
            part.committed_offset = Offset::NONE.get();
            part.error_code = code.code();
            part
        })
        .collect();
    row
}
