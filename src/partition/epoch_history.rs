//! Which leader epoch began at which offset (KIP-101): what two logs compare to find where they part.

use callboard_model::{LeaderEpoch, LogWrite, Offset, StateFamily};

use crate::layout::{Fields, StateError};

/// Key: epoch u32 big-endian. Value: `0 version u8 = 1 | 1 start offset i64`.
const KIND: &str = "epoch";
const VERSION: u8 = 1;

/// Epochs with records, plus the newest; both numbers of each entry grow strictly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EpochHistory {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl EpochHistory {
    /// Reads the stored entries, which come ordered by key.
    pub(crate) fn decode(stored: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, StateError> {
        let mut entries: Vec<(LeaderEpoch, Offset)> = Vec::new();
        for (key, value) in stored {
            let mut fields = Fields::new(KIND, key);
            let epoch = fields.i32()?;
            fields.require(epoch >= 0, "a negative epoch")?;
            fields.end()?;
            let mut fields = Fields::new(KIND, value);
            fields.version(VERSION)?;
            let start = fields.offset()?;
            let grows = entries.last().is_none_or(|(e, s)| e.get() < epoch && *s < start);
            fields.require(grows, "epochs and their starts do not grow together")?;
            fields.end()?;
            entries.push((LeaderEpoch(epoch), start));
        }
        Ok(Self { entries })
    }

    pub(crate) fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    pub(crate) fn newest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// Begins a newer epoch at `start` and says what to write. Epochs that left no record before it go: nobody can
    /// hold a record of them (Kafka: `LeaderEpochFileCache.assign`), and restarts of an idle partition leave no trace.
    pub(crate) fn assign(&mut self, epoch: LeaderEpoch, start: Offset, writes: &mut Vec<LogWrite>) {
        debug_assert!(self.newest().is_none_or(|newest| newest < epoch), "epochs only grow");
        while let Some((gone, _)) = self.entries.pop_if(|(_, at)| *at >= start) {
            writes.push(delete(gone));
        }
        self.entries.push((epoch, start));
        let mut value = Vec::with_capacity(9);
        value.push(VERSION);
        value.extend_from_slice(&start.get().to_be_bytes());
        writes.push(LogWrite::Put { family: StateFamily::Epochs, key: key(epoch), value });
    }

    /// Forgets epochs that lie wholly below the log's start; the newest stays.
    pub(crate) fn prune(&mut self, log_start: Offset, writes: &mut Vec<LogWrite>) {
        let passed = self.entries.windows(2).take_while(|pair| pair[1].1 <= log_start).count();
        writes.extend(self.entries.drain(..passed).map(|(epoch, _)| delete(epoch)));
    }

    /// The epoch of the record at an offset.
    pub(crate) fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|(_, start)| *start <= offset);
        after.checked_sub(1).map(|at| self.entries[at].0)
    }

    /// The largest epoch up to `wanted`, and where it ends (KIP-320; Kafka: `LeaderEpochFileCache.endOffsetFor`).
    /// Both are `-1` if nothing is known: for an undefined epoch or one from the future. For an epoch older than all
    /// known, itself with the log's start: whoever asks goes on from there.
    pub(crate) fn end_of(&self, wanted: LeaderEpoch, log_start: Offset, log_end: Offset) -> (LeaderEpoch, Offset) {
        if !wanted.is_known() {
            return (LeaderEpoch::NONE, Offset::NONE);
        }
        if self.newest() == Some(wanted) {
            return (wanted, log_end);
        }
        let after = self.entries.partition_point(|(epoch, _)| *epoch <= wanted);
        let Some((_, next_start)) = self.entries.get(after) else {
            return (LeaderEpoch::NONE, Offset::NONE);
        };
        let floor = after.checked_sub(1).map_or(wanted, |at| self.entries[at].0);
        (floor, (*next_start).max(log_start))
    }
}

fn key(epoch: LeaderEpoch) -> Vec<u8> {
    epoch.get().to_be_bytes().to_vec()
}

fn delete(epoch: LeaderEpoch) -> LogWrite {
    LogWrite::Delete { family: StateFamily::Epochs, key: key(epoch) }
}

#[cfg(test)]
mod tests;
