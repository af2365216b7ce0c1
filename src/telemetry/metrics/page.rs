//! The page that a node's handles make together with a snapshot of its partitions and actors.

use std::collections::BTreeMap;

use callboard_model::ErrorCode;

use super::{ByReason, Metrics};
use crate::catalogue::*;
use crate::exposition::Page;
use crate::metric::{Counter, LabelledCounter};
use crate::process::ProcessFacts;
use crate::{ActorClass, PartitionSnapshot, Snapshot};

/// Partitions that the page lists one by one; the sums are over all of them. Eight lines each.
pub(super) const PARTITIONS_LISTED_MAX: usize = 2_000;

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;

impl Metrics {
    /// The page for Prometheus: content type `text/plain; version=0.0.4; charset=utf-8`.
    pub fn render(&self, snapshot: &Snapshot) -> String {
        let mut page = Page::default();
        page.line(&BUILD_INFO, &[self.version], 1);
        self.render_requests(&mut page);
        self.render_connections(&mut page);
        self.render_records(&mut page);
        self.render_storage(&mut page);
        self.render_partition_states(&mut page, &snapshot.partitions);
        self.render_actors(&mut page, &snapshot.actors);
        let listed = snapshot.partitions.len().min(PARTITIONS_LISTED_MAX);
        self.series_dropped.add((snapshot.partitions.len() - listed) as u64);
        page.line(&SERIES_DROPPED, &[], self.series_dropped.get());
        render_cluster(&mut page, snapshot, &snapshot.partitions[..listed]);
        self.render_kafka_sums(&mut page, &snapshot.partitions);
        self.render_process(&mut page);
        page.finish()
    }

    fn render_requests(&self, page: &mut Page) {
        for api in &self.apis {
            for (code, counter) in ErrorCode::ALL.iter().zip(&api.by_code) {
                let count = counter.get();
                // A line for every API and code would be thousands; what never happened is left out, success is not.
                if count > 0 || *code == ErrorCode::None {
                    page.line(&REQUESTS, &[api.name, code.name()], count);
                }
            }
        }
        for api in &self.apis {
            page.histogram(&REQUEST_DURATION, &[api.name], &api.duration);
        }
        page.line(&REQUEST_BYTES, &[], self.request_bytes.get());
        page.line(&RESPONSE_BYTES, &[], self.response_bytes.get());
        page.line(&IN_FLIGHT_BYTES, &[], self.in_flight_bytes.get());
    }

    fn render_connections(&self, page: &mut Page) {
        page.line(&CONNECTIONS, &[], self.connections.get());
        page.line(&CONNECTIONS_ACCEPTED, &[], self.connections_accepted.get());
        by_reason(page, &CONNECTIONS_REFUSED, &self.refused);
        by_reason(page, &CONNECTIONS_CLOSED, &self.closed);
    }

    fn render_records(&self, page: &mut Page) {
        page.line(&PRODUCE_BYTES, &[], self.produce_bytes.get());
        page.line(&PRODUCE_RECORDS, &[], self.produce_records.get());
        page.line(&PRODUCE_BATCHES, &[], self.produce_batches.get());
        page.line(&PRODUCE_DUPLICATES, &[], self.produce_duplicates.get());
        page.line(&FETCH_BYTES, &[], self.fetch_bytes.get());
        by_reason(page, &FETCH_READS, &self.reads);
    }

    fn render_storage(&self, page: &mut Page) {
        page.line(&COMMIT_GROUPS, &[], self.commit_groups.get());
        page.line(&COMMIT_WRITES, &[], self.commit_writes.get());
        page.line(&COMMIT_BYTES, &[], self.commit_bytes.get());
        page.histogram(&COMMIT_DURATION, &[], &self.commit_duration);
        page.histogram(&SYNC_DURATION, &[], &self.sync_duration);
        page.line(&LOG_GENERATIONS, &[], self.log_generations.get());
        page.line(&LOG_BYTES, &[], self.log_bytes.get());
        page.line(&COMPACTION_ROUNDS, &[], self.compaction_rounds.get());
        page.line(&COMPACTION_ABANDONED, &[], self.compaction_abandoned.get());
        page.line(&COMPACTION_READ, &[], self.compaction_read_bytes.get());
        page.line(&COMPACTION_WRITTEN, &[], self.compaction_written_bytes.get());
        page.line(&COMPACTION_DROPPED, &[], self.compaction_dropped.get());
        page.histogram(&COMPACTION_DURATION, &[], &self.compaction_duration);
        page.line(&COMPACTION_UNCLEANABLE, &[], self.compaction_uncleanable.get());
        page.line(&COMPACTION_DIRTY, &[], self.compaction_max_dirty.get());
        page.line(&DISK_FREE, &[], self.disk_free.get());
        page.line(&DISK_TOTAL, &[], self.disk_total.get());
        page.line(&DISK_FULL, &[], self.disk_full.get());
        page.line(&TAIL_CACHE_BYTES, &[], self.tail_cache_bytes.get());
    }

    fn render_partition_states(&self, page: &mut Page, partitions: &[PartitionSnapshot]) {
        let online = partitions.iter().filter(|partition| partition.online).count();
        page.line(&PARTITIONS, &["online"], online);
        page.line(&PARTITIONS, &["offline"], partitions.len() - online);
    }

    fn render_actors(&self, page: &mut Page, actors: &[ActorClass]) {
        for class in actors {
            page.line(&ACTORS, &[&class.class, class.state.name()], class.count);
        }
        // One class may stand there once per state; its mailboxes are one line.
        let mut mailboxes = BTreeMap::<&str, (u64, u64)>::new();
        for class in actors {
            let (max, sum) = mailboxes.entry(&class.class).or_default();
            *max = (*max).max(class.mailbox_max);
            *sum += class.mailbox_sum;
        }
        for (class, (max, sum)) in mailboxes {
            page.line(&MAILBOX, &[class, "max"], max);
            page.line(&MAILBOX, &[class, "sum"], sum);
        }
        by_label(page, &ACTOR_FAILURES, &self.actor_failures);
        by_label(page, &ACTOR_RESTARTS, &self.actor_restarts);
        by_label(page, &ESCALATIONS, &self.escalations);
        by_label(page, &DEAD_LETTERS, &self.dead_letters);
    }

    fn render_kafka_sums(&self, page: &mut Page, partitions: &[PartitionSnapshot]) {
        let answered = |key| self.api(key).by_code.iter().map(Counter::get).sum::<u64>();
        let failed = |key| {
            let codes = ErrorCode::ALL.iter().zip(&self.api(key).by_code);
            codes.filter(|(code, _)| **code != ErrorCode::None).map(|(_, counter)| counter.get()).sum::<u64>()
        };
        page.line(&MESSAGES_IN, &[], self.produce_records.get());
        page.line(&BYTES_IN, &[], self.produce_bytes.get());
        page.line(&BYTES_OUT, &[], self.fetch_bytes.get());
        page.line(&PRODUCE_REQUESTS, &[], answered(PRODUCE));
        page.line(&FETCH_REQUESTS, &[], answered(FETCH));
        page.line(&PRODUCE_FAILED, &[], failed(PRODUCE));
        page.line(&FETCH_FAILED, &[], failed(FETCH));
        let led = || partitions.iter().filter(|partition| partition.leads_here);
        page.line(&LEADER_COUNT, &[], led().count());
        page.line(&PARTITION_COUNT, &[], partitions.len());
        page.line(&UNDER_REPLICATED_COUNT, &[], led().filter(|one| one.in_sync < one.replicas.len()).count());
        page.line(&UNDER_MIN_ISR_COUNT, &[], led().filter(|one| one.in_sync < one.min_in_sync).count());
        page.line(&SOCKET_CONNECTIONS, &[], self.connections.get());
    }

    fn render_process(&self, page: &mut Page) {
        let facts = ProcessFacts::read();
        if let Some(seconds) = facts.cpu_seconds {
            page.line(&CPU_SECONDS, &[], seconds);
        }
        let amounts = [(&OPEN_FDS, facts.open_fds), (&MAX_FDS, facts.max_fds), (&RESIDENT_BYTES, facts.resident_bytes)];
        for (family, amount) in amounts {
            if let Some(amount) = amount {
                page.line(family, &[], amount);
            }
        }
        page.line(&START_TIME, &[], self.started);
    }
}

fn by_reason<const N: usize>(page: &mut Page, family: &Family, reasons: &ByReason<N>) {
    for (name, counter) in reasons.names.iter().zip(&reasons.counters) {
        page.line(family, &[name], counter.get());
    }
}

fn by_label(page: &mut Page, family: &Family, counter: &LabelledCounter) {
    for (label, count) in counter.get() {
        page.line(family, &[&label], count);
    }
}

/// The lines that kafka_exporter gives, family by family.
fn render_cluster(page: &mut Page, snapshot: &Snapshot, listed: &[PartitionSnapshot]) {
    page.line(&BROKERS, &[], snapshot.brokers.len());
    for broker in &snapshot.brokers {
        page.line(&BROKER_INFO, &[&broker.id.to_string(), &broker.address], 1);
    }
    let mut topics = BTreeMap::<&str, usize>::new();
    for partition in &snapshot.partitions {
        *topics.entry(&partition.topic).or_default() += 1;
    }
    for (topic, count) in topics {
        page.line(&TOPIC_PARTITIONS, &[topic], count);
    }
    type Value = fn(&PartitionSnapshot) -> Option<i64>;
    let families: [(&Family, Value); 8] = [
        (&CURRENT_OFFSET, |one| Some(one.high_watermark)),
        (&OLDEST_OFFSET, |one| Some(one.log_start)),
        (&LEADER, |one| Some(one.leader.into())),
        (&REPLICAS, |one| i64::try_from(one.replicas.len()).ok()),
        (&IN_SYNC_REPLICAS, |one| i64::try_from(one.in_sync).ok()),
        (&LEADER_IS_PREFERRED, |one| Some((one.replicas.first() == Some(&one.leader)).into())),
        (&UNDER_REPLICATED, |one| Some((one.in_sync < one.replicas.len()).into())),
        (&LOG_SIZE, |one| one.log_bytes.and_then(|bytes| i64::try_from(bytes).ok())),
    ];
    for (family, value) in families {
        for partition in listed {
            if let Some(value) = value(partition) {
                page.line(family, &[&partition.topic, &partition.partition.to_string()], value);
            }
        }
    }
}
