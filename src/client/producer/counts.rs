//! What a producer has sent so far, in numbers: how large its batches and requests are, and how many are under way.

use std::sync::atomic::{AtomicU64, Ordering};

/// Everything that was sent so far; what was repeated counts each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerCounts {
    /// Produce requests.
    pub requests: u64,
    /// Batches in them: each is of another partition.
    pub batches: u64,
    /// Records in the batches.
    pub records: u64,
    /// Bytes of the batches, compressed if they are.
    pub bytes: u64,
    /// Requests under way at the same broker when one was sent, itself among them; the sum over all requests.
    pub under_way: u64,
}

impl ProducerCounts {
    /// Records of a batch, on average; 0 if there was none.
    pub fn records_per_batch(&self) -> f64 {
        ratio(self.records, self.batches)
    }

    /// Bytes of a batch, on average.
    pub fn bytes_per_batch(&self) -> f64 {
        ratio(self.bytes, self.batches)
    }

    /// Partitions of a request, on average.
    pub fn batches_per_request(&self) -> f64 {
        ratio(self.batches, self.requests)
    }

    /// Bytes of a request, on average.
    pub fn bytes_per_request(&self) -> f64 {
        ratio(self.bytes, self.requests)
    }

    /// Requests under way at one broker, on average of the moments when one was sent.
    pub fn requests_under_way(&self) -> f64 {
        ratio(self.under_way, self.requests)
    }
}

fn ratio(sum: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum as f64 / count as f64 }
}

/// The same, while it is being counted.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    requests: AtomicU64,
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    under_way: AtomicU64,
}

impl Counting {
    /// A batch was put into a request.
    pub(crate) fn batch(&self, records: u32, bytes: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(u64::from(records), Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A request was sent; with it so many are under way.
    pub(crate) fn request(&self, under_way: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(under_way as u64, Ordering::Relaxed);
    }

    pub(crate) fn so_far(&self) -> ProducerCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ProducerCounts {
            requests: read(&self.requests),
            batches: read(&self.batches),
            records: read(&self.records),
            bytes: read(&self.bytes),
            under_way: read(&self.under_way),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_of_what_was_counted_and_of_nothing_they_are_none() {
        let counting = Counting::default();
        assert_eq!(counting.so_far().bytes_per_request(), 0.0);
        counting.batch(10, 1000);
        counting.batch(30, 3000);
        counting.request(1);
        counting.batch(20, 2000);
        counting.request(2);
        let counts = counting.so_far();
        assert_eq!((counts.records_per_batch(), counts.bytes_per_batch()), (20.0, 2000.0));
        assert_eq!((counts.batches_per_request(), counts.bytes_per_request()), (1.5, 3000.0));
        assert_eq!(counts.requests_under_way(), 1.5);
    }
}
