//! Reading: from memory if the batches are there, else where they are in storage; or waiting for more.

use callboard_model::{LeaderEpoch, Offset, Tick};

use crate::delayed::DelayedFetch;
use crate::effect::{Effect, FetchData, Fetched};
use crate::error::FetchError;
use crate::leader::{Leader, Now, Standing};

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All that is committed.
    ReadUncommitted,
    /// Up to the first open transaction.
    ReadCommitted,
}

/// How long a fetch may wait, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When it is answered with what is there.
    pub until: Tick,
    /// It is answered once the high watermark is past this.
    pub beyond: Offset,
}

/// One fetch of one partition.
#[derive(Debug)]
pub struct Fetch<W> {
    /// The reader's slot, of a connection and a partition: a new fetch replaces one that waits with the same key.
    pub key: u64,
    /// Whom to answer.
    pub waiter: W,
    /// From where.
    pub offset: Offset,
    /// The leadership that the reader knows of (KIP-320).
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of its last record, to find where its log parts from ours (R11, KIP-595).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// What it may see.
    pub isolation: Isolation,
    /// Bytes of whole batches, at most.
    pub max_bytes: usize,
    /// Whether the first batch is given even if it is larger (KIP-74).
    pub min_one: bool,
    /// None to be answered at once.
    pub wait: Option<Wait>,
}

impl<W> Leader<W> {
    /// Answers a fetch, or keeps it until there is more. Errors and a parted log are answered at once.
    pub fn fetch(&mut self, fetch: Fetch<W>, now: Now, effects: &mut Vec<Effect<W>>) {
        self.fetches.remove(fetch.key);
        if fetch.offset >= self.high_watermark || self.tail.covers(fetch.offset) {
            self.tail_read_at = Some(now.tick);
        }
        match fetch.wait {
            Some(wait) if self.may_wait(&fetch, wait, now) => {
                self.fetches.insert(wait.beyond, DelayedFetch { fetch, until: wait.until });
            }
            _ => self.answer_fetch(fetch, effects),
        }
        self.debug_check();
    }

    /// Forgets a waiting fetch; its waiter gets no answer.
    pub fn cancel_fetch(&mut self, key: u64) {
        self.fetches.remove(key);
    }

    fn may_wait(&self, fetch: &Fetch<W>, wait: Wait, now: Now) -> bool {
        self.standing == Standing::Leading
            && self.high_watermark <= wait.beyond
            && now.tick < wait.until
            && self.position(fetch).is_ok_and(|fetched| fetched.diverging.is_none())
    }

    pub(crate) fn answer_fetch(&self, fetch: Fetch<W>, effects: &mut Vec<Effect<W>>) {
        let result = self.position(&fetch).map(|mut fetched| {
            if fetched.diverging.is_none() {
                fetched.data = self.data(&fetch, &fetched);
            }
            fetched
        });
        effects.push(Effect::Fetched { waiter: fetch.waiter, result });
    }

    /// Checks a fetch and gives its answer without data.
    fn position(&self, fetch: &Fetch<W>) -> Result<Fetched, FetchError> {
        let marks = self.marks();
        self.check_epoch(fetch.current_leader_epoch).map_err(|error| FetchError::Epoch { error, marks })?;
        let (offset, end) = (fetch.offset, self.end);
        // Between the high watermark and the end there is nothing to see, but nothing wrong either: after an election
        // the high watermark may lag behind what a reader already has (R6). Below the start is an error even for a
        // log that parted from ours (R12).
        if offset < self.start || offset > end {
            return Err(FetchError::OutOfRange { offset, end, marks });
        }
        let mut diverging = None;
        if let Some(epoch) = fetch.last_fetched_epoch.filter(|epoch| epoch.is_known()) {
            let (common, common_end) = self.history.end_of(epoch, self.start, end);
            if !common.is_known() {
                return Err(FetchError::UnknownHistory { epoch, marks });
            }
            if common < epoch || common_end < offset {
                diverging = Some((common, common_end));
            }
        }
        Ok(Fetched {
            high_watermark: marks.high_watermark,
            last_stable: marks.last_stable,
            log_start: marks.log_start,
            aborted: Vec::new(),
            diverging,
            data: FetchData::Empty,
        })
    }

    fn data(&self, fetch: &Fetch<W>, bounds: &Fetched) -> FetchData {
        let Fetch { offset: from, max_bytes, min_one, .. } = *fetch;
        let until = match fetch.isolation {
            Isolation::ReadUncommitted => bounds.high_watermark,
            Isolation::ReadCommitted => bounds.last_stable,
        };
        if from >= until || (max_bytes == 0 && !min_one) {
            return FetchData::Empty;
        }
        if !self.tail.covers(from) {
            return FetchData::Disk { from, until, max_bytes, min_one };
        }
        let batches = self.tail.read(from, until, max_bytes, min_one);
        if batches.is_empty() { FetchData::Empty } else { FetchData::Memory(batches) }
    }
}

#[cfg(test)]
mod tests;
