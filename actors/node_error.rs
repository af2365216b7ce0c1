//! Why a node does not start, or did not stop in order: one clear line each.

use callboard_runtime::{StartError, SystemStopError};
use callboard_storage::{DataDirError, DataDirOpenError, StorageError};

/// Why a node does not start, or did not stop in order.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A port that cannot be had.
    #[error("cannot listen on {address} ({key}): {source}; stop what uses it or give another address")]
    Bind {
        /// The setting.
        key: &'static str,
        /// The address.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Too few files.
    #[error("the limit of open files is {limit}, a node needs {needed} at least; raise it (ulimit -n, LimitNOFILE)")]
    FileLimit {
        /// As it is.
        limit: u64,
        /// As it should be.
        needed: u64,
    },
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// A database in it.
    #[error(transparent)]
    Open(#[from] DataDirOpenError),
    /// Storage, while stopping.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The tree did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The tree did not stop in order.
    #[error(transparent)]
    Stop(#[from] SystemStopError),
    /// The system gave no thread or socket.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// A default for topics that no topic could have.
    #[error("kafka.topic_defaults: {0}")]
    TopicDefault(String),
    /// A broker setting of Kafka's that is not served, or has a key of its own here.
    #[error("kafka.broker: {0}")]
    BrokerSetting(String),
    /// Our own mistake.
    #[error("internal: {0}")]
    Internal(String),
}
