//! What the user's side and the driver's task have in common: machines behind one lock that nobody holds while waiting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callboard_model::ErrorCode;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::TopicPartition;
use super::batch::Chunk;
use super::error::ConsumerError;
use super::membership::{Membership, Task};
use super::pattern::Pattern;
use super::positions::{Positions, Wanted};
use super::requests::CommittedOffset;

/// Both sides of a consumer.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Wakes the user: records, a task, an error.
    pub(crate) arrived: Notify,
    /// Wakes the driver: the user changed something.
    pub(crate) wake: Notify,
    /// The user has something to do before the next record.
    pub(crate) attention: AtomicBool,
    /// Counts the user's polls, so that a poll costs next to nothing.
    pub(crate) polls: AtomicU64,
    /// It is time to commit by itself.
    pub(crate) commit_due: AtomicBool,
    /// The driver has ended: nothing comes any more.
    pub(crate) ended: AtomicBool,
}

/// What the consumer reads.
#[derive(Clone, Debug)]
pub(crate) enum Interest {
    Nothing,
    Topics(BTreeSet<Arc<str>>),
    Matching(Pattern),
    Partitions,
}

/// The machines.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) interest: Interest,
    /// What is to be known of topics may be more than what is known.
    pub(crate) topics_wanted: bool,
    pub(crate) positions: Positions,
    pub(crate) membership: Option<Membership>,
    pub(crate) ready: VecDeque<Ready>,
    /// Bytes in `ready`.
    pub(crate) buffered: usize,
    /// The largest that ever was.
    pub(crate) buffered_max: usize,
    pub(crate) in_poll: bool,
    pub(crate) commits: VecDeque<CommitJob>,
    /// What the coordinator is known to have.
    pub(crate) committed: BTreeMap<TopicPartition, i64>,
    /// The user is gone: leave, and end.
    pub(crate) closing: Option<Instant>,
}

/// Something for the user, in order.
#[derive(Debug)]
pub(crate) enum Ready {
    Chunk { ticket: u64, chunk: Chunk },
    Error { partition: Option<(TopicPartition, u64)>, error: ConsumerError },
}

/// Offsets to be committed.
#[derive(Debug)]
pub(crate) struct CommitJob {
    pub(crate) offsets: BTreeMap<TopicPartition, CommittedOffset>,
    pub(crate) deadline: Instant,
    /// Nobody, if it was by itself.
    pub(crate) reply: Option<oneshot::Sender<Result<(), ConsumerError>>>,
}

impl Interest {
    /// Whether partitions are shared out by a group.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Topics(_) | Self::Matching(_))
    }
}

impl CommitJob {
    /// Whoever waits for the end is told.
    pub(crate) fn tell(self, result: Result<(), ConsumerError>) {
        if let Some(reply) = self.reply {
            let _ = reply.send(result);
        }
    }
}

impl Shared {
    pub(crate) fn new(positions: Positions, membership: Option<Membership>) -> Self {
        Self {
            state: Mutex::new(State {
                interest: Interest::Nothing,
                topics_wanted: false,
                positions,
                membership,
                ready: VecDeque::new(),
                buffered: 0,
                buffered_max: 0,
                in_poll: false,
                commits: VecDeque::new(),
                committed: BTreeMap::new(),
                closing: None,
            }),
            arrived: Notify::new(),
            wake: Notify::new(),
            attention: AtomicBool::new(false),
            polls: AtomicU64::new(0),
            commit_due: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the user has to do, if anything.
    pub(crate) fn task(&self) -> Option<Task> {
        self.membership.as_ref().and_then(Membership::task)
    }

    /// Puts fetched records behind those that wait.
    pub(crate) fn push(&mut self, ticket: u64, chunk: Chunk) {
        self.buffered += chunk.len();
        self.buffered_max = self.buffered_max.max(self.buffered);
        self.ready.push_back(Ready::Chunk { ticket, chunk });
    }

    /// The next thing for the user; what is no longer wanted is dropped on the way, what is paused stays.
    pub(crate) fn pop(&mut self) -> Option<Ready> {
        let mut at = 0;
        while at < self.ready.len() {
            let (wanted, bytes) = match &self.ready[at] {
                Ready::Chunk { ticket, chunk } => (self.positions.wants(&chunk.partition, *ticket), chunk.len()),
                Ready::Error { partition: Some((partition, ticket)), .. } => {
                    (self.positions.wants(partition, *ticket), 0)
                }
                Ready::Error { partition: None, .. } => (Wanted::Now, 0),
            };
            if wanted == Wanted::Later {
                at += 1;
                continue;
            }
            let Some(ready) = self.ready.remove(at) else { break };
            self.buffered = self.buffered.saturating_sub(bytes);
            if wanted == Wanted::Now {
                if let Ready::Chunk { ticket, chunk } = &ready {
                    self.positions.taken(&chunk.partition, *ticket, bytes);
                }
                return Some(ready);
            }
        }
        None
    }

    /// Keeps what waits of paused partitions below `limit`, so that it never stands in the way of the others. How much it is.
    pub(crate) fn bound_paused(&mut self, limit: usize) -> usize {
        if self.positions.paused_bytes() > limit {
            self.positions.rewind_paused();
            let Self { ready, positions, buffered, .. } = self;
            ready.retain(|waiting| match waiting {
                Ready::Chunk { ticket, chunk } => {
                    let wanted = positions.wants(&chunk.partition, *ticket) != Wanted::No;
                    *buffered -= if wanted { 0 } else { chunk.len() };
                    wanted
                }
                Ready::Error { .. } => true,
            });
        }
        self.positions.paused_bytes()
    }

    /// Offsets that have moved since they were committed last.
    pub(crate) fn uncommitted(&self) -> BTreeMap<TopicPartition, CommittedOffset> {
        let positions = self.positions.iter().filter_map(|(partition, _)| {
            let position = self.positions.position(partition)?;
            let news = self.committed.get(partition) != Some(&position.offset);
            let committed =
                CommittedOffset { offset: position.offset, leader_epoch: position.epoch, metadata: String::new() };
            news.then(|| (partition.clone(), committed))
        });
        positions.collect()
    }

    /// From now on exactly these; what is known of others is forgotten.
    pub(crate) fn assign(&mut self, partitions: &BTreeSet<TopicPartition>) {
        let group = self.membership.is_some();
        self.topics_wanted = true;
        if self.interest.is_shared() {
            self.forget_commits_of_others(partitions);
        }
        self.positions.assign(partitions, group);
        self.committed.retain(|partition, _| partitions.contains(partition));
    }

    /// Partitions that leave may have moved on elsewhere before a commit that still waits has its turn, in a later
    /// generation of this member: it must not take them back.
    fn forget_commits_of_others(&mut self, kept: &BTreeSet<TopicPartition>) {
        let leaving: BTreeSet<_> = self.positions.assigned().difference(kept).cloned().collect();
        let waiting = std::mem::take(&mut self.commits);
        for mut job in waiting {
            let before = job.offsets.len();
            job.offsets.retain(|partition, _| !leaving.contains(partition));
            if job.offsets.len() < before && job.reply.is_some() {
                job.tell(Err(ConsumerError::CommitFailed { code: ErrorCode::IllegalGeneration }));
            } else {
                self.commits.push_back(job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::positions::OffsetReset;

    fn offsets(list: &[(&str, i32, i64)]) -> BTreeMap<TopicPartition, CommittedOffset> {
        let one =
            |(topic, at, offset): &(&str, i32, i64)| (TopicPartition::new(*topic, *at), CommittedOffset::new(*offset));
        list.iter().map(one).collect()
    }

    #[test]
    fn a_commit_that_waits_says_nothing_of_partitions_that_have_left_meanwhile() {
        let shared = Shared::new(Positions::new(OffsetReset::Earliest), None);
        let mut state = shared.lock();
        state.interest = Interest::Topics(BTreeSet::from(["t".into()]));
        let both = BTreeSet::from([TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
        state.assign(&both);
        let deadline = Instant::now();
        let (told, mut hears) = oneshot::channel();
        let (kept, mut waits) = oneshot::channel();
        let jobs = [
            (offsets(&[("t", 0, 5), ("t", 1, 7)]), None),
            (offsets(&[("t", 0, 6)]), Some(told)),
            (offsets(&[("t", 1, 8)]), Some(kept)),
        ];
        state.commits.extend(jobs.map(|(offsets, reply)| CommitJob { offsets, deadline, reply }));
        state.assign(&BTreeSet::from([TopicPartition::new("t", 1)]));
        // It comes back, with whatever others have committed since.
        state.assign(&both);
        let left: Vec<_> = state.commits.iter().map(|job| job.offsets.clone()).collect();
        assert_eq!(left, [offsets(&[("t", 1, 7)]), offsets(&[("t", 1, 8)])]);
        assert!(matches!(hears.try_recv(), Ok(Err(ConsumerError::CommitFailed { .. }))));
        assert!(waits.try_recv().is_err(), "nothing is decided about it");
    }
}
