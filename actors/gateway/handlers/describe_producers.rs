//! DescribeProducers (61), 0: the idempotent producers that a partition remembers.

use std::time::Duration;

use callboard_model::{ErrorCode, TopicName};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    DescribeProducersRequest, DescribeProducersResponse,
    describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
};

use super::leaders::{ask, for_all};
use crate::gateway::services::Services;
use crate::partition::PartitionMessage;

const DEADLINE: Duration = Duration::from_secs(10);
/// Kafka's word for "in no transaction", in the fields that belong to one.
const NO_TRANSACTION: i32 = -1;
/// Kafka's words.
const UNKNOWN: &str = "This server does not host this topic-partition.";

pub(super) async fn answer(request: DescribeProducersRequest, services: &Services) -> DescribeProducersResponse {
    let published = services.now();
    let topics = request.topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect();
    let answers = for_all(topics, |name: &StrBytes, partition: i32| {
        let illegal = TopicName::new(name).err();
        let known = published.image.topic(name).is_some();
        let asking = ask(&published, name, partition, DEADLINE, PartitionMessage::Producers);
        async move {
            let mut row = PartitionResponse::default();
            row.partition_index = partition;
            row.error_message = None;
            match (illegal, asking.await) {
                (Some(error), _) => {
                    row.error_code = ErrorCode::InvalidTopicException.code();
                    row.error_message = Some(StrBytes::from(error.to_string()));
                }
                (None, Err(code)) => {
                    row.error_code = code.code();
                    // As in Kafka, words come with an unknown topic, and none with an unknown partition.
                    row.error_message = (!known).then(|| StrBytes::from(UNKNOWN));
                }
                (None, Ok(producers)) => {
                    for producer in producers {
                        let mut state = ProducerState::default();
                        state.producer_id = producer.id.get();
                        state.producer_epoch = i32::from(producer.epoch.get());
                        state.last_sequence = producer.last_sequence;
                        state.last_timestamp = producer.last_timestamp.millis();
                        state.coordinator_epoch = NO_TRANSACTION;
                        state.current_txn_start_offset = i64::from(NO_TRANSACTION);
                        row.active_producers.push(state);
                    }
                }
            }
            row
        }
    })
    .await;
    let mut response = DescribeProducersResponse::default();
    for (name, partitions) in answers {
        let mut topic = TopicResponse::default();
        topic.name = name;
        topic.partitions = partitions;
        response.topics.push(topic);
    }
    response
}
