//! Snapshots in the log: when one is due, what it is written as, what it makes superfluous.

use callboard_model::Offset;

use super::{Batch, Office};
use crate::stored::{Writing, stored_size};
use crate::{Now, Shard};

/// What keeps a shard's log from growing without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotPolicy {
    /// The log's topic keeps the newest record of each key: nothing for the host to do.
    ByKey,
    /// The state is written into the log after so many records, and after at least as many as the last snapshot had.
    After {
        /// How many.
        records: u64,
    },
}

/// Where a log stands between snapshots.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Records since the last one.
    since: u64,
    /// Records of the last one.
    len: u64,
    /// Where the last whole one begins.
    start: Option<Offset>,
    writing: Option<Plan>,
}

/// A snapshot being appended.
#[derive(Debug)]
struct Plan {
    begin: Offset,
    /// Where the log ends when it is whole.
    end: Offset,
    count: u64,
}

impl Snapshots {
    /// Where the last whole one begins: nothing before it is needed.
    pub(super) fn start(&self) -> Option<Offset> {
        self.start
    }

    /// So many records came behind the last one.
    pub(super) fn note(&mut self, records: u64) {
        self.since += records;
    }

    /// There is a whole one.
    pub(super) fn completed(&mut self, begin: Offset, count: u64) {
        (self.since, self.len, self.start) = (0, count, Some(begin));
    }

    /// The log is committed up to `end`; gives its new start if that makes a snapshot whole.
    pub(super) fn committed(&mut self, end: Offset) -> Option<Offset> {
        let Plan { begin, count, .. } = self.writing.take_if(|plan| plan.end == end)?;
        self.completed(begin, count);
        Some(begin)
    }

    fn is_due(&self, policy: &SnapshotPolicy) -> bool {
        match policy {
            SnapshotPolicy::ByKey => false,
            SnapshotPolicy::After { records } => self.since >= *(records.max(&self.len)).max(&1),
        }
    }

    /// A snapshot is of committed state alone, and nothing comes between its records.
    pub(super) fn must_hold(&self, policy: &SnapshotPolicy) -> bool {
        self.writing.is_some() || self.is_due(policy)
    }
}

impl<S: Shard, W> Office<S, W> {
    /// Gathers a snapshot once everything decided before is committed.
    pub(super) fn begin_snapshot_if_due(&mut self, policy: &SnapshotPolicy, now: Now) {
        let is_quiet = self.under_way.is_none() && self.gathered.is_empty();
        if self.snapshots.writing.is_some() || !is_quiet || !self.snapshots.is_due(policy) {
            return;
        }
        let records: Vec<_> = self.shard.snapshot().iter().map(S::encode).collect();
        if records.iter().any(|stored| stored_size(stored) > self.room) {
            // It cannot be written; the log as it is says the same. Looked at again after as many records.
            self.snapshots.since = 0;
            return;
        }
        let count = records.len() as u64;
        let begin = self.end;
        let mut batches = vec![Writing::snapshot_begin(now.wall), Writing::new(now.wall)];
        for stored in &records {
            if batches[batches.len() - 1].records_len() + stored_size(stored) > self.room {
                batches.push(Writing::new(now.wall));
            }
            let last = batches.len() - 1;
            batches[last].push(stored, now.wall, true);
        }
        batches.retain(|batch| batch.count() > 0);
        batches.push(Writing::snapshot_end(begin, count, now.wall));
        let end = batches.iter().fold(begin, |end, batch| end.plus(batch.count()));
        self.snapshots.writing = Some(Plan { begin, end, count });
        for writing in batches {
            self.gathered_bytes += writing.records_len();
            self.gathered.push_back(Batch { writing, answers: Vec::new() });
        }
    }
}
