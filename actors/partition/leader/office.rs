//! Taking office: the log is read behind everything that an earlier life left in the committer's queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard_model::{Durability, JournalWrite};
use callboard_partition::{Leader, PartitionLimits, Recovered, WriteError};
use callboard_runtime::{Actor, Context, Failure};
use callboard_storage::Ticket;

use super::{PartitionLeader, State};
use crate::partition::message::{Append, PartitionMessage};
use crate::partition::recovery::recover;

/// How often a partition whose log cannot be read is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// Kafka's: producers that are to be forgotten are looked for every ten minutes.
const LIMITS: PartitionLimits = PartitionLimits { producer_check: Duration::from_secs(10 * 60) };
/// Where the life stands in a commit ticket: the low 40 bits count writes, a trillion of them.
pub(super) const LIFE_SHIFT: u32 = 40;
/// Lives are told apart modulo 2^24; what is in the committer's queue is at most a few lives old.
const LIFE_MASK: u64 = (1 << 24) - 1;
/// The ticket of the barrier that recovery waits for: all 40 bits set, so the machine never reaches it.
pub(super) const BARRIER: u64 = (1 << LIFE_SHIFT) - 1;

impl PartitionLeader {
    /// Reads the log behind everything that an earlier incarnation may still have in the committer's queue.
    pub(super) fn begin_recovery(&mut self, ctx: &mut Context<Self>) {
        self.count_tail(0);
        self.state = State::Recovering(self.take_stash());
        self.life = self.shared.lives.fetch_add(1, Ordering::Relaxed) & LIFE_MASK;
        self.shared.directory.enter(self.identity.log, ctx.myself());
        self.shared.commit.submit(
            JournalWrite { log: self.identity.log, durability: Durability::Synced, writes: Vec::new() },
            Ticket { route: 0, log: self.identity.log, seq: self.seq(BARRIER) },
        );
    }

    pub(super) fn take_stash(&mut self) -> Vec<PartitionMessage> {
        match &mut self.state {
            State::Recovering(stash) => std::mem::take(stash),
            State::Leading(_) | State::Offline(_) => Vec::new(),
        }
    }

    /// One partition that cannot be read must not take its node along.
    pub(super) fn go_offline(&mut self, reason: String, ctx: &mut Context<Self>) -> Result<(), Failure> {
        tracing::error!(partition = %self.name(), reason, "the partition is offline: its log cannot be read");
        let stash = self.take_stash();
        self.line.clear();
        self.state = State::Offline(reason);
        ctx.schedule(RETRY, PartitionMessage::Retry);
        stash.into_iter().try_for_each(|message| self.handle(message, ctx))
    }

    pub(super) fn refuse(&mut self, message: PartitionMessage, ctx: &mut Context<Self>) {
        let State::Offline(reason) = &self.state else { return };
        match message {
            PartitionMessage::Append(Append { slot: Some(slot), .. }) => {
                slot.answer(Err(WriteError::Failed(reason.clone()).into()));
            }
            PartitionMessage::Retry => self.begin_recovery(ctx),
            PartitionMessage::Expire => self.expire_at = None,
            // The other waiters answer by themselves that there is no leader.
            _ => {}
        }
    }

    pub(super) fn seq(&self, ticket: u64) -> u64 {
        (self.life << LIFE_SHIFT) | ticket
    }

    pub(super) fn read_log(&self, ctx: &mut Context<Self>) {
        let (storage, log) = (Arc::clone(&self.shared.storage), self.identity.log);
        let reading = self.shared.pool.run(move || recover(storage.as_ref(), log).map(Box::new));
        ctx.pipe(async move {
            let result = reading.await.unwrap_or_else(|error| Err(error.to_string()));
            PartitionMessage::Recovered(result)
        });
    }

    pub(super) fn take_office(&mut self, recovered: Recovered, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let Some(role) = (self.shared.role)(&self.identity) else {
            // The image gave the partition away meanwhile; the broker stops this actor in a moment.
            return Ok(());
        };
        let stash = self.take_stash();
        let now = self.now();
        let leader =
            Leader::begin(self.identity.log, recovered, role.epoch, role.config, LIMITS, now, &mut self.effects)?;
        self.state = State::Leading(Box::new(leader));
        self.perform(ctx)?;
        // What was being packed came before everything that waited for the log.
        self.append_ready(ctx)?;
        for message in stash {
            self.handle(message, ctx)?;
        }
        Ok(())
    }
}
