//! Finds the leader of a log for the committer's thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callboard_model::LogId;
use callboard_runtime::{ActorRef, Path};
use callboard_storage::{CommitSink, Done};

use crate::partition::PartitionMessage;

type Leaders = HashMap<LogId, ActorRef<PartitionMessage>>;

/// Log -> leader. Written when a leader starts or stops, read once per committed group.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeaderDirectory {
    leaders: Arc<Mutex<Leaders>>,
}

impl LeaderDirectory {
    /// Nothing can panic while the map is locked, so a poisoned lock still holds a good map.
    fn lock(&self) -> MutexGuard<'_, Leaders> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A leader starts; an earlier one of the same log is forgotten.
    pub(crate) fn enter(&self, log: LogId, leader: ActorRef<PartitionMessage>) {
        self.lock().insert(log, leader);
    }

    /// Whether the leader at a path leads this log.
    pub(crate) fn leads(&self, log: LogId, path: &Path) -> bool {
        self.lock().get(&log).is_some_and(|leader| leader.path() == path)
    }

    /// A leader has stopped.
    pub(crate) fn leave(&self, log: LogId) {
        self.lock().remove(&log);
    }
}

impl CommitSink for LeaderDirectory {
    fn committed(&self, _route: u32, done: Vec<Done>) {
        let leaders = self.lock();
        for Done { ticket, result } in done {
            if let Some(leader) = leaders.get(&ticket.log) {
                // A leader that has stopped meanwhile needs no word: its successor reads the log.
                drop(leader.tell_answer(PartitionMessage::Committed { seq: ticket.seq, result }));
            }
        }
    }
}
