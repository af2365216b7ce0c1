//! Looking after a cluster: topics, partitions, configs, groups and their offsets, logs, the quorum.
//!
//! [`Admin`] sends each question to whom it belongs (controller, leader, coordinator, broker), batched per broker, again as
//! long as what fails passes and time is left. Questions on many things answer for each of them ([`Each`]): one that fails
//! hides none of the others, and none is left out.
//! Deliberately absent: transactions, ACLs, quotas and SCRAM users (they come with the broker's).
//!
//! ```no_run
//! # async fn example() -> Result<(), callboard_client::ClientError> {
//! use callboard_client::{Admin, ClusterOptions, NewTopic};
//!
//! let admin = Admin::connect(ClusterOptions::new("localhost:9092")).await?;
//! let created = admin.create_topics(&[NewTopic::new("orders").partitions(6)], false).await;
//! for (name, outcome) in &created {
//!     println!("{name}: {outcome:?}");
//! }
//! # Ok(())
//! # }
//! ```

mod asking;
mod assignment;
mod cluster;
mod configs;
mod each;
mod groups;
mod offsets;
mod partitions;
mod topics;

pub use assignment::member_partitions;
pub use cluster::{ClusterDescription, DescribedBroker, LogDir, Quorum, QuorumReplica, ReplicaSize};
pub use configs::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource};
pub use each::Each;
pub use groups::{GroupDescription, GroupListing, GroupMember, ListedGroup};
pub use offsets::GroupOffset;
pub use partitions::{ActiveProducer, ElectionType, ListedOffset, OffsetSpec};
pub use topics::{CreatedTopic, NewTopic};

use std::time::Duration;

use tokio::time::Instant;

use crate::{ClientError, Cluster, ClusterOptions};

/// Looks after a cluster. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Admin {
    cluster: Cluster,
    timeout: Option<Duration>,
}

impl Admin {
    /// Connects to a cluster. Asking for a topic never creates it.
    pub async fn connect(mut options: ClusterOptions) -> Result<Self, ClientError> {
        options.allow_auto_create_topics = false;
        Cluster::connect(options).await.map(Self::new)
    }

    /// Over a handle that is there already.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, timeout: None }
    }

    /// The same, with another time for each call than `default.api.timeout.ms`.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { cluster: self.cluster.clone(), timeout: Some(timeout) }
    }

    /// The handle on the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn deadline(&self) -> Instant {
        self.timeout.map_or_else(|| self.cluster.default_deadline(), |timeout| Instant::now() + timeout)
    }
}

#[cfg(test)]
mod tests;
