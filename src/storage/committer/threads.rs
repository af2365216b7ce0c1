//! The threads: one applies group after group, one syncs what was applied, one writes out what storage gathers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use callboard_model::{Durability, JournalWrite};

use super::{CommitError, CommitSink, CommitStats, CommitterOptions, Done, OnFatal, Ticket};
use crate::{Storage, StorageError};

/// A write costs this much of the in-flight bound beside its batches: its small writes and its place in the queues.
const WRITE_OVERHEAD: u64 = 256;

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<(JournalWrite, Ticket)>,
    /// Whether the applier sleeps until there is something. A notification is a system call, also where nobody listens.
    pub(super) applier_sleeps: bool,
    pub(super) stopping: bool,
    pub(super) failed: Option<StorageError>,
}

/// A write's end as far as it is known, with what it held of the in-flight bound.
#[derive(Debug)]
struct Ended {
    done: Done,
    cost: u64,
}

#[derive(Debug, Default)]
pub(super) struct Applied {
    ended: Vec<Ended>,
    written_bytes: u64,
    written_since: Option<Instant>,
    /// Whether the syncer is at it.
    syncing: bool,
    applier_gone: bool,
}

impl Applied {
    /// Whether there is something to sync, now or in a while.
    fn waits(&self) -> bool {
        !self.ended.is_empty() || self.written_since.is_some()
    }

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

/// What the thread that writes out has to do.
#[derive(Debug, Default)]
pub(super) struct WriteOut {
    wanted: bool,
    applier_gone: bool,
}

pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) sink: Arc<dyn CommitSink>,
    pub(super) on_fatal: OnFatal,
    pub(super) options: CommitterOptions,
    pub(super) queue: Mutex<Queue>,
    pub(super) submitted: Condvar,
    pub(super) applied: Mutex<Applied>,
    pub(super) to_sync: Condvar,
    pub(super) out: Mutex<WriteOut>,
    pub(super) to_write_out: Condvar,
    pub(super) dead: AtomicBool,
    pub(super) stats: Arc<CommitStats>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under one of these locks cannot leave them half changed: each critical section is one move of values.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(super) fn cost_of(write: &JournalWrite) -> u64 {
    write.batch_bytes() as u64 + WRITE_OVERHEAD
}

/// Tells the syncer that nothing will be applied any more, also if the applier panics.
struct ApplierGone<'a>(&'a Shared);

impl Drop for ApplierGone<'_> {
    fn drop(&mut self) {
        lock(&self.0.applied).applier_gone = true;
        self.0.to_sync.notify_all();
        lock(&self.0.out).applier_gone = true;
        self.0.to_write_out.notify_all();
    }
}

impl Shared {
    pub(super) fn run_applier(&self) {
        let _gone = ApplierGone(self);
        while let Some((writes, tickets)) = self.next_group() {
            self.apply_group(&writes, tickets);
            // Nothing to overlap with: the sync is done here, which saves a change of threads; and what comes meanwhile
            // makes one larger group instead of two, so that few clients cost half the syncs.
            let alone = || lock(&self.queue).waiting.is_empty() && !lock(&self.applied).syncing;
            if !self.options.pipelined || alone() {
                self.sync_applied(false);
            }
            if lock(&self.applied).waits() {
                self.to_sync.notify_one();
            }
            if self.storage.needs_write_out() {
                lock(&self.out).wanted = true;
                self.to_write_out.notify_one();
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
            queue.applier_sleeps = true;
            queue = self.submitted.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
            queue.applier_sleeps = false;
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
        self.tell(written);
    }

    /// Writes out what storage gathers, beside writes and syncs.
    pub(super) fn run_writer_out(&self) {
        loop {
            {
                let mut out = lock(&self.out);
                while !out.wanted && !out.applier_gone {
                    out = self.to_write_out.wait(out).unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                if out.applier_gone {
                    return;
                }
                out.wanted = false;
            }
            // What passes by itself is tried again when the next group asks; what the log holds is not lost by it.
            if let Err(error) = self.storage.write_out()
                && error.is_fatal()
            {
                self.die(&error);
            }
        }
    }

    pub(super) fn run_syncer(&self) {
        loop {
            {
                let mut applied = lock(&self.applied);
                loop {
                    match applied.due(&self.options, Instant::now()) {
                        Some(Duration::ZERO)
                            if self.options.pipelined || applied.ended.is_empty() || applied.applier_gone =>
                        {
                            applied.syncing = true;
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
            lock(&self.applied).syncing = false;
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

    pub(super) fn refuse(&self, writes: Vec<(JournalWrite, Ticket)>, error: &CommitError) {
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
    pub(super) fn die(&self, error: &StorageError) {
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
