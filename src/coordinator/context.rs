//! What a decision has at hand: the settings, the clocks, and where its effects go.

use std::time::Duration;

use callboard_model::{ErrorCode, GroupConfig};
use callboard_shard::{Caller, Now, Outcome};

use crate::record::stored_size;
use crate::{Groups, JoinGroupReply, MemberId, Record, Reply, SyncGroupReply, Timer};

/// One decision under way.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a GroupConfig,
    pub(crate) now: Now,
    outcome: &'a mut Outcome<Groups>,
    /// Bytes of the batch that are left.
    room: usize,
}

impl<'a> Context<'a> {
    pub(crate) fn new(config: &'a GroupConfig, now: Now, outcome: &'a mut Outcome<Groups>) -> Self {
        let room = outcome.room;
        Self { config, now, outcome, room }
    }

    /// Whether these records fit beside those decided so far.
    pub(crate) fn has_room_for<'r>(&self, records: impl IntoIterator<Item = &'r Record>) -> bool {
        records.into_iter().map(stored_size).sum::<usize>() <= self.room
    }

    /// Appends a record for which there is room.
    pub(crate) fn record(&mut self, record: Record) {
        self.room = self.room.saturating_sub(stored_size(&record));
        self.outcome.record(record);
    }

    /// Appends a record if there is room.
    pub(crate) fn try_record(&mut self, record: Record) -> bool {
        let fits = self.has_room_for([&record]);
        if fits {
            self.record(record);
        }
        fits
    }

    /// Whether anything is to be appended yet. A record that does not fit into an empty batch never will.
    pub(crate) fn has_records(&self) -> bool {
        !self.outcome.records.is_empty()
    }

    pub(crate) fn reply(&mut self, caller: Caller, reply: Reply) {
        self.outcome.reply(caller, reply);
    }

    pub(crate) fn joined(&mut self, caller: Caller, reply: JoinGroupReply) {
        self.reply(caller, Reply::JoinGroup(reply));
    }

    pub(crate) fn refuse_join(&mut self, caller: Caller, member: MemberId, error: ErrorCode) {
        self.joined(caller, JoinGroupReply::refused(member, error));
    }

    pub(crate) fn synced(&mut self, caller: Caller, reply: SyncGroupReply) {
        self.reply(caller, Reply::SyncGroup(reply));
    }

    pub(crate) fn refuse_sync(&mut self, caller: Caller, error: ErrorCode) {
        self.synced(caller, SyncGroupReply::refused(error));
    }

    pub(crate) fn start(&mut self, timer: Timer, after: Duration) {
        self.outcome.start(timer, after);
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.outcome.cancel(timer);
    }
}
