//! What every connection works with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use callboard_controller::StaticConfig;
use callboard_model::{BrokerId, ClusterId, GroupConfig};
use callboard_runtime::ActorRef;
use callboard_storage::Storage;
use callboard_telemetry::Metrics;

use super::answers::Answers;
use super::budget::Budget;
use super::sessions::Sessions;
use crate::broker::{GroupCoordinator, Published, PublishedReceiver};
use crate::clock::Clock;
use crate::controller::{Committed, ControllerError, ControllerMessage};
use crate::storage::Pool;

/// The gateway's settings.
#[derive(Clone, Debug)]
pub(crate) struct GatewayConfig {
    /// Where clients are told to connect; `None`: the address that they connected to.
    pub advertised: Option<(String, u16)>,
    /// Bytes of the largest request.
    pub request_max_bytes: usize,
    /// Bytes of requests in flight on one connection.
    pub connection_bytes: usize,
    /// How long a connection may be silent.
    pub idle_max: Duration,
    /// Whether a topic that a client asks for is created.
    pub auto_create_topics: bool,
    /// The settings of consumer groups.
    pub groups: GroupConfig,
    /// Bytes of one fetch answer, whatever the client asks for (Kafka: `fetch.max.bytes` of the broker).
    pub fetch_max_bytes: usize,
    /// Bytes of answers that one connection may hold until its client has taken them.
    pub connection_answer_bytes: usize,
    /// Bytes of its answers that a client has to take every second while others wait for the memory that they take.
    pub answers_least_per_second: usize,
    /// Bytes of one fetch answer that are read from storage.
    pub fetch_disk_bytes: usize,
    /// Clients that the limit of open files has room for, beside what storage needs.
    pub client_handles: usize,
    /// The directory that all logs are in, as clients are told it.
    pub log_dir: String,
}

impl GatewayConfig {
    /// Bytes of one fetch answer, but for a first batch that is larger.
    pub(super) fn answer_bytes(&self) -> usize {
        self.fetch_max_bytes.min(self.connection_answer_bytes)
    }
}

/// What every connection works with.
pub(crate) struct Services {
    /// The gateway's settings.
    pub config: GatewayConfig,
    /// The settings that configs default to.
    pub settings: StaticConfig,
    /// This node.
    pub me: BrokerId,
    /// The cluster.
    pub cluster: ClusterId,
    /// The metadata, and who leads here.
    pub published: PublishedReceiver,
    /// Decides on metadata.
    pub controller: ActorRef<ControllerMessage>,
    /// The logs.
    pub storage: Arc<dyn Storage>,
    /// The blocking pool.
    pub pool: Pool,
    /// Time.
    pub clock: Clock,
    /// Bytes of all requests in flight.
    pub budget: Budget,
    /// Bytes of all answers to fetches that are not written yet.
    pub answers: Answers,
    /// What clients read, remembered between their fetches.
    pub sessions: Sessions,
    /// Clients that have been let in and have not gone.
    pub open: AtomicUsize,
    /// Connections accepted so far: the number of the newest.
    pub accepted: AtomicU64,
    /// Counters.
    pub metrics: Metrics,
}

impl Services {
    /// What this broker has applied by now.
    pub(crate) fn now(&self) -> Published {
        self.published.borrow().clone()
    }

    /// The coordinator of a group; `None` if it is not on this node.
    pub(crate) fn group_coordinator(&self, group: &str) -> Option<GroupCoordinator> {
        self.published.borrow().coordinators.of(group).cloned()
    }

    /// All group coordinators on this node.
    pub(crate) fn group_coordinators(&self) -> Vec<GroupCoordinator> {
        self.published.borrow().coordinators.all().cloned().collect()
    }

    /// Asks the controller, and waits until this broker has applied what it committed.
    pub(super) async fn control<T: Send + 'static>(
        &self,
        deadline: Duration,
        make: impl FnOnce(callboard_runtime::Reply<Result<Committed<T>, ControllerError>>) -> ControllerMessage,
    ) -> Result<T, ControllerError> {
        let until = tokio::time::Instant::now() + deadline;
        let committed = self.controller.ask(deadline, make).await.map_err(ControllerError::from)??;
        let mut published = self.published.clone();
        let applied = published.wait_for(|published| published.index >= committed.index);
        match tokio::time::timeout_at(until, applied).await {
            Ok(Ok(_)) => Ok(committed.answer),
            Ok(Err(_)) => Err(ControllerError::Stopping),
            Err(_) => Err(ControllerError::TimedOut),
        }
    }
}
