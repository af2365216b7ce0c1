//! Members with different subscriptions: keep what is valid, hand out the rest to whoever has least, then even out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Claims;
use crate::consumer::TopicPartition;
use crate::consumer::assign::{Assignments, Members, PartitionCounts};

pub(super) fn assign(topics: &PartitionCounts, members: &Members, claims: Claims) -> Assignments {
    let mut readers: BTreeMap<Arc<str>, Vec<Arc<str>>> =
        topics.keys().map(|topic| (topic.clone(), Vec::new())).collect();
    for (id, member) in members {
        for topic in &member.topics {
            if let Some(readers) = readers.get_mut(topic) {
                readers.push(id.clone());
            }
        }
    }
    let previous = owners_before(members, claims.newest);
    let mut balance = Balance {
        topics,
        members,
        readers,
        owner: BTreeMap::new(),
        by_load: BTreeSet::new(),
        movements: Movements::default(),
        assignments: claims.owned,
    };
    balance.run(&previous)
}

/// Who had a partition in an older generation than the newest: it gets the partition back if that evens things out.
fn owners_before(members: &Members, newest: Option<i32>) -> BTreeMap<TopicPartition, Arc<str>> {
    let mut before: BTreeMap<TopicPartition, (Option<i32>, Arc<str>)> = BTreeMap::new();
    for (id, member) in members.iter().filter(|(_, member)| member.generation < newest) {
        // Java gives a partition back to one who no longer subscribes to its topic, too: nobody would read it.
        for partition in member.owned.iter().filter(|partition| member.topics.contains(&partition.topic)) {
            let newer = before.get(partition).is_none_or(|(generation, _)| member.generation > *generation);
            if newer {
                before.insert(partition.clone(), (member.generation, id.clone()));
            }
        }
    }
    before.into_iter().map(|(partition, (_, id))| (partition, id)).collect()
}

struct Balance<'a> {
    topics: &'a PartitionCounts,
    members: &'a Members,
    /// By topic, who subscribes to it, by id.
    readers: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    assignments: Assignments,
    owner: BTreeMap<TopicPartition, Arc<str>>,
    /// Members that can take part, those with the fewest partitions first.
    by_load: BTreeSet<(usize, Arc<str>)>,
    movements: Movements,
}

impl Balance<'_> {
    fn run(&mut self, previous: &BTreeMap<TopicPartition, Arc<str>>) -> Assignments {
        let must_revoke = self.drop_what_is_not_subscribed();
        // Topics with the fewest readers first: their partitions have the least choice.
        let mut order: Vec<(usize, Arc<str>)> =
            self.readers.iter().map(|(topic, readers)| (readers.len(), topic.clone())).collect();
        order.sort();
        let topics = self.topics;
        let all: Vec<TopicPartition> = order
            .iter()
            .flat_map(|(_, topic)| (0..topics[topic]).map(|partition| TopicPartition::new(topic.clone(), partition)))
            .collect();
        let free: Vec<_> = all.iter().filter(|partition| !self.owner.contains_key(*partition)).cloned().collect();
        self.by_load = self.assignments.iter().map(|(id, own)| (own.len(), id.clone())).collect();
        let initial = self.by_load.last().is_none_or(|(most, _)| *most == 0);
        for partition in &free {
            if let Some(reader) = self.least_loaded_reader(&partition.topic) {
                self.hand_over(partition, &reader);
            }
        }
        let movable = |partition: &&TopicPartition| self.readers[&partition.topic].len() >= 2;
        let movable_free: Vec<_> = free.iter().filter(movable).cloned().collect();
        let movable_all: Vec<_> = all.iter().filter(movable).cloned().collect();
        let fixed = self.set_aside_the_fixed();
        let before = (self.assignments.clone(), self.owner.clone());
        if !must_revoke {
            self.even_out(&movable_free, previous);
        }
        let moved = self.even_out(&movable_all, previous);
        if !initial && moved && score(&self.assignments) >= score(&before.0) {
            (self.assignments, self.owner) = before;
        }
        self.assignments.extend(fixed);
        std::mem::take(&mut self.assignments)
    }

    /// Whether something had to go.
    fn drop_what_is_not_subscribed(&mut self) -> bool {
        let mut must_revoke = false;
        for (id, owned) in &mut self.assignments {
            let topics = &self.members[id].topics;
            let had = owned.len();
            owned.retain(|partition| topics.contains(&partition.topic));
            must_revoke |= owned.len() < had;
            self.owner.extend(owned.iter().map(|partition| (partition.clone(), id.clone())));
        }
        must_revoke
    }

    /// Members that have all they can have, and nothing that another could have, take no part.
    fn set_aside_the_fixed(&mut self) -> Assignments {
        let most = |id: &Arc<str>| self.possible(id);
        let contested = |partition: &TopicPartition| self.readers[&partition.topic].len() >= 2;
        let fixed: BTreeSet<Arc<str>> = self
            .assignments
            .iter()
            .filter(|(id, own)| own.len() >= most(id) && !own.iter().any(contested))
            .map(|(id, _)| id.clone())
            .collect();
        self.by_load.retain(|(_, id)| !fixed.contains(id));
        let (aside, rest) = std::mem::take(&mut self.assignments).into_iter().partition(|(id, _)| fixed.contains(id));
        self.assignments = rest;
        aside
    }

    fn possible(&self, id: &Arc<str>) -> usize {
        self.members[id].topics.iter().filter_map(|topic| self.topics.get(topic)).map(|count| *count as usize).sum()
    }

    fn load(&self, id: &Arc<str>) -> usize {
        self.assignments.get(id).map_or(0, Vec::len)
    }

    fn least_loaded_reader(&self, topic: &Arc<str>) -> Option<Arc<str>> {
        self.by_load.iter().find(|(_, id)| self.members[id].topics.contains(topic)).map(|(_, id)| id.clone())
    }

    fn hand_over(&mut self, partition: &TopicPartition, to: &Arc<str>) {
        if let Some(from) = self.owner.insert(partition.clone(), to.clone()) {
            self.change(&from, |own| own.retain(|other| other != partition));
        }
        self.change(to, |own| own.push(partition.clone()));
    }

    fn change(&mut self, id: &Arc<str>, change: impl FnOnce(&mut Vec<TopicPartition>)) {
        let own = self.assignments.entry(id.clone()).or_default();
        self.by_load.remove(&(own.len(), id.clone()));
        change(own);
        self.by_load.insert((own.len(), id.clone()));
    }

    /// Moves partitions for as long as that helps. Whether any moved.
    fn even_out(&mut self, partitions: &[TopicPartition], previous: &BTreeMap<TopicPartition, Arc<str>>) -> bool {
        let mut any = false;
        loop {
            let mut modified = false;
            for partition in partitions {
                if self.is_balanced() {
                    break;
                }
                let Some(owner) = self.owner.get(partition).cloned() else {
                    continue;
                };
                let load = self.load(&owner);
                let back_to = previous
                    .get(partition)
                    .filter(|before| self.assignments.contains_key(*before) && load > self.load(before) + 1);
                let to = match back_to {
                    Some(before) => Some(before.clone()),
                    None => {
                        let better = self.readers[&partition.topic].iter().any(|other| load > self.load(other) + 1);
                        if better { self.least_loaded_reader(&partition.topic) } else { None }
                    }
                };
                if let Some(to) = to {
                    self.relocate(partition, &owner, &to);
                    modified = true;
                    any = true;
                }
            }
            if !modified {
                return any;
            }
        }
    }

    /// Moves `partition`, or one of the same topic whose way back this is: two moves in opposite directions are none.
    fn relocate(&mut self, partition: &TopicPartition, from: &Arc<str>, to: &Arc<str>) {
        let actual = self.movements.instead_of(partition, from, to);
        let Some(owner) = self.owner.get(&actual).cloned() else {
            return;
        };
        self.movements.moved(&actual, &owner, to);
        self.hand_over(&actual, to);
    }

    /// Whether nobody could have one more at the cost of somebody who has at least two more.
    fn is_balanced(&self) -> bool {
        let (Some((least, _)), Some((most, _))) = (self.by_load.first(), self.by_load.last()) else {
            return true;
        };
        if least + 1 >= *most {
            return true;
        }
        self.by_load.iter().all(|(load, id)| {
            *load == self.possible(id)
                || self.members[id].topics.iter().filter_map(|topic| Some((topic, *self.topics.get(topic)?))).all(
                    |(topic, count)| {
                        (0..count).all(|partition| {
                            let owner = self.owner.get(&TopicPartition::new(topic.clone(), partition));
                            owner.is_none_or(|owner| owner == id || load + 1 >= self.load(owner))
                        })
                    },
                )
        })
    }
}

/// The sum of the differences between all pairs of members.
fn score(assignments: &Assignments) -> usize {
    let loads: Vec<usize> = assignments.values().map(Vec::len).collect();
    loads.iter().enumerate().flat_map(|(at, a)| loads[at + 1..].iter().map(move |b| a.abs_diff(*b))).sum()
}

/// What moved from whom to whom, by topic.
#[derive(Default)]
struct Movements {
    of: BTreeMap<TopicPartition, (Arc<str>, Arc<str>)>,
}

impl Movements {
    fn moved(&mut self, partition: &TopicPartition, from: &Arc<str>, to: &Arc<str>) {
        let source = self.of.remove(partition).map_or_else(|| from.clone(), |(source, _)| source);
        if source != *to {
            self.of.insert(partition.clone(), (source, to.clone()));
        }
    }

    fn instead_of(&self, partition: &TopicPartition, from: &Arc<str>, to: &Arc<str>) -> TopicPartition {
        let source = self.of.get(partition).map_or(from, |(source, _)| source);
        let back = |(other, (a, b)): &(&TopicPartition, &(Arc<str>, Arc<str>))| {
            other.topic == partition.topic && a == to && b == source
        };
        self.of.iter().find(back).map_or_else(|| partition.clone(), |(other, _)| other.clone())
    }
}
