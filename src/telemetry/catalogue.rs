//! The declared metrics: name, kind, labels, unit and help of each.
//!
//! Names that dashboards and alerts already know are kept: those of kafka_exporter (`kafka_topic_partition_…`) and of the
//! JMX rules that Strimzi ships (`kafka_server_…`). What only this platform has begins with `callboard_`.

/// One declared metric.
#[derive(Debug)]
pub struct Family {
    /// The full name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The labels that each of its lines carries, in order.
    pub labels: &'static [&'static str],
    /// What one counts.
    pub unit: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

impl Kind {
    /// As the exposition format writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! catalogue {
    ($($handle:ident: $kind:ident $name:literal [$($label:literal),*] $unit:literal, $help:literal;)+) => {
        $(pub(crate) const $handle: Family =
            Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], unit: $unit, help: $help };)+

        /// Every metric there is, in the order in which they are rendered.
        pub const CATALOGUE: &[Family] = &[$($handle),+];
    };
}

catalogue! {
    BUILD_INFO: Gauge "callboard_build_info" ["version"] "constant", "Always 1; the version is in the label.";
    REQUESTS: Counter "callboard_requests_total" ["api", "code"] "requests", "Requests answered, by API and by the answer's first error code.";
    REQUEST_DURATION: Histogram "callboard_request_duration_seconds" ["api"] "seconds", "From the last byte of a request read to its answer handed to the socket; long polls wait on purpose.";
    REQUEST_BYTES: Counter "callboard_request_bytes_total" [] "bytes", "Bytes of requests read from clients, frames included.";
    RESPONSE_BYTES: Counter "callboard_response_bytes_total" [] "bytes", "Bytes of answers written to clients, frames included.";
    IN_FLIGHT_BYTES: Gauge "callboard_in_flight_bytes" [] "bytes", "Bytes of requests that are being worked on.";
    CONNECTIONS: Gauge "callboard_connections" [] "connections", "Client connections that are open.";
    CONNECTIONS_ACCEPTED: Counter "callboard_connections_accepted_total" [] "connections", "Client connections accepted.";
    CONNECTIONS_REFUSED: Counter "callboard_connections_refused_total" ["reason"] "connections", "Client connections closed before a request was read.";
    CONNECTIONS_CLOSED: Counter "callboard_connections_closed_total" ["reason"] "connections", "Client connections that ended, by what ended them.";
    PRODUCE_BYTES: Counter "callboard_produce_bytes_total" [] "bytes", "Bytes of record batches appended for producers.";
    PRODUCE_RECORDS: Counter "callboard_produce_records_total" [] "records", "Records appended for producers.";
    PRODUCE_BATCHES: Counter "callboard_produce_batches_total" [] "batches", "Record batches appended for producers.";
    PRODUCE_DUPLICATES: Counter "callboard_produce_duplicate_batches_total" [] "batches", "Batches recognised as repeats of an idempotent producer and not appended again.";
    FETCH_BYTES: Counter "callboard_fetch_bytes_total" [] "bytes", "Bytes of record batches handed to consumers.";
    FETCH_READS: Counter "callboard_fetch_reads_total" ["source"] "reads", "Reads of one partition for consumers, by where the batches came from.";
    COMMIT_GROUPS: Counter "callboard_commit_groups_total" [] "groups", "Groups of writes that the committer made durable together.";
    COMMIT_WRITES: Counter "callboard_commit_writes_total" [] "writes", "Writes in those groups; divided by the groups it is the mean group.";
    COMMIT_BYTES: Counter "callboard_commit_bytes_total" [] "bytes", "Bytes of those writes.";
    COMMIT_DURATION: Histogram "callboard_commit_duration_seconds" [] "seconds", "Handing one group to the database, without the sync.";
    SYNC_DURATION: Histogram "callboard_commit_sync_duration_seconds" [] "seconds", "Waiting for the disk to confirm one group.";
    LOG_GENERATIONS: Gauge "callboard_log_generations" [] "generations", "Generations of the log that hold data.";
    LOG_BYTES: Gauge "callboard_log_bytes" [] "bytes", "Disk space that the logs take.";
    COMPACTION_ROUNDS: Counter "callboard_compaction_rounds_total" [] "rounds", "Rounds of compaction that came to their end.";
    COMPACTION_ABANDONED: Counter "callboard_compaction_abandoned_rounds_total" [] "rounds", "Rounds of compaction that were given up half-way; what they had done stays done.";
    COMPACTION_READ: Counter "callboard_compaction_read_bytes_total" [] "bytes", "Bytes of batches that compaction has read; those of dirty parts count twice.";
    COMPACTION_WRITTEN: Counter "callboard_compaction_written_bytes_total" [] "bytes", "Bytes of batches that compaction has written in the place of others.";
    COMPACTION_DROPPED: Counter "callboard_compaction_dropped_records_total" [] "records", "Records that compaction has removed.";
    COMPACTION_DURATION: Histogram "callboard_compaction_duration_seconds" [] "seconds", "From the beginning of a round of compaction over one partition to its end.";
    COMPACTION_UNCLEANABLE: Gauge "callboard_compaction_uncleanable_partitions" [] "partitions", "Partitions that compaction leaves alone since it met damage in them; their disk space grows.";
    COMPACTION_DIRTY: Gauge "callboard_compaction_max_dirty_percent" [] "percent", "The largest part of any compacted log that waits for compaction.";
    DISK_FREE: Gauge "callboard_disk_free_bytes" [] "bytes", "Free space where the data lies.";
    DISK_TOTAL: Gauge "callboard_disk_total_bytes" [] "bytes", "Size of the disk where the data lies.";
    DISK_FULL: Gauge "callboard_disk_full" [] "flag", "1 while produce is refused because free space is below the reserve.";
    TAIL_CACHE_BYTES: Gauge "callboard_tail_cache_bytes" [] "bytes", "Memory held by the newest batches.";
    PARTITIONS: Gauge "callboard_partitions" ["state"] "partitions", "Partitions on this node, by state.";
    ACTORS: Gauge "callboard_actors" ["class", "state"] "actors", "Actors, by class and state.";
    MAILBOX: Gauge "callboard_actor_mailbox_messages" ["class", "stat"] "messages", "Messages waiting, by class of actor: the longest mailbox, and all together.";
    ACTOR_FAILURES: Counter "callboard_actor_failures_total" ["class"] "failures", "Failures of actors, by class.";
    ACTOR_RESTARTS: Counter "callboard_actor_restarts_total" ["class"] "restarts", "Restarts of actors after a failure, by class.";
    ESCALATIONS: Counter "callboard_supervisor_escalations_total" ["class"] "escalations", "Supervisors that gave up on a child and failed themselves, by class.";
    DEAD_LETTERS: Counter "callboard_deadletters_total" ["reason"] "messages", "Messages that reached no actor, by reason.";
    SERIES_DROPPED: Counter "callboard_metrics_series_dropped_total" [] "partitions", "Partitions left out of this page because there are more than it lists.";

    BROKERS: Gauge "kafka_brokers" [] "brokers", "Brokers in the cluster.";
    BROKER_INFO: Gauge "kafka_broker_info" ["id", "address"] "constant", "Always 1; the broker is in the labels.";
    TOPIC_PARTITIONS: Gauge "kafka_topic_partitions" ["topic"] "partitions", "Partitions of the topic.";
    CURRENT_OFFSET: Gauge "kafka_topic_partition_current_offset" ["topic", "partition"] "offset", "The offset that consumers will see next: the high watermark.";
    OLDEST_OFFSET: Gauge "kafka_topic_partition_oldest_offset" ["topic", "partition"] "offset", "The first offset that can be read.";
    LEADER: Gauge "kafka_topic_partition_leader" ["topic", "partition"] "broker id", "The broker that leads the partition.";
    REPLICAS: Gauge "kafka_topic_partition_replicas" ["topic", "partition"] "replicas", "Replicas assigned.";
    IN_SYNC_REPLICAS: Gauge "kafka_topic_partition_in_sync_replica" ["topic", "partition"] "replicas", "Replicas in sync.";
    LEADER_IS_PREFERRED: Gauge "kafka_topic_partition_leader_is_preferred" ["topic", "partition"] "flag", "1 if the leader is the first replica assigned.";
    UNDER_REPLICATED: Gauge "kafka_topic_partition_under_replicated_partition" ["topic", "partition"] "flag", "1 if fewer replicas are in sync than assigned.";
    LOG_SIZE: Gauge "kafka_log_log_size" ["topic", "partition"] "bytes", "Bytes of the partition's batches.";

    MESSAGES_IN: Counter "kafka_server_brokertopicmetrics_messagesin_total" [] "records", "Records appended for producers.";
    BYTES_IN: Counter "kafka_server_brokertopicmetrics_bytesin_total" [] "bytes", "Bytes of record batches appended for producers.";
    BYTES_OUT: Counter "kafka_server_brokertopicmetrics_bytesout_total" [] "bytes", "Bytes of record batches handed to consumers.";
    PRODUCE_REQUESTS: Counter "kafka_server_brokertopicmetrics_totalproducerequests_total" [] "requests", "Produce requests answered.";
    FETCH_REQUESTS: Counter "kafka_server_brokertopicmetrics_totalfetchrequests_total" [] "requests", "Fetch requests answered.";
    PRODUCE_FAILED: Counter "kafka_server_brokertopicmetrics_failedproducerequests_total" [] "requests", "Produce requests answered with an error.";
    FETCH_FAILED: Counter "kafka_server_brokertopicmetrics_failedfetchrequests_total" [] "requests", "Fetch requests answered with an error.";
    LEADER_COUNT: Gauge "kafka_server_replicamanager_leadercount" [] "partitions", "Partitions led by this broker.";
    PARTITION_COUNT: Gauge "kafka_server_replicamanager_partitioncount" [] "partitions", "Partitions with a replica on this broker.";
    UNDER_REPLICATED_COUNT: Gauge "kafka_server_replicamanager_underreplicatedpartitions" [] "partitions", "Partitions led here with fewer replicas in sync than assigned.";
    UNDER_MIN_ISR_COUNT: Gauge "kafka_server_replicamanager_underminisrpartitioncount" [] "partitions", "Partitions led here with fewer replicas in sync than min.insync.replicas.";
    SOCKET_CONNECTIONS: Gauge "kafka_server_socket_server_metrics_connection_count" [] "connections", "Client connections that are open.";

    CPU_SECONDS: Counter "process_cpu_seconds_total" [] "seconds", "Processor time of the process, user and system.";
    OPEN_FDS: Gauge "process_open_fds" [] "files", "Open file descriptors.";
    MAX_FDS: Gauge "process_max_fds" [] "files", "The most file descriptors that may be open.";
    RESIDENT_BYTES: Gauge "process_resident_memory_bytes" [] "bytes", "Memory of the process that is in RAM.";
    START_TIME: Gauge "process_start_time_seconds" [] "seconds", "When the process started, in seconds since 1970-01-01 UTC.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_legal_and_unique() {
        let mut seen = BTreeSet::new();
        for family in CATALOGUE {
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(family.name.chars().all(legal), "{}", family.name);
            assert!(seen.insert(family.name), "{} is declared twice", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
        }
    }

    #[test]
    fn a_name_tells_its_kind_and_its_unit() {
        for family in CATALOGUE {
            assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
            assert_eq!(family.kind == Kind::Histogram, family.name.ends_with("_duration_seconds"), "{}", family.name);
            let ours = family.name.starts_with("callboard_") || family.name.starts_with("process_");
            let stem = family.name.trim_end_matches("_total");
            if ours && matches!(family.unit, "bytes" | "seconds") {
                assert!(stem.ends_with(family.unit), "{} is counted in {}", family.name, family.unit);
            }
        }
    }
}
