//! How fast and how often a supervisor restarts: the intensity window and the exponential backoff. Decides; performs nothing.

use std::{collections::VecDeque, time::Duration};

use crate::Tick;

/// More than `restarts` failures within `period` and the supervisor gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    pub restarts: u32,
    pub period: Duration,
}

impl Intensity {
    pub const fn new(restarts: u32, period: Duration) -> Intensity {
        Intensity { restarts, period }
    }

    /// Never gives up.
    pub const fn unlimited() -> Intensity {
        Intensity { restarts: u32::MAX, period: Duration::ZERO }
    }
}

impl Default for Intensity {
    /// 5 in 10 s.
    fn default() -> Intensity {
        Intensity { restarts: 5, period: Duration::from_secs(10) }
    }
}

/// Sliding window over the failures of all children, failed starts included.
#[derive(Debug)]
pub(crate) struct Window {
    intensity: Intensity,
    failures: VecDeque<Tick>,
}

impl Window {
    pub(crate) fn new(intensity: Intensity) -> Window {
        Window { intensity, failures: VecDeque::new() }
    }

    /// Notes a failure; whether that is one too many.
    pub(crate) fn is_exceeded_by(&mut self, now: Tick) -> bool {
        if self.intensity.restarts == u32::MAX {
            return false;
        }
        while let Some(first) = self.failures.front()
            && now.since(*first) > self.intensity.period
        {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        self.failures.len() > self.intensity.restarts as usize
    }
}

/// Growing delays between a failure and the restart of the same child.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// before the first restart
    pub min: Duration,
    pub max: Duration,
    /// by which each delay grows over the one before
    pub factor: f64,
    /// share of the delay by which it is varied at random, 0 to 1
    pub jitter: f64,
    /// a child that has run this long begins with `min` again
    pub reset_after: Duration,
}

impl Backoff {
    /// Restarts at once, always; only the intensity bounds it.
    pub const fn none() -> Backoff {
        Backoff { min: Duration::ZERO, max: Duration::ZERO, factor: 1.0, jitter: 0.0, reset_after: Duration::ZERO }
    }

    /// Delay before restart number `failures` in a row (from 1). `random` lies in 0..1.
    pub(crate) fn delay(&self, failures: u32, random: f64) -> Duration {
        if self.max.is_zero() {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.min.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        let capped = grown.min(self.max.as_secs_f64());
        let varied = capped * (1.0 + self.jitter.clamp(0.0, 1.0) * (2.0 * random - 1.0));
        Duration::try_from_secs_f64(varied).unwrap_or(self.max).min(self.max)
    }
}

impl Default for Backoff {
    /// 10 ms, doubling up to 10 s, varied by a fifth, reset after 30 s.
    fn default() -> Backoff {
        Backoff {
            min: Duration::from_millis(10),
            max: Duration::from_secs(10),
            factor: 2.0,
            jitter: 0.2,
            reset_after: Duration::from_secs(30),
        }
    }
}

/// Small seeded generator for jitter, so that a run can be repeated (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// Next number in 0..1.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut window = Window::new(Intensity::new(2, Duration::from_secs(1)));
        assert!(!window.is_exceeded_by(Tick::from_millis(0)));
        assert!(!window.is_exceeded_by(Tick::from_millis(500)));
        assert!(!window.is_exceeded_by(Tick::from_millis(1_400)));
        assert!(window.is_exceeded_by(Tick::from_millis(1_450)));
    }

    #[test]
    fn delays_double_up_to_the_greatest() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let delays: Vec<u128> = (1..=4).map(|n| backoff.delay(n, 0.5).as_millis()).collect();
        assert_eq!(delays, [10, 20, 40, 80]);
        assert_eq!(backoff.delay(u32::MAX, 0.5), backoff.max);
        assert_eq!(Backoff::none().delay(7, 0.9), Duration::ZERO);
    }

    #[test]
    fn jitter_stays_within_its_share_and_repeats_for_a_seed() {
        let backoff = Backoff::default();
        let (mut one, mut other) = (Jitter::new(7), Jitter::new(7));
        for _ in 0..1_000 {
            let delay = backoff.delay(1, one.next());
            assert!(delay >= Duration::from_millis(8) && delay <= Duration::from_millis(12));
            assert_eq!(delay, backoff.delay(1, other.next()));
        }
    }
}
