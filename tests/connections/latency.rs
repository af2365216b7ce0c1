//! Latencies, kept as a histogram of three digits from a microsecond to ten minutes.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::figures::Figures;

/// The longest that is told apart.
const MAX_MICROS: u64 = 600_000_000;

/// How long things took.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, MAX_MICROS, 3).expect("the bounds and digits are legal"))
    }

    pub(crate) fn add(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(MAX_MICROS));
    }

    /// The latency that so great a part (0 to 1) did not exceed, in milliseconds.
    pub(crate) fn millis(&self, part: f64) -> f64 {
        self.0.value_at_quantile(part) as f64 / 1000.0
    }

    /// Mean, median, p99, p99.9 and the longest; nothing if there are none.
    pub(crate) fn tell(&self, figures: &mut Figures) {
        if self.0.is_empty() {
            return;
        }
        figures.add("mean ms", self.0.mean() / 1000.0);
        for (name, part) in [("p50 ms", 0.5), ("p99 ms", 0.99), ("p999 ms", 0.999), ("max ms", 1.0)] {
            figures.add(name, self.millis(part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_three_digits() {
        let mut latencies = Latencies::new();
        for micros in 1..=100_000 {
            latencies.add(Duration::from_micros(micros));
        }
        for (part, millis) in [(0.5, 50.0), (0.99, 99.0), (0.999, 99.9), (1.0, 100.0)] {
            assert!((latencies.millis(part) / millis - 1.0).abs() < 0.002, "{part}: {}", latencies.millis(part));
        }
        assert_eq!(latencies.0.len(), 100_000);
    }

    #[test]
    fn what_is_too_long_or_too_short_is_counted_all_the_same() {
        let mut latencies = Latencies::new();
        latencies.add(Duration::ZERO);
        latencies.add(Duration::from_secs(100_000));
        assert_eq!(latencies.0.len(), 2);
        assert!(latencies.millis(1.0) >= 600_000.0);
    }

    #[test]
    fn nothing_is_told_of_no_latencies() {
        let mut figures = Figures::default();
        Latencies::new().tell(&mut figures);
        assert_eq!(figures.line(), "{}");
    }
}
