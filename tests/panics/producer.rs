//! An idempotent producer that tries again after retriable errors and closed connections only, and keeps a ledger.
//!
//! Each partition has one producer, whose records are numbered from 0 on: record `n` must come to stand at offset `n`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use callboard_model::{ErrorCode, PartitionIndex, Timestamp};
use callboard_test_client::{
    Acks, Client, ClientError, Idempotence, NewRecord, PartitionBatch, ProducerIdentity, encode_batch,
};

use crate::dice::Dice;

/// How long one call may take. Longer than any restart, so that a lost answer shows as a fault and not as a retry.
pub(crate) const CALL: Duration = Duration::from_secs(20);
/// How long one batch may take with all its retries.
const BATCH: Duration = Duration::from_secs(60);
/// Pause before a retry; Kafka's clients wait 100 ms.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
/// Pause between two rounds of batches, so that an hour of this fits on a disk.
const BREATH: Duration = Duration::from_millis(5);
/// Bytes of every record's value, its number included.
const VALUE_LEN: usize = 120;

/// What all clients together have seen, for the report.
#[derive(Default)]
#[allow(dead_code, reason = "one of two tests reads all of it")]
pub(crate) struct Seen {
    pub(crate) acknowledged: AtomicU64,
    pub(crate) consumed: AtomicU64,
    pub(crate) retriable: AtomicU64,
    pub(crate) closed: AtomicU64,
    pub(crate) topics: AtomicU64,
    pub(crate) admin: AtomicU64,
    pub(crate) admin_away: AtomicU64,
}

/// How many records of each partition were acknowledged.
pub(crate) type Ledger = Vec<i64>;

/// A call with everything that a client is expected to bear: reconnects, and asks again what may be asked again.
pub(crate) fn bear<T>(
    client: &mut Option<Client>,
    address: SocketAddr,
    seen: &Seen,
    patience: Duration,
    mut call: impl FnMut(&mut Client) -> Result<T, ClientError>,
) -> Result<T, String> {
    let until = Instant::now() + patience;
    loop {
        let attempt = match client {
            Some(client) => call(client),
            None => match Client::connect(address, CALL) {
                Ok(fresh) => call(client.insert(fresh)),
                Err(error) => Err(error),
            },
        };
        match attempt {
            Ok(value) => return Ok(value),
            Err(ClientError::Deadline { what, deadline }) => {
                return Err(format!("{what}: no answer within {deadline:?}"));
            }
            Err(error) if error.is_disconnect() => {
                *client = None;
                seen.closed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if error.code().is_some_and(ErrorCode::is_retriable) => {
                seen.retriable.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => return Err(error.to_string()),
        }
        if Instant::now() > until {
            return Err(format!("nothing but retriable errors for {patience:?}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The time of a new record; retention would take older ones away.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("before the year 292 million"))
}

/// One record's value: its number, then filling.
pub(crate) fn value(number: i64) -> Vec<u8> {
    let mut value = format!("{number:016}").into_bytes();
    value.resize(VALUE_LEN, b'.');
    value
}

/// The number in a record's value.
pub(crate) fn number(value: Option<&[u8]>) -> Option<i64> {
    std::str::from_utf8(value?.get(..16)?).ok()?.parse().ok()
}

fn batch(first: i64, count: i64, identity: ProducerIdentity) -> Bytes {
    let values: Vec<Vec<u8>> = (first..first + count).map(value).collect();
    let records: Vec<NewRecord<'_>> = values.iter().map(|value| NewRecord::new(b"key", value, now())).collect();
    let stamp = Idempotence {
        producer_id: identity.producer_id,
        producer_epoch: identity.producer_epoch,
        base_sequence: i32::try_from(first).expect("a test's numbers are small"),
    };
    encode_batch(&records, Some(stamp))
}

/// Writes to all partitions of a topic until it is told to stop; gives what was acknowledged.
pub(crate) fn produce(
    address: SocketAddr,
    topic: &str,
    partitions: i32,
    seen: &Seen,
    stop: &AtomicBool,
    mut dice: Dice,
) -> Result<Ledger, String> {
    let mut client = None;
    let identity = bear(&mut client, address, seen, BATCH, Client::init_producer_id)?;
    let mut ledger: Ledger = (0..partitions).map(|_| 0).collect();
    while !stop.load(Ordering::Relaxed) {
        let mut waiting: Vec<(i32, i64, Bytes)> = (0..partitions)
            .map(|partition| {
                let count = 1 + dice.below(8) as i64;
                (partition, count, batch(ledger[partition as usize], count, identity))
            })
            .collect();
        std::thread::sleep(BREATH);
        let until = Instant::now() + BATCH;
        while !waiting.is_empty() {
            let batches: Vec<PartitionBatch<'_>> = waiting
                .iter()
                .map(|(partition, _, batch)| PartitionBatch {
                    topic,
                    partition: PartitionIndex(*partition),
                    batch: batch.clone(),
                })
                .collect();
            let answers = bear(&mut client, address, seen, BATCH, |client| client.produce(Acks::All, &batches))
                .map_err(|error| format!("produce to {topic}: {error}"))?;
            for answer in answers {
                let at = waiting.iter().position(|(partition, ..)| *partition == answer.partition.get());
                let at = at.ok_or_else(|| format!("an answer for partition {} of {topic}", answer.partition))?;
                let acknowledged = &mut ledger[waiting[at].0 as usize];
                match answer.error {
                    ErrorCode::None if answer.base_offset.get() != *acknowledged => {
                        return Err(format!(
                            "{topic}-{}: batch {acknowledged} was put at offset {}",
                            answer.partition, answer.base_offset
                        ));
                    }
                    ErrorCode::None => {
                        *acknowledged += waiting[at].1;
                        seen.acknowledged.fetch_add(waiting[at].1 as u64, Ordering::Relaxed);
                        waiting.swap_remove(at);
                    }
                    error if error.is_retriable() => {
                        seen.retriable.fetch_add(1, Ordering::Relaxed);
                    }
                    error => {
                        return Err(format!(
                            "{topic}-{} refuses batch {acknowledged}: {} {:?}",
                            answer.partition,
                            error.name(),
                            answer.message
                        ));
                    }
                }
            }
            if Instant::now() > until {
                return Err(format!("{topic}: batches are not taken within {BATCH:?}"));
            }
            if !waiting.is_empty() {
                std::thread::sleep(PAUSE);
            }
        }
    }
    Ok(ledger)
}
