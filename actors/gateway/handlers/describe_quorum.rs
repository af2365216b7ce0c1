//! DescribeQuorum (55), 0-2: the metadata log has one voter, this node, and its term is the node's registration.

use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    DescribeQuorumRequest, DescribeQuorumResponse,
    describe_quorum_response::{Node, PartitionData, ReplicaState, TopicData},
};

use crate::gateway::services::Services;

/// Kafka's name for the metadata log.
const TOPIC: &str = "__cluster_metadata";

pub(super) fn answer(request: DescribeQuorumRequest, services: &Services) -> DescribeQuorumResponse {
    let mut response = DescribeQuorumResponse::default();
    // Kafka answers for this partition alone, and not even for it if another is asked for beside it.
    let right = matches!(&request.topics[..], [topic] if *topic.topic_name == *TOPIC
        && matches!(&topic.partitions[..], [partition] if partition.partition_index == 0));
    for topic in request.topics {
        let mut data = TopicData::default();
        data.topic_name = topic.topic_name;
        for partition in topic.partitions {
            data.partitions.push(if right { metadata_log(services) } else { unknown(partition.partition_index) });
        }
        response.topics.push(data);
    }
    if right {
        let mut node = Node::default();
        node.node_id = services.me.get();
        response.nodes.push(node);
    }
    response
}

fn unknown(partition: i32) -> PartitionData {
    let mut data = PartitionData::default();
    data.partition_index = partition;
    data.error_code = ErrorCode::UnknownTopicOrPartition.code();
    data.error_message = Some(StrBytes::from("This server does not host this topic-partition."));
    data
}

fn metadata_log(services: &Services) -> PartitionData {
    let published = services.now();
    let now = services.clock.wall().millis();
    let mut voter = ReplicaState::default();
    voter.replica_id = services.me.get();
    // One past the last entry, as offsets of a log are.
    let end = i64::try_from(published.index).unwrap_or(i64::MAX).saturating_add(1);
    voter.log_end_offset = end;
    voter.last_fetch_timestamp = now;
    voter.last_caught_up_timestamp = now;
    let mut data = PartitionData::default();
    data.leader_id = services.me.get();
    let term = published.image.broker(services.me).map_or(0, |broker| broker.epoch.0);
    data.leader_epoch = i32::try_from(term).unwrap_or(i32::MAX);
    data.high_watermark = end;
    data.current_voters = vec![voter];
    data
}
