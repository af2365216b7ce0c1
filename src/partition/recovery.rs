//! From what storage holds to the state of a leader.

use callboard_model::{BatchHeader, LeaderEpoch, LogConfig, LogId, LogWrite, Offset};

use crate::compaction::read_checkpoint;
use crate::epoch_history::EpochHistory;
use crate::layout::StateError;
use crate::leader::{Now, PartitionLimits};
use crate::producer_state::{ProducerStates, is_numbered};
use crate::slices::{Slice, Slices};

/// Key and value of one stored state entry.
pub type StateEntry = (Vec<u8>, Vec<u8>);

/// What the shell read from storage about one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// First readable offset.
    pub start: Offset,
    /// One past the last record.
    pub end: Offset,
    /// All entries of the epochs, ordered by key.
    pub epochs: Vec<StateEntry>,
    /// All entries of the producers.
    pub producers: Vec<StateEntry>,
    /// The first entry of the index.
    pub index_first: Option<StateEntry>,
    /// The last entry of the index.
    pub index_last: Option<StateEntry>,
    /// The entry of compaction, if the log was ever compacted.
    pub compaction: Option<StateEntry>,
    /// All entries of the index, if it was: what is left of each slice is known by itself only.
    pub index: Vec<StateEntry>,
    /// Headers of all batches from [`scan_from`] on.
    pub headers: Vec<BatchHeader>,
}

/// Why a leadership cannot begin on what storage holds. None of these is repaired silently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// An entry that cannot be read.
    #[error("state of log {log} is unreadable: {error}")]
    State {
        /// Which log.
        log: LogId,
        /// What is wrong.
        error: StateError,
    },
    /// The log starts after its end.
    #[error("log {log} starts at {start}, past its end {end}")]
    Bounds {
        /// Which log.
        log: LogId,
        /// Its start.
        start: Offset,
        /// Its end.
        end: Offset,
    },
    /// The index knows of offsets that the log does not have.
    #[error("the index of log {log} reaches to {index_end}, the log ends at {end}")]
    IndexPastEnd {
        /// Which log.
        log: LogId,
        /// The end of its last slice.
        index_end: Offset,
        /// The log's end.
        end: Offset,
    },
    /// A batch where another was expected.
    #[error("log {log} has a batch at {found} where {expected} comes next")]
    Batch {
        /// Which log.
        log: LogId,
        /// Its base offset.
        found: Offset,
        /// The end of the one before.
        expected: Offset,
    },
    /// Batches are missing at the end.
    #[error("log {log} ends at {end}, its last batch at {found}")]
    End {
        /// Which log.
        log: LogId,
        /// The log's end.
        end: Offset,
        /// One past the last batch found.
        found: Offset,
    },
    /// The leadership's epoch is older than what the log has.
    #[error("log {log} has records of leader epoch {newest}, epoch {given} cannot lead it")]
    Epoch {
        /// Which log.
        log: LogId,
        /// The newest epoch in the log.
        newest: LeaderEpoch,
        /// The epoch to lead in.
        given: LeaderEpoch,
    },
}

/// Where the shell's scan of batch headers has to begin: the end of the last closed slice, or the log's start.
pub fn scan_from(start: Offset, index_last: Option<&StateEntry>) -> Result<Offset, StateError> {
    let last = index_last.map(|(key, value)| Slice::decode(key, value)).transpose()?;
    Ok(last.map_or(start, |last| last.end.max(start)))
}

/// The parts of a leader that storage has.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) history: EpochHistory,
    pub(crate) producers: ProducerStates,
    pub(crate) slices: Slices,
    /// What storage lacks: the new epoch's start, and epochs found in batches only.
    pub(crate) writes: Vec<LogWrite>,
}

/// Decodes the entries and replays the headers onto them.
pub(crate) fn replay(
    log: LogId,
    recovered: &Recovered,
    epoch: LeaderEpoch,
    config: &LogConfig,
    limits: &PartitionLimits,
    now: Now,
) -> Result<Replayed, RecoverError> {
    let state = |error| RecoverError::State { log, error };
    let Recovered { start, end, .. } = *recovered;
    if !(Offset::ZERO <= start && start <= end) {
        return Err(RecoverError::Bounds { log, start, end });
    }
    let slice = |entry: &StateEntry| Slice::decode(&entry.0, &entry.1);
    let first = recovered.index_first.as_ref().map(slice).transpose().map_err(state)?;
    let last = recovered.index_last.as_ref().map(slice).transpose().map_err(state)?;
    if let Some(last) = last.filter(|last| last.end > end) {
        return Err(RecoverError::IndexPastEnd { log, index_end: last.end, end });
    }
    if first.map(|first| first.start) > last.map(|last| last.start) || first.is_some() != last.is_some() {
        let reason = "the first entry lies past the last";
        return Err(state(StateError::Impossible { kind: "index", reason }));
    }
    let mut history = EpochHistory::decode(&recovered.epochs).map_err(state)?;
    let (expiration, check) = (config.producer_expiration, limits.producer_check);
    let mut producers = ProducerStates::decode(&recovered.producers, expiration, check).map_err(state)?;
    producers.begin(now);
    let scanned = last.map_or(start, |last| last.end.max(start));
    let compacted = recovered.compaction.as_ref().map(read_checkpoint).transpose().map_err(state)?;
    let all: Vec<Slice> = recovered.index.iter().map(slice).collect::<Result<_, _>>().map_err(state)?;
    if compacted.is_some() && (all.first(), all.last()) != (first.as_ref(), last.as_ref()) {
        let reason = "not all slices of a compacted log are there";
        return Err(state(StateError::Impossible { kind: "index", reason }));
    }
    let mut slices = Slices::recovered(first, last, scanned, compacted.map(|dirty| (dirty, &all[..])));
    let mut writes = Vec::new();
    let mut next = scanned;
    for header in &recovered.headers {
        // The log's start may lie inside its first batch.
        let begins_with_start = next == start && header.base_offset < start && header.end_offset() > start;
        if header.last_offset_delta < 0 || (header.base_offset < next && !begins_with_start) {
            return Err(RecoverError::Batch { log, found: header.base_offset, expected: next });
        }
        next = header.end_offset();
        // Their starts are stored when a leadership begins, so this finds none unless that write was lost.
        if header.leader_epoch.is_known() && history.newest().is_none_or(|newest| newest < header.leader_epoch) {
            history.assign(header.leader_epoch, header.base_offset, &mut writes);
        }
        if is_numbered(header) {
            producers.note(header, now);
        }
        slices.add(header, now.tick, now.wall);
    }
    if next != end {
        return Err(RecoverError::End { log, end, found: next });
    }
    match history.newest() {
        Some(newest) if newest > epoch => return Err(RecoverError::Epoch { log, newest, given: epoch }),
        Some(newest) if newest == epoch => {}
        _ => history.assign(epoch, end, &mut writes),
    }
    history.prune(start, &mut writes);
    Ok(Replayed { history, producers, slices, writes })
}

#[cfg(test)]
mod tests;
