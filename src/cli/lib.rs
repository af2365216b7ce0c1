//! The command line: every command that talks to a running cluster, and how its answers are shown.
//!
//! A command gathers values (`commands/`), turns them into an [`output::Answer`] and hands that back; one layer (`output/`)
//! prints it in the form that was asked for. What went wrong is a [`fault::Fault`]: what, why, what to do next, exit code.
//! Deliberately absent: starting a node (`dev`, `server`), which links the storage and belongs to the binary itself.

mod admin_port;
mod arguments;
mod commands;
mod connection;
pub mod contexts;
mod disk;
mod fault;
mod moment;
mod nearest;
mod output;
mod run;
#[cfg(test)]
mod snapshot;
mod terminal;

pub use arguments::{Command, ConfigCommand};
pub use fault::Exit;
pub use run::{ReadFile, complete, run, run_config, usage};
