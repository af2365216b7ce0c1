//! ElectLeaders (43), 0-2: on one node every partition is led by its preferred replica.

use callboard_controller::TopicImage;
use callboard_gateway::election::{Election, Outcome, decide};
use callboard_model::{ErrorCode, PartitionIndex};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    ElectLeadersRequest, ElectLeadersResponse,
    elect_leaders_response::{PartitionResult, ReplicaElectionResult},
};

use crate::broker::Published;
use crate::gateway::services::Services;

pub(super) fn answer(request: ElectLeadersRequest, services: &Services) -> ElectLeadersResponse {
    let published = services.now();
    let mut response = ElectLeadersResponse::default();
    let Some(election) = Election::from_code(request.election_type) else {
        response.error_code = ErrorCode::InvalidRequest.code();
        let words = format!("Unknown election type {}", request.election_type);
        for topic in request.topic_partitions.into_iter().flatten() {
            let refused = |partition: i32| row(partition, ErrorCode::InvalidRequest, Some(words.clone()));
            response.replica_election_results.push(results(topic.topic, topic.partitions, refused));
        }
        return response;
    };
    let Some(wanted) = request.topic_partitions else {
        // All partitions: only those are told that an election was needed for.
        for topic in published.image.topics() {
            let mut row = results(StrBytes::from(topic.name.as_str()), 0..topic.partition_count(), |partition| {
                elect(topic, partition, election, &published)
            });
            row.partition_result.retain(|row| row.error_code != ErrorCode::ElectionNotNeeded.code());
            response.replica_election_results.push(row);
        }
        return response;
    };
    for topic in wanted {
        let image = published.image.topic(&topic.topic);
        let unknown = format!("No such topic as {}", &*topic.topic);
        response.replica_election_results.push(results(topic.topic, topic.partitions, |partition| match image {
            Some(image) => elect(image, partition, election, &published),
            None => row(partition, ErrorCode::UnknownTopicOrPartition, Some(unknown.clone())),
        }));
    }
    response
}

fn results(
    topic: StrBytes,
    partitions: impl IntoIterator<Item = i32>,
    one: impl Fn(i32) -> PartitionResult,
) -> ReplicaElectionResult {
    let mut result = ReplicaElectionResult::default();
    result.topic = topic;
    result.partition_result = partitions.into_iter().map(one).collect();
    result
}

fn elect(topic: &TopicImage, partition: i32, election: Election, published: &Published) -> PartitionResult {
    let Some(image) = topic.partition(PartitionIndex(partition)) else {
        let words = format!("No such partition as {}-{partition}", topic.name);
        return row(partition, ErrorCode::UnknownTopicOrPartition, Some(words));
    };
    let is_alive = |broker| published.image.broker(broker).is_some_and(|broker| !broker.fenced);
    match decide(election, image.leader, &image.replicas, &image.isr, is_alive) {
        Outcome::Refuse(ErrorCode::ElectionNotNeeded) => {
            let words = "Leader election not needed for topic partition.".to_owned();
            row(partition, ErrorCode::ElectionNotNeeded, Some(words))
        }
        Outcome::Refuse(code) => row(partition, code, None),
        Outcome::Elect(broker) => {
            let words = format!("moving the leadership to broker {broker} is not served yet");
            row(partition, ErrorCode::OperationNotAttempted, Some(words))
        }
    }
}

fn row(partition: i32, code: ErrorCode, words: Option<String>) -> PartitionResult {
    let mut row = PartitionResult::default();
    row.partition_id = partition;
    row.error_code = code.code();
    row.error_message = words.map(StrBytes::from);
    row
}
