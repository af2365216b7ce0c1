//! The controller: the one actor that decides on cluster metadata and makes decisions durable before anyone sees them.
//!
//! The log below it is a trait ([`callboard_storage::MetadataLog`]), which a Raft quorum will implement later.
//! Deliberately absent: the rules (they are `src/controller`'s) and the running of partitions (the broker's).

mod active;
mod message;

pub(crate) use active::{ActiveController, ControllerContext};
pub(crate) use message::{Committed, ControllerError, ControllerMessage};
