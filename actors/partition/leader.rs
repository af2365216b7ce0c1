//! The actor around one partition's leader machine: receives, calls the machine once, performs the effects.

mod appending;
mod context;
mod office;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard_model::{JournalWrite, StateFamily, Tick, TopicPartition};
use callboard_partition::{self as machine, Effect, Leader, ListAnswer, Now, WriteError};
use callboard_runtime::{Actor, Context, Failure};
use callboard_storage::{CommitError, StorageError, Ticket};

pub(crate) use context::{Identity, LeaderContext, Role};
use office::{BARRIER, LIFE_SHIFT};

use super::lookup::{Found, LookupError, Search};
use super::message::{Fetch, PartitionMessage, Waiter};
use super::packing::Line;

/// Messages kept while the log is being read back; later ones are refused with a retriable error.
const STASH_MAX: usize = 10_000;
/// Index entries looked at in one retention round.
const RETENTION_ENTRIES: usize = 4096;

enum State {
    /// The log is being read; messages wait.
    Recovering(Vec<PartitionMessage>),
    /// In office.
    Leading(Box<Leader<Waiter>>),
    /// The log cannot be read: everyone is told so, and it is tried again now and then.
    Offline(String),
}

/// One partition's leader.
pub(crate) struct PartitionLeader {
    shared: Arc<LeaderContext>,
    identity: Identity,
    state: State,
    effects: Vec<Effect<Waiter>>,
    /// Tells this life's commits from those of earlier ones.
    life: u64,
    /// Bytes of tail last counted in the node's sum.
    tail_counted: usize,
    /// The moment for which an `Expire` is already under way.
    expire_at: Option<Tick>,
    /// Appends behind one that is being packed anew.
    line: Line,
}

impl PartitionLeader {
    /// A leader that has yet to read its log.
    pub(crate) fn new(shared: Arc<LeaderContext>, identity: Identity) -> Self {
        Self {
            shared,
            identity,
            state: State::Recovering(Vec::new()),
            effects: Vec::new(),
            life: 0,
            tail_counted: 0,
            expire_at: None,
            line: Line::default(),
        }
    }

    fn now(&self) -> Now {
        self.shared.clock.now()
    }

    fn lead(
        &mut self,
        ctx: &mut Context<Self>,
        act: impl FnOnce(&mut Leader<Waiter>, Now, &mut Vec<Effect<Waiter>>),
    ) -> Result<(), Failure> {
        let now = self.now();
        if let State::Leading(leader) = &mut self.state {
            act(leader, now, &mut self.effects);
            self.perform(ctx)?;
        }
        Ok(())
    }

    /// Performs the machine's effects in order.
    fn perform(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let mut rebuild = None;
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Write { ticket, durability, writes } => self.shared.commit.submit(
                    JournalWrite { log: self.identity.log, durability, writes },
                    Ticket { route: 0, log: self.identity.log, seq: self.seq(ticket.0) },
                ),
                Effect::Produced { waiter: Waiter::Produce(slot), result } => slot.answer(result),
                Effect::Fetched { waiter: Waiter::Fetch(slot), result } => slot.answer(result),
                Effect::Deleted { waiter: Waiter::Delete(reply), result } => reply.send(result),
                Effect::Produced { waiter: Waiter::Internal(reply), result } => reply.send(result),
                Effect::Settled { waiter: Waiter::Settle(reply), result } => reply.send(result),
                Effect::Replaced { waiter: Waiter::Replace(reply), result } => reply.send(result),
                Effect::Produced { .. }
                | Effect::Fetched { .. }
                | Effect::Deleted { .. }
                | Effect::Replaced { .. }
                | Effect::Settled { .. } => {
                    return Err("an answer came for a waiter of another kind".into());
                }
                Effect::Rebuild { reason } => rebuild = Some(reason),
            }
        }
        self.effects = effects; // keeps its room
        if let Some(reason) = rebuild {
            tracing::warn!(partition = %self.name(), reason, "the log is read again");
            self.begin_recovery(ctx);
            return Ok(());
        }
        self.after_effects(ctx);
        Ok(())
    }

    fn after_effects(&mut self, ctx: &mut Context<Self>) {
        let now = self.now().tick;
        let State::Leading(leader) = &mut self.state else { return };
        // The newest batches of all partitions share one bound; beyond it whoever does something gives up its own oldest.
        // Not only who grows: what is not durable yet has to stay, and goes when it is.
        let others = self.shared.tail_bytes.load(Ordering::Relaxed).saturating_sub(self.tail_counted);
        leader.shrink_tail(self.shared.tail_limit.saturating_sub(others), now);
        let tail = leader.tail_bytes();
        let deadline = leader.next_deadline();
        self.count_tail(tail);
        if let Some(deadline) = deadline
            && self.expire_at.is_none_or(|at| deadline < at)
        {
            self.expire_at = Some(deadline);
            let delay = deadline.since(self.now().tick).max(Duration::from_millis(1));
            ctx.schedule(delay, PartitionMessage::Expire);
        }
    }

    fn count_tail(&mut self, tail: usize) {
        if tail > self.tail_counted {
            self.shared.tail_bytes.fetch_add(tail - self.tail_counted, Ordering::Relaxed);
        } else if tail < self.tail_counted {
            self.shared.tail_bytes.fetch_sub(self.tail_counted - tail, Ordering::Relaxed);
        }
        self.tail_counted = tail;
    }

    fn fetch(&mut self, fetch: Fetch, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let fetch = machine::Fetch {
            key: fetch.slot.key(),
            waiter: Waiter::Fetch(fetch.slot),
            offset: fetch.offset,
            current_leader_epoch: fetch.current_leader_epoch,
            last_fetched_epoch: fetch.last_fetched_epoch,
            isolation: fetch.isolation,
            max_bytes: fetch.max_bytes,
            min_one: true,
            wait: fetch.wait,
        };
        self.lead(ctx, |leader, now, effects| leader.fetch(fetch, now, effects))
    }

    fn committed(&mut self, seq: u64, result: Result<(), CommitError>, ctx: &mut Context<Self>) -> Result<(), Failure> {
        if seq >> LIFE_SHIFT != self.life {
            return Ok(()); // asked for in an earlier life
        }
        let ticket = seq & BARRIER;
        if ticket == BARRIER {
            self.read_log(ctx);
            return Ok(());
        }
        let ticket = machine::Ticket(ticket);
        self.lead(ctx, |leader, _, effects| match result {
            Ok(()) => leader.written(ticket, effects),
            Err(CommitError::Refused(StorageError::DiskFull { .. } | StorageError::MemoryFull { .. })) => {
                leader.write_failed(ticket, WriteError::Full, effects);
            }
            Err(error) => leader.write_failed(ticket, WriteError::Failed(error.to_string()), effects),
        })
    }

    fn list_offset(
        &mut self,
        query: machine::ListOffset,
        reply: callboard_runtime::Reply<Result<Found, LookupError>>,
        ctx: &mut Context<Self>,
    ) {
        let State::Leading(leader) = &self.state else { return };
        let search =
            |from, until| Search { storage: Arc::clone(&self.shared.storage), log: self.identity.log, from, until };
        let found = match leader.list_offset(query) {
            Ok(ListAnswer::Found { offset, timestamp, leader_epoch }) => Ok(Found { offset, timestamp, leader_epoch }),
            Ok(ListAnswer::NotFound) => Ok(Found::NOTHING),
            Ok(ListAnswer::SearchTime { from, until, timestamp, .. }) => {
                let search = search(from, until);
                return self.search(reply, ctx, move || search.by_time(timestamp));
            }
            Ok(ListAnswer::SearchMax { from, until, .. }) => {
                let search = search(from, until);
                return self.search(reply, ctx, move || search.by_largest_time());
            }
            Err(error) => Err(error.into()),
        };
        reply.send(found);
    }

    fn search(
        &self,
        reply: callboard_runtime::Reply<Result<Found, LookupError>>,
        ctx: &mut Context<Self>,
        job: impl FnOnce() -> Result<Found, LookupError> + Send + 'static,
    ) {
        let searching = self.shared.pool.run(job);
        ctx.spawn(async move { reply.send(searching.await.unwrap_or(Err(LookupError::Unavailable))) });
    }

    fn tick(&mut self, tail_share: usize, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let mut query = None;
        self.lead(ctx, |leader, now, effects| {
            leader.expire(now, effects);
            leader.shrink_tail(tail_share, now.tick);
            query = leader.retention_query(now);
        })?;
        if let Some(query) = query {
            let (storage, log) = (Arc::clone(&self.shared.storage), self.identity.log);
            let partition = self.name();
            let from_key = query.from_key.clone();
            let reading = self
                .shared
                .pool
                .run(move || storage.state_range(log, StateFamily::Index, &from_key, RETENTION_ENTRIES));
            ctx.pipe(async move {
                let entries = match reading.await {
                    Ok(Ok(entries)) => entries,
                    Ok(Err(error)) => {
                        tracing::warn!(%partition, %error, "retention could not read the index");
                        Vec::new()
                    }
                    Err(_) => Vec::new(), // the node is stopping
                };
                PartitionMessage::IndexEntries(query, entries)
            });
        }
        Ok(())
    }

    fn name(&self) -> TopicPartition {
        TopicPartition { topic: self.identity.topic.clone(), partition: self.identity.partition }
    }
}

impl Actor for PartitionLeader {
    type Message = PartitionMessage;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        self.begin_recovery(ctx);
        Ok(())
    }

    fn handle(&mut self, message: PartitionMessage, ctx: &mut Context<Self>) -> Result<(), Failure> {
        if let State::Recovering(stash) = &mut self.state {
            match message {
                PartitionMessage::Recovered(Ok(recovered)) => return self.take_office(*recovered, ctx),
                PartitionMessage::Recovered(Err(reason)) => return self.go_offline(reason, ctx),
                PartitionMessage::Committed { seq, result } => return self.committed(seq, result, ctx),
                // What it was for has gone with the state; the next deadline needs one of its own.
                PartitionMessage::Expire => self.expire_at = None,
                PartitionMessage::Tick { .. }
                | PartitionMessage::Retry
                | PartitionMessage::IndexEntries(..)
                // Whoever compacts asks again.
                | PartitionMessage::Dirtiness(_)
                | PartitionMessage::Candidate(_)
                | PartitionMessage::Replace { .. }
                | PartitionMessage::Compacted(_) => {}
                PartitionMessage::Packed { number, ready } => self.line.packed(number, ready),
                // Asked for again from the image when the leader takes office.
                PartitionMessage::Configure(_) => {}
                message if stash.len() < STASH_MAX => stash.push(message),
                refused => drop(refused), // whose waiter answers with a retriable error
            }
            return Ok(());
        }
        if let State::Offline(_) = self.state {
            self.refuse(message, ctx);
            return Ok(());
        }
        match message {
            PartitionMessage::Append(append) => self.append(append, ctx),
            PartitionMessage::Packed { number, ready } => {
                self.line.packed(number, ready);
                self.append_ready(ctx)
            }
            PartitionMessage::AppendInternal(append) => self.append_internal(append, ctx),
            PartitionMessage::Settle(reply) => {
                self.lead(ctx, |leader, _, effects| leader.settle(Waiter::Settle(reply), effects))
            }
            PartitionMessage::Fetch(fetch) => self.fetch(fetch, ctx),
            PartitionMessage::Committed { seq, result } => self.committed(seq, result, ctx),
            PartitionMessage::ListOffset { query, reply } => {
                self.list_offset(query, reply, ctx);
                Ok(())
            }
            PartitionMessage::EpochEnd { current, wanted, reply } => {
                self.lead(ctx, |leader, _, _| reply.send(leader.end_offset_for_epoch(current, wanted)))
            }
            PartitionMessage::DeleteRecords { before, reply } => {
                self.lead(ctx, |leader, _, effects| leader.delete_records(before, Waiter::Delete(reply), effects))
            }
            PartitionMessage::Configure(config) => {
                self.lead(ctx, |leader, _, effects| leader.configure(*config, effects))
            }
            PartitionMessage::Tick { tail_share } => self.tick(tail_share, ctx),
            PartitionMessage::IndexEntries(query, entries) => {
                let mut applied = Ok(());
                self.lead(ctx, |leader, now, effects| {
                    applied = leader.apply_retention(&query, &entries, now, effects);
                })?;
                Ok(applied?)
            }
            PartitionMessage::Dirtiness(reply) => self.lead(ctx, |leader, _, _| reply.send(leader.dirtiness())),
            PartitionMessage::Candidate(reply) => {
                self.lead(ctx, |leader, _, _| reply.send(leader.compaction_candidate()))
            }
            PartitionMessage::Replace { chunk, reply } => {
                self.lead(ctx, |leader, _, effects| leader.replace_slices(*chunk, Waiter::Replace(reply), effects))
            }
            PartitionMessage::Compacted(round) => self.lead(ctx, |leader, _, effects| leader.compacted(round, effects)),
            PartitionMessage::Expire => {
                self.expire_at = None;
                self.lead(ctx, |leader, now, effects| leader.expire(now, effects))
            }
            PartitionMessage::Inspect(reply) => self.lead(ctx, |leader, _, _| reply.send(leader.snapshot())),
            PartitionMessage::Producers(reply) => self.lead(ctx, |leader, _, _| reply.send(leader.active_producers())),
            PartitionMessage::Retry | PartitionMessage::Recovered(_) => Ok(()), // of a reading that a rebuild made void
        }
    }

    fn stopped(&mut self) {
        self.count_tail(0);
        self.shared.directory.leave(self.identity.log);
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        match &self.state {
            State::Offline(reason) => vec![("role", "offline".into()), ("reason", reason.clone())],
            State::Recovering(stash) => vec![("role", "recovering".into()), ("waiting", stash.len().to_string())],
            State::Leading(leader) => {
                let s = leader.snapshot();
                vec![
                    ("role", "leader".into()),
                    ("epoch", s.epoch.to_string()),
                    ("log_start", s.start.to_string()),
                    ("high_watermark", s.high_watermark.to_string()),
                    ("log_end", s.end.to_string()),
                    ("tail_bytes", s.tail_bytes.to_string()),
                ]
            }
        }
    }
}

impl Drop for PartitionLeader {
    fn drop(&mut self) {
        // A leader that panicked is dropped without being stopped; its share of the tail cache goes with it.
        self.count_tail(0);
    }
}
