//! The leader of one partition: its positions, its waiters, its writes in flight.

use std::collections::VecDeque;
use std::time::Duration;

use callboard_model::{Durability, FlushMode, LeaderEpoch, LogConfig, LogId, LogWrite, Offset, Tick, Timestamp};

use crate::compaction::Replacing;
use crate::delayed::{DelayedDelete, DelayedFetches, DelayedProduce, DelayedProduces};
use crate::effect::{Effect, Produced, Settled, Ticket, Watermarks};
use crate::epoch_history::EpochHistory;
use crate::error::{DeleteError, EpochError, ProduceError, SettleError, WriteError};
use crate::invariant;
use crate::producer_state::ProducerStates;
use crate::recovery::{RecoverError, Recovered, Replayed, replay};
use crate::replica_set::ReplicaSet;
use crate::slices::Slices;
use crate::tail::Tail;

/// A reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For waiting.
    pub tick: Tick,
    /// For records.
    pub wall: Timestamp,
}

/// Bounds that hold for all partitions of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionLimits {
    /// `producer.id.expiration.check.interval.ms`: the shortest time between two looks for such producers.
    pub producer_check: Duration,
}

impl Default for PartitionLimits {
    /// Kafka's defaults.
    fn default() -> Self {
        Self { producer_check: Duration::from_secs(10 * 60) }
    }
}

/// Whether this machine may still decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Leading,
    /// Another replica leads.
    Resigned,
    /// A write failed: reading goes on, appending does not (R26).
    Failed(WriteError),
}

/// A write that the journal has not reported yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) ticket: Ticket,
    /// The log's end once it is done.
    pub(crate) end: Offset,
    /// Reported, but one before it is not yet.
    pub(crate) done: bool,
}

/// How long the newest batches stay after somebody asked for them.
const TAIL_KEPT: Duration = Duration::from_secs(30);

/// The leader machine of one partition. `W` is the shell's reply handle.
#[derive(Debug)]
pub struct Leader<W> {
    pub(crate) log: LogId,
    pub(crate) epoch: LeaderEpoch,
    /// Where this leadership began (LESO).
    pub(crate) epoch_start: Offset,
    pub(crate) config: LogConfig,
    pub(crate) standing: Standing,
    pub(crate) start: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) end: Offset,
    pub(crate) replicas: ReplicaSet,
    pub(crate) history: EpochHistory,
    pub(crate) producers: ProducerStates,
    pub(crate) slices: Slices,
    pub(crate) tail: Tail,
    /// When somebody last asked for the newest batches, or for what comes next.
    pub(crate) tail_read_at: Option<Tick>,
    pub(crate) next_ticket: u64,
    pub(crate) in_flight: VecDeque<InFlight>,
    /// The write that moves the log's start, while it is in flight.
    pub(crate) start_ticket: Option<Ticket>,
    /// Produces that wait for our own disk (acks=1).
    pub(crate) leader_acks: DelayedProduces<W>,
    /// Produces that wait for the high watermark (acks=all).
    pub(crate) all_acks: DelayedProduces<W>,
    pub(crate) fetches: DelayedFetches<W>,
    pub(crate) deletes: VecDeque<DelayedDelete<W>>,
    /// Who waits until the log is committed up to where it ended when they asked.
    pub(crate) settling: VecDeque<(Offset, W)>,
    /// The chunk of survivors that is being written.
    pub(crate) replacing: Option<Replacing<W>>,
    /// Counts the changes that compaction makes to stored index entries.
    pub(crate) index_version: u64,
}

/// A leader's numbers, for metrics and for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderSnapshot {
    /// The leadership's epoch.
    pub epoch: LeaderEpoch,
    /// First readable offset.
    pub start: Offset,
    /// End of what consumers see.
    pub high_watermark: Offset,
    /// End of what read-committed consumers see.
    pub last_stable: Offset,
    /// One past the last record appended.
    pub end: Offset,
    /// Bytes of the log, counting its oldest slice whole.
    pub size_bytes: u64,
    /// Idempotent producers remembered.
    pub producers: usize,
    /// Fetches that wait.
    pub delayed_fetches: usize,
    /// Produces that wait.
    pub delayed_produces: usize,
    /// Bytes of batches in memory.
    pub tail_bytes: usize,
    /// Writes that the journal has not reported yet.
    pub in_flight: usize,
}

impl<W> Leader<W> {
    /// Begins a leadership on what storage holds, and writes the epoch's start at once, records or not (R1).
    ///
    /// All that storage holds counts as durable. Errors if it contradicts itself; then nothing may be served.
    pub fn begin(
        log: LogId,
        recovered: Recovered,
        epoch: LeaderEpoch,
        config: LogConfig,
        limits: PartitionLimits,
        now: Now,
        effects: &mut Vec<Effect<W>>,
    ) -> Result<Self, RecoverError> {
        let Replayed { history, producers, slices, writes } = replay(log, &recovered, epoch, &config, &limits, now)?;
        let Recovered { start, end, .. } = recovered;
        let mut leader = Self {
            log,
            epoch,
            epoch_start: end,
            config,
            standing: Standing::Leading,
            start,
            high_watermark: end,
            end,
            replicas: ReplicaSet::alone(end),
            history,
            producers,
            slices,
            tail: Tail::default(),
            tail_read_at: None,
            next_ticket: 0,
            in_flight: VecDeque::new(),
            start_ticket: None,
            leader_acks: DelayedProduces::new(),
            all_acks: DelayedProduces::new(),
            fetches: DelayedFetches::new(),
            deletes: VecDeque::new(),
            settling: VecDeque::new(),
            replacing: None,
            index_version: 0,
        };
        if !writes.is_empty() {
            leader.write(leader.durability(), writes, effects);
        }
        leader.debug_check();
        Ok(leader)
    }

    /// The log it leads.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// The leadership's epoch.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// What it is held to.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Notes that the journal has done a write. One that overtook an earlier write (a write that needs no sync can)
    /// counts once that is done too. A write that was never asked for, or reported before, means that machine and
    /// journal disagree, and asks for a rebuild.
    pub fn written(&mut self, ticket: Ticket, effects: &mut Vec<Effect<W>>) {
        if self.standing != Standing::Leading {
            return;
        }
        let oldest = self.next_ticket - self.in_flight.len() as u64;
        let place = ticket.0.checked_sub(oldest).and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.in_flight.get_mut(place)).filter(|write| !write.done) {
            Some(write) => write.done = true,
            None => {
                let reason = format!("the journal reported write {}, which is not in flight", ticket.0);
                return self.fail(WriteError::Failed(reason), effects);
            }
        }
        while self.in_flight.front().is_some_and(|oldest| oldest.done) {
            if let Some(done) = self.in_flight.pop_front() {
                self.finish(done, effects);
            }
        }
        self.advance(effects);
        self.debug_check();
    }

    fn finish(&mut self, done: InFlight, effects: &mut Vec<Effect<W>>) {
        self.replicas.advance_own(done.end);
        self.start_ticket = self.start_ticket.filter(|start| *start > done.ticket);
        self.replaced(done.ticket, effects);
        while self.deletes.front().is_some_and(|delete| delete.ticket <= done.ticket) {
            if let Some(DelayedDelete { waiter, .. }) = self.deletes.pop_front() {
                effects.push(Effect::Deleted { waiter, result: Ok(self.start) });
            }
        }
    }

    /// Notes that the journal did not do a write. What is in memory is ahead of storage now, so this machine ends:
    /// all writes in flight count as failed, every waiter is answered, nothing more is appended (R26).
    pub fn write_failed(&mut self, ticket: Ticket, error: WriteError, effects: &mut Vec<Effect<W>>) {
        if self.standing != Standing::Leading || !self.in_flight.iter().any(|write| write.ticket == ticket) {
            return;
        }
        if self.replace_failed(ticket, error.clone(), effects) {
            return self.written(ticket, effects);
        }
        self.fail(error, effects);
    }

    fn fail(&mut self, error: WriteError, effects: &mut Vec<Effect<W>>) {
        self.standing = Standing::Failed(error.clone());
        self.refuse_writers(error.clone().into(), error.clone().into(), error.clone().into(), effects);
        // What is below the high watermark stays true: readers get that instead of an error.
        for fetch in self.fetches.take_all() {
            self.answer_fetch(fetch, effects);
        }
        effects.push(Effect::Rebuild { reason: format!("a write to log {} failed: {error}", self.log) });
        self.debug_check();
    }

    /// Ends the leadership: every waiter is sent to look for the new leader.
    pub fn resign(&mut self, effects: &mut Vec<Effect<W>>) {
        self.standing = Standing::Resigned;
        self.refuse_writers(ProduceError::NotLeader, DeleteError::NotLeader, SettleError::NotLeader, effects);
        for fetch in self.fetches.take_all() {
            self.answer_fetch(fetch, effects);
        }
        self.debug_check();
    }

    fn refuse_writers(
        &mut self,
        produce: ProduceError,
        delete: DeleteError,
        settle: SettleError,
        effects: &mut Vec<Effect<W>>,
    ) {
        for DelayedProduce { waiter, .. } in self.leader_acks.take_all().chain(self.all_acks.take_all()) {
            effects.push(Effect::Produced { waiter, result: Err(produce.clone()) });
        }
        for DelayedDelete { waiter, .. } in self.deletes.drain(..) {
            effects.push(Effect::Deleted { waiter, result: Err(delete.clone()) });
        }
        for (_, waiter) in self.settling.drain(..) {
            effects.push(Effect::Settled { waiter, result: Err(settle.clone()) });
        }
        self.refuse_replacing(effects);
        self.in_flight.clear();
        self.start_ticket = None;
    }

    /// Answers once everything that is appended by now is committed: from then on a reader who goes as far as the
    /// answer's end has seen all that was under way before the question, and none of it can be lost any more.
    pub fn settle(&mut self, waiter: W, effects: &mut Vec<Effect<W>>) {
        let refusal = match &self.standing {
            Standing::Leading => {
                self.settling.push_back((self.end, waiter));
                return self.answer_settled(effects);
            }
            Standing::Resigned => SettleError::NotLeader,
            Standing::Failed(error) => SettleError::Storage(error.clone()),
        };
        effects.push(Effect::Settled { waiter, result: Err(refusal) });
    }

    fn answer_settled(&mut self, effects: &mut Vec<Effect<W>>) {
        while self.settling.front().is_some_and(|(end, _)| *end <= self.high_watermark) {
            let Some((end, waiter)) = self.settling.pop_front() else { return };
            let (start, epoch, max_message_bytes) = (self.start, self.epoch, self.config.max_message_bytes);
            effects.push(Effect::Settled { waiter, result: Ok(Settled { start, end, epoch, max_message_bytes }) });
        }
    }

    /// Takes other settings for the topic. A lower `min.insync.replicas` may commit what waited for it.
    pub fn configure(&mut self, config: LogConfig, effects: &mut Vec<Effect<W>>) {
        self.producers.set_expiration(config.producer_expiration);
        self.config = config;
        if self.standing == Standing::Leading {
            self.advance(effects);
        }
        self.debug_check();
    }

    /// Does what time asks for: answers produces and fetches whose wait is over, closes a slice that is old enough,
    /// forgets producers not seen for long.
    pub fn expire(&mut self, now: Now, effects: &mut Vec<Effect<W>>) {
        for acks in [&mut self.leader_acks, &mut self.all_acks] {
            for DelayedProduce { waiter, .. } in acks.take_expired(now.tick) {
                effects.push(Effect::Produced { waiter, result: Err(ProduceError::TimedOut) });
            }
        }
        for fetch in self.fetches.take_expired(now.tick) {
            self.answer_fetch(fetch, effects);
        }
        if self.standing == Standing::Leading {
            let mut writes = Vec::new();
            let is_due = |deadline: Option<Tick>| deadline.is_some_and(|deadline| deadline <= now.tick);
            let mut close = is_due(self.slices.close_deadline(&self.config));
            if is_due(self.producers.next_check()) {
                close |= self.producers.expire(now, &mut writes);
            }
            if close {
                self.close_slice(&mut writes);
            }
            if !writes.is_empty() {
                // Recovery finds the same without it, from more headers; so nothing has to be synced.
                self.write(Durability::Written, writes, effects);
            }
        }
        self.debug_check();
    }

    /// When [`Self::expire`] has something to do; may be early, never late.
    pub fn next_deadline(&self) -> Option<Tick> {
        let leading = self.standing == Standing::Leading;
        let kept = [self.slices.close_deadline(&self.config), self.producers.next_check()];
        let waited = [self.leader_acks.earliest(), self.all_acks.earliest(), self.fetches.earliest()];
        waited.into_iter().chain(kept.into_iter().filter(|_| leading)).flatten().min()
    }

    /// Bytes of batches in memory.
    pub fn tail_bytes(&self) -> usize {
        self.tail.bytes()
    }

    /// Drops the oldest batches from memory until they fit into `room` bytes; all of them where nobody has read at the log's
    /// end lately: what a producer sends next can be received where they were, while that is warm. Those not yet written stay.
    pub fn shrink_tail(&mut self, room: usize, now: Tick) {
        let is_read = self.tail_read_at.is_some_and(|at| now.since(at) < TAIL_KEPT);
        let room = if is_read { room } else { 0 };
        if self.tail.bytes() > room {
            self.tail.shrink(room, self.replicas.own_durable_end());
            self.debug_check();
        }
    }

    /// Its numbers now.
    pub fn snapshot(&self) -> LeaderSnapshot {
        LeaderSnapshot {
            epoch: self.epoch,
            start: self.start,
            high_watermark: self.high_watermark,
            last_stable: self.marks().last_stable,
            end: self.end,
            size_bytes: self.slices.bytes(),
            producers: self.producers.by_id().len(),
            delayed_fetches: self.fetches.len(),
            delayed_produces: self.leader_acks.len() + self.all_acks.len(),
            tail_bytes: self.tail.bytes(),
            in_flight: self.in_flight.len(),
        }
    }

    /// The positions, read together (R9). Without transactions all that is committed is stable (R30).
    pub(crate) fn marks(&self) -> Watermarks {
        Watermarks { high_watermark: self.high_watermark, last_stable: self.high_watermark, log_start: self.start }
    }

    /// Leadership first, then the caller's epoch (R10, KAFKA-14078).
    pub(crate) fn check_epoch(&self, given: Option<LeaderEpoch>) -> Result<(), EpochError> {
        let current = self.epoch;
        match given.filter(|given| given.is_known()) {
            _ if self.standing == Standing::Resigned => Err(EpochError::NotLeader),
            Some(given) if given < current => Err(EpochError::Fenced { given, current }),
            Some(given) if given > current => Err(EpochError::Unknown { given, current }),
            _ => Ok(()),
        }
    }

    /// How the topic wants its appends written.
    pub(crate) fn durability(&self) -> Durability {
        match self.config.flush_mode {
            FlushMode::Sync => Durability::Synced,
            FlushMode::Async => Durability::Written,
        }
    }

    /// Asks for a write; the log's end is already moved.
    pub(crate) fn write(
        &mut self,
        durability: Durability,
        writes: Vec<LogWrite>,
        effects: &mut Vec<Effect<W>>,
    ) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.in_flight.push_back(InFlight { ticket, end: self.end, done: false });
        effects.push(Effect::Write { ticket, durability, writes });
        ticket
    }

    /// Closes the open slice, and stores the producers that changed in it with it.
    pub(crate) fn close_slice(&mut self, writes: &mut Vec<LogWrite>) {
        if self.slices.close(self.end, writes) {
            self.producers.store(writes);
        }
    }

    /// Raises the high watermark if it may and answers whom that concerns (R2, R4).
    pub(crate) fn advance(&mut self, effects: &mut Vec<Effect<W>>) {
        if let Some(committed) = self.replicas.committed_end(self.config.min_insync_replicas) {
            // A follower not heard of yet counts as lowest, so this may lie below: raise, never lower.
            self.high_watermark = self.high_watermark.max(committed);
        }
        let log_start = self.start;
        let mut answer = |DelayedProduce { waiter, base_offset, log_append_time, .. }: DelayedProduce<W>| {
            effects.push(Effect::Produced { waiter, result: Ok(Produced { base_offset, log_append_time, log_start }) });
        };
        let durable_end = self.replicas.own_durable_end();
        while let Some(produce) = self.leader_acks.pop_reached(durable_end) {
            answer(produce);
        }
        while let Some(produce) = self.all_acks.pop_reached(self.high_watermark) {
            answer(produce);
        }
        while let Some(fetch) = self.fetches.pop_passed(self.high_watermark) {
            self.answer_fetch(fetch, effects);
        }
        self.answer_settled(effects);
    }

    /// The invariants that cost nothing, after every change in debug builds; tests ask for all of them.
    pub(crate) fn debug_check(&self) {
        debug_assert_eq!(invariant::check_positions(self), Ok(()), "log {}", self.log);
    }
}

#[cfg(test)]
mod tests;
