//! Shards: the shell of the host machine, one actor for each partition of an internal topic that is led here.
//!
//! An actor that fails is built anew and loads from its log; whoever waited hears that nobody will answer. Deliberately
//! absent: decisions (they are the shard's and the host's) and what any particular shard is about.

#[cfg(test)]
#[allow(dead_code, reason = "shared with the tests of the machine, which ask for more")]
#[path = "../../src/shard/counter.rs"]
mod counter;
mod host;
mod message;
mod reading;

pub(crate) use host::{ShardContext, ShardHost, ShardPlace};
pub(crate) use message::{ShardMessage, ShardReply};

#[cfg(test)]
mod tests;
