//! Who the node is, what it does in the cluster, and what it tells about itself.

use super::reasons::{
    INTERNAL, METRICS, NO_CLASSES, NO_TELEMETRY, ONE_FOLDER, ONE_LISTENER, ONE_NODE, ONE_REPLICA, SNAPSHOTS, THREADS,
};
use super::row::{ANY, NATURAL, NO_BOUND, POSITIVE, cluster_wide, fixed};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Boolean, Class, Int, List, Long, String};
use crate::config_value::Valid;

pub(super) const ROWS: &[BrokerConfig] = &[
    fixed("advertised.listeners", List, None, ANY)
        .set_by("kafka.advertised_listeners")
        .doc("The addresses that clients are told to connect to, by listener; else the one that each came to."),
    fixed("alter.config.policy.class.name", Class, None, ANY)
        .refused(NO_CLASSES)
        .doc("A class that may refuse changes of configs."),
    cluster_wide("background.threads", Int, Some("10"), POSITIVE)
        .refused(THREADS)
        .doc("Threads for tasks in the background."),
    fixed("broker.heartbeat.interval.ms", Int, Some("2000"), ANY)
        .refused(ONE_NODE)
        .doc("How often a broker reports to the controller."),
    fixed("broker.id", Int, Some("-1"), ANY).set_by("node.id").doc("The node's id; the older name of node.id."),
    fixed("broker.rack", String, None, ANY).doc("The node's failure domain; replicas are spread over racks."),
    fixed("broker.session.timeout.ms", Int, Some("9000"), ANY)
        .refused(ONE_NODE)
        .doc("After how long without a report the controller takes a broker for dead."),
    cluster_wide("config.providers", List, Some(""), ANY)
        .refused(NO_CLASSES)
        .doc("Classes that look up values of configs elsewhere."),
    fixed("controlled.shutdown.enable", Boolean, Some("true"), ANY)
        .refused(ONE_REPLICA)
        .doc("Whether a broker that stops hands its leaderships over first."),
    fixed("controller.listener.names", List, None, ANY).refused(ONE_NODE).doc("The listeners of the controllers."),
    fixed("controller.performance.always.log.threshold.ms", Long, Some("2000"), NATURAL)
        .refused(INTERNAL)
        .hidden()
        .doc("From which duration on every slow event of the controller is logged."),
    fixed("controller.performance.sample.period.ms", Long, Some("60000"), Valid::AtLeast(100))
        .refused(INTERNAL)
        .hidden()
        .doc("How often slow events of the controller are summed up in the log."),
    fixed("controller.quorum.append.linger.ms", Int, Some("25"), NATURAL)
        .refused(ONE_NODE)
        .doc("How long the leader of the metadata quorum gathers records before it writes them."),
    fixed("controller.quorum.auto.join.enable", Boolean, Some("false"), ANY)
        .refused(ONE_NODE)
        .doc("Whether a controller enters the metadata quorum by itself."),
    fixed("controller.quorum.bootstrap.servers", List, Some(""), ANY)
        .refused(ONE_NODE)
        .doc("Where to look for the metadata quorum."),
    fixed("controller.quorum.election.backoff.max.ms", Int, Some("1000"), NATURAL)
        .refused(ONE_NODE)
        .doc("The longest pause between two elections of the metadata quorum."),
    fixed("controller.quorum.election.timeout.ms", Int, Some("1000"), NATURAL)
        .refused(ONE_NODE)
        .doc("How long an election of the metadata quorum waits for votes."),
    fixed("controller.quorum.fetch.max.bytes", Int, Some("1048576"), POSITIVE)
        .refused(ONE_NODE)
        .doc("The most bytes of one fetch within the metadata quorum."),
    fixed("controller.quorum.fetch.snapshot.max.bytes", Int, Some("1048576"), POSITIVE)
        .refused(ONE_NODE)
        .doc("The most bytes of one fetch of a metadata snapshot."),
    fixed("controller.quorum.fetch.timeout.ms", Int, Some("2000"), NATURAL)
        .refused(ONE_NODE)
        .doc("After how long without its leader a voter of the metadata quorum asks for an election."),
    fixed("controller.quorum.request.timeout.ms", Int, Some("2000"), NATURAL)
        .refused(ONE_NODE)
        .doc("How long a request within the metadata quorum may take."),
    fixed("controller.quorum.retry.backoff.ms", Int, Some("20"), NATURAL)
        .refused(ONE_NODE)
        .doc("The pause before a request within the metadata quorum is repeated."),
    fixed("controller.quorum.voters", List, Some(""), ANY).refused(ONE_NODE).doc("The members of the metadata quorum."),
    fixed("controller.socket.timeout.ms", Int, Some("30000"), ANY)
        .refused(ONE_NODE)
        .doc("How long a connection between controller and broker may be silent."),
    fixed("create.topic.policy.class.name", Class, None, ANY)
        .refused(NO_CLASSES)
        .doc("A class that may refuse new topics."),
    fixed("early.start.listeners", List, None, ANY)
        .refused(ONE_LISTENER)
        .doc("Listeners that open before the authoriser is ready."),
    fixed("initial.broker.registration.timeout.ms", Int, Some("60000"), ANY)
        .refused(ONE_NODE)
        .doc("How long a starting broker tries to reach a controller."),
    fixed("internal.metadata.delete.delay.millis", Long, Some("60000"), ANY)
        .refused(INTERNAL)
        .hidden()
        .doc("How long a metadata file lingers before it is deleted."),
    fixed("internal.metadata.log.segment.bytes", Int, None, ANY)
        .refused(INTERNAL)
        .hidden()
        .doc("The size of a metadata file, for tests."),
    fixed("internal.metadata.max.batch.size.in.bytes", Int, Some("8388608"), ANY)
        .refused(INTERNAL)
        .hidden()
        .doc("The most bytes of one batch of metadata records."),
    fixed("kafka.metrics.polling.interval.secs", Int, Some("10"), POSITIVE)
        .refused(METRICS)
        .doc("How often reporters of the older metrics library are asked."),
    fixed("kafka.metrics.reporters", List, Some(""), ANY)
        .refused(METRICS)
        .doc("Reporters of the older metrics library."),
    fixed("metadata.log.dir", String, None, ANY)
        .refused(ONE_FOLDER)
        .doc("The folder of the metadata, if not the first of log.dirs."),
    fixed("metadata.log.max.record.bytes.between.snapshots", Long, Some("20971520"), POSITIVE)
        .refused(SNAPSHOTS)
        .doc("After how many bytes of new records a metadata snapshot is written."),
    fixed("metadata.log.max.snapshot.interval.ms", Long, Some("3600000"), NATURAL)
        .refused(SNAPSHOTS)
        .doc("After how long a metadata snapshot is written."),
    fixed("metadata.log.segment.bytes", Int, Some("1073741824"), Valid::AtLeast(8_388_608))
        .refused(SNAPSHOTS)
        .doc("The size at which one file of the metadata log is closed and the next begun."),
    fixed("metadata.log.segment.ms", Long, Some("604800000"), ANY)
        .refused(SNAPSHOTS)
        .doc("After how long a file of the metadata log is closed."),
    fixed("metadata.max.idle.interval.ms", Int, Some("500"), NATURAL)
        .refused(ONE_NODE)
        .doc("How often an idle controller writes a record, so that silence means failure."),
    fixed("metadata.max.retention.bytes", Long, Some("104857600"), ANY)
        .refused(SNAPSHOTS)
        .doc("How many bytes of old metadata are kept."),
    fixed("metadata.max.retention.ms", Long, Some("604800000"), ANY)
        .refused(SNAPSHOTS)
        .doc("How long old metadata is kept."),
    cluster_wide("metric.reporters", List, Some("org.apache.kafka.common.metrics.JmxReporter"), ANY)
        .refused(METRICS)
        .doc("Classes that are given the metrics."),
    fixed("metrics.num.samples", Int, Some("2"), POSITIVE).refused(METRICS).doc("How many samples a rate is made of."),
    fixed("metrics.recording.level", String, Some("INFO"), ANY).refused(METRICS).doc("Which metrics are recorded."),
    fixed("metrics.sample.window.ms", Long, Some("30000"), POSITIVE)
        .refused(METRICS)
        .doc("How long one sample of a rate lasts."),
    fixed("node.id", Int, None, NATURAL).set_by("node.id").doc("The node's id in the cluster."),
    fixed("process.roles", List, Some("broker,controller"), Valid::EachOf(&["broker", "controller"]))
        .refused(ONE_NODE)
        .doc("What the node does in the cluster."),
    fixed("server.max.startup.time.ms", Long, Some(NO_BOUND), NATURAL)
        .refused(INTERNAL)
        .hidden()
        .doc("After how long a start counts as failed."),
    fixed("telemetry.max.bytes", Int, Some("1048576"), POSITIVE)
        .refused(NO_TELEMETRY)
        .doc("The most bytes of metrics that a client may push at once."),
    fixed("unstable.api.versions.enable", Boolean, Some("false"), ANY)
        .refused(INTERNAL)
        .hidden()
        .doc("Whether API versions under development are offered."),
    fixed("unstable.feature.versions.enable", Boolean, Some("false"), ANY)
        .refused(INTERNAL)
        .hidden()
        .doc("Whether feature versions under development are offered."),
];
