//! ListGroups (16), 0-5: the groups that this node coordinates, by state and type if asked.

use callboard_coordinator::{Command, ListGroups, Reply};
use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use futures_util::future::join_all;

use super::ask::{ask_of, mixed_up};
use super::kept;
use crate::gateway::services::Services;

pub(in super::super) async fn answer(request: ListGroupsRequest, services: &Services) -> ListGroupsResponse {
    let wanted = ListGroups {
        states: request.states_filter.iter().map(kept).collect(),
        types: request.types_filter.iter().map(kept).collect(),
    };
    let coordinators = services.group_coordinators();
    let asking = coordinators.iter().map(|coordinator| ask_of(coordinator, Command::ListGroups(wanted.clone())));
    let mut response = ListGroupsResponse::default();
    for answer in join_all(asking).await {
        match answer {
            Ok(Reply::ListGroups(groups)) => response.groups.extend(groups.into_iter().map(|group| {
                let mut row = ListedGroup::default();
                row.group_id = StrBytes::from(group.group.as_str());
                row.protocol_type = StrBytes::from(&*group.protocol_type);
                row.group_state = StrBytes::from(group.state.name());
                row.group_type = StrBytes::from(group.group_type.name());
                row
            })),
            Ok(other) => return refused(mixed_up(&other)),
            // It has moved meanwhile: its groups are listed where it is now.
            Err(ErrorCode::NotCoordinator) => {}
            // A list that leaves out groups would be taken for the whole truth.
            Err(code) => return refused(code),
        }
    }
    response
}

fn refused(code: ErrorCode) -> ListGroupsResponse {
    let mut response = ListGroupsResponse::default();
    response.error_code = code.code();
    response
}
