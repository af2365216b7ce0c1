//! The vocabulary of Callboard as types: ids, epochs, offsets, record batches, error codes, limits.
//!
//! Invariant: a value of these types is well-formed by construction.
//! Deliberately absent: IO, clocks, randomness, actors, codecs for compressed data.

mod batch_writer;
mod checksum;
mod edits;
mod epoch;
mod error_code;
mod group_config;
mod ids;
mod journal;
pub mod limits;
mod log_config;
mod names;
mod offset;
mod record;
mod record_batch;
mod time;

pub use batch_writer::{BatchHead, BatchWriter, NewRecord, record_size_max};
pub use checksum::{checksum_with, join_checksums};
pub use edits::edits;
pub use epoch::{LeaderEpoch, PartitionEpoch, ProducerEpoch};
pub use error_code::ErrorCode;
pub use group_config::GroupConfig;
pub use ids::{BrokerId, ClusterId, LogId, PartitionIndex, ProducerId, TopicId, TopicIdError, TopicPartition};
pub use journal::{Durability, JournalWrite, LogWrite, StateFamily, StoredBatch};
pub use log_config::{CleanupPolicy, CompactionConfig, CompressionType, FlushMode, LogConfig, TimestampType};
pub use names::{CONSUMER_OFFSETS, TopicName, TopicNameError};
pub use offset::Offset;
pub use record::{Record, RecordError, RecordHeader, Records};
pub use record_batch::{
    BatchError, BatchHeader, Batches, CONTROL, CheckedBatch, Compression, DELETE_HORIZON, HEADER_LEN, PREFIX_LEN,
    Prefix,
};
pub use time::{Tick, Timestamp};
