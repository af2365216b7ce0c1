//! The shard: a deterministic machine that lives on one partition of an internal topic.
//!
//! A shard *decides* (command -> records, answers, timers); its host appends the records; `replay` of records is the only
//! thing that changes what must survive. So the state fails over with the partition's leadership, and a zombie is fenced
//! where its records would land. Group and transaction coordinators, stream tasks and connectors are all shards.
//! (Kafka's `CoordinatorShard` and `CoordinatorRuntime`; openraft's `Engine`.)
//!
//! Deliberately absent: actors, partitions, disks, clocks; what any particular shard is about.

mod contract;

pub use contract::{Caller, KeyValue, Now, Outcome, RecordFault, Refusal, Shard, TimerChange};
