//! How far groups have read: listed, set, forgotten.

use callboard_model::LeaderEpoch;
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetDeleteRequest,
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetFetchRequest, OffsetFetchRequestGroup,
    OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponse, Request, Response,
};
use tokio::time::Instant;

use super::asking::{Again, Outcomes, by_topic, other_kind, outcome};
use super::{Admin, Each};
use crate::{ClientError, Target, TopicPartition, retrying};

/// How far a group has read in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// The offset that is read next.
    pub offset: i64,
    /// The epoch of the leader that the record before came from, if known.
    pub leader_epoch: LeaderEpoch,
    /// What the group's members wrote beside it.
    pub metadata: String,
}

impl Admin {
    /// How far a group has read: in these partitions, or in all that it has offsets for. Partitions without an offset are
    /// not in the answer.
    pub async fn list_group_offsets(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Each<TopicPartition, GroupOffset>, ClientError> {
        let deadline = self.deadline();
        let what = format!("fetching offsets of group '{group}'");
        let fetched = retrying(&what, self.cluster().options(), deadline, || async move {
            let fetched = self.fetch_offsets(group, partitions, deadline).await;
            self.heed(group, &fetched);
            fetched
        });
        fetched.await.map(Each::new)
    }

    async fn fetch_offsets(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
        deadline: Instant,
    ) -> Result<Outcomes<TopicPartition, GroupOffset>, ClientError> {
        let key = ApiKey::OffsetFetch;
        let coordinator = self.cluster().coordinator(group, deadline).await?;
        let build = |version| offset_fetch(version, group, partitions);
        let answer = self.ask_one(Target::Broker(coordinator), key, deadline, build).await?;
        let Response::OffsetFetch(answer) = answer else { return Err(other_kind(key)) };
        read_offsets(&answer, group)
    }

    /// Sets how far a group has read. The group must have no members: a group that has is refused with UNKNOWN_MEMBER_ID.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, i64)],
    ) -> Each<TopicPartition, ()> {
        let deadline = self.deadline();
        let items = offsets.iter().map(|(partition, _)| partition.clone()).collect();
        // Committing the same offset twice is committing it once.
        self.rounds(items, Again::Always, deadline, |open| async move {
            let outcomes = match self.commit_offsets(group, &open, offsets, deadline).await {
                Ok(outcomes) => outcomes,
                Err(error) => Self::all_failed(open, &error),
            };
            outcomes.iter().for_each(|(_, outcome)| self.heed(group, outcome));
            outcomes
        })
        .await
    }

    async fn commit_offsets(
        &self,
        group: &str,
        open: &[TopicPartition],
        offsets: &[(TopicPartition, i64)],
        deadline: Instant,
    ) -> Result<Outcomes<TopicPartition, ()>, ClientError> {
        let key = ApiKey::OffsetCommit;
        let coordinator = self.cluster().coordinator(group, deadline).await?;
        let wanted = |partition: &TopicPartition| {
            offsets.iter().find(|(of, _)| of == partition).map_or(0, |(_, offset)| *offset)
        };
        let build = |_| {
            let mut request = OffsetCommitRequest::default();
            request.group_id = group.into();
            // No member commits here: what an operator sets is "simple" offsets storage.
            request.generation_id_or_member_epoch = -1;
            request.retention_time_ms = -1;
            let topics = by_topic(open).into_iter().map(|(name, indexes)| {
                let mut topic = OffsetCommitRequestTopic::default();
                topic.name = (&*name).into();
                let partition = |index: i32| {
                    let mut partition = OffsetCommitRequestPartition::default();
                    partition.partition_index = index;
                    partition.committed_offset = wanted(&TopicPartition { topic: name.clone(), partition: index });
                    partition.committed_leader_epoch = -1;
                    partition.committed_metadata = Some("".into());
                    partition
                };
                topic.partitions = indexes.into_iter().map(partition).collect();
                topic
            });
            request.topics = topics.collect();
            Request::OffsetCommit(request)
        };
        let answer = self.ask_one(Target::Broker(coordinator), key, deadline, build).await?;
        let Response::OffsetCommit(answer) = answer else { return Err(other_kind(key)) };
        let outcomes = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|one| outcome_in(group, &topic.name, one.partition_index, one.error_code))
        });
        Ok(outcomes.collect())
    }

    /// Forgets how far a group has read in partitions; refused for topics that members of the group read
    /// (GROUP_SUBSCRIBED_TO_TOPIC).
    pub async fn delete_group_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Each<TopicPartition, ()> {
        let deadline = self.deadline();
        self.rounds(partitions.to_vec(), Again::Always, deadline, |open| async move {
            let outcomes = match self.forget_offsets(group, &open, deadline).await {
                Ok(outcomes) => outcomes,
                Err(error) => Self::all_failed(open, &error),
            };
            outcomes.iter().for_each(|(_, outcome)| self.heed(group, outcome));
            outcomes
        })
        .await
    }

    async fn forget_offsets(
        &self,
        group: &str,
        open: &[TopicPartition],
        deadline: Instant,
    ) -> Result<Outcomes<TopicPartition, ()>, ClientError> {
        let key = ApiKey::OffsetDelete;
        let coordinator = self.cluster().coordinator(group, deadline).await?;
        let build = |_| {
            let mut request = OffsetDeleteRequest::default();
            request.group_id = group.into();
            let topics = by_topic(open).into_iter().map(|(name, indexes)| {
                let mut topic = OffsetDeleteRequestTopic::default();
                topic.name = (&*name).into();
                let partition = |index: i32| {
                    let mut partition = OffsetDeleteRequestPartition::default();
                    partition.partition_index = index;
                    partition
                };
                topic.partitions = indexes.into_iter().map(partition).collect();
                topic
            });
            request.topics = topics.collect();
            Request::OffsetDelete(request)
        };
        let answer = self.ask_one(Target::Broker(coordinator), key, deadline, build).await?;
        let Response::OffsetDelete(answer) = answer else { return Err(other_kind(key)) };
        outcome(answer.error_code, format!("group '{group}'"), None)?;
        let outcomes = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|one| outcome_in(group, &topic.name, one.partition_index, one.error_code))
        });
        Ok(outcomes.collect())
    }
}

/// What became of a group's offset in one partition.
fn outcome_in(group: &str, topic: &str, partition: i32, code: i16) -> (TopicPartition, Result<(), ClientError>) {
    let place = TopicPartition { topic: topic.into(), partition };
    let about = format!("offset of group '{group}' in {place}");
    (place, outcome(code, about, None))
}

fn offset_fetch(version: i16, group: &str, partitions: Option<&[TopicPartition]>) -> Request {
    let topics = partitions.map(by_topic);
    let mut request = OffsetFetchRequest::default();
    // Offsets whose transaction is open are waited for (KIP-447).
    request.require_stable = version >= 7;
    if version >= 8 {
        let mut asked = OffsetFetchRequestGroup::default();
        asked.group_id = group.into();
        asked.topics = topics.map(|topics| {
            let topic = |(name, indexes): (std::sync::Arc<str>, Vec<i32>)| {
                let mut topic = OffsetFetchRequestTopics::default();
                topic.name = (&*name).into();
                topic.partition_indexes = indexes;
                topic
            };
            topics.into_iter().map(topic).collect()
        });
        request.groups = vec![asked];
    } else {
        request.group_id = group.into();
        request.topics = topics.map(|topics| {
            let topic = |(name, indexes): (std::sync::Arc<str>, Vec<i32>)| {
                let mut topic = OffsetFetchRequestTopic::default();
                topic.name = (&*name).into();
                topic.partition_indexes = indexes;
                topic
            };
            topics.into_iter().map(topic).collect()
        });
    }
    Request::OffsetFetch(request)
}

fn read_offsets(
    answer: &OffsetFetchResponse,
    group: &str,
) -> Result<Outcomes<TopicPartition, GroupOffset>, ClientError> {
    outcome(answer.error_code, format!("offsets of group '{group}'"), None)?;
    let mut outcomes = Vec::new();
    let mut read = |topic: &str, index: i32, code: i16, offset: i64, epoch: i32, metadata: Option<&str>| {
        let (place, outcome) = outcome_in(group, topic, index, code);
        if outcome.is_ok() && offset < 0 {
            return;
        }
        let metadata = metadata.unwrap_or_default().to_owned();
        let found = outcome.map(|()| GroupOffset { offset, leader_epoch: LeaderEpoch(epoch), metadata });
        outcomes.push((place, found));
    };
    for topic in &answer.topics {
        for one in &topic.partitions {
            let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
            read(&topic.name, one.partition_index, one.error_code, offset, epoch, one.metadata.as_deref());
        }
    }
    for asked in answer.groups.iter().filter(|asked| asked.group_id.as_str() == group) {
        outcome(asked.error_code, format!("offsets of group '{group}'"), None)?;
        for topic in &asked.topics {
            for one in &topic.partitions {
                let (offset, epoch) = (one.committed_offset, one.committed_leader_epoch);
                read(&topic.name, one.partition_index, one.error_code, offset, epoch, one.metadata.as_deref());
            }
        }
    }
    outcomes.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(outcomes)
}
