//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use callboard_cli::{Command as Running, ConfigCommand as RunningConfig};

/// A Kafka-compatible event streaming platform made of supervised actors.
#[derive(Debug, Parser)]
#[command(name = "callboard", version, before_help = "Try it:  callboard dev", max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a node for development; every default works.
    #[command(before_help = "Example:  callboard dev --memory --kafka-port 9092")]
    Dev(Dev),
    /// Runs a node of a cluster.
    #[command(subcommand, before_help = "Example:  callboard server start --config /etc/callboard/node.toml")]
    Server(Server),
    /// Settings of a node, and configs of what runs.
    #[command(subcommand, before_help = "Example:  callboard config get topic/orders")]
    Config(Config),
    #[command(flatten)]
    Running(Running),
}

/// `callboard dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Where the data lies; by default in the user's data folder.
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    pub(crate) data: Option<PathBuf>,
    /// Keeps everything in memory and forgets it at the end.
    #[arg(long)]
    pub(crate) memory: bool,
    /// Port for Kafka clients, 0 for any free one.
    #[arg(long, value_name = "P")]
    pub(crate) kafka_port: Option<u16>,
    /// Port for health, metrics and the actor tree, 0 for any free one.
    #[arg(long, value_name = "P")]
    pub(crate) admin_port: Option<u16>,
    /// Does not note where the node is as context `dev` of the user's.
    #[arg(long)]
    pub(crate) no_context: bool,
    /// Further settings by their full names.
    #[command(flatten)]
    pub(crate) set: Set,
}

/// `callboard server`.
#[derive(Debug, Subcommand)]
pub(crate) enum Server {
    /// Starts a node with the settings of a file.
    #[command(before_help = "Example:  callboard server start --config /etc/callboard/node.toml")]
    Start {
        /// The settings.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Settings that count more than the file and the environment.
        #[command(flatten)]
        set: Set,
    },
}

/// `callboard config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Says whether the settings are legal.
    #[command(before_help = "Example:  callboard config check --config node.toml")]
    Check(Source),
    /// Prints all settings, and where each comes from.
    #[command(before_help = "Example:  callboard config print --config node.toml")]
    Print(Source),
    /// Says what a setting is for, its unit, default and present value.
    #[command(before_help = "Example:  callboard config explain storage.data_dir")]
    Explain {
        /// The setting.
        key: String,
        /// Where the settings come from.
        #[command(flatten)]
        source: Source,
    },
    #[command(flatten)]
    Running(RunningConfig),
}

/// Where settings come from, beside the environment.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The settings' file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Settings that count more than the file and the environment.
    #[command(flatten)]
    pub(crate) set: Set,
}

/// Single settings on the command line.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// A setting that counts more than file and environment, e.g. `kafka.num_partitions=6`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) pairs: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is expected")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
