//! DeleteRecords (21), 0-2: moves the start of a log up; what lies below is gone for every reader at once.

use callboard_model::{ErrorCode, Offset};
use callboard_wire::messages::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

use super::leaders::{ask, for_all};
use super::{PATIENCE, patience};
use crate::gateway::services::Services;
use crate::partition::PartitionMessage;

pub(super) async fn answer(request: DeleteRecordsRequest, services: &Services) -> DeleteRecordsResponse {
    let published = services.now();
    // The timeout of the request is for waiting for followers; the leader's own part is never cut short, not even by 0.
    let deadline = patience(request.timeout_ms).max(PATIENCE);
    let topics = request.topics.into_iter().map(|topic| (topic.name, topic.partitions)).collect();
    let answers = for_all(topics, |name, asked: DeleteRecordsPartition| {
        let before = Offset(asked.offset);
        // The platform's own topics are not the clients' to cut.
        let is_closed = published.routes.get_key_value(&**name).is_some_and(|(name, _)| name.is_internal());
        let asking = (!is_closed).then(|| {
            ask(&published, name, asked.partition_index, deadline, move |reply| PartitionMessage::DeleteRecords {
                before,
                reply,
            })
        });
        async move {
            let mut row = DeleteRecordsPartitionResult::default();
            row.partition_index = asked.partition_index;
            row.low_watermark = -1;
            let Some(asking) = asking else {
                row.error_code = ErrorCode::InvalidTopicException.code();
                return row;
            };
            row.error_code = match asking.await {
                Ok(Ok(start)) => {
                    row.low_watermark = start.get();
                    ErrorCode::None.code()
                }
                Ok(Err(error)) => error.code().code(),
                Err(code) => code.code(),
            };
            row
        }
    })
    .await;
    let mut response = DeleteRecordsResponse::default();
    for (name, partitions) in answers {
        let mut topic = DeleteRecordsTopicResult::default();
        topic.name = name;
        topic.partitions = partitions;
        response.topics.push(topic);
    }
    response
}
