//! `callboard topic`.

use clap::{Args, Subcommand};

use super::{Danger, Link, Shown, Span, Watching, When, duration, examples, key_value, partitions, when};
use crate::commands::complete;

/// `callboard topic`.
#[derive(Debug, Args)]
pub struct TopicNoun {
    #[command(subcommand)]
    pub(crate) command: TopicCommand,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Lists topics
    #[command(before_help = "Example:  callboard topic list 'orders*'", after_help = examples::TOPIC_LIST)]
    List(TopicList),
    /// Shows topics with their partitions and the configs that differ from the defaults
    #[command(before_help = "Example:  callboard topic describe orders", after_help = examples::TOPIC_DESCRIBE)]
    Describe(TopicDescribe),
    /// Creates topics
    #[command(before_help = "Example:  callboard topic create orders -p 6 -c retention.ms=604800000", after_help = examples::TOPIC_CREATE)]
    Create(TopicCreate),
    /// Changes configs of topics
    #[command(
        before_help = "Example:  callboard topic alter orders --set retention.ms=86400000 --unset cleanup.policy", after_help = examples::TOPIC_ALTER
    )]
    Alter(TopicAlter),
    /// Deletes topics and everything in them
    #[command(before_help = "Example:  callboard topic delete orders --yes", after_help = examples::TOPIC_DELETE)]
    Delete(TopicDelete),
    /// Adds partitions to a topic; keys then go to other partitions than before
    #[command(before_help = "Example:  callboard topic add-partitions orders --total 12", after_help = examples::TOPIC_ADD_PARTITIONS)]
    AddPartitions(TopicAddPartitions),
    /// Deletes the oldest records of a topic
    #[command(before_help = "Example:  callboard topic trim orders --before-time -7d --dry-run", after_help = examples::TOPIC_TRIM)]
    Trim(TopicTrim),
    /// Shows first and next offset of every partition, or the offsets at a moment
    #[command(before_help = "Example:  callboard topic offsets orders --at 2026-11-22T10:00:00Z")]
    Offsets(TopicOffsets),
}

#[derive(Debug, Args)]
pub(crate) struct TopicList {
    /// Only topics whose names match; `*` stands for any letters
    pub(crate) pattern: Option<String>,
    /// Shows internal topics too
    #[arg(short = 'i', long)]
    pub(crate) internal: bool,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct TopicDescribe {
    /// The topics
    #[arg(required = true, value_name = "TOPIC", add = complete::topics())]
    pub(crate) topics: Vec<String>,
    /// Shows all configs, those at their defaults too
    #[arg(long)]
    pub(crate) configs: bool,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

#[derive(Debug, Args)]
pub(crate) struct TopicCreate {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    /// Partitions [as many as the cluster's num.partitions says]
    #[arg(short = 'p', long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: Option<i32>,
    /// Replicas of each partition [as many as the cluster's default.replication.factor says]
    #[arg(short = 'r', long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    pub(crate) replicas: Option<i16>,
    /// A config of the topics by its Kafka name; may be repeated
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) configs: Vec<(String, String)>,
    /// A topic that exists already is no error
    #[arg(long)]
    pub(crate) if_not_exists: bool,
    /// Has the cluster check it and creates nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopicAlter {
    /// The topics
    #[arg(required = true, value_name = "TOPIC", add = complete::topics())]
    pub(crate) topics: Vec<String>,
    /// Sets a config; may be repeated
    #[arg(short = 's', long, value_name = "KEY=VALUE", value_parser = key_value, required_unless_present = "unset")]
    pub(crate) set: Vec<(String, String)>,
    /// Takes a config back to its default; may be repeated
    #[arg(short = 'u', long, value_name = "KEY")]
    pub(crate) unset: Vec<String>,
    /// Has the cluster check it, shows what would change and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TopicDelete {
    /// The topics
    #[arg(required = true, value_name = "TOPIC", add = complete::topics())]
    pub(crate) topics: Vec<String>,
    /// A topic that does not exist is no error
    #[arg(long)]
    pub(crate) if_exists: bool,
    #[command(flatten)]
    pub(crate) danger: Danger,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("how_many").required(true).args(["add", "total"]))]
pub(crate) struct TopicAddPartitions {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// So many more
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) add: Option<i32>,
    /// So many in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) total: Option<i32>,
    /// Has the cluster check it and adds nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("before").required(true).args(["before_offset", "before_time", "older_than", "all"]))]
pub(crate) struct TopicTrim {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// Deletes records before this offset
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) before_offset: Option<i64>,
    /// Deletes records before the first one at or after this moment
    #[arg(long, value_name = "TIME", value_parser = when, allow_hyphen_values = true)]
    pub(crate) before_time: Option<When>,
    /// Deletes records older than this, e.g. 7d
    #[arg(long, value_name = "SPAN", value_parser = duration)]
    pub(crate) older_than: Option<Span>,
    /// Deletes all records
    #[arg(long)]
    pub(crate) all: bool,
    /// Only in these partitions: 3, 0,2 or 4-7
    #[arg(short = 'p', long, value_name = "N,…", value_parser = PartitionsParser)]
    pub(crate) partitions: Option<Partitions>,
    /// Shows what would be deleted and deletes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) danger: Danger,
}

#[derive(Debug, Args)]
pub(crate) struct TopicOffsets {
    /// The topics
    #[arg(required = true, value_name = "TOPIC", add = complete::topics())]
    pub(crate) topics: Vec<String>,
    /// Shows the first record at or after this moment
    #[arg(long, value_name = "TIME", value_parser = when, allow_hyphen_values = true)]
    pub(crate) at: Option<When>,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

/// Some partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partitions(pub(crate) Vec<i32>);

/// Reads [`Partitions`] as one value; a plain list would be taken for several.
#[derive(Clone)]
pub(crate) struct PartitionsParser;

impl clap::builder::TypedValueParser for PartitionsParser {
    type Value = Partitions;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let parse = |text: &str| partitions(text).map(Partitions);
        clap::builder::TypedValueParser::parse_ref(&parse, command, arg, value)
    }
}
