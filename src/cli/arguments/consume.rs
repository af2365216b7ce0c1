//! `callboard consume`, with kcat's letters.

use clap::Args;

use super::{ColorChoice, Link, Partitions, PartitionsParser, Reach, Span, duration, reach, separator};
use crate::commands::complete;

/// `callboard consume`.
#[derive(Debug, Args)]
pub struct Consume {
    /// The topics
    #[arg(required = true, value_name = "TOPIC", add = complete::topics())]
    pub(crate) topics: Vec<String>,
    /// From where, or from where to where [end; stored with a group]
    #[arg(short = 'o', long, value_name = "PLACE", value_parser = reach, allow_hyphen_values = true)]
    pub(crate) offset: Option<Reach>,
    /// Only these partitions: 3, 0,2 or 4-7
    #[arg(short = 'p', long, value_name = "N,…", value_parser = PartitionsParser, conflicts_with = "group")]
    pub(crate) partition: Option<Partitions>,
    /// As a member of this group, which shares the partitions and remembers how far it has read
    #[arg(short = 'g', long, add = complete::groups())]
    pub(crate) group: Option<String>,
    /// Ends after so many records
    #[arg(short = 'n', long, visible_short_alias = 'c', value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Ends at the end of every partition
    #[arg(short = 'e', long)]
    pub(crate) exit: bool,
    /// Ends when nothing has come for so long, e.g. 5s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) idle: Option<Span>,
    /// How each record is printed
    #[arg(short = 'f', long, value_name = "TEMPLATE", conflicts_with = "json")]
    pub(crate) format: Option<String>,
    /// Prints key and value with this between them
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = separator, conflicts_with_all = ["json", "format"])]
    pub(crate) key_delimiter: Option<String>,
    /// What stands between records
    #[arg(short = 'D', long, value_name = "TEXT", value_parser = separator, default_value = "\\n")]
    pub(crate) delimiter: String,
    /// One JSON document for each record
    #[arg(short = 'J', long)]
    pub(crate) json: bool,
    /// Prints null as NULL
    #[arg(short = 'Z', long)]
    pub(crate) null: bool,
    /// Says nothing but the records
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// Does not commit what was read; with a group
    #[arg(long, requires = "group")]
    pub(crate) no_commit: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: ColorChoice,
    #[command(flatten)]
    pub(crate) link: Link,
}
