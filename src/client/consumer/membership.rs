//! A member of a group: when to join, what to answer, when it is out (the classic protocol).
//!
//! ```text
//!            subscribe              poll                  user gave up           generation       leader only
//!    Idle ------------> Waiting ------------> Preparing ------------> Joining ------------> Sharing ----> Syncing
//!                          ^   ^                                        |                                    |
//!                          |   +------- error, after a pause -----------+------------------------------------+
//!    Expired --- poll -----+                                                                                 |
//!       ^                  +---------- rebalance, subscription, lost ------- Stable <--- user took it --- Handing over
//!       +----- no poll for max.poll.interval.ms -------------------------------+
//! ```
//! Answers that belong to an older attempt are recognised by their ticket and ignored. Rules: Kafka's
//! `AbstractCoordinator` and `ConsumerCoordinator`, KIP-62, KIP-345, KIP-394, KIP-429, KIP-814.
//! What the user has to do ([`Task`]) it does when it next polls, so no record is handled while its partition leaves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::ErrorCode;
use callboard_wire::messages::{JoinGroupResponse, SyncGroupResponse};
use tokio::time::Instant;

use super::TopicPartition;
use super::assign::{Assignor, Members, PartitionCounts};
use super::protocol::{Subscription, decode_assignment, encode_assignment};
use crate::{Backoff, ClientError};

mod answers;

/// What a membership needs to know of the options.
#[derive(Clone, Debug)]
pub(crate) struct GroupSettings {
    pub(crate) group: Arc<str>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) assignors: Vec<Assignor>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
}

/// Who the member is, as requests name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Empty before the coordinator has given one.
    pub(crate) member: Arc<str>,
    /// -1 outside of a generation.
    pub(crate) generation: i32,
    pub(crate) instance: Option<Arc<str>>,
}

/// What is to be asked of the coordinator, or done about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// JoinGroup with these assignors' names and metadata.
    Join { ticket: u64, who: Identity, protocols: Vec<(Assignor, Bytes)> },
    /// Find how many partitions these topics have, then call [`Membership::counted`].
    Count { ticket: u64, topics: BTreeSet<Arc<str>> },
    /// SyncGroup; the leader's carries everyone's assignment.
    Sync { ticket: u64, who: Identity, protocol: Assignor, assignments: Vec<(Arc<str>, Bytes)> },
    /// Heartbeat.
    Heartbeat { ticket: u64, who: Identity },
    /// LeaveGroup; nobody waits for the answer.
    Leave { who: Identity },
    /// The coordinator is elsewhere.
    ForgetCoordinator,
}

/// What the user has to do before things go on, when it next polls.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// Commit, give up partitions, then call [`Membership::prepared`].
    GiveUp {
        /// What leaves.
        leaving: BTreeSet<TopicPartition>,
        /// Whether others may read it already: nothing can be committed any more.
        lost: bool,
    },
    /// Take this assignment, then call [`Membership::accepted`].
    Take {
        /// Everything that is assigned now.
        assigned: BTreeSet<TopicPartition>,
    },
    /// Tell the user.
    Fail(ClientError),
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Idle,
    Waiting { not_before: Instant },
    Preparing,
    Joining,
    Sharing { members: Members },
    Syncing,
    HandingOver { assigned: BTreeSet<TopicPartition> },
    Stable,
    Expired,
    Failed,
}

/// A member of a group.
#[derive(Debug)]
pub(crate) struct Membership {
    settings: GroupSettings,
    topics: BTreeSet<Arc<str>>,
    phase: Phase,
    member: Arc<str>,
    generation: Option<i32>,
    protocol: Option<Assignor>,
    /// What the user has.
    owned: BTreeSet<TopicPartition>,
    /// What the last generation brought, for the sticky assignors.
    before: Option<(i32, Vec<TopicPartition>)>,
    /// Whether what the user has may be read by others already.
    lost: bool,
    /// Whether the group has to rebalance although nothing is wrong.
    rejoin: bool,
    /// The leader's view when it shared out.
    counts: Option<PartitionCounts>,
    ticket: u64,
    backoff: Backoff,
    next_heartbeat: Option<Instant>,
    heartbeat_under_way: bool,
    last_poll: Option<Instant>,
    error: Option<ClientError>,
    effects: Vec<Effect>,
}

impl Membership {
    pub(crate) fn new(settings: GroupSettings) -> Self {
        let backoff = Backoff::new(settings.retry_backoff, settings.retry_backoff_max);
        Self {
            settings,
            topics: BTreeSet::new(),
            phase: Phase::Idle,
            member: "".into(),
            generation: None,
            protocol: None,
            owned: BTreeSet::new(),
            before: None,
            lost: false,
            rejoin: false,
            counts: None,
            ticket: 0,
            backoff,
            next_heartbeat: None,
            heartbeat_under_way: false,
            last_poll: None,
            error: None,
            effects: Vec::new(),
        }
    }

    pub(crate) fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    /// The identity that commits carry.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            member: self.member.clone(),
            generation: self.generation.unwrap_or(-1),
            instance: self.settings.instance.clone(),
        }
    }

    /// What is to be done, in order.
    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Members keep their partitions while they join only if every assignor that they offer can do that (KIP-429).
    fn is_cooperative(&self) -> bool {
        self.settings.assignors.iter().all(|assignor| assignor.is_cooperative())
    }

    /// Subscribes to these topics, or no longer to any.
    pub(crate) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>, now: Instant) {
        if self.topics == topics && self.phase != Phase::Idle {
            return;
        }
        self.topics = topics;
        match self.phase {
            Phase::Idle => {
                self.phase = Phase::Waiting { not_before: now };
                self.last_poll = Some(now);
            }
            _ => self.rejoin = true,
        }
    }

    /// Topics of the subscription.
    pub(crate) fn topics(&self) -> &BTreeSet<Arc<str>> {
        &self.topics
    }

    /// The user polled, or is still waiting in a poll.
    pub(crate) fn polled(&mut self, now: Instant) {
        self.last_poll = Some(now);
        if self.phase == Phase::Expired {
            self.phase = Phase::Waiting { not_before: now };
        }
    }

    /// What is known of topics has changed: the leader of the group shares out anew when that changes the picture.
    pub(crate) fn topics_changed(&mut self, counts: impl Fn(&str) -> Option<i32>) {
        if self.phase != Phase::Stable {
            return;
        }
        if let Some(seen) = &self.counts {
            let differs = seen.iter().any(|(topic, count)| counts(topic).unwrap_or(0) != *count);
            self.rejoin |= differs;
        }
    }

    /// What the user has to do now, if anything.
    pub(crate) fn task(&self) -> Option<Task> {
        match &self.phase {
            Phase::Preparing => {
                let stays =
                    |one: &&TopicPartition| !self.lost && self.is_cooperative() && self.topics.contains(&one.topic);
                let leaving = self.owned.iter().filter(|one| !stays(one)).cloned().collect();
                Some(Task::GiveUp { leaving, lost: self.lost })
            }
            Phase::HandingOver { assigned } => Some(Task::Take { assigned: assigned.clone() }),
            Phase::Failed => self.error.clone().map(Task::Fail),
            _ => None,
        }
    }

    /// The user gave up what it had to and keeps `kept`.
    pub(crate) fn prepared(&mut self, kept: BTreeSet<TopicPartition>) {
        if self.phase == Phase::Preparing {
            self.owned = kept;
            self.lost = false;
            self.rejoin = false;
            self.join();
        }
    }

    /// The user has taken the assignment and now has `owned`. `gave_up`: in a cooperative rebalance it lost something, so the
    /// others are waiting for a second round.
    pub(crate) fn accepted(&mut self, owned: BTreeSet<TopicPartition>, gave_up: bool) {
        self.owned = owned;
        if matches!(self.phase, Phase::HandingOver { .. }) {
            self.phase = Phase::Stable;
            self.rejoin |= gave_up;
        }
    }

    fn join(&mut self) {
        self.phase = Phase::Joining;
        self.ticket += 1;
        let owned: Vec<_> = if self.is_cooperative() { self.owned.iter().cloned().collect() } else { Vec::new() };
        let before = self.before.as_ref().map(|(generation, assigned)| (*generation, assigned.as_slice()));
        let metadata = |assignor: &Assignor| {
            (*assignor, Subscription::for_assignor(*assignor, &self.topics, &owned, before).encode())
        };
        let protocols = self.settings.assignors.iter().map(metadata).collect();
        let who = Identity { generation: -1, ..self.identity() };
        self.effects.push(Effect::Join { ticket: self.ticket, who, protocols });
    }

    /// Lets time pass: heartbeats, joins that are due, a user that no longer polls.
    pub(crate) fn advance(&mut self, now: Instant) {
        let due = match &self.phase {
            Phase::Waiting { not_before } => *not_before <= now,
            Phase::Stable => self.rejoin,
            _ => false,
        };
        if due {
            self.phase = Phase::Preparing;
        }
        let silent_since = self.last_poll.unwrap_or(now);
        let in_group = self.generation.is_some() && !matches!(self.phase, Phase::Idle | Phase::Failed | Phase::Expired);
        if in_group && now.saturating_duration_since(silent_since) > self.settings.max_poll_interval {
            self.expire();
            return;
        }
        let beats = matches!(
            self.phase,
            Phase::Preparing | Phase::Sharing { .. } | Phase::Syncing | Phase::HandingOver { .. } | Phase::Stable
        );
        if !beats || self.generation.is_none() {
            self.next_heartbeat = None;
            return;
        }
        let due = *self.next_heartbeat.get_or_insert(now + self.settings.heartbeat_interval);
        if due <= now && !self.heartbeat_under_way {
            self.heartbeat_under_way = true;
            self.next_heartbeat = Some(now + self.settings.heartbeat_interval);
            self.effects.push(Effect::Heartbeat { ticket: self.ticket, who: self.identity() });
        }
    }

    /// When [`Self::advance`] has something to do at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let waiting = match &self.phase {
            Phase::Waiting { not_before } => Some(*not_before),
            _ => None,
        };
        let beat = self.next_heartbeat.filter(|_| !self.heartbeat_under_way);
        let silent =
            self.last_poll.filter(|_| self.generation.is_some()).map(|at| at + self.settings.max_poll_interval);
        let silent = silent.map(|at| at + Duration::from_millis(1));
        [waiting, beat, silent].into_iter().flatten().min()
    }

    /// The user has not polled for too long: others get its partitions. Static members stay until their session ends.
    fn expire(&mut self) {
        if self.settings.instance.is_none() {
            self.effects.push(Effect::Leave { who: self.identity() });
            self.member = "".into();
        }
        self.forget_generation();
        self.phase = Phase::Expired;
    }

    /// Leaves for good: what a close does. A static member only stops, so that its partitions wait for its return.
    pub(crate) fn leave(&mut self) {
        if self.settings.instance.is_none() && !self.member.is_empty() {
            self.effects.push(Effect::Leave { who: self.identity() });
        }
        self.member = "".into();
        self.forget_generation();
        self.owned.clear();
        self.topics.clear();
        self.lost = false;
        self.phase = Phase::Idle;
    }

    /// The generation is over for this member; what it has may go to others at any moment.
    fn forget_generation(&mut self) {
        self.ticket += 1;
        self.generation = None;
        self.heartbeat_under_way = false;
        self.next_heartbeat = None;
        self.lost |= !self.owned.is_empty();
        self.counts = None;
    }
}

#[cfg(test)]
mod tests;
