//! OffsetCommit (8), 2-8: keeps how far a group has read. Topics and partitions that do not exist are refused here.

use callboard_coordinator::{Command, CommittedTopic, CommittingPartition, OffsetCommit, Reply, TopicErrors};
use callboard_model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex};
use callboard_wire::messages::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};

use super::ask::{ask, mixed_up};
use super::{instance, kept};
use crate::broker::Published;
use crate::gateway::services::Services;

/// Until the coordinator has answered.
const UNDECIDED: i16 = i16::MIN;

pub(in super::super) async fn answer(
    request: OffsetCommitRequest,
    version: i16,
    services: &Services,
) -> OffsetCommitResponse {
    let published = services.now();
    let mut response = OffsetCommitResponse::default();
    let mut topics = Vec::new();
    for topic in &request.topics {
        let (row, known) = split(topic, &published);
        response.topics.push(row);
        topics.extend(known);
    }
    if topics.is_empty() {
        return response;
    }
    let command = Command::OffsetCommit(OffsetCommit {
        group: (&*request.group_id).into(),
        generation: request.generation_id_or_member_epoch,
        member: (&*request.member_id).into(),
        instance: instance(request.group_instance_id.as_ref()),
        retention_ms: if version <= 4 { request.retention_time_ms } else { -1 },
        topics,
        transaction: None,
        api_version: version,
    });
    match ask(services, &request.group_id, command).await {
        Ok(Reply::OffsetCommit(topics)) => fill(&mut response, topics),
        Ok(other) => fill_all(&mut response, mixed_up(&other)),
        Err(code) => fill_all(&mut response, code),
    }
    response
}

/// The row of a topic in the answer, and what of it the coordinator has to decide.
fn split(
    topic: &OffsetCommitRequestTopic,
    published: &Published,
) -> (OffsetCommitResponseTopic, Option<CommittedTopic>) {
    let image = published.image.topic(&topic.name);
    let count = image.map_or(0, |image| image.partition_count());
    let mut row = OffsetCommitResponseTopic::default();
    row.name = topic.name.clone();
    let mut partitions = Vec::new();
    for asked in &topic.partitions {
        let exists = (0..count).contains(&asked.partition_index);
        let mut part = OffsetCommitResponsePartition::default();
        part.partition_index = asked.partition_index;
        part.error_code = if exists { UNDECIDED } else { ErrorCode::UnknownTopicOrPartition.code() };
        row.partitions.push(part);
        if exists {
            let epoch = LeaderEpoch(asked.committed_leader_epoch);
            partitions.push(CommittingPartition {
                partition: PartitionIndex(asked.partition_index),
                offset: Offset(asked.committed_offset),
                leader_epoch: epoch.is_known().then_some(epoch),
                metadata: asked.committed_metadata.as_ref().map(kept),
            });
        }
    }
    let committed = image.filter(|_| !partitions.is_empty()).map(|image| CommittedTopic {
        topic: kept(&topic.name),
        topic_id: image.id,
        partitions,
    });
    (row, committed)
}

/// Puts the coordinator's results, which are in the order of what it was asked, where they belong.
fn fill(response: &mut OffsetCommitResponse, decided: Vec<TopicErrors>) {
    let mut decided = decided.into_iter().flat_map(|topic| topic.partitions);
    for part in undecided(response) {
        let code = decided
            .next()
            .filter(|decided| decided.partition.get() == part.partition_index)
            .map_or(ErrorCode::UnknownServerError, |decided| decided.error);
        part.error_code = code.code();
    }
}

fn fill_all(response: &mut OffsetCommitResponse, code: ErrorCode) {
    undecided(response).for_each(|part| part.error_code = code.code());
}

fn undecided(response: &mut OffsetCommitResponse) -> impl Iterator<Item = &mut OffsetCommitResponsePartition> {
    let all = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    all.filter(|part| part.error_code == UNDECIDED)
}
