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

fn main() -> ExitCode {
    let arguments = match arguments::Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("callboard-kill: {error}\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    if story::play(&arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
