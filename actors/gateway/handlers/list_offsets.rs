//! ListOffsets (2), 1-7: offsets by place (-1 latest, -2 earliest, -3 largest time, -4 local, -5 tiered) or by time.

use std::time::Duration;

use callboard_model::{ErrorCode, LeaderEpoch, Timestamp};
use callboard_partition::{Isolation, ListOffset};
use callboard_wire::messages::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use super::leaders::{ask, for_all};
use crate::gateway::services::Services;
use crate::partition::PartitionMessage;

/// A lookup by time may have to read a slice of the log.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) async fn answer(request: ListOffsetsRequest, services: &Services) -> ListOffsetsResponse {
    let published = services.now();
    let isolation = if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let topics = request.topics.into_iter().map(|topic| (topic.name, topic.partitions)).collect();
    let answers = for_all(topics, |name, partition: ListOffsetsPartition| {
        let current_leader_epoch = LeaderEpoch(partition.current_leader_epoch);
        let query = ListOffset {
            timestamp: Timestamp(partition.timestamp),
            isolation,
            current_leader_epoch: current_leader_epoch.is_known().then_some(current_leader_epoch),
        };
        let asking = ask(&published, name, partition.partition_index, DEADLINE, move |reply| {
            PartitionMessage::ListOffset { query, reply }
        });
        async move {
            let mut row = ListOffsetsPartitionResponse::default();
            row.partition_index = partition.partition_index;
            match asking.await {
                Ok(Ok(found)) => {
                    row.offset = found.offset.get();
                    row.timestamp = found.timestamp.millis();
                    row.leader_epoch = found.leader_epoch.get();
                }
                Ok(Err(error)) => refuse(&mut row, error.code()),
                Err(code) => refuse(&mut row, code),
            }
            row
        }
    })
    .await;
    let mut response = ListOffsetsResponse::default();
    for (name, partitions) in answers {
        let mut topic = ListOffsetsTopicResponse::default();
        topic.name = name;
        topic.partitions = partitions;
        response.topics.push(topic);
    }
    response
}

fn refuse(row: &mut ListOffsetsPartitionResponse, code: ErrorCode) {
    row.error_code = code.code();
    row.offset = -1;
    row.timestamp = -1;
    row.leader_epoch = -1;
}
