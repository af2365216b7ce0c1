//! The keeper: asks storage at intervals to return disk, and shows what it uses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard_runtime::{Actor, Context, Failure, Message};
use callboard_storage::{CommitHandle, MaintenanceReport, Storage, StorageError, Usage};
use callboard_telemetry::{Counter, Metrics};

use super::Pool;
use crate::clock::Clock;
use crate::partition::LeaderContext;

/// How often generations are looked at: well within the minute in which disk is promised back.
const EVERY: Duration = Duration::from_secs(5);

/// What the keeper hears.
#[derive(Debug)]
pub(crate) enum KeeperMessage {
    /// Time for a round.
    Round,
    /// A round has ended.
    Done(Result<(MaintenanceReport, Usage), StorageError>),
    /// The pool could not run the round.
    Lost(String),
}

impl Message for KeeperMessage {
    /// All of them are its own.
    fn may_be_poison(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Round => "Round",
            Self::Done(_) => "Done",
            Self::Lost(_) => "Lost",
        }
    }
}

/// Runs storage's maintenance on the blocking pool, one round at a time.
pub(crate) struct JournalKeeper {
    storage: Arc<dyn Storage>,
    commit: CommitHandle,
    pool: Pool,
    clock: Clock,
    metrics: Metrics,
    leaders: Arc<LeaderContext>,
    last: Option<Usage>,
}

impl JournalKeeper {
    /// A keeper of one database.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        commit: CommitHandle,
        pool: Pool,
        clock: Clock,
        metrics: Metrics,
        leaders: Arc<LeaderContext>,
    ) -> Self {
        Self { storage, commit, pool, clock, metrics, leaders, last: None }
    }

    fn show(&mut self, report: &MaintenanceReport, usage: Usage) {
        let free = usage.disk.map_or(0, |disk| disk.free);
        if usage.disk_full != self.last.as_ref().is_some_and(|last| last.disk_full) {
            if usage.disk_full {
                tracing::error!(free, "the disk is nearly full: produce is refused, reads go on");
            } else {
                tracing::info!(free, "the disk has room again: produce is taken");
            }
        }
        for damage in &report.damaged {
            tracing::error!(%damage, "damaged data was met and left where it is");
        }
        if !report.dropped.is_empty() {
            tracing::info!(generations = ?report.dropped, bytes = report.dropped_bytes, "disk was returned");
        }
        self.metrics.disk_free.set_amount(free);
        self.metrics.disk_total.set_amount(usage.disk.map_or(0, |disk| disk.total));
        self.metrics.disk_full.set(i64::from(usage.disk_full));
        self.metrics.log_generations.set_amount(usage.generations.len() as u64);
        self.metrics.log_bytes.set_amount(usage.generations.iter().map(|generation| generation.bytes).sum());
        self.metrics.tail_cache_bytes.set_amount(self.leaders.tail_bytes.load(Ordering::Relaxed) as u64);
        let stats = self.commit.stats();
        raise(&self.metrics.commit_groups, stats.groups());
        raise(&self.metrics.commit_writes, stats.writes());
        raise(&self.metrics.commit_bytes, stats.bytes());
        self.last = Some(usage);
    }
}

/// Brings a counter up to a sum that somebody else keeps.
fn raise(counter: &Counter, sum: u64) {
    counter.add(sum.saturating_sub(counter.get()));
}

impl Actor for JournalKeeper {
    type Message = KeeperMessage;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        ctx.schedule(Duration::from_millis(100), KeeperMessage::Round);
        Ok(())
    }

    fn handle(&mut self, message: KeeperMessage, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            KeeperMessage::Round => {
                let (storage, now) = (Arc::clone(&self.storage), self.clock.wall());
                let round = self.pool.run(move || Ok((storage.maintain(now)?, storage.usage()?)));
                ctx.pipe(async move {
                    match round.await {
                        Ok(result) => KeeperMessage::Done(result),
                        Err(error) => KeeperMessage::Lost(error.to_string()),
                    }
                });
                return Ok(());
            }
            KeeperMessage::Done(Ok((report, usage))) => {
                if report.more {
                    ctx.tell_myself(KeeperMessage::Round);
                    self.show(&report, usage);
                    return Ok(());
                }
                self.show(&report, usage);
            }
            KeeperMessage::Done(Err(error)) => tracing::error!(%error, "storage could not be tidied"),
            KeeperMessage::Lost(error) => return Err(error.into()),
        }
        ctx.schedule(EVERY, KeeperMessage::Round);
        Ok(())
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        let Some(usage) = &self.last else { return Vec::new() };
        vec![
            ("generations", usage.generations.len().to_string()),
            ("disk_free", usage.disk.map_or_else(String::new, |disk| disk.free.to_string())),
            ("disk_full", usage.disk_full.to_string()),
        ]
    }
}
