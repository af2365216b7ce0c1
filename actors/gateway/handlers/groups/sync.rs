//! SyncGroup (14), 0-5: hands every member its assignment; followers wait for the leader's.

use callboard_coordinator::{Command, MemberAssignment, Reply, SyncGroup};
use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{SyncGroupRequest, SyncGroupResponse};

use super::ask::{mixed_up, wait};
use super::{instance, kept};
use crate::gateway::services::Services;

pub(in super::super) async fn answer(
    request: SyncGroupRequest,
    version: i16,
    services: &Services,
) -> SyncGroupResponse {
    // From version 5 on both must be there (KIP-559).
    if version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return refused(ErrorCode::InconsistentGroupProtocol);
    }
    let command = Command::SyncGroup(SyncGroup {
        group: (&*request.group_id).into(),
        generation: request.generation_id,
        member: (&*request.member_id).into(),
        instance: instance(request.group_instance_id.as_ref()),
        protocol_type: request.protocol_type.as_ref().map(kept),
        protocol: request.protocol_name.as_ref().map(kept),
        assignments: request
            .assignments
            .iter()
            .map(|one| MemberAssignment {
                member: (&*one.member_id).into(),
                // A copy: the group keeps it, and the frame would stay with it.
                assignment: one.assignment.to_vec().into(),
            })
            .collect(),
    });
    match wait(services, &request.group_id, command).await {
        Ok(Reply::SyncGroup(reply)) => {
            let mut response = SyncGroupResponse::default();
            response.error_code = reply.error.code();
            response.protocol_type = reply.protocol_type.as_deref().map(StrBytes::from);
            response.protocol_name = reply.protocol.as_deref().map(StrBytes::from);
            response.assignment = reply.assignment;
            response
        }
        Ok(other) => refused(mixed_up(&other)),
        Err(code) => refused(code),
    }
}

fn refused(code: ErrorCode) -> SyncGroupResponse {
    let mut response = SyncGroupResponse::default();
    response.error_code = code.code();
    response
}
