use super::*;
use crate::topic_config::ALL;

fn configs(pairs: &[(&str, &str)]) -> Configs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn settings(pairs: &[(&str, &str)]) -> StaticConfig {
    StaticConfig::new(configs(pairs)).expect("legal settings")
}

fn retention(topic: &[(&str, &str)], broker: &[(&str, &str)], cluster: &[(&str, &str)], own: &[(&str, &str)]) -> i64 {
    let (topic, broker, cluster, settings) = (configs(topic), configs(broker), configs(cluster), settings(own));
    let layers = Layers::new(&broker, &cluster, &settings).with_topic(&topic);
    let millis = layers.log_config().retention.map(|retention| retention.as_millis());
    millis.map_or(-1, |millis| i64::try_from(millis).expect("small"))
}

#[test]
fn the_built_in_defaults_are_those_of_the_model() {
    let nothing = Configs::new();
    let settings = StaticConfig::default();
    assert_eq!(Layers::new(&nothing, &nothing, &settings).log_config(), LogConfig::default());
}

#[test]
fn the_topic_outranks_the_broker_the_broker_all_brokers_and_those_the_settings() {
    let hour = [("log.retention.hours", "1")];
    assert_eq!(retention(&[], &[], &[], &[]), 604_800_000);
    assert_eq!(retention(&[], &[], &[], &hour), 3_600_000);
    assert_eq!(retention(&[], &[], &[("log.retention.ms", "3")], &hour), 3);
    assert_eq!(retention(&[], &[("log.retention.ms", "2")], &[("log.retention.ms", "3")], &hour), 2);
    let all = retention(&[("retention.ms", "1")], &[("log.retention.ms", "2")], &[("log.retention.ms", "3")], &hour);
    assert_eq!(all, 1);
    assert_eq!(retention(&[("retention.ms", "-1")], &[], &[], &hour), -1);
}

#[test]
fn milliseconds_outrank_minutes_and_minutes_hours() {
    let three = [("log.retention.ms", "7"), ("log.retention.minutes", "1"), ("log.retention.hours", "1")];
    assert_eq!(retention(&[], &[], &[], &three), 7);
    assert_eq!(retention(&[], &[], &[], &three[1..]), 60_000);
    assert_eq!(retention(&[], &[], &[], &three[2..]), 3_600_000);
}

#[test]
fn every_value_reaches_the_typed_config() {
    let topic = configs(&[
        ("cleanup.policy", ""),
        ("retention.bytes", "5"),
        ("segment.ms", "6"),
        ("max.message.bytes", "7"),
        ("message.timestamp.type", "LogAppendTime"),
        ("message.timestamp.before.max.ms", "8"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
        ("min.insync.replicas", "2"),
        ("flush.mode", "async"),
    ]);
    let (nothing, settings) = (Configs::new(), StaticConfig::default());
    let config = Layers::new(&nothing, &nothing, &settings).with_topic(&topic).log_config();
    let expected = LogConfig {
        cleanup_policy: CleanupPolicy { delete: false, compact: false },
        retention: Some(Duration::from_secs(7 * 24 * 3600)),
        retention_bytes: Some(5),
        segment: Duration::from_millis(6),
        max_message_bytes: 7,
        timestamp_type: TimestampType::LogAppendTime,
        timestamp_before_max: Some(Duration::from_millis(8)),
        timestamp_after_max: None,
        min_insync_replicas: 2,
        compression_type: CompressionType::Producer,
        flush_mode: FlushMode::Async,
        producer_expiration: Duration::from_secs(24 * 3600),
        compaction: CompactionConfig::default(),
    };
    assert_eq!(config, expected);
}

#[test]
fn how_long_producers_are_remembered_is_the_broker_s_to_say() {
    let settings = settings(&[("producer.id.expiration.ms", "5000")]);
    let (nothing, broker) = (Configs::new(), configs(&[("producer.id.expiration.ms", "7000")]));
    let of = |broker: &Configs| Layers::new(broker, &nothing, &settings).log_config().producer_expiration;
    assert_eq!((of(&nothing), of(&broker)), (Duration::from_secs(5), Duration::from_secs(7)));
}

#[test]
fn every_codec_reaches_the_typed_config_with_its_level() {
    let (nothing, settings) = (Configs::new(), settings(&[("compression.gzip.level", "9")]));
    let of = |topic: &[(&str, &str)]| {
        let topic = configs(topic);
        Layers::new(&nothing, &nothing, &settings).with_topic(&topic).log_config().compression_type
    };
    assert_eq!(of(&[]), CompressionType::Producer);
    assert_eq!(of(&[("compression.type", "uncompressed")]), CompressionType::Uncompressed);
    assert_eq!(of(&[("compression.type", "snappy")]), CompressionType::Snappy);
    assert_eq!(of(&[("compression.type", "lz4")]), CompressionType::Lz4);
    assert_eq!(of(&[("compression.type", "gzip")]), CompressionType::Gzip { level: 9 });
    assert_eq!(of(&[("compression.type", "zstd")]), CompressionType::Zstd { level: 3 });
    let leveled = [("compression.type", "zstd"), ("compression.zstd.level", "-7")];
    assert_eq!(of(&leveled), CompressionType::Zstd { level: -7 });
}

#[test]
fn a_bound_on_flushing_keeps_a_topic_synced() {
    let topic = configs(&[("flush.mode", "async")]);
    let (nothing, settings) = (Configs::new(), settings(&[("log.flush.interval.messages", "1")]));
    let layers = Layers::new(&nothing, &nothing, &settings).with_topic(&topic);
    assert_eq!(layers.log_config().flush_mode, FlushMode::Sync);
    assert!(matches!(layers.check_together(), Err(ConfigError::Conflict(_))));
}

#[test]
fn settings_are_checked_when_they_are_taken() {
    let error =
        |name: &str, value: &str| StaticConfig::new(configs(&[(name, value)])).expect_err("illegal").to_string();
    assert_eq!(error("num.partition", "1"), "Unknown broker config name: num.partition; did you mean num.partitions?");
    assert_eq!(
        error("num.partitions", "0"),
        "Invalid value 0 for configuration num.partitions: Value must be at least 1"
    );
    assert!(error("log.cleaner.threads", "2").contains("is not served"));
    let both = StaticConfig::new(configs(&[("log.flush.mode", "async"), ("log.flush.interval.ms", "10")]));
    assert!(matches!(both, Err(ConfigError::Conflict(_))));
}

#[test]
fn typed_settings_fall_back_to_the_defaults() {
    let given = settings(&[
        ("num.partitions", "6"),
        ("default.replication.factor", "3"),
        ("auto.create.topics.enable", "false"),
        ("delete.topic.enable", "FALSE"),
    ]);
    assert_eq!((given.num_partitions(), given.default_replication_factor()), (6, 3));
    assert!(!given.auto_create_topics_enable() && !given.delete_topic_enable());
    let default = StaticConfig::default();
    assert_eq!((default.num_partitions(), default.default_replication_factor()), (1, 1));
    assert!(default.auto_create_topics_enable() && default.delete_topic_enable());
}

#[test]
fn the_first_thing_said_about_a_config_is_the_value_that_counts() {
    let topic = configs(&[("retention.ms", "4")]);
    let broker = configs(&[("message.max.bytes", "10")]);
    let cluster = configs(&[("message.max.bytes", "20"), ("log.roll.ms", "30")]);
    let settings = settings(&[("log.roll.jitter.hours", "2"), ("min.insync.replicas", "2")]);
    let layers = Layers::new(&broker, &cluster, &settings).with_topic(&topic);
    assert_eq!(layers.value(topic_config::find("segment.jitter.ms").expect("known")), Value::Number(7_200_000));
    for config in ALL {
        let found = layers.found(config);
        let expected = found.first().map_or_else(
            || config.default_value(),
            |found| {
                let synonym = config.synonyms.iter().find(|synonym| synonym.name == found.name);
                synonym.map_or_else(|| found.value.clone(), |synonym| synonym.unit.convert(found.value.clone()))
            },
        );
        // What was said in hours counts, and is not shown as long as nobody spoke of milliseconds.
        let shown = if config.name == "segment.jitter.ms" { Value::Number(0) } else { layers.value(config) };
        assert_eq!(shown, expected, "{}", config.name);
        assert!(found.is_sorted_by_key(|found| found.source), "{}", config.name);
    }
}

#[test]
fn what_compaction_goes_by_comes_from_topic_and_broker() {
    let settings = StaticConfig::new(configs(&[("log.cleaner.enable", "false")])).expect("legal");
    let (cluster, broker) = (configs(&[("log.cleaner.backoff.ms", "7")]), configs(&[]));
    let topic = configs(&[
        ("cleanup.policy", "compact,delete"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("min.compaction.lag.ms", "5"),
        ("delete.retention.ms", "60"),
    ]);
    let layers = Layers::new(&broker, &cluster, &settings);
    let config = layers.with_topic(&topic).log_config();
    assert_eq!(config.cleanup_policy, CleanupPolicy { delete: true, compact: true });
    let expected = CompactionConfig {
        min_dirty_millionths: 10_000,
        min_lag: Duration::from_millis(5),
        max_lag: None,
        delete_retention: Duration::from_millis(60),
    };
    assert_eq!(config.compaction, expected);
    let cleaner = CleanerConfig {
        enabled: false,
        backoff: Duration::from_millis(7),
        map_bytes: 128 << 20,
        bytes_per_second: None,
    };
    assert_eq!(layers.cleaner_config(), cleaner);
    let slow = configs(&[("log.cleaner.io.max.bytes.per.second", "2.5E6")]);
    let slow = Layers::new(&broker, &slow, &settings).cleaner_config();
    assert_eq!(slow.bytes_per_second, Some(2_500_000));
}
