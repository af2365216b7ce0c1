//! SyncGroup and Heartbeat: the assignment, and signs of life.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use callboard_model::ErrorCode;
use callboard_shard::Caller;

use super::ClassicGroup;
use crate::context::Context;
use crate::{GroupState, Heartbeat, MemberId, SyncGroup, SyncGroupReply};

impl ClassicGroup {
    /// Decides on a sync: a follower's waits for the leader's.
    pub(crate) fn sync(&mut self, request: SyncGroup, caller: Caller, ctx: &mut Context<'_>) {
        if let Err(error) = self.check_sync(&request) {
            return ctx.refuse_sync(caller, error);
        }
        match self.state {
            GroupState::PreparingRebalance => ctx.refuse_sync(caller, ErrorCode::RebalanceInProgress),
            GroupState::CompletingRebalance => {
                self.note_sync(&request.member, ctx);
                let before = self.members.get_mut(&request.member).and_then(|member| member.syncing.replace(caller));
                if let Some(before) = before {
                    ctx.refuse_sync(before, ErrorCode::RebalanceInProgress);
                }
                if self.is_leader(&request.member) {
                    self.assign(request, ctx);
                }
            }
            GroupState::Stable => {
                self.note_sync(&request.member, ctx);
                let assignment = self.members.get(&request.member).map(|member| member.assignment.clone());
                ctx.synced(caller, self.assigned(assignment.unwrap_or_default()));
            }
            GroupState::Empty | GroupState::Dead => ctx.refuse_sync(caller, ErrorCode::UnknownMemberId),
        }
    }

    fn check_sync(&self, request: &SyncGroup) -> Result<(), ErrorCode> {
        self.check_member(&request.member, request.instance.as_ref())?;
        self.check_generation(request.generation)?;
        // KIP-559: what is not said, by either, agrees.
        let differs =
            |given: &Option<Arc<str>>, ours: &Option<Arc<str>>| given.is_some() && ours.is_some() && given != ours;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn note_sync(&mut self, member: &MemberId, ctx: &mut Context<'_>) {
        self.unsynced.remove(member);
        if self.unsynced.is_empty() {
            self.stop_sync_timer(ctx);
        }
    }

    fn assigned(&self, assignment: Bytes) -> SyncGroupReply {
        SyncGroupReply {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }

    /// Takes the leader's assignment over and tells everybody theirs. Members that it forgot get nothing. An assignment
    /// that cannot be written down is nobody's: all join again.
    fn assign(&mut self, request: SyncGroup, ctx: &mut Context<'_>) {
        let mut given: BTreeMap<_, _> =
            request.assignments.into_iter().map(|given| (given.member, given.assignment)).collect();
        for (id, member) in &mut self.members {
            member.assignment = given.remove(id).unwrap_or_default();
        }
        let since = self.since;
        self.enter(GroupState::Stable, ctx);
        if !ctx.try_record(self.record()) {
            (self.state, self.since) = (GroupState::CompletingRebalance, since);
            self.give_up_syncs(ErrorCode::UnknownServerError, ctx);
            return self.prepare_rebalance("the assignment is too large to be written down", ctx);
        }
        let mut told = Vec::new();
        for (id, member) in &mut self.members {
            if let Some(caller) = member.syncing.take() {
                told.push((id.clone(), caller, member.assignment.clone()));
            }
        }
        for (id, caller, assignment) in told {
            ctx.synced(caller, self.assigned(assignment));
            self.keep_alive(&id, ctx);
        }
    }

    /// Decides on a sign of life.
    pub(crate) fn heartbeat(&mut self, request: &Heartbeat, ctx: &mut Context<'_>) -> ErrorCode {
        let known = self.check_member(&request.member, request.instance.as_ref());
        if let Err(error) = known.and_then(|()| self.check_generation(request.generation)) {
            return error;
        }
        self.keep_alive(&request.member, ctx);
        match self.state {
            GroupState::PreparingRebalance => ErrorCode::RebalanceInProgress,
            // The member knows its generation and waits for its assignment.
            GroupState::CompletingRebalance | GroupState::Stable => ErrorCode::None,
            GroupState::Empty | GroupState::Dead => ErrorCode::UnknownMemberId,
        }
    }
}
