//! Two clocks, both handed in from outside: wall time for records, monotonic time for waiting.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Wall-clock time in milliseconds since 1970-01-01 UTC, as records carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// "No timestamp", as Kafka writes it on the wire.
    pub const NONE: Self = Self(-1);

    /// The bare milliseconds.
    pub fn millis(self) -> i64 {
        self.0
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Monotonic time since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub Duration);

impl Tick {
    /// The start of the node.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A later moment.
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    /// Time passed since `earlier`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
