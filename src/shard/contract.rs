//! The contract between a shard and its host.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::{Tick, Timestamp};

/// A reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For waiting.
    pub tick: Tick,
    /// For records.
    pub wall: Timestamp,
}

/// Who asked; given out by the host, used up by one answer. A shard may keep it and answer with a later outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(pub u64);

/// A record of the shard's partition as it is stored: a value of `None` is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// What the record is about.
    pub key: Option<Bytes>,
    /// What holds from now on.
    pub value: Option<Bytes>,
}

/// Why a stored record cannot be replayed. The host names it (topic, partition, offset) and goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The bytes are no record of this shard.
    #[error("{0}")]
    Corrupt(String),
    /// Written by a newer version; the same rule as Kafka's: passed over with a word in the log.
    #[error("record type {0} is unknown")]
    UnknownType(i16),
}

/// Why the host answers in the shard's place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// This node does not host the shard, or no longer does: look for it elsewhere (NOT_COORDINATOR).
    #[error("the shard is not hosted here")]
    NotHosted,
    /// The log is being read (COORDINATOR_LOAD_IN_PROGRESS).
    #[error("the shard is loading")]
    Loading,
    /// The records may or may not have been appended; the shard is read again from its log
    /// (COORDINATOR_NOT_AVAILABLE).
    #[error("the shard's records were not appended: {0}")]
    NotAppended(String),
    /// The decision's records do not fit into one batch; nothing durable has changed (RECORD_TOO_LARGE by the command's
    /// rules).
    #[error("{given} bytes of records are more than the {max} that one batch of the log may have")]
    TooLarge {
        /// Bytes of the outcome's records.
        given: usize,
        /// Bytes allowed.
        max: usize,
    },
}

/// A change of a timer. A shard's timers are keyed: starting one again replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerChange<T> {
    /// Fire once after this time.
    Start(T, Duration),
    /// Do not fire.
    Cancel(T),
}

/// What a decision asks of the host: all records become one batch, so they are appended together or not at all.
#[derive(Debug)]
pub struct Outcome<S: Shard> {
    /// What to append, and to replay at once.
    pub records: Vec<S::Record>,
    /// Answers: sent when these records *and all appended before them* are committed, so that nobody learns of what
    /// may still be lost.
    pub replies: Vec<(Caller, S::Reply)>,
    /// Timers, in order.
    pub timers: Vec<TimerChange<S::Timer>>,
    /// Bytes that the records may take, each counted by [`crate::stored_size`]; a shard whose decision could be larger
    /// checks before it changes anything. What is larger all the same is refused, and the shard is read again from its
    /// log, since it may have noted what will never be there; everybody else who waits for it is refused then, too.
    pub room: usize,
}

impl<S: Shard> Outcome<S> {
    /// Nothing decided yet.
    pub fn new(room: usize) -> Self {
        Self { records: Vec::new(), replies: Vec::new(), timers: Vec::new(), room }
    }

    /// Appends a record.
    pub fn record(&mut self, record: S::Record) {
        self.records.push(record);
    }

    /// Answers.
    pub fn reply(&mut self, caller: Caller, reply: impl Into<S::Reply>) {
        self.replies.push((caller, reply.into()));
    }

    /// Starts a timer, or starts it anew.
    pub fn start(&mut self, timer: S::Timer, after: Duration) {
        self.timers.push(TimerChange::Start(timer, after));
    }

    /// Cancels a timer.
    pub fn cancel(&mut self, timer: S::Timer) {
        self.timers.push(TimerChange::Cancel(timer));
    }
}

/// A part of a shard, for people: a group, a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its name, unique in its shard.
    pub name: String,
    /// What is to be seen of it, few and short.
    pub fields: Vec<(&'static str, String)>,
}

/// A deterministic machine bound to one partition.
///
/// What must survive (*durable* state) changes by [`Shard::replay`] alone. `decide` and `expired` may change *volatile*
/// state (who waits, when somebody was last heard of), which is lost when the shard moves or is rebuilt: its callers are
/// refused then and ask again. The host replays an outcome's records right after the decision, so the next command sees
/// them though they are not committed yet; if the append fails the shard is thrown away and loaded from its log.
pub trait Shard: Sized + Debug + 'static {
    /// What it is asked.
    type Command: Debug;
    /// What a caller gets.
    type Reply: Debug;
    /// One change of durable state.
    type Record: Clone + Debug + PartialEq;
    /// Names a timer.
    type Timer: Clone + Debug + Ord;

    /// Decides on a command.
    fn decide(&mut self, command: Self::Command, caller: Caller, now: Now, outcome: &mut Outcome<Self>);

    /// Decides on a timer that has fired. It changes nothing durable itself, as ever.
    fn expired(&mut self, timer: Self::Timer, now: Now, outcome: &mut Outcome<Self>);

    /// A caller that the shard keeps has gone: its answer would go nowhere.
    fn abandoned(&mut self, caller: Caller, now: Now, outcome: &mut Outcome<Self>) {
        let _ = (caller, now, outcome);
    }

    /// Applies a record. `written` is the record's own timestamp.
    fn replay(&mut self, record: &Self::Record, written: Timestamp);

    /// All records of the log are replayed: from now on the shard decides. Starts what runs by time.
    fn loaded(&mut self, now: Now, outcome: &mut Outcome<Self>);

    /// The durable state as records: replayed on a fresh shard they give an equal one. In an order that is the same for
    /// equal states.
    fn snapshot(&self) -> Vec<Self::Record>;

    /// What a command is called, for counting and for people.
    fn name(command: &Self::Command) -> &'static str {
        let _ = command;
        "Command"
    }

    /// Recognises a command that is sent again: one that has made the shard panic too often is refused, others are not.
    fn fingerprint(command: &Self::Command) -> Option<u64> {
        let _ = command;
        None
    }

    /// Its parts, for people; in any order.
    fn parts(&self) -> Vec<Part> {
        Vec::new()
    }

    /// A record as it is stored.
    fn encode(record: &Self::Record) -> KeyValue;

    /// A stored record; `None` for one that is known and means nothing any more.
    fn decode(stored: &KeyValue) -> Result<Option<Self::Record>, RecordFault>;
}
