//! The settings that consumer groups and their offsets obey, typed; names and texts are those of the node's settings.

use std::time::Duration;

/// What the groups of one node are held to (Kafka: `GroupCoordinatorConfig`, the classic part of it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`: the shortest session timeout that a classic member may ask for.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`: the longest session timeout that a classic member may ask for.
    pub max_session_timeout: Duration,
    /// `group.initial.rebalance.delay.ms`: how long an empty classic group waits for further members after the first.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`: members of one classic group.
    pub max_size: usize,
    /// `offsets.retention.minutes`: how long the offsets of a group without members are kept.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`: how often expired offsets are looked for.
    pub offsets_retention_check_interval: Duration,
    /// `offset.metadata.max.bytes`: bytes of the text that may be kept beside one committed offset.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.commit.timeout.ms`: how long a commit waits for its replicas.
    pub offsets_commit_timeout: Duration,
    /// `offsets.topic.num.partitions`: partitions of `__consumer_offsets` when it is created; never changed later, a
    /// group's partition depends on it.
    pub offsets_topic_partitions: u32,
    /// `offsets.topic.replication.factor`: replicas of each of them when the topic is created.
    pub offsets_topic_replication_factor: u16,
    /// `offsets.topic.segment.bytes`: the `segment.bytes` that the topic is created with.
    pub offsets_topic_segment_bytes: usize,
}

impl Default for GroupConfig {
    /// Kafka 4's defaults.
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: 30 * MINUTE,
            initial_rebalance_delay: Duration::from_secs(3),
            max_size: i32::MAX as usize,
            offsets_retention: 7 * 24 * 60 * MINUTE,
            offsets_retention_check_interval: 10 * MINUTE,
            offset_metadata_max_bytes: 4096,
            offsets_commit_timeout: Duration::from_secs(5),
            offsets_topic_partitions: 50,
            offsets_topic_replication_factor: 3,
            offsets_topic_segment_bytes: 100 * 1024 * 1024,
        }
    }
}
