//! AlterPartitionReassignments (45), 0-1; ListPartitionReassignments (46), 0: on one node there is nowhere to move to.

use callboard_gateway::reassignment::refusal;
use callboard_model::{BrokerId, ErrorCode, PartitionIndex};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ListPartitionReassignmentsResponse,
    alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse},
};

use crate::gateway::services::Services;

/// Nothing is being moved.
pub(super) fn list() -> ListPartitionReassignmentsResponse {
    let mut response = ListPartitionReassignmentsResponse::default();
    response.error_message = None;
    response
}

pub(super) fn alter(
    request: AlterPartitionReassignmentsRequest,
    services: &Services,
) -> AlterPartitionReassignmentsResponse {
    let published = services.now();
    let is_registered = |broker| published.image.broker(broker).is_some();
    let mut response = AlterPartitionReassignmentsResponse::default();
    response.allow_replication_factor_change = request.allow_replication_factor_change;
    response.error_message = None;
    for topic in request.topics {
        let image = published.image.topic(&topic.name);
        let mut results = ReassignableTopicResponse::default();
        for partition in topic.partitions {
            let unknown = |words| Some((ErrorCode::UnknownTopicOrPartition, Some(words)));
            let number = partition.partition_index;
            let refused = match image.map(|topic| topic.partition(PartitionIndex(number))) {
                None => unknown(format!("Unable to find a topic named {}.", &*topic.name)),
                Some(None) => unknown(format!("Unable to find partition {}:{number}.", &*topic.name)),
                Some(Some(image)) => {
                    let wanted: Option<Vec<BrokerId>> =
                        partition.replicas.map(|ids| ids.into_iter().map(BrokerId).collect());
                    refusal(wanted.as_deref(), &image.replicas, is_registered)
                }
            };
            let mut row = ReassignablePartitionResponse::default();
            row.partition_index = number;
            let (code, words) = refused.unwrap_or((ErrorCode::None, None));
            row.error_code = code.code();
            row.error_message = words.map(StrBytes::from);
            results.partitions.push(row);
        }
        results.name = topic.name;
        response.responses.push(results);
    }
    response
}
