//! Fetch sessions (KIP-227): the node remembers what a client reads, so that neither side repeats it.
//!
//! A session is a list of partitions, each with what was asked last and what the client was told last. A full request
//! (epoch 0) makes one if there is room; an incremental request (epochs 1, 2, ...) says only what has changed, and is
//! answered only with partitions that have something new. Partitions that gave data go to the end of the list, so that
//! all get their turn under a byte limit.
//!
//! The rules are Kafka's (`FetchSession.scala`): which errors, what is evicted for whom, when epochs rise. Beyond them
//! the bytes of all sessions are bounded; a session that would pass that bound is not made, or is closed.

mod session;
mod table;

use std::sync::Arc;

use callboard_model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Tick, TopicId, TopicName};

pub use table::{Bounds, FetchSessions, IdSpace};

/// How a session names a topic: as its requests do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef {
    /// Fetch up to 12; not checked to be a legal name.
    Name(Arc<str>),
    /// Fetch from 13 on.
    Id(TopicId),
}

/// One partition that a client wants to read, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which topic.
    pub topic: TopicRef,
    /// The name that a topic's id stood for when the client named it first, if any: a session notices by it that a topic
    /// was made anew.
    pub name: Option<TopicName>,
    /// Which partition; may be negative.
    pub partition: PartitionIndex,
    /// Where to read from.
    pub offset: Offset,
    /// Bytes wanted at most.
    pub max_bytes: i32,
    /// The epoch that the client believes in (KIP-320).
    pub current_leader_epoch: LeaderEpoch,
    /// The epoch of its last record (KIP-595).
    pub last_fetched_epoch: LeaderEpoch,
}

/// The parts of a request that concern sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// The session, 0 for none.
    pub id: i32,
    /// 0 asks for a new session, -1 for none or the end of one, others continue one.
    pub epoch: i32,
    /// Whether the request names topics by id.
    pub by_id: bool,
}

/// What a client was told of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// One past the last replicated record.
    pub high_watermark: Offset,
    /// One past the last record that read_committed shows.
    pub last_stable: Offset,
    /// Where the log starts.
    pub log_start: Offset,
    /// Whether there are records.
    pub data: bool,
    /// Whether it is an error.
    pub error: bool,
    /// Whether the client has to act although nothing else is new: cut its log, read from another replica.
    pub notice: bool,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Answer what was asked, with session id 0.
    Sessionless,
    /// Answer what was asked, and ask [`FetchSessions::create`] for a session.
    Full,
    /// Read all of these, in this order; [`FetchSessions::finish`] says which of them to answer.
    Incremental(Followup, Vec<Asked>),
    /// FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR.
    Refused(ErrorCode),
}

/// The claim to finish an incremental request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followup {
    /// The session.
    pub id: i32,
    epoch: i32,
    created: Tick,
}

/// How an incremental request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// With these partitions: one word for each that was read, in that order.
    Changed(Vec<bool>),
    /// With all of them: the session is gone meanwhile, which the client will hear next time.
    Gone,
    /// Not at all: another request was quicker (INVALID_FETCH_SESSION_EPOCH).
    Refused(ErrorCode),
}

impl FetchSessions {
    /// Takes a request. `forgotten` leaves the session. Nothing of a session changes after this until
    /// [`Self::finish`], however often the partitions are read in between.
    pub fn begin(
        &mut self,
        request: SessionRequest,
        asked: &[Asked],
        forgotten: &[(TopicRef, PartitionIndex)],
        now: Tick,
    ) -> Begun {
        match request.epoch {
            0 | -1 => {
                // Whoever starts anew, or ends, closes what it had.
                self.close(request.id);
                if request.epoch == 0 { Begun::Full } else { Begun::Sessionless }
            }
            _ => self.continue_session(request, asked, forgotten, now),
        }
    }

    fn continue_session(
        &mut self,
        request: SessionRequest,
        asked: &[Asked],
        forgotten: &[(TopicRef, PartitionIndex)],
        now: Tick,
    ) -> Begun {
        let Some(session) = self.get_mut(request.id) else { return Begun::Refused(ErrorCode::FetchSessionIdNotFound) };
        if session.epoch != request.epoch {
            return Begun::Refused(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != request.by_id {
            return Begun::Refused(ErrorCode::FetchSessionTopicIdError);
        }
        session.update(asked, forgotten);
        if session.is_empty() {
            self.close(request.id);
            return Begun::Sessionless;
        }
        session.epoch = next_epoch(session.epoch);
        let followup = Followup { id: request.id, epoch: session.epoch, created: session.created };
        let partitions = session.asked().cloned().collect();
        if !self.touch(request.id, now) {
            return Begun::Refused(ErrorCode::FetchSessionIdNotFound);
        }
        Begun::Incremental(followup, partitions)
    }

    /// Makes a session out of a full request and what it is answered, if there is room or something less worthy to
    /// evict; gives its id. `candidate` is any number, best a random one, so that ids of an earlier run are not met again.
    pub fn create<'a>(
        &mut self,
        candidate: u32,
        by_id: bool,
        rows: impl ExactSizeIterator<Item = (&'a Asked, Seen)>,
        now: Tick,
    ) -> Option<i32> {
        self.insert(candidate, by_id, rows, now)
    }

    /// Finishes an incremental request: which partitions have something new. `seen` has a value for each that
    /// [`Self::begin`] gave, in that order.
    pub fn finish(&mut self, followup: Followup, seen: &[Seen]) -> Finished {
        match self.get_mut(followup.id).filter(|session| session.created == followup.created) {
            None => Finished::Gone,
            Some(session) if session.epoch != followup.epoch => Finished::Refused(ErrorCode::InvalidFetchSessionEpoch),
            Some(session) => Finished::Changed(session.tell(seen)),
        }
    }
}

/// Epochs count from 1 and never become 0 or negative, which mean something else.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests;
