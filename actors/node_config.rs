//! A node's settings under the names that Kafka's clients and tools know them by.

use std::collections::BTreeMap;

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
    set("queued.max.request.bytes", kafka.in_flight_max_bytes.get().to_string());
    for (name, value) in &kafka.topic_defaults {
        let config = topic_config::require(name).map_err(|error| NodeError::TopicDefault(error.to_string()))?;
        // The first synonym has the topic config's own unit.
        let Some(synonym) = config.synonyms.first() else {
            return Err(NodeError::TopicDefault(format!("{name} cannot have a default for all topics")));
        };
        values.insert(synonym.name.to_owned(), value.clone());
    }
    StaticConfig::new(values).map_err(|error| NodeError::TopicDefault(error.to_string()))
}
