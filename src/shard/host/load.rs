//! Replaying a log, snapshots in it included.

use callboard_model::Offset;

use super::snapshot::Snapshots;
use crate::effect::LoadPoint;
use crate::stored::{Entry, What};
use crate::{RecordFault, Shard};

/// A shard that is being read.
pub(super) struct Loading<S> {
    pub(super) shard: S,
    pub(super) at: LoadPoint,
    /// Where to read on.
    pub(super) next: Offset,
    pub(super) snapshots: Snapshots,
    /// A snapshot whose end was not met yet: until then what was before it counts.
    candidate: Option<Candidate<S>>,
}

struct Candidate<S> {
    shard: S,
    begin: Offset,
    count: u64,
}

impl<S: Shard> Loading<S> {
    pub(super) fn new(shard: S, at: LoadPoint) -> Self {
        Self { shard, at, next: at.start, snapshots: Snapshots::default(), candidate: None }
    }

    /// Replays one stored record; gives how many that were, 0 or 1, or what is wrong with it.
    pub(super) fn replay(
        &mut self,
        entry: Entry<S::Record>,
        make: &dyn Fn() -> S,
    ) -> Result<u64, (Offset, RecordFault)> {
        let Entry { offset, written, of_snapshot, what } = entry;
        let corrupt = |reason: String| Err((offset, RecordFault::Corrupt(reason)));
        if of_snapshot {
            let Some(candidate) = &mut self.candidate else {
                return corrupt("a snapshot's record without the snapshot's beginning".to_owned());
            };
            candidate.count += 1;
        }
        match (what, &mut self.candidate) {
            (What::Fault(fault), _) => return Err((offset, fault)),
            (What::SnapshotBegin, candidate) => {
                *candidate = Some(Candidate { shard: make(), begin: offset, count: 0 });
            }
            (What::SnapshotEnd { begin, count }, candidate) => {
                let Some(whole) = candidate.take_if(|candidate| candidate.begin == begin) else {
                    return corrupt(format!("the end of a snapshot that would have begun at {begin}"));
                };
                self.shard = whole.shard;
                self.snapshots.completed(begin, whole.count);
                // Nothing else can have come between, so it is whole but for records that were passed over.
                if whole.count != count {
                    return corrupt(format!("the end of a snapshot of {count} records after {} of them", whole.count));
                }
            }
            (What::Record(record), Some(candidate)) if of_snapshot => {
                candidate.shard.replay(&record, written);
                return Ok(1);
            }
            (What::Nothing, Some(_)) if of_snapshot => {}
            (what, candidate) => {
                // Something else was decided behind its beginning: it will have no end.
                *candidate = None;
                if let What::Record(record) = what {
                    self.shard.replay(&record, written);
                    self.snapshots.note(1);
                    return Ok(1);
                }
            }
        }
        Ok(0)
    }
}
