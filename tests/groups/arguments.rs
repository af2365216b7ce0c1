//! The command line.

use std::path::PathBuf;

/// Many groups on a real node: how soon they are whole after a kill -9, how long a rebalance takes, what heartbeats cost.
#[derive(Debug, clap::Parser)]
#[command(name = "callboard-groups")]
pub(crate) struct Arguments {
    /// The binary under test.
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: PathBuf,
    /// An empty folder for the node's data and its log.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Few groups, and only the answers count, not the times.
    #[arg(long)]
    pub(crate) short: bool,
    /// A further setting of the node; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}
