//! Moving the log's start: by time, by size, or because an operator asks.

use callboard_model::{Durability, LogWrite, Offset, Timestamp};

use crate::delayed::DelayedDelete;
use crate::effect::{Effect, Ticket};
use crate::error::DeleteError;
use crate::layout::StateError;
use crate::leader::{Leader, Now, Standing};
use crate::recovery::StateEntry;
use crate::slices::{Oldest, Slice, index_key};

/// Which index entries retention wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionQuery {
    /// Some entries in order from this key on, as many as are handy.
    pub from_key: Vec<u8>,
    /// The state of the index that it was asked in: after a change by compaction the entries read are void.
    pub(crate) index_version: u64,
}

impl<W> Leader<W> {
    /// Deletes all records before an offset, `-1` for all that are committed; answered with the log's start once
    /// that is written (KIP-107).
    pub fn delete_records(&mut self, before: Offset, waiter: W, effects: &mut Vec<Effect<W>>) {
        match self.start_for(before) {
            Err(error) => effects.push(Effect::Deleted { waiter, result: Err(error) }),
            Ok(start) => {
                if start > self.start {
                    let mut writes = Vec::new();
                    if start > self.slices.open.start {
                        // Below the start storage may drop batches, and with them what the producers did there.
                        self.close_slice(&mut writes);
                    }
                    self.move_start(start, self.durability(), writes, effects);
                }
                match self.start_ticket {
                    Some(ticket) => self.deletes.push_back(DelayedDelete { ticket, waiter }),
                    None => effects.push(Effect::Deleted { waiter, result: Ok(self.start) }),
                }
            }
        }
        self.debug_check();
    }

    fn start_for(&self, before: Offset) -> Result<Offset, DeleteError> {
        match &self.standing {
            Standing::Leading => {}
            Standing::Resigned => return Err(DeleteError::NotLeader),
            Standing::Failed(error) => return Err(DeleteError::Storage(error.clone())),
        }
        if !self.config.cleanup_policy.delete {
            return Err(DeleteError::Policy);
        }
        let start = if before == Offset::NONE { self.high_watermark } else { before };
        if start < Offset::ZERO || start > self.high_watermark {
            return Err(DeleteError::OutOfRange { offset: before, high_watermark: self.high_watermark });
        }
        Ok(start)
    }

    /// Whether retention has something to do; cheap. The shell reads entries of the index and hands them to
    /// [`Self::apply_retention`].
    pub fn retention_query(&self, now: Now) -> Option<RetentionQuery> {
        // Survivors under way take the place of entries that retention would go by.
        if self.standing != Standing::Leading || self.replacing.is_some() {
            return None;
        }
        let query = |from_key| RetentionQuery { from_key, index_version: self.index_version };
        match &self.slices.oldest {
            Oldest::None => None,
            Oldest::Unread(start) => Some(query(index_key(*start))),
            Oldest::Known(oldest) => self.is_due(oldest, now.wall).then(|| query(oldest.key())),
        }
    }

    /// Deletes the slices whose time is over or that are too much, oldest first. `entries` are those of the index
    /// from the queried key on; stale ones do no harm. Errors on an unreadable entry, having deleted none.
    pub fn apply_retention(
        &mut self,
        query: &RetentionQuery,
        entries: &[StateEntry],
        now: Now,
        effects: &mut Vec<Effect<W>>,
    ) -> Result<(), StateError> {
        let slices: Vec<Slice> =
            entries.iter().map(|(key, value)| Slice::decode(key, value)).collect::<Result<_, _>>()?;
        let is_void = self.replacing.is_some() || query.index_version != self.index_version;
        if self.standing != Standing::Leading || is_void {
            return Ok(());
        }
        let mut start = self.start;
        let mut writes = Vec::new();
        for slice in slices {
            let expected = match &self.slices.oldest {
                Oldest::None => break,
                Oldest::Known(oldest) => oldest.start,
                Oldest::Unread(start) => *start,
            };
            if slice.start < expected || slice.end > self.slices.open.start {
                continue;
            }
            self.slices.set_oldest(slice);
            if !self.is_due(&slice, now.wall) {
                break;
            }
            self.slices.drop_oldest(&slice, &mut writes);
            start = start.max(slice.end);
        }
        if start > self.start {
            // If it is lost the same slices are due again.
            self.move_start(start, Durability::Written, writes, effects);
        } else if !writes.is_empty() {
            self.write(Durability::Written, writes, effects);
        }
        self.debug_check();
        Ok(())
    }

    /// Whether a slice goes: it lies below the start already, or it is too old, or the log is large enough without
    /// it. Nothing goes that is not committed (R8).
    fn is_due(&self, slice: &Slice, wall: Timestamp) -> bool {
        if slice.end > self.high_watermark {
            return false;
        }
        if slice.end <= self.start {
            return true;
        }
        if !self.config.cleanup_policy.delete {
            return false;
        }
        let age = wall.millis().saturating_sub(slice.retention_time().millis());
        let is_old = self.config.retention.is_some_and(|retention| age > 0 && age as u128 > retention.as_millis());
        let without = self.slices.bytes().saturating_sub(slice.bytes);
        is_old || self.config.retention_bytes.is_some_and(|keep| without >= keep)
    }

    /// Moves the start up: what lies below is no longer served, from now on.
    fn move_start(
        &mut self,
        start: Offset,
        durability: Durability,
        mut writes: Vec<LogWrite>,
        effects: &mut Vec<Effect<W>>,
    ) -> Ticket {
        self.start = start;
        writes.push(LogWrite::SetStart(start));
        self.history.prune(start, &mut writes);
        self.tail.drop_below(start);
        let ticket = self.write(durability, writes, effects);
        self.start_ticket = Some(ticket);
        for fetch in self.fetches.take_below(start) {
            self.answer_fetch(fetch, effects);
        }
        ticket
    }
}

#[cfg(test)]
mod tests;
