//! The tree: every branch with what it needs, its supervisor and its place.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use callboard_controller::{Endpoint, Image, IncarnationId, StaticConfig};
use callboard_model::{BrokerId, ClusterId};
use callboard_runtime::{
    Backoff, ChildSpec, Intensity, Limits, Options as RuntimeOptions, Path, Placement, Strategy, SupervisorSpec, System,
};
use callboard_settings::Settings;
use callboard_storage::{Committer, CommitterOptions, DataDir, MetadataLog, Storage};
use callboard_telemetry::{Metrics, MetricsOptions};
use callboard_wire::ApiKey;

use super::services::ServicesMaker;
use super::{Node, NodeError};
use crate::admin::{AdminContext, AdminServer, History};
use crate::broker::{Broker, BrokerContext, Published, PublishedReceiver};
use crate::clock::Clock;
use crate::controller::{ActiveController, ControllerContext};
use crate::gateway::Listener;
use crate::partition::{Cleaner, CleanerContext, Identity, LeaderContext, Role};
use crate::shard::ShardContext;
use crate::storage::{JournalKeeper, LeaderDirectory, Pool};

/// Threads that read from storage: enough to keep a disk busy, few enough to leave the cores alone.
const POOL_THREADS: usize = 4;

/// Everything that the tree is made of, opened and bound.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) metadata: Arc<dyn MetadataLog>,
    pub(super) folder: Option<DataDir>,
    pub(super) cluster: ClusterId,
    pub(super) kafka: Arc<StdListener>,
    pub(super) admin: Arc<StdListener>,
    /// Clients that the limit of open files has room for.
    pub(super) client_handles: usize,
}

impl Parts {
    pub(super) fn assemble(self, version: &'static str) -> Result<Node, NodeError> {
        let Parts { settings, storage, metadata, folder, cluster, kafka, admin, client_handles } = self;
        let me = settings.node.id;
        let clock = Clock::start();
        let metrics = Metrics::new(MetricsOptions {
            version,
            apis: ApiKey::ALL.iter().map(|api| (api.code(), api.name())).collect(),
        });
        let configs = crate::node_config::static_config(&settings)?;
        let pool = Pool::start(POOL_THREADS)?;
        let directory = LeaderDirectory::default();
        let committer = Committer::start(
            Arc::clone(&storage),
            Arc::new(directory.clone()),
            Box::new(|error| {
                // What the disk holds is not known any more: recovery decides, this process must not go on (D5).
                tracing::error!(%error, "the journal failed; the process ends so that recovery can decide what holds");
                std::process::abort();
            }),
            CommitterOptions::default(),
        )?;
        let (published, receiver) = tokio::sync::watch::channel(Published::empty());
        let published = Arc::new(published);
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let arbiters = settings.runtime.data_arbiters.count(cores).get();
        let (kafka_address, admin_address) = (kafka.local_addr()?, admin.local_addr()?);
        let ready = Arc::new(AtomicBool::new(false));

        let leaders = Arc::new(LeaderContext {
            storage: Arc::clone(&storage),
            commit: committer.handle(),
            pool: pool.clone(),
            directory,
            role: Box::new(role_asker(receiver.clone(), me, configs.clone())),
            clock,
            lives: AtomicU64::new(0),
            tail_bytes: AtomicUsize::new(0),
            tail_limit: settings.storage.tail_cache_bytes.as_usize(),
        });
        let paths = Paths::new()?;
        let broker = Arc::new(BrokerContext {
            me,
            settings: configs.clone(),
            leaders: Arc::clone(&leaders),
            pool: paths.partitions.clone(),
            coordinators: paths.coordinators.clone(),
            shards: Arc::new(ShardContext {
                storage: Arc::clone(&storage),
                pool: pool.clone(),
                clock,
                append_deadline: settings.groups.offsets_commit_timeout,
            }),
            groups: settings.groups.config(),
            controller: paths.controller.clone(),
            arbiters,
            published,
        });
        let cleaner = Arc::new(CleanerContext {
            storage: Arc::clone(&storage),
            pool: pool.clone(),
            clock,
            metrics: metrics.clone(),
            published: receiver.clone(),
            me,
            settings: configs.clone(),
            uncleanable: Mutex::default(),
        });
        let controller = Arc::new(ControllerContext {
            log: metadata,
            pool: pool.clone(),
            me,
            settings: configs.clone(),
            broker: paths.applier.clone(),
            incarnation: IncarnationId(uuid::Uuid::new_v4()),
            rack: configs.rack(),
            endpoints: vec![endpoint(&settings, kafka_address)],
            life: Mutex::new(0),
        });
        let admin_context = Arc::new(AdminContext {
            system: OnceLock::new(),
            ready: Arc::clone(&ready),
            metrics: metrics.clone(),
            published: receiver.clone(),
            settings: configs.clone(),
            started_with: callboard_settings::values(&settings).collect(),
            me,
            coordinators: paths.coordinators.clone(),
            allow_control: settings.admin.allow_control,
            history: History::default(),
            clock,
        });
        let services = ServicesMaker {
            settings: settings.clone(),
            configs,
            cluster: cluster.clone(),
            published: receiver.clone(),
            controller: paths.controller.clone(),
            storage: Arc::clone(&storage),
            pool: pool.clone(),
            clock,
            metrics: metrics.clone(),
            client_handles,
            made: OnceLock::new(),
        };
        let ready_gate = Arc::clone(&ready);
        let connections = paths.connections.clone();
        let keeper = {
            let (storage, commit, pool, metrics) =
                (Arc::clone(&storage), committer.handle(), pool.clone(), metrics.clone());
            let leaders = Arc::clone(&leaders);
            ChildSpec::worker("keeper", move |_| {
                Ok(JournalKeeper::new(
                    Arc::clone(&storage),
                    commit.clone(),
                    pool.clone(),
                    clock,
                    metrics.clone(),
                    Arc::clone(&leaders),
                ))
            })
        };
        let root = patient(SupervisorSpec::new("node", Strategy::RestForOne))
            .child(sole("storage", keeper.placement(Placement::System)))
            .child(sole(
                "controller",
                ChildSpec::worker("active", move |_| ActiveController::new(Arc::clone(&controller)))
                    .limits(Limits { messages: 100_000, bytes: 256 << 20 })
                    .placement(Placement::System),
            ))
            .child(ChildSpec::supervisor(
                patient(SupervisorSpec::new("broker", Strategy::RestForOne))
                    .child(ChildSpec::supervisor(crowd("partitions")))
                    .child(ChildSpec::supervisor(crowd("coordinators")))
                    .child(
                        ChildSpec::worker("applier", move |_| Ok(Broker::new(Arc::clone(&broker))))
                            .limits(Limits { messages: 100_000, bytes: usize::MAX })
                            .placement(Placement::System),
                    )
                    .child(
                        ChildSpec::worker("cleaner", move |_| Ok(Cleaner::new(Arc::clone(&cleaner))))
                            .placement(Placement::System),
                    ),
            ))
            .child(ChildSpec::supervisor(
                patient(SupervisorSpec::new("gateway", Strategy::RestForOne))
                    .child(ChildSpec::supervisor(crowd("connections")))
                    .child(
                        ChildSpec::worker("listener", move |env| {
                            let pool = env.system().supervisor(&connections).ok_or("no pool of connections")?;
                            let services = services.get(env)?;
                            Ok(Listener::new(Arc::clone(&kafka), pool, services, Arc::clone(&ready_gate)))
                        })
                        .placement(Placement::System),
                    ),
            ))
            .child(sole("admin", {
                let context = Arc::clone(&admin_context);
                ChildSpec::worker("server", move |_| Ok(AdminServer::new(Arc::clone(&admin), Arc::clone(&context))))
                    .placement(Placement::System)
            }));
        let options = RuntimeOptions { data_arbiters: arbiters, ..RuntimeOptions::default() };
        let system = System::start("callboard", options, root)?;
        // Set once, here; the admin port answers "starting" before.
        drop(admin_context.system.set(system.clone()));
        crate::telling::spawn(&system, &metrics);
        Ok(Node {
            system,
            committer: Some(committer),
            storage,
            pool,
            ready,
            kafka: kafka_address,
            admin: admin_address,
            cluster,
            data: folder.as_ref().map(|folder| folder.path().to_owned()),
            metrics,
            _folder: folder,
        })
    }
}

/// An actor that has worked for this long starts at once again when it fails. Short, so that failures that have nothing
/// to do with each other never add up to a pause that clients would feel.
const HEALTHY_AFTER: Duration = Duration::from_millis(500);

/// Actors that fail are rebuilt at once, then with growing pauses; a branch that cannot be kept alive escalates.
///
/// The pauses bound what one child that keeps failing costs to a restart every two seconds. The intensity is there for
/// many failures at once: generous, as beyond it the whole node goes down, which helps nobody whose branch still works.
fn patient(spec: SupervisorSpec) -> SupervisorSpec {
    spec.intensity(Intensity { restarts: 200, period: Duration::from_secs(10) }).backoff(Backoff {
        min: Duration::from_millis(1),
        max: Duration::from_secs(2),
        factor: 2.0,
        jitter: 0.2,
        reset_after: HEALTHY_AFTER,
    })
}

fn sole(name: &str, child: ChildSpec) -> ChildSpec {
    ChildSpec::supervisor(patient(SupervisorSpec::new(name, Strategy::OneForOne)).child(child))
}

/// A pool of many actors that fail independently of each other: what one does must not end the others.
fn crowd(name: &str) -> SupervisorSpec {
    SupervisorSpec::pool(name).intensity(Intensity { restarts: 2_000, period: Duration::from_secs(10) }).backoff(
        Backoff {
            min: Duration::from_millis(1),
            max: Duration::from_secs(5),
            factor: 2.0,
            jitter: 0.2,
            reset_after: HEALTHY_AFTER,
        },
    )
}

/// Where the branches stand in the tree.
struct Paths {
    controller: Path,
    partitions: Path,
    coordinators: Path,
    applier: Path,
    connections: Path,
}

impl Paths {
    fn new() -> Result<Self, NodeError> {
        let path = |text: &str| Path::parse(text).map_err(|error| NodeError::Internal(error.to_string()));
        Ok(Self {
            controller: path("node/controller/active")?,
            partitions: path("node/broker/partitions")?,
            coordinators: path("node/broker/coordinators")?,
            applier: path("node/broker/applier")?,
            connections: path("node/gateway/connections")?,
        })
    }
}

fn endpoint(settings: &Settings, bound: SocketAddr) -> Endpoint {
    let (host, port) = match &settings.kafka.advertised_listeners {
        Some(advertised) => (advertised.host().to_owned(), advertised.port()),
        None => (settings.kafka.listen.host().to_owned(), bound.port()),
    };
    Endpoint { listener: "PLAINTEXT".to_owned(), host, port }
}

/// A leader that starts asks the metadata for its epoch and settings; it never resumes from memory.
fn role_asker(
    published: PublishedReceiver,
    me: BrokerId,
    settings: StaticConfig,
) -> impl Fn(&Identity) -> Option<Role> + Send + Sync {
    move |identity| {
        let image: Image = published.borrow().image.clone();
        let topic = image.topic_by_id(identity.topic_id)?;
        let partition = topic.partition(identity.partition)?;
        (partition.leader == Some(me))
            .then(|| Role { epoch: partition.leader_epoch, config: image.log_config(topic, me, &settings) })
    }
}
