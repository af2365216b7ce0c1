//! Group commit: many partitions' writes, one write-ahead log write, one sync, all waiters answered.
//!
//! ```text
//! submit -> queue -> [applier: one atomic write] -> applied -> [syncer: one sync for all applied] -> sink
//!                                                `-> [out: what storage gathers goes where it stays]
//! ```
//! While one group syncs, the next is applied and the one after that gathers; no timer adds latency. Where nothing waits
//! to be applied, the applier syncs by itself. A write is answered after the sync that began after it was applied, never earlier. What need only be written to the operating
//! system is answered by the applier and does not wait for a sync; it is synced within a bound of time and bytes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use callboard_model::{JournalWrite, LogId};

use crate::{Storage, StorageError};

mod stats;
mod threads;

pub use stats::CommitStats;
use threads::{Shared, cost_of, lock};

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
                let wake = std::mem::take(&mut queue.applier_sleeps);
                drop(queue);
                if wake {
                    self.shared.submitted.notify_one();
                }
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
            out: Mutex::default(),
            to_write_out: Condvar::new(),
            dead: AtomicBool::new(false),
            stats: Arc::default(),
        });
        let mut committer = Self { handle: CommitHandle { shared: Arc::clone(&shared) }, threads: Vec::new() };
        let (applier, writer_out) = (Arc::clone(&shared), Arc::clone(&shared));
        committer.spawn("journal-apply", move || applier.run_applier())?;
        committer.spawn("journal-out", move || writer_out.run_writer_out())?;
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

#[cfg(test)]
mod tests;
