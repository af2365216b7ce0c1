//! Whether it is time for a round, and how far it reaches (Kafka: `LogCleanerManager.cleanableOffsets`).

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_model::{CompactionConfig, Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::slices::Slice;

/// What a leader says about its log when a round may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The log's start.
    pub start: Offset,
    /// Up to here it was compacted before.
    pub first_dirty: Offset,
    /// Nothing from here on may be touched: it is not committed, or in the open slice.
    pub bound: Offset,
    /// What to go by.
    pub config: CompactionConfig,
    /// For each producer remembered, the end of its last batch and its epoch.
    pub producers: BTreeMap<ProducerId, (Offset, ProducerEpoch)>,
}

/// One round: from the log's start to `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// As the leader gave it.
    pub candidate: Candidate,
    /// The slices of the round, in order.
    pub slices: Vec<Slice>,
    /// The first slice that is looked at for newer records.
    pub first_dirty_slice: usize,
    /// Bytes of the closed slices behind the round that were seen.
    pub left_bytes: u64,
    /// Where the last slice that was seen ends on the scale of [`Slice::bytes_before`]: what comes behind is more.
    pub seen_until: u64,
    /// Millionths of the round's bytes that are dirty.
    pub dirty_millionths: u32,
}

/// Plans a round, if it is time for one. `slices` are all closed ones in order; `first_time` is the time of the first
/// batch in the dirty part, without which `max.compaction.lag.ms` cannot tell.
pub fn plan(candidate: Candidate, slices: &[Slice], first_time: Option<Timestamp>, now: Timestamp) -> Option<Plan> {
    let config = candidate.config;
    let before = |lag: Duration| now.millis().saturating_sub(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX));
    let alive = slices.partition_point(|slice| slice.end <= candidate.start);
    let slices = &slices[alive..];
    let first_dirty_slice = slices.partition_point(|slice| slice.end <= candidate.first_dirty);
    let fits = |slice: &&Slice| {
        let is_old = config.min_lag.is_zero() || slice.retention_time().millis() <= before(config.min_lag);
        slice.end <= candidate.bound && is_old
    };
    let until = first_dirty_slice + slices[first_dirty_slice..].iter().take_while(fits).count();
    let bytes = |slices: &[Slice]| slices.iter().fold(0u64, |sum, slice| sum.saturating_add(slice.bytes));
    let (clean, dirty) = (bytes(&slices[..first_dirty_slice]), bytes(&slices[first_dirty_slice..until]));
    if dirty == 0 {
        return None;
    }
    let dirty_millionths = (u128::from(dirty) * 1_000_000 / (u128::from(clean) + u128::from(dirty))) as u32;
    let waited = |lag: Duration| first_time.is_some_and(|first| first.millis() >= 0 && first.millis() < before(lag));
    if dirty_millionths <= config.min_dirty_millionths && !config.max_lag.is_some_and(waited) {
        return None;
    }
    let left_bytes = bytes(&slices[until..]);
    let seen_until = slices.last().map_or(0, |last| last.bytes_before.saturating_add(last.bytes));
    let slices = slices[..until].to_vec();
    Some(Plan { slices, first_dirty_slice, left_bytes, seen_until, dirty_millionths, candidate })
}
