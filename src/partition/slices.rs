//! The sparse index: the log in slices of about 1 MiB, each with its end, its bytes and its largest timestamp.
//!
//! A slice is written to storage when it closes, together with the producers that changed in it; so recovery reads
//! the headers behind the last closed slice only, and retention and time search go by slices.

use std::time::Duration;

use callboard_model::{BatchHeader, LogConfig, LogWrite, Offset, StateFamily, Tick, Timestamp};

use crate::layout::{Fields, StateError};

/// Bytes of batches at which a slice closes.
pub(crate) const SLICE_BYTES: u64 = 1024 * 1024;
/// A slice closes this many times within `retention.ms`, so that data outlives it by a sixteenth at most.
const CLOSES_PER_RETENTION: u32 = 16;
/// The shortest time that a slice stays open.
const AGE_MIN: Duration = Duration::from_secs(1);

const KIND: &str = "index";
const VERSION: u8 = 1;

/// The batch with a stretch's largest timestamp; the first one if several have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxBatch {
    /// The timestamp.
    pub timestamp: Timestamp,
    /// The batch's base offset.
    pub base_offset: Offset,
}

/// A closed slice, as stored in [`StateFamily::Index`].
///
/// ```text
/// key:    0 start offset u64
/// value:  0 version u8 = 1 | 1 end offset i64 | 9 largest timestamp i64 | 17 base offset of its batch i64
///        25 bytes before the slice u64 | 33 bytes in it u64 | 41 last append's time i64            (49 bytes)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its first offset.
    pub start: Offset,
    /// One past its last offset.
    pub end: Offset,
    /// Its largest timestamp; `-1` if its records have none.
    pub max: MaxBatch,
    /// Bytes of batches from some fixed point up to the slice, as they were when they were appended: compaction leaves
    /// holes in this scale.
    pub bytes_before: u64,
    /// Bytes of batches in it.
    pub bytes: u64,
    /// Wall time of the last append to it; what retention goes by if its records have no time.
    pub appended: Timestamp,
}

impl Slice {
    /// Its key in storage.
    pub fn key(&self) -> Vec<u8> {
        index_key(self.start)
    }

    /// Its value in storage.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(49);
        value.push(VERSION);
        value.extend_from_slice(&self.end.get().to_be_bytes());
        value.extend_from_slice(&self.max.timestamp.millis().to_be_bytes());
        value.extend_from_slice(&self.max.base_offset.get().to_be_bytes());
        value.extend_from_slice(&self.bytes_before.to_be_bytes());
        value.extend_from_slice(&self.bytes.to_be_bytes());
        value.extend_from_slice(&self.appended.millis().to_be_bytes());
        value
    }

    /// Reads a stored entry. Errors on any other layout and on numbers that cannot be.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, StateError> {
        let mut fields = Fields::new(KIND, key);
        let start = fields.offset()?;
        fields.end()?;
        let mut fields = Fields::new(KIND, value);
        fields.version(VERSION)?;
        let end = fields.offset()?;
        fields.require(start < end, "its end is not past its start")?;
        let max = MaxBatch { timestamp: fields.timestamp()?, base_offset: Offset(fields.i64()?) };
        let (bytes_before, bytes, appended) = (fields.u64()?, fields.u64()?, fields.timestamp()?);
        // Far from the number's end, so that appends may go on adding.
        let total = bytes_before.checked_add(bytes).filter(|total| *total <= i64::MAX as u64);
        fields.require(total.is_some(), "more bytes than a log can have")?;
        fields.end()?;
        Ok(Self { start, end, max, bytes_before, bytes, appended })
    }

    /// The time that retention goes by.
    pub(crate) fn retention_time(&self) -> Timestamp {
        if self.max.timestamp.millis() >= 0 { self.max.timestamp } else { self.appended }
    }
}

/// The key of the slice that begins at an offset.
pub(crate) fn index_key(start: Offset) -> Vec<u8> {
    start.get().to_be_bytes().to_vec()
}

/// The end of the log, not yet in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenSlice {
    pub(crate) start: Offset,
    /// Nothing while it is empty.
    pub(crate) max: Option<MaxBatch>,
    pub(crate) bytes_before: u64,
    pub(crate) bytes: u64,
    pub(crate) appended: Timestamp,
    /// When its first batch came; after recovery, the recovery.
    pub(crate) opened: Tick,
}

/// What is known of the oldest closed slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oldest {
    /// There is no closed slice.
    None,
    /// This one.
    Known(Slice),
    /// It has to be read from storage; it begins here.
    Unread(Offset),
}

/// The slices of one log: the open one, and a view of the oldest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slices {
    pub(crate) oldest: Oldest,
    pub(crate) open: OpenSlice,
    /// Bytes of all closed slices.
    closed_bytes: u64,
    /// Up to here the log is compacted; its start, or below, if it never was.
    pub(crate) first_dirty: Offset,
    /// Bytes of the closed slices behind that.
    dirty_bytes: u64,
}

impl Slices {
    /// From the first and last stored entries, with nothing in the open slice, which begins at `open_start`.
    ///
    /// `compacted` is for a log that ever was: how far it is, and all its slices.
    pub(crate) fn recovered(
        first: Option<Slice>,
        last: Option<Slice>,
        open_start: Offset,
        compacted: Option<(Offset, &[Slice])>,
    ) -> Self {
        let bytes_before = last.map_or(0, |last| last.bytes_before + last.bytes);
        let sum = |slices: &mut dyn Iterator<Item = &Slice>| slices.fold(0, |sum: u64, s| sum.saturating_add(s.bytes));
        let (first_dirty, closed_bytes, dirty_bytes) = match compacted {
            Some((first_dirty, slices)) => {
                let is_dirty = |slice: &&Slice| slice.end > first_dirty;
                (first_dirty, sum(&mut slices.iter()), sum(&mut slices.iter().filter(is_dirty)))
            }
            None => {
                // Entries that contradict each other give too little, never a panic.
                let closed = bytes_before.saturating_sub(first.map_or(bytes_before, |first| first.bytes_before));
                (Offset::ZERO, closed, closed)
            }
        };
        let open = OpenSlice {
            start: open_start,
            max: None,
            bytes_before,
            bytes: 0,
            appended: Timestamp::NONE,
            opened: Tick::ZERO,
        };
        let oldest = first.map_or(Oldest::None, Oldest::Known);
        Self { oldest, open, closed_bytes, first_dirty, dirty_bytes }
    }

    /// Adds a batch to the open slice.
    pub(crate) fn add(&mut self, header: &BatchHeader, tick: Tick, wall: Timestamp) {
        let open = &mut self.open;
        if open.bytes == 0 {
            open.opened = tick;
        }
        open.bytes += header.len as u64;
        open.appended = wall;
        if open.max.is_none_or(|max| max.timestamp < header.max_timestamp) {
            open.max = Some(MaxBatch { timestamp: header.max_timestamp, base_offset: header.base_offset });
        }
    }

    /// Bytes of the log, counting its oldest slice whole.
    pub(crate) fn bytes(&self) -> u64 {
        self.closed_bytes.saturating_add(self.open.bytes)
    }

    /// Bytes of all closed slices.
    pub(crate) fn closed_bytes(&self) -> u64 {
        self.closed_bytes
    }

    /// Bytes of the closed slices that compaction has not seen; may count some that it has while a round is under way.
    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes.min(self.closed_bytes)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.bytes >= SLICE_BYTES
    }

    /// When the open slice is too old to stay open; never while it is empty.
    pub(crate) fn close_deadline(&self, config: &LogConfig) -> Option<Tick> {
        (self.open.bytes > 0).then(|| self.open.opened.after(age_max(config)))
    }

    /// Closes the open slice at the log's end and says what to write. False if it is empty.
    pub(crate) fn close(&mut self, end: Offset, writes: &mut Vec<LogWrite>) -> bool {
        let Some(max) = self.open.max else {
            return false;
        };
        let OpenSlice { start, bytes_before, bytes, appended, .. } = self.open;
        let slice = Slice { start, end, max, bytes_before, bytes, appended };
        writes.push(LogWrite::Put { family: StateFamily::Index, key: slice.key(), value: slice.encode() });
        if self.oldest == Oldest::None {
            self.oldest = Oldest::Known(slice);
        }
        self.closed_bytes = self.closed_bytes.saturating_add(bytes);
        self.dirty_bytes = self.dirty_bytes.saturating_add(bytes);
        self.open = OpenSlice { start: end, max: None, bytes_before: bytes_before + bytes, bytes: 0, ..self.open };
        true
    }

    /// Forgets the oldest slice; what comes after it is `Unread` until [`Self::set_oldest`].
    pub(crate) fn drop_oldest(&mut self, slice: &Slice, writes: &mut Vec<LogWrite>) {
        writes.push(LogWrite::Delete { family: StateFamily::Index, key: slice.key() });
        self.closed_bytes = self.closed_bytes.saturating_sub(slice.bytes);
        if slice.end > self.first_dirty {
            self.dirty_bytes = self.dirty_bytes.saturating_sub(slice.bytes);
        }
        self.oldest = self.after(slice.end);
    }

    /// Notes that compaction has put `new` in the place of all slices from `from` to `until`.
    pub(crate) fn replace(&mut self, from: Offset, until: Offset, old_bytes: u64, new: Option<Slice>) {
        let new_bytes = new.map_or(0, |new| new.bytes);
        self.closed_bytes = self.closed_bytes.saturating_sub(old_bytes).saturating_add(new_bytes);
        if from < self.first_dirty && self.first_dirty < until {
            // Dirty as a whole until the round that made it ends.
            self.dirty_bytes = self.dirty_bytes.saturating_add(new_bytes);
        }
        let oldest = match &self.oldest {
            Oldest::None => None,
            Oldest::Known(oldest) => Some(oldest.start),
            Oldest::Unread(start) => Some(*start),
        };
        if oldest.is_some_and(|oldest| from <= oldest && oldest < until) {
            self.oldest = new.map_or_else(|| self.after(until), Oldest::Known);
        }
    }

    /// Notes that the log is compacted up to `first_dirty`, with so many bytes of closed slices behind that.
    pub(crate) fn cleaned(&mut self, first_dirty: Offset, dirty_bytes: u64) {
        self.first_dirty = first_dirty;
        self.dirty_bytes = dirty_bytes;
    }

    /// The oldest slice, if it begins here.
    fn after(&self, end: Offset) -> Oldest {
        if end < self.open.start { Oldest::Unread(end) } else { Oldest::None }
    }

    /// Notes the oldest slice as read from storage.
    pub(crate) fn set_oldest(&mut self, slice: Slice) {
        self.oldest = Oldest::Known(slice);
    }
}

fn age_max(config: &LogConfig) -> Duration {
    let mut age = config.segment;
    if let Some(retention) = config.retention.filter(|_| config.cleanup_policy.delete) {
        age = age.min((retention / CLOSES_PER_RETENTION).max(AGE_MIN));
    }
    // What is in an open slice cannot be compacted (Kafka: `LogConfig.maxSegmentMs`).
    if let Some(max_lag) = config.compaction.max_lag.filter(|_| config.cleanup_policy.compact) {
        age = age.min(max_lag);
    }
    age
}

#[cfg(test)]
mod tests;
