//! `callboard config get|diff|set|unset`: what runs; the settings' file of a node is the binary's own matter.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{AdminLink, Link, Shown, examples, key_value};
use crate::commands::complete;

/// Configs of a running cluster.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Prints configs of a topic, a broker or a group, and where each comes from
    #[command(before_help = "Example:  callboard config get topic/orders retention.ms")]
    Get(ConfigGet),
    /// Shows what differs from the defaults, between two topics or brokers, or between a settings file and a running node
    #[command(before_help = "Example:  callboard config diff topic/orders topic/payments", after_help = examples::CONFIG_DIFF)]
    Diff(ConfigDiff),
    /// Sets configs of a topic, a broker, all brokers or a group
    #[command(before_help = "Example:  callboard config set topic/orders retention.ms=86400000 --dry-run")]
    Set(ConfigSet),
    /// Takes configs back to their defaults
    #[command(before_help = "Example:  callboard config unset topic/orders retention.ms", after_help = examples::CONFIG_UNSET)]
    Unset(ConfigUnset),
}

#[derive(Debug, Args)]
pub struct ConfigGet {
    /// topic/NAME, broker/ID, brokers (the default of all) or group/NAME
    #[arg(add = complete::resources())]
    pub(crate) resource: String,
    /// Only these
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Args)]
pub struct ConfigDiff {
    /// topic/NAME, broker/ID, brokers or group/NAME
    #[arg(required_unless_present = "config", add = complete::resources())]
    pub(crate) resource: Option<String>,
    /// What to compare it with [its defaults]
    #[arg(value_name = "OTHER", add = complete::resources())]
    pub(crate) other: Option<String>,
    /// Compares this settings file with what a node was started with, e.g. /etc/callboard/node.toml; asks its admin port
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resource", "other"])]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) admin: AdminLink,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Args)]
pub struct ConfigSet {
    /// topic/NAME, broker/ID, brokers or group/NAME
    #[arg(add = complete::resources())]
    pub(crate) resource: String,
    /// What to set
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) pairs: Vec<(String, String)>,
    /// Has the cluster check it, shows what would change and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Args)]
pub struct ConfigUnset {
    /// topic/NAME, broker/ID, brokers or group/NAME
    #[arg(add = complete::resources())]
    pub(crate) resource: String,
    /// What to take back
    #[arg(required = true, value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Has the cluster check it, shows what would change and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}
