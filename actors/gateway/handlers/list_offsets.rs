//! ListOffsets (2), 1-11: offsets by place or by time. Places have names below zero, which came one by one.

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

/// The version that brought each of Kafka's names for a place: -1 latest, -2 earliest, -3 largest time, -4 earliest on
/// this disk (KIP-405), -5 latest elsewhere (KIP-1005), -6 earliest still to be moved there (KIP-1023). All that is here
/// is on this disk, so the last two have no answer.
const SINCE: [(i64, i16); 6] = [(-1, 0), (-2, 0), (-3, 7), (-4, 8), (-5, 9), (-6, 11)];
/// A lookup by time may have to read a slice of the log; from version 10 on the client says how long it waits (KIP-1075).
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether a version has a word for this place; every version knows times.
fn is_known(timestamp: i64, version: i16) -> bool {
    timestamp >= 0 || SINCE.iter().any(|(place, since)| *place == timestamp && version >= *since)
}

pub(super) async fn answer(request: ListOffsetsRequest, version: i16, services: &Services) -> ListOffsetsResponse {
    let published = services.now();
    let deadline = match request.timeout_ms {
        given if version >= 10 && given > 0 => Duration::from_millis(given.unsigned_abs().into()).min(DEADLINE),
        _ => DEADLINE,
    };
    let isolation = if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let topics = request.topics.into_iter().map(|topic| (topic.name, topic.partitions)).collect();
    let answers = for_all(topics, |name, partition: ListOffsetsPartition| {
        let current_leader_epoch = LeaderEpoch(partition.current_leader_epoch);
        let query = ListOffset {
            timestamp: Timestamp(partition.timestamp),
            isolation,
            current_leader_epoch: current_leader_epoch.is_known().then_some(current_leader_epoch),
        };
        let asking = ask(&published, name, partition.partition_index, deadline, move |reply| {
            PartitionMessage::ListOffset { query, reply }
        });
        let known = is_known(partition.timestamp, version);
        async move {
            let mut row = ListOffsetsPartitionResponse::default();
            row.partition_index = partition.partition_index;
            if !known {
                refuse(&mut row, ErrorCode::UnsupportedVersion);
                return row;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_places_are_known_from_the_version_that_brought_them() {
        let known = |version| (-8..=0).filter(|place| is_known(*place, version)).collect::<Vec<_>>();
        assert_eq!(known(1), vec![-2, -1, 0]);
        assert_eq!(known(7), vec![-3, -2, -1, 0]);
        assert_eq!(known(8), vec![-4, -3, -2, -1, 0]);
        assert_eq!(known(10), vec![-5, -4, -3, -2, -1, 0]);
        assert_eq!(known(11), vec![-6, -5, -4, -3, -2, -1, 0]);
        assert!(is_known(i64::MAX, 1) && !is_known(i64::MIN, 11));
    }
}
