//! Who reads which partition: the four assignors of Kafka's Java client, with the same results.
//!
//! Rules: `RangeAssignor`, `RoundRobinAssignor`, `StickyAssignor` (KIP-54, KIP-341), `CooperativeStickyAssignor` (KIP-429)
//! of Apache Kafka 4.3. Members are taken in the order of their ids wherever Java's order is that of a hash map.
//! Deliberately absent: racks (KIP-881), which need replicas in several racks to matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::TopicPartition;

mod in_turn;
mod ranges;
mod sticky;

/// How the partitions of a group are shared out (`partition.assignment.strategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assignor {
    /// Every topic by itself in contiguous ranges; same-numbered partitions of equally sized topics meet in one member.
    Range,
    /// All partitions in turn.
    RoundRobin,
    /// Balanced, and as close to the assignment before as that allows; everything is revoked first.
    Sticky,
    /// The same, but members keep what they keep, and only what moves is revoked, in a rebalance of two steps (KIP-429).
    CooperativeSticky,
}

/// What a member of the group wants and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberSubscription {
    /// `group.instance.id` (KIP-345).
    pub instance: Option<Arc<str>>,
    /// Topics that it subscribes to.
    pub topics: BTreeSet<Arc<str>>,
    /// Partitions that it had, as the assignor's own rule finds them in its metadata.
    pub owned: Vec<TopicPartition>,
    /// The generation in which it had them; `None` before its first.
    pub generation: Option<i32>,
}

/// Members by their ids.
pub type Members = BTreeMap<Arc<str>, MemberSubscription>;
/// Topics that exist, with their number of partitions.
pub type PartitionCounts = BTreeMap<Arc<str>, i32>;
/// Partitions by the ids of the members that read them; every member is in it.
pub type Assignments = BTreeMap<Arc<str>, Vec<TopicPartition>>;

impl Assignor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Range, Self::RoundRobin, Self::Sticky, Self::CooperativeSticky];

    /// The name that goes over the wire, Kafka's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The assignor of a name; the names of Java's classes are understood too.
    pub fn from_name(name: &str) -> Option<Self> {
        let short = name.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(name);
        match short {
            "range" | "RangeAssignor" => Some(Self::Range),
            "roundrobin" | "RoundRobinAssignor" => Some(Self::RoundRobin),
            "sticky" | "StickyAssignor" => Some(Self::Sticky),
            "cooperative-sticky" | "CooperativeStickyAssignor" => Some(Self::CooperativeSticky),
            _ => None,
        }
    }

    /// Whether members keep their partitions while they join (KIP-429).
    pub fn is_cooperative(self) -> bool {
        self == Self::CooperativeSticky
    }

    /// Shares out the partitions of those of `topics` that somebody subscribes to.
    ///
    /// What the cooperative assignor moves from one member to another is in no assignment: its owner gives it up first, and
    /// the rebalance that follows hands it out.
    pub fn assign(self, topics: &PartitionCounts, members: &Members) -> Assignments {
        let mut topics = topics.clone();
        topics.retain(|topic, _| members.values().any(|member| member.topics.contains(topic)));
        let topics = &topics;
        match self {
            Self::Range => ranges::assign(topics, members),
            Self::RoundRobin => in_turn::assign(topics, members),
            Self::Sticky => sticky::assign(topics, members).assignments,
            Self::CooperativeSticky => {
                let mut made = sticky::assign(topics, members);
                for (partition, member) in &made.moving {
                    if let Some(assigned) = made.assignments.get_mut(member) {
                        assigned.retain(|other| other != partition);
                    }
                }
                made.assignments
            }
        }
    }
}

/// Static members by their instance ids, then the others by their member ids (Kafka: `MemberInfo.compareTo`).
fn in_member_order<'a>(members: impl Iterator<Item = (&'a Arc<str>, &'a MemberSubscription)>) -> Vec<Arc<str>> {
    let mut sorted: Vec<_> =
        members.map(|(id, member)| (member.instance.is_none(), member.instance.clone(), id)).collect();
    sorted.sort();
    sorted.into_iter().map(|(_, _, id)| Arc::clone(id)).collect()
}

fn nobody_reads_anything(members: &Members) -> Assignments {
    members.keys().map(|id| (Arc::clone(id), Vec::new())).collect()
}

#[cfg(test)]
mod tests;
