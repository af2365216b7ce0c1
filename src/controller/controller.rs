//! The controller: looks at the image, decides, and answers with records and a reply. Replaying them is all that
//! changes it.

use std::collections::BTreeMap;

use callboard_model::{BrokerId, ErrorCode};

use crate::record::Record;
use crate::{ApplyError, ConfigError, Delta, Image, PlacementError, StaticConfig};

mod alter;
mod brokers;
mod describe;
mod partitions;
mod topics;

pub use alter::{AlterConfigs, ConfigOp, IncrementalAlterConfigs};
pub use brokers::{ProducerIdBlock, Registered, Registration};
pub use describe::{ConfigEntry, ConfigSynonym, DescribeConfigs};
pub use partitions::{CreatePartitions, ReplicaAssignment};
pub use topics::{CreateTopic, CreatedTopic, DeleteTopic, DeletedTopic};

/// What a decision is: append `records` all or nothing, and give `reply` once they are committed. No records: the
/// reply can go at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the records are not appended yet"]
pub struct Outcome<T> {
    /// The facts, in order.
    pub records: Vec<Record>,
    /// The answer.
    pub reply: T,
}

/// Why a request, or one item of it, is refused (Kafka: `ApiError`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The code on the wire.
    pub code: ErrorCode,
    /// The words beside it.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorCode::InvalidConfig, error.to_string())
    }
}

impl From<PlacementError> for ApiError {
    fn from(error: PlacementError) -> Self {
        Self::new(ErrorCode::InvalidReplicationFactor, error.to_string())
    }
}

/// Whether a request is to be carried out (Kafka: `validate_only`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Yes.
    Perform,
    /// No; only say what would come of it.
    ValidateOnly,
}

impl Intent {
    fn outcome<T>(self, records: Vec<Record>, reply: T) -> Outcome<T> {
        let records = if self == Self::Perform { records } else { Vec::new() };
        Outcome { records, reply }
    }
}

/// The numbers of the resource types in config requests (Kafka: `ConfigResource.Type`).
pub mod resource_type {
    /// A topic, by name.
    pub const TOPIC: i8 = 2;
    /// A broker by id, or with an empty name the default of all brokers.
    pub const BROKER: i8 = 4;
    /// The log levels of a broker.
    pub const BROKER_LOGGER: i8 = 8;
    /// A subscription to client metrics.
    pub const CLIENT_METRICS: i8 = 16;
    /// A group.
    pub const GROUP: i8 = 32;
}

/// Whose configs a request is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// One of [`resource_type`], or whatever the client sent.
    pub resource_type: i8,
    /// The topic's name, the broker's id in decimal digits, or empty.
    pub name: String,
}

/// Decides for the cluster. Decisions look at the last applied image; whoever hosts it appends and applies one
/// decision before asking for the next.
#[derive(Clone, Debug)]
pub struct Controller {
    node: BrokerId,
    settings: StaticConfig,
    image: Image,
}

impl Controller {
    /// A controller on `node`, whose settings give the defaults that nobody set dynamically.
    pub fn new(node: BrokerId, settings: StaticConfig, image: Image) -> Self {
        Self { node, settings, image }
    }

    /// The metadata as of the last applied entry.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The node's settings.
    pub fn settings(&self) -> &StaticConfig {
        &self.settings
    }

    /// Takes over a committed entry: the only thing that changes this controller. All or nothing.
    pub fn apply(&mut self, index: u64, records: &[Record]) -> Result<Delta, ApplyError> {
        let (image, delta) = self.image.apply(index, records)?;
        self.image = image;
        Ok(delta)
    }
}

/// How often each name occurs.
fn occurrences<'a, K: Ord + 'a>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    keys.fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(key).or_insert(0) += 1;
        counts
    })
}

#[cfg(test)]
mod tests;
