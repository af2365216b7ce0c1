//! One group: its members by the protocol that they speak, and its positions, which every kind of group has.

use callboard_model::{ErrorCode, Timestamp};

use crate::classic::ClassicGroup;
use crate::offsets::{Aging, Offsets};
use crate::record::GroupMetadata;
use crate::{GroupId, GroupRow, GroupState, GroupType, MemberId, OffsetCommit};

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) members: Members,
    pub(crate) offsets: Offsets,
}

/// Who is in a group. KIP-848's groups, whose records and rules are others, will be the second kind.
#[derive(Debug)]
pub(crate) enum Members {
    /// They join and sync.
    Classic(Box<ClassicGroup>),
}

impl Group {
    /// A group that nobody is in.
    pub(crate) fn new(id: GroupId, since: Option<Timestamp>) -> Self {
        Self { members: Members::Classic(Box::new(ClassicGroup::new(id, since))), offsets: Offsets::default() }
    }

    pub(crate) fn group_type(&self) -> GroupType {
        match &self.members {
            Members::Classic(_) => GroupType::Classic,
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        match &self.members {
            Members::Classic(group) => group.state(),
        }
    }

    pub(crate) fn recorded(&self) -> Option<&GroupMetadata> {
        match &self.members {
            Members::Classic(group) => group.recorded(),
        }
    }

    pub(crate) fn row(&self) -> GroupRow {
        match &self.members {
            Members::Classic(group) => group.row(self.offsets.len()),
        }
    }

    /// Whether it may be forgotten as soon as it has no positions.
    pub(crate) fn is_deserted(&self) -> bool {
        match &self.members {
            Members::Classic(group) => group.is_deserted(),
        }
    }

    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.members {
            Members::Classic(group) => group.is_subscribed_to(topic),
        }
    }

    /// Whether these may commit: members of this generation, or whoever assigns partitions by itself while nobody is in
    /// the group.
    pub(crate) fn check_commit(&self, request: &OffsetCommit) -> Result<(), ErrorCode> {
        match &self.members {
            Members::Classic(group) => {
                group.check_commit(&request.member, request.instance.as_ref(), request.generation)
            }
        }
    }

    /// Whether positions may be deleted.
    pub(crate) fn check_offset_delete(&self) -> Result<(), ErrorCode> {
        match &self.members {
            Members::Classic(group) if group.is_empty() || group.is_of_consumers() => Ok(()),
            Members::Classic(_) => Err(ErrorCode::NonEmptyGroup),
        }
    }

    pub(crate) fn aging(&self) -> Aging {
        match &self.members {
            Members::Classic(group) => group.aging(),
        }
    }

    /// A member has been heard of.
    pub(crate) fn keep_alive(&mut self, member: &MemberId, ctx: &mut crate::context::Context<'_>) {
        match &mut self.members {
            Members::Classic(group) => group.keep_alive(member, ctx),
        }
    }
}
