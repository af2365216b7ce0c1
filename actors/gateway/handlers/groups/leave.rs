//! LeaveGroup (13), 0-5: members leave, or are removed by an administrator; from version 3 on several at once.

use callboard_coordinator::{Command, LeaveGroup, LeavingMember, Reply};
use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};

use super::ask::{ask, mixed_up};
use super::{instance, kept};
use crate::gateway::services::Services;

pub(in super::super) async fn answer(
    request: LeaveGroupRequest,
    version: i16,
    services: &Services,
) -> LeaveGroupResponse {
    let members = if version < 3 {
        vec![LeavingMember { member: (&*request.member_id).into(), instance: None, reason: None }]
    } else {
        request
            .members
            .iter()
            .map(|member| LeavingMember {
                member: (&*member.member_id).into(),
                instance: instance(member.group_instance_id.as_ref()),
                reason: member.reason.as_ref().map(kept),
            })
            .collect()
    };
    let command = Command::LeaveGroup(LeaveGroup { group: (&*request.group_id).into(), members });
    match ask(services, &request.group_id, command).await {
        Ok(Reply::LeaveGroup(reply)) => {
            let mut response = LeaveGroupResponse::default();
            response.error_code = reply.error.code();
            response.members = reply
                .members
                .into_iter()
                .map(|member| {
                    let mut row = MemberResponse::default();
                    row.member_id = StrBytes::from(member.member.as_str());
                    row.group_instance_id = member.instance.map(|instance| StrBytes::from(instance.as_str()));
                    row.error_code = member.error.code();
                    row
                })
                .collect();
            response
        }
        Ok(other) => refused(mixed_up(&other)),
        Err(code) => refused(code),
    }
}

fn refused(code: ErrorCode) -> LeaveGroupResponse {
    let mut response = LeaveGroupResponse::default();
    response.error_code = code.code();
    response
}
