//! `callboard actor`.

use clap::{Args, Subcommand};

use super::{AdminLink, Danger, Link, Shown, Watching, examples};
use crate::commands::complete;

/// `callboard actor`.
#[derive(Debug, Args)]
pub struct ActorNoun {
    #[command(subcommand)]
    pub(crate) command: ActorCommand,
    #[command(flatten)]
    pub(crate) admin: AdminLink,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ActorCommand {
    /// Draws the supervision tree
    #[command(before_help = "Example:  callboard actor tree node/broker --watch", after_help = examples::ACTOR_TREE)]
    Tree(ActorTree),
    /// Lists actors with their mailboxes and restarts
    #[command(before_help = "Example:  callboard actor list --sort mailbox", after_help = examples::ACTOR_LIST)]
    List(ActorList),
    /// Shows one actor: state, mailbox, last failure, what it shows of itself
    #[command(before_help = "Example:  callboard actor describe node/controller/active")]
    Describe(ActorDescribe),
    /// Has its supervisor restart an actor
    #[command(before_help = "Example:  callboard actor restart node/broker/cleaner", after_help = examples::ACTOR_RESTART)]
    Restart(ActorTouch),
    /// Makes an actor fail, to see what its supervisor does; the node must allow it
    #[command(before_help = "Example:  callboard actor kill node/broker/partitions/orders-0 --yes")]
    Kill(ActorTouch),
    /// Lists messages that found nobody to take them
    #[command(name = "deadletters", before_help = "Example:  callboard actor deadletters")]
    DeadLetters(ActorDeadLetters),
}

#[derive(Debug, Args)]
pub(crate) struct ActorTree {
    /// Only this actor and what stands below it
    #[arg(value_name = "PATH", add = complete::actors())]
    pub(crate) path: Option<String>,
    /// Only so many levels
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<usize>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

/// By what actors are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ActorOrder {
    /// By path
    #[default]
    Path,
    /// Fullest mailbox first
    Mailbox,
    /// Most restarts first
    Restarts,
    /// Most messages handled first
    Handled,
}

#[derive(Debug, Args)]
pub(crate) struct ActorList {
    /// Only actors whose paths match; `*` stands for any letters
    pub(crate) pattern: Option<String>,
    /// Only actors of this type, e.g. PartitionLeader
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Only actors that were restarted or are not running
    #[arg(long)]
    pub(crate) troubled: bool,
    /// What comes first
    #[arg(long, value_name = "ORDER", value_enum, default_value_t)]
    pub(crate) sort: ActorOrder,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct ActorDescribe {
    /// The actor
    #[arg(value_name = "PATH", add = complete::actors())]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct ActorTouch {
    /// The actor
    #[arg(value_name = "PATH", add = complete::actors())]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) danger: Danger,
}

#[derive(Debug, Args)]
pub(crate) struct ActorDeadLetters {
    #[command(flatten)]
    pub(crate) watching: Watching,
}
