//! The task behind a consumer: asks the machines what is due, sends it, and tells them what came back.
//!
//! It decides nothing itself. It ends when the user's side is gone, after the member has left its group.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard_wire::messages::client::FetchResponse;
use callboard_wire::messages::{JoinGroupResponse, SyncGroupResponse};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::TopicPartition;
use super::assign::PartitionCounts;
use super::batch::Reading;
use super::error::ConsumerError;
use super::fetching::{FetchLimits, Plan, Reserved, plan};
use super::membership::Effect;
use super::options::{ConsumerOptions, IsolationLevel};
use super::positions::{Lookup, Position, Validation};
use super::requests::logs::{self, Answers, Found};
use super::requests::{CommittedOffset, Coordinator};
use super::shared::{CommitJob, Interest, Shared, State};
use crate::{Backoff, ClientError, Cluster, Metadata};

mod arrivals;
mod commits;

/// How often the poll counter is looked at while nothing else happens.
const GLANCE: Duration = Duration::from_millis(500);
/// How long the last words to a coordinator may take when nobody waits for them.
const FAREWELL: Duration = Duration::from_secs(5);

/// Something that was waited for.
enum Done {
    Topics(Result<Arc<Metadata>, ClientError>),
    Joined { ticket: u64, answer: Result<JoinGroupResponse, ClientError> },
    Counted { ticket: u64, counts: Result<PartitionCounts, ClientError> },
    Synced { ticket: u64, answer: Result<SyncGroupResponse, ClientError> },
    HeartbeatAnswered { ticket: u64, answer: Result<(), ClientError> },
    Left,
    CommittedFound { asked: Vec<(TopicPartition, u64)>, answer: Result<Committed, ClientError> },
    PlacesFound { asked: Vec<Lookup>, answers: Answers<Option<Found>> },
    EpochsFound { asked: Vec<Validation>, answers: Answers<Option<Position>> },
    Fetched { plan: Plan, answer: Result<FetchResponse, ClientError> },
    CommitEnded { job: CommitJob, generation: i32, result: Result<(), ClientError> },
}

type Committed = std::collections::BTreeMap<TopicPartition, CommittedOffset>;
type Waiting = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>;

/// The task's own state.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    cluster: Cluster,
    coordinator: Option<Coordinator>,
    isolation: IsolationLevel,
    reading: Reading,
    limits: FetchLimits,
    max_poll_interval: Duration,
    exclude_internal: bool,
    auto_commit: Option<Duration>,
    next_auto_commit: Option<Instant>,
    waiting: Waiting,
    reserved: Reserved,
    polls_seen: u64,
    topics_under_way: bool,
    topics_due: Option<Instant>,
    topics_backoff: Backoff,
    fetch_backoff: Backoff,
    commit_under_way: bool,
    leaving: usize,
}

impl Drop for Driver {
    /// However it ends, with its runtime or by a panic: nobody waits for it for ever.
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.arrived.notify_one();
    }
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, cluster: Cluster, options: &ConsumerOptions) -> Self {
        let group = options.group_id.as_deref();
        let coordinator = group.map(|group| Coordinator { cluster: cluster.clone(), group: group.into() });
        let auto_commit = (options.enable_auto_commit && group.is_some()).then_some(options.auto_commit_interval);
        Self {
            shared,
            coordinator,
            isolation: options.isolation_level,
            reading: Reading {
                check_crcs: options.check_crcs,
                read_committed: options.isolation_level == IsolationLevel::ReadCommitted,
            },
            limits: FetchLimits {
                min_bytes: options.fetch_min_bytes,
                max_wait: options.fetch_max_wait,
                max_bytes: options.fetch_max_bytes,
                partition_max_bytes: options.max_partition_fetch_bytes,
                queued_max_bytes: options.queued_max_bytes,
            },
            max_poll_interval: options.max_poll_interval,
            exclude_internal: options.exclude_internal_topics,
            auto_commit,
            next_auto_commit: None,
            waiting: Waiting::new(),
            reserved: Reserved::default(),
            polls_seen: 0,
            topics_under_way: false,
            topics_due: None,
            topics_backoff: Backoff::retries(cluster.options()),
            fetch_backoff: Backoff::retries(cluster.options()),
            commit_under_way: false,
            leaving: 0,
            cluster,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let now = Instant::now();
            let Some(deadline) = self.step(now) else { return };
            let shared = self.shared.clone();
            tokio::select! {
                Some(done) = self.waiting.next() => {
                    self.take(done, Instant::now());
                    // Whatever else is there comes before the machines are asked again.
                    while let Some(Some(done)) = futures_util::FutureExt::now_or_never(self.waiting.next()) {
                        self.take(done, Instant::now());
                    }
                }
                () = shared.wake.notified() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// Whether the user is gone and everything that had to be said is said.
    fn is_over(&self, state: &State, until: Instant, now: Instant) -> bool {
        until <= now || (self.leaving == 0 && !self.commit_under_way && state.commits.is_empty())
    }

    fn wait_for(&self, future: impl Future<Output = Done> + Send + 'static) {
        self.waiting.push(Box::pin(future));
    }

    /// Asks the machines what is due and sends it. When to come back at the latest; nothing if it is over.
    ///
    /// All of it under one lock: a user who closes after the machines were asked must not find that it is over before they
    /// were asked to leave.
    fn step(&mut self, now: Instant) -> Option<Instant> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        let state = &mut *state;
        let polls = shared.polls.load(Ordering::Relaxed);
        let polled = polls != self.polls_seen || state.in_poll;
        self.polls_seen = polls;
        let mut deadline = now + GLANCE;
        if let Some(membership) = &mut state.membership {
            if polled {
                membership.polled(now);
            }
            membership.advance(now);
            let effects = membership.effects();
            if let Some(at) = membership.next_deadline() {
                deadline = deadline.min(at);
            }
            for effect in effects {
                self.perform(effect, state);
            }
        }
        if state.task().is_some() && !shared.attention.swap(true, Ordering::AcqRel) {
            shared.arrived.notify_one();
        }
        self.send_commit(state);
        if let Some(until) = state.closing {
            return (!self.is_over(state, until, now)).then_some(deadline.min(until));
        }
        self.auto_commit_due(state, now, &mut deadline);
        self.know_topics(state, now, &mut deadline);
        self.find_positions(state, now);
        self.fetch(state, now);
        if let Some(at) = state.positions.next_deadline(now) {
            deadline = deadline.min(at);
        }
        Some(deadline)
    }

    fn auto_commit_due(&mut self, state: &State, now: Instant, deadline: &mut Instant) {
        let Some(interval) = self.auto_commit else { return };
        if state.positions.len() == 0 {
            self.next_auto_commit = None;
            return;
        }
        let at = *self.next_auto_commit.get_or_insert(now + interval);
        if at <= now {
            self.next_auto_commit = Some(now + interval);
            if !self.shared.commit_due.swap(true, Ordering::AcqRel) {
                // A user who waits for records has handled those before.
                self.shared.arrived.notify_one();
            }
        } else {
            *deadline = (*deadline).min(at);
        }
    }

    fn perform(&mut self, effect: Effect, state: &State) {
        let (Some(coordinator), Some(membership)) = (self.coordinator.clone(), &state.membership) else { return };
        match effect {
            Effect::Join { ticket, who, protocols } => {
                let settings = membership.settings().clone();
                self.wait_for(async move {
                    let answer = coordinator.join(&settings, &who, protocols).await;
                    Done::Joined { ticket, answer }
                });
            }
            Effect::Count { ticket, topics } => {
                let cluster = self.cluster.clone();
                self.wait_for(async move {
                    let names: Vec<&str> = topics.iter().map(|name| &**name).collect();
                    let deadline = Instant::now() + cluster.options().request_timeout;
                    let known = cluster.topics(&names, deadline).await;
                    let counts = known.map(|metadata| {
                        let count = |name: &Arc<str>| Some((name.clone(), partitions_of(&metadata, name)?));
                        topics.iter().filter_map(count).collect()
                    });
                    Done::Counted { ticket, counts }
                });
            }
            Effect::Sync { ticket, who, protocol, assignments } => {
                let allowed = self.max_poll_interval;
                self.wait_for(async move {
                    let answer = coordinator.sync(&who, protocol, assignments, allowed).await;
                    Done::Synced { ticket, answer }
                });
            }
            Effect::Heartbeat { ticket, who } => {
                let allowed = membership.settings().session_timeout;
                self.wait_for(async move {
                    let answer = coordinator.heartbeat(&who, allowed).await;
                    Done::HeartbeatAnswered { ticket, answer }
                });
            }
            Effect::Leave { who } => {
                self.leaving += 1;
                let deadline = state.closing.unwrap_or_else(|| Instant::now() + FAREWELL);
                self.wait_for(async move {
                    if let Err(error) = coordinator.leave(&who, deadline).await {
                        tracing::debug!(group = &*coordinator.group, %error, "leaving failed, the session will end");
                    }
                    Done::Left
                });
            }
            Effect::ForgetCoordinator => self.cluster.forget_coordinator(&coordinator.group),
        }
    }

    /// Keeps the topics known that are read: anew after `metadata.max.age.ms`, soon when something is missing or wrong.
    fn know_topics(&mut self, state: &mut State, now: Instant, deadline: &mut Instant) {
        if self.topics_under_way {
            return;
        }
        let assigned = state.positions.iter().map(|(partition, _)| partition.topic.clone());
        let mut names: BTreeSet<Arc<str>> = assigned.collect();
        let mut all = false;
        match &state.interest {
            Interest::Nothing => return,
            Interest::Topics(topics) => names.extend(topics.iter().cloned()),
            Interest::Matching(_) => all = true,
            Interest::Partitions => {}
        }
        if std::mem::take(&mut state.topics_wanted) {
            self.topics_due = None;
        }
        match self.topics_due {
            Some(at) if at > now => {
                *deadline = (*deadline).min(at);
                return;
            }
            _ => self.topics_under_way = true,
        }
        let cluster = self.cluster.clone();
        self.wait_for(async move {
            let deadline = Instant::now() + cluster.options().request_timeout;
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            Done::Topics(if all { cluster.all_topics(deadline).await } else { cluster.topics(&names, deadline).await })
        });
    }

    /// Something that is known of topics has turned out wrong: fetch it anew, soon.
    fn topics_wrong(&mut self, now: Instant) {
        let at = now + self.topics_backoff.next(fastrand::f64());
        self.topics_due = Some(self.topics_due.map_or(at, |due| due.min(at)));
    }

    fn find_positions(&mut self, state: &mut State, now: Instant) {
        let request_timeout = self.cluster.options().request_timeout;
        if let Some(coordinator) = &self.coordinator {
            let asked = state.positions.committed_wanted(now);
            if !asked.is_empty() {
                let coordinator = coordinator.clone();
                let stable = self.reading.read_committed;
                self.wait_for(async move {
                    let partitions: Vec<_> = asked.iter().map(|(partition, _)| partition.clone()).collect();
                    let answer = coordinator.committed(&partitions, stable, Instant::now() + request_timeout).await;
                    Done::CommittedFound { asked, answer }
                });
            }
        } else {
            // Without a group nothing is committed; whoever asked not to guess is told.
            for (partition, ticket) in state.positions.committed_wanted(now) {
                if let Err(error) = state.positions.found_committed(&partition, ticket, None) {
                    self.tell(state, Some((partition, ticket)), error);
                }
            }
        }
        let (cluster, level) = (self.cluster.clone(), self.isolation);
        let asked = state.positions.lookups_wanted(now);
        if !asked.is_empty() {
            let wall = wall_clock();
            self.wait_for(async move {
                let wanted: Vec<_> =
                    asked.iter().map(|one| (one.partition.clone(), arrivals::timestamp_of(one.place, wall))).collect();
                let answers = logs::offsets(&cluster, &wanted, level, Instant::now() + request_timeout).await;
                Done::PlacesFound { asked, answers }
            });
        }
        let metadata = self.cluster.metadata();
        let epoch = |one: &TopicPartition| Some(metadata.topic(&one.topic)?.partition(one.partition)?.leader_epoch.0);
        let asked = state.positions.validations_wanted(now, epoch);
        if !asked.is_empty() {
            let cluster = self.cluster.clone();
            self.wait_for(async move {
                let answers = logs::epoch_ends(&cluster, &asked, Instant::now() + request_timeout).await;
                Done::EpochsFound { asked, answers }
            });
        }
    }

    fn fetch(&mut self, state: &mut State, now: Instant) {
        let fetchable = state.positions.fetchable(now);
        if fetchable.is_empty() {
            return;
        }
        let metadata = self.cluster.metadata();
        let mut unknown = false;
        let fetchable: Vec<_> = fetchable
            .into_iter()
            .filter(|one| {
                let known = metadata.leader(&one.partition.topic, one.partition.partition).is_some();
                unknown |= !known;
                known
            })
            .collect();
        if unknown && !self.topics_under_way && self.topics_due.is_some_and(|at| at > now + Duration::from_secs(1)) {
            self.topics_wrong(now);
        }
        let leader = |one: &TopicPartition| {
            let known = metadata.topic(&one.topic)?.partition(one.partition)?;
            Some((known.leader?, known.leader_epoch.0))
        };
        let paused = state.bound_paused(self.limits.queued_max_bytes / 2);
        let waiting = state.buffered.saturating_sub(paused);
        for plan in plan(fetchable, leader, &self.limits, waiting, &mut self.reserved) {
            let (cluster, limits, level) = (self.cluster.clone(), self.limits, self.isolation);
            self.wait_for(async move {
                let answer = logs::fetch(&cluster, &plan, &limits, level).await;
                Done::Fetched { plan, answer }
            });
        }
    }

    /// Puts an error behind the records that wait.
    fn tell(&self, state: &mut State, partition: Option<(TopicPartition, u64)>, error: ConsumerError) {
        state.ready.push_back(super::shared::Ready::Error { partition, error });
        self.shared.arrived.notify_one();
    }
}

/// Partitions of a topic, if it is known.
fn partitions_of(metadata: &Metadata, name: &str) -> Option<i32> {
    i32::try_from(metadata.topic(name)?.partitions.len()).ok()
}

/// Milliseconds since 1970.
fn wall_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
