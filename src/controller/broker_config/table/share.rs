//! Share groups: all of it is absent.

use super::reasons::NO_SHARE_GROUPS;
use super::row::{ANY, NATURAL, POSITIVE, cluster_wide, fixed};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Int, List, Short, String};
use crate::config_value::Valid;

pub(super) const ROWS: &[BrokerConfig] = &[
    cluster_wide("group.share.assignment.interval.ms", Int, Some("1000"), NATURAL)
        .refused(NO_SHARE_GROUPS)
        .doc("The shortest time between two assignments of one share group."),
    fixed("group.share.assignors", List, Some("simple"), ANY)
        .refused(NO_SHARE_GROUPS)
        .doc("How partitions are assigned to the members of a share group."),
    fixed("group.share.delivery.count.limit", Int, Some("5"), Valid::Between(2, 10))
        .refused(NO_SHARE_GROUPS)
        .doc("How often a record is delivered at most."),
    fixed("group.share.heartbeat.interval.ms", Int, Some("5000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("How often members of a share group report."),
    fixed("group.share.initialize.retry.interval.ms", Int, Some("30000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .hidden()
        .doc("The pause before a share partition's state is prepared again."),
    fixed("group.share.max.assignment.interval.ms", Int, Some("15000"), NATURAL)
        .refused(NO_SHARE_GROUPS)
        .doc("The largest assignment interval that a group may set."),
    fixed("group.share.max.delivery.count.limit", Int, Some("10"), Valid::Between(5, 25))
        .refused(NO_SHARE_GROUPS)
        .doc("The largest delivery count that a group may set."),
    fixed("group.share.max.heartbeat.interval.ms", Int, Some("15000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The largest heartbeat interval that a group may set."),
    fixed("group.share.max.partition.max.record.locks", Int, Some("4000"), Valid::Between(2000, 10_000))
        .refused(NO_SHARE_GROUPS)
        .doc("The most record locks that a group may set."),
    fixed("group.share.max.record.lock.duration.ms", Int, Some("60000"), Valid::Between(30_000, 3_600_000))
        .refused(NO_SHARE_GROUPS)
        .doc("The longest record lock that a group may set."),
    fixed("group.share.max.session.timeout.ms", Int, Some("60000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The largest session timeout that a group may set."),
    fixed("group.share.max.share.sessions", Int, Some("2000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("How many share sessions are remembered."),
    fixed("group.share.max.size", Int, Some("200"), Valid::Between(1, 1000))
        .refused(NO_SHARE_GROUPS)
        .doc("The most members of one share group."),
    fixed("group.share.min.assignment.interval.ms", Int, Some("0"), NATURAL)
        .refused(NO_SHARE_GROUPS)
        .doc("The smallest assignment interval that a group may set."),
    fixed("group.share.min.delivery.count.limit", Int, Some("2"), Valid::Between(2, 5))
        .refused(NO_SHARE_GROUPS)
        .doc("The smallest delivery count that a group may set."),
    fixed("group.share.min.heartbeat.interval.ms", Int, Some("5000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The smallest heartbeat interval that a group may set."),
    fixed("group.share.min.partition.max.record.locks", Int, Some("100"), Valid::Between(100, 2000))
        .refused(NO_SHARE_GROUPS)
        .doc("The fewest record locks that a group may set."),
    fixed("group.share.min.record.lock.duration.ms", Int, Some("15000"), Valid::Between(1000, 30_000))
        .refused(NO_SHARE_GROUPS)
        .doc("The shortest record lock that a group may set."),
    fixed("group.share.min.session.timeout.ms", Int, Some("45000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The smallest session timeout that a group may set."),
    fixed("group.share.partition.max.record.locks", Int, Some("2000"), Valid::Between(100, 10_000))
        .refused(NO_SHARE_GROUPS)
        .doc("How many records of one partition may be locked at once."),
    fixed(
        "group.share.persister.class.name",
        String,
        Some("org.apache.kafka.server.share.persister.DefaultStatePersister"),
        ANY,
    )
    .refused(NO_SHARE_GROUPS)
    .hidden()
    .doc("The class that keeps the state of share partitions."),
    fixed("group.share.record.lock.duration.ms", Int, Some("30000"), Valid::Between(1000, 3_600_000))
        .refused(NO_SHARE_GROUPS)
        .doc("How long a record stays locked for the member that it was given to."),
    fixed("group.share.session.timeout.ms", Int, Some("45000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("After how many milliseconds of silence a member leaves its share group."),
    fixed("share.coordinator.append.linger.ms", Int, Some("-1"), Valid::AtLeast(-1))
        .refused(NO_SHARE_GROUPS)
        .doc("How long a coordinator gathers records before it writes them; -1 adapts."),
    cluster_wide("share.coordinator.cached.buffer.max.bytes", Int, Some("1048588"), Valid::AtLeast(524_288))
        .refused(NO_SHARE_GROUPS)
        .doc("The largest buffer that a coordinator keeps for the next write."),
    fixed("share.coordinator.cold.partition.snapshot.interval.ms", Int, Some("300000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .hidden()
        .doc("How often the state of an idle share partition is written down."),
    fixed("share.coordinator.load.buffer.size", Int, Some("5242880"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The most bytes that are read at once when share state is loaded."),
    fixed("share.coordinator.snapshot.update.records.per.snapshot", Int, Some("500"), Valid::Between(0, 500))
        .refused(NO_SHARE_GROUPS)
        .doc("How many updates lie between two snapshots of a share partition's state."),
    fixed("share.coordinator.state.topic.compression.codec", Int, Some("0"), ANY)
        .refused(NO_SHARE_GROUPS)
        .doc("The compression of records in the topic of share state: 0 is none."),
    fixed("share.coordinator.state.topic.min.isr", Short, Some("2"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The replicas that must have a change of share state."),
    fixed("share.coordinator.state.topic.num.partitions", Int, Some("50"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The partitions of the topic that holds share state."),
    fixed("share.coordinator.state.topic.prune.interval.ms", Int, Some("300000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .hidden()
        .doc("How often that topic is rid of what is no longer needed."),
    fixed("share.coordinator.state.topic.replication.factor", Short, Some("3"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The replicas of the topic that holds share state."),
    fixed("share.coordinator.state.topic.segment.bytes", Int, Some("104857600"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("The segment.bytes of the topic that holds share state."),
    fixed("share.coordinator.threads", Int, Some("1"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("Threads of share coordinators."),
    fixed("share.coordinator.write.timeout.ms", Int, Some("5000"), POSITIVE)
        .refused(NO_SHARE_GROUPS)
        .doc("How long a write of share state waits for its replicas."),
    fixed("share.fetch.purgatory.purge.interval.requests", Int, Some("1000"), ANY)
        .refused(NO_SHARE_GROUPS)
        .doc("After how many requests finished share fetches are cleared away."),
];
