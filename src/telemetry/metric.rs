//! The handles that shells bump: counters, gauges and histograms, lock-free on every path that a request takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Only rises, until the process ends.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Rises and falls.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Sets an amount that cannot be negative; saturates.
    pub fn set_amount(&self, value: u64) {
        self.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Moves the value up, or down by a negative number.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of a histogram's buckets in microseconds: a memory write to a badly stuck disk.
pub(crate) const BUCKET_MICROS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// How long things took, in fixed buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One per bound, and one for what took longer than all of them. Not cumulative here, only when rendered.
    buckets: [AtomicU64; BUCKET_MICROS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// One more, which took so long.
    pub fn observe(&self, took: Duration) {
        let micros = took.as_nanos().div_ceil(1_000);
        let bucket = BUCKET_MICROS.iter().position(|bound| micros <= u128::from(*bound)).unwrap_or(BUCKET_MICROS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many so far.
    pub fn count(&self) -> u64 {
        self.bucket_counts().iter().sum()
    }

    /// The time of all of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos.load(Relaxed))
    }

    /// Each bucket by itself, the last one without a bound.
    pub(crate) fn bucket_counts(&self) -> [u64; BUCKET_MICROS.len() + 1] {
        std::array::from_fn(|at| self.buckets[at].load(Relaxed))
    }
}

/// Label values that a [`LabelledCounter`] keeps apart; further ones share the value `other`.
const LABEL_VALUES_MAX: usize = 256;

/// A counter by one label whose values are not known beforehand. Takes a lock: for rare events, not for requests.
#[derive(Debug, Default)]
pub struct LabelledCounter(Mutex<BTreeMap<String, u64>>);

impl LabelledCounter {
    /// One more of this kind.
    pub fn increment(&self, label: &str) {
        // A panic between lock and unlock leaves a whole map behind: the counts are usable.
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(label) {
            *count += 1;
        } else {
            let label = if counts.len() < LABEL_VALUES_MAX { label } else { "other" };
            *counts.entry(label.to_owned()).or_default() += 1;
        }
    }

    /// The counts so far, by label value.
    pub fn get(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lands_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(100));
        histogram.observe(Duration::from_nanos(100_001));
        histogram.observe(Duration::from_secs(11));
        let counts = histogram.bucket_counts();
        assert_eq!((counts[0], counts[1], counts[BUCKET_MICROS.len()]), (1, 1, 1));
        assert_eq!(histogram.count(), 3);
        assert_eq!(histogram.sum(), Duration::from_nanos(11_000_200_001));
    }

    #[test]
    fn label_values_beyond_the_bound_share_one_line() {
        let counter = LabelledCounter::default();
        for number in 0..LABEL_VALUES_MAX + 50 {
            counter.increment(&format!("class-{number}"));
        }
        let counts = counter.get();
        assert_eq!(counts.len(), LABEL_VALUES_MAX + 1);
        assert_eq!(counts["other"], 50);
    }

    #[test]
    fn counting_from_many_threads_loses_nothing() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.get(), 40_000);
    }
}
