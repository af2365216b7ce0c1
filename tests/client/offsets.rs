//! The calls of committed offsets. Error codes are unjudged.

use callboard_model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex};
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetDeleteRequest,
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetFetchRequest, OffsetFetchRequestGroup,
    OffsetFetchRequestTopics, Request, Response,
};

use crate::client::{code, incomplete, text};
use crate::{Client, ClientError, Place};

/// How far a group has read in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
    /// [`Offset::NONE`] if nothing is known.
    pub offset: Offset,
    /// As it was committed, or -1.
    pub leader_epoch: LeaderEpoch,
    /// What was kept beside it.
    pub metadata: String,
    /// [`ErrorCode::None`] if it may be used.
    pub error: ErrorCode,
}

impl Client {
    /// Keeps positions: topic, partition, offset and a text; what became of each.
    pub fn commit_offsets(
        &mut self,
        place: Place<'_>,
        positions: &[(&str, i32, i64, &str)],
    ) -> Result<Vec<ErrorCode>, ClientError> {
        let key = ApiKey::OffsetCommit;
        let mut request = OffsetCommitRequest::default();
        request.group_id = text(place.group);
        request.generation_id_or_member_epoch = place.generation;
        request.member_id = text(place.member);
        request.group_instance_id = place.instance.map(text);
        request.topics = positions
            .iter()
            .map(|(topic, partition, offset, metadata)| {
                let mut position = OffsetCommitRequestPartition::default();
                position.partition_index = *partition;
                position.committed_offset = *offset;
                position.committed_metadata = Some(text(metadata));
                let mut row = OffsetCommitRequestTopic::default();
                row.name = text(topic);
                row.partitions = vec![position];
                row
            })
            .collect();
        let Response::OffsetCommit(answer) = self.call_newest(&Request::OffsetCommit(request))? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        let each = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let codes: Vec<ErrorCode> = each.map(|one| code(key, one.error_code)).collect::<Result<_, _>>()?;
        if codes.len() == positions.len() { Ok(codes) } else { Err(incomplete(key, "every partition")) }
    }

    /// How far a group has read: in some partitions, or `None` for all that there is.
    pub fn fetch_offsets(
        &mut self,
        group: &str,
        topics: Option<&[(&str, &[i32])]>,
    ) -> Result<Result<Vec<CommittedOffset>, ErrorCode>, ClientError> {
        let key = ApiKey::OffsetFetch;
        let mut asked = OffsetFetchRequestGroup::default();
        asked.group_id = text(group);
        asked.topics = topics.map(|topics| {
            let row = |(topic, partitions): &(&str, &[i32])| {
                let mut row = OffsetFetchRequestTopics::default();
                row.name = text(topic);
                row.partition_indexes = partitions.to_vec();
                row
            };
            topics.iter().map(row).collect()
        });
        let mut request = OffsetFetchRequest::default();
        request.groups = vec![asked];
        let Response::OffsetFetch(answer) = self.call_newest(&Request::OffsetFetch(request))? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        let answer = answer.groups.into_iter().next().ok_or_else(|| incomplete(key, group))?;
        let refused = code(key, answer.error_code)?;
        if refused != ErrorCode::None {
            return Ok(Err(refused));
        }
        let mut positions = Vec::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                positions.push(CommittedOffset {
                    topic: topic.name.to_string(),
                    partition: PartitionIndex(partition.partition_index),
                    offset: Offset(partition.committed_offset),
                    leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
                    metadata: partition.metadata.map(|text| text.to_string()).unwrap_or_default(),
                    error: code(key, partition.error_code)?,
                });
            }
        }
        Ok(Ok(positions))
    }

    /// Forgets positions; the error of the whole, or what became of each.
    pub fn delete_offsets(
        &mut self,
        group: &str,
        positions: &[(&str, i32)],
    ) -> Result<Result<Vec<ErrorCode>, ErrorCode>, ClientError> {
        let key = ApiKey::OffsetDelete;
        let mut request = OffsetDeleteRequest::default();
        request.group_id = text(group);
        request.topics = positions
            .iter()
            .map(|(topic, partition)| {
                let mut position = OffsetDeleteRequestPartition::default();
                position.partition_index = *partition;
                let mut row = OffsetDeleteRequestTopic::default();
                row.name = text(topic);
                row.partitions = vec![position];
                row
            })
            .collect();
        let Response::OffsetDelete(answer) = self.call_newest(&Request::OffsetDelete(request))? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        Ok(match code(key, answer.error_code)? {
            ErrorCode::None => {
                let each = answer.topics.iter().flat_map(|topic| &topic.partitions);
                Ok(each.map(|one| code(key, one.error_code)).collect::<Result<_, _>>()?)
            }
            refused => Err(refused),
        })
    }
}
