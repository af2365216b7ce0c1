//! `callboard bench`: how fast records are written, read, and get from end to end.

mod latencies;
mod progress;
mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use callboard_client::consumer::{Consumer, ConsumerError, ConsumerOptions};
use callboard_client::{Delivery, Producer, ProducerCounts, ProducerOptions, ProducerRecord, TopicPartition};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::consume::fault;
use super::topic::{ends, find_topic, partitions_of};
use crate::arguments::{BenchCommand, BenchConsume, BenchEndToEnd, BenchNoun, BenchProduce, Load};
use crate::connection::{Client, Place};
use crate::fault::Fault;
use crate::run::Outcome;
use latencies::Latencies;
use progress::Progress;

/// Records that are written if nobody says how many, and for how long.
const RECORDS: u64 = 100_000;
/// The same from end to end.
const END_TO_END_RECORDS: u64 = 1000;
/// Bytes of the number and the time that a record from end to end begins with.
const STAMP: usize = 16;
/// How long a record may take from end to end.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// How long ends may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// What was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) what: &'static str,
    pub(super) topic: String,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) took: Duration,
    pub(super) failed: u64,
    pub(super) latencies: Option<Latencies>,
    /// Of a producer: the requests and batches that it took.
    pub(super) sent: Option<ProducerCounts>,
}

pub(crate) async fn run(noun: BenchNoun) -> Result<Outcome, Fault> {
    let clients: &[Client] = match &noun.command {
        BenchCommand::Produce(_) => &[Client::Producer],
        BenchCommand::Consume(_) => &[Client::Consumer],
        BenchCommand::EndToEnd(_) => &[Client::Producer, Client::Consumer],
    };
    let place = Place::find(&noun.link, None)?.running(clients);
    let (measured, faults) = match &noun.command {
        BenchCommand::Produce(asked) => produce(&place, asked).await?,
        BenchCommand::Consume(asked) => (consume(&place, asked).await?, Vec::new()),
        BenchCommand::EndToEnd(asked) => end_to_end(&place, asked).await?,
    };
    Ok(Outcome::answer(show::measured(&measured)).faults(faults))
}

/// A producer with what the command line says.
async fn producer(place: &Place, load: &Load, linger: Option<Duration>) -> Result<Producer, Fault> {
    let mut options = ProducerOptions::new(&place.brokers);
    options.cluster = place.plain_options();
    options.cluster.request_timeout = Duration::from_secs(30);
    if let Some(linger) = linger {
        options.linger = linger;
    }
    if let Some(codec) = load.compression {
        options.set("compression.type", codec.name()).map_err(|error| crate::connection::option_fault(&error))?;
    }
    place.apply(|key, value| options.set(key, value))?;
    Producer::connect(options).await.map_err(|error| place.fault(&error))
}

/// Letters that compress about as well as words do; the same for every run.
fn payload(size: usize, seed: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..size).map(|_| b"etaoin shrdlucmfwypvbgkqjxz"[random.usize(..27)]).collect()
}

/// Follows the deliveries of one partition, which are decided in order, so that each latency is what it was.
struct Followed {
    tell: mpsc::UnboundedSender<(Instant, Delivery)>,
    task: JoinHandle<(Latencies, Vec<callboard_client::ClientError>, u64)>,
}

fn follow(acknowledged: Arc<AtomicU64>) -> Followed {
    let (tell, mut deliveries) = mpsc::unbounded_channel::<(Instant, Delivery)>();
    let task = tokio::spawn(async move {
        let (mut latencies, mut errors, mut failed) = (Latencies::default(), Vec::new(), 0);
        while let Some((sent, delivery)) = deliveries.recv().await {
            match delivery.await {
                Ok(_) => {
                    latencies.add(sent.elapsed());
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    failed += 1;
                    if errors.is_empty() {
                        errors.push(error);
                    }
                }
            }
        }
        (latencies, errors, failed)
    });
    Followed { tell, task }
}

async fn produce(place: &Place, asked: &BenchProduce) -> Result<(Measured, Vec<Fault>), Fault> {
    let admin = place.admin().await?;
    let topic = find_topic(place, &admin, &asked.load.topic).await?;
    let producer = producer(place, &asked.load, None).await?;
    let size = usize::try_from(asked.load.size).map_err(|_| Fault::usage("--size is too large"))?;
    let records = asked.records.unwrap_or(if asked.load.duration.is_some() { u64::MAX } else { RECORDS });
    let end = asked.load.duration.map(|span| Instant::now() + span.0);
    let value = payload(size, 1);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut progress = Progress::new(asked.records, asked.load.size);
    let mut followed: BTreeMap<i32, Followed> = BTreeMap::new();
    let mut faults = Vec::new();
    let start = Instant::now();
    let mut number = 0;
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let pace = asked.load.rate.map(|rate| Duration::from_secs(1) / rate);
    while number < records && end.is_none_or(|end| Instant::now() < end) {
        let mut record = ProducerRecord::to(topic.name.clone()).value(value.clone());
        if let Some(keys) = asked.keys {
            record = record.key(format!("key-{}", fastrand::u64(..keys)));
        }
        let sent = Instant::now();
        match producer.send(record).await {
            Ok(delivery) => {
                let of = followed.entry(delivery.partition()).or_insert_with(|| follow(acknowledged.clone()));
                of.tell.send((sent, delivery)).ok();
            }
            Err(error) => {
                faults.push(place.fault(&error));
                break;
            }
        }
        number += 1;
        if let Some(pace) = pace {
            let due = start + pace * u32::try_from(number).unwrap_or(u32::MAX);
            tokio::time::sleep_until(due.into()).await;
        }
        if number % 1024 == 0 {
            progress.tell(acknowledged.load(Ordering::Relaxed));
            // What is sent without ever waiting would keep everyone else from this thread.
            tokio::select! {
                biased;
                _ = &mut interrupted => break,
                () = tokio::task::yield_now() => {}
            }
        } else if pace.is_some() {
            progress.tell(acknowledged.load(Ordering::Relaxed));
        }
    }
    producer.flush().await;
    let mut latencies = Latencies::default();
    let mut failed = 0;
    for (_, Followed { tell, task }) in followed {
        drop(tell);
        let (of_partition, errors, count) = task.await.map_err(|error| Fault::failed(error.to_string()))?;
        latencies.merge(&of_partition);
        failed += count;
        faults.extend(errors.iter().map(|error| place.fault(error)));
    }
    let took = start.elapsed();
    progress.end();
    producer.close(FAREWELL).await.map_err(|error| place.fault(&error))?;
    let records = acknowledged.load(Ordering::Relaxed);
    let bytes = records * asked.load.size;
    let topic = topic.name.to_string();
    let (latencies, sent) = (Some(latencies), Some(producer.counts()));
    let measured = Measured { what: "produce", topic, records, bytes, took, failed, latencies, sent };
    Ok((measured, faults))
}

async fn consume(place: &Place, asked: &BenchConsume) -> Result<Measured, Fault> {
    let admin = place.admin().await?;
    let topic = find_topic(place, &admin, &asked.topic).await?;
    let topics = [topic];
    let (ends, failed) = ends(&admin, &topics).await;
    if let Some(error) = failed.first() {
        return Err(place.fault(error));
    }
    let mut consumer = consumer(place).await?;
    let failed = |error: ConsumerError| fault(place, &error);
    let partitions = partitions_of(&topics);
    consumer.assign(partitions.iter().cloned()).map_err(failed)?;
    let mut open: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let of_topic = ends.get(&*topics[0].name).cloned().unwrap_or_default();
    for partition in &partitions {
        let (Some(start), Some(end)) = of_topic.get(&partition.partition).copied().unwrap_or_default() else {
            continue;
        };
        consumer.seek(partition, start).map_err(failed)?;
        if start < end {
            open.insert(partition.clone(), end);
        }
    }
    let most = asked.records.unwrap_or(u64::MAX);
    let end = asked.duration.map(|span| Instant::now() + span.0);
    let mut progress = Progress::new(asked.records, 0);
    let mut measured = Measured { what: "consume", topic: asked.topic.clone(), ..Measured::default() };
    let start = Instant::now();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    while measured.records < most && end.is_none_or(|end| Instant::now() < end) {
        // Without a number or a time, the end of the log is the end.
        if open.is_empty() && asked.records.is_none() && asked.duration.is_none() {
            break;
        }
        let batch = tokio::select! {
            _ = &mut interrupted => break,
            batch = tokio::time::timeout(Duration::from_millis(250), consumer.recv_batch()) => batch,
        };
        match batch {
            Ok(Ok(batch)) => {
                for record in batch.iter() {
                    let record = record.map_err(|error| Fault::failed(format!("{}: {error}", batch.partition())))?;
                    measured.records += 1;
                    measured.bytes += (record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)) as u64;
                }
                if open.get(batch.partition()).is_some_and(|end| batch.next_offset() >= *end) {
                    open.remove(batch.partition());
                }
                progress.tell_bytes(measured.records, measured.bytes);
            }
            Ok(Err(error)) if error.is_retriable() => {}
            Ok(Err(error)) => return Err(fault(place, &error)),
            Err(_) => open.retain(|partition, end| {
                consumer.known_position(partition).ok().flatten().is_none_or(|next| next < *end)
            }),
        }
    }
    measured.took = start.elapsed();
    progress.end();
    consumer.close(FAREWELL).await.ok();
    Ok(measured)
}

async fn consumer(place: &Place) -> Result<Consumer, Fault> {
    let mut options = ConsumerOptions::new(&place.brokers);
    options.cluster = place.plain_options();
    options.enable_auto_commit = false;
    place.apply(|key, value| options.set(key, value))?;
    Consumer::new(options).await.map_err(|error| fault(place, &error))
}

async fn end_to_end(place: &Place, asked: &BenchEndToEnd) -> Result<(Measured, Vec<Fault>), Fault> {
    let admin = place.admin().await?;
    let topic = find_topic(place, &admin, &asked.load.topic).await?;
    let size = usize::try_from(asked.load.size).map_err(|_| Fault::usage("--size is too large"))?.max(STAMP);
    let producer = producer(place, &asked.load, Some(Duration::ZERO)).await?;
    let mut consumer = consumer(place).await?;
    let failed = |error: ConsumerError| fault(place, &error);
    let partitions = partitions_of(std::slice::from_ref(&topic));
    consumer.assign(partitions.iter().cloned()).map_err(failed)?;
    let (ends, _) = ends(&admin, std::slice::from_ref(&topic)).await;
    let of_topic = ends.get(&*topic.name).cloned().unwrap_or_default();
    for partition in &partitions {
        let (_, end) = of_topic.get(&partition.partition).copied().unwrap_or_default();
        consumer.seek(partition, end.unwrap_or(0)).map_err(failed)?;
    }
    let records = asked.records.unwrap_or(if asked.load.duration.is_some() { u64::MAX } else { END_TO_END_RECORDS });
    let end = asked.load.duration.map(|span| Instant::now() + span.0);
    let pace = asked.load.rate.map(|rate| Duration::from_secs(1) / rate);
    // Other records of this topic are told apart by this number.
    let mine = fastrand::u64(..);
    let filling = payload(size - STAMP, 1);
    let start = Instant::now();
    let mut progress = Progress::new(asked.records, size as u64);
    let mut measured = Measured { what: "e2e", topic: asked.load.topic.clone(), ..Measured::default() };
    let mut latencies = Latencies::default();
    let mut sent: u64 = 0;
    let mut faults = Vec::new();
    let mut last_heard = Instant::now();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let sending = sent < records && end.is_none_or(|end| Instant::now() < end);
        if !sending && measured.records == sent {
            break;
        }
        // At a rate, the next goes when it is due; else when the one before has been read.
        let due = pace.map_or(start, |pace| start + pace * u32::try_from(sent).unwrap_or(u32::MAX));
        let may_send = sending && (pace.is_some() || measured.records == sent);
        if may_send && Instant::now() >= due {
            let mut value = BytesMut::with_capacity(size);
            value.put_u64(mine);
            value.put_u64(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            value.put_slice(&filling);
            match producer.send(ProducerRecord::to(topic.name.clone()).value(value.freeze())).await {
                // What is read has been written; a failure shows as a record that never comes.
                Ok(delivery) => drop(delivery),
                Err(error) => {
                    faults.push(place.fault(&error));
                    break;
                }
            }
            sent += 1;
            last_heard = last_heard.max(Instant::now());
            continue;
        }
        let wait = if may_send { due.saturating_duration_since(Instant::now()) } else { Duration::from_secs(1) };
        let polled = tokio::select! {
            _ = &mut interrupted => break,
            polled = tokio::time::timeout(wait, consumer.recv()) => polled,
        };
        match polled {
            Ok(Ok(record)) => {
                let value = record.value.unwrap_or_default();
                if value.len() >= STAMP && value[..8] == mine.to_be_bytes() {
                    let stamp: [u8; 8] = value[8..STAMP].try_into().expect("eight bytes");
                    let then = Duration::from_nanos(u64::from_be_bytes(stamp));
                    latencies.add(start.elapsed().saturating_sub(then));
                    measured.records += 1;
                    measured.bytes += value.len() as u64;
                    last_heard = Instant::now();
                    progress.tell(measured.records);
                }
            }
            Ok(Err(error)) if error.is_retriable() => {}
            Ok(Err(error)) => return Err(fault(place, &error)),
            Err(_) if measured.records < sent && last_heard.elapsed() > LOST_AFTER => {
                let missing = sent - measured.records;
                faults.push(Fault::failed(format!("{missing} records did not come within {} s", LOST_AFTER.as_secs())));
                break;
            }
            Err(_) => {}
        }
    }
    measured.took = start.elapsed();
    measured.failed = sent - measured.records;
    measured.latencies = Some(latencies);
    progress.end();
    producer.close(FAREWELL).await.ok();
    consumer.close(FAREWELL).await.ok();
    Ok((measured, faults))
}
