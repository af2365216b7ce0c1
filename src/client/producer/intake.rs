//! The machine that collects the records of one partition until they are taken to be sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::{OpenBatch, Parts};
use super::chunks::Pool;
use super::completion::Completion;

/// When batches are ready, and how large they grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From here on a batch is ready.
    pub(crate) batch_size: usize,
    /// While it is not taken it grows up to this.
    pub(crate) batch_size_max: usize,
    pub(crate) linger: Duration,
}

/// What the sender should know of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing that it does not know already.
    None,
    /// A batch began, so its linger runs.
    Began,
    /// A batch is large enough to be sent.
    Ready,
}

/// Where a record went.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) completion: Arc<Completion>,
    pub(crate) index: u32,
    pub(crate) news: News,
}

/// Records of one partition that were not taken yet, in order.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// All but the last are complete.
    batches: VecDeque<OpenBatch>,
    /// Every batch that began and may be undecided, taken ones too, in order.
    undecided: VecDeque<Arc<Completion>>,
    closed: bool,
}

impl Intake {
    /// Adds a record; `None` if it is closed. `begin` makes an empty batch when one is needed.
    pub(crate) fn push(
        &mut self,
        record: Parts<'_>,
        charged: usize,
        limits: Limits,
        pool: &Pool,
        begin: impl FnOnce() -> OpenBatch,
    ) -> Option<Placed> {
        if self.closed {
            return None;
        }
        let most = limits.batch_size_max.max(limits.batch_size);
        let fits = self.batches.back().is_some_and(|last| last.size() + charged <= most);
        if !fits {
            let batch = begin();
            self.undecided.push_back(batch.completion.clone());
            self.batches.push_back(batch);
        }
        let last = self.batches.back_mut().expect("just pushed or seen");
        let before = last.size();
        let index = last.push(record, pool);
        last.charged += charged;
        let crossed = last.size() >= limits.batch_size && (before < limits.batch_size || index == 0);
        let completion = last.completion.clone();
        let news = match () {
            () if crossed => News::Ready,
            // The batch before it is complete, and known to be ready.
            () if index == 0 && self.batches.len() == 1 => News::Began,
            () => News::None,
        };
        Some(Placed { completion, index, news })
    }

    /// When the oldest batch is to be sent; `at_once` without waiting for more records.
    pub(crate) fn ready_at(&self, limits: Limits, at_once: bool) -> Option<Instant> {
        let first = self.batches.front()?;
        let full = self.batches.len() > 1 || first.size() >= limits.batch_size;
        let linger = if full || at_once { Duration::ZERO } else { limits.linger };
        Some(first.created + linger)
    }

    /// Bytes of the oldest batch as it would be sent now, without compression.
    pub(crate) fn first_size(&self) -> Option<usize> {
        self.batches.front().map(OpenBatch::size)
    }

    /// Takes the oldest batch: it gets no more records.
    pub(crate) fn take(&mut self) -> Option<OpenBatch> {
        self.batches.pop_front()
    }

    /// Takes batches that began at or before `until`.
    pub(crate) fn expire(&mut self, until: Instant) -> Vec<OpenBatch> {
        let expired = self.batches.iter().take_while(|batch| batch.created <= until).count();
        self.batches.drain(..expired).collect()
    }

    /// Takes everything, and no more is accepted.
    pub(crate) fn close(&mut self) -> Vec<OpenBatch> {
        self.closed = true;
        self.batches.drain(..).collect()
    }

    /// Forgets batches that are decided; the oldest come first.
    pub(crate) fn forget_decided(&mut self) {
        while self.undecided.front().is_some_and(|completion| completion.is_decided()) {
            self.undecided.pop_front();
        }
    }

    /// What a flush waits for.
    pub(crate) fn undecided(&self) -> impl Iterator<Item = &Arc<Completion>> {
        self.undecided.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_model::Timestamp;

    const LIMITS: Limits = Limits { batch_size: 1000, batch_size_max: 3000, linger: Duration::from_millis(5) };

    fn push(intake: &mut Intake, size: usize, now: Instant) -> Placed {
        let value = vec![0; size];
        let record = Parts { timestamp: Timestamp(1), key: None, value: Some(&value), headers: &[] };
        let begin = || OpenBatch::new(Completion::new("t".into(), 0), now);
        intake.push(record, record.size_bound(), LIMITS, &Pool::new(0), begin).expect("open")
    }

    #[test]
    fn the_sender_hears_when_a_batch_begins_and_when_it_is_ready_and_nothing_between() {
        let (mut intake, now) = (Intake::default(), Instant::now());
        let news: Vec<_> = (0..8).map(|_| push(&mut intake, 300, now).news).collect();
        assert_eq!(news[..5], [News::Began, News::None, News::None, News::Ready, News::None]);
        assert!(news[5..].iter().all(|news| *news == News::None), "it grows on while it is not taken");
        assert_eq!(intake.batches.len(), 1);
        assert_eq!(push(&mut intake, 900, now).index, 0, "the largest size is a bound");
        assert_eq!(push(&mut Intake::default(), 2000, now).news, News::Ready);
    }

    #[test]
    fn a_batch_waits_for_its_linger_unless_it_is_ready_or_nobody_waits_for_more() {
        let (mut intake, now) = (Intake::default(), Instant::now());
        assert_eq!(intake.ready_at(LIMITS, true), None);
        push(&mut intake, 10, now);
        assert_eq!(intake.ready_at(LIMITS, false), Some(now + LIMITS.linger));
        assert_eq!(intake.ready_at(LIMITS, true), Some(now));
        push(&mut intake, 1000, now);
        assert_eq!(intake.ready_at(LIMITS, false), Some(now));
        assert_eq!(intake.take().map(|batch| batch.count()), Some(2));
        assert!(intake.take().is_none());
    }

    #[test]
    fn what_is_undecided_is_known_until_it_is_decided() {
        let (mut intake, now) = (Intake::default(), Instant::now());
        let first = push(&mut intake, 2900, now).completion;
        let second = push(&mut intake, 2900, now + LIMITS.linger).completion;
        assert_eq!(intake.expire(now).len(), 1);
        assert_eq!(intake.undecided().count(), 2);
        second.complete(Err(crate::ClientError::Closed("producer")));
        intake.forget_decided();
        assert_eq!(intake.undecided().count(), 2, "the older one is still open");
        first.complete(Err(crate::ClientError::Closed("producer")));
        intake.forget_decided();
        assert_eq!(intake.undecided().count(), 0);
        assert_eq!(intake.close().len(), 1);
        let record = Parts { timestamp: Timestamp(1), key: None, value: None, headers: &[] };
        let begin = || OpenBatch::new(Completion::new("t".into(), 0), now);
        assert!(intake.push(record, 10, LIMITS, &Pool::new(0), begin).is_none(), "closed");
    }
}
