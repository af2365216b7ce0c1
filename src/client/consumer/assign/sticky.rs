//! Sticky: balanced first, then as little movement as possible (Kafka: `AbstractStickyAssignor`).
//!
//! When all members subscribe to the same topics the balance is known beforehand and one pass fills it ([`equal`]);
//! otherwise partitions are moved for as long as that evens things out ([`general`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assignments, Members, PartitionCounts};
use crate::consumer::TopicPartition;

mod equal;
mod general;

/// What a sticky assignor decides.
pub(super) struct Made {
    pub(super) assignments: Assignments,
    /// Partitions that leave one member for another, with the one who gets them.
    pub(super) moving: BTreeMap<TopicPartition, Arc<str>>,
}

pub(super) fn assign(topics: &PartitionCounts, members: &Members) -> Made {
    let claims = Claims::judge(topics, members);
    let mut subscriptions = members.values().map(|member| &member.topics);
    let first = subscriptions.next();
    if subscriptions.all(|other| Some(other) == first) {
        return equal::assign(topics, claims);
    }
    let assignments = general::assign(topics, members, claims);
    let moving = moving(members, &assignments);
    Made { assignments, moving }
}

/// What is new to one member and given up by another.
fn moving(members: &Members, assignments: &Assignments) -> BTreeMap<TopicPartition, Arc<str>> {
    let mut added = BTreeMap::new();
    let mut revoked = BTreeSet::new();
    for (id, assigned) in assignments {
        let owned: BTreeSet<_> = members[id].owned.iter().collect();
        let now: BTreeSet<_> = assigned.iter().collect();
        added.extend(now.difference(&owned).map(|partition| ((*partition).clone(), Arc::clone(id))));
        revoked.extend(owned.difference(&now).map(|partition| (*partition).clone()));
    }
    added.retain(|partition, _| revoked.contains(partition));
    added
}

/// Whose claims to partitions hold (KAFKA-13419): the newest generation's; of two in the same generation nobody's.
struct Claims {
    owned: BTreeMap<Arc<str>, Vec<TopicPartition>>,
    disputed: BTreeSet<TopicPartition>,
    newest: Option<i32>,
}

impl Claims {
    fn judge(topics: &PartitionCounts, members: &Members) -> Self {
        let mut claims = Self { owned: BTreeMap::new(), disputed: BTreeSet::new(), newest: None };
        let mut claimed_by: BTreeMap<&TopicPartition, &Arc<str>> = BTreeMap::new();
        for (id, member) in members {
            claims.owned.insert(id.clone(), Vec::new());
            claims.newest = claims.newest.max(member.generation);
            for partition in member.owned.iter().filter(|partition| topics.contains_key(&partition.topic)) {
                let before = claimed_by.insert(partition, id).filter(|other| *other != id);
                let Some(other) = before else {
                    claims.give(id, partition);
                    continue;
                };
                match member.generation.cmp(&members[other].generation) {
                    std::cmp::Ordering::Equal => {
                        claims.disputed.insert(partition.clone());
                        claims.take(other, partition);
                    }
                    std::cmp::Ordering::Greater => {
                        claims.give(id, partition);
                        claims.take(other, partition);
                    }
                    std::cmp::Ordering::Less => {
                        claimed_by.insert(partition, other);
                    }
                }
            }
        }
        claims
    }

    fn give(&mut self, id: &Arc<str>, partition: &TopicPartition) {
        self.owned.entry(id.clone()).or_default().push(partition.clone());
    }

    fn take(&mut self, id: &Arc<str>, partition: &TopicPartition) {
        self.owned.entry(id.clone()).or_default().retain(|owned| owned != partition);
    }
}
