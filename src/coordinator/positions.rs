//! OffsetCommit, OffsetFetch, OffsetDelete: a group's positions.

use std::sync::Arc;

use callboard_model::{ErrorCode, Timestamp, TopicId};

use crate::context::Context;
use crate::groups::forget;
use crate::record::{CommittedOffset, TEXT_LEN_MAX};
use crate::{
    CommittedTopic, CommittingPartition, Groups, OffsetCommit, OffsetDelete, OffsetDeleteReply, OffsetFetch,
    OffsetFetchReply, PartitionError, Record, TopicErrors,
};

/// From here on a member of an unknown group is told so (KIP-848).
const GROUP_NOT_FOUND: i16 = 9;
/// "As the node's settings say", for the time to keep a position.
const NO_RETENTION: i64 = -1;

impl Groups {
    /// Decides on positions, all of which are written at once.
    pub(crate) fn commit(&mut self, request: OffsetCommit, ctx: &mut Context<'_>) -> Vec<TopicErrors> {
        if let Err(error) = self.check_commit(&request) {
            return refuse_all(request.topics, error);
        }
        let now = ctx.now.wall;
        let expires = (request.retention_ms != NO_RETENTION)
            .then(|| Timestamp(now.millis().saturating_add(request.retention_ms)));
        let mut records = Vec::new();
        let mut answer = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let partitions = topic.partitions.iter().map(|partition| {
                let error = match metadata_fits(partition, ctx.config.offset_metadata_max_bytes) {
                    true => ErrorCode::None,
                    false => ErrorCode::OffsetMetadataTooLarge,
                };
                if error == ErrorCode::None {
                    records.push(Record::Offset {
                        group: request.group.clone(),
                        topic: topic.topic.clone(),
                        partition: partition.partition,
                        value: Some(position(topic, partition, now, expires)),
                    });
                }
                PartitionError { partition: partition.partition, error }
            });
            let partitions = partitions.collect();
            answer.push(TopicErrors { topic: topic.topic.clone(), partitions });
        }
        if !ctx.has_room_for(&records) {
            return refuse_all(request.topics, ErrorCode::UnknownServerError);
        }
        records.into_iter().for_each(|record| ctx.record(record));
        if let Some(group) = self.groups.get_mut(&request.group) {
            group.keep_alive(&request.member, ctx);
        }
        answer
    }

    fn check_commit(&self, request: &OffsetCommit) -> Result<(), ErrorCode> {
        if request.transaction.is_some() {
            // The place of transactional commits: they will be kept apart until their transaction ends.
            return Err(ErrorCode::UnsupportedVersion);
        }
        if request.group.as_str().len() > TEXT_LEN_MAX {
            return Err(ErrorCode::InvalidRequest);
        }
        if request.topics.iter().any(|topic| topic.topic.len() > TEXT_LEN_MAX) {
            return Err(ErrorCode::InvalidTopicException);
        }
        match self.groups.get(&request.group) {
            Some(group) => group.check_commit(request),
            // Somebody who assigns partitions by itself; the group comes into being with its positions.
            None if request.generation < 0 => Ok(()),
            None if request.api_version >= GROUP_NOT_FOUND => Err(ErrorCode::GroupIdNotFound),
            None => Err(ErrorCode::IllegalGeneration),
        }
    }

    /// Tells positions, -1 where there is none; of an unknown group there is none at all. An answer never waits for
    /// commits of its own: the host holds it back until everything that was written before is committed, which is what
    /// `require_stable` asks for, as far as there are no transactions.
    pub(crate) fn fetch(&self, request: OffsetFetch) -> OffsetFetchReply {
        let none = crate::offsets::Offsets::default();
        let offsets = self.groups.get(&request.group).map_or(&none, |group| &group.offsets);
        OffsetFetchReply { error: ErrorCode::None, topics: offsets.fetch(request.topics) }
    }

    /// Forgets positions that no member of the group reads (KIP-496).
    pub(crate) fn delete_offsets(&mut self, request: OffsetDelete, ctx: &mut Context<'_>) -> OffsetDeleteReply {
        let refuse = |error| OffsetDeleteReply { error, topics: Vec::new() };
        if request.group.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let Some(group) = self.groups.get(&request.group) else { return refuse(ErrorCode::GroupIdNotFound) };
        if let Err(error) = group.check_offset_delete() {
            return refuse(error);
        }
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for (topic, asked) in request.topics {
            let error = match group.is_subscribed_to(&topic) {
                true => ErrorCode::GroupSubscribedToTopic,
                false => ErrorCode::None,
            };
            if error == ErrorCode::None {
                let known = asked.iter().filter(|at| group.offsets.get(&topic, **at).is_some());
                records.extend(known.map(|at| forget(&request.group, &topic, *at)));
            }
            let partitions = asked.into_iter().map(|partition| PartitionError { partition, error }).collect();
            topics.push(TopicErrors { topic, partitions });
        }
        if !ctx.has_room_for(&records) {
            return refuse(ErrorCode::UnknownServerError);
        }
        records.into_iter().for_each(|record| ctx.record(record));
        OffsetDeleteReply { error: ErrorCode::None, topics }
    }
}

fn refuse_all(topics: Vec<CommittedTopic>, error: ErrorCode) -> Vec<TopicErrors> {
    let refuse = |partition: CommittingPartition| PartitionError { partition: partition.partition, error };
    let refuse = |topic: CommittedTopic| TopicErrors {
        topic: topic.topic,
        partitions: topic.partitions.into_iter().map(refuse).collect(),
    };
    topics.into_iter().map(refuse).collect()
}

/// Kafka counts as Java does, in units of UTF-16, which are never more than the bytes.
fn metadata_fits(partition: &CommittingPartition, max: usize) -> bool {
    let Some(metadata) = &partition.metadata else { return true };
    metadata.len() <= TEXT_LEN_MAX && (metadata.len() <= max || metadata.encode_utf16().count() <= max)
}

fn position(
    topic: &CommittedTopic,
    partition: &CommittingPartition,
    committed: Timestamp,
    expires: Option<Timestamp>,
) -> CommittedOffset {
    let metadata: Arc<str> = partition.metadata.clone().unwrap_or_else(|| "".into());
    // The layout with a time of its own has no place for the other two.
    let (leader_epoch, topic_id) =
        if expires.is_some() { (None, TopicId::ZERO) } else { (partition.leader_epoch, topic.topic_id) };
    CommittedOffset { offset: partition.offset, leader_epoch, metadata, committed, expires, topic_id }
}
