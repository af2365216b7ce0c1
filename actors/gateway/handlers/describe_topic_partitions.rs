//! DescribeTopicPartitions (75), 0: topics page by page, ordered by name (KIP-966).

use std::collections::BTreeSet;

use callboard_gateway::page::{Cursor, page};
use callboard_model::{ErrorCode, PartitionIndex};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, Uuid,
    describe_topic_partitions_response::{
        self as wire, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
    },
};

use super::metadata::{told_leader, why_missing};
use super::operations;
use crate::gateway::services::Services;

pub(super) fn answer(request: DescribeTopicPartitionsRequest, services: &Services) -> DescribeTopicPartitionsResponse {
    let published = services.now();
    let cursor =
        request.cursor.map(|cursor| Cursor { topic: cursor.topic_name.to_string(), partition: cursor.partition_index });
    let named: BTreeSet<&str> = request.topics.iter().map(|topic| &*topic.name).collect();
    let mut response = DescribeTopicPartitionsResponse::default();
    let lost = |cursor: &Cursor| cursor.partition < 0 || (!named.is_empty() && !named.contains(cursor.topic.as_str()));
    if cursor.as_ref().is_some_and(lost) {
        response.topics = request.topics.iter().map(|topic| refused(&topic.name, ErrorCode::InvalidRequest)).collect();
        return response;
    }
    let limit = request.response_partition_limit;
    let page = if named.is_empty() {
        let all = published.image.topics().map(|topic| (topic.name.as_str(), Some(topic.partition_count())));
        page(all, cursor.as_ref(), limit)
    } else {
        let count = |name: &str| published.image.topic(name).map(|topic| topic.partition_count());
        page(named.iter().map(|name| (*name, count(name))), cursor.as_ref(), limit)
    };
    for (name, partitions) in page.topics {
        let Some(topic) = published.image.topic(name) else {
            let mut row = refused(&StrBytes::from(name), why_missing(name));
            row.topic_authorized_operations = operations::TOPIC;
            response.topics.push(row);
            continue;
        };
        let mut row = DescribeTopicPartitionsResponseTopic::default();
        row.name = Some(StrBytes::from(name));
        row.topic_id = Uuid::from_bytes(*topic.id.as_bytes());
        row.is_internal = topic.name.is_internal();
        row.topic_authorized_operations = operations::TOPIC;
        for index in partitions.map(PartitionIndex) {
            let Some(partition) = topic.partition(index) else { continue };
            let mut part = DescribeTopicPartitionsResponsePartition::default();
            part.partition_index = index.get();
            (part.leader_id, part.error_code) = told_leader(topic, index, partition, &published, services);
            part.leader_epoch = partition.leader_epoch.get();
            part.replica_nodes = partition.replicas.iter().map(|broker| broker.get()).collect();
            part.isr_nodes = partition.isr.iter().map(|broker| broker.get()).collect();
            part.eligible_leader_replicas = Some(Vec::new());
            part.last_known_elr = Some(Vec::new());
            row.partitions.push(part);
        }
        response.topics.push(row);
    }
    response.next_cursor = page.next.map(|next| {
        let mut cursor = wire::Cursor::default();
        cursor.topic_name = StrBytes::from(next.topic);
        cursor.partition_index = next.partition;
        cursor
    });
    response
}

fn refused(name: &StrBytes, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    let mut row = DescribeTopicPartitionsResponseTopic::default();
    row.error_code = code.code();
    row.name = Some(name.clone());
    row.topic_authorized_operations = operations::UNKNOWN;
    row
}
