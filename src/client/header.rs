//! A header of a record.

use bytes::Bytes;
use callboard_wire::StrBytes;

/// A name and a value beside a record's own (KIP-82). Names may repeat; their order is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub key: StrBytes,
    /// Its value.
    pub value: Option<Bytes>,
}

impl Header {
    /// A header with a value.
    pub fn new(key: impl Into<StrBytes>, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }
}
