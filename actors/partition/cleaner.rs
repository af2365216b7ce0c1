//! The cleaner: compacts the logs of this node's partitions one after another, the dirtiest first.
//!
//! It reads on the blocking pool, a megabyte at a time, and has leaders write the survivors, a chunk at a time, each
//! waited for: what it adds to the work of others is bounded by one chunk. Between steps it rests as long as they took.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use callboard_controller::{CleanerConfig, StaticConfig};
use callboard_model::{BrokerId, LogId, PartitionIndex, TopicName, TopicPartition};
use callboard_partition::compaction::{Dirtiness, Figures, Round};
use callboard_runtime::{Actor, ActorRef, AskError, Context, Failure, Message};
use callboard_storage::Storage;
use callboard_telemetry::Metrics;

use super::cleaning::{CleanError, Step, make_plan, step};
use super::message::PartitionMessage;
use crate::broker::PublishedReceiver;
use crate::clock::Clock;
use crate::storage::{Pool, PoolError};

/// How long a leader may take to answer: it reads its log back, or waits for a sync.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest rest after one step, whatever a slow disk made of it.
const REST_MAX: Duration = Duration::from_millis(500);
/// The shortest time between two looks, whatever `log.cleaner.backoff.ms` says.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
/// How often it looks whether it was switched on.
const OFF: Duration = Duration::from_secs(15);

/// What the cleaner works with; its lives share it.
pub(crate) struct CleanerContext {
    /// The logs.
    pub storage: Arc<dyn Storage>,
    /// The blocking pool.
    pub pool: Pool,
    /// Wall and monotonic time.
    pub clock: Clock,
    /// The counters.
    pub metrics: Metrics,
    /// The metadata, and who leads what here.
    pub published: PublishedReceiver,
    /// This node.
    pub me: BrokerId,
    /// The settings that others default to.
    pub settings: StaticConfig,
    /// Logs that it leaves alone, and why. As in Kafka until the next start of the node.
    pub uncleanable: Mutex<BTreeMap<LogId, String>>,
}

impl CleanerContext {
    /// Nothing can panic while the map is locked, so a poisoned lock still holds a good map.
    fn uncleanable(&self) -> MutexGuard<'_, BTreeMap<LogId, String>> {
        self.uncleanable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn config(&self) -> CleanerConfig {
        self.published.borrow().image.cleaner_config(self.me, &self.settings)
    }
}

/// What the cleaner hears; all of it from itself.
#[derive(Debug)]
pub(crate) enum CleanerMessage {
    /// Time to look for dirty logs.
    Look,
    /// The dirtiest log that was due has been dealt with; without one all may rest.
    Done(Option<Box<Report>>),
}

impl Message for CleanerMessage {
    fn may_be_poison(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Look => "Look",
            Self::Done(_) => "Done",
        }
    }
}

/// What became of a round.
#[derive(Debug)]
pub(crate) struct Report {
    partition: TopicPartition,
    took: Duration,
    figures: Figures,
    /// Why it was given up; nothing if it came to its end.
    abandoned: Option<String>,
}

/// A partition whose log is compacted.
#[derive(Clone)]
struct Target {
    partition: TopicPartition,
    log: LogId,
    leader: ActorRef<PartitionMessage>,
}

/// The actor.
pub(crate) struct Cleaner {
    context: Arc<CleanerContext>,
    rounds: u64,
    last: Option<Report>,
}

impl Cleaner {
    /// A cleaner that will look soon.
    pub(crate) fn new(context: Arc<CleanerContext>) -> Self {
        Self { context, rounds: 0, last: None }
    }

    fn show(&mut self, report: Report) {
        let metrics = &self.context.metrics;
        let Figures { read_bytes, written_bytes, replaced_bytes, dropped, .. } = report.figures;
        metrics.compaction_read_bytes.add(read_bytes);
        metrics.compaction_written_bytes.add(written_bytes);
        metrics.compaction_dropped.add(dropped);
        match &report.abandoned {
            None => {
                metrics.compaction_rounds.increment();
                metrics.compaction_duration.observe(report.took);
                tracing::debug!(
                    partition = %report.partition, read_bytes, replaced_bytes, written_bytes, dropped,
                    took = ?report.took, "a log was compacted"
                );
            }
            Some(reason) => {
                metrics.compaction_abandoned.increment();
                tracing::info!(partition = %report.partition, reason, "a round of compaction was given up");
            }
        }
        self.rounds += 1;
        self.last = Some(report);
    }
}

impl Actor for Cleaner {
    type Message = CleanerMessage;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        ctx.schedule(BACKOFF_MIN, CleanerMessage::Look);
        Ok(())
    }

    fn handle(&mut self, message: CleanerMessage, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            CleanerMessage::Look => {
                let config = self.context.config();
                if config.enabled {
                    let work = Work { context: Arc::clone(&self.context), config };
                    ctx.pipe(async move { CleanerMessage::Done(work.clean_one().await.map(Box::new)) });
                } else {
                    ctx.schedule(OFF, CleanerMessage::Look);
                }
            }
            CleanerMessage::Done(None) => {
                ctx.schedule(self.context.config().backoff.max(BACKOFF_MIN), CleanerMessage::Look);
            }
            CleanerMessage::Done(Some(report)) => {
                // A round that was given up may be due again at once; not in a tight circle.
                let pause = if report.abandoned.is_some() { self.context.config().backoff } else { BACKOFF_MIN };
                self.show(*report);
                ctx.schedule(pause.max(BACKOFF_MIN), CleanerMessage::Look);
            }
        }
        let count = self.context.uncleanable().len();
        self.context.metrics.compaction_uncleanable.set_amount(count as u64);
        Ok(())
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        let mut shown = vec![("rounds", self.rounds.to_string())];
        if let Some(last) = &self.last {
            shown.push(("last", last.partition.to_string()));
            shown.push(("last_took", format!("{:?}", last.took)));
            shown.push(("last_dropped", last.figures.dropped.to_string()));
            shown.extend(last.abandoned.clone().map(|reason| ("last_abandoned", reason)));
        }
        let uncleanable = self.context.uncleanable();
        shown.push(("uncleanable", uncleanable.len().to_string()));
        shown.extend(uncleanable.iter().next().map(|(log, reason)| ("uncleanable_first", format!("{log}: {reason}"))));
        shown
    }
}

/// One look, and the round that follows from it.
struct Work {
    context: Arc<CleanerContext>,
    config: CleanerConfig,
}

/// Why a round ended before its end.
enum Ended {
    /// The leader, or something that passes, stood in the way.
    Abandoned(String),
    /// The log is damaged.
    Damaged(String),
}

impl From<AskError> for Ended {
    fn from(error: AskError) -> Self {
        Self::Abandoned(error.to_string())
    }
}

impl From<PoolError> for Ended {
    fn from(error: PoolError) -> Self {
        match error {
            // It would panic at the same batch again.
            PoolError::Panicked => Self::Damaged("compacting it panicked".into()),
            PoolError::Closed => Self::Abandoned(error.to_string()),
        }
    }
}

impl From<CleanError> for Ended {
    fn from(error: CleanError) -> Self {
        if error.is_damage() { Self::Damaged(error.to_string()) } else { Self::Abandoned(error.to_string()) }
    }
}

/// A round between two steps. It remembers millions of keys: letting go of them takes long, and is the pool's work too.
struct Kept {
    round: Option<Box<Round>>,
    pool: Pool,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(round) = self.round.take() {
            // Queued at once, whether anybody waits for it or not.
            drop(self.pool.run(move || drop(round)));
        }
    }
}

impl Work {
    /// Compacts the dirtiest log that is due; none is.
    async fn clean_one(self) -> Option<Report> {
        let mut dirty = Vec::new();
        let targets = self.targets();
        self.forget_all_but(&targets);
        for target in targets {
            // One that does not answer is asked again in the next round.
            if let Ok(Some(dirtiness)) = target.leader.ask(PATIENCE, PartitionMessage::Dirtiness).await {
                dirty.push((dirtiness, target));
            }
        }
        let most = dirty.iter().map(|(dirtiness, _)| dirtiness.dirty_millionths).max().unwrap_or(0);
        self.context.metrics.compaction_max_dirty.set_amount(u64::from(most / 10_000));
        dirty.retain(|(dirtiness, target)| {
            dirtiness.may_be_due && !self.context.uncleanable().contains_key(&target.log)
        });
        dirty.sort_by_key(|(Dirtiness { dirty_millionths, dirty_bytes, .. }, _)| {
            std::cmp::Reverse((*dirty_millionths, *dirty_bytes))
        });
        for (_, target) in dirty {
            let began = self.context.clock.tick();
            let mut figures = Figures::default();
            let abandoned = match self.clean(&target, &mut figures).await {
                Ok(false) => continue,
                Ok(true) => None,
                Err(Ended::Abandoned(reason)) => Some(reason),
                Err(Ended::Damaged(reason)) => {
                    tracing::error!(
                        partition = %target.partition, reason,
                        "the partition cannot be compacted and is left alone; its disk space will grow"
                    );
                    self.context.uncleanable().insert(target.log, reason.clone());
                    Some(reason)
                }
            };
            let took = self.context.clock.tick().since(began);
            return Some(Report { partition: target.partition, took, figures, abandoned });
        }
        None
    }

    /// The compacted partitions led here.
    fn targets(&self) -> Vec<Target> {
        let published = self.context.published.borrow();
        let mut targets = Vec::new();
        for topic in published.image.topics() {
            let Some(route) = published.routes.get(&topic.name) else { continue };
            if !published.image.log_config(topic, self.context.me, &self.context.settings).cleanup_policy.compact {
                continue;
            }
            for (partition, leader) in (0..).zip(&route.leaders) {
                if let Some(leader) = leader {
                    let partition = named(&topic.name, PartitionIndex(partition));
                    targets.push(Target { partition, log: leader.log, leader: leader.leader.clone() });
                }
            }
        }
        targets
    }

    /// Logs are numbered once: what is not there any more need not be remembered.
    fn forget_all_but(&self, targets: &[Target]) {
        self.context.uncleanable().retain(|log, _| targets.iter().any(|target| target.log == *log));
    }

    /// One round over a log; false if it is not due.
    async fn clean(&self, target: &Target, figures: &mut Figures) -> Result<bool, Ended> {
        let Some(candidate) = target.leader.ask(PATIENCE, PartitionMessage::Candidate).await? else {
            return Ok(false);
        };
        let (storage, log, now) = (Arc::clone(&self.context.storage), target.log, self.context.clock.wall());
        let planned = self.context.pool.run(move || make_plan(storage.as_ref(), log, candidate, now)).await??;
        let Some(plan) = planned else { return Ok(false) };
        let round = Round::new(plan, self.config.map_bytes, now);
        let mut kept = Kept { round: Some(Box::new(round)), pool: self.context.pool.clone() };
        while let Some(mut round) = kept.round.take() {
            let began = self.context.clock.tick();
            let storage = Arc::clone(&self.context.storage);
            let stepping = self.context.pool.run(move || {
                let stepped = step(storage.as_ref(), log, &mut round);
                (round, stepped)
            });
            let (round, stepped) = stepping.await?;
            *figures = round.figures();
            let through = round.finish();
            kept.round = Some(round);
            let bytes = match stepped? {
                Step::Through => {
                    // A leader that is gone has its successor do a little more next time.
                    drop(target.leader.tell(PartitionMessage::Compacted(through)));
                    break;
                }
                Step::Read(bytes) => bytes,
                Step::Chunk(bytes, chunk) => {
                    let written: usize = chunk.batches.iter().map(|batch| batch.bytes.len()).sum();
                    let replace = |reply| PartitionMessage::Replace { chunk, reply };
                    let replaced = target.leader.ask(PATIENCE, replace).await?;
                    replaced.map_err(|error| Ended::Abandoned(error.to_string()))?;
                    bytes + written
                }
            };
            self.rest(self.context.clock.tick().since(began), bytes).await;
        }
        Ok(true)
    }

    /// Leaves disk and cores to the others for as long as a step took, and for as long as its bytes may take.
    async fn rest(&self, took: Duration, bytes: usize) {
        let due = self
            .config
            .bytes_per_second
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate as f64).saturating_sub(took));
        tokio::time::sleep(took.min(REST_MAX).max(due)).await;
    }
}

fn named(topic: &TopicName, partition: PartitionIndex) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition }
}
