//! The `callboard` binary: arguments -> settings -> telemetry -> node -> wait for the signal.

mod arguments;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

/// Gives freed memory back soon; what the node may hold is bounded by its settings and not by its history.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // A shell that completes a word asks before anything else, and gets nothing but its answer.
    callboard_cli::complete(arguments::Arguments::command);
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return callboard_cli::usage(&error).into(),
    };
    match run::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("callboard: {error}");
            error.exit().into()
        }
    }
}
