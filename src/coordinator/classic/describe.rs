//! What a group looks like from outside.

use callboard_model::ErrorCode;

use super::ClassicGroup;
use crate::{DescribeGroupReply, DescribedMember, GroupRow, GroupState, GroupType, ListedGroup};

impl ClassicGroup {
    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn describe(&self) -> DescribeGroupReply {
        let protocol = self.protocol.clone().filter(|_| self.state == GroupState::Stable);
        let members = self.members.iter().map(|(id, member)| DescribedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.subscription(protocol.as_deref()),
            assignment: member.assignment.clone(),
        });
        DescribeGroupReply {
            error: ErrorCode::None,
            error_message: None,
            group: self.id.clone(),
            state: self.state,
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            members: members.collect(),
            protocol: protocol.unwrap_or_else(|| "".into()),
        }
    }

    pub(crate) fn listed(&self) -> ListedGroup {
        ListedGroup {
            group: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            state: self.state,
            group_type: GroupType::Classic,
        }
    }

    pub(crate) fn row(&self, offsets: usize) -> GroupRow {
        GroupRow {
            group: self.id.clone(),
            group_type: GroupType::Classic,
            state: self.state,
            protocol: self.protocol.clone(),
            generation: self.generation,
            members: self.members.len(),
            joining: self.joining,
            offsets,
            cause: self.cause,
        }
    }
}
