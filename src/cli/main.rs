//! The commands alone, without a node: what the tests of this room drive. People use `callboard`, which has all of them.

use std::path::Path;
use std::process::ExitCode;

use callboard_cli::{Command, ConfigCommand};
use clap::{CommandFactory, Parser, Subcommand};

/// A Kafka-compatible event streaming platform made of supervised actors.
#[derive(Debug, Parser)]
#[command(name = "callboard", bin_name = "callboard", version, before_help = "Example:  callboard topic list")]
#[command(max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Top,
}

#[derive(Debug, Subcommand)]
enum Top {
    /// Configs of what runs
    #[command(subcommand, before_help = "Example:  callboard config get topic/orders")]
    Config(ConfigCommand),
    #[command(flatten)]
    Running(Command),
}

fn no_file(_: &Path) -> Result<Vec<(String, String)>, String> {
    Err("only the whole program, `callboard`, reads settings files".to_owned())
}

fn main() -> ExitCode {
    callboard_cli::complete(Arguments::command);
    match Arguments::try_parse() {
        Ok(Arguments { command: Top::Config(command) }) => callboard_cli::run_config(command, no_file).into(),
        Ok(Arguments { command: Top::Running(command) }) => callboard_cli::run(command, Arguments::command()).into(),
        Err(error) => callboard_cli::usage(&error).into(),
    }
}
