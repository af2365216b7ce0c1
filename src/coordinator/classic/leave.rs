//! LeaveGroup: members that go by themselves, and static ones that an administrator removes.

use callboard_model::ErrorCode;

use super::ClassicGroup;
use crate::context::Context;
use crate::{GroupState, LeaveGroup, LeavingMember, LeftMember, MemberId};

impl ClassicGroup {
    /// Decides on each that leaves, then rebalances once for all of them.
    pub(crate) fn leave(&mut self, request: LeaveGroup, ctx: &mut Context<'_>) -> Vec<LeftMember> {
        let before = self.members.len();
        let left = request.members.into_iter().map(|leaving| self.leave_one(leaving, ctx)).collect();
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance if self.members.len() < before => {
                self.prepare_rebalance("a member left", ctx);
            }
            _ => self.complete_join_if_ready(ctx),
        }
        left
    }

    fn leave_one(&mut self, leaving: LeavingMember, ctx: &mut Context<'_>) -> LeftMember {
        let error = match self.find_leaving(&leaving) {
            Ok(id) => {
                self.remove(&id, ctx);
                ErrorCode::None
            }
            Err(error) => error,
        };
        LeftMember { member: leaving.member, instance: leaving.instance, error }
    }

    fn find_leaving(&self, leaving: &LeavingMember) -> Result<MemberId, ErrorCode> {
        if leaving.member.is_empty() {
            // KIP-345: an administrator knows the instance alone.
            let known = leaving.instance.as_ref().and_then(|instance| self.instances.get(instance));
            return known.cloned().ok_or(ErrorCode::UnknownMemberId);
        }
        if !self.pending.contains_key(&leaving.member) {
            self.check_member(&leaving.member, leaving.instance.as_ref())?;
        }
        Ok(leaving.member.clone())
    }
}
