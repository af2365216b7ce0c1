//! Heartbeat (12), 0-4: a member is alive.

use callboard_coordinator::{Command, Heartbeat, Reply};
use callboard_model::ErrorCode;
use callboard_wire::messages::{HeartbeatRequest, HeartbeatResponse};

use super::ask::{ask, mixed_up};
use super::instance;
use crate::gateway::services::Services;

pub(in super::super) async fn answer(request: HeartbeatRequest, services: &Services) -> HeartbeatResponse {
    let command = Command::Heartbeat(Heartbeat {
        group: (&*request.group_id).into(),
        generation: request.generation_id,
        member: (&*request.member_id).into(),
        instance: instance(request.group_instance_id.as_ref()),
    });
    let code = match ask(services, &request.group_id, command).await {
        Ok(Reply::Heartbeat(code)) => code,
        Ok(other) => mixed_up(&other),
        // Nobody has to join again because a coordinator reads its log; clients take this code in a heartbeat for fatal.
        Err(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::None,
        Err(code) => code,
    };
    let mut response = HeartbeatResponse::default();
    response.error_code = code.code();
    response
}
