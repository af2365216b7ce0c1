//! The cluster that stories are told on: from outside, by `CALLBOARD_BOOTSTRAP`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use callboard_client::net::connection::Connection;
use callboard_client::{Cluster, ClusterOptions, Target};
use tokio::time::Instant;

/// A cluster that stories may use, each with topics of its own.
#[derive(Clone, Debug)]
pub struct Stage {
    /// `host:port` of a broker.
    pub bootstrap: String,
}

/// The stage, or `None` with a word about it: without a cluster there is nothing to tell.
pub fn stage() -> Option<Stage> {
    match std::env::var("CALLBOARD_BOOTSTRAP") {
        Ok(bootstrap) if !bootstrap.is_empty() => Some(Stage { bootstrap }),
        _ => {
            eprintln!("not told: CALLBOARD_BOOTSTRAP names no cluster (tests/client-suite/run starts one)");
            None
        }
    }
}

/// Whether the long forms are told: `CALLBOARD_CHAOS_SECONDS`, 8 by default.
pub fn chaos_time() -> Duration {
    let given = std::env::var("CALLBOARD_CHAOS_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(given.unwrap_or(8))
}

impl Stage {
    /// Where the broker listens.
    pub fn address(&self) -> SocketAddr {
        let mut addresses = self.bootstrap.to_socket_addrs().expect("CALLBOARD_BOOTSTRAP is host:port");
        addresses.next().expect("the host has an address")
    }

    /// A name that nobody else uses.
    pub fn name(&self, story: &str) -> String {
        format!("{story}-{:08x}", fastrand::u32(..))
    }

    /// The options of a client, with pauses short enough for tests.
    pub fn options(&self) -> ClusterOptions {
        let mut options = ClusterOptions::new(&self.bootstrap);
        options.retry_backoff = Duration::from_millis(20);
        options.retry_backoff_max = Duration::from_millis(200);
        options.reconnect_backoff = Duration::from_millis(10);
        options.reconnect_backoff_max = Duration::from_millis(200);
        options
    }

    /// A handle on the cluster.
    pub async fn cluster(&self) -> Cluster {
        Cluster::connect(self.options()).await.expect("the cluster answers")
    }

    /// A connection to the broker, for requests that no client would send.
    pub async fn connection(&self) -> Arc<Connection> {
        let deadline = Instant::now() + Duration::from_secs(10);
        self.cluster().await.connection(Target::Any, deadline).await.expect("the cluster answers")
    }
}
