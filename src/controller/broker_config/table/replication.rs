//! Replicas, their copying and their leaders.

use super::reasons::{CHECKPOINTS, INTERNAL, NO_CLASSES, ONE_FOLDER, ONE_REPLICA};
use super::row::{ANY, NATURAL, NO_BOUND, POSITIVE, cluster_wide, fixed};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Boolean, Int, Long, String};

pub(super) const ROWS: &[BrokerConfig] = &[
    fixed("alter.log.dirs.replication.quota.window.num", Int, Some("11"), POSITIVE)
        .refused(ONE_FOLDER)
        .doc("How many samples the quota of moves between folders is measured over."),
    fixed("alter.log.dirs.replication.quota.window.size.seconds", Int, Some("1"), POSITIVE)
        .refused(ONE_FOLDER)
        .doc("How long one of those samples lasts."),
    fixed("auto.leader.rebalance.enable", Boolean, Some("true"), ANY)
        .refused(ONE_REPLICA)
        .doc("Whether leadership returns to the preferred replica by itself."),
    fixed("default.replication.factor", Int, Some("1"), ANY)
        .set_by("kafka.default_replication_factor")
        .doc("The replicas of a topic that is created without saying how many."),
    cluster_wide("follower.replication.throttled.rate", Long, Some(NO_BOUND), NATURAL)
        .refused(ONE_REPLICA)
        .hidden()
        .doc("How many bytes a second a throttled follower copies."),
    fixed("leader.imbalance.check.interval.seconds", Long, Some("300"), POSITIVE)
        .refused(ONE_REPLICA)
        .doc("How often leaders that are not the preferred replicas are looked for."),
    cluster_wide("leader.replication.throttled.rate", Long, Some(NO_BOUND), NATURAL)
        .refused(ONE_REPLICA)
        .hidden()
        .doc("How many bytes a second a leader gives to throttled followers."),
    fixed("num.replica.alter.log.dirs.threads", Int, None, ANY)
        .refused(ONE_FOLDER)
        .doc("Threads that move replicas between folders."),
    cluster_wide("num.replica.fetchers", Int, Some("1"), POSITIVE)
        .refused(ONE_REPLICA)
        .doc("Threads that copy from one other broker."),
    cluster_wide("replica.alter.log.dirs.io.max.bytes.per.second", Long, Some(NO_BOUND), NATURAL)
        .refused(ONE_REPLICA)
        .hidden()
        .doc("How many bytes a second are moved between folders."),
    fixed("replica.fetch.backoff.ms", Int, Some("1000"), NATURAL)
        .refused(ONE_REPLICA)
        .doc("The pause of a follower after an error."),
    fixed("replica.fetch.max.bytes", Int, Some("1048576"), NATURAL)
        .refused(ONE_REPLICA)
        .doc("The most bytes of one partition that a follower asks for at once."),
    fixed("replica.fetch.min.bytes", Int, Some("1"), ANY)
        .refused(ONE_REPLICA)
        .doc("The least bytes that a follower's fetch waits for."),
    fixed("replica.fetch.response.max.bytes", Int, Some("10485760"), NATURAL)
        .refused(ONE_REPLICA)
        .doc("The most bytes that a follower asks for at once."),
    fixed("replica.fetch.wait.max.ms", Int, Some("500"), ANY)
        .refused(ONE_REPLICA)
        .doc("The longest that a follower's fetch waits."),
    fixed("replica.high.watermark.checkpoint.interval.ms", Long, Some("5000"), ANY)
        .refused(CHECKPOINTS)
        .doc("How often high watermarks are written down."),
    fixed("replica.lag.time.max.ms", Long, Some("30000"), ANY)
        .refused(ONE_REPLICA)
        .doc("How long a follower may be behind before it is no longer in sync."),
    fixed("replica.selector.class", String, None, ANY)
        .refused(NO_CLASSES)
        .doc("A class that chooses which replica a consumer reads from."),
    fixed("replica.socket.receive.buffer.bytes", Int, Some("65536"), ANY)
        .refused(ONE_REPLICA)
        .doc("The system's buffer for what a follower is sent."),
    fixed("replica.socket.timeout.ms", Int, Some("30000"), ANY)
        .refused(ONE_REPLICA)
        .doc("How long a follower's request may take."),
    fixed("replication.quota.window.num", Int, Some("11"), POSITIVE)
        .refused(ONE_REPLICA)
        .doc("How many samples replication quotas are measured over."),
    fixed("replication.quota.window.size.seconds", Int, Some("1"), POSITIVE)
        .refused(ONE_REPLICA)
        .doc("How long one of those samples lasts."),
    cluster_wide("unclean.leader.election.enable", Boolean, Some("false"), ANY)
        .doc("The default of the topic config of the same name."),
    fixed("unclean.leader.election.interval.ms", Long, Some("300000"), POSITIVE)
        .refused(INTERNAL)
        .hidden()
        .doc("How often partitions that only an unclean election can revive are looked for."),
];
