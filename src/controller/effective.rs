//! Which value of a config counts: the layers, from the topic down to the built-in default, and where it came from.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_model::{CleanupPolicy, CompactionConfig, CompressionType, FlushMode, LogConfig, TimestampType};

use crate::broker_config::{self, BrokerConfig};
use crate::config_value::{ConfigError, Value};
use crate::image::Configs;
use crate::topic_config::{self, Synonym, TopicConfig, Unit};

/// Where a config's value comes from, with its number in DescribeConfigs answers (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set on the topic.
    DynamicTopic = 1,
    /// Set on the broker while it runs.
    DynamicBroker = 2,
    /// Set for all brokers while they run.
    DynamicDefaultBroker = 3,
    /// In the node's settings.
    StaticBroker = 4,
    /// Built in.
    Default = 5,
}

impl ConfigSource {
    /// The number on the wire.
    pub fn number(self) -> i8 {
        self as i8
    }
}

/// What a node's settings say, under Kafka's names; every value was checked. It should hold what somebody set, and
/// what has no default (`node.id`, `log.dirs`, `listeners`): what it holds is shown as set by the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticConfig(Configs);

impl StaticConfig {
    /// Checks names and values; errors at the first that is unknown, illegal or not served.
    pub fn new(values: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        for (name, value) in &values {
            broker_config::require(name)?.check(value)?;
        }
        let config = Self(values);
        Layers::new(&Configs::new(), &Configs::new(), &config).check_together()?;
        Ok(config)
    }

    /// `num.partitions`.
    pub fn num_partitions(&self) -> i32 {
        i32::try_from(self.number("num.partitions")).expect("it is an INT")
    }

    /// `default.replication.factor`; what no `i16` holds is more than any cluster has.
    pub fn default_replication_factor(&self) -> i16 {
        i16::try_from(self.number("default.replication.factor")).unwrap_or(i16::MAX)
    }

    /// `auto.create.topics.enable`.
    pub fn auto_create_topics_enable(&self) -> bool {
        self.value("auto.create.topics.enable") == Value::Boolean(true)
    }

    /// `delete.topic.enable`.
    pub fn delete_topic_enable(&self) -> bool {
        self.value("delete.topic.enable") == Value::Boolean(true)
    }

    /// `fetch.max.bytes`.
    pub fn fetch_max_bytes(&self) -> usize {
        usize::try_from(self.number("fetch.max.bytes")).expect("it is at least 1024")
    }

    /// `broker.rack`.
    pub fn rack(&self) -> Option<String> {
        self.0.get("broker.rack").map(|rack| rack.trim().to_owned())
    }

    /// The values by name.
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    fn number(&self, name: &str) -> i64 {
        let Value::Number(number) = self.value(name) else { unreachable!("{name} is a number in the table") };
        number
    }

    fn value(&self, name: &str) -> Value {
        let config = broker_config::find(name).expect("named in the table");
        let raw = self.0.get(name).map(String::as_str).or(config.default).expect("it has a default");
        config.parse(raw).expect("checked when it was set")
    }
}

/// What a node's cleaner is held to, whatever the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanerConfig {
    /// `log.cleaner.enable`.
    pub enabled: bool,
    /// `log.cleaner.backoff.ms`: how long it rests when nothing is dirty enough.
    pub backoff: Duration,
    /// `log.cleaner.dedupe.buffer.size`: bytes of keys that one round may remember.
    pub map_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`: bytes that it may read and write.
    pub bytes_per_second: Option<u64>,
}

/// One level at which a config's value was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The name that it was found under.
    pub(crate) name: &'static str,
    /// The value under that name.
    pub(crate) value: Value,
    /// The level.
    pub(crate) source: ConfigSource,
}

/// All levels that a config can be set at, the strongest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layers<'a> {
    topic: Option<&'a Configs>,
    broker: &'a Configs,
    cluster: &'a Configs,
    settings: &'a StaticConfig,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(broker: &'a Configs, cluster: &'a Configs, settings: &'a StaticConfig) -> Self {
        Self { topic: None, broker, cluster, settings }
    }

    pub(crate) fn with_topic(self, topic: &'a Configs) -> Self {
        Self { topic: Some(topic), ..self }
    }

    /// What is shown as said about a topic config, the strongest first; each in the unit that it was said in.
    pub(crate) fn found(&self, config: &'static TopicConfig) -> Vec<Found> {
        let below = config.synonyms.first().map(|first| self.said(config.synonyms, first.name)).unwrap_or_default();
        self.own(config).into_iter().chain(below).collect()
    }

    /// What is shown as said about a broker config, the strongest first.
    pub(crate) fn found_for_broker(&self, config: &'static BrokerConfig) -> Vec<Found> {
        match topic_config::of_broker_config(config.name) {
            Some((topic, _)) => self.said(topic.synonyms, config.name),
            None => self.said(&[Synonym { name: config.name, unit: Unit::Same }], config.name),
        }
    }

    /// Everything that is said under broker configs that stand for the same thing, level by level. As in Kafka, nothing
    /// that is said before the first word under `name` itself is shown.
    fn said(&self, synonyms: &[Synonym], name: &str) -> Vec<Found> {
        let mut found = Vec::new();
        for (values, source) in self.dynamic_and_static() {
            found.extend(synonyms.iter().filter_map(|synonym| at(synonym.name, values, source)));
        }
        found.extend(synonyms.iter().filter_map(|synonym| default_of(named(synonym.name))));
        found.into_iter().skip_while(|found| found.name != name).collect()
    }

    /// The value of a topic config that counts.
    pub(crate) fn value(&self, config: &'static TopicConfig) -> Value {
        self.set(config).map_or_else(|| config.default_value(), |(value, _)| value)
    }

    /// The value of a topic config that somebody set, and where; none if the default counts.
    pub(crate) fn set(&self, config: &'static TopicConfig) -> Option<(Value, ConfigSource)> {
        if let Some(own) = self.own(config) {
            return Some((own.value, own.source));
        }
        self.dynamic_and_static().into_iter().find_map(|(values, source)| {
            let mut said =
                config.synonyms.iter().filter_map(|synonym| Some((at(synonym.name, values, source)?, synonym)));
            said.next().map(|(found, synonym)| (synonym.unit.convert(found.value), source))
        })
    }

    fn own(&self, config: &'static TopicConfig) -> Option<Found> {
        let value = config.parse(self.topic?.get(config.name)?).expect("replay parsed it");
        Some(Found { name: config.name, value, source: ConfigSource::DynamicTopic })
    }

    /// Errors if values that are legal one by one contradict each other.
    pub(crate) fn check_together(&self) -> Result<(), ConfigError> {
        let (least, most) = (self.number("min.compaction.lag.ms"), self.number("max.compaction.lag.ms"));
        if least > most {
            let text = format!(
                "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
            );
            return Err(ConfigError::Conflict(text));
        }
        if self.text("flush.mode") == "async"
            && let Some(name) = self.flush_bound()
        {
            let text = format!("flush.mode=async syncs at no promised moment, which contradicts {name}");
            return Err(ConfigError::Conflict(text));
        }
        Ok(())
    }

    /// What partitions are held to.
    pub(crate) fn log_config(&self) -> LogConfig {
        let bound = |number: i64| (number >= 0).then(|| Duration::from_millis(number.unsigned_abs()));
        let distance = |number: i64| bound(number).filter(|_| number != i64::MAX);
        let Value::List(policy) = self.get("cleanup.policy") else { unreachable!("cleanup.policy is a list") };
        LogConfig {
            cleanup_policy: CleanupPolicy {
                delete: policy.iter().any(|element| element == "delete"),
                compact: policy.iter().any(|element| element == "compact"),
            },
            retention: bound(self.number("retention.ms")),
            retention_bytes: u64::try_from(self.number("retention.bytes")).ok(),
            segment: Duration::from_millis(self.number("segment.ms").unsigned_abs()),
            max_message_bytes: usize::try_from(self.number("max.message.bytes")).expect("it is at least 0"),
            timestamp_type: match self.text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max: distance(self.number("message.timestamp.before.max.ms")),
            timestamp_after_max: distance(self.number("message.timestamp.after.max.ms")),
            min_insync_replicas: usize::try_from(self.number("min.insync.replicas")).expect("it is at least 1"),
            compression_type: self.compression_type(),
            flush_mode: match self.text("flush.mode").as_str() {
                // A default of all brokers may have come after the topic's own choice; the stricter of both counts.
                "async" if self.flush_bound().is_none() => FlushMode::Async,
                _ => FlushMode::Sync,
            },
            producer_expiration: Duration::from_millis(self.broker_number("producer.id.expiration.ms").unsigned_abs()),
            compaction: CompactionConfig {
                min_dirty_millionths: (self.fraction("min.cleanable.dirty.ratio") * 1_000_000.0).round() as u32,
                min_lag: Duration::from_millis(self.number("min.compaction.lag.ms").unsigned_abs()),
                max_lag: distance(self.number("max.compaction.lag.ms")),
                delete_retention: Duration::from_millis(self.number("delete.retention.ms").unsigned_abs()),
            },
        }
    }

    /// What the node's cleaner is held to.
    pub(crate) fn cleaner_config(&self) -> CleanerConfig {
        let value = |name| {
            let found = self.found_for_broker(named(name)).into_iter().next();
            found.expect("every config of the cleaner has a default").value
        };
        let number = |name| match value(name) {
            Value::Number(number) => number.unsigned_abs(),
            other => unreachable!("{name} is a number in the table, not {other:?}"),
        };
        let bytes_per_second = match value("log.cleaner.io.max.bytes.per.second") {
            Value::Double(bytes) if (1.0..1e18).contains(&bytes) => Some(bytes as u64),
            _ => None,
        };
        CleanerConfig {
            enabled: value("log.cleaner.enable") == Value::Boolean(true),
            backoff: Duration::from_millis(number("log.cleaner.backoff.ms")),
            map_bytes: usize::try_from(number("log.cleaner.dedupe.buffer.size")).unwrap_or(usize::MAX),
            bytes_per_second,
        }
    }

    fn compression_type(&self) -> CompressionType {
        let level = |name: &str| i32::try_from(self.number(name)).expect("it is an INT");
        match self.text("compression.type").as_str() {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip { level: level("compression.gzip.level") },
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4,
            "zstd" => CompressionType::Zstd { level: level("compression.zstd.level") },
            _ => CompressionType::Producer,
        }
    }

    /// The config that asks for syncs after a number of records or milliseconds, if one does.
    fn flush_bound(&self) -> Option<&'static str> {
        ["flush.messages", "flush.ms"].into_iter().find(|name| self.number(name) != i64::MAX)
    }

    /// The number that counts for a broker config that has a default.
    pub(crate) fn broker_number(&self, name: &'static str) -> i64 {
        let found = self.found_for_broker(named(name));
        match found.first().map(|found| &found.value) {
            Some(Value::Number(number)) => *number,
            _ => unreachable!("{name} is a number with a default in the table"),
        }
    }

    fn dynamic_and_static(&self) -> [(&'a Configs, ConfigSource); 3] {
        [
            (self.broker, ConfigSource::DynamicBroker),
            (self.cluster, ConfigSource::DynamicDefaultBroker),
            (&self.settings.0, ConfigSource::StaticBroker),
        ]
    }

    fn get(&self, name: &str) -> Value {
        self.value(topic_config::find(name).expect("named in the table"))
    }

    fn number(&self, name: &str) -> i64 {
        let Value::Number(number) = self.get(name) else { unreachable!("{name} is a number in the table") };
        number
    }

    fn fraction(&self, name: &str) -> f64 {
        let Value::Double(fraction) = self.get(name) else { unreachable!("{name} is a fraction in the table") };
        fraction
    }

    fn text(&self, name: &str) -> String {
        let Value::Text(text) = self.get(name) else { unreachable!("{name} is a text in the table") };
        text
    }
}

fn named(name: &str) -> &'static BrokerConfig {
    broker_config::find(name).expect("only names of the table are asked for, a test looks each synonym up")
}

fn at(name: &str, values: &Configs, source: ConfigSource) -> Option<Found> {
    let raw = values.get(name)?;
    let config = named(name);
    Some(Found { name: config.name, value: config.parse(raw).expect("replay or the settings parsed it"), source })
}

fn default_of(config: &'static BrokerConfig) -> Option<Found> {
    Some(Found { name: config.name, value: config.default_value()?, source: ConfigSource::Default })
}

#[cfg(test)]
mod tests;
