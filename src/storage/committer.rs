//! Group commit: many partitions' writes, one write-ahead log write, one sync, all waiters answered.
//!
//! ```text
//! submit -> queue -> [applier: one atomic write] -> applied -> [syncer: one sync for all applied] -> sink
//! ```
//! While one group syncs, the next is applied and the one after that gathers; no timer adds latency. A write is
//! answered after the sync that began after it was applied, never earlier. What need only be written to the operating
//! system is answered by the applier and does not wait for a sync; it is synced within a bound of time and bytes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard_model::{Durability, JournalWrite, LogId};

use crate::{Storage, StorageError};

/// Whom to tell, and about what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Which of the sink's receivers.
    pub route: u32,
    /// The log written to.
    pub log: LogId,
    /// The submitter's own number.
    pub seq: u64,
}

/// Why a submitted write did not become durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Storage refused this write; the others of its group went on.
    #[error(transparent)]
    Refused(StorageError),
    /// Writing or syncing failed: whether the write lasts is not known, nothing is taken any more.
    #[error("the journal failed: {0}")]
    Failed(StorageError),
    /// Submitted after the committer had stopped.
    #[error("the journal is closed")]
    Stopped,
}

/// A write's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// As submitted.
    pub ticket: Ticket,
    /// Whether it is as durable as it was to be.
    pub result: Result<(), CommitError>,
}

/// Receives the ends of writes. Called on the committer's threads (on the submitter's own, if the committer has stopped):
/// hand over and return.
pub trait CommitSink: Send + Sync + 'static {
    /// The ends of one route's writes. Those of one log and one durability come in the order of submission.
    fn committed(&self, route: u32, done: Vec<Done>);
}

/// Called once, when writing or syncing failed. In production: log it and abort the process.
pub type OnFatal = Box<dyn Fn(&StorageError) + Send + Sync>;

/// Bounds of a committer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitterOptions {
    /// Bytes of one group.
    pub group_bytes: usize,
    /// Bytes submitted and not yet done beyond which [`CommitHandle::has_room`] says no.
    pub in_flight_bytes: u64,
    /// How long a write that need only be written waits for its sync.
    pub written_sync_after: Duration,
    /// Bytes of such writes that wait for a sync.
    pub written_sync_bytes: u64,
    /// Applies the next group while one syncs. Without it, one thread does both in turn.
    pub pipelined: bool,
}

impl Default for CommitterOptions {
    fn default() -> Self {
        Self {
            group_bytes: 4 << 20,
            in_flight_bytes: 64 << 20,
            written_sync_after: Duration::from_millis(100),
            written_sync_bytes: 1 << 20,
            pipelined: true,
        }
    }
}

/// A write costs this much of the in-flight bound beside its batches: its small writes and its place in the queues.
const WRITE_OVERHEAD: u64 = 256;

/// Counters, read without a lock; sums since the start.
#[derive(Debug, Default)]
pub struct CommitStats {
    groups: AtomicU64,
    writes: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    sync_micros: AtomicU64,
    sync_micros_max: AtomicU64,
    apply_micros: AtomicU64,
    in_flight_bytes: AtomicU64,
    in_flight_writes: AtomicU64,
}

impl CommitStats {
    /// Atomic writes made.
    pub fn groups(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    /// Submitted writes that were applied or refused.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Bytes of record batches applied.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Syncs made.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Time spent in syncs.
    pub fn sync_time(&self) -> Duration {
        Duration::from_micros(self.sync_micros.load(Ordering::Relaxed))
    }

    /// The longest sync.
    pub fn sync_time_max(&self) -> Duration {
        Duration::from_micros(self.sync_micros_max.load(Ordering::Relaxed))
    }

    /// Time spent in applying.
    pub fn apply_time(&self) -> Duration {
        Duration::from_micros(self.apply_micros.load(Ordering::Relaxed))
    }

    /// Bytes submitted and not yet done.
    pub fn in_flight_bytes(&self) -> u64 {
        self.in_flight_bytes.load(Ordering::Relaxed)
    }

    /// Writes submitted and not yet done.
    pub fn in_flight_writes(&self) -> u64 {
        self.in_flight_writes.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(JournalWrite, Ticket)>,
    stopping: bool,
    failed: Option<StorageError>,
}

/// A write's end as far as it is known, with what it held of the in-flight bound.
#[derive(Debug)]
struct Ended {
    done: Done,
    cost: u64,
}

#[derive(Debug, Default)]
struct Applied {
    ended: Vec<Ended>,
    written_bytes: u64,
    written_since: Option<Instant>,
    applier_gone: bool,
}

impl Applied {
    /// Until when a sync can wait; `None` if nothing needs one.
    fn due(&self, options: &CommitterOptions, now: Instant) -> Option<Duration> {
        if !self.ended.is_empty() || self.written_bytes >= options.written_sync_bytes {
            return Some(Duration::ZERO);
        }
        let since = self.written_since?;
        if self.applier_gone {
            return Some(Duration::ZERO);
        }
        Some(options.written_sync_after.saturating_sub(now.saturating_duration_since(since)))
    }
}

struct Shared {
    storage: Arc<dyn Storage>,
    sink: Arc<dyn CommitSink>,
    on_fatal: OnFatal,
    options: CommitterOptions,
    queue: Mutex<Queue>,
    submitted: Condvar,
    applied: Mutex<Applied>,
    to_sync: Condvar,
    dead: AtomicBool,
    stats: Arc<CommitStats>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under one of these locks cannot leave them half changed: each critical section is one move of values.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Hands writes to the committer. Cheap to clone.
#[derive(Clone)]
pub struct CommitHandle {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for CommitHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitHandle").field("in_flight_bytes", &self.shared.stats.in_flight_bytes()).finish()
    }
}

impl CommitHandle {
    /// Submits one write; never blocks. Its end comes to the sink, also if the committer has stopped.
    pub fn submit(&self, write: JournalWrite, ticket: Ticket) {
        self.submit_many([(write, ticket)]);
    }

    /// Submits writes in order; never blocks.
    pub fn submit_many(&self, writes: impl IntoIterator<Item = (JournalWrite, Ticket)>) {
        let stats = &self.shared.stats;
        let writes: Vec<_> = writes.into_iter().collect();
        let cost: u64 = writes.iter().map(|(write, _)| cost_of(write)).sum();
        stats.in_flight_bytes.fetch_add(cost, Ordering::Relaxed);
        stats.in_flight_writes.fetch_add(writes.len() as u64, Ordering::Relaxed);
        let mut queue = lock(&self.shared.queue);
        let refusal = match &queue.failed {
            Some(error) => Some(CommitError::Failed(error.clone())),
            None if queue.stopping => Some(CommitError::Stopped),
            None => None,
        };
        match refusal {
            None => {
                queue.waiting.extend(writes);
                drop(queue);
                self.shared.submitted.notify_one();
            }
            Some(error) => {
                drop(queue);
                self.shared.refuse(writes, &error);
            }
        }
    }

    /// Whether the in-flight bound is not reached. Callers that see `false` hold their writes back (and their clients):
    /// submitting all the same is taken.
    pub fn has_room(&self) -> bool {
        self.shared.stats.in_flight_bytes() < self.shared.options.in_flight_bytes
    }

    /// The counters.
    pub fn stats(&self) -> &Arc<CommitStats> {
        &self.shared.stats
    }
}

fn cost_of(write: &JournalWrite) -> u64 {
    write.batch_bytes() as u64 + WRITE_OVERHEAD
}

/// The committer of one journal: its threads run until it is stopped or dropped.
#[derive(Debug)]
pub struct Committer {
    handle: CommitHandle,
    threads: Vec<JoinHandle<()>>,
}

impl Committer {
    /// Starts the threads. Errors if the system gives none.
    pub fn start(
        storage: Arc<dyn Storage>,
        sink: Arc<dyn CommitSink>,
        on_fatal: OnFatal,
        options: CommitterOptions,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            storage,
            sink,
            on_fatal,
            options,
            queue: Mutex::default(),
            submitted: Condvar::new(),
            applied: Mutex::default(),
            to_sync: Condvar::new(),
            dead: AtomicBool::new(false),
            stats: Arc::default(),
        });
        let mut committer = Self { handle: CommitHandle { shared: Arc::clone(&shared) }, threads: Vec::new() };
        let applier = Arc::clone(&shared);
        committer.spawn("journal-apply", move || applier.run_applier())?;
        committer.spawn("journal-sync", move || shared.run_syncer())?;
        Ok(committer)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }

    /// A handle for submitting.
    pub fn handle(&self) -> CommitHandle {
        self.handle.clone()
    }

    /// Takes no more writes, ends those submitted, syncs, and waits for the threads. Handles keep the storage alive.
    pub fn stop(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        lock(&self.handle.shared.queue).stopping = true;
        self.handle.shared.submitted.notify_all();
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                let detail = Arc::from(format!("thread {name} panicked"));
                self.handle.shared.die(&StorageError::Engine { doing: "commit", detail });
            }
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Tells the syncer that nothing will be applied any more, also if the applier panics.
struct ApplierGone<'a>(&'a Shared);

impl Drop for ApplierGone<'_> {
    fn drop(&mut self) {
        lock(&self.0.applied).applier_gone = true;
        self.0.to_sync.notify_all();
    }
}

impl Shared {
    fn run_applier(&self) {
        let _gone = ApplierGone(self);
        while let Some((writes, tickets)) = self.next_group() {
            self.apply_group(&writes, tickets);
            if !self.options.pipelined {
                self.sync_applied(false);
            }
        }
    }

    /// Waits for writes and takes as many as fit into a group; `None` when there will be no more.
    fn next_group(&self) -> Option<(Vec<JournalWrite>, Vec<Ticket>)> {
        let mut queue = lock(&self.queue);
        loop {
            if !queue.waiting.is_empty() {
                break;
            }
            if queue.stopping {
                return None;
            }
            queue = self.submitted.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        let (mut writes, mut tickets, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some((write, _)) = queue.waiting.front() {
            bytes += write.batch_bytes() + WRITE_OVERHEAD as usize;
            if !writes.is_empty() && bytes > self.options.group_bytes {
                break;
            }
            let (write, ticket) = queue.waiting.pop_front().expect("the front was just seen under the same lock");
            writes.push(write);
            tickets.push(ticket);
        }
        Some((writes, tickets))
    }

    fn apply_group(&self, writes: &[JournalWrite], tickets: Vec<Ticket>) {
        if self.dead.load(Ordering::Acquire) {
            let error = lock(&self.queue).failed.clone().unwrap_or(StorageError::Closed);
            self.refuse_tickets(writes, tickets, &CommitError::Failed(error));
            return;
        }
        let begun = Instant::now();
        let results = self.storage.apply(writes);
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err().filter(|error| error.is_fatal())) {
            self.die(error);
            self.refuse_tickets(writes, tickets, &CommitError::Failed(error.clone()));
            return;
        }
        let (mut synced, mut written, mut written_bytes, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
        for ((write, ticket), result) in writes.iter().zip(tickets).zip(results) {
            let cost = cost_of(write);
            bytes += if result.is_ok() { write.batch_bytes() as u64 } else { 0 };
            let ended = Ended { done: Done { ticket, result: result.map_err(CommitError::Refused) }, cost };
            match write.durability {
                Durability::Synced => synced.push(ended),
                Durability::Written => {
                    written_bytes += cost;
                    written.push(ended);
                }
            }
        }
        let stats = &self.stats;
        stats.groups.fetch_add(1, Ordering::Relaxed);
        stats.writes.fetch_add(writes.len() as u64, Ordering::Relaxed);
        stats.bytes.fetch_add(bytes, Ordering::Relaxed);
        if !written.is_empty()
            && let Err(error) = self.storage.flush_wal()
        {
            self.die(&error);
            written.append(&mut synced);
            self.fail(written, &error);
            return;
        }
        stats.apply_micros.fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
        {
            let mut applied = lock(&self.applied);
            applied.ended.append(&mut synced);
            applied.written_bytes += written_bytes;
            if written_bytes > 0 && applied.written_since.is_none() {
                applied.written_since = Some(Instant::now());
            }
        }
        self.to_sync.notify_one();
        self.tell(written);
    }

    fn run_syncer(&self) {
        loop {
            {
                let mut applied = lock(&self.applied);
                loop {
                    match applied.due(&self.options, Instant::now()) {
                        Some(Duration::ZERO)
                            if self.options.pipelined || applied.ended.is_empty() || applied.applier_gone =>
                        {
                            break;
                        }
                        // Not pipelined: the applier syncs what waits; only the timed sync is done here.
                        Some(Duration::ZERO) | None => {
                            if applied.applier_gone && applied.ended.is_empty() {
                                return;
                            }
                            applied = self.to_sync.wait(applied).unwrap_or_else(std::sync::PoisonError::into_inner);
                        }
                        Some(wait) => {
                            let (guard, _) = self
                                .to_sync
                                .wait_timeout(applied, wait)
                                .unwrap_or_else(std::sync::PoisonError::into_inner);
                            applied = guard;
                        }
                    }
                }
            }
            self.sync_applied(true);
        }
    }

    /// Syncs everything applied so far and answers those who waited for it. `timed` also when only written ones wait.
    fn sync_applied(&self, timed: bool) {
        let ended = {
            let mut applied = lock(&self.applied);
            if applied.ended.is_empty() && !(timed && applied.written_since.is_some()) {
                return;
            }
            applied.written_bytes = 0;
            applied.written_since = None;
            std::mem::take(&mut applied.ended)
        };
        if self.dead.load(Ordering::Acquire) {
            let error = lock(&self.queue).failed.clone().unwrap_or(StorageError::Closed);
            self.fail(ended, &error);
            return;
        }
        let begun = Instant::now();
        let result = self.storage.sync_wal();
        let micros = begun.elapsed().as_micros() as u64;
        self.stats.syncs.fetch_add(1, Ordering::Relaxed);
        self.stats.sync_micros.fetch_add(micros, Ordering::Relaxed);
        self.stats.sync_micros_max.fetch_max(micros, Ordering::Relaxed);
        match result {
            Ok(()) => self.tell(ended),
            Err(error) => {
                self.die(&error);
                self.fail(ended, &error);
            }
        }
    }

    /// Answers by route, each route once, its ends in order.
    fn tell(&self, ended: Vec<Ended>) {
        if ended.is_empty() {
            return;
        }
        let (cost, count) = (ended.iter().map(|ended| ended.cost).sum(), ended.len() as u64);
        let mut routes: BTreeMap<u32, Vec<Done>> = BTreeMap::new();
        for Ended { done, .. } in ended {
            routes.entry(done.ticket.route).or_default().push(done);
        }
        // Room first: whoever is told may look at it at once.
        self.stats.in_flight_bytes.fetch_sub(cost, Ordering::Relaxed);
        self.stats.in_flight_writes.fetch_sub(count, Ordering::Relaxed);
        for (route, done) in routes {
            self.sink.committed(route, done);
        }
    }

    fn fail(&self, ended: Vec<Ended>, error: &StorageError) {
        let failed = |mut ended: Ended| {
            ended.done.result = Err(CommitError::Failed(error.clone()));
            ended
        };
        self.tell(ended.into_iter().map(failed).collect());
    }

    fn refuse(&self, writes: Vec<(JournalWrite, Ticket)>, error: &CommitError) {
        let (writes, tickets): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        self.refuse_tickets(&writes, tickets, error);
    }

    fn refuse_tickets(&self, writes: &[JournalWrite], tickets: Vec<Ticket>, error: &CommitError) {
        let ended = writes
            .iter()
            .zip(tickets)
            .map(|(write, ticket)| Ended { done: Done { ticket, result: Err(error.clone()) }, cost: cost_of(write) });
        self.tell(ended.collect());
    }

    /// Nothing is promised any more. The first error is told once; a second one changes nothing.
    fn die(&self, error: &StorageError) {
        let first = {
            let mut queue = lock(&self.queue);
            queue.failed.get_or_insert_with(|| error.clone());
            !self.dead.swap(true, Ordering::AcqRel)
        };
        if first {
            (self.on_fatal)(error);
        }
    }
}

#[cfg(test)]
mod tests;
