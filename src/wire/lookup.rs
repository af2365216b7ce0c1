//! Finds records by their time inside stored batches, compressed or not (Kafka: `FileRecords.searchForTimestamp`).

use std::borrow::Cow;

use callboard_model::{
    BatchError, BatchHeader, Batches, HEADER_LEN, LeaderEpoch, Offset, RecordError, Records, Timestamp,
};

use crate::compression::{DecompressError, decompress};

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedRecord {
    /// Its position.
    pub offset: Offset,
    /// Its time.
    pub timestamp: Timestamp,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
}

/// Why batches cannot be searched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No legal batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Its records cannot be expanded.
    #[error("batch at offset {base_offset}: {source}")]
    Decompress {
        /// The batch.
        base_offset: Offset,
        /// The reason.
        source: DecompressError,
    },
    /// Its records cannot be read.
    #[error("batch at offset {base_offset}: {source}")]
    Record {
        /// The batch.
        base_offset: Offset,
        /// The reason.
        source: RecordError,
    },
}

/// The first record at or after offset `from` whose time is `target` or later. `batches` stand one after another, an
/// incomplete last one is ignored. Only batches whose largest time reaches `target` are looked into.
pub fn first_at_or_after(batches: &[u8], from: Offset, target: Timestamp) -> Result<Option<TimedRecord>, LookupError> {
    for batch in Batches::new(batches) {
        let (header, bytes) = batch?;
        if header.max_timestamp < target || header.last_offset() < from {
            continue;
        }
        let found = search(&header, bytes, None, |best: Option<TimedRecord>, record| match best {
            None if record.timestamp >= target && record.offset >= from => (Some(record), true),
            _ => (best, false),
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The record with the largest time, the first of several. Of the batches, the first with the largest time in its header
/// is looked into.
pub fn max_timestamp(batches: &[u8]) -> Result<Option<TimedRecord>, LookupError> {
    let mut latest: Option<(BatchHeader, &[u8])> = None;
    for batch in Batches::new(batches) {
        let (header, bytes) = batch?;
        // One that compaction has emptied still says when its newest record was.
        if header.count > 0 && latest.is_none_or(|(best, _)| header.max_timestamp > best.max_timestamp) {
            latest = Some((header, bytes));
        }
    }
    let Some((header, bytes)) = latest else {
        return Ok(None);
    };
    search(&header, bytes, None, |best: Option<TimedRecord>, record| {
        let later = best.is_none_or(|best| record.timestamp > best.timestamp);
        (if later { Some(record) } else { best }, false)
    })
}

/// Folds the records of one batch until `step` says that it is done.
fn search<T>(
    header: &BatchHeader,
    batch: &[u8],
    start: T,
    step: impl Fn(T, TimedRecord) -> (T, bool),
) -> Result<T, LookupError> {
    let base_offset = header.base_offset;
    let wrong = |source| LookupError::Decompress { base_offset, source };
    let bytes: Cow<'_, [u8]> = decompress(header.compression()?, &batch[HEADER_LEN..]).map_err(wrong)?;
    let mut found = start;
    for record in Records::new(*header, &bytes) {
        let record = record.map_err(|source| LookupError::Record { base_offset, source })?;
        let timed =
            TimedRecord { offset: record.offset, timestamp: record.timestamp, leader_epoch: header.leader_epoch };
        let (next, done) = step(found, timed);
        found = next;
        if done {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
