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

mod handles;
mod opening;
mod services;
mod tree;

use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use callboard_model::ClusterId;
use callboard_runtime::System;
use callboard_settings::{Problem, Settings, SettingsError};
use callboard_storage::{Committer, DataDir, Storage};
use callboard_telemetry::Metrics;

use handles::Handles;
use opening::{bind, open};
use tree::Parts;

use crate::storage::Pool;

pub use crate::node_error::NodeError;

/// How long a graceful stop of the tree may take before it is killed; what was acknowledged is on disk either way.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// The same for a node that is only dropped.
const DROP_TIMEOUT: Duration = Duration::from_millis(500);
/// How long readers under way may take to let go of the storage once everybody has stopped.
const LET_GO_TIMEOUT: Duration = Duration::from_secs(10);

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

impl Node {
    /// Opens the data, binds the ports, starts the tree; returns once everything has started. Clients are served a
    /// moment later, when the broker has applied the metadata ([`Node::wait_ready`]). Blocking.
    pub fn start(settings: Settings, version: &'static str) -> Result<Self, NodeError> {
        let kafka = bind("kafka.listen", &settings.kafka.listen)?;
        let admin = bind("admin.listen", &settings.admin.listen)?;
        let handles = Handles::divide(callboard_storage::raise_open_file_limit())?;
        let (storage, metadata, folder, cluster) = open(&settings, handles.tables)?;
        Parts { settings, storage, metadata, folder, cluster, kafka, admin, client_handles: handles.clients }
            .assemble(version)
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
        self.pool.close(LET_GO_TIMEOUT);
        let closed = self.storage.close();
        self.let_go(LET_GO_TIMEOUT);
        closed?;
        Ok(stopped?)
    }

    /// Waits until nobody but this holds the storage: RocksDB unlocks its folder when the last holder drops it, and whoever
    /// starts a node there next must find it free. By now all actors have stopped and the pool is idle, so what is left are
    /// futures that arbiters are just dropping; they tell nobody, hence the looking.
    fn let_go(&self, patience: Duration) {
        let until = std::time::Instant::now() + patience;
        while Arc::strong_count(&self.storage) > 1 {
            if std::time::Instant::now() > until {
                let holders = Arc::strong_count(&self.storage) - 1;
                return tracing::warn!(holders, "the node has stopped, and somebody still holds its storage");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
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
        self.pool.close(DROP_TIMEOUT);
        self.let_go(DROP_TIMEOUT);
    }
}
