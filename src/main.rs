//! The `callboard` binary: arguments -> settings -> telemetry -> node -> wait for the signal.

mod arguments;
mod run;

use std::process::ExitCode;

use clap::Parser;

/// Gives freed memory back soon; what the node may hold is bounded by its settings and not by its history.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run::run(arguments::Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("callboard: {error}");
            ExitCode::FAILURE
        }
    }
}
