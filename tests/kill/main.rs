//! Kills a real node with kill -9 at random moments under load, starts it again on the same data, and at the end looks
//! whether every promise was kept: `callboard-kill --binary PATH --folder DIR [--short]`. See `README.md`.

mod arguments;
mod checks;
mod examination;
mod ledger;
mod producer;
mod random;
mod reader;
mod stage;
mod story;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    if story::play(&arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
