//! Section `[groups]`: consumer groups of the classic protocol, and the topic that keeps them and their offsets.

use std::time::Duration;

use callboard_model::GroupConfig;

use crate::key::section;
use crate::value::ByteSize;

section! {
    groups:
    /// Consumer groups of the classic protocol, and the topic that keeps them and their offsets.
    GroupsSettings {
        /// The shortest session timeout that a member may ask for. Shorter ones find a dead member sooner and cost more
        /// heartbeats.
        min_session_timeout: Duration = "6s", unit "time", from "0ms" to "24d", kafka "group.min.session.timeout.ms";
        /// The longest session timeout that a member may ask for.
        max_session_timeout: Duration = "30m", unit "time", from "0ms" to "24d", kafka "group.max.session.timeout.ms";
        /// How long a group without members waits for further ones after the first has come, so that many that start together
        /// are given their partitions once. 0ms: not at all, which suits tests.
        initial_rebalance_delay: Duration = "3s", unit "time", from "0ms" to "24d", kafka "group.initial.rebalance.delay.ms";
        /// The most members that one group may have.
        max_size: u32 = "2147483647", unit "members", from "1" to "2147483647", kafka "group.max.size";
        /// How long the offsets of a group that has no members are kept; counted in whole minutes.
        offsets_retention: Duration = "7d", unit "time", from "1m" to "36500d", kafka "offsets.retention.minutes";
        /// How often expired offsets are looked for.
        offsets_retention_check_interval: Duration = "10m", unit "time", from "1ms" to "365d", kafka "offsets.retention.check.interval.ms";
        /// The longest text that a client may keep beside a committed offset.
        offset_metadata_max_bytes: ByteSize = "4KiB", unit "bytes", from "0" to "512KiB", kafka "offset.metadata.max.bytes";
        /// How long a commit of offsets waits for the replicas of their topic.
        offsets_commit_timeout: Duration = "5s", unit "time", from "1ms" to "24d", kafka "offsets.commit.timeout.ms";
        /// Partitions of `__consumer_offsets`. Counts when the topic is created and never again: which partition keeps a group
        /// depends on it.
        offsets_topic_num_partitions: u32 = "50", unit "partitions", from "1" to "10000", kafka "offsets.topic.num.partitions";
        /// Replicas of each of them. Counts when the topic is created.
        offsets_topic_replication_factor: u16 = "3", unit "replicas", from "1" to "32767", kafka "offsets.topic.replication.factor";
        /// The `segment.bytes` that `__consumer_offsets` is created with.
        offsets_topic_segment_bytes: ByteSize = "100MiB", unit "bytes", from "1MiB" to "2047MiB", kafka "offsets.topic.segment.bytes";
    }
}

impl GroupsSettings {
    /// The same as what groups are held to.
    pub fn config(&self) -> GroupConfig {
        GroupConfig {
            min_session_timeout: self.min_session_timeout,
            max_session_timeout: self.max_session_timeout,
            initial_rebalance_delay: self.initial_rebalance_delay,
            max_size: usize::try_from(self.max_size).unwrap_or(usize::MAX),
            offsets_retention: Duration::from_secs(60 * self.offsets_retention_minutes()),
            offsets_retention_check_interval: self.offsets_retention_check_interval,
            offset_metadata_max_bytes: self.offset_metadata_max_bytes.as_usize(),
            offsets_commit_timeout: self.offsets_commit_timeout,
            offsets_topic_partitions: self.offsets_topic_num_partitions,
            offsets_topic_replication_factor: self.offsets_topic_replication_factor,
            offsets_topic_segment_bytes: self.offsets_topic_segment_bytes.as_usize(),
        }
    }

    /// The retention as Kafka counts it; a begun minute counts whole, so that nothing goes early.
    pub fn offsets_retention_minutes(&self) -> u64 {
        self.offsets_retention.as_secs().div_ceil(60)
    }
}
