//! Forgetting: positions that are too old, groups that nobody needs, topics that are gone. In slices, so that nobody
//! waits for it, and never more than fits into a batch.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use callboard_model::TopicId;

use crate::context::Context;
use crate::groups::forget;
use crate::{GroupId, Groups, Record, Timer, TopicsDeleted};

/// Groups looked at in one slice.
const GROUPS_AT_ONCE: usize = 256;

/// How far the present round has come; `None` between rounds.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    after: Option<GroupId>,
}

/// Topics whose positions are still to be forgotten, and how far that has come for the first of them.
#[derive(Debug, Default)]
pub(crate) struct Purge {
    topics: VecDeque<(Arc<str>, TopicId)>,
    after: Option<GroupId>,
}

impl Groups {
    fn slice(&self, after: Option<&GroupId>) -> Vec<GroupId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.groups
            .range::<GroupId, _>((from, Bound::Unbounded))
            .take(GROUPS_AT_ONCE)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Forgets what is too old (KIP-211), and groups without members and positions.
    pub(crate) fn sweep_positions(&mut self, ctx: &mut Context<'_>) {
        let slice = self.slice(self.sweep.after.as_ref());
        let is_last = slice.len() < GROUPS_AT_ONCE;
        for id in slice {
            if !self.sweep_group(&id, ctx) && ctx.has_records() {
                // The batch is full; the same group goes on with the next.
                return ctx.start(Timer::Retention, Duration::ZERO);
            }
            self.sweep.after = Some(id);
        }
        if is_last {
            self.sweep.after = None;
            ctx.start(Timer::Retention, ctx.config.offsets_retention_check_interval);
        } else {
            ctx.start(Timer::Retention, Duration::ZERO);
        }
    }

    /// Whether all of it fitted.
    fn sweep_group(&self, id: &GroupId, ctx: &mut Context<'_>) -> bool {
        let Some(group) = self.groups.get(id) else { return true };
        let is_read = |topic: &str| group.is_subscribed_to(topic);
        let expired = group.offsets.expired(group.aging(), ctx.now.wall, ctx.config.offsets_retention, is_read);
        let is_all = expired.len() == group.offsets.len();
        for (topic, partition) in expired {
            if !ctx.try_record(forget(id, &topic, partition)) {
                return false;
            }
        }
        if is_all && group.is_deserted() {
            return ctx.try_record(Record::Group { group: id.clone(), value: None });
        }
        true
    }

    /// The topics that positions are kept for.
    pub(crate) fn committed_topics(&self) -> Vec<(Arc<str>, TopicId)> {
        let positions = self.groups.values().flat_map(|group| group.offsets.iter());
        let topics: BTreeSet<_> = positions.map(|(topic, _, position)| (topic.clone(), position.topic_id)).collect();
        topics.into_iter().collect()
    }

    /// Notes topics that are gone.
    pub(crate) fn forget_topics(&mut self, request: TopicsDeleted, ctx: &mut Context<'_>) {
        self.purge.topics.extend(request.topics);
        self.purge_topics(ctx);
    }

    /// Forgets what was committed for topics that are gone.
    pub(crate) fn purge_topics(&mut self, ctx: &mut Context<'_>) {
        while let Some((topic, id)) = self.purge.topics.front().cloned() {
            let slice = self.slice(self.purge.after.as_ref());
            let is_last = slice.len() < GROUPS_AT_ONCE;
            for group in slice {
                let partitions =
                    self.groups.get(&group).into_iter().flat_map(|found| found.offsets.of_topic(&topic, id));
                for partition in partitions {
                    if !ctx.try_record(forget(&group, &topic, partition)) && ctx.has_records() {
                        return ctx.start(Timer::Purge, Duration::ZERO);
                    }
                }
                self.purge.after = Some(group);
            }
            if !is_last {
                return ctx.start(Timer::Purge, Duration::ZERO);
            }
            self.purge.topics.pop_front();
            self.purge.after = None;
        }
    }
}
