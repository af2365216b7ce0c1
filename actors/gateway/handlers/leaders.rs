//! Asks the leaders of many partitions at once and waits for all of them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use callboard_model::{ErrorCode, PartitionIndex};
use callboard_runtime::Reply;
use futures_util::future::join_all;

use crate::broker::Published;
use crate::gateway::produce::unknown;
use crate::partition::PartitionMessage;

/// An answer on its way.
pub(super) type Asked<R> = Pin<Box<dyn Future<Output = Result<R, ErrorCode>>>>;

/// One question to a partition's leader; a partition without leader here, and a leader that gives no answer, are
/// errors that make clients ask for the metadata and try again.
pub(super) fn ask<R: Send + 'static>(
    published: &Published,
    topic: &str,
    partition: i32,
    deadline: Duration,
    make: impl FnOnce(Reply<R>) -> PartitionMessage,
) -> Asked<R> {
    let index = PartitionIndex(partition);
    let route = published.routes.get(topic).map(AsRef::as_ref);
    let asking = match route.and_then(|route| route.leader(index)) {
        Some(route) => Ok(route.leader.ask(deadline, make)),
        None => Err(unknown(route, index)),
    };
    Box::pin(async move { asking?.await.map_err(|_| ErrorCode::NotLeaderOrFollower) })
}

/// Asks for all partitions of all topics, keeping the order of the request.
pub(super) async fn for_all<T, P, A, F>(topics: Vec<(T, Vec<P>)>, mut one: impl FnMut(&T, P) -> F) -> Vec<(T, Vec<A>)>
where
    F: Future<Output = A>,
{
    let mut asked = Vec::with_capacity(topics.len());
    for (topic, partitions) in topics {
        let asking: Vec<F> = partitions.into_iter().map(|partition| one(&topic, partition)).collect();
        asked.push((topic, asking));
    }
    let mut answers = Vec::with_capacity(asked.len());
    for (topic, asking) in asked {
        answers.push((topic, join_all(asking).await));
    }
    answers
}
