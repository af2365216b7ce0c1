//! The consumer that programs hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard_model::Timestamp;
use futures_util::Stream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::batch::Chunk;
use super::driver::Driver;
use super::error::ConsumerError;
use super::listener::RebalanceListener;
use super::membership::{GroupSettings, Membership};
use super::options::ConsumerOptions;
use super::pattern::Pattern;
use super::positions::{Place, Position, Positions, Wanted};
use super::requests::{CommittedOffset, Coordinator};
use super::shared::{CommitJob, Interest, Ready, Shared, State};
use super::{ConsumerRecord, RecordBatch, RecordCursor, TopicPartition};
use crate::Cluster;

mod asking;
mod rebalancing;

/// How long a dropped consumer's last words may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// Reads records, alone ([`Self::assign`]) or as a member of a group ([`Self::subscribe`]).
///
/// Fetching, heartbeats and commits run in a task of their own; rebalances happen within the program's polls
/// ([`Self::recv`], [`Self::recv_batch`], [`Self::poll`], [`Self::stream`]), which may be cancelled at any time without a
/// loss. They need a thread of the runtime from time to time: a program that computes for seconds without awaiting does so on
/// `spawn_blocking`, or its group takes it for dead. What was handed out counts as handled at the next poll: from then on it is committed, by itself or by
/// [`Self::commit`]. Dropped without [`Self::close`], the consumer leaves its group without a commit.
///
/// ```no_run
/// # async fn example() -> Result<(), callboard_client::consumer::ConsumerError> {
/// use callboard_client::consumer::{Consumer, ConsumerOptions};
///
/// let mut consumer = Consumer::new(ConsumerOptions::in_group("localhost:9092", "readers")).await?;
/// consumer.subscribe(["greetings"])?;
/// for _ in 0..10 {
///     let record = consumer.recv().await?;
///     println!("{} at {}: {:?}", record.topic, record.offset, record.value);
/// }
/// consumer.close(std::time::Duration::from_secs(10)).await
/// # }
/// ```
pub struct Consumer {
    shared: Arc<Shared>,
    cluster: Cluster,
    coordinator: Option<Coordinator>,
    options: ConsumerOptions,
    driver: Option<JoinHandle<()>>,
    listener: Option<Arc<tokio::sync::Mutex<Box<dyn RebalanceListener>>>>,
    current: Option<Current>,
    /// Begun and then paused.
    parked: Vec<Current>,
    /// Partitions whose arrival the listener still has to hear of.
    arrived: Option<Vec<TopicPartition>>,
    late_error: Option<ConsumerError>,
}

/// What is being handed out.
struct Current {
    ticket: u64,
    chunk: Chunk,
    batch: Option<RecordCursor>,
    /// What the user gets next.
    position: Position,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("group", &self.options.group_id).finish_non_exhaustive()
    }
}

impl Consumer {
    /// Connects to the cluster.
    pub async fn new(options: ConsumerOptions) -> Result<Self, ConsumerError> {
        options.check()?;
        let cluster = Cluster::connect(options.cluster.clone()).await?;
        Self::on(cluster, options)
    }

    /// A consumer on connections that others use too. Long polls and joins have lanes of their own, but two consumers on one
    /// handle share those. Must be called within a tokio runtime, which its task lives in.
    pub fn on(cluster: Cluster, options: ConsumerOptions) -> Result<Self, ConsumerError> {
        options.check()?;
        let coordinator =
            options.group_id.as_deref().map(|group| Coordinator { cluster: cluster.clone(), group: group.into() });
        let membership = coordinator.as_ref().map(|coordinator| {
            Membership::new(GroupSettings {
                group: coordinator.group.clone(),
                instance: options.group_instance_id.as_deref().map(Into::into),
                assignors: options.partition_assignment_strategy.clone(),
                session_timeout: options.session_timeout,
                heartbeat_interval: options.heartbeat_interval,
                max_poll_interval: options.max_poll_interval,
                retry_backoff: options.cluster.retry_backoff,
                retry_backoff_max: options.cluster.retry_backoff_max,
            })
        });
        let shared = Arc::new(Shared::new(Positions::new(options.auto_offset_reset), membership));
        let driver = Driver::new(shared.clone(), cluster.clone(), &options);
        Ok(Self {
            shared,
            cluster,
            coordinator,
            driver: Some(tokio::spawn(driver.run())),
            options,
            listener: None,
            current: None,
            parked: Vec::new(),
            arrived: None,
            late_error: None,
        })
    }

    /// The cluster that it reads from.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The options that it was made with.
    pub fn options(&self) -> &ConsumerOptions {
        &self.options
    }

    /// Tells `listener` of rebalances from now on, instead of the one before.
    pub fn set_listener(&mut self, listener: impl RebalanceListener + 'static) {
        self.listener = Some(Arc::new(tokio::sync::Mutex::new(Box::new(listener))));
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.shared.lock());
        self.shared.wake.notify_one();
        result
    }

    /// Reads these topics as a member of the group, in place of those before. Partitions come with the next polls.
    pub fn subscribe<T: Into<Arc<str>>>(&mut self, topics: impl IntoIterator<Item = T>) -> Result<(), ConsumerError> {
        let topics: BTreeSet<Arc<str>> = topics.into_iter().map(Into::into).collect();
        if topics.is_empty() {
            return Err(ConsumerError::illegal("subscribe needs a topic; unsubscribe ends a subscription"));
        }
        self.join_with(Interest::Topics(topics))
    }

    /// Reads all topics whose whole name matches a regular expression, those too that come later (within
    /// `metadata.max.age.ms`).
    pub fn subscribe_matching(&mut self, pattern: &str) -> Result<(), ConsumerError> {
        let pattern = Pattern::new(pattern)?;
        self.join_with(Interest::Matching(pattern))
    }

    fn join_with(&mut self, interest: Interest) -> Result<(), ConsumerError> {
        if self.coordinator.is_none() {
            return Err(ConsumerError::NoGroup);
        }
        let now = Instant::now();
        self.change(|state| {
            if matches!(state.interest, Interest::Partitions) {
                return Err(ConsumerError::illegal("partitions are assigned by hand: unsubscribe before subscribe"));
            }
            if let (Interest::Topics(topics), Some(membership)) = (&interest, &mut state.membership) {
                membership.subscribe(topics.clone(), now);
            }
            state.interest = interest;
            state.topics_wanted = true;
            Ok(())
        })
    }

    /// Reads exactly these partitions, without sharing them with a group. A group's committed offsets are where it begins.
    pub fn assign<P: Into<TopicPartition>>(
        &mut self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), ConsumerError> {
        let partitions: BTreeSet<TopicPartition> = partitions.into_iter().map(Into::into).collect();
        self.flush();
        self.change(|state| {
            if matches!(state.interest, Interest::Topics(_) | Interest::Matching(_)) {
                return Err(ConsumerError::illegal("topics are subscribed to: unsubscribe before assign"));
            }
            state.interest = Interest::Partitions;
            state.assign(&partitions);
            Ok(())
        })?;
        self.drop_unwanted();
        Ok(())
    }

    /// Partitions that it reads now.
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.shared.lock().positions.assigned()
    }

    /// Topics that it subscribes to; those that match, if it was a pattern.
    pub fn subscription(&self) -> BTreeSet<Arc<str>> {
        let state = self.shared.lock();
        state.membership.as_ref().map(|membership| membership.topics().clone()).unwrap_or_default()
    }

    /// The id that the coordinator gave it, and its generation; `None` outside of a generation.
    pub fn group_membership(&self) -> Option<(Arc<str>, i32)> {
        let state = self.shared.lock();
        let who = state.membership.as_ref()?.identity();
        (who.generation >= 0).then_some((who.member, who.generation))
    }

    /// Bytes that were fetched ahead at most so far: never much more than `queued.max.bytes`.
    pub fn buffered_bytes_max(&self) -> usize {
        self.shared.lock().buffered_max
    }

    /// The next record, once there is one.
    pub async fn recv(&mut self) -> Result<ConsumerRecord, ConsumerError> {
        loop {
            self.begin_poll().await?;
            if let Some(record) = self.next_record()? {
                return Ok(record);
            }
            self.wait().await?;
        }
    }

    /// The records of the next batch, once there is one: the fastest way to read. All of them count as handled at the next
    /// poll.
    pub async fn recv_batch(&mut self) -> Result<RecordBatch, ConsumerError> {
        loop {
            self.begin_poll().await?;
            if let Some(batch) = self.next_batch()? {
                return Ok(batch);
            }
            self.wait().await?;
        }
    }

    /// Up to `max.poll.records` records; none if there are none within `timeout`.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>, ConsumerError> {
        let mut records = Vec::new();
        match tokio::time::timeout(timeout, self.recv()).await {
            Ok(first) => records.push(first?),
            Err(_) => return Ok(records),
        }
        while records.len() < self.options.max_poll_records {
            match self.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                // The records come first, the error with the next poll.
                Err(error) => {
                    self.late_error = Some(error);
                    break;
                }
            }
        }
        Ok(records)
    }

    /// The records as a stream that does not end.
    pub fn stream(&mut self) -> impl Stream<Item = Result<ConsumerRecord, ConsumerError>> + '_ {
        futures_util::stream::unfold(self, |consumer| async move { Some((consumer.recv().await, consumer)) })
    }

    /// What every poll does first: rebalance, commit by itself, tell an error.
    async fn begin_poll(&mut self) -> Result<(), ConsumerError> {
        self.shared.polls.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = self.late_error.take() {
            return Err(error);
        }
        if self.shared.attention.load(Ordering::Acquire) {
            self.attend().await?;
        }
        if self.shared.commit_due.load(Ordering::Relaxed) && self.shared.commit_due.swap(false, Ordering::AcqRel) {
            self.commit_by_itself(None);
        }
        Ok(())
    }

    /// Until there is something new.
    async fn wait(&mut self) -> Result<(), ConsumerError> {
        struct InPoll<'a>(&'a Shared);
        impl Drop for InPoll<'_> {
            fn drop(&mut self) {
                self.0.lock().in_poll = false;
            }
        }
        let shared = self.shared.clone();
        {
            let mut state = shared.lock();
            if matches!(state.interest, Interest::Nothing) {
                return Err(ConsumerError::NotSubscribed);
            }
            if shared.ended.load(Ordering::Acquire) {
                return Err(crate::ClientError::Closed("consumer").into());
            }
            state.in_poll = true;
        }
        let _in_poll = InPoll(&shared);
        shared.arrived.notified().await;
        Ok(())
    }

    fn next_record(&mut self) -> Result<Option<ConsumerRecord>, ConsumerError> {
        loop {
            if let Some(current) = &mut self.current
                && let Some(cursor) = &mut current.batch
            {
                match cursor.next() {
                    Some(Ok(record)) => {
                        current.position = Position { offset: record.offset + 1, epoch: record.leader_epoch };
                        return Ok(Some(record));
                    }
                    Some(Err(source)) => {
                        let (partition, offset) = (cursor.batch().partition().clone(), current.position.offset);
                        return Err(self.corrupt(partition, offset, source));
                    }
                    None => {
                        let batch = cursor.batch();
                        current.position = Position { offset: batch.next_offset(), epoch: batch.leader_epoch() };
                        current.batch = None;
                    }
                }
            }
            match self.open_batch()? {
                Some(batch) => {
                    if let Some(current) = &mut self.current {
                        current.batch = Some(batch.into_records());
                    }
                }
                None => return Ok(None),
            }
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ConsumerError> {
        if let Some(current) = &mut self.current
            && let Some(cursor) = current.batch.take()
        {
            let rest = cursor.batch().rest_from(current.position.offset);
            current.position = Position { offset: rest.next_offset(), epoch: rest.leader_epoch() };
            if current.position.offset > rest.first_offset() {
                return Ok(Some(rest));
            }
        }
        let batch = self.open_batch()?;
        if let (Some(batch), Some(current)) = (&batch, &mut self.current) {
            current.position = Position { offset: batch.next_offset(), epoch: batch.leader_epoch() };
        }
        Ok(batch)
    }

    /// The next batch of what is at hand, which becomes current. The position is not moved past it.
    fn open_batch(&mut self) -> Result<Option<RecordBatch>, ConsumerError> {
        loop {
            if let Some(current) = &mut self.current {
                let next = current.chunk.next_batch();
                if let Some(Ok(batch)) = next {
                    current.position.offset = current.position.offset.max(batch.first_offset());
                    return Ok(Some(batch));
                }
                let position = current.chunk.position();
                current.position.offset = current.position.offset.max(position);
                let (partition, offset) = (current.chunk.partition.clone(), current.position.offset);
                if let Some(Err(source)) = next {
                    return Err(self.corrupt(partition, offset, source));
                }
                self.flush();
                self.current = None;
            }
            if !self.parked.is_empty() {
                let state = self.shared.lock();
                let wanted = |parked: &Current| state.positions.wants(&parked.chunk.partition, parked.ticket);
                self.parked.retain(|parked| wanted(parked) != Wanted::No);
                let at = self.parked.iter().position(|parked| wanted(parked) == Wanted::Now);
                drop(state);
                self.current = at.map(|at| self.parked.remove(at));
                if let Some(current) = &mut self.current
                    && let Some(cursor) = current.batch.take()
                {
                    return Ok(Some(cursor.batch().rest_from(current.position.offset)));
                }
                if self.current.is_some() {
                    continue;
                }
            }
            let (popped, was_full) = {
                let mut state = self.shared.lock();
                let before = state.buffered;
                (state.pop(), before)
            };
            match popped {
                Some(Ready::Chunk { ticket, chunk }) => {
                    if was_full >= self.options.max_partition_fetch_bytes.min(self.options.queued_max_bytes) {
                        self.shared.wake.notify_one();
                    }
                    let position = Position { offset: chunk.position(), epoch: None };
                    self.current = Some(Current { ticket, chunk, batch: None, position });
                }
                Some(Ready::Error { error, .. }) => return Err(error),
                None => return Ok(None),
            }
        }
    }

    fn corrupt(&mut self, partition: TopicPartition, offset: i64, source: super::CorruptBatch) -> ConsumerError {
        self.flush();
        if let Some(current) = self.current.take() {
            self.change(|state| state.positions.stuck(&partition, current.ticket));
        }
        ConsumerError::Corrupt { partition, offset, source }
    }

    /// Tells the machines how far the user has come.
    fn flush(&mut self) {
        let mut state = self.shared.lock();
        for current in self.current.iter().chain(&self.parked) {
            state.positions.delivered(&current.chunk.partition, current.ticket, current.position);
        }
    }

    /// Drops, or sets aside, what is no longer to be handed out.
    fn drop_unwanted(&mut self) {
        let state = self.shared.lock();
        let wanted = |current: &Current| state.positions.wants(&current.chunk.partition, current.ticket);
        self.parked.retain(|parked| wanted(parked) != Wanted::No);
        if let Some(current) = self.current.take() {
            match wanted(&current) {
                Wanted::Now => self.current = Some(current),
                Wanted::Later => self.parked.push(current),
                Wanted::No => {}
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.closing.is_none() {
            state.closing = Some(Instant::now() + FAREWELL);
            if let Some(membership) = &mut state.membership {
                membership.leave();
            }
        }
        drop(state);
        self.shared.wake.notify_one();
    }
}
