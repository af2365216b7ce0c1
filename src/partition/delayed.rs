//! Requests that wait: produces for durability, fetches for data, deletions for their write. Data, not futures.

use std::collections::{BTreeMap, VecDeque};

use callboard_model::{Offset, Tick, Timestamp};

use crate::effect::Ticket;
use crate::fetch::Fetch;

/// A produce that is answered once the log is safe up to `end`.
#[derive(Debug)]
pub(crate) struct DelayedProduce<W> {
    pub(crate) end: Offset,
    pub(crate) deadline: Tick,
    pub(crate) base_offset: Offset,
    pub(crate) log_append_time: Option<Timestamp>,
    pub(crate) waiter: W,
}

/// Delayed produces ordered by the offset they wait for.
#[derive(Debug)]
pub(crate) struct DelayedProduces<W> {
    waiting: VecDeque<DelayedProduce<W>>,
    /// No deadline is earlier; may be earlier than all of them, which costs one look for nothing.
    earliest: Option<Tick>,
}

impl<W> DelayedProduces<W> {
    pub(crate) fn new() -> Self {
        Self { waiting: VecDeque::new(), earliest: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn earliest(&self) -> Option<Tick> {
        self.earliest
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &DelayedProduce<W>> {
        self.waiting.iter()
    }

    /// New batches end last; only a repeated one has to find its place.
    pub(crate) fn push(&mut self, produce: DelayedProduce<W>) {
        self.earliest = Some(self.earliest.map_or(produce.deadline, |earliest| earliest.min(produce.deadline)));
        if self.waiting.back().is_none_or(|last| last.end <= produce.end) {
            self.waiting.push_back(produce);
        } else {
            let at = self.waiting.partition_point(|earlier| earlier.end <= produce.end);
            self.waiting.insert(at, produce);
        }
    }

    /// The next one whose offset is reached.
    pub(crate) fn pop_reached(&mut self, reached: Offset) -> Option<DelayedProduce<W>> {
        if self.waiting.front()?.end > reached {
            return None;
        }
        let produce = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.earliest = None;
        }
        produce
    }

    /// Those whose time is over, in order.
    pub(crate) fn take_expired(&mut self, now: Tick) -> Vec<DelayedProduce<W>> {
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        for produce in std::mem::take(&mut self.waiting) {
            if produce.deadline <= now {
                expired.push(produce);
            } else {
                self.waiting.push_back(produce);
            }
        }
        self.earliest = self.waiting.iter().map(|produce| produce.deadline).min();
        expired
    }

    /// All of them, in order.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = DelayedProduce<W>> {
        self.earliest = None;
        std::mem::take(&mut self.waiting).into_iter()
    }
}

/// A fetch that waits for the high watermark to pass `beyond`.
#[derive(Debug)]
pub(crate) struct DelayedFetch<W> {
    pub(crate) fetch: Fetch<W>,
    pub(crate) until: Tick,
}

/// Delayed fetches ordered by the offset they wait for; one per key.
#[derive(Debug)]
pub(crate) struct DelayedFetches<W> {
    waiting: BTreeMap<(Offset, u64), DelayedFetch<W>>,
    beyond_of: BTreeMap<u64, Offset>,
    /// As in [`DelayedProduces`].
    earliest: Option<Tick>,
}

impl<W> DelayedFetches<W> {
    pub(crate) fn new() -> Self {
        Self { waiting: BTreeMap::new(), beyond_of: BTreeMap::new(), earliest: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn earliest(&self) -> Option<Tick> {
        self.earliest
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Offset, &DelayedFetch<W>)> {
        self.waiting.iter().map(|((beyond, _), delayed)| (*beyond, delayed))
    }

    /// The caller has removed an earlier one with this key.
    pub(crate) fn insert(&mut self, beyond: Offset, delayed: DelayedFetch<W>) {
        self.earliest = Some(self.earliest.map_or(delayed.until, |earliest| earliest.min(delayed.until)));
        self.beyond_of.insert(delayed.fetch.key, beyond);
        self.waiting.insert((beyond, delayed.fetch.key), delayed);
    }

    /// Takes the one with this key away, if there is one.
    pub(crate) fn remove(&mut self, key: u64) -> Option<Fetch<W>> {
        let beyond = self.beyond_of.remove(&key)?;
        let delayed = self.waiting.remove(&(beyond, key));
        self.forget_deadline_if_empty();
        delayed.map(|delayed| delayed.fetch)
    }

    /// The next one that waits for no more than `reached`.
    pub(crate) fn pop_passed(&mut self, reached: Offset) -> Option<Fetch<W>> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 < reached)?;
        let fetch = first.remove().fetch;
        self.beyond_of.remove(&fetch.key);
        self.forget_deadline_if_empty();
        Some(fetch)
    }

    /// Those whose time is over, by key.
    pub(crate) fn take_expired(&mut self, now: Tick) -> Vec<Fetch<W>> {
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return Vec::new();
        }
        let fetches = self.take_where(|delayed| delayed.until <= now);
        self.earliest = self.waiting.values().map(|delayed| delayed.until).min();
        fetches
    }

    /// Those that read below an offset, by key.
    pub(crate) fn take_below(&mut self, start: Offset) -> Vec<Fetch<W>> {
        let fetches = self.take_where(|delayed| delayed.fetch.offset < start);
        self.forget_deadline_if_empty();
        fetches
    }

    /// All of them, by key.
    pub(crate) fn take_all(&mut self) -> Vec<Fetch<W>> {
        let fetches = self.take_where(|_| true);
        self.earliest = None;
        fetches
    }

    fn take_where(&mut self, gone: impl Fn(&DelayedFetch<W>) -> bool) -> Vec<Fetch<W>> {
        let waiting = &self.waiting;
        let is_gone = |(key, beyond): (&u64, &Offset)| waiting.get(&(*beyond, *key)).is_some_and(&gone).then_some(*key);
        let keys: Vec<u64> = self.beyond_of.iter().filter_map(is_gone).collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    fn forget_deadline_if_empty(&mut self) {
        if self.waiting.is_empty() {
            self.earliest = None;
        }
    }
}

/// A deletion of records that is answered once its write is done.
#[derive(Debug)]
pub(crate) struct DelayedDelete<W> {
    pub(crate) ticket: Ticket,
    pub(crate) waiter: W,
}

#[cfg(test)]
mod tests;
