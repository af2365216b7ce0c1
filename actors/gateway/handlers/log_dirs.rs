//! DescribeLogDirs (35), 1-5: what is on the disk. AlterReplicaLogDirs (34), 1-2: there is one directory to be in.

use std::time::Duration;

use callboard_model::{ErrorCode, PartitionIndex};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    alter_replica_log_dirs_response::{AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult},
    describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
};

use super::leaders::{ask, for_all};
use crate::broker::Published;
use crate::gateway::services::Services;
use crate::partition::PartitionMessage;

const DEADLINE: Duration = Duration::from_secs(10);
/// Kafka's word for a number of bytes that is not known.
const UNKNOWN_BYTES: i64 = -1;

/// Partitions that do not exist are left out, as Kafka does, and so are those whose log cannot be read.
pub(super) async fn describe(request: DescribeLogDirsRequest, services: &Services) -> DescribeLogDirsResponse {
    let published = services.now();
    let wanted: Vec<(StrBytes, Vec<i32>)> = match request.topics {
        None => all(&published),
        Some(topics) => topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect(),
    };
    let answers = for_all(wanted, |topic, partition: i32| {
        let asking = ask(&published, topic, partition, DEADLINE, PartitionMessage::Inspect);
        async move {
            let snapshot = asking.await.ok()?;
            let mut row = DescribeLogDirsPartition::default();
            row.partition_index = partition;
            row.partition_size = i64::try_from(snapshot.size_bytes).unwrap_or(i64::MAX);
            Some(row)
        }
    })
    .await;
    let mut dir = DescribeLogDirsResult::default();
    dir.log_dir = StrBytes::from(services.config.log_dir.as_str());
    (dir.total_bytes, dir.usable_bytes) = space(services).await;
    for (name, rows) in answers {
        let mut topic = DescribeLogDirsTopic::default();
        topic.name = name;
        topic.partitions = rows.into_iter().flatten().collect();
        if !topic.partitions.is_empty() {
            dir.topics.push(topic);
        }
    }
    let mut response = DescribeLogDirsResponse::default();
    response.results = vec![dir];
    response
}

fn all(published: &Published) -> Vec<(StrBytes, Vec<i32>)> {
    let topics = published.image.topics();
    topics.map(|topic| (StrBytes::from(topic.name.as_str()), (0..topic.partition_count()).collect())).collect()
}

async fn space(services: &Services) -> (i64, i64) {
    let storage = std::sync::Arc::clone(&services.storage);
    let usage = services.pool.run(move || storage.usage()).await;
    let disk = usage.ok().and_then(Result::ok).and_then(|usage| usage.disk);
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    disk.map_or((UNKNOWN_BYTES, UNKNOWN_BYTES), |disk| (bytes(disk.total), bytes(disk.free)))
}

/// Moving to the only directory is done at once, to any other impossible.
pub(super) fn alter(request: &AlterReplicaLogDirsRequest, services: &Services) -> AlterReplicaLogDirsResponse {
    let published = services.now();
    let mut response = AlterReplicaLogDirsResponse::default();
    for dir in &request.dirs {
        for topic in &dir.topics {
            let image = published.image.topic(&topic.name);
            let mut row = AlterReplicaLogDirTopicResult::default();
            row.topic_name = topic.name.clone();
            for partition in &topic.partitions {
                let known = image.is_some_and(|topic| topic.partition(PartitionIndex(*partition)).is_some());
                let code = match (*dir.path == *services.config.log_dir, known) {
                    (false, _) => ErrorCode::LogDirNotFound,
                    (true, false) => ErrorCode::UnknownTopicOrPartition,
                    (true, true) => ErrorCode::None,
                };
                let mut result = AlterReplicaLogDirPartitionResult::default();
                result.partition_index = *partition;
                result.error_code = code.code();
                row.partitions.push(result);
            }
            response.results.push(row);
        }
    }
    response
}
