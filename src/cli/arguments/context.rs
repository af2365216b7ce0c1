//! `callboard context`.

use clap::{Args, Subcommand};

use super::{Danger, Shown, examples, key_value};
use crate::commands::complete;

/// `callboard context`.
#[derive(Debug, Args)]
pub struct ContextNoun {
    #[command(subcommand)]
    pub(crate) command: ContextCommand,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Lists contexts
    #[command(before_help = "Example:  callboard context list")]
    List,
    /// Adds a context, or replaces one with --force
    #[command(before_help = "Example:  callboard context add staging -b kafka.staging:9092 -X client.id=me", after_help = examples::CONTEXT_ADD)]
    Add(ContextAdd),
    /// Makes a context the current one
    #[command(before_help = "Example:  callboard context use staging")]
    Use(ContextName),
    /// Removes a context
    #[command(before_help = "Example:  callboard context remove staging --yes")]
    Remove(ContextRemove),
    /// Prints the current context
    #[command(before_help = "Example:  callboard context current -O json")]
    Current,
}

#[derive(Debug, Args)]
pub(crate) struct ContextAdd {
    /// Its name
    pub(crate) name: String,
    /// Brokers to ask first
    #[arg(short = 'b', long, value_name = "HOST:PORT,…")]
    pub(crate) brokers: String,
    /// A node's admin port
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// A setting of the client by its Kafka or librdkafka name; may be repeated
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) options: Vec<(String, String)>,
    /// Makes it the current one
    #[arg(long = "use")]
    pub(crate) make_current: bool,
    /// Replaces a context of that name
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ContextName {
    /// Its name
    #[arg(add = complete::contexts())]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct ContextRemove {
    /// Its name
    #[arg(add = complete::contexts())]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) danger: Danger,
}
