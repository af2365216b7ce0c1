//! The cluster metadata machine: durable records, the image they build, the delta between two images, and the
//! commands that decide which records come next; with it the catalogue of Kafka's topic and broker configs.
//!
//! Commands look at the image and answer with an [`Outcome`]: records to append and a reply to give once they are
//! committed. Only [`Controller::apply`] changes state, and it accepts nothing but records.
//!
//! Deliberately absent: the log that the records live in, the quorum that commits them, sockets, clocks, randomness
//! (topic ids come in from outside), authorisation, and the throttling of clients.

mod absent_config;
pub mod broker_config;
mod config_value;
mod controller;
mod delta;
mod effective;
mod image;
mod placement;
mod record;
mod reference;
mod status;
pub mod topic_config;

pub use config_value::{ConfigError, ConfigType, Valid, Value};
pub use controller::{
    AlterConfigs, ApiError, ConfigEntry, ConfigOp, ConfigResource, ConfigSynonym, Controller, CreatePartitions,
    CreateTopic, CreatedTopic, DeleteTopic, DeletedTopic, DescribeConfigs, IncrementalAlterConfigs, Intent, Outcome,
    ProducerIdBlock, Registered, Registration, ReplicaAssignment, resource_type,
};
pub use delta::{Delta, TopicIdPartition};
pub use effective::{CleanerConfig, ConfigSource, StaticConfig};
pub use image::{ApplyError, BrokerImage, Image, PartitionImage, SnapshotError, TopicImage};
pub use placement::PlacementError;
pub use record::{
    BrokerEpoch, DecodeError, Endpoint, IncarnationId, LeaderChange, RECORD_LEN_MAX, Record, decode_all, encode_all,
};
pub use reference::render_kafka_configs;
