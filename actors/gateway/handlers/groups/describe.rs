//! DescribeGroups (15), 0-6: groups with their members, each asked of its own coordinator.

use callboard_coordinator::{Command, DescribeGroup, DescribeGroupReply, DescribedMember, Reply};
use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember};

use super::ask::{Room, ask, each, mixed_up};
use crate::gateway::handlers::operations;
use crate::gateway::services::Services;

pub(in super::super) async fn answer(
    request: DescribeGroupsRequest,
    version: i16,
    services: &Services,
) -> DescribeGroupsResponse {
    let operations = operations::if_asked(request.include_authorized_operations, operations::GROUP);
    let room = &Room::new();
    let groups = each(&request.groups, |group| async move {
        let command = Command::DescribeGroup(DescribeGroup { group: (&**group).into(), api_version: version });
        let mut row = match ask(services, group, command).await {
            Ok(Reply::DescribeGroup(reply)) if room.take(size(&reply)) => described(reply),
            Ok(Reply::DescribeGroup(_)) => refused(ErrorCode::UnknownServerError),
            Ok(other) => refused(mixed_up(&other)),
            Err(code) => refused(code),
        };
        row.group_id = group.clone();
        if row.error_code == ErrorCode::None.code() {
            row.authorized_operations = operations;
        }
        row
    });
    let mut response = DescribeGroupsResponse::default();
    response.groups = groups.await;
    response
}

/// Bytes that a group's row takes in memory and in the answer, roughly.
fn size(reply: &DescribeGroupReply) -> usize {
    let member = |member: &DescribedMember| {
        let names = member.member.as_str().len() + member.client_id.len();
        256 + names + member.metadata.len() + member.assignment.len()
    };
    256 + reply.members.iter().map(member).sum::<usize>()
}

fn described(reply: DescribeGroupReply) -> DescribedGroup {
    let mut row = DescribedGroup::default();
    row.error_code = reply.error.code();
    row.error_message = reply.error_message.map(StrBytes::from);
    row.group_state = StrBytes::from(reply.state.name());
    row.protocol_type = StrBytes::from(&*reply.protocol_type);
    row.protocol_data = StrBytes::from(&*reply.protocol);
    row.members = reply
        .members
        .into_iter()
        .map(|member| {
            let mut row = DescribedGroupMember::default();
            row.member_id = StrBytes::from(member.member.as_str());
            row.group_instance_id = member.instance.map(|instance| StrBytes::from(instance.as_str()));
            row.client_id = StrBytes::from(&*member.client_id);
            row.client_host = StrBytes::from(&*member.client_host);
            row.member_metadata = member.metadata;
            row.member_assignment = member.assignment;
            row
        })
        .collect();
    row
}

fn refused(code: ErrorCode) -> DescribedGroup {
    let mut row = DescribedGroup::default();
    row.error_code = code.code();
    row
}
