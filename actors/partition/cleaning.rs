//! The blocking part of a round of compaction: the plan, and step by step what the round wants from the log.

use std::borrow::Cow;

use callboard_model::{Compression, LogId, Offset, StateFamily, Timestamp};
use callboard_partition::Slice;
use callboard_partition::compaction::{Candidate, Chunk, Codec, Plan, Round, RoundError, Wanted, plan};
use callboard_storage::{Storage, StorageError};
use callboard_wire::compression;

/// Bytes read in one step.
const STEP_BYTES: usize = 1024 * 1024;

/// Why a round cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum CleanError {
    /// Storage could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The index holds bytes that are no entry.
    #[error("index of {log}: {reason}")]
    Index {
        /// Which log.
        log: LogId,
        /// What is wrong.
        reason: String,
    },
    /// A batch cannot be taken apart.
    #[error(transparent)]
    Round(#[from] RoundError),
}

impl CleanError {
    /// Whether the log itself is damaged, so that every further round would end here.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Storage(error) => matches!(error, StorageError::Corrupt { .. } | StorageError::Damaged { .. }),
            Self::Index { .. } | Self::Round(_) => true,
        }
    }
}

/// The codecs of the wire protocol.
pub(super) struct WireCodec;

impl Codec for WireCodec {
    fn decompress<'a>(&self, codec: Compression, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        compression::decompress(codec, bytes).map_err(|error| error.to_string())
    }

    fn compress(&self, codec: Compression, bytes: &[u8]) -> Result<Vec<u8>, String> {
        compression::compress(codec, bytes).map_err(|error| error.to_string())
    }
}

/// Plans a round over a log, if it is time for one.
pub(super) fn make_plan(
    storage: &dyn Storage,
    log: LogId,
    candidate: Candidate,
    now: Timestamp,
) -> Result<Option<Plan>, CleanError> {
    let entries = storage.state(log, StateFamily::Index)?;
    let slice = |(key, value): &(Vec<u8>, Vec<u8>)| {
        Slice::decode(key, value).map_err(|error| CleanError::Index { log, reason: error.to_string() })
    };
    let slices = entries.iter().map(slice).collect::<Result<Vec<_>, _>>()?;
    let first_time = match candidate.config.max_lag {
        Some(_) => first_time(storage, log, candidate.first_dirty.max(candidate.start), candidate.bound)?,
        None => None,
    };
    Ok(plan(candidate, &slices, first_time, now))
}

/// The time of the first batch from an offset on.
fn first_time(
    storage: &dyn Storage,
    log: LogId,
    from: Offset,
    until: Offset,
) -> Result<Option<Timestamp>, StorageError> {
    let first = storage.read(log, from, until, 0, true)?;
    let header = callboard_model::Batches::new(&first.bytes).next().and_then(Result::ok);
    Ok(header.map(|(header, _)| header.base_timestamp))
}

/// What a step of a round came to.
#[derive(Debug)]
pub(super) enum Step {
    /// It read so many bytes and goes on.
    Read(usize),
    /// It read so many bytes and has survivors for the leader.
    Chunk(usize, Box<Chunk>),
    /// It is through.
    Through,
}

/// Gives a round the next part of what it wants.
pub(super) fn step(storage: &dyn Storage, log: LogId, round: &mut Round) -> Result<Step, CleanError> {
    let Wanted::Read { from, until } = round.wanted() else { return Ok(Step::Through) };
    let slice = storage.read(log, from, until, STEP_BYTES, true)?;
    let next = if slice.bytes.is_empty() { until } else { slice.next };
    let chunk = round.feed(&slice.bytes, next, &WireCodec)?;
    Ok(match chunk {
        Some(chunk) => Step::Chunk(slice.bytes.len(), Box::new(chunk)),
        None => Step::Read(slice.bytes.len()),
    })
}

#[cfg(test)]
mod tests;
