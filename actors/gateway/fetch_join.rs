//! One fetch request while it is answered: asks every partition, waits for enough bytes, divides the byte limit.
//!
//! A pure machine: the connection's actor tells it what leaders answered and does what it says.
//!
//! 1. every partition's leader is asked once, without waiting;
//! 2. if too little is there, the leaders that had nothing are asked to tell when there is more (`min_bytes`,
//!    `max_wait_ms`; Kafka: `DelayedFetch`). What they have shown is let go meanwhile: no budget counts it, and it may be
//!    a large part of the log by the time that all readers wait. Its bytes are remembered, and it is asked for anew;
//! 3. the bytes are divided among the partitions in the order of the request (KIP-74: the first batch always fits),
//!    and what is not in memory is read from storage in one job.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use callboard_gateway::Wish;
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
    /// Places of partitions that do not exist: they are answered, but nobody is answered earlier because of them, else
    /// a reader of a deleted topic would ask without a pause (Kafka keeps them out of `ReplicaManager.fetchMessages`).
    missing_for_good: BTreeSet<u32>,
    missing: usize,
    min_bytes: usize,
    may_wait: bool,
    watching: bool,
    /// By place the bytes that were there and have been let go.
    let_go: BTreeMap<u32, usize>,
}

impl<E> FetchJoin<E> {
    /// A request for `partitions`; without `may_wait` it is answered with what is there.
    pub(super) fn new(partitions: usize, min_bytes: usize, may_wait: bool) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(partitions, || None);
        let missing_for_good = BTreeSet::new();
        let let_go = BTreeMap::new();
        Self { slots, missing_for_good, missing: partitions, min_bytes, may_wait, watching: false, let_go }
    }

    /// A partition does not exist: that is its answer, and there is nothing to wait for.
    pub(super) fn fill_unknown(&mut self, index: u32, refusal: E) -> Next {
        self.missing_for_good.insert(index);
        self.fill(index, Err(refusal))
    }

    /// A leader, or the gateway in its place, has answered for a partition.
    pub(super) fn fill(&mut self, index: u32, result: Result<Fetched, E>) -> Next {
        let Some(slot) = self.slots.get_mut(index as usize) else { return Next::Wait };
        if slot.is_none() {
            self.missing -= 1;
        }
        *slot = Some(result);
        self.let_go.remove(&index);
        self.next(index)
    }

    /// Partitions that have not answered yet.
    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// Whether something was there that has been let go since, so that the leaders have to be asked anew for the answer.
    pub(super) fn has_let_go(&self) -> bool {
        !self.let_go.is_empty()
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
        self.let_go();
        if self.watching {
            // One partition told that there is more, but all together it is still too little.
            return Next::Watch(self.watch(index).into_iter().collect());
        }
        self.watching = true;
        Next::Watch((0..self.slots.len() as u32).filter_map(|index| self.watch(index)).collect())
    }

    fn let_go(&mut self) {
        for (index, slot) in (0u32..).zip(&mut self.slots) {
            if let Some(Ok(Fetched { data, .. })) = slot
                && let FetchData::Memory(batches) = data
            {
                self.let_go.insert(index, batches.iter().map(Bytes::len).sum());
                *data = FetchData::Empty;
            }
        }
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
        if self.missing_for_good.len() == self.slots.len() {
            return true;
        }
        let mut bytes: usize = self.let_go.values().sum();
        for (index, slot) in (0u32..).zip(&self.slots) {
            match slot {
                Some(Ok(fetched)) if fetched.diverging.is_some() => return true,
                Some(Ok(fetched)) => match &fetched.data {
                    FetchData::Empty => {}
                    FetchData::Memory(batches) => bytes += batches.iter().map(Bytes::len).sum::<usize>(),
                    FetchData::Disk { .. } => return true,
                },
                Some(Err(_)) if !self.missing_for_good.contains(&index) => return true,
                Some(Err(_)) | None => {}
            }
        }
        bytes >= self.min_bytes
    }

    /// The memory that the answer wants: as much as may be sent, and its first batch at least, which counts as
    /// `batch_bytes` as long as it is in storage. Nothing if there is nothing to be sent.
    pub(super) fn planned(&self, max_bytes: usize, disk_max: usize, batch_bytes: usize) -> Wish {
        let (mut most, mut disk, mut least) = (0_usize, 0_usize, None);
        for fetched in self.slots.iter().flatten().flatten() {
            match &fetched.data {
                FetchData::Empty => {}
                FetchData::Memory(batches) => {
                    most += batches.iter().map(Bytes::len).sum::<usize>();
                    least = least.or(batches.first().map(Bytes::len));
                }
                FetchData::Disk { max_bytes, .. } => {
                    disk = disk.saturating_add(*max_bytes);
                    least = least.or(Some(batch_bytes));
                }
            }
        }
        let least = least.unwrap_or(0);
        Wish { most: most.saturating_add(disk.min(disk_max)).min(max_bytes).max(least), least }
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

    type Join = FetchJoin<&'static str>;

    fn fetched(high_watermark: i64, data: FetchData) -> Fetched {
        Fetched {
            high_watermark: Offset(high_watermark),
            last_stable: Offset(high_watermark),
            log_start: Offset(0),
            aborted: Vec::new(),
            diverging: None,
            data,
        }
    }

    fn memory(sizes: &[usize]) -> FetchData {
        FetchData::Memory(sizes.iter().map(|size| Bytes::from(vec![0; *size])).collect())
    }

    fn disk(max_bytes: usize) -> FetchData {
        FetchData::Disk { from: Offset(5), until: Offset(9), max_bytes, min_one: true }
    }

    fn sizes(answer: &Option<Result<Fetched, &'static str>>) -> Vec<usize> {
        match answer {
            Some(Ok(Fetched { data: FetchData::Memory(batches), .. })) => batches.iter().map(Bytes::len).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn an_answer_waits_for_every_partition_and_not_for_enough_bytes_alone() {
        let mut join = Join::new(2, 1, true);
        assert_eq!(join.fill(1, Ok(fetched(10, memory(&[100])))), Next::Wait);
        assert_eq!(join.fill(0, Ok(fetched(3, FetchData::Empty))), Next::Finish);
    }

    #[test]
    fn too_few_bytes_watch_every_partition_beyond_what_it_has() {
        let mut join = Join::new(2, 50, true);
        join.fill(0, Ok(fetched(7, FetchData::Empty)));
        assert_eq!(join.fill(1, Ok(fetched(10, memory(&[20])))), Next::Watch(vec![(0, Offset(7)), (1, Offset(10))]));
        // Still too few: only the partition that told is watched again, from where it is now.
        assert_eq!(join.fill(1, Ok(fetched(12, memory(&[40])))), Next::Watch(vec![(1, Offset(12))]));
        assert_eq!(join.fill(0, Ok(fetched(8, memory(&[10])))), Next::Finish);
    }

    #[test]
    fn what_is_too_little_is_counted_and_not_held() {
        let mut join = Join::new(3, 100, true);
        join.fill(0, Ok(fetched(7, FetchData::Empty)));
        join.fill(1, Ok(fetched(8, FetchData::Empty)));
        assert!(!join.has_let_go(), "there was nothing");
        let batches = vec![Bytes::from(vec![0; 60])];
        let shown = batches[0].clone();
        assert!(!shown.is_unique());
        join.fill(2, Ok(fetched(10, FetchData::Memory(batches))));
        assert!(shown.is_unique() && join.has_let_go());
        // The same partition again counts once.
        assert_eq!(join.fill(2, Ok(fetched(11, memory(&[70])))), Next::Watch(vec![(2, Offset(11))]));
        assert_eq!(join.fill(0, Ok(fetched(8, memory(&[30])))), Next::Finish);
        assert!(join.has_let_go(), "the third is to be asked anew");
        let mut alone = Join::new(1, 100, true);
        alone.fill(0, Ok(fetched(7, memory(&[60]))));
        assert_eq!(alone.fill(0, Ok(fetched(9, memory(&[60, 60])))), Next::Finish);
        assert!(!alone.has_let_go(), "all that there is has just been shown");
    }

    #[test]
    fn errors_and_old_data_end_the_waiting() {
        let mut join = Join::new(2, 1_000, true);
        join.fill(0, Ok(fetched(7, FetchData::Empty)));
        assert_eq!(join.fill(1, Err("refused")), Next::Finish);
        let mut join = Join::new(1, 1_000, true);
        assert_eq!(join.fill(0, Ok(fetched(7, disk(1_000)))), Next::Finish);
    }

    #[test]
    fn partitions_that_do_not_exist_end_no_waiting_unless_there_is_nothing_else() {
        let mut join = Join::new(2, 1, true);
        assert_eq!(join.fill_unknown(0, "unknown"), Next::Wait);
        assert_eq!(join.fill(1, Ok(fetched(7, FetchData::Empty))), Next::Watch(vec![(1, Offset(7))]));
        let mut join = Join::new(2, 1, true);
        join.fill_unknown(0, "unknown");
        assert_eq!(join.fill_unknown(1, "unknown"), Next::Finish);
    }

    #[test]
    fn who_does_not_wait_is_answered_with_what_is_there() {
        let mut join = Join::new(1, 1_000, false);
        assert_eq!(join.fill(0, Ok(fetched(7, FetchData::Empty))), Next::Finish);
    }

    #[test]
    fn bytes_are_divided_in_the_order_of_the_request_and_the_first_batch_always_fits() {
        let mut join = Join::new(3, 1, true);
        join.fill(2, Ok(fetched(9, memory(&[10]))));
        join.fill(1, Ok(fetched(9, memory(&[10, 10]))));
        join.fill(0, Ok(fetched(9, memory(&[70, 70]))));
        let (answers, reads) = join.finish(60, 1_000);
        assert_eq!(answers.iter().map(sizes).collect::<Vec<_>>(), vec![vec![70], vec![], vec![]]);
        assert!(reads.is_empty());
        let mut join = Join::new(2, 1, true);
        join.fill(0, Ok(fetched(9, memory(&[20, 20, 20]))));
        join.fill(1, Ok(fetched(9, memory(&[5, 5]))));
        let (answers, _) = join.finish(46, 1_000);
        assert_eq!(answers.iter().map(sizes).collect::<Vec<_>>(), vec![vec![20, 20], vec![5]]);
    }

    #[test]
    fn reads_from_storage_share_the_limit_and_only_the_first_may_exceed_it() {
        let mut join = Join::new(3, 1, true);
        for index in 0..3 {
            join.fill(index, Ok(fetched(9, disk(100))));
        }
        let (_, reads) = join.finish(1_000, 150);
        let planned: Vec<_> = reads.iter().map(|read| (read.index, read.max_bytes, read.min_one)).collect();
        assert_eq!(planned, vec![(0, 100, true), (1, 50, false)]);
    }

    #[test]
    fn an_answer_wants_what_it_may_send_and_its_first_batch_at_least() {
        let wish = |data: Vec<FetchData>, max_bytes| {
            let mut join = Join::new(data.len(), 1, true);
            for (index, data) in (0..).zip(data) {
                join.fill(index, Ok(fetched(9, data)));
            }
            let Wish { most, least } = join.planned(max_bytes, 1_000, 300);
            (most, least)
        };
        assert_eq!(wish(vec![FetchData::Empty], 500), (0, 0));
        assert_eq!(wish(vec![FetchData::Empty, memory(&[70, 80]), disk(100)], 500), (250, 70));
        assert_eq!(wish(vec![memory(&[70, 80])], 100), (100, 70));
        assert_eq!(wish(vec![memory(&[70, 80])], 0), (70, 70));
        assert_eq!(wish(vec![disk(5_000), disk(5_000)], 5_000), (1_000, 300));
        assert_eq!(
            wish(vec![disk(10), memory(&[70])], 5_000),
            (300, 300),
            "the size of what is in storage is not known"
        );
    }

    #[test]
    fn a_partition_that_never_answered_is_told_apart() {
        let mut join = Join::new(2, 1, true);
        join.fill(1, Ok(fetched(9, memory(&[1]))));
        let (answers, _) = join.finish(100, 100);
        assert_eq!(answers[0], None);
    }

    #[test]
    fn an_answer_for_a_partition_that_was_not_asked_changes_nothing() {
        let mut join = Join::new(1, 1, true);
        assert_eq!(join.fill(7, Err("stray")), Next::Wait);
        assert_eq!(join.fill(0, Ok(fetched(9, memory(&[1])))), Next::Finish);
    }

    #[test]
    fn a_request_without_partitions_is_answered_at_once() {
        for may_wait in [false, true] {
            assert_eq!(FetchJoin::<()>::new(0, 1, may_wait).next_at_start(), Next::Finish);
            assert_eq!(FetchJoin::<()>::new(1, 1, may_wait).next_at_start(), Next::Wait);
        }
    }
}
