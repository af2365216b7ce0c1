//! Kafka's wire protocol: bytes to values and back.
//!
//! [`frame`] cuts a byte stream into frames, [`header`] reads who asks for what, [`produce`] and [`fetch`] are the hot path
//! without a copy of record data, [`messages`] is every other API, [`api`] says which versions are served.
//! [`compression`] and [`lookup`] look inside batches when a time must be found.
//!
//! Invariant: no bytes from outside panic, and nothing is allocated from a length or a count that they declare.
//! Deliberately absent: sockets, actors, clocks, what an answer should say, the codec crate's name in any signature but
//! re-exported message structs (README.md).

pub mod api;
pub mod compression;
mod error;
pub mod fetch;
pub mod frame;
pub mod header;
pub mod lookup;
pub mod messages;
pub mod produce;
mod reader;
mod redirect;
mod writer;

pub use api::ApiKey;
pub use error::{CodecError, DecodeError, EncodeError};
pub use header::RequestHeader;

/// A text checked to be UTF-8 that shares the frame it came in: whoever keeps it longer than the request copies it.
pub use kafka_wire_core::StrBytes;
