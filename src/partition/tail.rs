//! The newest batches, shared with storage and with every reader at the log's end.

use std::collections::VecDeque;

use bytes::Bytes;
use callboard_model::Offset;

/// One batch in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TailBatch {
    pub(crate) base: Offset,
    /// One past its last record.
    pub(crate) end: Offset,
    pub(crate) bytes: Bytes,
}

/// Bytes that a batch costs beside its own: its entry, in a queue that is up to half empty, and the count of who shares it.
pub(crate) const ENTRY_BYTES: usize = 2 * size_of::<TailBatch>() + 48;

impl TailBatch {
    /// Bytes that keeping it takes.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len() + ENTRY_BYTES
    }
}

/// Batches up to the log's end, without a gap in between.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    batches: VecDeque<TailBatch>,
    bytes: usize,
}

impl Tail {
    /// Bytes held: the batches' own and what keeping them costs.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn batches(&self) -> &VecDeque<TailBatch> {
        &self.batches
    }

    pub(crate) fn push(&mut self, batch: TailBatch) {
        self.bytes += batch.held();
        self.batches.push_back(batch);
    }

    /// Whether the batch containing `offset`, and all after it, are here.
    pub(crate) fn covers(&self, offset: Offset) -> bool {
        self.batches.front().is_some_and(|first| first.base <= offset)
    }

    /// Whole batches from the one containing `from`, none ending past `until`, up to `max_bytes`; with `min_one` the
    /// first even if it is larger (KIP-74).
    pub(crate) fn read(&self, from: Offset, until: Offset, max_bytes: usize, min_one: bool) -> Vec<Bytes> {
        let first = self.batches.partition_point(|batch| batch.end <= from);
        let mut found = Vec::new();
        let mut room = max_bytes;
        for batch in self.batches.range(first..) {
            let fits = batch.bytes.len() <= room || (min_one && found.is_empty());
            if !fits || batch.end > until {
                break;
            }
            room = room.saturating_sub(batch.bytes.len());
            found.push(batch.bytes.clone());
        }
        found
    }

    /// Drops the oldest batches until at most `to_bytes` are left; those that are not `durable` yet stay.
    pub(crate) fn shrink(&mut self, to_bytes: usize, durable: Offset) {
        while self.bytes > to_bytes && self.drop_oldest(durable) {}
        // A burst must not keep its slots for ever: an idle partition's tail is small again.
        if self.batches.capacity() > 64 && self.batches.len() < self.batches.capacity() / 4 {
            self.batches.shrink_to(self.batches.len() * 2);
        }
    }

    /// Drops batches that lie wholly below the log's start.
    pub(crate) fn drop_below(&mut self, start: Offset) {
        while self.drop_oldest(start) {}
    }

    fn drop_oldest(&mut self, end_at_most: Offset) -> bool {
        if self.batches.front().is_none_or(|oldest| oldest.end > end_at_most) {
            return false;
        }
        self.bytes -= self.batches.pop_front().map_or(0, |batch| batch.held());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail() -> Tail {
        let mut tail = Tail::default();
        for (base, end, len) in [(10, 13, 5), (13, 14, 7), (14, 20, 9)] {
            tail.push(TailBatch { base: Offset(base), end: Offset(end), bytes: Bytes::from(vec![base as u8; len]) });
        }
        tail
    }

    fn bases(tail: &Tail, from: i64, until: i64, max_bytes: usize, min_one: bool) -> Vec<u8> {
        tail.read(Offset(from), Offset(until), max_bytes, min_one).iter().map(|bytes| bytes[0]).collect()
    }

    #[test]
    fn reading_begins_with_the_batch_that_contains_the_offset() {
        let tail = tail();
        assert_eq!(bases(&tail, 12, 20, 100, true), [10, 13, 14]);
        assert_eq!(bases(&tail, 13, 20, 100, true), [13, 14]);
        assert_eq!(bases(&tail, 19, 20, 100, true), [14]);
        assert!(!tail.covers(Offset(9)));
        assert!(tail.covers(Offset(10)));
    }

    #[test]
    fn whole_batches_are_given_while_they_fit() {
        let tail = tail();
        assert_eq!(bases(&tail, 10, 20, 12, true), [10, 13]);
        assert_eq!(bases(&tail, 10, 20, 11, true), [10]);
        assert_eq!(bases(&tail, 10, 20, 4, true), [10], "one at least");
        assert_eq!(bases(&tail, 10, 20, 4, false), [0u8; 0]);
    }

    #[test]
    fn nothing_past_the_bound_is_given() {
        assert_eq!(bases(&tail(), 10, 14, 100, true), [10, 13]);
    }

    #[test]
    fn batches_that_are_not_durable_are_never_dropped() {
        let mut tail = tail();
        tail.shrink(0, Offset(14));
        assert_eq!((tail.bytes(), tail.batches().len()), (9 + ENTRY_BYTES, 1));
        tail.shrink(0, Offset(20));
        assert_eq!((tail.bytes(), tail.batches().len()), (0, 0));
    }

    #[test]
    fn shrinking_stops_at_the_size_asked_for() {
        let mut tail = tail();
        tail.shrink(16 + 2 * ENTRY_BYTES, Offset(20));
        assert_eq!(tail.bytes(), 16 + 2 * ENTRY_BYTES);
    }
}
