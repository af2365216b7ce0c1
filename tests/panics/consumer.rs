//! A consumer that reads all partitions of a topic from the start and checks every record on its way.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use callboard_model::{ErrorCode, Offset, PartitionIndex};
use callboard_test_client::{Client, FetchFrom, FetchLimits};

use crate::producer::{PAUSE, Seen, bear, number};

const PATIENCE: Duration = Duration::from_secs(60);

/// Until when to read.
pub(crate) enum Until<'a> {
    /// Somebody says stop.
    Told(&'a AtomicBool),
    /// So many records of each partition were seen.
    Reached(&'a [i64]),
}

/// Reads from offset 0 on: the record at offset `n` must be number `n`, nothing missing, nothing twice. Gives how far
/// each partition was read.
pub(crate) fn consume(
    address: SocketAddr,
    topic: &str,
    partitions: i32,
    seen: &Seen,
    until: &Until<'_>,
) -> Result<Vec<i64>, String> {
    let mut client: Option<Client> = None;
    let mut next: Vec<i64> = (0..partitions).map(|_| 0).collect();
    let mut progress = Instant::now();
    loop {
        match until {
            Until::Told(stop) if stop.load(Ordering::Relaxed) => return Ok(next),
            Until::Reached(wanted) if next.iter().zip(*wanted).all(|(next, wanted)| next >= wanted) => return Ok(next),
            Until::Reached(wanted) if progress.elapsed() > PATIENCE => {
                return Err(format!("{topic} was read up to {next:?} only, {wanted:?} was acknowledged"));
            }
            _ => {}
        }
        let from: Vec<FetchFrom<'_>> = (0..partitions)
            .map(|partition| FetchFrom {
                topic,
                partition: PartitionIndex(partition),
                offset: Offset(next[partition as usize]),
                max_bytes: 256 << 10,
            })
            .collect();
        let limits = FetchLimits { max_wait: Duration::from_millis(100), min_bytes: 1, max_bytes: 1 << 20 };
        let answers = bear(&mut client, address, seen, PATIENCE, |client| client.fetch(&from, limits))
            .map_err(|error| format!("fetch from {topic}: {error}"))?;
        let mut must_pause = false;
        for answer in answers {
            let at = &mut next[answer.partition.get() as usize];
            match answer.error {
                ErrorCode::None => {}
                error if error.is_retriable() => {
                    seen.retriable.fetch_add(1, Ordering::Relaxed);
                    must_pause = true;
                    continue;
                }
                error => return Err(format!("{topic}-{} at {at}: {}", answer.partition, error.name())),
            }
            let before = *at;
            let mut wrong = None;
            answer
                .walk(Offset(before), |_, record| {
                    let given = number(record.value);
                    if wrong.is_none() && (record.offset != Offset(*at) || given != Some(*at)) {
                        wrong = Some(format!("offset {} holds record {given:?} where {at} is due", record.offset));
                    }
                    *at += 1;
                })
                .map_err(|error| format!("{topic}-{}: {error}", answer.partition))?;
            if let Some(wrong) = wrong {
                return Err(format!("{topic}-{}: {wrong}", answer.partition));
            }
            if *at > before {
                progress = Instant::now();
            }
            if *at > answer.high_watermark.get() {
                return Err(format!("{topic}-{}: {at} was read beyond the high watermark", answer.partition));
            }
            seen.consumed.fetch_add((*at - before) as u64, Ordering::Relaxed);
        }
        if must_pause {
            std::thread::sleep(PAUSE);
        }
    }
}
