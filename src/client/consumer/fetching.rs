//! What to fetch next from whom: bounded by bytes, fair to all partitions.
//!
//! One fetch per broker is under way at any time (Kafka does the same). A partition whose share of the memory is full is
//! left out; while one is, the broker is asked to answer soon, so that it does not wait for a quiet partition meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_model::BrokerId;

use super::TopicPartition;
use super::positions::Fetchable;

/// Fetched and unread data that one partition may hold, as a multiple of `max.partition.fetch.bytes`.
const PARTITION_SHARE: usize = 4;
/// One answer takes at most this part of the memory for what is fetched ahead: while it arrives, others are read.
const ANSWER_SHARE: usize = 16;
/// No more is fetched while this part of the memory waits: that is several answers, so the user does not run dry.
const ENOUGH_SHARE: usize = 8;
/// How long a broker may wait for data while a partition of its is left out.
const IMPATIENT: Duration = Duration::from_millis(20);

/// What bounds fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FetchLimits {
    pub(crate) min_bytes: i32,
    pub(crate) max_wait: Duration,
    pub(crate) max_bytes: usize,
    pub(crate) partition_max_bytes: usize,
    /// Of everything fetched and not handed out.
    pub(crate) queued_max_bytes: usize,
}

/// One fetch request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) broker: BrokerId,
    pub(crate) parts: Vec<Part>,
    pub(crate) max_wait: Duration,
    pub(crate) max_bytes: usize,
}

/// One partition of a fetch request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) partition: TopicPartition,
    pub(crate) ticket: u64,
    pub(crate) offset: i64,
    /// -1 if not known.
    pub(crate) leader_epoch: i32,
}

/// Bytes on their way or waiting, by what they are reserved for.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    under_way: BTreeMap<BrokerId, usize>,
}

impl Reserved {
    /// The fetch from this broker has ended.
    pub(crate) fn release(&mut self, broker: BrokerId) {
        self.under_way.remove(&broker);
    }

    pub(crate) fn is_busy(&self, broker: BrokerId) -> bool {
        self.under_way.contains_key(&broker)
    }
}

/// Requests to send now. `leader` tells a partition's leader and epoch; partitions without one are left out.
/// `buffered` are the bytes that wait to be handed out, those of paused partitions aside.
pub(crate) fn plan(
    fetchable: Vec<Fetchable>,
    leader: impl Fn(&TopicPartition) -> Option<(BrokerId, i32)>,
    limits: &FetchLimits,
    buffered: usize,
    reserved: &mut Reserved,
) -> Vec<Plan> {
    let mut by_broker: BTreeMap<BrokerId, (Vec<Part>, bool)> = BTreeMap::new();
    let share = limits.partition_max_bytes.saturating_mul(PARTITION_SHARE).min(limits.queued_max_bytes);
    for one in fetchable {
        let Some((broker, leader_epoch)) = leader(&one.partition) else { continue };
        if reserved.is_busy(broker) {
            continue;
        }
        let (parts, left_out) = by_broker.entry(broker).or_default();
        if one.buffered >= share {
            *left_out = true;
            continue;
        }
        parts.push(Part { partition: one.partition, ticket: one.ticket, offset: one.offset, leader_epoch });
    }
    if buffered >= (limits.queued_max_bytes / ENOUGH_SHARE).max(limits.partition_max_bytes) {
        return Vec::new();
    }
    // One broker's long wait must not keep the room that another needs.
    let brokers = (by_broker.len() + reserved.under_way.len()).max(1);
    let mut plans = Vec::new();
    for (broker, (parts, left_out)) in by_broker {
        let used = buffered + reserved.under_way.values().sum::<usize>();
        let room = limits.queued_max_bytes.saturating_sub(used);
        // Small leftovers make small requests: wait until there is room for a whole partition's worth.
        let worthwhile = limits.partition_max_bytes.min(limits.queued_max_bytes / 2).max(1);
        if parts.is_empty() || room < worthwhile {
            continue;
        }
        let asked_for = parts.len().saturating_mul(limits.partition_max_bytes);
        let share = (limits.queued_max_bytes / (ANSWER_SHARE * brokers)).max(worthwhile);
        let max_bytes = limits.max_bytes.min(room).min(asked_for).min(share);
        let max_wait = if left_out { limits.max_wait.min(IMPATIENT) } else { limits.max_wait };
        reserved.under_way.insert(broker, max_bytes);
        plans.push(Plan { broker, parts, max_wait, max_bytes });
    }
    plans
}

#[cfg(test)]
mod tests;
