//! Topics that the node makes for itself when they are first needed, by whatever request.

use callboard_controller::CreateTopic;
use callboard_model::CONSUMER_OFFSETS;

use crate::broker::Published;
use crate::gateway::services::Services;

/// How an internal topic is to be made; `None` for every other topic.
pub(super) fn wanted(name: &str, published: &Published, services: &Services) -> Option<CreateTopic> {
    if name != CONSUMER_OFFSETS {
        return None;
    }
    let groups = &services.config.groups;
    // Kafka waits for as many brokers as there are to be replicas; a node alone would wait for ever.
    let brokers = published.image.brokers().count().max(1);
    let replicas = usize::from(groups.offsets_topic_replication_factor).min(brokers);
    let config = |name: &str, value: String| (name.to_owned(), Some(value));
    Some(CreateTopic {
        name: name.to_owned(),
        partitions: i32::try_from(groups.offsets_topic_partitions).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
        assignments: Vec::new(),
        configs: vec![
            config("cleanup.policy", "compact".to_owned()),
            config("compression.type", "producer".to_owned()),
            config("segment.bytes", groups.offsets_topic_segment_bytes.to_string()),
        ],
    })
}
