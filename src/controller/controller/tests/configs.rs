//! Changing and showing configs.

use super::*;
use crate::broker_config;

fn resource(resource_type: i8, name: &str) -> ConfigResource {
    ConfigResource { resource_type, name: name.to_owned() }
}

fn topic(name: &str) -> ConfigResource {
    resource(resource_type::TOPIC, name)
}

fn broker(name: &str) -> ConfigResource {
    resource(resource_type::BROKER, name)
}

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

impl Bench {
    fn change(
        &mut self,
        resource: ConfigResource,
        ops: &[(i8, &str, Option<&str>)],
    ) -> Result<(), (ErrorCode, String)> {
        let ops = ops.iter().map(|(operation, key, value)| ConfigOp {
            key: (*key).to_owned(),
            operation: *operation,
            value: value.map(str::to_owned),
        });
        let request = IncrementalAlterConfigs { resource, ops: ops.collect() };
        let outcome = self.controller.incremental_alter_configs(&[request], Intent::Perform);
        self.commit(outcome).remove(0).map_err(|error| (error.code, error.message))
    }

    fn replace(&mut self, resource: ConfigResource, configs: &[(&str, &str)]) -> Result<(), (ErrorCode, String)> {
        let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        let outcome = self.controller.alter_configs(&[AlterConfigs { resource, configs }], Intent::Perform);
        self.commit(outcome).remove(0).map_err(|error| (error.code, error.message))
    }

    fn shown(&self, resource: ConfigResource) -> Result<Vec<ConfigEntry>, (ErrorCode, String)> {
        let mut results = self.controller.describe_configs(&[DescribeConfigs { resource, keys: None }]);
        results.remove(0).map_err(|error| (error.code, error.message))
    }

    fn entry(&self, resource: ConfigResource, name: &str) -> ConfigEntry {
        let entries = self.shown(resource).expect("shown");
        entries.into_iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("{name} is not shown"))
    }

    fn value(&self, resource: ConfigResource, name: &str) -> Option<String> {
        self.entry(resource, name).value
    }
}

fn with_topic() -> Bench {
    let mut bench = Bench::with_brokers(2);
    bench.create(plain("t")).expect("created");
    bench
}

#[test]
fn every_topic_config_is_shown_with_its_default() {
    let bench = with_topic();
    let entries = bench.shown(topic("t")).expect("shown");
    assert_eq!(entries.len(), topic_config::ALL.len());
    for (entry, config) in entries.iter().zip(topic_config::ALL) {
        assert_eq!((entry.name, entry.value.as_deref()), (config.name, Some(config.default)));
        assert_eq!(entry.source, ConfigSource::Default);
        assert!(!entry.read_only && !entry.sensitive && !entry.documentation.is_empty());
        assert_eq!(entry.config_type, config.config_type);
        assert!(entry.synonyms.iter().all(|synonym| synonym.source == ConfigSource::Default));
    }
}

#[test]
fn every_topic_config_can_be_set_to_its_default_shown_and_deleted() {
    let mut bench = with_topic();
    for config in topic_config::ALL {
        assert_eq!(bench.change(topic("t"), &[(SET, config.name, Some(config.default))]), Ok(()), "{}", config.name);
        let entry = bench.entry(topic("t"), config.name);
        assert_eq!(entry.value.as_deref(), Some(config.default));
        assert_eq!(entry.source, ConfigSource::DynamicTopic);
        assert_eq!(entry.synonyms[0].name, config.name);
        assert_eq!(bench.change(topic("t"), &[(DELETE, config.name, None)]), Ok(()));
        assert_eq!(bench.entry(topic("t"), config.name).source, ConfigSource::Default);
    }
}

#[test]
fn a_value_is_shown_with_everything_that_was_said_below_it() {
    let mut bench = Bench::new(&[("log.retention.hours", "1")]);
    bench.register(1, 1);
    bench.create(plain("t")).expect("created");
    let shown = bench.entry(topic("t"), "retention.ms");
    // As in Kafka: the hours count, and are not shown as long as nobody speaks of milliseconds.
    assert_eq!((shown.value.as_deref(), shown.source), (Some("3600000"), ConfigSource::Default));
    assert!(shown.synonyms.is_empty());
    assert_eq!(bench.change(broker(""), &[(SET, "log.retention.ms", Some("30"))]), Ok(()));
    assert_eq!(bench.change(broker("1"), &[(SET, "log.retention.ms", Some("20"))]), Ok(()));
    assert_eq!(bench.change(topic("t"), &[(SET, "retention.ms", Some("10"))]), Ok(()));
    let shown = bench.entry(topic("t"), "retention.ms");
    let synonyms: Vec<(&str, &str, i8)> = shown
        .synonyms
        .iter()
        .map(|synonym| (synonym.name, synonym.value.as_deref().expect("no secret"), synonym.source.number()))
        .collect();
    let expected = [
        ("retention.ms", "10", 1),
        ("log.retention.ms", "20", 2),
        ("log.retention.ms", "30", 3),
        ("log.retention.hours", "1", 4),
        ("log.retention.hours", "168", 5),
    ];
    assert_eq!(synonyms, expected);
    assert_eq!((shown.value.as_deref(), shown.config_type), (Some("10"), ConfigType::Long));
    let names = |name: &str| {
        let entry = bench.entry(broker("1"), name);
        entry.synonyms.iter().map(|synonym| (synonym.name, synonym.source.number())).collect::<Vec<_>>()
    };
    assert_eq!(
        names("log.retention.ms"),
        expected[1..].iter().map(|(name, _, source)| (*name, *source)).collect::<Vec<_>>()
    );
    assert_eq!(names("log.retention.hours"), [("log.retention.hours", 4), ("log.retention.hours", 5)]);
    assert_eq!(names("log.retention.minutes"), []);
}

#[test]
fn defaults_that_have_no_value_in_the_first_synonym_are_not_shown_as_kafka_does() {
    let bench = with_topic();
    let without: Vec<&str> = bench
        .shown(topic("t"))
        .expect("shown")
        .into_iter()
        .filter(|entry| entry.synonyms.is_empty())
        .map(|entry| entry.name)
        .collect();
    let expected = [
        "flush.ms",
        "follower.replication.throttled.replicas",
        "leader.replication.throttled.replicas",
        "remote.log.copy.disable",
        "remote.log.delete.on.disable",
        "remote.storage.enable",
        "retention.ms",
        "segment.jitter.ms",
        "segment.ms",
    ];
    assert_eq!(without, expected);
}

#[test]
fn groups_and_client_metrics_show_defaults_and_take_nothing_else() {
    let mut bench = with_topic();
    let (group, metrics) = (|| resource(32, "g"), || resource(16, "m"));
    assert_eq!(bench.shown(group()).expect("shown").len(), 17);
    assert_eq!(bench.shown(metrics()).expect("shown").len(), 3);
    let timeout = bench.entry(group(), "consumer.session.timeout.ms");
    assert_eq!(
        (timeout.value.as_deref(), timeout.synonyms[0].name),
        (Some("45000"), "group.consumer.session.timeout.ms")
    );
    let before = bench.image().clone();
    let mut code = |resource: ConfigResource, operation: i8, key: &str, value: Option<&str>| {
        bench.change(resource, &[(operation, key, value)]).map_err(|error| error.0)
    };
    assert_eq!(code(group(), SET, "consumer.session.timeout.ms", Some("45000")), Ok(()));
    assert_eq!(code(group(), DELETE, "consumer.session.timeout.ms", None), Ok(()));
    assert_eq!(code(metrics(), DELETE, "match", None), Ok(()), "that is how a subscription is removed");
    for (key, value) in [("consumer.session.timeout.ms", "50000"), ("consumer.session.timeout.ms", "x"), ("nope", "1")]
    {
        assert_eq!(code(group(), SET, key, Some(value)), Err(ErrorCode::InvalidConfig), "{key}");
    }
    assert_eq!(code(metrics(), SET, "interval.ms", Some("1000")), Err(ErrorCode::InvalidConfig));
    assert_eq!(code(metrics(), APPEND, "match", Some("client_id=a")), Err(ErrorCode::InvalidConfig));
    assert_eq!(code(metrics(), SET, "nope", Some("1")), Err(ErrorCode::InvalidRequest));
    assert_eq!(*bench.image(), before, "nothing is written down");
}

#[test]
fn a_broker_config_is_changed_only_where_and_when_kafka_lets_it() {
    let mut bench = with_topic();
    let mut refused = |name: &str, key: &str, value: &str| {
        bench.change(broker(name), &[(SET, key, Some(value))]).expect_err("refused")
    };
    let invalid = |message: &str| (ErrorCode::InvalidRequest, message.to_owned());
    let message = "Cannot update these configs at default cluster level, broker id must be specified: [listeners]";
    assert_eq!(refused("", "listeners", "PLAINTEXT://:1"), invalid(message));
    let message = "listeners is set by kafka.listen in the node's settings";
    assert_eq!(refused("1", "listeners", "PLAINTEXT://:1"), (ErrorCode::InvalidConfig, message.to_owned()));
    let message = "These security configs can be dynamically updated only per-listener using the listener prefix: \
                   [ssl.keystore.location]";
    assert_eq!(refused("1", "ssl.keystore.location", "/k"), invalid(message));
    assert_eq!(refused("", "num.io.threads", "16").0, ErrorCode::InvalidConfig);
    assert_eq!(refused("", "num.io.threads", "0").0, ErrorCode::InvalidRequest);
    assert_eq!(refused("1", "unstable.api.versions.enable", "true").0, ErrorCode::InvalidRequest);
    assert_eq!(bench.change(broker(""), &[(SET, "max.connections", Some("5"))]), Ok(()));
    assert_eq!(bench.value(broker("1"), "max.connections").as_deref(), Some("5"));
}

#[test]
fn lists_are_appended_to_and_taken_from() {
    let mut bench = with_topic();
    let key = "leader.replication.throttled.replicas";
    assert_eq!(bench.change(topic("t"), &[(APPEND, key, Some("0:1,1:2"))]), Ok(()));
    assert_eq!(bench.change(topic("t"), &[(APPEND, key, Some("1:2,2:1"))]), Ok(()));
    assert_eq!(bench.value(topic("t"), key).as_deref(), Some("0:1,1:2,2:1"));
    assert_eq!(bench.change(topic("t"), &[(SUBTRACT, key, Some("1:2,9:9"))]), Ok(()));
    assert_eq!(bench.value(topic("t"), key).as_deref(), Some("0:1,2:1"));
    assert_eq!(bench.change(topic("t"), &[(SUBTRACT, "cleanup.policy", Some("delete"))]), Ok(()));
    assert_eq!(bench.value(topic("t"), "cleanup.policy").as_deref(), Some(""), "a default is where a list starts");
    let message = "Can't APPEND to key retention.ms because its type is not LIST.";
    let error = bench.change(topic("t"), &[(APPEND, "retention.ms", Some("1"))]);
    assert_eq!(error, Err((ErrorCode::InvalidConfig, message.into())));
}

#[test]
fn one_wrong_config_keeps_the_whole_resource_as_it_was() {
    let mut bench = with_topic();
    let before = bench.image().clone();
    let ops = [(SET, "retention.ms", Some("5")), (SET, "segment.ms", Some("0"))];
    let message = "Invalid value 0 for configuration segment.ms: Value must be at least 1";
    assert_eq!(bench.change(topic("t"), &ops), Err((ErrorCode::InvalidConfig, message.into())));
    assert_eq!(*bench.image(), before);
}

#[test]
fn malformed_changes_are_invalid_requests() {
    let mut bench = with_topic();
    let mut refused = |ops: &[(i8, &str, Option<&str>)]| bench.change(topic("t"), ops).expect_err("refused");
    let invalid = |message: &str| (ErrorCode::InvalidRequest, message.to_owned());
    let twice = [(SET, "segment.ms", Some("1")), (DELETE, "segment.ms", None)];
    assert_eq!(refused(&twice), invalid("Error due to duplicate config keys"));
    assert_eq!(refused(&[(SET, "segment.ms", None)]), invalid("Null value not supported for : segment.ms"));
    assert_eq!(refused(&[(9, "segment.ms", Some("1"))]), invalid("Unknown operations type 9"));
}

#[test]
fn resources_are_found_or_refused_with_kafka_s_codes() {
    let mut bench = with_topic();
    let op = [(SET, "retention.ms", Some("5"))];
    let message = "The topic 'nonesuch' does not exist.";
    assert_eq!(bench.change(topic("nonesuch"), &op), Err((ErrorCode::UnknownTopicOrPartition, message.into())));
    assert_eq!(bench.change(topic("no way"), &op).map_err(|error| error.0), Err(ErrorCode::InvalidTopicException));
    let others =
        [topic(""), broker("x"), broker("9"), resource(8, "1"), resource(16, ""), resource(32, ""), resource(0, "")];
    for other in others {
        assert_eq!(
            bench.change(other.clone(), &op).map_err(|error| error.0),
            Err(ErrorCode::InvalidRequest),
            "{other:?}"
        );
    }
    assert_eq!(bench.shown(topic("nonesuch")).map_err(|error| error.0), Err(ErrorCode::UnknownTopicOrPartition));
    let message = "Unexpected broker id, expected 1 or empty string, but received 2";
    assert_eq!(bench.shown(broker("2")), Err((ErrorCode::InvalidRequest, message.into())));
    for other in [broker("x"), resource(8, "1"), resource(16, ""), resource(32, ""), resource(0, "")] {
        assert_eq!(bench.shown(other.clone()).map_err(|error| error.0), Err(ErrorCode::InvalidRequest), "{other:?}");
    }
}

#[test]
fn a_resource_named_twice_is_refused_both_times() {
    let mut bench = with_topic();
    let request = || AlterConfigs { resource: topic("t"), configs: vec![("segment.ms".into(), Some("1".into()))] };
    let outcome = bench.controller.alter_configs(&[request(), request()], Intent::Perform);
    assert!(outcome.records.is_empty());
    for result in bench.commit(outcome) {
        assert_eq!(error(result), (ErrorCode::InvalidRequest, "Each resource must appear at most once.".into()));
    }
}

#[test]
fn replacing_configs_removes_those_that_are_left_out() {
    let mut bench = with_topic();
    assert_eq!(bench.replace(topic("t"), &[("segment.ms", "5"), ("retention.ms", "6")]), Ok(()));
    assert_eq!(bench.replace(topic("t"), &[("segment.ms", "5"), ("retention.bytes", "7")]), Ok(()));
    let configs = bench.image().topic("t").expect("there").configs().clone();
    let expected = [("retention.bytes", "7"), ("segment.ms", "5")];
    assert!(configs.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected));
    assert_eq!(bench.replace(topic("t"), &[]), Ok(()));
    assert!(bench.image().topic("t").expect("there").configs().is_empty());
}

#[test]
fn validating_a_change_changes_nothing() {
    let mut bench = with_topic();
    let configs = vec![("segment.ms".to_owned(), Some("5".to_owned()))];
    let request = AlterConfigs { resource: topic("t"), configs };
    let outcome = bench.controller.alter_configs(&[request], Intent::ValidateOnly);
    assert!(outcome.records.is_empty());
    assert_eq!(bench.commit(outcome), [Ok(())]);
}

#[test]
fn a_change_to_the_same_value_is_no_record() {
    let mut bench = with_topic();
    assert_eq!(bench.replace(topic("t"), &[("segment.ms", "5")]), Ok(()));
    let request = AlterConfigs { resource: topic("t"), configs: vec![("segment.ms".into(), Some("5".into()))] };
    assert!(bench.controller.alter_configs(&[request], Intent::Perform).records.is_empty());
}

#[test]
fn static_broker_configs_are_shown_and_cannot_be_changed() {
    let mut bench = Bench::new(&[("node.id", "1"), ("log.dirs", "/data"), ("num.partitions", "6")]);
    bench.register(1, 1);
    let entries = bench.shown(broker("1")).expect("shown");
    let listed = broker_config::all().iter().filter(|config| !config.hidden);
    assert!(entries.iter().map(|entry| entry.name).eq(listed.map(|config| config.name)));
    let partitions = bench.entry(broker("1"), "num.partitions");
    assert!(partitions.read_only);
    assert_eq!((partitions.value.as_deref(), partitions.source), (Some("6"), ConfigSource::StaticBroker));
    let sources: Vec<_> = partitions.synonyms.iter().map(|synonym| synonym.source).collect();
    assert_eq!(sources, [ConfigSource::StaticBroker, ConfigSource::Default]);
    assert_eq!(bench.value(broker("1"), "log.dirs").as_deref(), Some("/data"));
    assert_eq!(bench.value(broker("1"), "log.retention.ms"), None);
    let message = "Cannot update these configs dynamically: [num.partitions]";
    for name in ["", "1"] {
        let result = bench.change(broker(name), &[(SET, "num.partitions", Some("3"))]);
        assert_eq!(result, Err((ErrorCode::InvalidRequest, message.into())));
    }
}

#[test]
fn dynamic_broker_configs_are_checked_and_give_topics_their_defaults() {
    let mut bench = with_topic();
    let message = "Invalid value abc for configuration log.retention.ms: Not a number of type LONG";
    let result = bench.change(broker(""), &[(SET, "log.retention.ms", Some("abc"))]);
    assert_eq!(result, Err((ErrorCode::InvalidRequest, message.into())));
    for (key, value) in [("compression.lz4.level", "1"), ("foo.bar", "1")] {
        let result = bench.change(broker(""), &[(SET, key, Some(value))]);
        assert_eq!(result.map_err(|error| error.0), Err(ErrorCode::InvalidConfig), "{key}");
    }
    let both = [(SET, "log.flush.mode", Some("async")), (SET, "log.flush.interval.ms", Some("5"))];
    assert_eq!(bench.change(broker(""), &both).map_err(|error| error.0), Err(ErrorCode::InvalidRequest));
    assert_eq!(bench.change(broker(""), &[(SET, "message.max.bytes", Some("77"))]), Ok(()));
    assert_eq!(bench.value(topic("t"), "max.message.bytes").as_deref(), Some("77"));
    let defaults = bench.shown(broker("")).expect("shown");
    let [only] = &defaults[..] else { panic!("only what is set: {defaults:?}") };
    assert_eq!((only.name, only.source), ("message.max.bytes", ConfigSource::DynamicDefaultBroker));
    assert_eq!(only.synonyms.len(), 1);
    assert_eq!(bench.change(broker("2"), &[(SET, "message.max.bytes", Some("88"))]), Ok(()));
    assert_eq!(bench.value(topic("t"), "max.message.bytes").as_deref(), Some("77"), "that was another broker");
}

#[test]
fn only_the_configs_that_were_asked_for_are_shown() {
    let bench = with_topic();
    let ask = |keys: &[&str]| {
        let keys = Some(keys.iter().map(|key| (*key).to_owned()).collect());
        let entries = bench.controller.describe_configs(&[DescribeConfigs { resource: topic("t"), keys }]).remove(0);
        entries.expect("shown").into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(ask(&["segment.ms", "cleanup.policy", "nope"]), ["cleanup.policy", "segment.ms"]);
    assert_eq!(ask(&[]).len(), topic_config::ALL.len(), "an empty list asks for all, as in Kafka");
}
