//! Latencies of any number of records in a few kilobytes: buckets that are at most one part in 64 wide.

use std::time::Duration;

/// Buckets of one power of two.
const WITHIN: usize = 64;
/// Powers of two of microseconds, up to more than a day.
const POWERS: usize = 38;

/// How long things took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    total: u64,
    sum: Duration,
    least: Duration,
    most: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        let counts = vec![0; WITHIN * POWERS];
        Self { counts, total: 0, sum: Duration::ZERO, least: Duration::MAX, most: Duration::ZERO }
    }
}

impl Latencies {
    pub(crate) fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = bucket(micros).min(self.counts.len() - 1);
        self.counts[at] += 1;
        self.total += 1;
        self.sum += took;
        self.least = self.least.min(took);
        self.most = self.most.max(took);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    pub(crate) fn most(&self) -> Duration {
        self.most
    }

    pub(crate) fn mean(&self) -> Duration {
        match u32::try_from(self.total) {
            Ok(0) => Duration::ZERO,
            Ok(total) => self.sum / total,
            Err(_) => Duration::from_secs_f64(self.sum.as_secs_f64() / self.total as f64),
        }
    }

    /// The latency that this part of all, from 0 to 1, did not exceed; never less than it was.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        if self.total == 0 {
            return Duration::ZERO;
        }
        let wanted = ((self.total as f64 * part).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(end_of(at)).clamp(self.least, self.most);
            }
        }
        self.most
    }
}

/// Below 64 each microsecond has its own bucket; above, each power of two has 64.
fn bucket(micros: u64) -> usize {
    let power = (64 - micros.leading_zeros()).saturating_sub(6) as usize;
    if power == 0 {
        return micros as usize;
    }
    // The highest seven bits: one that is always set, and the place within the power.
    power * WITHIN + ((micros >> (power - 1)) as usize - WITHIN)
}

/// The largest number of microseconds in a bucket.
fn end_of(bucket: usize) -> u64 {
    let (power, place) = (bucket / WITHIN, bucket % WITHIN);
    match power {
        0 => place as u64,
        _ => (((place + WITHIN + 1) as u64) << (power - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_in_a_bucket_that_is_narrow_and_they_follow_each_other() {
        let mut before = 0;
        for micros in (0..100_000).chain([1 << 20, (1 << 20) + 1, 1 << 30, (1 << 36) + 12_345]) {
            let at = bucket(micros);
            assert!(at == before || at == before + 1 || micros >= 1 << 20, "{micros} lies in {at} after {before}");
            assert!(end_of(at) >= micros, "{micros}");
            assert!(end_of(at) - micros <= micros / 64 + 1, "{micros} up to {}", end_of(at));
            before = at;
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let mut latencies = Latencies::default();
        let mut merged = Latencies::default();
        for n in 1..=1000 {
            let to = if n % 2 == 0 { &mut latencies } else { &mut merged };
            to.add(Duration::from_micros(n * 100));
        }
        latencies.merge(&merged);
        assert_eq!((latencies.count(), latencies.most()), (1000, Duration::from_millis(100)));
        for (part, exact) in [(0.5, 50_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
            let found = latencies.quantile(part).as_micros() as f64;
            assert!((found - exact).abs() <= exact / 60.0, "{part}: {found} instead of {exact}");
        }
        assert_eq!(latencies.mean(), Duration::from_micros(50_050));
        assert_eq!(Latencies::default().quantile(0.5), Duration::ZERO);
    }
}
