//! The task that sends: it takes ready batches, groups them by leader, and tells each what became of it.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::BrokerId;
use callboard_wire::ApiKey;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep_until};

mod answers;
mod asking;

use super::accumulator::{Accumulator, Slot};
use super::batch::{Batch, OpenBatch};
use super::frame;
use super::pipeline::{Effect, Identity, Pipeline};
use crate::ClientError;
use crate::net::cluster::{Cluster, Lane, Target};
use crate::net::connection::Connection;

/// Batches above this are compressed where that does not hold up other tasks.
const COMPRESSED_IN_PLACE_MAX: usize = 64 * 1024;

/// How long memory has to be unused before it goes back.
const TRIM: Duration = Duration::from_secs(1);

/// Something that was waited for.
enum Event {
    Answered { broker: BrokerId, sent: Vec<Sent>, version: i16, answer: Result<Bytes, ClientError> },
    Connected { broker: BrokerId, result: Result<Arc<Connection>, ClientError> },
    Metadata { topics: Vec<Arc<str>>, result: Result<(), ClientError> },
    Identity(Result<Identity, ClientError>),
}

/// A batch in a request.
struct Sent {
    number: usize,
    key: u64,
}

struct Partition {
    slot: Arc<Slot>,
    pipeline: Pipeline<Batch>,
    /// In whose list it stands.
    listed: Option<BrokerId>,
    /// Where its unanswered batches are.
    at: Option<BrokerId>,
    timer: Option<Instant>,
    /// What went wrong last, for a batch that was never sent.
    last: Option<ClientError>,
}

#[derive(Default)]
struct BrokerLane {
    in_flight: usize,
    ready: VecDeque<usize>,
    connecting: bool,
    not_before: Option<Instant>,
    failures: u32,
}

pub(crate) struct Sender {
    shared: Arc<Accumulator>,
    cluster: Cluster,
    idempotent: bool,
    partitions: Vec<Partition>,
    lanes: BTreeMap<BrokerId, BrokerLane>,
    timers: BTreeSet<(Instant, usize)>,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
    identity: Option<Identity>,
    asking_identity: bool,
    stale: HashSet<Arc<str>>,
    /// Whether what is looked at now is sent without lingering.
    hurried: bool,
    asking_metadata: bool,
    refresh_at: Instant,
    sweep_at: Instant,
    /// When memory that nobody needed goes back.
    trim_at: Option<Instant>,
    /// What was decided of batches and nobody was told yet.
    decided: Vec<(usize, Effect<Batch>)>,
}

impl Sender {
    pub(crate) fn new(shared: Arc<Accumulator>, cluster: Cluster, idempotent: bool) -> Self {
        let now = Instant::now();
        let refresh_at = now + shared.options.cluster.metadata_max_age;
        Self {
            shared,
            cluster,
            idempotent,
            partitions: Vec::new(),
            lanes: BTreeMap::new(),
            timers: BTreeSet::new(),
            events: FuturesUnordered::new(),
            identity: None,
            asking_identity: false,
            stale: HashSet::new(),
            hurried: false,
            asking_metadata: false,
            refresh_at,
            sweep_at: now,
            trim_at: None,
            decided: Vec::new(),
        }
    }

    /// Works until it is told to give up, or everything is done after it was told to stop.
    pub(crate) async fn run(mut self) {
        let mut dirty = Vec::new();
        if self.idempotent {
            // By the time of the first record it is there.
            self.ask_identity();
        }
        while !self.shared.abort.load(Ordering::Acquire) {
            let now = Instant::now();
            let everything = self.shared.take_dirty(&mut dirty);
            self.meet_partitions();
            if everything {
                (0..self.partitions.len()).for_each(|number| self.look_at(number, now));
            }
            dirty.drain(..).for_each(|number| self.look_at(number, now));
            while let Some((at, number)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
                self.timers.remove(&(at, number));
                self.partitions[number].timer = None;
                self.look_at(number, now);
            }
            self.sweep(now);
            self.trim(now);
            let sent = self.send_ready(now);
            self.tell(sent).await;
            self.relieve(now);
            self.ask_metadata(now);
            let wake_at = self.wakes_at(now);
            let shared = self.shared.clone();
            tokio::select! {
                Some(event) = self.events.next(), if !self.events.is_empty() => {
                    self.happened(event);
                    // More may have happened meanwhile: one look at all of it is cheaper than one each.
                    while let Some(Some(event)) = futures_util::FutureExt::now_or_never(self.events.next()) {
                        self.happened(event);
                    }
                }
                () = shared.wake.notified() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    fn meet_partitions(&mut self) {
        for slot in self.shared.slots_from(self.partitions.len()) {
            let pipeline = Pipeline::new(self.idempotent, self.shared.options.retries);
            self.partitions.push(Partition { slot, pipeline, listed: None, at: None, timer: None, last: None });
        }
    }

    /// While someone waits for memory, only answers give it back: with none to come, nothing lingers (Kafka:
    /// `RecordAccumulator.ready`, `exhausted`).
    fn relieve(&mut self, now: Instant) {
        if !self.shared.is_short() || self.shared.is_under_way() {
            return;
        }
        self.hurried = true;
        (0..self.partitions.len()).for_each(|number| self.look_at(number, now));
        self.send_ready(now);
        self.hurried = false;
    }

    fn tick(&self) -> Duration {
        (self.shared.options.delivery_timeout / 10).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    fn wakes_at(&self, now: Instant) -> Instant {
        let timer = self.timers.first().map(|(at, _)| *at);
        let lanes = self.lanes.values().filter(|lane| !lane.ready.is_empty() && !lane.connecting);
        let lane = lanes.filter_map(|lane| lane.not_before).filter(|at| *at > now).min();
        // An idle producer sleeps until its metadata grows old.
        let sweep = (self.shared.used() > 0).then_some(self.sweep_at);
        let wakes = [timer, lane, sweep, self.trim_at, Some(self.refresh_at)];
        wakes.into_iter().flatten().min().unwrap_or(self.refresh_at)
    }

    fn trim(&mut self, now: Instant) {
        match self.trim_at {
            None if self.shared.pool.is_empty() => {}
            None => self.trim_at = Some(now + TRIM),
            Some(at) if at <= now => self.trim_at = self.shared.pool.trim().then_some(now + TRIM),
            Some(_) => {}
        }
    }

    /// When a partition has something to send, if ever.
    fn due(&mut self, number: usize, now: Instant) -> Option<Instant> {
        let at_once = self.hurried || self.shared.is_flushing();
        let partition = &mut self.partitions[number];
        partition.slot.set_expected(false);
        partition.pipeline.settle(now);
        let ready = partition.slot.intake().ready_at(self.shared.limits, at_once);
        if partition.pipeline.lacks_identity() {
            if partition.pipeline.is_empty() && ready.is_none() {
                return None;
            }
            let fresh = self.identity.filter(|identity| partition.pipeline.used_up() != Some(identity.id));
            match fresh {
                Some(identity) => partition.pipeline.adopt(identity),
                None => {
                    self.ask_identity();
                    return None;
                }
            }
        }
        let partition = &self.partitions[number];
        match partition.pipeline.sendable_at(now) {
            Some(at) => Some(at),
            None if partition.pipeline.wants_new() => ready,
            None => None,
        }
    }

    /// Puts a partition where it belongs: into its leader's list, or onto the clock.
    fn look_at(&mut self, number: usize, now: Instant) {
        let due = self.due(number, now);
        let partition = &mut self.partitions[number];
        let Some(due) = due else {
            // An answer has to come before anything else can be sent.
            return partition.slot.set_expected(partition.pipeline.in_flight() > 0);
        };
        if due > now {
            // While it lingers its leader is dialled.
            if let Some(leader) = self.cluster.leader(&partition.slot.topic, partition.slot.partition) {
                self.reach(leader, now);
            }
            return self.set_timer(number, due);
        }
        let leader = self.cluster.leader(&partition.slot.topic, partition.slot.partition);
        let Some(leader) = leader else {
            let (topic, index) = (partition.slot.topic.clone(), partition.slot.partition);
            partition.last = Some(ClientError::NoLeader { topic: topic.clone(), partition: index });
            self.stale.insert(topic);
            return self.set_timer(number, now + self.shared.options.cluster.retry_backoff);
        };
        // What is in flight elsewhere is answered first, for the sake of the order.
        if partition.listed.is_none() && partition.at.is_none_or(|at| at == leader) {
            partition.listed = Some(leader);
            self.lanes.entry(leader).or_default().ready.push_back(number);
        }
        partition.slot.set_expected(partition.listed.is_some());
    }

    fn set_timer(&mut self, number: usize, at: Instant) {
        let timer = &mut self.partitions[number].timer;
        if timer.is_some_and(|set| set <= at) {
            return;
        }
        if let Some(set) = timer.replace(at) {
            self.timers.remove(&(set, number));
        }
        self.timers.insert((at, number));
    }

    /// Whether anything was sent.
    fn send_ready(&mut self, now: Instant) -> bool {
        let mut sent = false;
        let brokers: Vec<BrokerId> =
            self.lanes.iter().filter(|(_, lane)| !lane.ready.is_empty()).map(|(broker, _)| *broker).collect();
        for broker in brokers {
            while let Some(connection) = self.free_connection(broker, now) {
                if !self.send_one(broker, &connection, now) {
                    break;
                }
                sent = true;
            }
        }
        sent
    }

    /// The connection to a broker that has room for a request and a batch that waits for it.
    fn free_connection(&mut self, broker: BrokerId, now: Instant) -> Option<Arc<Connection>> {
        let lane = self.lanes.get(&broker)?;
        if lane.ready.is_empty() || lane.in_flight >= self.shared.options.max_in_flight {
            return None;
        }
        self.reach(broker, now)
    }

    /// The connection to a broker, or `None` and it is being dialled, if it may be by now.
    fn reach(&mut self, broker: BrokerId, now: Instant) -> Option<Arc<Connection>> {
        if let Some(connection) = self.cluster.open_connection(broker, Lane::Produce) {
            return Some(connection);
        }
        let lane = self.lanes.entry(broker).or_default();
        if !lane.connecting && lane.not_before.is_none_or(|at| at <= now) {
            lane.connecting = true;
            let cluster = self.cluster.clone();
            let deadline = now + self.shared.options.cluster.request_timeout;
            self.events.push(Box::pin(async move {
                let result = cluster.connection(Target::Lane(broker, Lane::Produce), deadline).await;
                Event::Connected { broker, result }
            }));
        }
        None
    }

    /// Fills one request. Whether anything was sent.
    fn send_one(&mut self, broker: BrokerId, connection: &Arc<Connection>, now: Instant) -> bool {
        let version = match connection.version(ApiKey::Produce) {
            Ok(version) => version,
            Err(error) => {
                let ready = self.lanes.get_mut(&broker).map(|lane| std::mem::take(&mut lane.ready));
                for number in ready.into_iter().flatten() {
                    self.partitions[number].listed = None;
                    self.fail_partition(number, &error);
                }
                return false;
            }
        };
        let mut sent = Vec::new();
        let mut batches: Vec<(Arc<Slot>, [u8; callboard_model::HEADER_LEN], Vec<Bytes>)> = Vec::new();
        let mut room = self.shared.options.max_request_size;
        let listed = self.lanes.get(&broker).map_or(0, |lane| lane.ready.len());
        for _ in 0..listed {
            let Some(number) = self.lanes.get_mut(&broker).and_then(|lane| lane.ready.pop_front()) else { break };
            self.partitions[number].listed = None;
            if self.due(number, now).is_none_or(|due| due > now) || self.has_moved(number, broker) {
                self.look_at(number, now);
                continue;
            }
            let size = self.next_size(number, now);
            if size > room && !sent.is_empty() {
                self.partitions[number].listed = Some(broker);
                if let Some(lane) = self.lanes.get_mut(&broker) {
                    lane.ready.push_front(number);
                }
                break;
            }
            self.admit(number, now);
            let partition = &mut self.partitions[number];
            if let Some((key, batch, sequenced)) = partition.pipeline.send(now) {
                room = room.saturating_sub(batch.size());
                self.shared.counting.batch(batch.count, batch.size());
                batches.push((partition.slot.clone(), batch.header(sequenced), batch.records.clone()));
                partition.at = Some(broker);
                sent.push(Sent { number, key });
            }
            self.look_at(number, now);
        }
        if sent.is_empty() {
            return false;
        }
        self.hand_over(broker, connection, version, sent, batches, now);
        true
    }

    fn has_moved(&self, number: usize, broker: BrokerId) -> bool {
        let slot = &self.partitions[number].slot;
        self.cluster.leader(&slot.topic, slot.partition) != Some(broker)
    }

    fn next_size(&self, number: usize, now: Instant) -> usize {
        let partition = &self.partitions[number];
        let again = partition.pipeline.next_batch(now).map(Batch::size);
        again.or_else(|| partition.slot.intake().first_size()).unwrap_or(0)
    }

    /// Gives the next batch of records its place in the order, if none waits to be repeated.
    fn admit(&mut self, number: usize, now: Instant) {
        let partition = &mut self.partitions[number];
        if partition.pipeline.sendable_at(now).is_some() || !partition.pipeline.wants_new() {
            return;
        }
        let Some(open) = partition.slot.take_batch() else { return };
        let options = &self.shared.options;
        match seal(open, options.compression, options.compression_level) {
            Ok(batch) => partition.pipeline.admit(batch),
            Err(failed) => {
                let (open, error) = *failed;
                open.completion.complete(Err(error));
                partition.slot.intake().forget_decided();
                self.shared.release(&partition.slot, open.charged);
            }
        }
    }

    fn hand_over(
        &mut self,
        broker: BrokerId,
        connection: &Arc<Connection>,
        version: i16,
        mut sent: Vec<Sent>,
        mut batches: Vec<(Arc<Slot>, [u8; callboard_model::HEADER_LEN], Vec<Bytes>)>,
        now: Instant,
    ) {
        let options = &self.shared.options;
        batches.sort_by(|(one, ..), (two, ..)| one.topic.cmp(&two.topic));
        let parts: Vec<frame::Part<'_>> = batches
            .iter_mut()
            .map(|(slot, header, records)| frame::Part {
                topic: &slot.topic,
                partition: slot.partition,
                header: *header,
                records: std::mem::take(records),
            })
            .collect();
        let correlation = connection.next_correlation();
        let timeout = options.cluster.request_timeout;
        let request = frame::Request {
            correlation,
            client_id: connection.client_id(),
            version,
            acks: options.acks.code(),
            timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        };
        let frame = frame::write(request, parts);
        let deadline = now + timeout;
        let pending = match request.acks {
            0 => connection.enqueue_unanswered(ApiKey::Produce, correlation, frame, deadline),
            _ => connection.enqueue(ApiKey::Produce, correlation, frame, deadline),
        };
        let lane = self.lanes.entry(broker).or_default();
        lane.in_flight += 1;
        self.shared.request_sent();
        self.shared.counting.request(lane.in_flight);
        sent.shrink_to_fit();
        self.events.push(Box::pin(async move {
            let answer = pending.await;
            Event::Answered { broker, sent, version, answer }
        }));
    }

    fn happened(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Answered { broker, sent, version, answer } => self.answered(broker, sent, version, answer, now),
            Event::Connected { broker, result } => self.connected(broker, result, now),
            Event::Metadata { topics, result } => self.learnt(topics, result, now),
            Event::Identity(result) => self.identified(result, now),
        }
    }

    fn connected(&mut self, broker: BrokerId, result: Result<Arc<Connection>, ClientError>, now: Instant) {
        let lane = self.lanes.entry(broker).or_default();
        lane.connecting = false;
        let Err(error) = result else {
            (lane.failures, lane.not_before) = (0, None);
            return;
        };
        let pause = self.shared.options.cluster.retry_backoff;
        lane.failures += 1;
        lane.not_before = Some(now + pause);
        // Those who waited look again where their leader is by now.
        let waited = std::mem::take(&mut lane.ready);
        tracing::debug!(%broker, %error, "no connection to the leader");
        for number in waited {
            let partition = &mut self.partitions[number];
            partition.listed = None;
            partition.last = Some(error.clone());
            let topic = partition.slot.topic.clone();
            self.cluster.mark_stale(&topic);
            self.stale.insert(topic);
            self.set_timer(number, now + pause);
        }
    }
}

/// However the task ends, with its runtime or by a bug, nobody is left waiting.
impl Drop for Sender {
    fn drop(&mut self) {
        let closed = ClientError::Closed("producer");
        self.perform_decided();
        for (slot, open) in self.shared.close() {
            for batch in open {
                batch.completion.complete(Err(closed.clone()));
                self.shared.release(&slot, batch.charged);
            }
        }
        for number in 0..self.partitions.len() {
            let partition = &mut self.partitions[number];
            for (batch, sent) in partition.pipeline.drain() {
                let error = if sent { ClientError::ClosedUnanswered("producer") } else { closed.clone() };
                batch.completion.complete(Err(error));
                self.shared.release(&partition.slot, batch.charged);
            }
            partition.slot.intake().forget_decided();
        }
    }
}

fn seal(
    open: OpenBatch,
    codec: callboard_model::Compression,
    level: Option<i32>,
) -> Result<Batch, Box<(OpenBatch, ClientError)>> {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let large = codec != callboard_model::Compression::None && open.size() > COMPRESSED_IN_PLACE_MAX;
    let threads = Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
    if large && threads { tokio::task::block_in_place(|| open.seal(codec, level)) } else { open.seal(codec, level) }
}

fn expired(slot: &Slot, allowed: Duration, sent: bool, last: Option<ClientError>) -> ClientError {
    let what = format!("delivery to partition {} of '{}'", slot.partition, slot.topic).into();
    ClientError::Timeout { what, allowed, sent, last: last.map(Arc::new) }
}
