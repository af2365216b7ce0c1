//! What a group's state says about its positions: who may commit, and when they grow old.

use callboard_model::ErrorCode;

use super::ClassicGroup;
use crate::offsets::Aging;
use crate::{GroupState, InstanceId, MemberId};

impl ClassicGroup {
    pub(crate) fn check_commit(
        &self,
        member: &MemberId,
        instance: Option<&InstanceId>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.is_empty() {
            return Ok(());
        }
        if generation < 0 && member.is_empty() && instance.is_none() {
            // Somebody who assigns partitions by itself, in a group of others.
            return Err(ErrorCode::UnknownMemberId);
        }
        self.check_member(member, instance)?;
        self.check_generation(generation)?;
        if self.state == GroupState::CompletingRebalance {
            // It may no longer be the member's partition.
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// KIP-211: with members only what they do not read grows old, and only if that can be known.
    pub(crate) fn aging(&self) -> Aging {
        if self.protocol_type.is_none() {
            Aging::SinceCommit
        } else if self.is_empty() {
            Aging::Since(self.since)
        } else if self.is_of_consumers() && self.state == GroupState::Stable && self.subscribed.is_some() {
            Aging::SinceCommit
        } else {
            Aging::Never
        }
    }
}
