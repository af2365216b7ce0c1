//! The leader's part: what may be compacted now, survivors put in the place of slices, how far it came.

use callboard_model::{Durability, LogWrite, Offset, StateFamily, StoredBatch};

use super::plan::Candidate;
use crate::effect::{Effect, Ticket};
use crate::layout::{Fields, StateError};
use crate::leader::{Leader, Standing};
use crate::recovery::StateEntry;
use crate::slices::{Oldest, Slice, index_key};

const KIND: &str = "compaction";
const VERSION: u8 = 1;
/// The only key of [`StateFamily::Compaction`]; its value is `0 version u8 = 1 | 1 first dirty offset i64`.
const CHECKPOINT: &[u8] = b"checkpoint";

/// How much of a log waits for compaction; an upper bound, as it is told without reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dirtiness {
    /// Bytes of closed slices that compaction has not seen.
    pub dirty_bytes: u64,
    /// Millionths of all closed slices' bytes.
    pub dirty_millionths: u32,
    /// Whether a plan is worth making: enough is dirty, or some of it may have waited for long enough.
    pub may_be_due: bool,
}

/// Survivors of some slices, to be put in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// First offset of what goes, a batch's edge.
    pub from: Offset,
    /// One past its last offset.
    pub until: Offset,
    /// Where the slices of it begin.
    pub old: Vec<Offset>,
    /// Their bytes.
    pub old_bytes: u64,
    /// The slice that takes their place; none if nothing survives.
    pub new: Option<Slice>,
    /// What survives, in order.
    pub batches: Vec<StoredBatch>,
}

/// How far a round came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The end of what it covered.
    pub until: Offset,
    /// Bytes of the closed slices behind that, as far as the round has seen.
    pub left_bytes: u64,
    /// Up to where it has seen, on the scale of [`Slice::bytes_before`].
    pub seen_until: u64,
}

/// Why survivors cannot take their place now. The round is void; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// Another replica leads, or this one is about to begin again.
    #[error("this leader does not write any more")]
    NotLeading,
    /// The topic is not compacted any more.
    #[error("the topic is not compacted any more")]
    Policy,
    /// Retention or an operator was faster, or another round is at it.
    #[error("the slices from {from} to {until} are not what they were when the round began")]
    Overtaken {
        /// The chunk's first offset.
        from: Offset,
        /// The chunk's end.
        until: Offset,
    },
    /// The journal refused.
    #[error(transparent)]
    Write(#[from] crate::error::WriteError),
}

/// A chunk that is being written.
#[derive(Debug)]
pub(crate) struct Replacing<W> {
    pub(crate) ticket: Ticket,
    waiter: W,
    from: Offset,
    until: Offset,
    old_bytes: u64,
    new: Option<Slice>,
}

/// Reads the stored entry: the first dirty offset.
pub(crate) fn read_checkpoint(entry: &StateEntry) -> Result<Offset, StateError> {
    let fields = Fields::new(KIND, &entry.0);
    fields.require(entry.0 == CHECKPOINT, "a key that is none of ours")?;
    let mut fields = Fields::new(KIND, &entry.1);
    fields.version(VERSION)?;
    let first_dirty = fields.offset()?;
    fields.end()?;
    Ok(first_dirty)
}

fn checkpoint(first_dirty: Offset) -> LogWrite {
    let mut value = Vec::with_capacity(9);
    value.push(VERSION);
    value.extend_from_slice(&first_dirty.get().to_be_bytes());
    LogWrite::Put { family: StateFamily::Compaction, key: CHECKPOINT.to_vec(), value }
}

impl<W> Leader<W> {
    /// How much waits for compaction; none if the topic is not compacted, or this leader does not write.
    pub fn dirtiness(&self) -> Option<Dirtiness> {
        if self.standing != Standing::Leading || !self.config.cleanup_policy.compact {
            return None;
        }
        let (dirty, closed) = (self.slices.dirty_bytes(), self.slices.closed_bytes());
        let dirty_millionths = (u128::from(dirty) * 1_000_000 / u128::from(closed.max(1))) as u32;
        let config = &self.config.compaction;
        let enough = dirty_millionths > config.min_dirty_millionths || config.max_lag.is_some();
        Some(Dirtiness { dirty_bytes: dirty, dirty_millionths, may_be_due: dirty > 0 && enough })
    }

    /// What a round may go by from now on; none if there is nothing to compact.
    pub fn compaction_candidate(&self) -> Option<Candidate> {
        self.dirtiness()?;
        let last = |state: &crate::producer_state::ProducerState| {
            state.batches().last().map(|batch| (batch.end_offset(), state.epoch))
        };
        let producers = self.producers.by_id().iter().filter_map(|(id, state)| Some((*id, last(state)?)));
        Some(Candidate {
            start: self.start,
            first_dirty: self.slices.first_dirty,
            bound: self.slices.open.start.min(self.marks().last_stable),
            config: self.config.compaction,
            producers: producers.collect(),
        })
    }

    /// Has survivors put in their slices' place, log and index in one write; answered when that is durable. Until then
    /// retention waits. What cannot be written leaves everything as it is, and this leader in office.
    pub fn replace_slices(&mut self, chunk: Chunk, waiter: W, effects: &mut Vec<Effect<W>>) {
        if let Err(error) = self.may_replace(&chunk) {
            effects.push(Effect::Replaced { waiter, result: Err(error) });
            return;
        }
        let Chunk { from, until, old, old_bytes, new, batches } = chunk;
        let delete = |start| LogWrite::Delete { family: StateFamily::Index, key: index_key(start) };
        let mut writes: Vec<_> = old.into_iter().map(delete).collect();
        if let Some(new) = &new {
            writes.push(LogWrite::Put { family: StateFamily::Index, key: new.key(), value: new.encode() });
        }
        writes.push(LogWrite::Replace { from, until, batches });
        // From the first chunk on the index has holes, which recovery knows by the checkpoint.
        writes.push(checkpoint(self.slices.first_dirty));
        let ticket = self.write(Durability::Synced, writes, effects);
        self.replacing = Some(Replacing { ticket, waiter, from, until, old_bytes, new });
        self.debug_check();
    }

    fn may_replace(&self, chunk: &Chunk) -> Result<(), ReplaceError> {
        let Chunk { from, until, .. } = *chunk;
        if self.standing != Standing::Leading {
            return Err(ReplaceError::NotLeading);
        }
        if !self.config.cleanup_policy.compact {
            return Err(ReplaceError::Policy);
        }
        let oldest = match &self.slices.oldest {
            Oldest::None => self.slices.open.start,
            Oldest::Known(oldest) => oldest.start,
            Oldest::Unread(start) => *start,
        };
        let there = chunk.old.first().is_some_and(|first| oldest <= *first);
        let committed = until <= self.slices.open.start && until <= self.marks().last_stable;
        if self.replacing.is_some() || !there || !committed || from >= until {
            return Err(ReplaceError::Overtaken { from, until });
        }
        Ok(())
    }

    /// A write is done; whether it was a chunk.
    pub(crate) fn replaced(&mut self, done: Ticket, effects: &mut Vec<Effect<W>>) {
        if let Some(done) = self.replacing.take_if(|replacing| replacing.ticket == done) {
            let Replacing { waiter, from, until, old_bytes, new, .. } = done;
            self.slices.replace(from, until, old_bytes, new);
            self.index_version += 1;
            // What is in memory of it is mostly dead: readers go to the survivors.
            self.tail.drop_below(until);
            effects.push(Effect::Replaced { waiter, result: Ok(()) });
        }
    }

    /// A write failed. If it was a chunk then nothing has changed, in memory as on disk: it counts as done.
    pub(crate) fn replace_failed(
        &mut self,
        failed: Ticket,
        error: crate::error::WriteError,
        effects: &mut Vec<Effect<W>>,
    ) -> bool {
        let Some(failed) = self.replacing.take_if(|replacing| replacing.ticket == failed) else { return false };
        effects.push(Effect::Replaced { waiter: failed.waiter, result: Err(error.into()) });
        true
    }

    /// This leader ends: whoever waits for a chunk is told.
    pub(crate) fn refuse_replacing(&mut self, effects: &mut Vec<Effect<W>>) {
        if let Some(Replacing { waiter, .. }) = self.replacing.take() {
            effects.push(Effect::Replaced { waiter, result: Err(ReplaceError::NotLeading) });
        }
    }

    /// A round has ended: the log is compacted up to `until`. Behind it were `left_bytes` of closed slices when it was
    /// planned, and what came since ([`super::Plan::seen_until`]). Needs no sync: if it is lost, the next round does more
    /// than it must.
    pub fn compacted(&mut self, round: Compacted, effects: &mut Vec<Effect<W>>) {
        let Compacted { until, left_bytes, seen_until } = round;
        if self.standing != Standing::Leading || until <= self.slices.first_dirty || until > self.slices.open.start {
            return;
        }
        let since = self.slices.open.bytes_before.saturating_sub(seen_until);
        self.slices.cleaned(until, left_bytes.saturating_add(since));
        self.write(Durability::Written, vec![checkpoint(until)], effects);
        self.debug_check();
    }
}
