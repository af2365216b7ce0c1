//! Time as the runtime sees it: real, or the paused clock of a test.

use std::{
    ops::{Add, Sub},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

/// A moment, in nanoseconds since the start of the system. Monotonic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Tick(u64);

impl Tick {
    pub const ZERO: Tick = Tick(0);

    pub const fn from_nanos(nanos: u64) -> Tick {
        Tick(nanos)
    }

    pub const fn from_millis(millis: u64) -> Tick {
        Tick(millis * 1_000_000)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time from `earlier` to this; zero when `earlier` is later.
    pub const fn since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Tick;

    fn add(self, after: Duration) -> Tick {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        Tick(self.0.saturating_add(nanos))
    }
}

impl Sub<Tick> for Tick {
    type Output = Duration;

    fn sub(self, earlier: Tick) -> Duration {
        self.since(earlier)
    }
}

/// The runtime's clock; follows tokio's, so a paused test clock is honoured.
#[derive(Debug)]
pub struct Clock {
    origin: Instant,
    /// milliseconds since `origin`, kept by the watchdog thread; reading the real clock for each message would cost as much as the message
    coarse_ms: AtomicU64,
    ticking: bool,
}

impl Clock {
    pub(crate) fn new(ticking: bool) -> Clock {
        Clock { origin: Instant::now(), coarse_ms: AtomicU64::new(0), ticking }
    }

    pub fn now(&self) -> Tick {
        Tick(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Milliseconds since the start; as old as one round of the watchdog (20 ms) unless the clock is a test's.
    #[inline]
    pub fn coarse_ms(&self) -> u64 {
        if self.ticking { self.coarse_ms.load(Relaxed) } else { self.now().as_millis() }
    }

    /// The same, cut to what fits beside a message.
    #[inline]
    pub(crate) fn coarse_ms32(&self) -> u32 {
        self.coarse_ms() as u32
    }

    pub(crate) fn refresh(&self) {
        self.coarse_ms.store(self.now().as_millis(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_add_and_subtract_without_going_below_zero() {
        let tick = Tick::from_millis(5) + Duration::from_millis(2);
        assert_eq!(tick.as_millis(), 7);
        assert_eq!(tick - Tick::from_millis(5), Duration::from_millis(2));
        assert_eq!(Tick::from_millis(1) - tick, Duration::ZERO);
    }
}
