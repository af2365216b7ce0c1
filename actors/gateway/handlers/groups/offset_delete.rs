//! OffsetDelete (47), 0: forgets how far a group has read in topics that nobody of it reads any more (KIP-496).

use std::sync::Arc;

use callboard_coordinator::{Command, OffsetDelete, OffsetDeleteReply, Reply};
use callboard_model::{ErrorCode, PartitionIndex};
use callboard_wire::messages::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::ask::{ask, mixed_up};
use super::kept;
use crate::gateway::services::Services;

/// Until the coordinator has answered.
const UNDECIDED: i16 = i16::MIN;

pub(in super::super) async fn answer(request: OffsetDeleteRequest, services: &Services) -> OffsetDeleteResponse {
    let published = services.now();
    let mut response = OffsetDeleteResponse::default();
    let mut topics: Vec<(Arc<str>, Vec<PartitionIndex>)> = Vec::new();
    for topic in &request.topics {
        let count = published.image.topic(&topic.name).map_or(0, |image| image.partition_count());
        let mut row = OffsetDeleteResponseTopic::default();
        row.name = topic.name.clone();
        let mut known = Vec::new();
        for asked in &topic.partitions {
            let exists = (0..count).contains(&asked.partition_index);
            let mut part = OffsetDeleteResponsePartition::default();
            part.partition_index = asked.partition_index;
            part.error_code = if exists { UNDECIDED } else { ErrorCode::UnknownTopicOrPartition.code() };
            row.partitions.push(part);
            known.extend(exists.then_some(PartitionIndex(asked.partition_index)));
        }
        response.topics.push(row);
        if !known.is_empty() {
            topics.push((kept(&topic.name), known));
        }
    }
    // Also without a topic that exists: whether the group does is told in any case.
    let command = Command::OffsetDelete(OffsetDelete { group: (&*request.group_id).into(), topics });
    let reply = match ask(services, &request.group_id, command).await {
        Ok(Reply::OffsetDelete(reply)) => reply,
        Ok(other) => OffsetDeleteReply { error: mixed_up(&other), topics: Vec::new() },
        Err(code) => OffsetDeleteReply { error: code, topics: Vec::new() },
    };
    if reply.error != ErrorCode::None {
        response.error_code = reply.error.code();
        response.topics.clear();
        return response;
    }
    let mut decided = reply.topics.into_iter().flat_map(|topic| topic.partitions);
    for part in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if part.error_code == UNDECIDED {
            let code = decided
                .next()
                .filter(|decided| decided.partition.get() == part.partition_index)
                .map_or(ErrorCode::UnknownServerError, |decided| decided.error);
            part.error_code = code.code();
        }
    }
    response
}
