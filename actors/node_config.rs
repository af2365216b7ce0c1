//! A node's settings under the names that Kafka's clients and tools know them by.

use std::collections::BTreeMap;
use std::time::Duration;

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
