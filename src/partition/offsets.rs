//! Offsets by time, by name and by epoch (ListOffsets, OffsetForLeaderEpoch).

use callboard_model::{LeaderEpoch, Offset, Timestamp};

use crate::error::{EpochError, ListError};
use crate::fetch::Isolation;
use crate::leader::Leader;
use crate::slices::{MaxBatch, Oldest};

/// Kafka's names for offsets, written as negative times (`ListOffsetsRequest`).
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// A question for an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffset {
    /// A time, or one of Kafka's negative names for an offset.
    pub timestamp: Timestamp,
    /// What the caller may see.
    pub isolation: Isolation,
    /// The leadership that the caller knows of.
    pub current_leader_epoch: Option<LeaderEpoch>,
}

/// The offset, or where to look for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAnswer {
    /// This one.
    Found {
        /// The offset.
        offset: Offset,
        /// Its record's time; `-1` for an offset by name.
        timestamp: Timestamp,
        /// Its record's epoch.
        leader_epoch: LeaderEpoch,
    },
    /// There is none: offset and time are `-1` on the wire.
    NotFound,
    /// The first record in `[from, until)` with this time or a later one. The index tells which slices can have it,
    /// the batches' largest timestamps which batches, and inside the batch the records.
    SearchTime {
        /// First offset.
        from: Offset,
        /// One past the last.
        until: Offset,
        /// The time.
        timestamp: Timestamp,
        /// Where the index ends and only batches can tell.
        open_from: Offset,
    },
    /// The first record in `[from, until)` with the largest time of all.
    SearchMax {
        /// First offset.
        from: Offset,
        /// One past the last.
        until: Offset,
        /// Where the index ends.
        open_from: Offset,
        /// The best batch in `[open_from, until)`; if none is given there, only batches can tell.
        open_max: Option<MaxBatch>,
    },
}

impl<W> Leader<W> {
    /// Answers what memory can answer of ListOffsets. A kind of storage that does not exist here has no offsets.
    pub fn list_offset(&self, query: ListOffset) -> Result<ListAnswer, ListError> {
        self.check_epoch(query.current_leader_epoch)?;
        let marks = self.marks();
        let until = match query.isolation {
            Isolation::ReadUncommitted => marks.high_watermark,
            Isolation::ReadCommitted => marks.last_stable,
        };
        // Before the high watermark is where this leadership began, it may be lower than what an earlier one showed.
        if marks.high_watermark < self.epoch_start && !matches!(query.timestamp.0, EARLIEST | EARLIEST_LOCAL) {
            let (high_watermark, epoch_start) = (marks.high_watermark, self.epoch_start);
            return Err(ListError::NotAvailable { high_watermark, epoch_start });
        }
        let (from, open) = (self.start, &self.slices.open);
        let named = |offset, epoch: Option<LeaderEpoch>| ListAnswer::Found {
            offset,
            timestamp: Timestamp::NONE,
            leader_epoch: epoch.unwrap_or(LeaderEpoch::NONE),
        };
        Ok(match query.timestamp.0 {
            LATEST => named(until, self.history.newest()),
            EARLIEST | EARLIEST_LOCAL => named(from, self.history.epoch_at(from)),
            LATEST_TIERED | EARLIEST_PENDING_UPLOAD => ListAnswer::NotFound,
            _ if from >= until => ListAnswer::NotFound,
            MAX_TIMESTAMP => {
                // The open slice's best batch counts only if it is visible.
                let open_max = open.max.filter(|max| from <= max.base_offset && max.base_offset < until);
                ListAnswer::SearchMax { from, until, open_from: open.start, open_max }
            }
            _ => {
                let in_open = open.max.is_some_and(|max| query.timestamp <= max.timestamp);
                if self.slices.oldest == Oldest::None && !in_open {
                    return Ok(ListAnswer::NotFound);
                }
                ListAnswer::SearchTime { from, until, timestamp: query.timestamp, open_from: open.start }
            }
        })
    }

    /// The epoch of the record at an offset, for the answers of a search.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.history.epoch_at(offset)
    }

    /// The largest epoch up to `wanted`, and its end (KIP-320). Both are `-1` if nothing is known of it.
    pub fn end_offset_for_epoch(
        &self,
        current: Option<LeaderEpoch>,
        wanted: LeaderEpoch,
    ) -> Result<(LeaderEpoch, Offset), EpochError> {
        self.check_epoch(current)?;
        Ok(self.history.end_of(wanted, self.start, self.end))
    }
}

#[cfg(test)]
mod tests;
