//! CreateTopics (19), 2-7; DeleteTopics (20), 1-6; CreatePartitions (37), 0-3: one result per topic, also on error.

use callboard_controller::{ApiError, CreatePartitions, CreateTopic, DeleteTopic, ReplicaAssignment};
use callboard_gateway::deletion::{Deletion, Named, sort_out};
use callboard_model::{BrokerId, ErrorCode, PartitionIndex, TopicId};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopicResult, CreateTopicsRequest, CreateTopicsResponse, DeletableTopicResult, DeleteTopicsRequest,
    DeleteTopicsResponse, Uuid,
};

use super::patience;
use crate::controller::{ControllerError, ControllerMessage};
use crate::gateway::services::Services;

pub(super) async fn create(request: CreateTopicsRequest, services: &Services) -> CreateTopicsResponse {
    let names: Vec<StrBytes> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let topics = request.topics.into_iter().map(wanted).collect();
    let validate_only = request.validate_only;
    let answer = services
        .control(patience(request.timeout_ms), |reply| ControllerMessage::CreateTopics { topics, validate_only, reply })
        .await;
    let mut response = CreateTopicsResponse::default();
    for (name, result) in names.into_iter().zip(each(answer)) {
        let mut row = CreatableTopicResult::default();
        row.name = name;
        match result {
            Ok(topic) => {
                row.error_message = None;
                row.topic_id = Uuid::from_bytes(*topic.id.as_bytes());
                row.num_partitions = topic.partitions;
                row.replication_factor = topic.replication_factor;
                row.configs = Some(
                    topic
                        .configs
                        .iter()
                        .map(|config| {
                            let mut entry = CreatableTopicConfigs::default();
                            entry.name = StrBytes::from(config.name);
                            entry.value = config.value.as_deref().map(StrBytes::from);
                            entry.read_only = config.read_only;
                            entry.config_source = config.source.number();
                            entry.is_sensitive = config.sensitive;
                            entry
                        })
                        .collect(),
                );
            }
            Err((code, message)) => {
                row.error_code = code.code();
                row.error_message = message.map(StrBytes::from);
                row.num_partitions = -1;
                row.replication_factor = -1;
            }
        }
        response.topics.push(row);
    }
    response
}

fn wanted(topic: CreatableTopic) -> CreateTopic {
    CreateTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .into_iter()
            .map(|assignment| ReplicaAssignment {
                partition: PartitionIndex(assignment.partition_index),
                brokers: assignment.broker_ids.into_iter().map(BrokerId).collect(),
            })
            .collect(),
        configs: topic
            .configs
            .into_iter()
            .map(|config| (config.name.to_string(), config.value.map(|value| value.to_string())))
            .collect(),
    }
}

pub(super) async fn delete(request: DeleteTopicsRequest, services: &Services) -> DeleteTopicsResponse {
    let by_name = request.topic_names.into_iter().map(|name| Named { name: Some(name.to_string()), id: TopicId::ZERO });
    let by_either = request.topics.into_iter().map(|topic| Named {
        name: topic.name.map(|name| name.to_string()),
        id: TopicId::from_bytes(*topic.topic_id.as_bytes()),
    });
    let published = services.now();
    let sorted = sort_out(by_name.chain(by_either).collect(), |name| published.image.topic(name).map(|topic| topic.id));
    let asked = sorted.iter().filter_map(|deletion| match deletion {
        Deletion::Name(name) => Some(DeleteTopic::Name(name.clone())),
        Deletion::Id(id) => Some(DeleteTopic::Id(*id)),
        Deletion::Refuse(..) => None,
    });
    let topics: Vec<DeleteTopic> = asked.collect();
    let answer = match topics.is_empty() {
        true => Ok(Vec::new()),
        false => {
            let patience = patience(request.timeout_ms);
            services.control(patience, |reply| ControllerMessage::DeleteTopics { topics, reply }).await
        }
    };
    let mut answers = answer.map(Vec::into_iter);
    let mut response = DeleteTopicsResponse::default();
    for deletion in sorted {
        response.responses.push(match (deletion, &mut answers) {
            (Deletion::Refuse(Named { name, id }, words), _) => {
                deleted(name, id, Err((ErrorCode::InvalidRequest, Some(words.to_owned()))))
            }
            (Deletion::Name(name), Err(error)) => deleted(Some(name), TopicId::ZERO, Err(unanswered(error))),
            (Deletion::Id(id), Err(error)) => deleted(None, id, Err(unanswered(error))),
            (_, Ok(answers)) => {
                let Some(topic) = answers.next() else { break };
                let result = topic.result.map_err(|error| (error.code, Some(error.message)));
                deleted(topic.name, topic.id, result)
            }
        });
    }
    response
}

fn deleted(name: Option<String>, id: TopicId, result: Result<(), Refusal>) -> DeletableTopicResult {
    let mut row = DeletableTopicResult::default();
    row.name = name.map(StrBytes::from);
    row.topic_id = Uuid::from_bytes(*id.as_bytes());
    if let Err((code, message)) = result {
        row.error_code = code.code();
        row.error_message = message.map(StrBytes::from);
    }
    row
}

fn unanswered(error: &ControllerError) -> Refusal {
    (error.code(), Some(error.to_string()))
}

pub(super) async fn create_partitions(
    request: CreatePartitionsRequest,
    services: &Services,
) -> CreatePartitionsResponse {
    let names: Vec<StrBytes> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let topics = request
        .topics
        .into_iter()
        .map(|topic| CreatePartitions {
            name: topic.name.to_string(),
            count: topic.count,
            assignments: topic.assignments.map(|assignments| {
                assignments
                    .into_iter()
                    .map(|assignment| assignment.broker_ids.into_iter().map(BrokerId).collect())
                    .collect()
            }),
        })
        .collect();
    let validate_only = request.validate_only;
    let answer = services
        .control(patience(request.timeout_ms), |reply| ControllerMessage::CreatePartitions {
            topics,
            validate_only,
            reply,
        })
        .await;
    let mut response = CreatePartitionsResponse::default();
    for (name, result) in names.into_iter().zip(each(answer)) {
        let mut row = CreatePartitionsTopicResult::default();
        row.name = name;
        if let Err((code, message)) = result {
            row.error_code = code.code();
            row.error_message = message.map(StrBytes::from);
        }
        response.results.push(row);
    }
    response
}

/// A code and its words.
pub(super) type Refusal = (ErrorCode, Option<String>);

/// One result for every item: the controller's own, or without an answer of its the same error for each.
pub(super) fn each<T>(
    answer: Result<Vec<Result<T, ApiError>>, ControllerError>,
) -> Box<dyn Iterator<Item = Result<T, Refusal>>>
where
    T: 'static,
{
    match answer {
        Ok(results) => {
            Box::new(results.into_iter().map(|result| result.map_err(|error| (error.code, Some(error.message)))))
        }
        Err(error) => {
            let (code, message) = (error.code(), error.to_string());
            Box::new(std::iter::repeat_with(move || Err((code, Some(message.clone())))))
        }
    }
}
