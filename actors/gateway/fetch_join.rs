//! One fetch request while it is answered: asks every partition, waits for enough bytes, divides the byte limit.
//!
//! A pure machine: the connection's actor tells it what leaders answered and does what it says.
//!
//! 1. every partition's leader is asked once, without waiting;
//! 2. if too little is there, the leaders that had nothing are asked to tell when there is more (`min_bytes`,
//!    `max_wait_ms`; Kafka: `DelayedFetch`);
//! 3. the bytes are divided among the partitions in the order of the request (KIP-74: the first batch always fits),
//!    and what is not in memory is read from storage in one job.

use bytes::Bytes;
use callboard_model::Offset;
use callboard_partition::{FetchData, Fetched};

/// What the connection does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: answers are outstanding.
    Wait,
    /// Ask these partitions to tell when there is something beyond the offset.
    Watch(Vec<(u32, Offset)>),
    /// Divide the bytes and answer.
    Finish,
}

/// A piece of a log that must be read from storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DiskRead {
    /// The partition's place in the request.
    pub(super) index: u32,
    /// First offset wanted.
    pub(super) from: Offset,
    /// End of what may be seen, exclusive.
    pub(super) until: Offset,
    /// Bytes wanted at most.
    pub(super) max_bytes: usize,
    /// Whether one batch is wanted even if it is larger.
    pub(super) min_one: bool,
}

/// The state of one request; `E` is a partition's refusal.
#[derive(Debug)]
pub(super) struct FetchJoin<E> {
    slots: Vec<Option<Result<Fetched, E>>>,
    missing: usize,
    min_bytes: usize,
    may_wait: bool,
    watching: bool,
}

impl<E> FetchJoin<E> {
    /// A request for `partitions`; without `may_wait` it is answered with what is there.
    pub(super) fn new(partitions: usize, min_bytes: usize, may_wait: bool) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(partitions, || None);
        Self { slots, missing: partitions, min_bytes, may_wait, watching: false }
    }

    /// A leader, or the gateway in its place, has answered for a partition.
    pub(super) fn fill(&mut self, index: u32, result: Result<Fetched, E>) -> Next {
        let Some(slot) = self.slots.get_mut(index as usize) else { return Next::Wait };
        if slot.is_none() {
            self.missing -= 1;
        }
        *slot = Some(result);
        self.next(index)
    }

    /// What to do before any answer. A request without partitions is answered at once, however long it may wait: Java's
    /// consumers send one when they close, and wait for its answer (Kafka: `ReplicaManager.fetchMessages`).
    pub(super) fn next_at_start(&self) -> Next {
        if self.slots.is_empty() { Next::Finish } else { Next::Wait }
    }

    fn next(&mut self, index: u32) -> Next {
        if self.missing > 0 {
            return Next::Wait;
        }
        if !self.may_wait || self.enough() {
            return Next::Finish;
        }
        if self.watching {
            // One partition told that there is more, but all together it is still too little.
            return Next::Watch(self.watch(index).into_iter().collect());
        }
        self.watching = true;
        Next::Watch((0..self.slots.len() as u32).filter_map(|index| self.watch(index)).collect())
    }

    fn watch(&self, index: u32) -> Option<(u32, Offset)> {
        match &self.slots[index as usize] {
            Some(Ok(fetched)) => Some((index, fetched.high_watermark)),
            _ => None,
        }
    }

    /// Errors, and data that is not in memory (so surely older than the newest), end the waiting (Kafka:
    /// `DelayedFetch` cases A to H).
    fn enough(&self) -> bool {
        let mut bytes = 0;
        for slot in &self.slots {
            match slot {
                Some(Ok(fetched)) if fetched.diverging.is_some() => return true,
                Some(Ok(fetched)) => match &fetched.data {
                    FetchData::Empty => {}
                    FetchData::Memory(batches) => bytes += batches.iter().map(Bytes::len).sum::<usize>(),
                    FetchData::Disk { .. } => return true,
                },
                Some(Err(_)) => return true,
                None => {}
            }
        }
        bytes >= self.min_bytes
    }

    /// Divides `max_bytes` in the order of the request: what of each partition is sent, and what is to be read first.
    /// `None` stands for partitions that never answered.
    pub(super) fn finish(self, max_bytes: usize, disk_max: usize) -> (Vec<Option<Result<Fetched, E>>>, Vec<DiskRead>) {
        let mut left = max_bytes;
        let mut disk_left = disk_max;
        let mut first = true;
        let mut reads = Vec::new();
        let mut answers = Vec::with_capacity(self.slots.len());
        for (index, mut answer) in self.slots.into_iter().enumerate() {
            if let Some(Ok(fetched)) = &mut answer {
                match &mut fetched.data {
                    FetchData::Empty => {}
                    FetchData::Memory(batches) => {
                        let kept = fitting(batches, left, first);
                        first &= kept == 0;
                        batches.truncate(kept);
                        left = left.saturating_sub(batches.iter().map(Bytes::len).sum());
                    }
                    FetchData::Disk { from, until, max_bytes, .. } => {
                        let max_bytes = (*max_bytes).min(left).min(disk_left);
                        if max_bytes > 0 || first {
                            // What will really be read is not known yet; reserving the most keeps within the limit.
                            reads.push(DiskRead {
                                index: index as u32,
                                from: *from,
                                until: *until,
                                max_bytes,
                                min_one: first,
                            });
                            left -= max_bytes;
                            disk_left -= max_bytes;
                            first = false;
                        }
                        fetched.data = FetchData::Empty;
                    }
                }
            }
            answers.push(answer);
        }
        (answers, reads)
    }
}

/// How many batches fit; the first one always does when nothing was taken yet.
fn fitting(batches: &[Bytes], left: usize, first: bool) -> usize {
    let mut bytes = 0;
    for (at, batch) in batches.iter().enumerate() {
        bytes += batch.len();
        if bytes > left && !(first && at == 0) {
            return at;
        }
    }
    batches.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_partitions_is_answered_at_once() {
        for may_wait in [false, true] {
            assert_eq!(FetchJoin::<()>::new(0, 1, may_wait).next_at_start(), Next::Finish);
            assert_eq!(FetchJoin::<()>::new(1, 1, may_wait).next_at_start(), Next::Wait);
        }
    }
}
