//! From one generation to the next, and the timers on the way.

use callboard_model::ErrorCode;

use super::{ClassicGroup, InitialDelay};
use crate::context::Context;
use crate::member::{Fired, Member};
use crate::{GroupState, MemberId, Timer};

impl ClassicGroup {
    /// Begins a rebalance, or goes on with the one that is being prepared.
    pub(super) fn rebalance_or_complete(&mut self, cause: &'static str, ctx: &mut Context<'_>) {
        if self.state == GroupState::PreparingRebalance {
            self.complete_join_if_ready(ctx);
        } else {
            self.prepare_rebalance(cause, ctx);
        }
    }

    /// Has everybody join again. An empty group waits for further members first (KIP-134).
    pub(super) fn prepare_rebalance(&mut self, cause: &'static str, ctx: &mut Context<'_>) {
        if self.state == GroupState::CompletingRebalance {
            self.give_up_syncs(ErrorCode::RebalanceInProgress, ctx);
        }
        self.unsynced.clear();
        self.stop_sync_timer(ctx);
        self.cause = cause;
        self.was_empty = self.state == GroupState::Empty;
        self.enter(GroupState::PreparingRebalance, ctx);
        if self.was_empty {
            let delay = ctx.config.initial_rebalance_delay;
            let remaining = self.rebalance_timeout().saturating_sub(delay);
            self.initial = Some(InitialDelay { delay, remaining, grown: false });
            self.start_join_timer(delay, ctx);
        } else if self.all_joined() {
            self.complete_join(ctx);
        } else {
            self.start_join_timer(self.rebalance_timeout(), ctx);
        }
    }

    /// Takes all assignments back, and tells those who wait for theirs.
    pub(super) fn give_up_syncs(&mut self, error: ErrorCode, ctx: &mut Context<'_>) {
        let mut told = Vec::new();
        for (id, member) in &mut self.members {
            member.assignment = bytes::Bytes::new();
            if let Some(caller) = member.syncing.take() {
                ctx.refuse_sync(caller, error);
                told.push(id.clone());
            }
        }
        told.iter().for_each(|id| self.keep_alive(id, ctx));
    }

    /// The next generation begins if everybody is there, unless more may come to a group that was empty.
    pub(super) fn complete_join_if_ready(&mut self, ctx: &mut Context<'_>) {
        if self.state == GroupState::PreparingRebalance && !self.was_empty && self.all_joined() {
            self.complete_join(ctx);
        }
    }

    /// The join timer has fired.
    pub(crate) fn join_time_is_up(&mut self, ctx: &mut Context<'_>) {
        match self.join_due {
            None => return,
            Some(due) if ctx.now.tick < due => {
                return ctx.start(Timer::Join(self.id.clone()), due.since(ctx.now.tick));
            }
            Some(_) => self.join_due = None,
        }
        if self.state != GroupState::PreparingRebalance {
            return;
        }
        match &mut self.initial {
            Some(initial) if initial.grown && !initial.remaining.is_zero() => {
                let delay = ctx.config.initial_rebalance_delay.min(initial.remaining);
                let remaining = initial.remaining.saturating_sub(initial.delay);
                *initial = InitialDelay { delay, remaining, grown: false };
                self.start_join_timer(delay, ctx);
            }
            _ => self.complete_join(ctx),
        }
    }

    /// Whoever has not joined is out, but for static members; the next generation begins.
    fn complete_join(&mut self, ctx: &mut Context<'_>) {
        self.initial = None;
        self.stop_join_timer(ctx);
        let is_late = |(_, member): &(&MemberId, &Member)| member.joining.is_none() && member.instance.is_none();
        let late: Vec<_> = self.members.iter().filter(is_late).map(|(id, _)| id.clone()).collect();
        late.iter().for_each(|id| self.remove(id, ctx));
        let leader_joined = self
            .leader
            .as_ref()
            .and_then(|leader| self.members.get(leader))
            .is_some_and(|leader| leader.joining.is_some());
        if !leader_joined {
            let joined = self.members.iter().find(|(_, member)| member.joining.is_some());
            match joined.map(|(id, _)| id.clone()) {
                Some(id) => self.leader = Some(id),
                // Static members alone, and none is back: until their sessions end.
                None if !self.members.is_empty() => return self.start_join_timer(self.rebalance_timeout(), ctx),
                None => self.leader = None,
            }
        }
        // Clients take a negative generation for none.
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.unsynced.clear();
        self.was_empty = false;
        self.protocol = self.select_protocol();
        self.read_subscriptions();
        if self.members.is_empty() {
            self.enter(GroupState::Empty, ctx);
            ctx.record(self.record());
        } else {
            self.enter(GroupState::CompletingRebalance, ctx);
            self.tell_places(ctx);
        }
    }

    fn tell_places(&mut self, ctx: &mut Context<'_>) {
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let place = self.place_of(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            if let Some(caller) = member.joining.take() {
                self.joining -= 1;
                ctx.joined(caller, place);
            }
            self.keep_alive(&id, ctx);
            self.unsynced.insert(id);
        }
        let timeout = self.rebalance_timeout();
        self.sync_due = Some(ctx.now.tick.after(timeout));
        ctx.start(Timer::Sync(self.id.clone()), timeout);
    }

    /// The sync timer has fired: whoever has not asked for its assignment by now is out.
    pub(crate) fn sync_time_is_up(&mut self, ctx: &mut Context<'_>) {
        match self.sync_due {
            None => return,
            Some(due) if ctx.now.tick < due => {
                return ctx.start(Timer::Sync(self.id.clone()), due.since(ctx.now.tick));
            }
            Some(_) => self.sync_due = None,
        }
        let is_after_join = matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable);
        if !is_after_join || self.unsynced.is_empty() {
            return;
        }
        std::mem::take(&mut self.unsynced).iter().for_each(|id| self.remove(id, ctx));
        self.prepare_rebalance("a member did not ask for its assignment", ctx);
    }

    /// A member's session timer has fired.
    pub(crate) fn session_time_is_up(&mut self, id: &MemberId, ctx: &mut Context<'_>) {
        let session = match self.members.get_mut(id) {
            Some(member) => &mut member.session,
            None => match self.pending.get_mut(id) {
                Some(session) => session,
                None => return,
            },
        };
        if let Fired::Later(after) = session.fired(ctx.now.tick) {
            return ctx.start(Timer::Session(self.id.clone(), id.clone()), after);
        }
        if self.members.get(id).is_some_and(|member| member.is_waiting()) {
            // Its session begins anew with our answer.
            return;
        }
        let was_member = self.members.contains_key(id);
        self.remove(id, ctx);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance if was_member => {
                self.prepare_rebalance("a member was silent", ctx);
            }
            GroupState::PreparingRebalance if self.all_joined() => self.complete_join(ctx),
            _ => {}
        }
    }

    fn start_join_timer(&mut self, after: std::time::Duration, ctx: &mut Context<'_>) {
        self.join_due = Some(ctx.now.tick.after(after));
        ctx.start(Timer::Join(self.id.clone()), after);
    }

    fn stop_join_timer(&mut self, ctx: &mut Context<'_>) {
        if self.join_due.take().is_some() {
            ctx.cancel(Timer::Join(self.id.clone()));
        }
    }

    pub(super) fn stop_sync_timer(&mut self, ctx: &mut Context<'_>) {
        if self.sync_due.take().is_some() {
            ctx.cancel(Timer::Sync(self.id.clone()));
        }
    }
}
