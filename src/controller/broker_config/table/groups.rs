//! Groups of all kinds, and the topics that keep them.

use super::reasons::{COORDINATORS, NO_NEW_GROUPS, NO_STREAMS_GROUPS, PROTOCOLS, THREADS};
use super::row::{ANY, NATURAL, POSITIVE, cluster_wide, fixed};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Int, List, Long, Short, String};
use crate::config_value::Valid;

pub(super) const ROWS: &[BrokerConfig] = &[
    cluster_wide("group.consumer.assignment.interval.ms", Int, Some("1000"), NATURAL)
        .refused(NO_NEW_GROUPS)
        .doc("The shortest time between two assignments of one consumer group."),
    fixed("group.consumer.assignors", List, Some("uniform,range"), ANY)
        .refused(NO_NEW_GROUPS)
        .doc("How partitions are assigned to the members of a consumer group."),
    fixed("group.consumer.heartbeat.interval.ms", Int, Some("5000"), POSITIVE)
        .refused(NO_NEW_GROUPS)
        .doc("How often members of a consumer group report."),
    fixed("group.consumer.max.assignment.interval.ms", Int, Some("15000"), NATURAL)
        .refused(NO_NEW_GROUPS)
        .doc("The largest assignment interval that a group may set."),
    fixed("group.consumer.max.heartbeat.interval.ms", Int, Some("15000"), POSITIVE)
        .refused(NO_NEW_GROUPS)
        .doc("The largest heartbeat interval that a group may set."),
    fixed("group.consumer.max.session.timeout.ms", Int, Some("60000"), POSITIVE)
        .refused(NO_NEW_GROUPS)
        .doc("The largest session timeout that a group may set."),
    fixed("group.consumer.max.size", Int, Some("2147483647"), POSITIVE)
        .refused(NO_NEW_GROUPS)
        .doc("The most members of one consumer group."),
    fixed("group.consumer.migration.policy", String, Some("bidirectional"), ANY)
        .refused(NO_NEW_GROUPS)
        .doc("Whether groups change between the classic and the newer protocol by themselves."),
    fixed("group.consumer.min.assignment.interval.ms", Int, Some("0"), NATURAL)
        .refused(NO_NEW_GROUPS)
        .doc("The smallest assignment interval that a group may set."),
    fixed("group.consumer.min.heartbeat.interval.ms", Int, Some("5000"), POSITIVE)
        .refused(NO_NEW_GROUPS)
        .doc("The smallest heartbeat interval that a group may set."),
    fixed("group.consumer.min.session.timeout.ms", Int, Some("45000"), POSITIVE)
        .refused(NO_NEW_GROUPS)
        .doc("The smallest session timeout that a group may set."),
    fixed("group.consumer.regex.refresh.interval.ms", Int, Some("600000"), Valid::AtLeast(10_000))
        .refused(NO_NEW_GROUPS)
        .hidden()
        .doc("How often patterns of subscriptions are matched anew."),
    fixed("group.consumer.session.timeout.ms", Int, Some("45000"), POSITIVE)
        .refused(NO_NEW_GROUPS)
        .doc("After how many milliseconds of silence a member leaves its consumer group."),
    fixed("group.coordinator.append.linger.ms", Int, Some("-1"), Valid::AtLeast(-1))
        .refused(COORDINATORS)
        .doc("How long a coordinator gathers records before it writes them; -1 adapts."),
    fixed("group.coordinator.background.threads", Int, Some("2"), POSITIVE)
        .refused(THREADS)
        .doc("Threads for long work of group coordinators."),
    cluster_wide("group.coordinator.cached.buffer.max.bytes", Int, Some("1048588"), Valid::AtLeast(524_288))
        .refused(COORDINATORS)
        .doc("The largest buffer that a coordinator keeps for the next write."),
    fixed(
        "group.coordinator.rebalance.protocols",
        List,
        Some("classic,consumer,streams"),
        Valid::EachOf(&["consumer", "classic", "share", "streams"]),
    )
    .refused(PROTOCOLS)
    .doc("The group protocols that are offered."),
    fixed("group.coordinator.threads", Int, Some("4"), POSITIVE).refused(THREADS).doc("Threads of group coordinators."),
    fixed("group.initial.rebalance.delay.ms", Int, Some("3000"), ANY)
        .set_by("groups.initial_rebalance_delay")
        .doc("How long a new classic group waits for further members before its first rebalance."),
    fixed("group.max.session.timeout.ms", Int, Some("1800000"), ANY)
        .set_by("groups.max_session_timeout")
        .doc("The longest session timeout that a classic group member may ask for."),
    fixed("group.max.size", Int, Some("2147483647"), POSITIVE)
        .set_by("groups.max_size")
        .doc("The most members of one classic group."),
    fixed("group.min.session.timeout.ms", Int, Some("6000"), ANY)
        .set_by("groups.min_session_timeout")
        .doc("The shortest session timeout that a classic group member may ask for."),
    cluster_wide("group.streams.assignment.interval.ms", Int, Some("1000"), NATURAL)
        .refused(NO_STREAMS_GROUPS)
        .doc("The shortest time between two assignments of one streams group."),
    fixed("group.streams.heartbeat.interval.ms", Int, Some("5000"), POSITIVE)
        .refused(NO_STREAMS_GROUPS)
        .doc("How often members of a streams group report."),
    fixed("group.streams.initial.rebalance.delay.ms", Int, Some("3000"), NATURAL)
        .refused(NO_STREAMS_GROUPS)
        .doc("How long a new streams group waits for further members."),
    fixed("group.streams.max.assignment.interval.ms", Int, Some("15000"), NATURAL)
        .refused(NO_STREAMS_GROUPS)
        .doc("The largest assignment interval that a group may set."),
    fixed("group.streams.max.heartbeat.interval.ms", Int, Some("15000"), POSITIVE)
        .refused(NO_STREAMS_GROUPS)
        .doc("The largest heartbeat interval that a group may set."),
    fixed("group.streams.max.session.timeout.ms", Int, Some("60000"), POSITIVE)
        .refused(NO_STREAMS_GROUPS)
        .doc("The largest session timeout that a group may set."),
    fixed("group.streams.max.size", Int, Some("2147483647"), POSITIVE)
        .refused(NO_STREAMS_GROUPS)
        .doc("The most members of one streams group."),
    fixed("group.streams.max.standby.replicas", Int, Some("2"), NATURAL)
        .refused(NO_STREAMS_GROUPS)
        .doc("The most standby replicas that a group may set."),
    fixed("group.streams.min.assignment.interval.ms", Int, Some("0"), NATURAL)
        .refused(NO_STREAMS_GROUPS)
        .doc("The smallest assignment interval that a group may set."),
    fixed("group.streams.min.heartbeat.interval.ms", Int, Some("5000"), POSITIVE)
        .refused(NO_STREAMS_GROUPS)
        .doc("The smallest heartbeat interval that a group may set."),
    fixed("group.streams.min.session.timeout.ms", Int, Some("45000"), POSITIVE)
        .refused(NO_STREAMS_GROUPS)
        .doc("The smallest session timeout that a group may set."),
    fixed("group.streams.num.standby.replicas", Int, Some("0"), NATURAL)
        .refused(NO_STREAMS_GROUPS)
        .doc("The standby replicas of each task."),
    fixed("group.streams.session.timeout.ms", Int, Some("45000"), POSITIVE)
        .refused(NO_STREAMS_GROUPS)
        .doc("After how many milliseconds of silence a member leaves its streams group."),
    fixed("offset.metadata.max.bytes", Int, Some("4096"), ANY)
        .set_by("groups.offset_metadata_max_bytes")
        .doc("The longest text that a group may keep beside a committed offset."),
    fixed("offsets.commit.timeout.ms", Int, Some("5000"), POSITIVE)
        .set_by("groups.offsets_commit_timeout")
        .doc("How long an offset commit waits for its replicas."),
    fixed("offsets.load.buffer.size", Int, Some("5242880"), POSITIVE)
        .refused(COORDINATORS)
        .doc("The most bytes that are read at once when groups are loaded."),
    fixed("offsets.retention.check.interval.ms", Long, Some("600000"), POSITIVE)
        .set_by("groups.offsets_retention_check_interval")
        .doc("How often expired offsets are looked for."),
    fixed("offsets.retention.minutes", Int, Some("10080"), POSITIVE)
        .set_by("groups.offsets_retention")
        .doc("How long the offsets of a group without members are kept."),
    fixed("offsets.topic.compression.codec", Int, Some("0"), ANY)
        .refused(COORDINATORS)
        .doc("The compression of records in that topic: 0 is none."),
    fixed("offsets.topic.num.partitions", Int, Some("50"), POSITIVE)
        .set_by("groups.offsets_topic_num_partitions")
        .doc("The partitions of the topic that holds groups and their offsets."),
    fixed("offsets.topic.replication.factor", Short, Some("3"), POSITIVE)
        .set_by("groups.offsets_topic_replication_factor")
        .doc("The replicas of the topic that holds groups and their offsets."),
    fixed("offsets.topic.segment.bytes", Int, Some("104857600"), POSITIVE)
        .set_by("groups.offsets_topic_segment_bytes")
        .doc("The segment.bytes that the topic that holds groups and their offsets is created with."),
];
