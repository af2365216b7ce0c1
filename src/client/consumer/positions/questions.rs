//! What the positions ask, and what they are told.

use super::{Place, TopicPartition};

/// A question about where a partition's reader is to stand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lookup {
    pub(crate) partition: TopicPartition,
    pub(crate) ticket: u64,
    pub(crate) place: Place,
}

/// A question about an epoch's end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Validation {
    pub(crate) partition: TopicPartition,
    pub(crate) ticket: u64,
    pub(crate) current_leader_epoch: i32,
    pub(crate) epoch: i32,
}

/// A partition that may be fetched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fetchable {
    pub(crate) partition: TopicPartition,
    pub(crate) ticket: u64,
    pub(crate) offset: i64,
    pub(crate) turn: u64,
    pub(crate) buffered: usize,
}

/// Whether fetched records are to be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Now,
    Later,
    No,
}

/// What a broker tells of a log in every fetch answer; -1 for unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnds {
    pub(crate) high_watermark: i64,
    pub(crate) last_stable: i64,
    pub(crate) log_start: i64,
}
