//! Many groups on a real node: how soon they are whole after a kill -9, how long a rebalance takes, what heartbeats cost.
//! `callboard-groups --binary PATH --folder DIR [--short]`; started by `run`.

mod arguments;
mod board;
mod crowd;
mod link;
mod member;
mod stories;

use std::fs;
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;
use crate::stories::{Scale, StoryError};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let played = runtime.map_err(|error| StoryError::Broken(error.to_string())).and_then(|rt| play(&arguments, &rt));
    match played {
        Ok(()) => {
            println!("every group is as it should be");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("  FAILED {error}");
            tell_log(&arguments);
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &Arguments, runtime: &tokio::runtime::Runtime) -> Result<(), StoryError> {
    let scale = Scale::of(arguments);
    let mut node = stories::start(arguments)?;
    runtime.block_on(async {
        stories::recovery(&mut node, &scale).await?;
        stories::rebalance(&node, &scale).await?;
        stories::heartbeats(&node, &scale).await
    })
}

fn tell_log(arguments: &Arguments) {
    if let Ok(log) = fs::read_to_string(arguments.folder.join("node.log")) {
        let lines: Vec<&str> = log.lines().collect();
        println!("--- the node's log, last lines ---\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
    }
}
