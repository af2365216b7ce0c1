//! Topics that come and go while everything fails: so that the metadata's actors have something to do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use callboard_model::{ErrorCode, Offset, PartitionIndex};
use callboard_test_client::{
    Acks, Client, ClientError, FetchFrom, FetchLimits, NewRecord, PartitionBatch, encode_batch,
};
use callboard_wire::messages::{DeleteTopicsRequest, Request, Response};

use crate::dice::Dice;
use crate::producer::{PAUSE, Seen, bear, now};

const PATIENCE: Duration = Duration::from_secs(60);
/// Topics under which it creates and deletes.
const NAMES: [&str; 3] = ["churn-a", "churn-b", "churn-c"];

/// Creates, fills, reads and deletes topics of the same few names until it is told to stop; none is left.
pub(crate) fn churn(address: SocketAddr, seen: &Seen, stop: &AtomicBool, mut dice: Dice) -> Result<(), String> {
    let mut client = None;
    let mut round: i64 = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = NAMES[dice.below(NAMES.len())];
        let partitions = 1 + dice.below(3) as i32;
        story(&mut client, address, name, partitions, round, seen)
            .map_err(|error| format!("{name} with {partitions} partitions in round {round}: {error}"))?;
        round += 1;
        seen.topics.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// One topic's life: created, filled, read, deleted.
pub(crate) fn story(
    client: &mut Option<Client>,
    address: SocketAddr,
    name: &str,
    partitions: i32,
    round: i64,
    seen: &Seen,
) -> Result<(), String> {
    create(client, address, name, partitions, seen)?;
    let value = format!("round {round}").into_bytes();
    let batch = encode_batch(&[NewRecord::new(b"", &value, now())], None);
    for partition in (0..partitions).map(PartitionIndex) {
        let batches = [PartitionBatch { topic: name, partition, batch: batch.clone() }];
        patiently("produce", || {
            let answers = bear(client, address, seen, PATIENCE, |client| client.produce(Acks::All, &batches))?;
            answered(answers.first().map(|answer| answer.error), "produce")
        })?;
        let from = [FetchFrom { topic: name, partition, offset: Offset(0), max_bytes: 1 << 20 }];
        let limits = FetchLimits { max_wait: Duration::from_millis(500), min_bytes: 1, max_bytes: 1 << 20 };
        let mut values: Vec<Vec<u8>> = Vec::new();
        patiently("fetch", || {
            let answers = bear(client, address, seen, PATIENCE, |client| client.fetch(&from, limits))?;
            let answer = answers.first();
            if !answered(answer.map(|answer| answer.error), "fetch")? {
                return Ok(false);
            }
            values.clear();
            let read = answer.map(|a| a.walk(Offset(0), |_, r| values.push(r.value.unwrap_or_default().to_vec())));
            read.transpose().map_err(|error| error.to_string())?;
            Ok(!values.is_empty())
        })?;
        // Repeated produces without idempotence may stand there twice; an older topic's records may not.
        if let Some(old) = values.iter().find(|seen| **seen != value) {
            return Err(format!("partition {partition} holds {:?}", String::from_utf8_lossy(old)));
        }
    }
    delete(client, address, name, seen)
}

fn answered(error: Option<ErrorCode>, what: &str) -> Result<bool, String> {
    match error {
        Some(ErrorCode::None) => Ok(true),
        Some(error) if error.is_retriable() => Ok(false),
        other => Err(format!("{what} is answered with {other:?}")),
    }
}

fn patiently(what: &str, mut step: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    while !step()? {
        if Instant::now() > until {
            return Err(format!("{what} does not succeed within {PATIENCE:?}"));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// A repeated creation may find that the first one was done after all; so in Kafka.
fn create(
    client: &mut Option<Client>,
    address: SocketAddr,
    name: &str,
    partitions: i32,
    seen: &Seen,
) -> Result<(), String> {
    let mut attempts = 0;
    bear(client, address, seen, PATIENCE, |client| {
        attempts += 1;
        match client.create_topic(name, partitions, &[]) {
            Err(error) if attempts > 1 && error.code() == Some(ErrorCode::TopicAlreadyExists) => Ok(()),
            other => other,
        }
    })
    .map_err(|error| format!("create: {error}"))
}

fn delete(client: &mut Option<Client>, address: SocketAddr, name: &str, seen: &Seen) -> Result<(), String> {
    let mut attempts = 0;
    bear(client, address, seen, PATIENCE, |client| {
        attempts += 1;
        match delete_once(client, name) {
            Err(error) if attempts > 1 && error.code() == Some(ErrorCode::UnknownTopicOrPartition) => Ok(()),
            other => other,
        }
    })
    .map_err(|error| format!("delete: {error}"))
}

fn delete_once(client: &mut Client, name: &str) -> Result<(), ClientError> {
    let mut request = DeleteTopicsRequest::default();
    request.topic_names = vec![name.to_owned().into()];
    request.timeout_ms = 10_000;
    let Response::DeleteTopics(answer) = client.call(5, &Request::DeleteTopics(request))? else {
        return Err(ClientError::Incomplete { api: "DeleteTopics", what: "its own kind of answer".to_owned() });
    };
    let code = answer.responses.first().and_then(|topic| ErrorCode::from_code(topic.error_code));
    match code {
        Some(ErrorCode::None) => Ok(()),
        Some(code) => Err(ClientError::Refused { api: "DeleteTopics", code, message: None }),
        None => Err(ClientError::Incomplete { api: "DeleteTopics", what: name.to_owned() }),
    }
}
