//! The actor that makes this node's partitions follow the metadata, one committed change after the other.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use callboard_controller::{Delta, Image, StaticConfig, TopicImage};
use callboard_model::{BrokerId, GroupConfig, LogId, PartitionIndex, TopicId, TopicName};
use callboard_runtime::{
    Actor, ActorRef, ChildSpec, Context, Failure, Limits, Message, Path, Placement, Restart, StartError, StopError,
    SupervisorRef, System,
};
use callboard_storage::{NewLog, RetentionClass};

use super::coordinators::concerns;
use super::published::{LeaderRoute, Published, PublishedSender, TopicRoute};
use super::reconcile::{Begin, Plan, plan};
use crate::controller::ControllerMessage;
use crate::partition::{Identity, LeaderContext, PartitionLeader, PartitionMessage};
use crate::shard::ShardContext;

/// How often leaders look at retention, expired producers and their tail cache.
const TICK: Duration = Duration::from_secs(5);
/// Messages in a leader's mailbox; their bytes are bounded by the gateway's budget.
const LEADER_MAILBOX: Limits = Limits { messages: 65_536, bytes: usize::MAX };
/// How long a leader may take to stop.
const LEADER_STOP: Duration = Duration::from_secs(5);

/// What the broker hears.
#[derive(Debug)]
pub(crate) enum BrokerMessage {
    /// The controller has committed a change; with `initial` it is the whole image, whatever came before.
    Apply {
        /// The state after it.
        image: Image,
        /// What changed.
        delta: Box<Delta>,
        /// Whether the delta is the whole image.
        initial: bool,
    },
    /// A change has been carried out.
    Applied(Result<Box<Published>, String>),
    /// Time for the leaders' rounds.
    Tick,
}

impl Message for BrokerMessage {
    /// All of them are this node's own.
    fn may_be_poison(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Apply { .. } => "Apply",
            Self::Applied(_) => "Applied",
            Self::Tick => "Tick",
        }
    }
}

/// What the broker works with.
pub(crate) struct BrokerContext {
    /// This node.
    pub me: BrokerId,
    /// The settings that topic settings default to.
    pub settings: StaticConfig,
    /// What every leader gets.
    pub leaders: Arc<LeaderContext>,
    /// The path of the leaders' pool.
    pub pool: Path,
    /// The path of the coordinators' pool.
    pub coordinators: Path,
    /// What every coordinator gets.
    pub shards: Arc<ShardContext>,
    /// What groups are held to.
    pub groups: GroupConfig,
    /// The path of the controller.
    pub controller: Path,
    /// Arbiters that leaders are spread over.
    pub arbiters: usize,
    /// Where the result is published.
    pub published: Arc<PublishedSender>,
}

/// The broker's actor.
pub(crate) struct Broker {
    context: Arc<BrokerContext>,
    waiting: VecDeque<(Image, Box<Delta>, bool)>,
    busy: bool,
}

impl Broker {
    /// A broker that will ask the controller for the image.
    pub(crate) fn new(context: Arc<BrokerContext>) -> Self {
        Self { context, waiting: VecDeque::new(), busy: false }
    }

    fn next(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        if self.busy {
            return Ok(());
        }
        let Some((image, delta, initial)) = self.waiting.pop_front() else { return Ok(()) };
        let system = ctx.system().clone();
        let pool = system.supervisor(&self.context.pool).ok_or("the pool of partition leaders is not there")?;
        let work =
            Work { context: Arc::clone(&self.context), pool, before: self.context.published.borrow().clone(), system };
        self.busy = true;
        ctx.pipe(async move { BrokerMessage::Applied(work.apply(image, &delta, initial).await.map(Box::new)) });
        Ok(())
    }

    /// Every partition's fair part of the tail cache; what idle partitions hold beyond it goes to the busy ones.
    fn tick(&self) {
        let published = self.context.published.borrow();
        let leaders = &self.context.leaders;
        let crowded = leaders.tail_bytes.load(std::sync::atomic::Ordering::Relaxed) > leaders.tail_limit / 10 * 9;
        let count: usize = published.routes.values().map(|route| route.leaders.len()).sum();
        let tail_share = if crowded { leaders.tail_limit / count.max(1) } else { usize::MAX };
        for route in published.routes.values().flat_map(|topic| topic.leaders.iter().flatten()) {
            // A leader that is gone or full has its next round in a few seconds.
            drop(route.leader.tell(PartitionMessage::Tick { tail_share }));
        }
    }
}

impl Actor for Broker {
    type Message = BrokerMessage;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        // The controller is older in the tree; it may be restarting just now, then it tells us by itself.
        if let Some(controller) = ctx.system().resolve::<ControllerMessage>(&self.context.controller) {
            drop(controller.tell(ControllerMessage::Subscribe));
        }
        ctx.schedule(TICK, BrokerMessage::Tick);
        Ok(())
    }

    fn handle(&mut self, message: BrokerMessage, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            BrokerMessage::Apply { image, delta, initial } => {
                if initial {
                    self.waiting.clear();
                }
                self.waiting.push_back((image, delta, initial));
            }
            BrokerMessage::Applied(result) => {
                let published = result?;
                self.context.published.send_replace(*published);
                self.busy = false;
            }
            BrokerMessage::Tick => {
                self.tick();
                ctx.schedule(TICK, BrokerMessage::Tick);
            }
        }
        self.next(ctx)
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        let published = self.context.published.borrow();
        vec![("applied", published.index.to_string()), ("topics", published.image.topic_count().to_string())]
    }
}

/// One change being carried out.
pub(super) struct Work {
    pub(super) context: Arc<BrokerContext>,
    pool: SupervisorRef,
    before: Published,
    pub(super) system: System,
}

impl Work {
    async fn apply(self, image: Image, delta: &Delta, initial: bool) -> Result<Published, String> {
        let mut plan = plan(&image, delta, self.context.me, &self.context.settings);
        let mut orphans = Vec::new();
        if initial {
            orphans = self.leftovers(&image, &mut plan);
            self.end_strangers(&image).await?;
        }
        let Published { routes, coordinators, .. } = self.before.clone();
        let mut published = Published { index: image.applied(), image, routes, coordinators };
        self.end_coordinators(&mut published).await?;
        self.end(&plan, orphans, &mut published).await?;
        self.tell_deleted(&plan.end, &published);
        self.begin(&plan, &mut published).await?;
        let begun: Vec<TopicId> = plan.begin.iter().map(|begin| begin.log.topic).collect();
        if concerns(&published.image, &begun) {
            self.begin_coordinators(&mut published).await?;
        }
        self.configure(&plan, &published).await?;
        Ok(published)
    }

    /// After a crash: topics that still run here, and logs that are still stored here, though the image knows neither.
    fn leftovers(&self, image: &Image, plan: &mut Plan) -> Vec<LogId> {
        for (name, route) in &self.before.routes {
            if image.topic_by_id(route.id).is_none() {
                plan.end.push((route.id, name.clone()));
            }
        }
        let storage = &self.context.leaders.storage;
        storage.logs().iter().filter(|log| image.topic_by_id(log.topic).is_none()).map(|log| log.log).collect()
    }

    /// After a crash: leaders that an earlier incarnation started and never published, of topics that ended since.
    async fn end_strangers(&self, image: &Image) -> Result<(), String> {
        let names =
            |topic: &TopicImage| topic.partitions().map(|(p, _)| child_name(&topic.name, p)).collect::<Vec<_>>();
        let known: BTreeSet<String> = image.topics().flat_map(|topic| names(topic)).collect();
        for actor in self.system.tree() {
            let is_leader = actor.path.parent().as_ref() == Some(&self.context.pool);
            if is_leader && !known.contains(actor.path.name()) {
                self.stop(actor.path.name()).await?;
            }
        }
        Ok(())
    }

    /// Stops a leader; it may have gone before, with its pool or by an order that a crash left unrecorded.
    async fn stop(&self, leader: &str) -> Result<(), String> {
        match self.pool.stop_child(leader).await {
            Ok(()) | Err(StopError::Unknown { .. }) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn end(&self, plan: &Plan, mut logs: Vec<LogId>, published: &mut Published) -> Result<(), String> {
        for (id, name) in &plan.end {
            let Some(route) = published.routes.get(name).filter(|route| route.id == *id) else { continue };
            for (partition, leader) in route.leaders.iter().enumerate() {
                let Some(leader) = leader else { continue };
                self.stop(&child_name(name, PartitionIndex(partition as i32))).await?;
                logs.push(leader.log);
            }
            published.routes = published.routes.remove(name);
        }
        if !logs.is_empty() {
            let storage = Arc::clone(&self.context.leaders.storage);
            let dropping = self.context.leaders.pool.run(move || storage.drop_logs(&logs));
            dropping.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    async fn begin(&self, plan: &Plan, published: &mut Published) -> Result<(), String> {
        if plan.begin.is_empty() {
            return Ok(());
        }
        let storage = Arc::clone(&self.context.leaders.storage);
        let new: Vec<NewLog> = plan.begin.iter().map(|begin| begin.log).collect();
        let creating = self.context.leaders.pool.run(move || storage.create_logs(&new));
        let logs = creating.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        // A leader asks the image for its role, so the image has to be there first; clients see the routes later.
        self.context.published.send_modify(|current| current.image = published.image.clone());
        let mut touched: BTreeSet<TopicName> = BTreeSet::new();
        for (begin, log) in plan.begin.iter().zip(logs) {
            let leader = self.start(begin, log).await?;
            let count = published.image.topic_by_id(begin.log.topic).map_or(0, |topic| topic.partition_count());
            touched.insert(begin.topic.clone());
            let mut route = match published.routes.get_mut(&begin.topic) {
                Some(route) if route.id == begin.log.topic => Arc::clone(route),
                _ => Arc::new(TopicRoute { id: begin.log.topic, leaders: Vec::new() }),
            };
            {
                let route = Arc::make_mut(&mut route);
                route.leaders.resize(usize::try_from(count).unwrap_or(0), None);
                if let Some(place) =
                    usize::try_from(begin.log.partition.0).ok().and_then(|at| route.leaders.get_mut(at))
                {
                    *place = Some(LeaderRoute { log, leader });
                }
            }
            published.routes.insert_mut(begin.topic.clone(), route);
        }
        Ok(())
    }

    async fn start(&self, begin: &Begin, log: LogId) -> Result<ActorRef<PartitionMessage>, String> {
        let Begin { topic, log: NewLog { topic: topic_id, partition, .. } } = begin;
        let identity = Identity { topic: topic.clone(), topic_id: *topic_id, partition: *partition, log };
        let name = child_name(topic, *partition);
        let shared = Arc::clone(&self.context.leaders);
        let spec = ChildSpec::worker(&name, move |_| Ok(PartitionLeader::new(Arc::clone(&shared), identity.clone())))
            .restart(Restart::Permanent)
            .limits(LEADER_MAILBOX)
            .stop_timeout(LEADER_STOP)
            .placement(Placement::Data(log.0 as usize % self.context.arbiters.max(1)));
        let path = self.context.pool.join(&name);
        let started = match self.pool.start_child(spec.clone()).await {
            // An earlier incarnation started it. If it leads another log, its topic was deleted and created again since.
            Err(StartError::Exists { .. }) if !self.context.leaders.directory.leads(log, &path) => {
                self.stop(&name).await?;
                self.pool.start_child(spec).await
            }
            started => started,
        };
        match started {
            Ok(_) | Err(StartError::Exists { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
        self.system.resolve(&path).ok_or_else(|| format!("leader {name} is not there after its start"))
    }

    async fn configure(&self, plan: &Plan, published: &Published) -> Result<(), String> {
        let mut classes = Vec::new();
        for (topic, partition, config) in &plan.configure {
            let Some(route) = published.routes.get(topic).and_then(|route| route.leader(*partition)) else { continue };
            classes.push((route.log, RetentionClass::of(config)));
            // A leader that restarts just now reads the new settings from the image.
            drop(route.leader.tell(PartitionMessage::Configure(Box::new(config.clone()))));
        }
        if classes.is_empty() {
            return Ok(());
        }
        let storage = Arc::clone(&self.context.leaders.storage);
        let setting = self
            .context
            .leaders
            .pool
            .run(move || classes.into_iter().try_for_each(|(log, class)| storage.set_class(log, class)));
        setting.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}

/// A leader's name in the tree, as Kafka names partitions. An older topic of that name has ended before.
fn child_name(topic: &TopicName, partition: PartitionIndex) -> String {
    format!("{topic}-{partition}")
}
