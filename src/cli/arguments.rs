//! What the command line takes: every command of a running cluster, and what all of them share.

mod actor;
mod bench;
mod config;
mod consume;
mod context;
mod examples;
mod group;
mod places;
mod produce;
mod topic;
mod values;

pub(crate) use actor::*;
pub(crate) use bench::*;
pub use config::ConfigCommand;
pub(crate) use config::*;
pub(crate) use consume::*;
pub(crate) use context::*;
pub(crate) use group::*;
pub(crate) use places::*;
pub(crate) use produce::*;
pub(crate) use topic::*;
pub(crate) use values::*;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Everything that is done with a running cluster.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Topics: list, describe, create, change, delete
    #[command(before_help = "Example:  callboard topic create orders --partitions 6")]
    Topic(TopicNoun),
    /// Consumer groups: how far they have read, and where they read on
    #[command(before_help = "Example:  callboard group lag billing")]
    Group(GroupNoun),
    /// Writes records, one for each line of standard input
    #[command(before_help = "Example:  callboard produce greetings -K: <pairs.txt", after_help = examples::PRODUCE)]
    Produce(Produce),
    /// Reads records
    #[command(before_help = "Example:  callboard consume greetings -o start -e", after_help = examples::CONSUME)]
    Consume(Consume),
    /// The actors of a node: the live tree, failures, restarts
    #[command(before_help = "Example:  callboard actor tree")]
    Actor(ActorNoun),
    /// The cluster as a whole: nodes, health, quorum
    #[command(before_help = "Example:  callboard cluster status")]
    Cluster(ClusterNoun),
    /// Named clusters, so that no command needs --brokers
    #[command(before_help = "Example:  callboard context add staging --brokers kafka.staging:9092")]
    Context(ContextNoun),
    /// Measures how fast records are written, read, and get from end to end
    #[command(before_help = "Example:  callboard bench produce load --records 1000000 --size 1024")]
    Bench(BenchNoun),
    /// A live view of nodes, groups and actors
    #[command(before_help = "Example:  callboard top", after_help = examples::TOP)]
    Top(Top),
    /// Finds out why clients cannot work with the cluster, and says what to do
    #[command(before_help = "Example:  callboard doctor --brokers kafka.example:9092", after_help = examples::DOCTOR)]
    Doctor(Doctor),
    /// Prints a script that completes commands, topics and groups in a shell
    #[command(
        before_help = "Example:  callboard completions bash > ~/.local/share/bash-completion/completions/callboard", after_help = examples::COMPLETIONS
    )]
    Completions(Completions),
    /// Writes the manual pages into a folder
    #[command(before_help = "Example:  callboard man ~/.local/share/man/man1")]
    Man {
        /// The folder; it is made if it is missing
        dir: PathBuf,
    },
    /// Prints the version
    #[command(before_help = "Example:  callboard version -O json")]
    Version(Version),
}

const CONNECTION: &str = "Connection";
const OUTPUT: &str = "Output";

/// How the cluster is reached.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Link {
    /// Brokers to ask first [else $CALLBOARD_BROKERS, else the current context]
    #[arg(short = 'b', long, value_name = "HOST:PORT,…", global = true, help_heading = CONNECTION)]
    pub(crate) brokers: Option<String>,
    /// A setting of the client by its Kafka or librdkafka name; may be repeated
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = key_value, global = true, help_heading = CONNECTION)]
    pub(crate) options: Vec<(String, String)>,
    /// The context to use instead of the current one
    #[arg(long, value_name = "NAME", global = true, help_heading = CONNECTION, add = crate::commands::complete::contexts())]
    pub(crate) context: Option<String>,
    /// How long the whole command may take to get its answers, e.g. 500ms, 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15s", global = true, help_heading = CONNECTION)]
    pub(crate) timeout: Span,
}

/// How a node's admin port is reached.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AdminLink {
    /// The node's admin port [else $CALLBOARD_ADMIN, else the current context]
    #[arg(long, value_name = "URL", global = true, help_heading = CONNECTION)]
    pub(crate) admin: Option<String>,
}

/// How the answer is shown.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Shown {
    /// Form of the answer; by default a table on a terminal and tab-separated lines otherwise
    #[arg(short = 'O', long = "output", value_name = "FORM", value_enum, default_value_t, hide_default_value = true, global = true, help_heading = OUTPUT)]
    pub(crate) format: Format,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true, help_heading = OUTPUT)]
    pub(crate) color: ColorChoice,
}

/// Showing the answer again and again.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Watching {
    /// Shows it again every so many seconds [2 if no number is given]
    #[arg(short = 'w', long, value_name = "SECS", num_args = 0..=1, default_missing_value = "2", value_parser = seconds, help_heading = OUTPUT)]
    pub(crate) watch: Option<Span>,
}

/// What cannot be undone.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Danger {
    /// Does it without asking back
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
}

/// Form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// A table on a terminal, tab-separated lines otherwise
    #[default]
    Auto,
    /// Aligned columns under a header
    Table,
    /// The same with more columns
    Wide,
    /// One JSON document
    Json,
    /// One JSON document per line
    Jsonl,
    /// One YAML document
    Yaml,
    /// Names alone, one per line
    Name,
}

impl Format {
    /// Whether a program reads it.
    pub(crate) fn is_document(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl | Self::Yaml)
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless a variable says otherwise
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// `callboard cluster`.
#[derive(Debug, Args)]
pub struct ClusterNoun {
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Says in one screen what the cluster is and how it is
    #[command(before_help = "Example:  callboard cluster status --watch 5")]
    Status {
        #[command(flatten)]
        watching: Watching,
    },
    /// Says whether every partition has a leader and all of its replicas; exit code 6 if not
    #[command(before_help = "Example:  callboard cluster health --watch --until healthy")]
    Health {
        #[command(flatten)]
        watching: Watching,
        /// Ends as soon as the cluster is so; implies --watch
        #[arg(long, value_name = "STATE", value_enum)]
        until: Option<HealthGoal>,
    },
    /// Lists the nodes with what each leads and stores
    #[command(before_help = "Example:  callboard cluster nodes -O wide")]
    Nodes {
        #[command(flatten)]
        watching: Watching,
    },
    /// Shows the metadata quorum: leader, epoch, voters, lag
    #[command(before_help = "Example:  callboard cluster quorum")]
    Quorum {
        #[command(flatten)]
        watching: Watching,
    },
}

/// What `cluster health` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HealthGoal {
    /// Every partition has a leader and all of its replicas in sync
    Healthy,
}

/// `callboard top`.
#[derive(Debug, Args)]
pub struct Top {
    /// Seconds between two looks
    #[arg(long, value_name = "SECS", value_parser = seconds, default_value = "1")]
    pub(crate) every: Span,
    /// Prints one look as text and ends; this is also what happens without a terminal
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) admin: AdminLink,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// `callboard doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The folder whose disk is looked at [the current folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) admin: AdminLink,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// `callboard version`.
#[derive(Debug, Args)]
pub struct Version {
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// `callboard completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
    /// A script that stands alone and does not ask the cluster for names
    #[arg(long = "static")]
    pub(crate) fixed: bool,
}
