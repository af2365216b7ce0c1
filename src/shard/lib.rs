//! The shard: a deterministic machine that lives on one partition of an internal topic.
//!
//! A shard *decides* (command -> records, answers, timers); its host appends the records; `replay` of records is the only
//! thing that changes what must survive. So the state fails over with the partition's leadership, and a zombie is fenced
//! where its records would land. Group and transaction coordinators, stream tasks and connectors are all shards.
//! (Kafka's `CoordinatorShard` and `CoordinatorRuntime`; openraft's `Engine`.)
//!
//! [`Host`] is the machine around every shard: what to append and when, whom to answer when, what to do when the log may
//! differ. Its documentation draws a shard's life.
//!
//! Deliberately absent: actors, partitions, disks, clocks; what any particular shard is about.

#[cfg(test)]
extern crate self as callboard_shard;

mod contract;
#[cfg(test)]
mod counter;
mod effect;
mod host;
mod stored;
mod timers;

pub use contract::{Caller, KeyValue, Now, Outcome, Part, RecordFault, Refusal, Shard, TimerChange};
pub use effect::{Append, Effect, Load, LoadPoint};
pub use host::{Host, HostSnapshot, Role, SnapshotPolicy};
pub use stored::{Entry, Slice, What, decode_slice, stored_size};
