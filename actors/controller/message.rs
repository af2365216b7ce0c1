//! What the controller is asked.

use callboard_controller::{
    AlterConfigs, ApiError, CreatePartitions, CreateTopic, CreatedTopic, DeleteTopic, DeletedTopic,
    IncrementalAlterConfigs,
};
use callboard_model::{ErrorCode, ProducerId};
use callboard_runtime::{AskError, Message, Reply};
use callboard_storage::StorageError;

/// An answer, and the metadata index that a broker must have applied for it to be visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed<T> {
    /// The index.
    pub index: u64,
    /// The answer.
    pub answer: T,
}

/// Why the controller gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ControllerError {
    /// It did not answer, or the broker did not follow, in time; it may have happened.
    #[error("the controller did not answer in time")]
    TimedOut,
    /// It failed or is restarting; it may have happened.
    #[error("the controller is not available")]
    Unavailable,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// One request is refused as a whole.
    #[error(transparent)]
    Refused(#[from] ApiError),
}

impl ControllerError {
    /// Kafka's code; retriable but for a refusal.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::TimedOut => ErrorCode::RequestTimedOut,
            Self::Unavailable | Self::Stopping => ErrorCode::NotController,
            Self::Refused(error) => error.code,
        }
    }
}

impl From<AskError> for ControllerError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Timeout { .. } => Self::TimedOut,
            _ => Self::Unavailable,
        }
    }
}

/// Where an answer goes.
pub(super) type Answer<T> = Reply<Result<Committed<T>, ControllerError>>;

/// One message to the controller.
#[derive(Debug)]
pub(crate) enum ControllerMessage {
    /// Creates topics; one result each, in order.
    CreateTopics {
        /// Which.
        topics: Vec<CreateTopic>,
        /// Only says what would come of it.
        validate_only: bool,
        /// The answer.
        reply: Answer<Vec<Result<CreatedTopic, ApiError>>>,
    },
    /// Deletes topics; one result each, in order.
    DeleteTopics {
        /// Which.
        topics: Vec<DeleteTopic>,
        /// The answer.
        reply: Answer<Vec<DeletedTopic>>,
    },
    /// Adds partitions to topics; one result each, in order.
    CreatePartitions {
        /// To which, and how many.
        topics: Vec<CreatePartitions>,
        /// Only says what would come of it.
        validate_only: bool,
        /// The answer.
        reply: Answer<Vec<Result<(), ApiError>>>,
    },
    /// Replaces the configs of resources; one result each, in order.
    AlterConfigs {
        /// Whose, and by what.
        resources: Vec<AlterConfigs>,
        /// Only says what would come of it.
        validate_only: bool,
        /// The answer.
        reply: Answer<Vec<Result<(), ApiError>>>,
    },
    /// Changes single configs of resources; one result each, in order.
    IncrementalAlterConfigs {
        /// Whose, and how.
        resources: Vec<IncrementalAlterConfigs>,
        /// Only says what would come of it.
        validate_only: bool,
        /// The answer.
        reply: Answer<Vec<Result<(), ApiError>>>,
    },
    /// Hands out a producer id that nobody had before.
    ProducerId {
        /// The answer.
        reply: Answer<ProducerId>,
    },
    /// The broker has started and wants the whole image.
    Subscribe,
    /// A group of decisions has been written down: the log's last index.
    Appended(Result<u64, StorageError>),
    /// A snapshot has been stored.
    SnapshotSaved(Result<u64, StorageError>),
    /// The pool could not run a job.
    Lost(String),
}

impl Message for ControllerMessage {
    /// What clients ask for may be; the rest is this node's own.
    fn may_be_poison(&self) -> bool {
        !matches!(self, Self::Subscribe | Self::Appended(_) | Self::SnapshotSaved(_) | Self::Lost(_))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::CreateTopics { .. } => "CreateTopics",
            Self::DeleteTopics { .. } => "DeleteTopics",
            Self::CreatePartitions { .. } => "CreatePartitions",
            Self::AlterConfigs { .. } => "AlterConfigs",
            Self::IncrementalAlterConfigs { .. } => "IncrementalAlterConfigs",
            Self::ProducerId { .. } => "ProducerId",
            Self::Subscribe => "Subscribe",
            Self::Appended(_) => "Appended",
            Self::SnapshotSaved(_) => "SnapshotSaved",
            Self::Lost(_) => "Lost",
        }
    }
}
