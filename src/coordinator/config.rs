//! What the groups of one node are held to (Kafka: `GroupCoordinatorConfig`, its classic part).

use std::time::Duration;

/// The settings of the groups, by Kafka's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`: members of one group.
    pub max_size: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
}

impl Default for GroupConfig {
    /// Kafka's defaults.
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
        }
    }
}
