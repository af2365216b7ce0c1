//! Offsets by time: the sparse index finds the slice, the slice's batches are read, the record is found inside.

use std::sync::Arc;

use callboard_model::{ErrorCode, LeaderEpoch, LogId, Offset, StateFamily, Timestamp};
use callboard_partition::{ListError, Slice};
use callboard_storage::{Storage, StorageError};
use callboard_wire::lookup::{self, LookupError as RecordLookupError};

/// Bytes read at once while searching.
const READ_BYTES: usize = 1024 * 1024;
/// Index entries read at once.
const ENTRIES: usize = 1024;

/// The answer to a ListOffsets question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The record's offset, `-1` if there is none.
    pub offset: Offset,
    /// The record's time, `-1` where none belongs to the answer.
    pub timestamp: Timestamp,
    /// The epoch of that record, where known.
    pub leader_epoch: LeaderEpoch,
}

impl Found {
    /// No record answers the question.
    pub(crate) const NOTHING: Self =
        Self { offset: Offset::NONE, timestamp: Timestamp::NONE, leader_epoch: LeaderEpoch::NONE };
}

/// Why an offset could not be found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// The leader refused the question.
    #[error(transparent)]
    Refused(#[from] ListError),
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
    /// A batch's records could not be read.
    #[error(transparent)]
    Records(#[from] RecordLookupError),
    /// The leader or the pool went away meanwhile.
    #[error("the partition's leader is not available")]
    Unavailable,
}

impl LookupError {
    /// Kafka's code for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(error) => error.code(),
            Self::Storage(_) | Self::Index { .. } => ErrorCode::KafkaStorageError,
            Self::Records(_) => ErrorCode::CorruptMessage,
            Self::Unavailable => ErrorCode::NotLeaderOrFollower,
        }
    }
}

/// A range of a log to search, `until` exclusive.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) log: LogId,
    pub(super) from: Offset,
    pub(super) until: Offset,
}

impl Search {
    /// The first record whose time is `wanted` or later.
    pub(super) fn by_time(&self, wanted: Timestamp) -> Result<Found, LookupError> {
        let start = self.slice_reaching(wanted)?;
        let mut found = Found::NOTHING;
        self.walk(start, self.until, |bytes| match lookup::first_at_or_after(bytes, self.from, wanted)? {
            Some(hit) => {
                found = from_hit(hit);
                Ok(true)
            }
            None => Ok(false),
        })?;
        Ok(found)
    }

    /// The first record of the largest time.
    pub(super) fn by_largest_time(&self) -> Result<Found, LookupError> {
        // The largest time stands either in some closed slice or behind the last one.
        let mut best: Option<Slice> = None;
        let mut behind = self.from;
        self.entries(|entry| {
            if best.as_ref().is_none_or(|b| entry.max.timestamp > b.max.timestamp) {
                best = Some(*entry);
            }
            behind = behind.max(entry.end);
            true
        })?;
        let mut found = Found::NOTHING;
        self.walk(behind, self.until, |bytes| {
            if let Some(hit) = lookup::max_timestamp(bytes)?
                && hit.timestamp > found.timestamp
            {
                found = from_hit(hit);
            }
            Ok(false)
        })?;
        if let Some(best) = best.filter(|best| best.max.timestamp >= found.timestamp) {
            self.walk(best.start.max(self.from), best.end.min(self.until), |bytes| {
                if let Some(hit) = lookup::max_timestamp(bytes)?
                    && (hit.timestamp > found.timestamp
                        || (hit.timestamp == found.timestamp && hit.offset < found.offset))
                {
                    found = from_hit(hit);
                }
                Ok(false)
            })?;
        }
        Ok(found)
    }

    /// Start of the first slice that may hold a record of that time.
    fn slice_reaching(&self, wanted: Timestamp) -> Result<Offset, LookupError> {
        let mut start = self.from;
        self.entries(|entry| {
            if entry.max.timestamp >= wanted {
                start = start.max(entry.start);
                return false;
            }
            start = start.max(entry.end);
            true
        })?;
        Ok(start)
    }

    /// Gives the index entries of the range in order until `each` says false.
    fn entries(&self, mut each: impl FnMut(&Slice) -> bool) -> Result<(), LookupError> {
        let mut key = Vec::new();
        loop {
            let entries = self.storage.state_range(self.log, StateFamily::Index, &key, ENTRIES)?;
            let full = entries.len() == ENTRIES;
            for (at, value) in entries {
                let entry = Slice::decode(&at, &value)
                    .map_err(|error| LookupError::Index { log: self.log, reason: error.to_string() })?;
                if entry.start >= self.until {
                    return Ok(());
                }
                if entry.end > self.from && !each(&entry) {
                    return Ok(());
                }
                key = at;
                key.push(0); // the smallest key behind this one
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Reads the batches of a range piece by piece until `each` says true.
    fn walk(
        &self,
        mut from: Offset,
        until: Offset,
        mut each: impl FnMut(&[u8]) -> Result<bool, LookupError>,
    ) -> Result<(), LookupError> {
        while from < until {
            let slice = self.storage.read(self.log, from, until, READ_BYTES, true)?;
            if slice.bytes.is_empty() || each(&slice.bytes)? {
                return Ok(());
            }
            from = slice.next;
        }
        Ok(())
    }
}

fn from_hit(hit: lookup::TimedRecord) -> Found {
    Found { offset: hit.offset, timestamp: hit.timestamp, leader_epoch: hit.leader_epoch }
}
