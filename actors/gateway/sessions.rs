//! The node's fetch sessions: tables behind short locks, one request touches one of them twice.
//!
//! Sessions belong to the node and not to a connection, so that a client keeps its own when it dials again. The tables
//! are looked up on every fetch, from every arbiter: an actor in between would cost each fetch two hops, so they are
//! shared, and divided (as Kafka's are since 3.9) so that arbiters rarely meet at one lock. Nothing is awaited under it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use callboard_gateway::{
    Asked, Begun, Bounds, FetchSessions, Finished, Followup, IdSpace, Seen, SessionRequest, TopicRef,
};
use callboard_model::{PartitionIndex, Tick};

/// Tables, as long as each has slots enough to be fair.
const TABLES: usize = 8;
/// Slots under which more than one table would be unfair.
const DIVIDED_FROM: usize = 64;
/// Bytes of all sessions: those of a million partitions or so.
const BYTES_MAX: usize = 256 << 20;

/// All fetch sessions of the node.
#[derive(Debug)]
pub(crate) struct Sessions {
    tables: Vec<Mutex<FetchSessions>>,
    next: AtomicU32,
}

impl Sessions {
    /// At most `slots` sessions.
    pub(crate) fn new(slots: usize) -> Self {
        let count = if slots < DIVIDED_FROM { 1 } else { TABLES };
        let table = |at: usize| {
            let slots = slots / count + usize::from(at < slots % count);
            let ids = IdSpace { rest: at as u32, of: count as u32 };
            Mutex::new(FetchSessions::new(Bounds { slots, bytes: BYTES_MAX / count }, ids))
        };
        Self { tables: (0..count).map(table).collect(), next: AtomicU32::new(0) }
    }

    /// A panic under the lock leaves a table that is at worst out of step with its clients, who start anew.
    fn table(&self, number: u32) -> MutexGuard<'_, FetchSessions> {
        let at = number as usize % self.tables.len();
        self.tables[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`FetchSessions::begin`].
    pub(super) fn begin(
        &self,
        request: SessionRequest,
        asked: &[Asked],
        forgotten: &[(TopicRef, PartitionIndex)],
        now: Tick,
    ) -> Begun {
        if request.id == 0 && request.epoch <= 0 {
            // There is nothing to look up or to close.
            return if request.epoch == 0 { Begun::Full } else { Begun::Sessionless };
        }
        self.table(request.id as u32).begin(request, asked, forgotten, now)
    }

    /// See [`FetchSessions::create`]. The id, 0 for none.
    pub(super) fn create<'a>(
        &self,
        by_id: bool,
        rows: impl ExactSizeIterator<Item = (&'a Asked, Seen)>,
        now: Tick,
    ) -> i32 {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let candidate = uuid::Uuid::new_v4().as_u128() as u32;
        self.table(at).create(candidate, by_id, rows, now).unwrap_or(0)
    }

    /// See [`FetchSessions::finish`].
    pub(super) fn finish(&self, followup: Followup, seen: &[Seen]) -> Finished {
        self.table(followup.id as u32).finish(followup, seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_model::{LeaderEpoch, Offset};

    const NOW: Tick = Tick::ZERO;

    fn asked() -> Asked {
        Asked {
            topic: TopicRef::Name("t".into()),
            name: None,
            partition: PartitionIndex(0),
            offset: Offset(0),
            max_bytes: 1,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
        }
    }

    fn seen() -> Seen {
        Seen {
            high_watermark: Offset(1),
            last_stable: Offset(1),
            log_start: Offset(0),
            data: false,
            error: false,
            notice: false,
        }
    }

    #[test]
    fn as_many_sessions_are_there_as_there_are_slots() {
        for slots in [0, 1, 63, 64, 100, 1000] {
            let sessions = Sessions::new(slots);
            let made = (0..slots + 50).filter(|_| sessions.create(false, [(&asked(), seen())].into_iter(), NOW) != 0);
            assert_eq!(made.count(), slots);
        }
    }

    #[test]
    fn a_session_is_found_again_by_its_id() {
        let sessions = Sessions::new(1000);
        for _ in 0..50 {
            let id = sessions.create(false, [(&asked(), seen())].into_iter(), NOW);
            let request = SessionRequest { id, epoch: 1, by_id: false };
            let Begun::Incremental(followup, read) = sessions.begin(request, &[], &[], NOW) else {
                panic!("session {id} is there");
            };
            assert_eq!(read, vec![asked()]);
            assert_eq!(sessions.finish(followup, &[seen()]), Finished::Changed(vec![false]));
        }
    }
}
