//! A small blocking Kafka client for tests, over one plain TCP connection.
//!
//! It does what it is told and nothing more, so that a test sees what the node really answers: no retries, no metadata
//! cache, no batching, no reconnecting. Every call has a deadline; every failure is a typed [`ClientError`].
//! [`Node`] runs a node in a process of its own, to be killed. [`encode_batch`] makes record batches, [`walk`] reads them back with their checksums verified.
//! Deliberately absent: compression, fetch sessions, transactions, the choice of a broker.

mod answer;
mod batch;
mod client;
mod configs;
mod connection;
mod error;
mod groups;
mod node;
mod offsets;

pub use answer::{Fetched, ListedOffset, Produced, ProducerIdentity};
pub use batch::{Idempotence, NewRecord, encode_batch, walk};
pub use client::{Acks, Client, FetchFrom, FetchLimits, OffsetAt, PartitionBatch};
pub use configs::Resource;
pub use connection::Connection;
pub use error::ClientError;
pub use groups::{DescribedMember, GroupDescription, Joined, JoinedMember, Joining, ListedGroup, Place, Synced};
pub use node::{Node, NodeError, StartTimes};
pub use offsets::CommittedOffset;

#[cfg(test)]
mod tests;
