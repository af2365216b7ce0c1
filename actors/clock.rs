//! The node's clock: the only place of this crate that reads the time.

use std::time::SystemTime;

use callboard_model::{Tick, Timestamp};
use callboard_partition::Now;
use tokio::time::Instant;

/// Monotonic time since the node started, and wall time. Follows tokio's paused clock in tests (the monotonic half).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Time since the start.
    pub(crate) fn tick(&self) -> Tick {
        Tick(self.start.elapsed())
    }

    /// Wall time; the epoch itself if the machine's clock stands before it.
    pub(crate) fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Both, as the machines take them.
    pub(crate) fn now(&self) -> Now {
        Now { tick: self.tick(), wall: self.wall() }
    }
}
