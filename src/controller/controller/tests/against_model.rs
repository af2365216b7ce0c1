//! Random commands, held against a model so plain that it can be read in a minute.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{Delta, TopicIdPartition};

#[derive(Clone, Debug)]
enum Command {
    Create { topic: usize, partitions: i32, factor: i16, retention: Option<i64> },
    Delete { topic: usize },
    Grow { topic: usize, count: i32 },
    SetRetention { topic: usize, value: Option<i64> },
    SetDefault { broker: bool, value: Option<i64> },
    Register { broker: i32, incarnation: u128 },
    Allocate { count: u32 },
}

const NAMES: [&str; 5] = ["orders", "a.b", "a_b", "c-d", "c.d"];

fn command() -> impl Strategy<Value = Command> {
    let topic = 0..NAMES.len();
    let value = || prop::option::weighted(0.7, -3..20i64);
    prop_oneof![
        4 => (topic.clone(), -2..6i32, -2..5i16, value()).prop_map(|(topic, partitions, factor, retention)| {
            Command::Create { topic, partitions, factor, retention }
        }),
        2 => topic.clone().prop_map(|topic| Command::Delete { topic }),
        2 => (topic.clone(), -1..9i32).prop_map(|(topic, count)| Command::Grow { topic, count }),
        2 => (topic, value()).prop_map(|(topic, value)| Command::SetRetention { topic, value }),
        1 => (any::<bool>(), value()).prop_map(|(broker, value)| Command::SetDefault { broker, value }),
        2 => (1..4i32, 0..3u128).prop_map(|(broker, incarnation)| Command::Register { broker, incarnation }),
        1 => (0..3000u32).prop_map(|count| Command::Allocate { count }),
    ]
}

type Partitions = Vec<(i32, BrokerId)>;

#[derive(Default)]
struct Model {
    /// Each partition's leader epoch and leader, and the topic's own retention.
    topics: BTreeMap<&'static str, (Partitions, Option<i64>)>,
    brokers: BTreeMap<i32, u128>,
    defaults: BTreeMap<bool, i64>,
    producer_ids: i64,
}

impl Model {
    /// The error code that a command deserves; state only changes without one.
    fn run(&mut self, command: &Command, image: &Image) -> Option<ErrorCode> {
        match *command {
            Command::Create { topic, partitions, factor, retention } => {
                let name = NAMES[topic];
                let metric = |name: &str| name.replace('.', "_");
                let dotted = name.contains(['.', '_']);
                let or_one = |number: i32| if number == -1 { 1 } else { number };
                if self.topics.contains_key(name) {
                    return Some(ErrorCode::TopicAlreadyExists);
                } else if dotted && self.topics.keys().any(|other| metric(other) == metric(name)) {
                    return Some(ErrorCode::InvalidTopicException);
                } else if retention.is_some_and(|retention| retention < -1) {
                    return Some(ErrorCode::InvalidConfig);
                } else if or_one(factor.into()) < 1 {
                    return Some(ErrorCode::InvalidReplicationFactor);
                } else if or_one(partitions) < 1 {
                    return Some(ErrorCode::InvalidPartitions);
                } else if or_one(factor.into()) as usize > self.brokers.len() {
                    return Some(ErrorCode::InvalidReplicationFactor);
                }
                self.topics.insert(name, (Vec::new(), retention));
                self.fill(name, or_one(partitions), image);
            }
            Command::Delete { topic } => {
                if self.topics.remove(NAMES[topic]).is_none() {
                    return Some(ErrorCode::UnknownTopicOrPartition);
                }
            }
            Command::Grow { topic, count } => match self.topics.get(NAMES[topic]) {
                None => return Some(ErrorCode::UnknownTopicOrPartition),
                Some((partitions, _)) if count <= partitions.len() as i32 => return Some(ErrorCode::InvalidPartitions),
                Some(_) => self.fill(NAMES[topic], count, image),
            },
            Command::SetRetention { topic, value } => match self.topics.get_mut(NAMES[topic]) {
                None => return Some(ErrorCode::UnknownTopicOrPartition),
                Some(_) if value.is_some_and(|value| value < -1) => return Some(ErrorCode::InvalidConfig),
                Some((_, retention)) => *retention = value,
            },
            Command::SetDefault { broker, value } => {
                if broker && !self.brokers.contains_key(&1) || value == Some(0) {
                    return Some(ErrorCode::InvalidRequest);
                }
                match value {
                    Some(value) => self.defaults.insert(broker, value),
                    None => self.defaults.remove(&broker),
                };
            }
            Command::Register { broker, incarnation } => {
                if self.brokers.insert(broker, incarnation).is_some_and(|known| known != incarnation) {
                    let partitions = self.topics.values_mut().flat_map(|(partitions, _)| partitions);
                    partitions.filter(|(_, leader)| leader.0 == broker).for_each(|(epoch, _)| *epoch += 1);
                }
            }
            Command::Allocate { count } => self.producer_ids += i64::from(count),
        }
        None
    }

    /// New partitions begin at epoch 0; where they are is the placement's choice, which has its own tests.
    fn fill(&mut self, name: &'static str, count: i32, image: &Image) {
        let topic = image.topic(name).expect("the controller created it");
        let partitions = &mut self.topics.get_mut(name).expect("the model has it").0;
        for number in partitions.len() as i32..count {
            let placed = topic.partition(PartitionIndex(number)).and_then(|image| image.leader);
            partitions.push((0, placed.expect("somebody leads")));
        }
    }

    fn check(&self, image: &Image, settings: &StaticConfig) {
        assert!(image.topics().map(|topic| topic.name.as_str()).eq(self.topics.keys().copied()));
        for (name, (partitions, retention)) in &self.topics {
            let topic = image.topic(name).expect("there");
            let led = topic.partitions().map(|(_, image)| (image.leader_epoch.0, image.leader.expect("led")));
            assert_eq!(led.collect::<Vec<_>>(), *partitions, "{name}");
            let inherited = self.defaults.get(&true).or(self.defaults.get(&false)).map(|value| (*value).max(-1));
            let millis = retention.or(inherited).unwrap_or(7 * 24 * 60 * 60 * 1000);
            let config = image.log_config(topic, BrokerId(1), settings);
            let counts = config.retention.map_or(-1, |retention| retention.as_millis() as i64);
            assert_eq!(counts, millis, "{name}");
        }
        assert!(image.brokers().map(|broker| broker.id.0).eq(self.brokers.keys().copied()));
        assert_eq!(image.next_producer_id().0, self.producer_ids);
    }
}

fn decide(bench: &mut Bench, command: &Command) -> (Vec<Record>, Option<ErrorCode>) {
    let controller = &bench.controller;
    let retention = |key: &str, value: Option<i64>| ConfigOp {
        key: key.to_owned(),
        operation: if value.is_some() { 0 } else { 1 },
        value: value.map(|value| value.to_string()),
    };
    let alter = |resource_type, name: &str, op| {
        let resource = ConfigResource { resource_type, name: name.to_owned() };
        let request = IncrementalAlterConfigs { resource, ops: vec![op] };
        let mut outcome = controller.incremental_alter_configs(&[request], Intent::Perform);
        (outcome.records, outcome.reply.remove(0).err().map(|error| error.code))
    };
    match *command {
        Command::Create { topic, partitions, factor, retention } => {
            let configs = retention.map(|value| ("retention.ms".to_owned(), Some(value.to_string())));
            let request = CreateTopic {
                partitions,
                replication_factor: factor,
                configs: configs.into_iter().collect(),
                ..plain(NAMES[topic])
            };
            let next_id = &mut bench.next_id;
            let mut ids = || {
                *next_id += 1;
                TopicId(Uuid::from_u128(*next_id << 90))
            };
            let mut outcome = controller.create_topics(vec![request], Intent::Perform, &mut ids);
            (outcome.records, outcome.reply.remove(0).err().map(|error| error.code))
        }
        Command::Delete { topic } => {
            let mut outcome = controller.delete_topics(&[DeleteTopic::Name(NAMES[topic].into())]);
            (outcome.records, outcome.reply.remove(0).result.err().map(|error| error.code))
        }
        Command::Grow { topic, count } => {
            let request = CreatePartitions { name: NAMES[topic].into(), count, assignments: None };
            let mut outcome = controller.create_partitions(&[request], Intent::Perform);
            (outcome.records, outcome.reply.remove(0).err().map(|error| error.code))
        }
        Command::SetRetention { topic, value } => {
            alter(resource_type::TOPIC, NAMES[topic], retention("retention.ms", value))
        }
        Command::SetDefault { broker, value } => {
            alter(resource_type::BROKER, if broker { "1" } else { "" }, retention("log.retention.ms", value))
        }
        Command::Register { broker, incarnation } => {
            let incarnation = IncarnationId(Uuid::from_u128(incarnation));
            let registration =
                Registration { broker: BrokerId(broker), incarnation, endpoints: Vec::new(), rack: None };
            (controller.register_broker(registration).records, None)
        }
        Command::Allocate { count } => {
            let outcome = controller.allocate_producer_ids(count);
            (outcome.records, outcome.reply.err().map(|error| error.code))
        }
    }
}

/// The delta between two images, found by comparing everything in them.
fn compared(before: &Image, after: &Image) -> Delta {
    let mut delta = Delta { applied: after.applied(), ..Delta::default() };
    for topic in after.topics() {
        let old = before.topic_by_id(topic.id);
        if old.is_none() {
            delta.topics_created.insert(topic.id, topic.name.clone());
        }
        for (partition, image) in topic.partitions() {
            let at = TopicIdPartition { topic: topic.id, partition };
            match old.and_then(|old| old.partition(partition)) {
                None => drop(delta.partitions_added.insert(at)),
                Some(old) if old != image => drop(delta.partitions_changed.insert(at)),
                Some(_) => {}
            }
        }
        if let Some(old) = old {
            let keys = old.configs().keys().chain(topic.configs().keys());
            let changed = keys.filter(|key| old.configs().get(*key) != topic.configs().get(*key));
            let changed: BTreeSet<String> = changed.cloned().collect();
            if !changed.is_empty() {
                delta.topic_configs_changed.insert(topic.id, changed);
            }
        }
    }
    let gone = before.topics().filter(|topic| after.topic_by_id(topic.id).is_none());
    delta.topics_removed.extend(gone.map(|topic| (topic.id, topic.clone())));
    let registered = after.brokers().filter(|broker| before.broker(broker.id) != Some(broker));
    delta.brokers_registered.extend(registered.map(|broker| broker.id));
    let all = [None, Some(BrokerId(1))];
    let changed = all.into_iter().filter(|broker| before.broker_configs(*broker) != after.broker_configs(*broker));
    delta.broker_configs_changed.extend(changed);
    let moved = before.next_producer_id() != after.next_producer_id();
    delta.next_producer_id = moved.then_some(after.next_producer_id());
    delta
}

proptest! {
    #[test]
    fn random_commands_do_what_the_model_says(commands in prop::collection::vec(command(), 1..60)) {
        let mut bench = Bench::new(&[]);
        let mut model = Model::default();
        let mut log = Vec::new();
        for command in &commands {
            let (records, code) = decide(&mut bench, command);
            let before = bench.image().clone();
            if !records.is_empty() {
                bench.index += 1;
                let delta = bench.controller.apply(bench.index, &records).expect("it follows");
                prop_assert_eq!(&delta, &compared(&before, bench.image()), "{:?}", command);
                log.push((bench.index, crate::encode_all(&records)));
            }
            let expected = model.run(command, bench.image());
            prop_assert_eq!(code, expected, "{:?}", command);
            prop_assert!(code.is_none() || records.is_empty(), "a refusal records nothing");
            model.check(bench.image(), bench.controller.settings());
        }
        let image = bench.image();
        let mut replayed = Image::default();
        for (index, bytes) in &log {
            replayed = replayed.apply(*index, &crate::decode_all(bytes).expect("own bytes")).expect("it follows").0;
        }
        prop_assert_eq!(&replayed, image, "the log rebuilds the image");
        prop_assert_eq!(&Image::from_bytes(&image.to_bytes()), &Ok(image.clone()), "and so does a snapshot");
    }
}
