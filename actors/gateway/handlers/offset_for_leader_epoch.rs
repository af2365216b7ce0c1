//! OffsetForLeaderEpoch (23), 2-4: where an epoch ended, so that a client notices a truncated log (KIP-320).

use std::time::Duration;

use callboard_model::{LeaderEpoch, Offset};
use callboard_wire::messages::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

use super::leaders::{ask, for_all};
use crate::gateway::services::Services;
use crate::partition::PartitionMessage;

const DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn answer(request: OffsetForLeaderEpochRequest, services: &Services) -> OffsetForLeaderEpochResponse {
    let published = services.now();
    let topics = request.topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect();
    let answers = for_all(topics, |name, asked: OffsetForLeaderPartition| {
        let current = LeaderEpoch(asked.current_leader_epoch);
        let current = current.is_known().then_some(current);
        let wanted = LeaderEpoch(asked.leader_epoch);
        let asking = ask(&published, name, asked.partition, DEADLINE, move |reply| PartitionMessage::EpochEnd {
            current,
            wanted,
            reply,
        });
        async move {
            let mut row = EpochEndOffset::default();
            row.partition = asked.partition;
            let (code, (epoch, end)) = match asking.await {
                Ok(Ok(found)) => (0, found),
                Ok(Err(error)) => (error.code().code(), (LeaderEpoch::NONE, Offset::NONE)),
                Err(code) => (code.code(), (LeaderEpoch::NONE, Offset::NONE)),
            };
            row.error_code = code;
            row.leader_epoch = epoch.get();
            row.end_offset = end.get();
            row
        }
    })
    .await;
    let mut response = OffsetForLeaderEpochResponse::default();
    for (name, partitions) in answers {
        let mut topic = OffsetForLeaderTopicResult::default();
        topic.topic = name;
        topic.partitions = partitions;
        response.topics.push(topic);
    }
    response
}
