//! What the committer counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters, read without a lock; sums since the start.
#[derive(Debug, Default)]
pub struct CommitStats {
    pub(super) groups: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) sync_micros: AtomicU64,
    pub(super) sync_micros_max: AtomicU64,
    pub(super) apply_micros: AtomicU64,
    pub(super) in_flight_bytes: AtomicU64,
    pub(super) in_flight_writes: AtomicU64,
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
