//! The APIs of consumer groups: from a request to the command of the machine that keeps the group, and back.
//!
//! What needs the cluster's metadata is decided here (who coordinates a group, whether a topic exists); everything else is
//! the machine's. A request that names several groups is as many commands, asked at once.

mod ask;
pub(super) mod delete;
pub(super) mod describe;
pub(super) mod find_coordinator;
pub(super) mod heartbeat;
pub(super) mod join;
pub(super) mod leave;
pub(super) mod list;
pub(super) mod offset_commit;
pub(super) mod offset_delete;
pub(super) mod offset_fetch;
pub(super) mod sync;

use std::sync::Arc;

use callboard_coordinator::InstanceId;
use callboard_wire::StrBytes;

/// A copy that does not hold the request's frame: groups keep names for as long as they live.
fn kept(text: &StrBytes) -> Arc<str> {
    Arc::from(&**text)
}

fn instance(text: Option<&StrBytes>) -> Option<InstanceId> {
    text.map(|text| InstanceId::from(&**text))
}
