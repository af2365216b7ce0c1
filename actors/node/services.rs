//! What the connections share, made once the controller can be found in the tree.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};

use callboard_controller::StaticConfig;
use callboard_model::ClusterId;
use callboard_runtime::{ActorRef, Env, Failure, Message, Path};
use callboard_settings::Settings;
use callboard_storage::Storage;
use callboard_telemetry::Metrics;

use crate::broker::PublishedReceiver;
use crate::clock::Clock;
use crate::controller::ControllerMessage;
use crate::gateway::{Answers, Budget, GatewayConfig, Services, Sessions};
use crate::storage::Pool;

/// Bytes of one fetch answer that are read from storage at once: a reader that catches up asks again at once.
const FETCH_DISK_BYTES: usize = 4 * 1024 * 1024;

/// Makes what the connections share, once the controller can be found in the tree.
pub(super) struct ServicesMaker {
    pub(super) settings: Settings,
    pub(super) configs: StaticConfig,
    pub(super) cluster: ClusterId,
    pub(super) published: PublishedReceiver,
    pub(super) controller: Path,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) pool: Pool,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) client_handles: usize,
    pub(super) made: OnceLock<Arc<Services>>,
}

impl ServicesMaker {
    pub(super) fn get(&self, env: &Env) -> Result<Arc<Services>, Failure> {
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
                connection_answer_bytes: kafka.connection_answers_max_bytes.as_usize(),
                answers_least_per_second: kafka.answers_min_bytes_per_second.as_usize(),
                fetch_disk_bytes: FETCH_DISK_BYTES,
                client_handles: self.client_handles,
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
            answers: Answers::new(kafka.answers_max_bytes.as_usize()),
            sessions: Sessions::new(kafka.max_incremental_fetch_session_cache_slots as usize),
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            metrics: self.metrics.clone(),
        });
        Ok(Arc::clone(self.made.get_or_init(|| services)))
    }
}

fn find<M: Message>(env: &Env, path: &Path) -> Result<ActorRef<M>, Failure> {
    env.system().resolve::<M>(path).ok_or_else(|| Failure::from(format!("{path} is not there")))
}
