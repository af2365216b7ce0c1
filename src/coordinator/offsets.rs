//! The positions that one group has committed, and which of them may go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use callboard_model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

use crate::record::CommittedOffset;
use crate::{FetchedOffset, FetchedOffsets, FetchedTopic};

/// Offset of a partition without a position.
const NO_OFFSET: Offset = Offset(-1);

/// Positions by topic and partition; all of it is durable. Those of open transactions will stand beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Offsets {
    topics: BTreeMap<Arc<str>, BTreeMap<PartitionIndex, CommittedOffset>>,
}

/// From when on the positions of a group grow old (KIP-211).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aging {
    /// They do not.
    Never,
    /// From each one's commit.
    SinceCommit,
    /// From the moment when the group became empty, if that is known, else from each one's commit.
    Since(Option<Timestamp>),
}

impl Aging {
    /// Whether a position has had its time. One with a time of its own, asked for by an old client, keeps that.
    fn is_over(self, position: &CommittedOffset, now: Timestamp, retention: Duration) -> bool {
        let since = match (self, position.expires) {
            (Self::Never, _) => return false,
            (_, Some(expires)) => return now >= expires,
            (Self::SinceCommit, None) => position.committed,
            (Self::Since(since), None) => since.unwrap_or(position.committed),
        };
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        now.millis().saturating_sub(since.millis()) >= retention
    }
}

impl Offsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.topics.values().map(BTreeMap::len).sum()
    }

    pub(crate) fn get(&self, topic: &str, partition: PartitionIndex) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    pub(crate) fn set(&mut self, topic: &Arc<str>, partition: PartitionIndex, position: Option<CommittedOffset>) {
        if let Some(position) = position {
            self.topics.entry(topic.clone()).or_default().insert(partition, position);
        } else if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// All positions, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, PartitionIndex, &CommittedOffset)> {
        self.topics
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(move |(at, position)| (topic, *at, position)))
    }

    /// Partitions of a topic that is gone. A position kept under another id is another topic's.
    pub(crate) fn of_topic(&self, topic: &str, id: TopicId) -> impl Iterator<Item = PartitionIndex> {
        let partitions = self.topics.get(topic).into_iter().flatten();
        partitions.filter(move |(_, position)| is_same(position.topic_id, id)).map(|(at, _)| *at)
    }

    /// Positions that nobody wants any more.
    pub(crate) fn expired(
        &self,
        aging: Aging,
        now: Timestamp,
        retention: Duration,
        is_read: impl Fn(&str) -> bool,
    ) -> Vec<(Arc<str>, PartitionIndex)> {
        let topics = self.topics.iter().filter(|(topic, _)| aging != Aging::Never && !is_read(topic));
        let positions = topics.flat_map(|(topic, partitions)| partitions.iter().map(move |at| (topic, at)));
        let over = positions.filter(|(_, (_, position))| aging.is_over(position, now, retention));
        over.map(|(topic, (at, _))| (topic.clone(), *at)).collect()
    }

    /// Answers for what is asked, or for all that there is.
    pub(crate) fn fetch(&self, asked: Option<Vec<FetchedTopic>>) -> Vec<FetchedOffsets> {
        let Some(asked) = asked else {
            let topics = self.topics.iter().map(|(topic, partitions)| FetchedOffsets {
                topic: topic.clone(),
                partitions: partitions.iter().map(|(at, position)| fetched(*at, Some(position))).collect(),
            });
            return topics.collect();
        };
        let topics = asked.into_iter().map(|asked| {
            let position =
                |at| self.get(&asked.topic, at).filter(|position| is_same(position.topic_id, asked.topic_id));
            let partitions = asked.partitions.iter().map(|at| fetched(*at, position(*at))).collect();
            FetchedOffsets { topic: asked.topic, partitions }
        });
        topics.collect()
    }
}

/// Whether both ids can be the same topic's; an unknown id can be any.
fn is_same(one: TopicId, other: TopicId) -> bool {
    one == other || one == TopicId::ZERO || other == TopicId::ZERO
}

fn fetched(partition: PartitionIndex, position: Option<&CommittedOffset>) -> FetchedOffset {
    let (offset, leader_epoch, metadata): (Offset, Option<LeaderEpoch>, Arc<str>) = match position {
        Some(position) => (position.offset, position.leader_epoch, position.metadata.clone()),
        None => (NO_OFFSET, None, "".into()),
    };
    FetchedOffset { partition, offset, leader_epoch, metadata, error: ErrorCode::None }
}
