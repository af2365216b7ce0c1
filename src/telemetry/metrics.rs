//! The handles of one node in one place.

use std::sync::Arc;
use std::time::Duration;

use callboard_model::ErrorCode;

use crate::metric::{Counter, Gauge, Histogram, LabelledCounter};
use crate::process::unix_seconds;

/// API keys of Kafka's protocol that have a line of their own; beyond is shared.
const API_KEYS_MAX: usize = 128;

mod page;

/// What a node's metrics are made for.
#[derive(Clone, Debug)]
pub struct MetricsOptions {
    /// The program's version, shown as a label.
    pub version: &'static str,
    /// The APIs that the node serves: key and name. Others are counted as `other`.
    pub apis: Vec<(i16, &'static str)>,
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `kafka.max_connections` is reached.
    Limit,
    /// The limit of open files leaves no more for clients.
    Files,
    /// The system gave no file descriptor or memory for it.
    System,
    /// The node is stopping.
    Stopping,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it, or it broke.
    Client,
    /// Silent for longer than `kafka.connections_max_idle`.
    Idle,
    /// The client sent something that is no request.
    BadRequest,
    /// Its actor failed.
    Failure,
    /// The node is stopping.
    Stopping,
    /// The client took its answers too slowly, or not at all.
    SlowReader,
}

/// Where a consumer's batches were read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadSource {
    /// The tail cache.
    Memory,
    /// The database.
    Disk,
}

/// Counters by the variants of an enum whose label values are known.
#[derive(Debug)]
struct ByReason<const N: usize> {
    names: [&'static str; N],
    counters: [Counter; N],
}

impl<const N: usize> ByReason<N> {
    fn new(names: [&'static str; N]) -> Self {
        Self { names, counters: std::array::from_fn(|_| Counter::default()) }
    }
}

/// One API's requests.
#[derive(Debug)]
struct ApiMetrics {
    name: &'static str,
    /// In the order of [`ErrorCode::ALL`].
    by_code: Box<[Counter]>,
    duration: Histogram,
}

/// All handles of one node; a clone is the same node's.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Handles>);

/// The handles themselves; reached through [`Metrics`].
#[derive(Debug)]
pub struct Handles {
    /// Bytes of requests read, frames included.
    pub request_bytes: Counter,
    /// Bytes of answers written, frames included.
    pub response_bytes: Counter,
    /// Bytes of requests being worked on.
    pub in_flight_bytes: Gauge,
    /// Bytes of record batches appended for producers.
    pub produce_bytes: Counter,
    /// Records appended for producers.
    pub produce_records: Counter,
    /// Batches appended for producers.
    pub produce_batches: Counter,
    /// Batches of idempotent producers recognised as repeats.
    pub produce_duplicates: Counter,
    /// Bytes of record batches handed to consumers.
    pub fetch_bytes: Counter,
    /// Groups made durable together.
    pub commit_groups: Counter,
    /// Writes in those groups.
    pub commit_writes: Counter,
    /// Bytes of those writes.
    pub commit_bytes: Counter,
    /// Handing one group to the database, without the sync.
    pub commit_duration: Histogram,
    /// Waiting for the disk to confirm one group.
    pub sync_duration: Histogram,
    /// Generations of the log that hold data.
    pub log_generations: Gauge,
    /// Disk space that the logs take.
    pub log_bytes: Gauge,
    /// Rounds of compaction that came to their end.
    pub compaction_rounds: Counter,
    /// Rounds of compaction that were given up half-way.
    pub compaction_abandoned: Counter,
    /// Bytes of batches that compaction has read.
    pub compaction_read_bytes: Counter,
    /// Bytes of batches that compaction has written.
    pub compaction_written_bytes: Counter,
    /// Records that compaction has removed.
    pub compaction_dropped: Counter,
    /// Rounds of compaction, from beginning to end.
    pub compaction_duration: Histogram,
    /// Partitions that compaction leaves alone.
    pub compaction_uncleanable: Gauge,
    /// The largest part of any compacted log that waits.
    pub compaction_max_dirty: Gauge,
    /// Free space where the data lies.
    pub disk_free: Gauge,
    /// Size of the disk where the data lies.
    pub disk_total: Gauge,
    /// 1 while produce is refused for want of space.
    pub disk_full: Gauge,
    /// Memory held by the newest batches.
    pub tail_cache_bytes: Gauge,
    /// Failures of actors, by class.
    pub actor_failures: LabelledCounter,
    /// Restarts of actors, by class.
    pub actor_restarts: LabelledCounter,
    /// Supervisors that failed because of a child, by class.
    pub escalations: LabelledCounter,
    /// Messages that reached no actor, by reason.
    pub dead_letters: LabelledCounter,
    version: &'static str,
    started: f64,
    connections: Gauge,
    connections_accepted: Counter,
    refused: ByReason<4>,
    closed: ByReason<6>,
    reads: ByReason<2>,
    series_dropped: Counter,
    apis: Vec<ApiMetrics>,
    /// API key -> index into `apis`.
    api_index: [u8; API_KEYS_MAX],
    /// Error code + 1 -> index into `by_code`.
    code_index: Vec<u8>,
}

impl std::ops::Deref for Metrics {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0
    }
}

impl Metrics {
    /// A node's metrics, all at zero.
    pub fn new(options: MetricsOptions) -> Self {
        let codes = ErrorCode::ALL.len();
        let api = |name| ApiMetrics {
            name,
            by_code: std::iter::repeat_with(Counter::default).take(codes).collect(),
            duration: Histogram::default(),
        };
        let mut apis = vec![api("other")];
        let mut api_index = [0; API_KEYS_MAX];
        for (key, name) in options.apis.into_iter().take(API_KEYS_MAX) {
            if let Some(slot) = usize::try_from(key).ok().and_then(|key| api_index.get_mut(key)) {
                *slot = u8::try_from(apis.len()).expect("at most 128 APIs and `other`");
                apis.push(api(name));
            }
        }
        let highest = ErrorCode::ALL.iter().map(|code| code.code()).max().unwrap_or(0);
        let mut code_index = vec![0; usize::try_from(highest).unwrap_or(0) + 2];
        for (at, code) in ErrorCode::ALL.iter().enumerate() {
            code_index[slot_of(code.code())] = u8::try_from(at).expect("Kafka has fewer than 256 error codes");
        }
        Self(Arc::new(Handles {
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            in_flight_bytes: Gauge::default(),
            produce_bytes: Counter::default(),
            produce_records: Counter::default(),
            produce_batches: Counter::default(),
            produce_duplicates: Counter::default(),
            fetch_bytes: Counter::default(),
            commit_groups: Counter::default(),
            commit_writes: Counter::default(),
            commit_bytes: Counter::default(),
            commit_duration: Histogram::default(),
            sync_duration: Histogram::default(),
            log_generations: Gauge::default(),
            log_bytes: Gauge::default(),
            compaction_rounds: Counter::default(),
            compaction_abandoned: Counter::default(),
            compaction_read_bytes: Counter::default(),
            compaction_written_bytes: Counter::default(),
            compaction_dropped: Counter::default(),
            compaction_duration: Histogram::default(),
            compaction_uncleanable: Gauge::default(),
            compaction_max_dirty: Gauge::default(),
            disk_free: Gauge::default(),
            disk_total: Gauge::default(),
            disk_full: Gauge::default(),
            tail_cache_bytes: Gauge::default(),
            actor_failures: LabelledCounter::default(),
            actor_restarts: LabelledCounter::default(),
            escalations: LabelledCounter::default(),
            dead_letters: LabelledCounter::default(),
            version: options.version,
            started: unix_seconds(),
            connections: Gauge::default(),
            connections_accepted: Counter::default(),
            refused: ByReason::new(["limit", "files", "system", "stopping"]),
            closed: ByReason::new(["client", "idle", "bad_request", "failure", "stopping", "slow_reader"]),
            reads: ByReason::new(["memory", "disk"]),
            series_dropped: Counter::default(),
            apis,
            api_index,
            code_index,
        }))
    }

    /// A request was answered: its API key, the first error in its answer, and how long it took.
    pub fn request(&self, api_key: i16, code: ErrorCode, took: Duration) {
        let api = self.api(api_key);
        let at = self.code_index.get(slot_of(code.code())).copied().unwrap_or(0);
        api.by_code[usize::from(at)].increment();
        api.duration.observe(took);
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        self.connections_accepted.increment();
        self.connections.add(1);
    }

    /// A connection that was accepted ended.
    pub fn connection_closed(&self, reason: CloseReason) {
        self.connections.add(-1);
        self.closed.counters[reason as usize].increment();
    }

    /// A connection was closed before a request was read from it, and not counted as accepted.
    pub fn connection_refused(&self, reason: Refusal) {
        self.refused.counters[reason as usize].increment();
    }

    /// Connections that are open.
    pub fn connections_open(&self) -> i64 {
        self.connections.get()
    }

    /// One partition was read for a consumer.
    pub fn fetch_read(&self, source: ReadSource) {
        self.reads.counters[source as usize].increment();
    }

    /// One group of writes was made durable; `sync` is `None` where nothing had to wait for the disk.
    pub fn committed(&self, writes: u64, bytes: u64, write: Duration, sync: Option<Duration>) {
        self.commit_groups.increment();
        self.commit_writes.add(writes);
        self.commit_bytes.add(bytes);
        self.commit_duration.observe(write);
        if let Some(sync) = sync {
            self.sync_duration.observe(sync);
        }
    }

    fn api(&self, key: i16) -> &ApiMetrics {
        let at = usize::try_from(key).ok().and_then(|key| self.api_index.get(key)).copied().unwrap_or(0);
        &self.apis[usize::from(at)]
    }
}

fn slot_of(code: i16) -> usize {
    usize::try_from(i32::from(code) + 1).unwrap_or(0)
}

#[cfg(test)]
mod tests;
