//! All sessions, their bounds, and who makes room for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use callboard_model::Tick;

use super::session::Session;
use super::{Asked, Seen};

/// How long a session is safe from a larger one, and after how long without a request it is anybody's (Kafka:
/// `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const SAFE: Duration = Duration::from_secs(120);

/// Bounds of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Sessions (Kafka: `max.incremental.fetch.session.cache.slots`).
    pub slots: usize,
    /// Bytes of all sessions together, about.
    pub bytes: usize,
}

/// The ids that a table gives out: those that leave `rest` when divided by `of`, so that several tables share all ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdSpace {
    /// The remainder, less than `of`.
    pub rest: u32,
    /// How many tables there are, at least 1.
    pub of: u32,
}

/// All fetch sessions of a node, or a share of them.
#[derive(Debug)]
pub struct FetchSessions {
    bounds: Bounds,
    ids: IdSpace,
    sessions: BTreeMap<i32, Session>,
    /// By last request.
    used: BTreeSet<(Tick, i32)>,
    /// Those that are old enough to make room for a larger one, by size.
    evictable: BTreeSet<(usize, i32)>,
    /// What each session was counted with.
    counted: BTreeMap<i32, (usize, usize)>,
    bytes: usize,
    evicted: u64,
}

impl FetchSessions {
    /// An empty table.
    pub fn new(bounds: Bounds, ids: IdSpace) -> Self {
        Self {
            bounds,
            ids,
            sessions: BTreeMap::new(),
            used: BTreeSet::new(),
            evictable: BTreeSet::new(),
            counted: BTreeMap::new(),
            bytes: 0,
            evicted: 0,
        }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// How many partitions all sessions have.
    pub fn partitions(&self) -> usize {
        self.counted.values().map(|(partitions, _)| partitions).sum()
    }

    /// How many sessions had to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn get_mut(&mut self, id: i32) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Forgets a session, if it is there.
    pub(super) fn close(&mut self, id: i32) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.used.remove(&(session.used, id));
        self.uncount(id);
    }

    fn uncount(&mut self, id: i32) {
        if let Some((partitions, bytes)) = self.counted.remove(&id) {
            self.evictable.remove(&(partitions, id));
            self.bytes -= bytes;
        }
    }

    /// A session was used and may have another size. False, and the session closed, if there is no room for it.
    pub(super) fn touch(&mut self, id: i32, now: Tick) -> bool {
        self.uncount(id);
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        self.used.remove(&(session.used, id));
        session.used = now;
        let (partitions, bytes, created) = (session.len(), session.bytes(), session.created);
        if self.bytes.saturating_add(bytes) > self.bounds.bytes {
            self.sessions.remove(&id);
            return false;
        }
        self.used.insert((now, id));
        self.counted.insert(id, (partitions, bytes));
        self.bytes += bytes;
        if now.since(created) > SAFE {
            self.evictable.insert((partitions, id));
        }
        true
    }

    pub(super) fn insert<'a>(
        &mut self,
        candidate: u32,
        by_id: bool,
        rows: impl ExactSizeIterator<Item = (&'a Asked, Seen)>,
        now: Tick,
    ) -> Option<i32> {
        if self.bounds.slots == 0 || (self.sessions.len() >= self.bounds.slots && !self.evict(rows.len(), now)) {
            return None;
        }
        let partitions = rows.len();
        let mut session = Session::new(by_id, now);
        rows.for_each(|(asked, seen)| session.add(asked, seen));
        while self.bytes.saturating_add(session.bytes()) > self.bounds.bytes {
            if !self.evict(partitions, now) {
                return None;
            }
        }
        let id = self.free_id(candidate)?;
        self.sessions.insert(id, session);
        self.touch(id, now).then_some(id)
    }

    /// Makes room for a session of so many partitions: by one that nobody used for long, else by the smallest of those
    /// that had their time, if that is smaller than the new one.
    fn evict(&mut self, partitions: usize, now: Tick) -> bool {
        let stale = self.used.first().filter(|(used, _)| now.since(*used) > SAFE).map(|(_, id)| *id);
        let smaller = || self.evictable.first().filter(|(size, _)| *size < partitions).map(|(_, id)| *id);
        let Some(id) = stale.or_else(smaller) else { return false };
        self.close(id);
        self.evicted += 1;
        true
    }

    /// An id near the candidate that nobody has. Ids are positive.
    fn free_id(&self, candidate: u32) -> Option<i32> {
        let IdSpace { rest, of } = self.ids;
        let of = of.max(1);
        let last = (i32::MAX as u32 - rest) / of; // ids are `rest + n * of` for n from 0 to this
        let start = candidate % last.max(1);
        // One more than there are sessions, and one for the 0 that is no id: one of them is free.
        (0..self.sessions.len() as u32 + 2)
            .map(|step| rest + ((start + step) % (last + 1)) * of)
            .filter_map(|id| i32::try_from(id).ok())
            .find(|id| *id != 0 && !self.sessions.contains_key(id))
    }
}
