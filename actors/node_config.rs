//! A node's settings under the names that Kafka's clients and tools know them by.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_controller::topic_config::Status;
use callboard_controller::{StaticConfig, broker_config, topic_config};
use callboard_settings::Settings;

use crate::node_error::NodeError;

/// What DescribeConfigs shows as set by the settings, and what topics take their defaults from.
pub(crate) fn static_config(settings: &Settings) -> Result<StaticConfig, NodeError> {
    let kafka = &settings.kafka;
    let mut values = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        if broker_config::find(name).is_some_and(|config| config.default != Some(value.as_str())) {
            values.insert(name.to_owned(), value);
        }
    };
    set("node.id", settings.node.id.to_string());
    set("broker.id", settings.node.id.to_string());
    set("listeners", format!("PLAINTEXT://{}", kafka.listen));
    if let Some(advertised) = &kafka.advertised_listeners {
        set("advertised.listeners", format!("PLAINTEXT://{advertised}"));
    }
    if !settings.storage.memory {
        set("log.dirs", settings.storage.data_dir.display().to_string());
    }
    set("num.partitions", kafka.num_partitions.to_string());
    set("default.replication.factor", kafka.default_replication_factor.to_string());
    set("auto.create.topics.enable", kafka.auto_create_topics_enable.to_string());
    set("socket.request.max.bytes", kafka.socket_request_max_bytes.get().to_string());
    set("connections.max.idle.ms", kafka.connections_max_idle.as_millis().to_string());
    set("max.connections", kafka.max_connections.to_string());
    set("max.incremental.fetch.session.cache.slots", kafka.max_incremental_fetch_session_cache_slots.to_string());
    set("queued.max.request.bytes", kafka.in_flight_max_bytes.get().to_string());
    let groups = &settings.groups;
    let millis = |time: Duration| time.as_millis().to_string();
    set("group.min.session.timeout.ms", millis(groups.min_session_timeout));
    set("group.max.session.timeout.ms", millis(groups.max_session_timeout));
    set("group.initial.rebalance.delay.ms", millis(groups.initial_rebalance_delay));
    set("group.max.size", groups.max_size.to_string());
    set("offsets.retention.minutes", groups.offsets_retention_minutes().to_string());
    set("offsets.retention.check.interval.ms", millis(groups.offsets_retention_check_interval));
    set("offset.metadata.max.bytes", groups.offset_metadata_max_bytes.get().to_string());
    set("offsets.commit.timeout.ms", millis(groups.offsets_commit_timeout));
    set("offsets.topic.num.partitions", groups.offsets_topic_num_partitions.to_string());
    set("offsets.topic.replication.factor", groups.offsets_topic_replication_factor.to_string());
    set("offsets.topic.segment.bytes", groups.offsets_topic_segment_bytes.get().to_string());
    let shown = StaticConfig::new(values).map_err(|error| NodeError::Internal(error.to_string()))?;
    let mut values = shown.values().clone();
    let defaults = topic_defaults(&kafka.topic_defaults)?;
    for (name, value) in &kafka.broker {
        let refused = |error: &dyn std::fmt::Display| NodeError::BrokerSetting(error.to_string());
        let config = broker_config::require(name).map_err(|error| refused(&error))?;
        config.check(value).map_err(|error| refused(&error))?;
        if let Status::Setting(key) = config.status() {
            return Err(refused(&format_args!("{name} is set by {key}")));
        }
        if let Some((topic, _)) = defaults.get(config.name) {
            return Err(refused(&format_args!("{name} and {topic} of kafka.topic_defaults are the same thing")));
        }
        values.insert(name.clone(), value.clone());
    }
    values.extend(defaults.into_iter().map(|(name, (_, value))| (name.to_owned(), value)));
    StaticConfig::new(values).map_err(|error| NodeError::TopicDefault(error.to_string()))
}

/// The defaults of topics by the broker config that gives each, with the topic config that they were named by.
fn topic_defaults(
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<&'static str, (&'static str, String)>, NodeError> {
    let mut defaults = BTreeMap::new();
    for (name, value) in given {
        let config = topic_config::require(name).map_err(|error| NodeError::TopicDefault(error.to_string()))?;
        // The first synonym has the topic config's own unit.
        let Some(synonym) = config.synonyms.first() else {
            return Err(NodeError::TopicDefault(format!("{name} cannot have a default for all topics")));
        };
        config.check(value).map_err(|error| NodeError::TopicDefault(error.to_string()))?;
        defaults.insert(synonym.name, (config.name, value.clone()));
    }
    Ok(defaults)
}

/// Where a name that settings do not have would stand if it is Kafka's: the key of ours, or the table for the rest.
pub(crate) fn place_of_kafka_name(name: &str) -> Option<String> {
    place(name).or_else(|| place(name.split_once('.')?.1))
}

fn place(name: &str) -> Option<String> {
    if let Some(config) = broker_config::find(name) {
        return Some(match config.status() {
            Status::Setting(key) => key.to_owned(),
            _ => format!("kafka.broker.\"{name}\""),
        });
    }
    topic_config::find(name).map(|config| format!("kafka.topic_defaults.\"{}\"", config.name))
}

/// The directory of all logs by its full path; a node in memory has none.
pub(crate) fn log_dir(settings: &Settings) -> String {
    let dir = &settings.storage.data_dir;
    match settings.storage.memory {
        true => "memory".to_owned(),
        false => std::path::absolute(dir).as_ref().unwrap_or(dir).display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use callboard_settings::Sources;

    use super::*;

    fn of(flags: &[(&str, &str)]) -> Result<StaticConfig, NodeError> {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let loaded = Settings::load(Sources { flags, ..Sources::default() }).expect("legal keys");
        static_config(&loaded.settings)
    }

    #[test]
    fn every_key_that_has_kafka_s_name_is_the_one_that_kafka_s_config_names() {
        for key in callboard_settings::keys() {
            // The cluster's id is no broker config, but stands in a file of its own.
            let Some(kafka) = key.kafka.filter(|name| *name != "cluster.id") else { continue };
            let config = broker_config::find(kafka).unwrap_or_else(|| panic!("{kafka} is no broker config"));
            assert_eq!(config.status(), Status::Setting(key.name), "{kafka}");
        }
        for config in broker_config::all() {
            let Status::Setting(name) = config.status() else { continue };
            assert!(callboard_settings::key(name).is_some(), "{} names {name}", config.name);
        }
    }

    #[test]
    fn broker_settings_by_kafka_s_names_give_topics_their_defaults() {
        let config = of(&[("kafka.broker.log.retention.hours", "24"), ("kafka.num_partitions", "6")]).expect("legal");
        assert_eq!(config.values().get("log.retention.hours").map(String::as_str), Some("24"));
        assert_eq!(config.num_partitions(), 6);
    }

    #[test]
    fn a_broker_setting_that_cannot_be_is_refused_with_where_to_go() {
        let refused = |key: &str, value: &str| of(&[(key, value)]).expect_err("refused").to_string();
        assert_eq!(
            refused("kafka.broker.num.partitions", "3"),
            "kafka.broker: num.partitions is set by kafka.num_partitions"
        );
        assert_eq!(
            refused("kafka.broker.num.io.threads", "3"),
            "kafka.broker: num.io.threads=3 is not served: threads are not set by kind of work: set runtime.data_arbiters"
        );
        assert_eq!(
            refused("kafka.broker.log.retention.hour", "3"),
            "kafka.broker: Unknown broker config name: log.retention.hour; did you mean log.retention.hours?"
        );
        let twice = [("kafka.broker.log.retention.ms", "5"), ("kafka.topic_defaults.retention.ms", "5")];
        assert_eq!(
            of(&twice).expect_err("refused").to_string(),
            "kafka.broker: log.retention.ms and retention.ms of kafka.topic_defaults are the same thing"
        );
    }

    #[test]
    fn a_name_of_kafka_s_leads_to_the_key_of_ours() {
        assert_eq!(place_of_kafka_name("num.partitions").as_deref(), Some("kafka.num_partitions"));
        assert_eq!(place_of_kafka_name("log.retention.hours").as_deref(), Some("kafka.broker.\"log.retention.hours\""));
        assert_eq!(place_of_kafka_name("retention.ms").as_deref(), Some("kafka.topic_defaults.\"retention.ms\""));
        assert_eq!(place_of_kafka_name("kafka.num.io.threads").as_deref(), Some("kafka.broker.\"num.io.threads\""));
        assert_eq!(place_of_kafka_name("frobnicate"), None);
    }
}
