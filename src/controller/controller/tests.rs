use callboard_model::{PartitionIndex, ProducerId, TopicId};
use uuid::Uuid;

use super::*;
use crate::{ConfigSource, ConfigType, Endpoint, IncarnationId, topic_config};

mod against_model;
mod configs;
mod topics;

/// A controller with its log: what it decides is appended and applied at once.
struct Bench {
    controller: Controller,
    index: u64,
    next_id: u128,
}

impl Bench {
    fn new(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = StaticConfig::new(settings).expect("legal settings");
        Self { controller: Controller::new(BrokerId(1), settings, Image::default()), index: 0, next_id: 0 }
    }

    /// With brokers 1 to `count`.
    fn with_brokers(count: i32) -> Self {
        let mut bench = Self::new(&[]);
        for broker in 1..=count {
            bench.register(broker, 1);
        }
        bench
    }

    fn commit<T>(&mut self, outcome: Outcome<T>) -> T {
        if !outcome.records.is_empty() {
            self.index += 1;
            // Through the bytes, as the log would have it.
            let bytes = crate::encode_all(&outcome.records);
            let records = crate::decode_all(&bytes).expect("own bytes");
            self.controller.apply(self.index, &records).expect("decided on this very image");
        }
        outcome.reply
    }

    fn register(&mut self, broker: i32, incarnation: u128) -> Registered {
        let endpoints = vec![Endpoint { listener: "PLAINTEXT".into(), host: "localhost".into(), port: 9092 }];
        let registration = Registration {
            broker: BrokerId(broker),
            incarnation: IncarnationId(Uuid::from_u128(incarnation)),
            endpoints,
            rack: None,
        };
        let outcome = self.controller.register_broker(registration);
        self.commit(outcome)
    }

    fn create_all(&mut self, requests: Vec<CreateTopic>, intent: Intent) -> Vec<Result<CreatedTopic, ApiError>> {
        let next_id = &mut self.next_id;
        let mut ids = || {
            *next_id += 1;
            TopicId(Uuid::from_u128(*next_id))
        };
        let outcome = self.controller.create_topics(requests, intent, &mut ids);
        self.commit(outcome)
    }

    fn create(&mut self, request: CreateTopic) -> Result<CreatedTopic, ApiError> {
        self.create_all(vec![request], Intent::Perform).pop().expect("one result")
    }

    fn image(&self) -> &Image {
        self.controller.image()
    }
}

/// Brokers are only ever fenced by record yet.
fn fence(bench: &mut Bench, broker: i32) {
    let known = bench.image().broker(BrokerId(broker)).expect("registered").clone();
    let record = Record::RegisterBroker {
        broker: known.id,
        incarnation: known.incarnation,
        epoch: known.epoch,
        endpoints: known.endpoints.clone(),
        rack: known.rack.clone(),
        fenced: true,
    };
    bench.commit(Outcome { records: vec![record], reply: () });
}

/// A topic with the broker's defaults.
fn plain(name: &str) -> CreateTopic {
    CreateTopic {
        name: name.to_owned(),
        partitions: -1,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: Vec::new(),
    }
}

fn with_configs(name: &str, configs: &[(&str, Option<&str>)]) -> CreateTopic {
    let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
    CreateTopic { configs, ..plain(name) }
}

fn error<T: std::fmt::Debug>(result: Result<T, ApiError>) -> (ErrorCode, String) {
    let error = result.expect_err("refused");
    (error.code, error.message)
}

fn code<T: std::fmt::Debug>(result: Result<T, ApiError>) -> ErrorCode {
    error(result).0
}

#[test]
fn a_broker_joins_once_and_restarts_with_each_new_incarnation() {
    let mut bench = Bench::with_brokers(1);
    bench.create(CreateTopic { partitions: 3, ..plain("orders") }).expect("created");
    assert_eq!(bench.register(1, 1), Registered::Unchanged(crate::BrokerEpoch(1)));
    assert_eq!(bench.register(1, 2), Registered::Restarted(crate::BrokerEpoch(3)));
    assert_eq!(bench.image().broker(BrokerId(1)).map(|broker| broker.epoch), Some(crate::BrokerEpoch(3)));
    let orders = bench.image().topic("orders").expect("there");
    assert!(orders.partitions().all(|(_, image)| image.leader_epoch.0 == 1 && image.leader == Some(BrokerId(1))));
}

#[test]
fn a_fenced_broker_that_registers_again_is_back() {
    let mut bench = Bench::with_brokers(1);
    fence(&mut bench, 1);
    assert!(matches!(bench.register(1, 1), Registered::Updated(_)));
    assert_eq!(bench.image().broker(BrokerId(1)).map(|broker| broker.fenced), Some(false));
}

#[test]
fn a_restart_is_two_records_however_many_partitions_there_are() {
    let mut bench = Bench::with_brokers(1);
    bench.create(CreateTopic { partitions: 10_000, ..plain("wide") }).expect("created");
    let again = Registration {
        broker: BrokerId(1),
        incarnation: IncarnationId(Uuid::from_u128(9)),
        endpoints: Vec::new(),
        rack: Some("a".into()),
    };
    let outcome = bench.controller.register_broker(again.clone());
    assert_eq!(outcome.records.len(), 2);
    bench.commit(outcome);
    let moved = Registration { rack: None, ..again };
    let outcome = bench.controller.register_broker(moved);
    assert!(matches!(outcome.reply, Registered::Updated(_)));
    assert_eq!(outcome.records.len(), 1, "another rack is no restart");
}

#[test]
fn producer_ids_are_never_given_twice() {
    let mut bench = Bench::with_brokers(1);
    let mut seen = std::collections::BTreeSet::new();
    for count in [1000, 1, 0, 1000] {
        let outcome = bench.controller.allocate_producer_ids(count);
        let block = bench.commit(outcome).expect("plenty");
        assert_eq!(block.ids().count(), count as usize);
        assert!(block.ids().all(|id| seen.insert(id)));
    }
    assert_eq!(bench.image().next_producer_id(), ProducerId(2001));
    bench.controller.apply(99, &[Record::ProducerIds { next: ProducerId(i64::MAX - 1) }]).expect("forwards");
    assert!(bench.controller.allocate_producer_ids(1).reply.is_ok());
    let outcome = bench.controller.allocate_producer_ids(2);
    assert!(outcome.reply.is_err() && outcome.records.is_empty());
}

#[test]
fn nothing_changes_before_the_records_are_applied() {
    let bench = Bench::with_brokers(1);
    let before = bench.image().clone();
    let mut ids = || TopicId(Uuid::from_u128(5));
    let outcome = bench.controller.create_topics(vec![plain("orders")], Intent::Perform, &mut ids);
    assert!(outcome.reply[0].is_ok() && !outcome.records.is_empty());
    assert_eq!(*bench.image(), before);
    assert_eq!(bench.image().partition(TopicId(Uuid::from_u128(5)), PartitionIndex(0)), None);
}
