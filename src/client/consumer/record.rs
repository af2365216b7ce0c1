//! One record as the user gets it.

use std::sync::Arc;

use bytes::Bytes;
use callboard_model::{Timestamp, TimestampType};

use crate::Header;

/// A record. Key, value and headers share the memory of the batch that was fetched: keep them for long and they keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
    /// Its position in the partition.
    pub offset: i64,
    /// The epoch of the leader that appended it, `None` if its batch has none.
    pub leader_epoch: Option<i32>,
    /// Milliseconds since 1970.
    pub timestamp: Timestamp,
    /// Who set it.
    pub timestamp_type: TimestampType,
    /// Its key, if it has one.
    pub key: Option<Bytes>,
    /// Its value; none is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order; names may repeat.
    pub headers: Vec<Header>,
}
