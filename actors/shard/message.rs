//! What the host of a shard is told.

use callboard_model::Offset;
use callboard_partition::Settled;
use callboard_runtime::{Message, Reply};
use callboard_shard::{Append, Load, Refusal, Shard, Slice};

/// A shard whose commands and answers may come from other threads, and whose records are decoded on other threads.
pub(crate) trait Hosted: Shard<Command: Send, Reply: Send, Record: Send> {}

impl<S: Shard<Command: Send, Reply: Send, Record: Send>> Hosted for S {}

/// Where the answer to a command goes.
pub(crate) type ShardReply<S> = Reply<Result<<S as Shard>::Reply, Refusal>>;

/// One message to the host of a shard.
#[derive(Debug)]
pub(crate) enum ShardMessage<S: Hosted> {
    /// Asks the shard.
    Command {
        /// What.
        command: S::Command,
        /// Where the answer goes, whenever it comes. When its other end is dropped the shard forgets who asked.
        reply: ShardReply<S>,
    },
    /// A pause between two loads is over.
    Load(Load),
    /// What the log's leader says of it.
    Settled {
        /// The load that it is for.
        load: Load,
        /// Where the log stands, or why nobody knows.
        result: Result<Settled, String>,
    },
    /// A piece of the log has been read.
    Read {
        /// The load that it is for.
        load: Load,
        /// The piece.
        result: Result<Slice<S::Record>, String>,
    },
    /// An append is done, or nobody knows.
    Appended {
        /// Which.
        append: Append,
        /// Where its first record stands.
        result: Result<Offset, String>,
    },
    /// A deadline of the host has come, or there is more to decide.
    Expire,
    /// Time to look for callers that have gone.
    Sweep,
}

impl<S: Hosted> Message for ShardMessage<S> {
    /// What clients ask for may be; the rest is this node's own.
    fn may_be_poison(&self) -> bool {
        matches!(self, Self::Command { .. })
    }

    fn fingerprint(&self) -> Option<u64> {
        if let Self::Command { command, .. } = self { S::fingerprint(command) } else { None }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Command { command, .. } => S::name(command),
            Self::Load(_) => "Load",
            Self::Settled { .. } => "Settled",
            Self::Read { .. } => "Read",
            Self::Appended { .. } => "Appended",
            Self::Expire => "Expire",
            Self::Sweep => "Sweep",
        }
    }
}
