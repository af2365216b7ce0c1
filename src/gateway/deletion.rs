//! DeleteTopics: which of the topics in a request are asked for, and which are refused for how they are named (Kafka:
//! `ControllerApis.deleteTopics`).

use std::collections::{BTreeMap, BTreeSet};

use callboard_model::TopicId;

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// By its name, or
    pub name: Option<String>,
    /// by its id; all zero for none.
    pub id: TopicId,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// To be deleted by its name.
    Name(String),
    /// To be deleted by its id.
    Id(TopicId),
    /// INVALID_REQUEST with these words.
    Refuse(Named, &'static str),
}

/// Sorts out a request, keeping its order; topics named twice give one row. `id_of` knows the ids of names.
pub fn sort_out(topics: Vec<Named>, id_of: impl Fn(&str) -> Option<TopicId>) -> Vec<Deletion> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut ids: BTreeMap<TopicId, usize> = BTreeMap::new();
    for topic in &topics {
        match (&topic.name, topic.id) {
            (Some(name), TopicId::ZERO) => *names.entry(name.clone()).or_default() += 1,
            (None, id) if id != TopicId::ZERO => *ids.entry(id).or_default() += 1,
            _ => {}
        }
    }
    let named_ids: BTreeSet<TopicId> = names.keys().filter_map(|name| id_of(name)).collect();
    let mut done_names: BTreeSet<String> = BTreeSet::new();
    let mut done_ids: BTreeSet<TopicId> = BTreeSet::new();
    let mut sorted = Vec::with_capacity(topics.len());
    for topic in topics {
        let Named { name, id } = topic;
        match name {
            Some(name) if id != TopicId::ZERO => sorted.push(Deletion::Refuse(
                Named { name: Some(name), id },
                "You may not specify both topic name and topic id.",
            )),
            None if id == TopicId::ZERO => {
                sorted.push(Deletion::Refuse(Named { name: None, id }, "Neither topic name nor id were specified."))
            }
            Some(name) => {
                if !done_names.insert(name.clone()) {
                    continue;
                }
                let same = id_of(&name).filter(|id| ids.contains_key(id));
                sorted.push(match same {
                    _ if names.get(&name).is_some_and(|count| *count > 1) => {
                        Deletion::Refuse(Named { name: Some(name), id }, "Duplicate topic name.")
                    }
                    Some(id) => Deletion::Refuse(
                        Named { name: Some(name), id },
                        "The provided topic name maps to an ID that was already supplied.",
                    ),
                    None => Deletion::Name(name),
                });
            }
            None => {
                let named_too = named_ids.contains(&id);
                if !done_ids.insert(id) || named_too {
                    continue;
                }
                sorted.push(if ids.get(&id).is_some_and(|count| *count > 1) {
                    Deletion::Refuse(Named { name: None, id }, "Duplicate topic id.")
                } else {
                    Deletion::Id(id)
                });
            }
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic_id(byte: u8) -> TopicId {
        TopicId::from_bytes([byte; 16])
    }

    fn name(name: &str) -> Named {
        Named { name: Some(name.to_owned()), id: TopicId::ZERO }
    }

    fn id(id: TopicId) -> Named {
        Named { name: None, id }
    }

    fn sorted(topics: &[Named]) -> Vec<Deletion> {
        sort_out(topics.to_vec(), |name| (name == "ta").then(|| topic_id(1)))
    }

    #[test]
    fn names_and_ids_pass_in_their_order() {
        let other = topic_id(9);
        let asked = [name("ta"), id(other), name("nix")];
        let expected = vec![Deletion::Name("ta".into()), Deletion::Id(other), Deletion::Name("nix".into())];
        assert_eq!(sorted(&asked), expected);
    }

    #[test]
    fn a_topic_named_in_no_way_or_in_both_is_refused_each_time() {
        let both = Named { name: Some("ta".into()), id: topic_id(1) };
        let words = |deletions: Vec<Deletion>| -> Vec<&'static str> {
            deletions
                .into_iter()
                .filter_map(|deletion| match deletion {
                    Deletion::Refuse(_, words) => Some(words),
                    _ => None,
                })
                .collect()
        };
        let neither = "Neither topic name nor id were specified.";
        assert_eq!(words(sorted(&[id(TopicId::ZERO), id(TopicId::ZERO)])), vec![neither, neither]);
        assert_eq!(words(sorted(&[both])), vec!["You may not specify both topic name and topic id."]);
    }

    #[test]
    fn a_topic_named_twice_has_one_row_and_stays() {
        let refused = |named, words| vec![Deletion::Refuse(named, words)];
        assert_eq!(sorted(&[name("ta"), name("ta")]), refused(name("ta"), "Duplicate topic name."));
        assert_eq!(sorted(&[id(topic_id(1)), id(topic_id(1))]), refused(id(topic_id(1)), "Duplicate topic id."));
        let twice = Named { name: Some("ta".into()), id: topic_id(1) };
        let words = "The provided topic name maps to an ID that was already supplied.";
        assert_eq!(sorted(&[id(topic_id(1)), name("ta")]), refused(twice.clone(), words));
        assert_eq!(sorted(&[name("ta"), id(topic_id(1))]), refused(twice, words));
    }
}
