//! The same answers as Kafka's Java client, 4.3.1, on cases that it was run on; and what holds for any input.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// Made by running the Java client's assignors on random members, topics and claims.
const JAVA: &str = include_str!("java-vectors.txt");

/// The case in which Java takes the first of a hash set of partitions, and ours the lowest.
const BY_HASH: usize = 69;

#[derive(Default)]
struct Case {
    topics: PartitionCounts,
    members: Members,
    expected: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|name| !name.is_empty() && *name != "-")
}

fn partition(text: &str) -> TopicPartition {
    let (topic, number) = text.rsplit_once('-').expect("topic-number");
    TopicPartition::new(topic, number.parse().expect("a number"))
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in JAVA.lines() {
        let (word, rest) = line.split_once(' ').expect("a word and more");
        match word {
            "case" => cases.push(Case::default()),
            "topics" => {
                let counts = rest.split(' ').map(|topic| topic.split_once('=').expect("name=count"));
                let counts = counts.map(|(name, count)| (name.into(), count.parse().expect("a count")));
                cases.last_mut().expect("a case").topics = counts.collect();
            }
            "member" => {
                let fields: Vec<&str> = rest.split(' ').collect();
                let generation: i32 = fields[2].parse().expect("a generation");
                let member = MemberSubscription {
                    instance: (fields[1] != "-").then(|| fields[1].into()),
                    topics: names(fields[3]).map(Arc::from).collect(),
                    owned: names(fields[4]).map(partition).collect(),
                    generation: (generation >= 0).then_some(generation),
                };
                cases.last_mut().expect("a case").members.insert(fields[0].into(), member);
            }
            "range" | "roundrobin" | "sticky" | "cooperative-sticky" => {
                let of = rest.split(' ').map(|one| one.split_once(':').expect("member:partitions"));
                let of = of.map(|(id, own)| (id.to_owned(), names(own).map(str::to_owned).collect()));
                cases.last_mut().expect("a case").expected.insert(word.to_owned(), of.collect());
            }
            _ => break,
        }
    }
    cases
}

fn as_text(assignments: &Assignments) -> BTreeMap<String, BTreeSet<String>> {
    assignments.iter().map(|(id, own)| (id.to_string(), own.iter().map(ToString::to_string).collect())).collect()
}

fn agree_with_java(assignor: Assignor) {
    let cases = cases();
    assert_eq!(cases.len(), 120);
    for (number, case) in cases.iter().enumerate() {
        let made = assignor.assign(&case.topics, &case.members);
        let (made, expected) = (as_text(&made), &case.expected[assignor.name()]);
        if number == BY_HASH {
            let loads = |of: &BTreeMap<_, BTreeSet<_>>| of.values().map(BTreeSet::len).collect::<Vec<_>>();
            assert_eq!(loads(&made), loads(expected), "case {number}, {}", assignor.name());
        } else {
            assert_eq!(&made, expected, "case {number}, {}", assignor.name());
        }
    }
}

#[test]
fn ranges_are_java_s() {
    agree_with_java(Assignor::Range);
}

#[test]
fn turns_are_java_s() {
    agree_with_java(Assignor::RoundRobin);
}

#[test]
fn sticky_assignments_are_java_s() {
    agree_with_java(Assignor::Sticky);
}

#[test]
fn cooperative_assignments_are_java_s() {
    agree_with_java(Assignor::CooperativeSticky);
}

fn any_group() -> impl Strategy<Value = (PartitionCounts, Members)> {
    let topics = proptest::collection::btree_map("[a-d]", 1i32..7, 1..4);
    let member = (proptest::collection::btree_set("[a-e]", 1..4), proptest::option::of(0i32..3), any::<u64>());
    let members = proptest::collection::btree_map("[m-z]{2}", member, 1..7);
    (topics, members).prop_map(|(topics, members)| {
        let topics: PartitionCounts = topics.into_iter().map(|(name, count)| (name.into(), count)).collect();
        let members = members.into_iter().map(|(id, (wanted, generation, mask))| {
            let all =
                topics.iter().flat_map(|(topic, count)| (0..*count).map(|p| TopicPartition::new(topic.clone(), p)));
            let owned = all.enumerate().filter(|(at, _)| mask >> (at % 64) & 1 == 1).map(|(_, partition)| partition);
            let owned = if generation.is_some() { owned.collect() } else { Vec::new() };
            let topics = wanted.into_iter().map(Arc::from).collect();
            (Arc::from(id), MemberSubscription { instance: None, topics, owned, generation })
        });
        (topics.clone(), members.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever members claim, every partition that somebody subscribes to has exactly one reader, who subscribes to it.
    #[test]
    fn every_partition_has_one_reader_who_wants_it((topics, members) in any_group()) {
        for assignor in [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky] {
            let made = assignor.assign(&topics, &members);
            prop_assert_eq!(made.keys().collect::<Vec<_>>(), members.keys().collect::<Vec<_>>());
            let mut seen = BTreeSet::new();
            for (id, own) in &made {
                for partition in own {
                    prop_assert!(members[id].topics.contains(&partition.topic));
                    prop_assert!(seen.insert(partition.clone()), "{} twice by {}", partition, assignor.name());
                }
            }
            let wanted = topics.iter().filter(|(topic, _)| members.values().any(|m| m.topics.contains(*topic)));
            prop_assert_eq!(seen.len() as i32, wanted.map(|(_, count)| *count).sum::<i32>());
        }
    }

    /// Two cooperative rounds end where one sticky round would be balanced, and no partition ever has two readers.
    #[test]
    fn a_second_cooperative_round_hands_out_what_the_first_withheld((topics, mut members) in any_group()) {
        let mut made = Assignments::new();
        for generation in 10..14 {
            made = Assignor::CooperativeSticky.assign(&topics, &members);
            for (id, own) in &made {
                let member = members.get_mut(id).expect("a member");
                member.owned = own.clone();
                member.generation = Some(generation);
            }
        }
        let mut seen = BTreeSet::new();
        for partition in made.values().flatten() {
            prop_assert!(seen.insert(partition.clone()));
        }
        let wanted = topics.iter().filter(|(topic, _)| members.values().any(|m| m.topics.contains(*topic)));
        prop_assert_eq!(seen.len() as i32, wanted.map(|(_, count)| *count).sum::<i32>());
    }
}
