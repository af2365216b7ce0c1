//! `callboard group`.

use clap::{Args, Subcommand};

use super::{Danger, Link, Shown, Span, Watching, When, duration, examples, when};
use crate::commands::complete;

/// `callboard group`.
#[derive(Debug, Args)]
pub struct GroupNoun {
    #[command(subcommand)]
    pub(crate) command: GroupCommand,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Lists groups
    #[command(before_help = "Example:  callboard group list --state stable")]
    List(GroupList),
    /// Shows groups with their members and what each of them reads
    #[command(before_help = "Example:  callboard group describe billing")]
    Describe(GroupDescribe),
    /// Shows how far groups are behind
    #[command(before_help = "Example:  callboard group lag billing --fail-above 1000", after_help = examples::GROUP_LAG)]
    Lag(GroupLag),
    /// Sets where a group reads on; the group must have no members
    #[command(before_help = "Example:  callboard group seek billing --to-time -2h --dry-run", after_help = examples::GROUP_SEEK)]
    Seek(GroupSeek),
    /// Deletes groups and their offsets; they must have no members
    #[command(before_help = "Example:  callboard group delete billing --yes", after_help = examples::GROUP_DELETE)]
    Delete(GroupDelete),
}

#[derive(Debug, Args)]
pub(crate) struct GroupList {
    /// Only groups whose names match; `*` stands for any letters
    pub(crate) pattern: Option<String>,
    /// Only groups in this state; may be repeated
    #[arg(long, value_name = "STATE", value_enum)]
    pub(crate) state: Vec<GroupStateName>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

/// States of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GroupStateName {
    /// No members, offsets kept
    Empty,
    /// Every member has its partitions
    Stable,
    /// Members are being gathered
    PreparingRebalance,
    /// Members wait for their partitions
    CompletingRebalance,
    /// Gone
    Dead,
}

#[derive(Debug, Args)]
pub(crate) struct GroupDescribe {
    /// The groups
    #[arg(required = true, value_name = "GROUP", add = complete::groups())]
    pub(crate) groups: Vec<String>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct GroupLag {
    /// The groups [all]
    #[arg(value_name = "GROUP", add = complete::groups())]
    pub(crate) groups: Vec<String>,
    /// Exit code 6 if a group is behind by more than this many records
    #[arg(long, value_name = "RECORDS")]
    pub(crate) fail_above: Option<u64>,
    /// One line for each partition
    #[arg(long)]
    pub(crate) partitions: bool,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("where_to").required(true).args(["to_start", "to_end", "to_time", "by_duration", "shift_by", "to_offset", "to_current"]))]
pub(crate) struct GroupSeek {
    /// The group; it may be a new one
    #[arg(add = complete::groups())]
    pub(crate) group: String,
    /// Only this topic, or only these of its partitions: orders, orders:0,2 [all that the group has offsets for]
    #[arg(short = 't', long = "topic", value_name = "TOPIC[:N,…]")]
    pub(crate) topics: Vec<String>,
    /// To the oldest record there is
    #[arg(long)]
    pub(crate) to_start: bool,
    /// Behind the newest record
    #[arg(long)]
    pub(crate) to_end: bool,
    /// To the first record at or after this moment
    #[arg(long, value_name = "TIME", value_parser = when, allow_hyphen_values = true)]
    pub(crate) to_time: Option<When>,
    /// To the first record of the last while, e.g. 2h
    #[arg(long, value_name = "SPAN", value_parser = duration)]
    pub(crate) by_duration: Option<Span>,
    /// So many records forth, or back with a minus
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) shift_by: Option<i64>,
    /// To this offset
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) to_offset: Option<i64>,
    /// To where it stands; commits the same offsets again, within what the log still has
    #[arg(long)]
    pub(crate) to_current: bool,
    /// Shows the plan and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) danger: Danger,
}

#[derive(Debug, Args)]
pub(crate) struct GroupDelete {
    /// The groups
    #[arg(required = true, value_name = "GROUP", add = complete::groups())]
    pub(crate) groups: Vec<String>,
    /// Forgets only the offsets of this topic; may be repeated
    #[arg(short = 't', long = "topic", value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    /// A group that does not exist is no error
    #[arg(long)]
    pub(crate) if_exists: bool,
    #[command(flatten)]
    pub(crate) danger: Danger,
}
