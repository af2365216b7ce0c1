//! The answers of consumer groups. Where a newer version holds several answers in one, handlers fill in that form, and
//! an older version says the only one in its own fields.

use super::{Fit, NO_OPERATIONS};
use crate::messages::*;

nothing_to_drop!(
    DeleteGroupsResponse,
    HeartbeatResponse,
    ListGroupsResponse,
    OffsetCommitResponse,
    OffsetDeleteResponse,
    SyncGroupResponse,
);

impl Fit for FindCoordinatorResponse {
    fn fit(&mut self, version: i16) {
        if version >= 4 {
            *self = {
                let mut batched = Self::default();
                batched.throttle_time_ms = self.throttle_time_ms;
                batched.coordinators = std::mem::take(&mut self.coordinators);
                batched
            };
        } else if let Some(only) = std::mem::take(&mut self.coordinators).into_iter().next() {
            self.error_code = only.error_code;
            self.error_message = only.error_message;
            self.node_id = only.node_id;
            self.host = only.host;
            self.port = only.port;
        }
    }
}

impl Fit for JoinGroupResponse {
    fn fit(&mut self, version: i16) {
        if version < 9 {
            self.skip_assignment = false;
        }
        if version < 7 {
            self.protocol_name.get_or_insert_default();
        }
    }
}

impl Fit for LeaveGroupResponse {
    fn fit(&mut self, version: i16) {
        if version < 3
            && let Some(only) = std::mem::take(&mut self.members).into_iter().next()
            && self.error_code == 0
        {
            self.error_code = only.error_code;
        }
    }
}

impl Fit for OffsetFetchResponse {
    fn fit(&mut self, version: i16) {
        if version >= 8 {
            self.topics.clear();
            self.error_code = 0;
        } else if let Some(only) = std::mem::take(&mut self.groups).into_iter().next() {
            self.error_code = only.error_code;
            self.topics = only.topics.into_iter().map(plain_topic).collect();
            if version < 2 && self.error_code != 0 {
                // Version 1 has no field for the group's error; Kafka repeats it for every partition.
                for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    partition.error_code = self.error_code;
                }
            }
        }
    }
}

fn plain_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let mut plain = OffsetFetchResponseTopic::default();
    plain.name = topic.name;
    plain.partitions = topic.partitions.into_iter().map(plain_partition).collect();
    plain
}

fn plain_partition(partition: OffsetFetchResponsePartitions) -> OffsetFetchResponsePartition {
    let mut plain = OffsetFetchResponsePartition::default();
    plain.partition_index = partition.partition_index;
    plain.committed_offset = partition.committed_offset;
    plain.committed_leader_epoch = partition.committed_leader_epoch;
    plain.metadata = partition.metadata;
    plain.error_code = partition.error_code;
    plain
}

impl Fit for DescribeGroupsResponse {
    fn fit(&mut self, version: i16) {
        for group in &mut self.groups {
            if version < 6 {
                group.error_message = None;
            }
            if version < 3 {
                group.authorized_operations = NO_OPERATIONS;
            }
        }
    }
}
