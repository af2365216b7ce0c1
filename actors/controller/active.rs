//! The actor that decides: takes commands in groups, writes their records with one sync, then tells broker and askers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use callboard_controller::{
    Controller, Delta, Endpoint, Image, IncarnationId, Intent, Outcome, ProducerIdBlock, Record, Registration,
    StaticConfig, decode_all, encode_all,
};
use callboard_model::{BrokerId, ProducerId, TopicId};
use callboard_runtime::{Actor, Context, Failure, Path};
use callboard_storage::{LoadedMetadata, MetadataLog, StorageError};

use super::message::{Answer, Committed, ControllerError, ControllerMessage};
use crate::broker::BrokerMessage;
use crate::storage::Pool;

/// Commands decided together: one sync for all of them.
const GROUP_MAX: usize = 256;
/// Producer ids taken from the log at once (Kafka: blocks of 1000); the rest of a block is lost on a restart.
const PRODUCER_IDS: u32 = 1000;
/// Entries after which a snapshot is stored; also at least a quarter as many as there are topics, so that the cost of
/// snapshots stays in proportion.
const SNAPSHOT_AFTER: u64 = 2_000;

/// What the controller works with.
pub(crate) struct ControllerContext {
    /// The metadata's log.
    pub log: Arc<dyn MetadataLog>,
    /// Runs what blocks.
    pub pool: Pool,
    /// This node.
    pub me: BrokerId,
    /// The settings that configs default to.
    pub settings: StaticConfig,
    /// The path of the broker that follows.
    pub broker: Path,
    /// This run of the process.
    pub incarnation: IncarnationId,
    /// This node's failure domain.
    pub rack: Option<String>,
    /// Where clients reach this node.
    pub endpoints: Vec<Endpoint>,
    /// Counts the controller's lives; only the latest may write.
    pub life: Mutex<u64>,
}

impl ControllerContext {
    /// Begins a life and reads the log. An append that an earlier life has under way is waited for and read; what that
    /// life would append later is not appended: it was decided on a state that is no longer the log's.
    fn begin(&self) -> Result<(u64, LoadedMetadata), StorageError> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        *life += 1;
        Ok((*life, self.log.load()?))
    }

    /// Appends what life `life` has decided; `None` if a later one has begun.
    fn append(&self, life: u64, entries: &[Bytes]) -> Option<Result<u64, StorageError>> {
        let latest = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        (*latest == life).then(|| self.log.append(entries))
    }
}

/// What was decided and is being written down.
struct Pending {
    controller: Controller,
    steps: Vec<(Image, Delta)>,
    replies: Vec<Box<dyn FnOnce() + Send>>,
    last: u64,
}

/// The controller's actor.
pub(crate) struct ActiveController {
    context: Arc<ControllerContext>,
    /// Which of the controller's lives this is.
    life: u64,
    controller: Controller,
    queue: VecDeque<ControllerMessage>,
    pending: Option<Pending>,
    ids: Option<ProducerIdBlock>,
    /// The index that the stored snapshot covers, and whether one is being stored.
    snapshot: u64,
    snapshotting: bool,
}

/// Collects the decisions of one group.
struct Group {
    controller: Controller,
    entries: Vec<Bytes>,
    steps: Vec<(Image, Delta)>,
    replies: Vec<Box<dyn FnOnce() + Send>>,
}

impl Group {
    fn add<T: Send + 'static>(&mut self, outcome: Outcome<T>, reply: Answer<T>) -> Result<(), Failure> {
        self.record(&outcome.records)?;
        let committed = Committed { index: self.controller.image().applied(), answer: outcome.reply };
        self.replies.push(Box::new(move || reply.send(Ok(committed))));
        Ok(())
    }

    fn record(&mut self, records: &[Record]) -> Result<(), Failure> {
        if records.is_empty() {
            return Ok(());
        }
        let delta = self.controller.apply(self.controller.image().applied() + 1, records)?;
        self.steps.push((self.controller.image().clone(), delta));
        self.entries.push(encode_all(records));
        Ok(())
    }
}

fn intent(validate_only: bool) -> Intent {
    if validate_only { Intent::ValidateOnly } else { Intent::Perform }
}

impl ActiveController {
    /// Rebuilds the metadata from its log. Blocking, but only as long as the log since the last snapshot is.
    pub(crate) fn new(context: Arc<ControllerContext>) -> Result<Self, Failure> {
        let (life, loaded) = context.begin()?;
        let (snapshot, image) = match &loaded.snapshot {
            Some((index, bytes)) => (*index, Image::from_bytes(bytes)?),
            None => (0, Image::default()),
        };
        let mut controller = Controller::new(context.me, context.settings.clone(), image);
        for (index, entry) in &loaded.records {
            controller.apply(*index, &decode_all(entry)?)?;
        }
        Ok(Self {
            context,
            life,
            controller,
            queue: VecDeque::new(),
            pending: None,
            ids: None,
            snapshot,
            snapshotting: false,
        })
    }

    /// Registers this run of the node: whatever it led before, it leads in a new epoch. Blocking; runs once per start,
    /// before anybody asks.
    fn register(&mut self) -> Result<(), Failure> {
        let outcome = self.controller.register_broker(Registration {
            broker: self.context.me,
            incarnation: self.context.incarnation,
            endpoints: self.context.endpoints.clone(),
            rack: self.context.rack.clone(),
        });
        if !outcome.records.is_empty() {
            let appended = self.context.append(self.life, &[encode_all(&outcome.records)]);
            let index = appended.ok_or("a later life of the controller writes the log")??;
            self.controller.apply(index, &outcome.records)?;
        }
        Ok(())
    }

    fn publish_all(&self, ctx: &Context<Self>) {
        let image = self.controller.image().clone();
        let delta = Box::new(Delta::initial(&image));
        self.tell_broker(BrokerMessage::Apply { image, delta, initial: true }, ctx);
    }

    /// A broker that is not there asks for the whole image when it starts.
    fn tell_broker(&self, message: BrokerMessage, ctx: &Context<Self>) {
        if let Some(broker) = ctx.system().resolve::<BrokerMessage>(&self.context.broker) {
            drop(broker.tell_answer(message));
        }
    }

    /// Decides on what waits, unless an earlier group is still being written.
    fn round(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        if self.pending.is_some() || self.queue.is_empty() {
            return Ok(());
        }
        let mut group =
            Group { controller: self.controller.clone(), entries: Vec::new(), steps: Vec::new(), replies: Vec::new() };
        for _ in 0..GROUP_MAX {
            let Some(message) = self.queue.pop_front() else { break };
            self.decide(message, &mut group)?;
        }
        if group.entries.is_empty() {
            group.replies.into_iter().for_each(|reply| reply());
            return self.round(ctx);
        }
        let last = group.controller.image().applied();
        self.pending = Some(Pending { controller: group.controller, steps: group.steps, replies: group.replies, last });
        let (context, life, entries) = (Arc::clone(&self.context), self.life, group.entries);
        let appending = self.context.pool.run(move || context.append(life, &entries));
        ctx.pipe(async move {
            match appending.await {
                Ok(Some(result)) => ControllerMessage::Appended(result),
                // Nobody hears it: this life is over.
                Ok(None) => ControllerMessage::Lost("a later life of the controller writes the log".to_owned()),
                Err(error) => ControllerMessage::Lost(error.to_string()),
            }
        });
        Ok(())
    }

    fn decide(&mut self, message: ControllerMessage, group: &mut Group) -> Result<(), Failure> {
        match message {
            ControllerMessage::CreateTopics { topics, validate_only, reply } => {
                let mut fresh = || TopicId(uuid::Uuid::new_v4());
                let outcome = group.controller.create_topics(topics, intent(validate_only), &mut fresh);
                group.add(outcome, reply)
            }
            ControllerMessage::DeleteTopics { topics, reply } => {
                let outcome = group.controller.delete_topics(&topics);
                group.add(outcome, reply)
            }
            ControllerMessage::CreatePartitions { topics, validate_only, reply } => {
                let outcome = group.controller.create_partitions(&topics, intent(validate_only));
                group.add(outcome, reply)
            }
            ControllerMessage::AlterConfigs { resources, validate_only, reply } => {
                let outcome = group.controller.alter_configs(&resources, intent(validate_only));
                group.add(outcome, reply)
            }
            ControllerMessage::IncrementalAlterConfigs { resources, validate_only, reply } => {
                let outcome = group.controller.incremental_alter_configs(&resources, intent(validate_only));
                group.add(outcome, reply)
            }
            ControllerMessage::ProducerId { reply } => match self.producer_id(group)? {
                Ok(id) => group.add(Outcome { records: Vec::new(), reply: id }, reply),
                Err(error) => {
                    reply.send(Err(error));
                    Ok(())
                }
            },
            // The rest never waits in the queue.
            ControllerMessage::Subscribe
            | ControllerMessage::Appended(_)
            | ControllerMessage::SnapshotSaved(_)
            | ControllerMessage::Lost(_) => Ok(()),
        }
    }

    /// The next id of the block at hand; a new block is written down before its first id is given out.
    fn producer_id(&mut self, group: &mut Group) -> Result<Result<ProducerId, ControllerError>, Failure> {
        if self.ids.is_none_or(|block| block.count == 0) {
            let outcome = group.controller.allocate_producer_ids(PRODUCER_IDS);
            match outcome.reply {
                Ok(block) => {
                    group.record(&outcome.records)?;
                    self.ids = Some(block);
                }
                Err(error) => return Ok(Err(error.into())),
            }
        }
        Ok(match &mut self.ids {
            Some(block) => {
                let id = block.first;
                *block = ProducerIdBlock { first: ProducerId(id.0 + 1), count: block.count - 1 };
                Ok(id)
            }
            None => Err(ControllerError::Unavailable),
        })
    }

    fn appended(&mut self, index: u64, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        if index != pending.last {
            return Err(format!("the metadata log ends at {index}, {} was decided", pending.last).into());
        }
        self.controller = pending.controller;
        for (image, delta) in pending.steps {
            self.tell_broker(BrokerMessage::Apply { image, delta: Box::new(delta), initial: false }, ctx);
        }
        pending.replies.into_iter().for_each(|reply| reply());
        self.snapshot_if_due(ctx);
        Ok(())
    }

    fn snapshot_if_due(&mut self, ctx: &mut Context<Self>) {
        let image = self.controller.image();
        let due = SNAPSHOT_AFTER.max(image.topic_count() as u64 / 4);
        if self.snapshotting || image.applied() - self.snapshot < due {
            return;
        }
        self.snapshotting = true;
        let (log, image) = (Arc::clone(&self.context.log), image.clone());
        let saving = self.context.pool.run(move || {
            let index = image.applied();
            log.save_snapshot(index, image.to_bytes()).map(|()| index)
        });
        ctx.pipe(async move {
            match saving.await {
                Ok(result) => ControllerMessage::SnapshotSaved(result),
                Err(error) => ControllerMessage::Lost(error.to_string()),
            }
        });
    }
}

impl Actor for ActiveController {
    type Message = ControllerMessage;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        self.register()?;
        // At the first start the broker is younger than we are and asks by itself; after a restart it may have missed
        // what was committed just before.
        self.publish_all(ctx);
        Ok(())
    }

    fn handle(&mut self, message: ControllerMessage, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            ControllerMessage::Subscribe => self.publish_all(ctx),
            ControllerMessage::Appended(result) => self.appended(result?, ctx)?,
            ControllerMessage::SnapshotSaved(result) => {
                self.snapshotting = false;
                match result {
                    Ok(index) => self.snapshot = index,
                    Err(error) => tracing::warn!(%error, "a metadata snapshot could not be stored"),
                }
            }
            ControllerMessage::Lost(error) => return Err(error.into()),
            command => self.queue.push_back(command),
        }
        self.round(ctx)
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        let image = self.controller.image();
        vec![
            ("applied", image.applied().to_string()),
            ("topics", image.topic_count().to_string()),
            ("waiting", self.queue.len().to_string()),
        ]
    }
}
