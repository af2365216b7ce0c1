//! All members subscribe to the same topics: everyone gets the lower or the upper quota.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Claims, Made};
use crate::consumer::TopicPartition;
use crate::consumer::assign::{Assignments, PartitionCounts};

pub(super) fn assign(topics: &PartitionCounts, claims: Claims) -> Made {
    let all: Vec<TopicPartition> = topics
        .iter()
        .flat_map(|(topic, count)| (0..*count).map(|partition| TopicPartition::new(topic.clone(), partition)))
        .collect();
    let members = claims.owned.len();
    if members == 0 {
        return Made { assignments: Assignments::new(), moving: BTreeMap::new() };
    }
    let mut filling = Filling {
        quota: all.len() / members,
        more_due: all.len() % members,
        with_more: 0,
        assignments: Assignments::new(),
        kept: BTreeSet::new(),
        given_up: BTreeMap::new(),
        below: VecDeque::new(),
        at_quota: VecDeque::new(),
        moving: BTreeMap::new(),
        disputed: claims.disputed,
    };
    for (id, mut owned) in claims.owned {
        owned.retain(|partition| !filling.disputed.contains(partition));
        owned.sort_by(|a, b| (a.partition, &a.topic).cmp(&(b.partition, &b.topic)));
        filling.keep(id, owned);
    }
    let free = all.into_iter().filter(|partition| !filling.kept.contains(partition)).collect::<Vec<_>>();
    filling.deal(free);
    Made { assignments: filling.assignments, moving: filling.moving }
}

struct Filling {
    /// What everyone gets at least.
    quota: usize,
    /// How many members get one more.
    more_due: usize,
    /// How many have it.
    with_more: usize,
    assignments: Assignments,
    kept: BTreeSet<TopicPartition>,
    given_up: BTreeMap<TopicPartition, Arc<str>>,
    /// Members below the quota, by id.
    below: VecDeque<Arc<str>>,
    /// Members at the quota that may get one more.
    at_quota: VecDeque<Arc<str>>,
    moving: BTreeMap<TopicPartition, Arc<str>>,
    /// Two members say that they have them: whoever gets them waits until both have given them up.
    disputed: BTreeSet<TopicPartition>,
}

impl Filling {
    /// A member keeps as much of what it had as the quotas allow.
    fn keep(&mut self, id: Arc<str>, mut owned: Vec<TopicPartition>) {
        let upper = if self.more_due > 0 { self.quota + 1 } else { self.quota };
        if owned.len() < self.quota {
            self.below.push_back(id.clone());
        } else if owned.len() >= upper && self.with_more < self.more_due {
            self.with_more += 1;
            if self.with_more == self.more_due {
                self.at_quota.clear();
            }
            self.give_up(&id, owned.split_off(upper));
        } else {
            self.give_up(&id, owned.split_off(self.quota));
            if self.with_more < self.more_due {
                self.at_quota.push_back(id.clone());
            }
        }
        self.kept.extend(owned.iter().cloned());
        self.assignments.insert(id, owned);
    }

    fn give_up(&mut self, id: &Arc<str>, partitions: Vec<TopicPartition>) {
        self.given_up.extend(partitions.into_iter().map(|partition| (partition, id.clone())));
    }

    /// Deals what nobody keeps: in rounds to those below the quota, then one each to those at it.
    fn deal(&mut self, free: Vec<TopicPartition>) {
        let mut at_quota: VecDeque<_> = {
            let mut sorted: Vec<_> = self.at_quota.drain(..).collect();
            sorted.sort();
            sorted.into()
        };
        let mut turn = 0;
        for partition in free {
            if turn >= self.below.len() {
                turn = 0;
            }
            let (id, was_below) = match self.below.get(turn) {
                Some(id) => (id.clone(), true),
                None => match at_quota.pop_front() {
                    Some(id) => (id, false),
                    None => return, // the quotas add up to all partitions, so nothing is left then
                },
            };
            let leaves_another = self.given_up.get(&partition).is_some_and(|owner| *owner != id);
            if leaves_another || self.disputed.contains(&partition) {
                self.moving.insert(partition.clone(), id.clone());
            }
            let assigned = self.assignments.entry(id.clone()).or_default();
            assigned.push(partition);
            let count = assigned.len();
            if !was_below {
                self.with_more += 1;
            } else if count == self.quota {
                self.below.remove(turn);
                at_quota.push_back(id);
            } else {
                turn += 1;
            }
        }
    }
}
