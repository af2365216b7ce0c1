//! The producer: records go into batches, batches to the leaders of their partitions, once and in order.
//!
//! ```no_run
//! use callboard_client::{Producer, ProducerOptions, ProducerRecord};
//!
//! # async fn example() -> Result<(), callboard_client::ClientError> {
//! let producer = Producer::connect(ProducerOptions::new("localhost:9092")).await?;
//! let record = ProducerRecord::to("greetings").key("en").value("hello");
//! let delivery = producer.send(record).await?; // taken: it waits in a batch
//! let arrived = delivery.await?; // acknowledged
//! println!("partition {} offset {:?}", arrived.partition, arrived.offset);
//! producer.close(std::time::Duration::from_secs(10)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Machines decide: [`intake`] when a batch is ready, [`pipeline`] what is sent in which order under which number and what
//! an error means. [`sender`] is the one task that performs it. Deliberately absent: interceptors, serializers (a record is
//! bytes), transactions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

mod accumulator;
mod batch;
mod chunks;
mod completion;
mod counts;
mod frame;
mod intake;
mod murmur2;
mod options;
pub mod partitioner;
mod pipeline;
mod record;
mod sender;

pub use completion::Delivery;
pub use counts::ProducerCounts;
pub use murmur2::murmur2;
pub use options::{Acks, ProducerOptions};
pub use record::{ProducerRecord, RecordMetadata};

use crate::ClientError;
use crate::net::cluster::Cluster;
use crate::net::retry::Backoff;
use accumulator::{Accumulator, Refusal, check_name};
use sender::Sender;

/// Sends records. Clones share everything; when the last is dropped without [`Producer::close`], what is pending fails.
#[derive(Clone, Debug)]
pub struct Producer {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Accumulator>,
    cluster: Cluster,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abort();
    }
}

/// A record that [`Producer::try_send`] did not take, and why.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotSent {
    /// The record, unchanged.
    pub record: ProducerRecord,
    /// [`ClientError::BufferFull`] and [`ClientError::NoLeader`] pass; others do not.
    pub error: ClientError,
}

impl Producer {
    /// Makes a producer, and finds out whether its cluster can be reached.
    pub async fn connect(options: ProducerOptions) -> Result<Self, ClientError> {
        options.check()?;
        let cluster = Cluster::connect(options.cluster.clone()).await?;
        Self::on(cluster, options)
    }

    /// Makes a producer over a cluster that others use too. `options.cluster` does not count then.
    ///
    /// Must be called within a tokio runtime, which its task lives in.
    pub fn on(cluster: Cluster, mut options: ProducerOptions) -> Result<Self, ClientError> {
        options.cluster = cluster.options().clone();
        options.check()?;
        let idempotent = options.idempotent()?;
        let shared = Arc::new(Accumulator::new(options));
        let task = tokio::spawn(Sender::new(shared.clone(), cluster.clone(), idempotent).run());
        Ok(Self { handle: Arc::new(Handle { shared, cluster, task: Mutex::new(Some(task)) }) })
    }

    /// The cluster that it sends to.
    pub fn cluster(&self) -> &Cluster {
        &self.handle.cluster
    }

    /// Bytes of `buffer.memory` that are in use.
    pub fn buffered_bytes(&self) -> usize {
        self.handle.shared.used()
    }

    /// What was sent so far: requests, batches, records and bytes.
    pub fn counts(&self) -> ProducerCounts {
        self.handle.shared.counting.so_far()
    }

    /// Hands a record in. Ends once it has its place in a batch, and waits for memory and for what is not yet known of its
    /// topic, for `max.block.ms` at most. What becomes of the record is told by the [`Delivery`].
    ///
    /// Records of one partition are sent in the order in which these calls end.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery, ClientError> {
        match self.handle.shared.offer(&record, None) {
            Ok(delivery) => Ok(delivery),
            Err(Refusal::Final(error)) => Err(error),
            // Boxed, so that the way which is taken nearly always stays small.
            Err(refusal) => Box::pin(self.wait_and_send(record, refusal)).await,
        }
    }

    /// Hands a record in if that needs no waiting. A topic that is not known yet is asked for, for the next time.
    pub fn try_send(&self, record: ProducerRecord) -> Result<Delivery, Box<NotSent>> {
        let shared = &self.handle.shared;
        let mut refusal = match shared.offer(&record, None) {
            Ok(delivery) => return Ok(delivery),
            Err(refusal) => refusal,
        };
        if matches!(refusal, Refusal::Unknown) && shared.learn(&self.handle.cluster.metadata(), &record.topic) {
            match shared.offer(&record, None) {
                Ok(delivery) => return Ok(delivery),
                Err(again) => refusal = again,
            }
        }
        let error = match refusal {
            Refusal::Final(error) => error,
            Refusal::Unknown => {
                if check_name(&record.topic).is_ok() {
                    shared.want(&record.topic);
                }
                self.unknown(&record)
            }
            Refusal::Memory(_) => self.full(),
        };
        Err(Box::new(NotSent { record, error }))
    }

    fn full(&self) -> ClientError {
        let shared = &self.handle.shared;
        ClientError::BufferFull { used: shared.used(), limit: shared.options.buffer_memory }
    }

    /// Why the place of a record is not known.
    fn unknown(&self, record: &ProducerRecord) -> ClientError {
        let metadata = self.handle.cluster.metadata();
        let topic = record.topic.clone();
        match (metadata.topic(&topic), record.partition) {
            (Some(known), Some(partition)) if known.partition(partition).is_none() => {
                ClientError::NoPartition { topic, partition, count: known.partitions.len() }
            }
            _ => ClientError::NoLeader { topic, partition: record.partition.unwrap_or(-1) },
        }
    }

    async fn wait_and_send(&self, record: ProducerRecord, mut refusal: Refusal) -> Result<Delivery, ClientError> {
        let shared = &self.handle.shared;
        let deadline = Instant::now() + shared.options.max_block;
        loop {
            let mut paid = None;
            match refusal {
                Refusal::Final(error) => return Err(error),
                Refusal::Unknown => self.learn(&record, deadline).await?,
                Refusal::Memory(bytes) => match timeout_at(deadline, shared.wait_for_memory(bytes)).await {
                    Ok(permit) => paid = Some(permit?),
                    Err(_) => return Err(self.full()),
                },
            }
            match shared.offer(&record, paid) {
                Ok(delivery) => return Ok(delivery),
                Err(again) => refusal = again,
            }
        }
    }

    /// Waits until the record's topic, and its partition if it names one, are known.
    async fn learn(&self, record: &ProducerRecord, deadline: Instant) -> Result<(), ClientError> {
        let Handle { shared, cluster, .. } = &*self.handle;
        check_name(&record.topic)?;
        let start = Instant::now();
        let mut backoff = Backoff::retries(cluster.options());
        let late = |last: ClientError| ClientError::Timeout {
            what: format!("waiting for topic '{}'", record.topic).into(),
            allowed: deadline.saturating_duration_since(start),
            sent: false,
            last: Some(Arc::new(last)),
        };
        let mut before = None;
        let known = |metadata: &crate::Metadata| {
            let topic = metadata.topic(&record.topic)?;
            let there = record.partition.is_none_or(|partition| topic.partition(partition).is_some());
            (there && !topic.partitions.is_empty()).then_some(())
        };
        loop {
            let metadata = match cluster.topics(&[&record.topic], deadline).await {
                Ok(metadata) => metadata,
                // A look that only ran out of time says less than the one before it.
                Err(error) => {
                    return Err(match (error, before) {
                        (ClientError::Timeout { .. }, Some(before)) => late(before),
                        (error, _) => error,
                    });
                }
            };
            if known(&metadata).is_some() && shared.learn(&metadata, &record.topic) {
                return Ok(());
            }
            let about = || format!("topic '{}'", record.topic);
            let code = metadata.error(&record.topic);
            let error = code.and_then(|code| ClientError::from_code(code.code(), about(), None));
            let error = match error {
                Some(error) if !error.is_retriable() => return Err(error),
                Some(error) => error,
                None => self.unknown(record),
            };
            let at = Instant::now() + backoff.next(fastrand::f64());
            // A partition that is not there may be added, but hardly while one waits: a second look is enough.
            let in_vain = matches!(error, ClientError::NoPartition { .. }) && backoff.failures() > 1;
            if at >= deadline || in_vain {
                return Err(match error {
                    error @ ClientError::NoPartition { .. } => error,
                    error => late(error),
                });
            }
            before = Some(error);
            sleep_until(at).await;
            cluster.mark_stale(&record.topic);
        }
    }

    /// Sends everything that was handed in before, without lingering, and ends when all of it is decided. Each record's
    /// own [`Delivery`] tells how.
    pub async fn flush(&self) {
        self.handle.shared.flush().await;
    }

    /// Takes no more records, sends what is there and ends. What is not decided within `allowed` fails, and so does this
    /// call. Other clones are closed with it.
    pub async fn close(&self, allowed: Duration) -> Result<(), ClientError> {
        let Handle { shared, task, .. } = &*self.handle;
        let deadline = Instant::now() + allowed;
        shared.stop();
        let in_time = timeout_at(deadline, shared.flush()).await.is_ok();
        shared.abort();
        let task = task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // It ends at once, and tells those who are left on its way out.
            let _ = task.await;
        }
        if in_time {
            return Ok(());
        }
        Err(ClientError::Timeout { what: "closing the producer".into(), allowed, sent: true, last: None })
    }
}

#[cfg(test)]
mod tests;
