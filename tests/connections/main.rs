//! Many connections to one broker, each of them small: what they cost it, how fairly it treats them, how long they wait.
//! `callboard-connections --server HOST:PORT LOAD`; prints one line of JSON; started by `tests/load/run`.

mod arguments;
mod crowd;
mod error;
mod fairness;
mod figures;
mod latency;
mod link;
mod loads;
mod requests;
mod schedule;
mod server;

use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::arguments::{Arguments, What};
use crate::error::LoadError;
use crate::figures::Figures;
use crate::server::Server;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match play(&arguments) {
        Ok(figures) => {
            println!("{}", figures.line());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("callboard-connections: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One thread: it is the server that is to be measured, and both share the cores of one machine.
fn play(arguments: &Arguments) -> Result<Figures, LoadError> {
    raise_handles();
    let server = Server::new(arguments.pid);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LoadError::Runtime)?;
    let place = arguments.server;
    runtime.block_on(async {
        match &arguments.what {
            What::Produce(load) => loads::produce::run(place, &server, load).await,
            What::Tail(load) => loads::tail::run(place, &server, load).await,
            What::SlowReaders(load) => loads::slow::run(place, &server, load).await,
            What::Handles(load) => loads::handles::run(place, &server, load).await,
            What::Greedy(load) => loads::greedy::run(place, &server, load).await,
            What::HalfLoad(load) => loads::half::run(place, load).await,
        }
    })
}

/// As many file handles as the system lets this process have. Where they are too few, connecting says so.
fn raise_handles() {
    let now = getrlimit(Resource::Nofile);
    // Refused only where the limits changed in between.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}
