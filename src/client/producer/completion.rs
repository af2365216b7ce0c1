//! How the records of a batch learn of its fate: one shared cell per batch, a place in it per record.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use callboard_model::Timestamp;

use super::record::RecordMetadata;
use crate::ClientError;

/// What became of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    /// Offset of its first record, if known.
    pub(crate) base_offset: Option<i64>,
    /// The broker's time, if its records carry that.
    pub(crate) log_append_time: Option<Timestamp>,
}

/// The cell of one batch. Completing it wakes all who wait, once.
#[derive(Debug)]
pub(crate) struct Completion {
    topic: Arc<str>,
    partition: i32,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Pending(Vec<Option<Waker>>),
    Done(Result<Acknowledged, ClientError>),
    /// Its records went into smaller batches: the index of the first of each, rising, the first is 0.
    Split(Vec<(u32, Arc<Completion>)>),
}

impl Completion {
    pub(crate) fn new(topic: Arc<str>, partition: i32) -> Arc<Self> {
        Arc::new(Self { topic, partition, state: Mutex::new(State::Pending(Vec::new())) })
    }

    /// A fresh cell for the same partition.
    pub(crate) fn part(&self) -> Arc<Self> {
        Self::new(self.topic.clone(), self.partition)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everyone. Only the first word counts.
    pub(crate) fn complete(&self, result: Result<Acknowledged, ClientError>) {
        self.change(State::Done(result));
    }

    /// Hands everyone over to smaller batches.
    pub(crate) fn split(&self, into: Vec<(u32, Arc<Completion>)>) {
        self.change(State::Split(into));
    }

    /// Whether it is complete; a split batch is when its parts are.
    pub(crate) fn is_decided(&self) -> bool {
        match &*self.state() {
            State::Pending(_) => false,
            State::Done(_) => true,
            State::Split(into) => into.iter().all(|(_, part)| part.is_decided()),
        }
    }

    fn change(&self, to: State) {
        let mut state = self.state();
        if !matches!(*state, State::Pending(_)) {
            return;
        }
        let State::Pending(wakers) = std::mem::replace(&mut *state, to) else { return };
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits until it is complete, split batches included.
    pub(crate) async fn done(self: &Arc<Self>) {
        let mut left = vec![self.clone()];
        while let Some(completion) = left.pop() {
            let mut slot = None;
            std::future::poll_fn(|context| completion.poll_any(context, &mut slot)).await;
            if let State::Split(into) = &*completion.state() {
                left.extend(into.iter().map(|(_, part)| part.clone()));
            }
        }
    }

    fn poll_any(&self, context: &Context<'_>, slot: &mut Option<usize>) -> Poll<()> {
        match &mut *self.state() {
            State::Pending(wakers) => {
                register(wakers, context, slot);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

/// A waiter has one place however often it is polled.
fn register(wakers: &mut Vec<Option<Waker>>, context: &Context<'_>, slot: &mut Option<usize>) {
    match slot.and_then(|at| wakers.get_mut(at)) {
        Some(Some(waker)) => waker.clone_from(context.waker()),
        Some(empty) => *empty = Some(context.waker().clone()),
        None => {
            *slot = Some(wakers.len());
            wakers.push(Some(context.waker().clone()));
        }
    }
}

/// The fate of one record, as a future. It completes whatever happens; dropping it changes nothing about the record.
#[derive(Debug)]
#[must_use = "the record is sent in any case, but only this tells whether it arrived"]
pub struct Delivery {
    completion: Arc<Completion>,
    /// The record's place in its batch.
    index: u32,
    timestamp: Timestamp,
    slot: Option<usize>,
}

impl Delivery {
    pub(crate) fn new(completion: Arc<Completion>, index: u32, timestamp: Timestamp) -> Self {
        Self { completion, index, timestamp, slot: None }
    }

    /// The partition that was chosen for the record.
    pub fn partition(&self) -> i32 {
        self.completion.partition
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            // Who waits for many records asks many times: nothing is counted up and down for that.
            let (first, part) = match &mut *this.completion.state() {
                State::Pending(wakers) => {
                    register(wakers, context, &mut this.slot);
                    return Poll::Pending;
                }
                State::Done(Err(error)) => return Poll::Ready(Err(error.clone())),
                State::Done(Ok(done)) => {
                    return Poll::Ready(Ok(RecordMetadata {
                        topic: this.completion.topic.clone(),
                        partition: this.completion.partition,
                        offset: done.base_offset.map(|base| base.saturating_add(i64::from(this.index))),
                        timestamp: done.log_append_time.unwrap_or(this.timestamp),
                    }));
                }
                State::Split(into) => {
                    let at = into.partition_point(|(first, _)| *first <= this.index).saturating_sub(1);
                    into[at].clone()
                }
            };
            (this.index, this.slot) = (this.index - first, None);
            this.completion = part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn cell() -> Arc<Completion> {
        Completion::new("t".into(), 3)
    }

    fn acknowledged(base: i64) -> Result<Acknowledged, ClientError> {
        Ok(Acknowledged { base_offset: Some(base), log_append_time: None })
    }

    fn delivery(cell: &Arc<Completion>, index: u32) -> Delivery {
        Delivery::new(cell.clone(), index, Timestamp(50))
    }

    #[tokio::test]
    async fn each_record_gets_its_own_offset() {
        let cell = cell();
        let mut waiting: Vec<_> = (0..3).map(|index| delivery(&cell, index)).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        let told = tokio::spawn(futures_util::future::join_all(waiting));
        tokio::task::yield_now().await;
        cell.complete(acknowledged(100));
        let offsets: Vec<_> = told.await.expect("no panic").into_iter().map(|one| one.expect("ok").offset).collect();
        assert_eq!(offsets, [Some(100), Some(101), Some(102)]);
        assert_eq!(delivery(&cell, 0).await.expect("ok").timestamp, Timestamp(50));
    }

    #[test]
    fn polling_again_takes_no_more_room_and_the_first_word_counts() {
        let cell = cell();
        let mut one = delivery(&cell, 0);
        for _ in 0..100 {
            assert!((&mut one).now_or_never().is_none());
        }
        assert!(matches!(&*cell.state(), State::Pending(wakers) if wakers.len() == 1));
        cell.complete(Err(ClientError::Closed("producer")));
        cell.complete(acknowledged(5));
        assert!(one.now_or_never().expect("done").is_err());
    }

    #[tokio::test]
    async fn records_of_a_split_batch_follow_to_their_part() {
        let (whole, first, second) = (cell(), cell(), cell());
        let mut early = delivery(&whole, 4);
        assert!((&mut early).now_or_never().is_none());
        whole.split(vec![(0, first.clone()), (3, second.clone())]);
        assert!((&mut early).now_or_never().is_none());
        let all_done = tokio::spawn({
            let whole = whole.clone();
            async move { whole.done().await }
        });
        second.complete(acknowledged(30));
        assert_eq!(early.await.expect("ok").offset, Some(31));
        tokio::task::yield_now().await;
        assert!(!all_done.is_finished());
        first.complete(acknowledged(10));
        assert_eq!(delivery(&whole, 2).await.expect("ok").offset, Some(12));
        all_done.await.expect("no panic");
    }
}
