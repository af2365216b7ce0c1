//! The actor around the host of one shard: receives, calls the machine once, performs the effects.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use callboard_model::{CheckedBatch, LeaderEpoch, LogId, Offset, PartitionIndex, Tick, TopicName, TopicPartition};
use callboard_partition::{DeleteError, Settled};
use callboard_runtime::{Actor, ActorRef, Context, Failure, Part, Reply, Stopping, TimerKey};
use callboard_shard::{Append, Effect, Host, Load, LoadPoint, Now, Role, Shard, SnapshotPolicy};
use callboard_storage::Storage;

use super::message::{Hosted, ShardMessage, ShardReply};
use super::reading::read_slice;
use crate::clock::Clock;
use crate::partition::{AppendInternal, PartitionMessage};
use crate::storage::Pool;

/// How long the log's leader may take to say where the log stands: it may have to read it first.
const SETTLE_DEADLINE: Duration = Duration::from_secs(30);
/// How long the leader's answer to an append may be late.
const ANSWER_LATE: Duration = Duration::from_secs(5);
/// Pauses between loads that fail one after the other; the first failure costs none.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often callers that have gone are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// Stored records passed over that one load names in the log; the rest is counted.
const FAULTS_NAMED_MAX: u64 = 100;

/// What all hosts of a node share.
pub(crate) struct ShardContext {
    /// The logs.
    pub storage: Arc<dyn Storage>,
    /// The blocking pool.
    pub pool: Pool,
    /// Wall and monotonic time.
    pub clock: Clock,
    /// How long an append may wait for its replicas; then the shard is loaded again.
    pub append_deadline: Duration,
}

/// Where a shard lives.
#[derive(Clone, Debug)]
pub(crate) struct ShardPlace {
    /// The internal topic.
    pub topic: TopicName,
    /// The partition's number.
    pub partition: PartitionIndex,
    /// Its log on this node.
    pub log: LogId,
    /// The partition's leader.
    pub leader: ActorRef<PartitionMessage>,
}

/// Hosts one shard.
pub(crate) struct ShardHost<S: Hosted> {
    shared: Arc<ShardContext>,
    place: ShardPlace,
    host: Host<S, ShardReply<S>>,
    effects: Vec<Effect<S, ShardReply<S>>>,
    /// The moment for which an `Expire` is scheduled.
    expire: Option<(Tick, TimerKey)>,
    sweeping: bool,
    /// Loads since the last append that was committed.
    failures: u32,
    load_began: Tick,
    load_took: Option<Duration>,
    /// Why the load under way does not come on.
    trouble: Option<String>,
    when_loaded: Box<dyn Fn(ActorRef<ShardMessage<S>>)>,
}

impl<S: Hosted> ShardHost<S> {
    /// A host that has yet to load; `make` gives a shard without any state.
    pub(crate) fn new(
        shared: Arc<ShardContext>,
        place: ShardPlace,
        policy: SnapshotPolicy,
        make: impl Fn() -> S + 'static,
    ) -> Self {
        Self {
            shared,
            place,
            host: Host::new(policy, make),
            effects: Vec::new(),
            expire: None,
            sweeping: false,
            failures: 0,
            load_began: Tick::ZERO,
            load_took: None,
            trouble: None,
            when_loaded: Box::new(drop),
        }
    }

    /// Does this after every load, with itself: for what the shard has to be told anew.
    pub(crate) fn when_loaded(mut self, act: impl Fn(ActorRef<ShardMessage<S>>) + 'static) -> Self {
        self.when_loaded = Box::new(act);
        self
    }

    fn name(&self) -> TopicPartition {
        TopicPartition { topic: self.place.topic.clone(), partition: self.place.partition }
    }

    fn now(&self) -> Now {
        let now = self.shared.clock.now();
        Now { tick: now.tick, wall: now.wall }
    }

    /// Calls the machine, performs what it asks for.
    fn call(
        &mut self,
        ctx: &mut Context<Self>,
        act: impl FnOnce(&mut Host<S, ShardReply<S>>, Now, &mut Vec<Effect<S, ShardReply<S>>>),
    ) {
        let now = self.now();
        act(&mut self.host, now, &mut self.effects);
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            self.perform(effect, ctx);
        }
        self.effects = effects; // keeps its room
        self.set_timers(ctx);
    }

    fn perform(&mut self, effect: Effect<S, ShardReply<S>>, ctx: &mut Context<Self>) {
        match effect {
            Effect::Answer { waiter, result } => waiter.send(result),
            Effect::Append { append, expected_end, batch } => self.append(append, expected_end, batch, ctx),
            Effect::Load { load, reason } => self.load(load, reason, ctx),
            Effect::Read { load, from, until } => self.read(load, from, until, ctx),
            Effect::PassedOver { offset, fault } => {
                let passed_over = self.host.snapshot().passed_over;
                if passed_over <= FAULTS_NAMED_MAX {
                    tracing::error!(
                        partition = %self.name(), %offset, %fault, passed_over,
                        "a stored record cannot be replayed and is passed over"
                    );
                }
            }
            Effect::Loaded => {
                let took = self.now().tick.since(self.load_began);
                self.load_took = Some(took);
                self.trouble = None;
                let numbers = self.host.snapshot();
                // Most partitions of a young topic are empty, and nobody wants to read that 50 times.
                if numbers.replayed + numbers.passed_over > 0 {
                    tracing::info!(
                        partition = %self.name(), epoch = %numbers.epoch, records = numbers.replayed,
                        passed_over = numbers.passed_over, ?took, "a shard is loaded"
                    );
                }
                (self.when_loaded)(ctx.myself());
            }
            Effect::MoveStart { to } => self.move_start(to),
        }
    }

    /// Asks the leader where the log stands; after failures not at once.
    fn load(&mut self, load: Load, reason: String, ctx: &mut Context<Self>) {
        self.load_began = self.now().tick;
        if load > Load(1) {
            tracing::warn!(partition = %self.name(), reason, "a shard is read again from its log");
            self.trouble = Some(reason);
        }
        match self.failures {
            0 => self.settle(load, ctx),
            failures => {
                let pause = PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
                ctx.schedule(pause, ShardMessage::Load(load));
            }
        }
        self.failures = self.failures.saturating_add(1);
    }

    fn settle(&self, load: Load, ctx: &mut Context<Self>) {
        let asking = self.place.leader.ask(SETTLE_DEADLINE, PartitionMessage::Settle);
        ctx.pipe(async move {
            let result = match asking.await {
                Ok(Ok(settled)) => Ok(settled),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            ShardMessage::Settled { load, result }
        });
    }

    fn read(&self, load: Load, from: Offset, until: Offset, ctx: &mut Context<Self>) {
        let (storage, log) = (Arc::clone(&self.shared.storage), self.place.log);
        let reading = self.shared.pool.run(move || read_slice::<S>(storage.as_ref(), log, from, until));
        ctx.pipe(async move {
            let result = reading.await.unwrap_or_else(|error| Err(error.to_string()));
            ShardMessage::Read { load, result }
        });
    }

    fn append(&mut self, append: Append, expected_end: Offset, batch: BytesMut, ctx: &mut Context<Self>) {
        let batch = match CheckedBatch::new(batch) {
            Ok(batch) => batch,
            Err(error) => {
                return ctx.tell_myself(ShardMessage::Appended { append, result: Err(error.to_string()) });
            }
        };
        let patience = self.shared.append_deadline;
        let deadline = self.now().tick.after(patience);
        let appending = self.place.leader.ask(patience.saturating_add(ANSWER_LATE), |reply| {
            let expected_end = Some(expected_end);
            PartitionMessage::AppendInternal(AppendInternal { batch, expected_end, deadline, reply })
        });
        ctx.pipe(async move {
            let result = match appending.await {
                Ok(Ok(produced)) => Ok(produced.base_offset),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            ShardMessage::Appended { append, result }
        });
    }

    fn move_start(&self, before: Offset) {
        let partition = self.name();
        let reply = Reply::from_fn(Box::new(move |answer: Option<Result<Offset, DeleteError>>| {
            // The next load asks for it again.
            if let Some(Err(error)) = answer {
                tracing::warn!(%partition, %before, %error, "the log before a snapshot cannot be deleted");
            }
        }));
        drop(self.place.leader.tell(PartitionMessage::DeleteRecords { before, reply }));
    }

    /// A step of the load failed; it begins again.
    fn fail_load(&mut self, load: Load, reason: String, ctx: &mut Context<Self>) {
        if load == Load(self.host.snapshot().loads) && self.host.role() == Role::Loading {
            self.call(ctx, |host, _, effects| host.reload(reason, effects));
        }
    }

    fn set_timers(&mut self, ctx: &mut Context<Self>) {
        if let Some(deadline) = self.host.next_deadline()
            && self.expire.as_ref().is_none_or(|(at, _)| deadline < *at)
        {
            if let Some((_, earlier)) = self.expire.take() {
                ctx.cancel(earlier);
            }
            let delay = deadline.since(self.now().tick);
            // What is due already waits its turn behind the messages that are queued, as short as that may be.
            let key = ctx.schedule(delay.max(Duration::from_millis(1)), ShardMessage::Expire);
            self.expire = Some((deadline, key));
        }
        if !self.sweeping && self.host.snapshot().waiting > 0 {
            self.sweeping = true;
            ctx.schedule(SWEEP, ShardMessage::Sweep);
        }
    }
}

impl<S: Hosted> Actor for ShardHost<S> {
    type Message = ShardMessage<S>;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        // The log's leader knows the epoch.
        self.call(ctx, |host, _, effects| host.lead(LeaderEpoch::NONE, effects));
        Ok(())
    }

    fn handle(&mut self, message: ShardMessage<S>, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            ShardMessage::Command { command, reply } => {
                self.call(ctx, |host, now, effects| host.command(command, reply, now, effects));
            }
            ShardMessage::Load(load) => self.settle(load, ctx),
            ShardMessage::Settled { load, result: Ok(settled) } => {
                let Settled { start, end, epoch, max_message_bytes } = settled;
                let at = LoadPoint { start, end, epoch, max_batch_bytes: max_message_bytes };
                self.call(ctx, |host, now, effects| host.begin(load, at, now, effects));
            }
            ShardMessage::Read { load, result: Ok(slice) } => {
                self.call(ctx, |host, now, effects| host.replay(load, slice, now, effects));
            }
            ShardMessage::Settled { load, result: Err(reason) } | ShardMessage::Read { load, result: Err(reason) } => {
                self.fail_load(load, reason, ctx);
            }
            ShardMessage::Appended { append, result } => {
                if result.is_ok() {
                    self.failures = 0;
                }
                self.call(ctx, |host, now, effects| host.appended(append, result, now, effects));
            }
            ShardMessage::Expire => {
                self.expire = None;
                self.call(ctx, |host, now, effects| host.expire(now, effects));
            }
            ShardMessage::Sweep => {
                self.sweeping = false;
                self.call(ctx, |host, now, effects| host.sweep(now, ShardReply::<S>::is_abandoned, effects));
            }
        }
        Ok(())
    }

    /// The leadership or the topic has gone: whoever waits is sent elsewhere.
    fn stopping(&mut self, ctx: &mut Context<Self>) -> Stopping {
        self.call(ctx, |host, _, effects| host.resign(effects));
        Stopping::Now
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        let numbers = self.host.snapshot();
        let mut shown = vec![("role", numbers.role.name().to_owned()), ("epoch", numbers.epoch.to_string())];
        shown.extend(numbers.end.map(|end| ("log_end", end.to_string())));
        shown.extend([
            ("replayed", numbers.replayed.to_string()),
            ("passed_over", numbers.passed_over.to_string()),
            ("loads", numbers.loads.to_string()),
            ("waiting", numbers.waiting.to_string()),
            ("held", numbers.held.to_string()),
            ("timers", numbers.timers.to_string()),
        ]);
        shown.extend(self.load_took.map(|took| ("last_load", format!("{took:?}"))));
        shown.extend(self.trouble.as_ref().map(|reason| ("loading_because", reason.clone())));
        shown
    }

    fn parts(&self) -> Vec<Part> {
        let parts = self.host.shard().map_or_else(Vec::new, Shard::parts);
        parts.into_iter().map(|part| Part { name: part.name, fields: part.fields }).collect()
    }
}
