//! A node: settings in, the whole supervised tree out.
//!
//! ```text
//! node                     rest_for_one: a later child needs the earlier ones
//! ├─ storage/keeper        returns disk, watches its space
//! ├─ controller/active     decides on metadata, writes it down
//! ├─ broker                rest_for_one
//! │  ├─ partitions/*       pool: one leader for each partition led here
//! │  ├─ coordinators/*     pool: one for each partition of the groups' topic led here
//! │  ├─ applier            makes the leaders follow the metadata
//! │  └─ cleaner            compacts logs
//! ├─ gateway               rest_for_one
//! │  ├─ connections/*      pool: one for each client, temporary
//! │  └─ listener           accepts clients
//! └─ admin/server          health, metrics, the tree; last to start, first to stop
//! ```
//! Each branch is a supervisor of its own, so only an escalation reaches its neighbours.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::num::NonZeroUsize;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use callboard_controller::{Endpoint, Image, IncarnationId, StaticConfig};
use callboard_model::{BrokerId, ClusterId, TopicId};
use callboard_runtime::{
    Backoff, ChildSpec, Env, Failure, Intensity, Limits, Message, Options as RuntimeOptions, Path, Placement, Strategy,
    SupervisorSpec, System,
};
use callboard_settings::{Problem, Settings, SettingsError};
use callboard_storage::{
    Committer, CommitterOptions, DataDir, DataDirOptions, MemoryMetadata, MemoryStorage, MetadataLog,
    Options as StorageOptions, RocksStorage, Storage,
};
use callboard_telemetry::{Metrics, MetricsOptions};
use callboard_wire::ApiKey;
use socket2::SockRef;

use crate::admin::{AdminContext, AdminServer, History};
use crate::broker::{Broker, BrokerContext, Published};
use crate::clock::Clock;
use crate::controller::{ActiveController, ControllerContext, ControllerMessage};
use crate::gateway::{Budget, GatewayConfig, Listener, Services, Sessions};
use crate::partition::{Cleaner, CleanerContext, Identity, LeaderContext, Role};
use crate::shard::ShardContext;
use crate::storage::{JournalKeeper, LeaderDirectory, Pool};

pub use crate::node_error::NodeError;

/// How long a graceful stop of the tree may take before it is killed; what was acknowledged is on disk either way.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// The same for a node that is only dropped.
const DROP_TIMEOUT: Duration = Duration::from_millis(500);
/// Threads that read from storage: enough to keep a disk busy, few enough to leave the cores alone.
const POOL_THREADS: usize = 4;
/// Bytes of one fetch answer that are read from storage at once: a reader that catches up asks again at once.
const FETCH_DISK_BYTES: usize = 4 * 1024 * 1024;

/// A running node.
pub struct Node {
    system: System,
    /// None once it was stopped.
    committer: Option<Committer>,
    storage: Arc<dyn Storage>,
    pool: Pool,
    ready: Arc<AtomicBool>,
    kafka: SocketAddr,
    admin: SocketAddr,
    cluster: ClusterId,
    data: Option<PathBuf>,
    metrics: Metrics,
    /// Held until the end: its lock keeps a second node away.
    _folder: Option<DataDir>,
}

/// Everything that the tree is made of, opened and bound.
struct Parts {
    settings: Settings,
    storage: Arc<dyn Storage>,
    metadata: Arc<dyn MetadataLog>,
    folder: Option<DataDir>,
    cluster: ClusterId,
    kafka: Arc<StdListener>,
    admin: Arc<StdListener>,
}

impl Node {
    /// Opens the data, binds the ports, starts the tree; returns once everything has started. Clients are served a
    /// moment later, when the broker has applied the metadata ([`Node::wait_ready`]). Blocking.
    pub fn start(settings: Settings, version: &'static str) -> Result<Self, NodeError> {
        let kafka = bind("kafka.listen", &settings.kafka.listen)?;
        let admin = bind("admin.listen", &settings.admin.listen)?;
        check_file_limit()?;
        let (storage, metadata, folder, cluster) = open(&settings)?;
        Parts { settings, storage, metadata, folder, cluster, kafka, admin }.assemble(version)
    }

    /// Whether a node could start with these settings, as far as that can be told without starting one.
    pub fn check(settings: &Settings) -> Result<(), NodeError> {
        crate::node_config::static_config(settings).map(|_| ())
    }

    /// The same problems; where one is a name that is Kafka's, it says where that stands here.
    pub fn guide(error: SettingsError) -> SettingsError {
        let guided = |problem| match problem {
            Problem::UnknownKey { key, origin, nearest } => {
                let nearest = crate::node_config::place_of_kafka_name(&key).or(nearest);
                Problem::UnknownKey { key, origin, nearest }
            }
            other => other,
        };
        SettingsError { problems: error.problems.into_iter().map(guided).collect() }
    }

    /// Where Kafka clients connect.
    pub fn kafka_address(&self) -> SocketAddr {
        self.kafka
    }

    /// Where the admin port is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &ClusterId {
        &self.cluster
    }

    /// The data folder; none when everything is in memory.
    pub fn data_folder(&self) -> Option<&FilePath> {
        self.data.as_deref()
    }

    /// The actor system, for inspection and fault injection.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether clients are served.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Waits until clients are served; gives whether they are. Blocking.
    pub fn wait_ready(&self, patience: Duration) -> bool {
        let until = std::time::Instant::now() + patience;
        while !self.is_ready() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.is_ready()
    }

    /// Waits until the root gives up; gives the reason, `None` when the node was stopped in order.
    pub async fn wait_failed(&self) -> Option<String> {
        self.system.wait_failed().await
    }

    /// Stops in order: no new clients, answers under way, leaders, controller, everything on disk, the clean marker.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.ready.store(false, Ordering::Release);
        let stopped = self.system.stop(STOP_TIMEOUT).await;
        if let Some(committer) = self.committer.take() {
            committer.stop();
        }
        self.pool.close();
        self.storage.close()?;
        Ok(stopped?)
    }
}

impl Drop for Node {
    /// A node that was not stopped in order: its threads end and let go of the folder, without the clean marker. What
    /// was acknowledged is on disk.
    fn drop(&mut self) {
        let Some(committer) = self.committer.take() else { return };
        self.ready.store(false, Ordering::Release);
        let system = self.system.clone();
        // On a thread of its own: the one that drops may be one that must not wait for a future.
        let stopping =
            std::thread::spawn(move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => drop(runtime.block_on(system.stop(DROP_TIMEOUT))),
                Err(error) => tracing::error!(%error, "a node was dropped and could not be stopped"),
            });
        drop(stopping.join());
        committer.stop();
        self.pool.close();
    }
}

fn bind(key: &'static str, address: &callboard_settings::HostPort) -> Result<Arc<StdListener>, NodeError> {
    let refused = |source| NodeError::Bind { key, address: address.to_string(), source };
    let listener = StdListener::bind((address.host(), address.port())).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    // The standard library asks for 128.
    SockRef::from(&listener).listen(LISTEN_BACKLOG).map_err(refused)?;
    Ok(Arc::new(listener))
}

/// Connections that may wait to be accepted; the system has the last word (`net.core.somaxconn`). All clients of a node
/// dial at once when it is back, and who finds no place waits for one, three and seven seconds.
const LISTEN_BACKLOG: i32 = 16_384;

/// Files that a small node needs: tables, logs, sockets of the first clients.
const FILES_MIN: u64 = 512;

fn check_file_limit() -> Result<(), NodeError> {
    let limit = callboard_storage::raise_open_file_limit();
    if limit < FILES_MIN {
        return Err(NodeError::FileLimit { limit, needed: FILES_MIN });
    }
    Ok(())
}

type Opened = (Arc<dyn Storage>, Arc<dyn MetadataLog>, Option<DataDir>, ClusterId);

fn open(settings: &Settings) -> Result<Opened, NodeError> {
    let fresh = ClusterId(TopicId(uuid::Uuid::new_v4()).to_string().into());
    if settings.storage.memory {
        let cluster = settings.node.cluster_id.clone().unwrap_or(fresh);
        return Ok((Arc::new(MemoryStorage::new()), Arc::new(MemoryMetadata::new()), None, cluster));
    }
    let options = DataDirOptions {
        node_id: settings.node.id,
        cluster_id: settings.node.cluster_id.clone(),
        fresh_cluster_id: fresh,
        fresh_directory_id: uuid::Uuid::new_v4().to_string(),
    };
    let mut folder = DataDir::open(&settings.storage.data_dir, &options)?;
    let metadata = folder.open_metadata()?;
    let journal = folder.open_journal(&StorageOptions {
        generation_bytes: settings.storage.generation_bytes.get(),
        memtable_bytes: settings.storage.memtable_bytes.as_usize(),
        memtables_bytes: settings.storage.memtables_total_bytes.as_usize(),
        disk_reserve_bytes: settings.storage.disk_reserve_bytes.get(),
        accept_data_loss: settings.storage.accept_data_loss,
        ..StorageOptions::default()
    })?;
    tell_recovery(&journal);
    let cluster = folder.identity().cluster_id.clone();
    Ok((Arc::new(journal), Arc::new(metadata), Some(folder), cluster))
}

/// What opening the journal met, where an operator should know.
fn tell_recovery(journal: &RocksStorage) {
    let found = journal.recovery();
    if let Some(kept) = &found.kept {
        tracing::warn!(
            kept = %kept.display(), recovered = found.sequence, synced_before = found.floor,
            "data was lost and storage.accept_data_loss=true goes on with the rest; a copy of the damaged folder is kept"
        );
    } else if !found.created && !found.clean {
        tracing::info!(
            recovered = found.sequence,
            synced_before = found.floor,
            cut = found.cut,
            "recovered after a crash"
        );
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

impl Parts {
    fn assemble(self, version: &'static str) -> Result<Node, NodeError> {
        let Parts { settings, storage, metadata, folder, cluster, kafka, admin } = self;
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
            me,
            coordinators: paths.coordinators.clone(),
            allow_control: settings.admin.allow_control,
            history: History::default(),
            clock: clock.clone(),
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
    published: crate::broker::PublishedReceiver,
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

/// Makes what the connections share, once the controller can be found in the tree.
struct ServicesMaker {
    settings: Settings,
    configs: StaticConfig,
    cluster: ClusterId,
    published: crate::broker::PublishedReceiver,
    controller: Path,
    storage: Arc<dyn Storage>,
    pool: Pool,
    clock: Clock,
    metrics: Metrics,
    made: OnceLock<Arc<Services>>,
}

impl ServicesMaker {
    fn get(&self, env: &Env) -> Result<Arc<Services>, Failure> {
        if let Some(services) = self.made.get() {
            return Ok(Arc::clone(services));
        }
        let controller = find::<ControllerMessage>(env, &self.controller)?;
        let kafka = &self.settings.kafka;
        let services = Arc::new(Services {
            config: GatewayConfig {
                advertised: kafka.advertised_listeners.as_ref().map(|at| (at.host().to_owned(), at.port())),
                request_max_bytes: kafka.socket_request_max_bytes.as_usize(),
                connection_bytes: kafka.connection_in_flight_max_bytes.as_usize(),
                idle_max: kafka.connections_max_idle,
                auto_create_topics: kafka.auto_create_topics_enable,
                groups: self.settings.groups.config(),
                fetch_max_bytes: self.configs.fetch_max_bytes(),
                fetch_disk_bytes: FETCH_DISK_BYTES,
                log_dir: crate::node_config::log_dir(&self.settings),
            },
            settings: self.configs.clone(),
            me: self.settings.node.id,
            cluster: self.cluster.clone(),
            published: self.published.clone(),
            controller,
            storage: Arc::clone(&self.storage),
            pool: self.pool.clone(),
            clock: self.clock,
            budget: Budget::new(kafka.in_flight_max_bytes.as_usize()),
            sessions: Sessions::new(kafka.max_incremental_fetch_session_cache_slots as usize),
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            metrics: self.metrics.clone(),
        });
        Ok(Arc::clone(self.made.get_or_init(|| services)))
    }
}

fn find<M: Message>(env: &Env, path: &Path) -> Result<callboard_runtime::ActorRef<M>, Failure> {
    env.system().resolve::<M>(path).ok_or_else(|| Failure::from(format!("{path} is not there")))
}
