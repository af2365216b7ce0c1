//! Reads records: alone or as a member of a group.

pub mod assign;
mod batch;
mod driver;
mod error;
mod fetching;
mod handle;
mod listener;
mod membership;
mod options;
mod pattern;
mod positions;
mod protocol;
mod record;
mod requests;
mod shared;

pub use crate::TopicPartition;
pub use batch::{CorruptBatch, RecordBatch, RecordCursor};
pub use error::ConsumerError;
pub use handle::Consumer;
pub use listener::RebalanceListener;
pub use options::{ConsumerOptions, IsolationLevel};
pub use positions::OffsetReset;
pub use protocol::ProtocolError;
pub use record::ConsumerRecord;
pub use requests::CommittedOffset;
