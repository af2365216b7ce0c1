//! Producer, consumer and admin client for Rust programs, over Kafka's protocol: for Callboard and for any Apache Kafka.
//!
//! Decisions are pure machines in here (batches, sequence numbers, assignment, positions); thin tasks own the sockets.
//! Deliberately absent: C code, transactions (they come with the broker's), TLS and SASL (the same).

#![deny(missing_docs)]

pub mod admin;
pub mod consumer;
pub mod error;
mod header;
pub mod net;
pub mod options;
mod partition;
pub mod producer;

pub use admin::{
    ActiveProducer, Admin, ClusterDescription, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, CreatedTopic,
    DescribedBroker, Each, ElectionType, GroupDescription, GroupListing, GroupMember, GroupOffset, ListedGroup,
    ListedOffset, LogDir, NewTopic, OffsetSpec, Quorum, QuorumReplica, ReplicaSize,
};
pub use callboard_model as model;
pub use error::{Attempt, Broken, ClientError};
pub use header::Header;
pub use net::cluster::{Cluster, Lane, Target};
pub use net::metadata::{Broker, Metadata, Partition, Topic};
pub use net::retry::{Backoff, retrying};
pub use options::{ClusterOptions, OptionError};
pub use partition::TopicPartition;
pub use producer::{
    Acks, Delivery, NotSent, Producer, ProducerCounts, ProducerOptions, ProducerRecord, RecordMetadata,
};
