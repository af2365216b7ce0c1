//! DeleteGroups (42), 0-2: groups without members, and their positions with them; each asked of its own coordinator.

use callboard_coordinator::{Command, DeleteGroup, Reply};
use callboard_wire::messages::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use super::ask::{ask, each, mixed_up};
use crate::gateway::services::Services;

pub(in super::super) async fn answer(request: DeleteGroupsRequest, services: &Services) -> DeleteGroupsResponse {
    let results = each(request.groups_names, |group| async move {
        let command = Command::DeleteGroup(DeleteGroup { group: (&*group).into() });
        let code = match ask(services, &group, command).await {
            Ok(Reply::DeleteGroup(code)) => code,
            Ok(other) => mixed_up(&other),
            Err(code) => code,
        };
        let mut row = DeletableGroupResult::default();
        row.group_id = group;
        row.error_code = code.code();
        row
    });
    let mut response = DeleteGroupsResponse::default();
    response.results = results.await;
    response
}
