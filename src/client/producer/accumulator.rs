//! What senders of records and the sending task share: topics with their partitions, memory, and how they wake each other.
//!
//! A record takes the lock of its own partition only, and is written straight into the batch there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use callboard_model::{Timestamp, TopicName};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::batch::{OpenBatch, Parts};
use super::chunks::Pool;
use super::completion::{Completion, Delivery};
use super::counts::Counting;
use super::intake::{Intake, Limits, News, Placed};
use super::options::ProducerOptions;
use super::partitioner::{Partitions, Sticky, keyed};
use super::record::ProducerRecord;
use crate::net::metadata::Metadata;
use crate::{ClientError, net::metadata};

/// One partition, as both sides see it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// Its place among all partitions of the producer.
    pub(crate) number: usize,
    intake: Mutex<Intake>,
    /// Bytes handed in and not decided.
    load: AtomicU64,
    /// Bytes of the batch that is next to be taken.
    next_size: AtomicUsize,
    has_leader: AtomicBool,
    /// Whether the sending task will look at it in any case before it could send more of it: it need not be woken.
    expected: AtomicBool,
}

#[derive(Debug)]
struct Topic {
    slots: Vec<Arc<Slot>>,
    sticky: Sticky,
}

/// Why a record was not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It never will be.
    Final(ClientError),
    /// Its topic, or its partition, is not known yet.
    Unknown,
    /// There is no memory for this many bytes now.
    Memory(u32),
}

#[derive(Debug)]
pub(crate) struct Accumulator {
    pub(crate) options: ProducerOptions,
    pub(crate) limits: Limits,
    /// Every record looks in here, and holds it until it has its place: cheaper than to count up and down what it needs of it.
    topics: RwLock<HashMap<Arc<str>, Topic>>,
    slots: Mutex<Slots>,
    /// A permit per byte of `buffer.memory`.
    pub(crate) memory: Semaphore,
    /// Partitions that the sending task should look at.
    dirty: Mutex<Vec<usize>>,
    pub(crate) wake: Notify,
    /// Topics that someone would send to if they were known.
    wanted: Mutex<Vec<Arc<str>>>,
    /// Flushes under way: nothing lingers.
    flushing: AtomicUsize,
    /// Senders of records that wait for memory.
    short: AtomicUsize,
    /// Requests that were handed over and not answered.
    under_way: AtomicUsize,
    /// Everything should be looked at anew.
    look_again: AtomicBool,
    /// No more records are taken.
    closing: AtomicBool,
    /// The sending task should give up what is left.
    pub(crate) abort: AtomicBool,
    pub(crate) pool: Pool,
    pub(crate) counting: Counting,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Arc<Slot>>,
    closed: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    pub(crate) fn intake(&self) -> MutexGuard<'_, Intake> {
        lock(&self.intake)
    }

    /// Takes the oldest batch.
    pub(crate) fn take_batch(&self) -> Option<OpenBatch> {
        let mut intake = self.intake();
        let taken = intake.take();
        self.next_size.store(intake.first_size().unwrap_or(0), Ordering::Relaxed);
        taken
    }

    fn push(
        &self,
        record: Parts<'_>,
        charged: usize,
        limits: Limits,
        pool: &Pool,
        begin: impl FnOnce() -> OpenBatch,
    ) -> Option<Placed> {
        let mut intake = self.intake();
        let placed = intake.push(record, charged, limits, pool, begin);
        self.next_size.store(intake.first_size().unwrap_or(0), Ordering::Relaxed);
        placed
    }

    /// Set by the sending task only. What is pushed after `false` is told; what was before is seen by who then takes the
    /// intake's lock.
    pub(crate) fn set_expected(&self, expected: bool) {
        self.expected.store(expected, Ordering::Release);
    }

    pub(crate) fn set_leader(&self, there: bool) {
        self.has_leader.store(there, Ordering::Relaxed);
    }
}

impl Accumulator {
    pub(crate) fn new(options: ProducerOptions) -> Self {
        // Room for the fields of the request around the batch.
        let most = options.max_request_size.saturating_sub(512).max(1);
        let limits = Limits {
            batch_size: options.batch_size.min(most),
            batch_size_max: options.batch_size_max.min(most),
            linger: options.linger,
        };
        let memory = Semaphore::new(options.buffer_memory.min(Semaphore::MAX_PERMITS));
        let pool = Pool::new(options.buffer_memory);
        Self {
            options,
            limits,
            topics: RwLock::default(),
            slots: Mutex::default(),
            memory,
            dirty: Mutex::default(),
            wake: Notify::new(),
            wanted: Mutex::default(),
            flushing: AtomicUsize::new(0),
            short: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            look_again: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            abort: AtomicBool::new(false),
            pool,
            counting: Counting::default(),
        }
    }

    /// Bytes of `buffer.memory` in use.
    pub(crate) fn used(&self) -> usize {
        self.options.buffer_memory.saturating_sub(self.memory.available_permits())
    }

    /// Takes a record if that needs no waiting. `paid`: memory that was waited for.
    pub(crate) fn offer(
        &self,
        record: &ProducerRecord,
        paid: Option<SemaphorePermit<'_>>,
    ) -> Result<Delivery, Refusal> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Refusal::Final(ClientError::Closed("producer")));
        }
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.get(&record.topic).ok_or(Refusal::Unknown)?;
        let timestamp = record.timestamp.unwrap_or_else(wall_clock);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let parts = Parts { timestamp, key, value, headers: &record.headers };
        let size = parts.size_bound();
        self.check_size(size).map_err(Refusal::Final)?;
        let slot = self.choose(topic, record, size)?;
        let bytes = u32::try_from(size).unwrap_or(u32::MAX);
        match paid {
            Some(permit) if permit.num_permits() == size => permit.forget(),
            _ => match self.memory.try_acquire_many(bytes) {
                Ok(permit) => permit.forget(),
                Err(_) => return Err(Refusal::Memory(bytes)),
            },
        }
        slot.load.fetch_add(size as u64, Ordering::Relaxed);
        let begin = || {
            let completion = Completion::new(slot.topic.clone(), slot.partition);
            OpenBatch::new(completion, Instant::now())
        };
        let placed = slot.push(parts, size, self.limits, &self.pool, begin);
        let Some(placed) = placed else {
            self.release(slot, size);
            return Err(Refusal::Final(ClientError::Closed("producer")));
        };
        if placed.news != News::None && !slot.expected.load(Ordering::Acquire) {
            lock(&self.dirty).push(slot.number);
            self.wake.notify_one();
        }
        Ok(Delivery::new(placed.completion, placed.index, timestamp))
    }

    fn check_size(&self, size: usize) -> Result<(), ClientError> {
        let limits =
            [("max.request.size", self.options.max_request_size), ("buffer.memory", self.options.buffer_memory)];
        for (limit_name, limit) in limits {
            if size > limit {
                return Err(ClientError::RecordTooLarge { size, limit, limit_name });
            }
        }
        Ok(())
    }

    fn choose<'a>(&self, topic: &'a Topic, record: &ProducerRecord, size: usize) -> Result<&'a Slot, Refusal> {
        let slots = &topic.slots;
        let at = |index: i32| usize::try_from(index).ok().and_then(|at| slots.get(at));
        let load = |index: i32| {
            let slot = at(index).filter(|slot| slot.has_leader.load(Ordering::Relaxed))?;
            Some(slot.load.load(Ordering::Relaxed))
        };
        let count = slots.len() as i32;
        let partitions = Partitions::new(count, &load);
        let key = record.key.as_deref().filter(|_| !self.options.partitioner_ignore_keys);
        let index = match (record.partition, &self.options.partitioner) {
            (Some(index), _) => index,
            (None, Some(own)) => {
                let index = own.partition(&record.topic, record.key.as_deref(), record.value.as_deref(), partitions);
                if at(index).is_none() {
                    let (topic, count) = (record.topic.clone(), slots.len());
                    return Err(Refusal::Final(ClientError::NoPartition { topic, partition: index, count }));
                }
                index
            }
            (None, None) => match key {
                Some(key) => keyed(key, count),
                None => {
                    let least = self.limits.batch_size;
                    let most = self.limits.batch_size_max;
                    let waits =
                        |index: i32| at(index).is_some_and(|slot| slot.next_size.load(Ordering::Relaxed) >= least);
                    topic.sticky.next(size, (least, most), partitions, waits, || fastrand::u32(..))
                }
            },
        };
        at(index).map(|slot| &**slot).ok_or(Refusal::Unknown)
    }

    /// Takes what metadata says of topics that records go to: partitions that are new, leaders that are there.
    pub(crate) fn learn(&self, metadata: &Metadata, name: &Arc<str>) -> bool {
        let Some(known) = metadata.topic(name).filter(|topic| !topic.partitions.is_empty()) else { return false };
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry(name.clone()).or_insert_with(|| Topic { slots: Vec::new(), sticky: Sticky::new() });
        let slots = &mut topic.slots;
        let numbers: Vec<i32> = known.partitions.iter().map(|partition| partition.index).collect();
        // Partitions are never taken away; those of a hostile answer that leaves some out are not believed.
        let whole = numbers.iter().enumerate().all(|(at, index)| usize::try_from(*index) == Ok(at));
        if whole && numbers.len() > slots.len() {
            let missing = slots.len()..numbers.len();
            slots.extend(missing.map(|at| self.new_slot(known, at as i32)));
        }
        for slot in slots.iter() {
            slot.set_leader(known.partition(slot.partition).is_some_and(|partition| partition.leader.is_some()));
        }
        !slots.is_empty()
    }

    fn new_slot(&self, topic: &metadata::Topic, partition: i32) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        let mut intake = Intake::default();
        if slots.closed {
            intake.close();
        }
        let slot = Arc::new(Slot {
            topic: topic.name.clone(),
            partition,
            number: slots.all.len(),
            intake: Mutex::new(intake),
            load: AtomicU64::new(0),
            next_size: AtomicUsize::new(0),
            has_leader: AtomicBool::new(true),
            expected: AtomicBool::new(false),
        });
        slots.all.push(slot.clone());
        slot
    }

    /// The topics that records went to.
    pub(crate) fn topic_names(&self) -> Vec<Arc<str>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Partitions from a number on.
    pub(crate) fn slots_from(&self, number: usize) -> Vec<Arc<Slot>> {
        lock(&self.slots).all.get(number..).unwrap_or_default().to_vec()
    }

    /// What the sending task should look at since it last asked. `true`: at everything.
    pub(crate) fn take_dirty(&self, into: &mut Vec<usize>) -> bool {
        into.append(&mut lock(&self.dirty));
        self.look_again.swap(false, Ordering::AcqRel)
    }

    /// Asks for a topic to be learnt, without waiting for it.
    pub(crate) fn want(&self, topic: &Arc<str>) {
        lock(&self.wanted).push(topic.clone());
        self.wake.notify_one();
    }

    pub(crate) fn take_wanted(&self) -> Vec<Arc<str>> {
        std::mem::take(&mut lock(&self.wanted))
    }

    pub(crate) fn is_flushing(&self) -> bool {
        self.flushing.load(Ordering::Acquire) > 0 || self.closing.load(Ordering::Acquire)
    }

    /// Whether someone waits for memory.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::SeqCst) > 0
    }

    /// Counts a request that is under way.
    pub(crate) fn request_sent(&self) {
        self.under_way.fetch_add(1, Ordering::SeqCst);
    }

    /// And one that is not any more; whoever says so looks at [`Self::is_short`] afterwards.
    pub(crate) fn request_answered(&self) {
        self.under_way.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether answers will come, each of which gives memory back.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) > 0
    }

    /// Waits for memory, which is not kept waiting by records that linger.
    pub(crate) async fn wait_for_memory(&self, bytes: u32) -> Result<SemaphorePermit<'_>, ClientError> {
        let _waiting = Waiting::begin(self);
        self.memory.acquire_many(bytes).await.map_err(|_| ClientError::Closed("producer"))
    }

    /// Waits until everything that was handed in before is decided.
    pub(crate) async fn flush(&self) {
        let _flushing = Flushing::begin(self);
        let undecided: Vec<_> =
            self.slots_from(0).iter().flat_map(|slot| slot.intake().undecided().cloned().collect::<Vec<_>>()).collect();
        for completion in undecided {
            completion.done().await;
        }
    }

    /// Takes no more records.
    pub(crate) fn stop(&self) {
        self.closing.store(true, Ordering::Release);
        self.look_again.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Takes no more records and gives up those that are left.
    pub(crate) fn abort(&self) {
        self.abort.store(true, Ordering::Release);
        self.stop();
    }

    /// The end: every batch that was not taken yet, and nothing is accepted any more.
    pub(crate) fn close(&self) -> Vec<(Arc<Slot>, Vec<OpenBatch>)> {
        self.closing.store(true, Ordering::Release);
        self.memory.close();
        let mut slots = lock(&self.slots);
        slots.closed = true;
        slots.all.iter().map(|slot| (slot.clone(), slot.intake().close())).collect()
    }

    /// Gives back the memory of a batch or a record.
    pub(crate) fn release(&self, slot: &Slot, bytes: usize) {
        slot.load.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.memory.add_permits(bytes);
    }
}

/// A flush under way, however it ends.
struct Flushing<'a>(&'a Accumulator);

impl<'a> Flushing<'a> {
    fn begin(accumulator: &'a Accumulator) -> Self {
        accumulator.flushing.fetch_add(1, Ordering::AcqRel);
        accumulator.look_again.store(true, Ordering::Release);
        accumulator.wake.notify_one();
        Self(accumulator)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.flushing.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Someone who waits for memory, however that ends.
struct Waiting<'a>(&'a Accumulator);

impl<'a> Waiting<'a> {
    fn begin(accumulator: &'a Accumulator) -> Self {
        accumulator.short.fetch_add(1, Ordering::SeqCst);
        // One of both sees what the other did, as all four steps are in one order.
        if !accumulator.is_under_way() {
            accumulator.wake.notify_one();
        }
        Self(accumulator)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.short.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether a topic may be sent to at all.
pub(crate) fn check_name(topic: &str) -> Result<(), ClientError> {
    TopicName::new(topic).map(drop).map_err(|error| ClientError::Illegal(error.to_string().into()))
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
