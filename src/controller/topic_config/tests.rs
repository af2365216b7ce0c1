use super::*;

/// What Apache Kafka 4.3.1 lists for a topic, with its defaults.
const KAFKA: &str = "cleanup.policy=delete compression.gzip.level=-1 compression.lz4.level=9 compression.type=producer \
    compression.zstd.level=3 delete.retention.ms=86400000 file.delete.delay.ms=60000 \
    flush.messages=9223372036854775807 flush.ms=9223372036854775807 follower.replication.throttled.replicas= \
    index.interval.bytes=4096 leader.replication.throttled.replicas= local.retention.bytes=-2 local.retention.ms=-2 \
    max.compaction.lag.ms=9223372036854775807 max.message.bytes=1048588 message.timestamp.after.max.ms=3600000 \
    message.timestamp.before.max.ms=9223372036854775807 message.timestamp.type=CreateTime \
    min.cleanable.dirty.ratio=0.5 min.compaction.lag.ms=0 min.insync.replicas=1 preallocate=false \
    remote.log.copy.disable=false remote.log.delete.on.disable=false remote.storage.enable=false retention.bytes=-1 \
    retention.ms=604800000 segment.bytes=1073741824 segment.index.bytes=10485760 segment.jitter.ms=0 \
    segment.ms=604800000 unclean.leader.election.enable=false";

#[test]
fn the_table_has_kafka_s_configs_and_one_of_ours() {
    let ours: Vec<String> = ALL
        .iter()
        .filter(|config| config.name != "flush.mode")
        .map(|config| format!("{}={}", config.name, config.default))
        .collect();
    assert_eq!(ours, KAFKA.split_whitespace().collect::<Vec<_>>());
    assert_eq!(ALL.len(), 34);
}

#[test]
fn the_table_is_ordered_and_its_defaults_are_legal() {
    assert!(ALL.is_sorted_by_key(|config| config.name));
    for config in ALL {
        assert_eq!(find(config.name), Some(config));
        assert_eq!(config.check(config.default).map(|value| value.render()), Ok(config.default.to_owned()));
        assert!(!config.documentation.is_empty());
    }
}

#[test]
fn what_is_not_served_is_refused_with_its_reason() {
    let message = |name: &str, value: &str| find(name).expect("known").check(value).expect_err("refused").to_string();
    for policy in ["compact", "compact,delete", "delete, compact"] {
        assert!(find("cleanup.policy").expect("known").check(policy).is_ok(), "{policy}");
    }
    assert!(message("compression.lz4.level", "1").starts_with("compression.lz4.level=1 is not served: "));
    assert!(message("remote.storage.enable", "true").contains("Tiered Storage functionality is disabled"));
    assert!(find("cleanup.policy").expect("known").check("").is_ok(), "keeping everything is served");
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let message = require("retention.m").expect_err("unknown").to_string();
    assert_eq!(message, "Unknown topic config name: retention.m; did you mean retention.ms?");
}

#[test]
fn hours_and_minutes_become_milliseconds() {
    assert_eq!(Unit::Hours.convert(Value::Number(168)), Value::Number(604_800_000));
    assert_eq!(Unit::Minutes.convert(Value::Number(2)), Value::Number(120_000));
    assert_eq!(Unit::Hours.convert(Value::Number(-5)), Value::Number(-1));
    assert_eq!(Unit::Hours.convert(Value::Number(i64::MAX)), Value::Number(i64::MAX));
}
