//! Micro-benchmarks of the actor runtime beside plain actix, kameo, ractor and raw tokio channels, in one run on one machine.
//!
//! `cargo run --release -- [--quick] [SCENARIO]`: prints the least of many short rounds, in brackets its ratio to this repository's runtime (above 1: the
//! other is slower), and the median. The rounds alternate between the libraries, so that a noisy neighbour hits all of them; what a neighbour adds
//! is never negative, so on a shared machine the least says most about the code, and the distance to the median about the neighbours. Scenarios on one
//! thread are timed by that thread's processor time, the others by the clock on the wall.

mod channels;
mod kameo_actors;
mod ours;
mod plain_actix;
mod ractor_actors;

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Runs a driver as a task of a current-thread runtime, beside the actors it drives.
fn on_one_thread<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async { tokio::spawn(body).await.expect("no panic") })
}

/// Time that a scenario took: of the processor where all of it happens on the calling thread, which the neighbours on a shared machine cannot lengthen by
/// running in between; else of the clock on the wall.
enum Stopwatch {
    Processor(Duration),
    Wall(Instant),
}

impl Stopwatch {
    fn start(cross: bool) -> Stopwatch {
        if cross { Stopwatch::Wall(Instant::now()) } else { Stopwatch::Processor(processor_time()) }
    }

    fn elapsed(&self) -> Duration {
        match self {
            Stopwatch::Processor(start) => processor_time() - *start,
            Stopwatch::Wall(start) => start.elapsed(),
        }
    }
}

/// What this thread has had of the processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Resident memory of this process.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = text.split(' ').nth(1).expect("the second field");
    pages.parse::<u64>().expect("a number") * 4_096
}

type Run<'a> = (&'static str, Box<dyn Fn() -> f64 + 'a>);

struct Table {
    rounds: usize,
    only: Option<String>,
}

impl Table {
    /// Runs all in turn, `rounds` times, and prints the minima, their ratios to the first, and the medians.
    fn row(&self, scenario: &str, unit: &str, runs: &[Run<'_>]) {
        if self.only.as_ref().is_some_and(|only| !scenario.contains(only.as_str())) {
            return;
        }
        let mut results = vec![Vec::new(); runs.len()];
        for _ in 0..self.rounds {
            for (result, (_, run)) in results.iter_mut().zip(runs) {
                result.push(run());
            }
        }
        for result in &mut results {
            result.sort_by(f64::total_cmp);
        }
        let first = results[0][0];
        println!("{scenario}, {unit}");
        for ((name, _), result) in runs.iter().zip(&results) {
            let (least, median) = (result[0], result[result.len() / 2]);
            println!("    {name:<22} {least:>10.1} ({:>5.2})   median {median:>10.1}", least / first);
        }
    }
}

fn per(time: Duration, n: u64) -> f64 {
    time.as_nanos() as f64 / n as f64
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn main() {
    if let Ok(name) = std::env::var("BENCH_MEMORY") {
        println!("{}", measure_memory(&name));
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let table = Table {
        rounds: if quick { 9 } else { 15 },
        only: arguments.into_iter().find(|argument| argument != "--quick"),
    };
    let n: u64 = if quick { 300_000 } else { 1_000_000 };
    let few = n / 10;
    let actors: u64 = if quick { 20_000 } else { 100_000 };
    let leaves: u64 = if quick { 10_000 } else { 100_000 };

    table.row(
        "counting, one arbiter",
        "ns",
        &[
            ("ours", Box::new(|| per(ours::counting(n, false), n))),
            ("actix", Box::new(|| per(plain_actix::counting(n, false), n))),
            ("kameo", Box::new(|| per(kameo_actors::counting(n), n))),
            ("ractor", Box::new(|| per(ractor_actors::counting(n), n))),
            ("channels", Box::new(|| per(channels::counting(n), n))),
        ],
    );
    table.row(
        "counting, two arbiters",
        "ns",
        &[
            ("ours", Box::new(|| per(ours::counting(n, true), n))),
            ("actix", Box::new(|| per(plain_actix::counting(n, true), n))),
        ],
    );
    table.row(
        "ping-pong, one arbiter",
        "ns",
        &[
            ("ours", Box::new(|| per(ours::ping_pong(n, false), n))),
            ("actix", Box::new(|| per(plain_actix::ping_pong(n, false), n))),
            ("kameo", Box::new(|| per(kameo_actors::ping_pong(n), n))),
            ("ractor", Box::new(|| per(ractor_actors::ping_pong(n), n))),
            ("channels", Box::new(|| per(channels::ping_pong(n), n))),
        ],
    );
    table.row(
        "ping-pong, two arbiters",
        "ns",
        &[
            ("ours", Box::new(|| per(ours::ping_pong(few, true), few))),
            ("actix", Box::new(|| per(plain_actix::ping_pong(few, true), few))),
        ],
    );
    table.row(
        "ask, one arbiter",
        "ns",
        &[
            ("ours", Box::new(|| per(ours::ask(n, false), n))),
            ("actix", Box::new(|| per(plain_actix::ask(n, false), n))),
            ("actix+timeout", Box::new(|| per(plain_actix::ask_with_timeout(n), n))),
            ("kameo", Box::new(|| per(kameo_actors::ask(n), n))),
            ("ractor", Box::new(|| per(ractor_actors::ask(n), n))),
            ("channels", Box::new(|| per(channels::ask(n), n))),
        ],
    );
    table.row(
        "ask, two arbiters",
        "ns",
        &[
            ("ours", Box::new(|| per(ours::ask(few, true), few))),
            ("actix", Box::new(|| per(plain_actix::ask(few, true), few))),
        ],
    );
    table.row(
        "panic and restart, queue intact",
        "ns",
        &[
            ("ours", Box::new(|| per(ours::restart(few, false), few))),
            ("supervisor elsewhere", Box::new(|| per(ours::restart(few, true), few))),
        ],
    );
    table.row(
        "start many actors, per actor",
        "ns",
        &[
            ("ours", Box::new(|| per(ours::many(actors).0, actors))),
            ("actix", Box::new(|| per(plain_actix::many(actors).0, actors))),
            ("kameo", Box::new(|| per(kameo_actors::many(actors).0, actors))),
            ("ractor", Box::new(|| per(ractor_actors::many(actors).0, actors))),
            ("channels", Box::new(|| per(channels::many(actors).0, actors))),
        ],
    );
    table.row(
        "skynet",
        "ms",
        &[
            ("ours", Box::new(|| millis(ours::skynet(leaves)))),
            ("actix", Box::new(|| millis(plain_actix::skynet(leaves)))),
            ("channels", Box::new(|| millis(channels::skynet(leaves)))),
        ],
    );
    let flood = if quick { 200_000 } else { 500_000 };
    table.row(
        "worst ask beside a flooded actor",
        "ms",
        &[
            ("ours", Box::new(|| millis(ours::flooded(flood)))),
            ("actix", Box::new(|| millis(plain_actix::flooded(flood)))),
        ],
    );
    memory(&table, actors);
}

/// Each in a process of its own, since freed memory of one would hide what the next takes.
fn memory(table: &Table, actors: u64) {
    let run = |name: &'static str| -> f64 {
        let own = std::env::current_exe().expect("has a path");
        let output = std::process::Command::new(own)
            .env("BENCH_MEMORY", name)
            .env("BENCH_ACTORS", actors.to_string())
            .output()
            .expect("starts");
        let text = String::from_utf8(output.stdout).expect("prints a number");
        text.trim().parse().expect("prints a number")
    };
    let runs: Vec<Run<'_>> = ["ours", "actix", "kameo", "ractor", "channels"]
        .into_iter()
        .map(|name| -> Run<'_> { (name, Box::new(move || run(name))) })
        .collect();
    table.row("memory per idle actor", "bytes", &runs);
}

/// In the child process of [`memory`]: measures one library and ends.
fn measure_memory(name: &str) -> u64 {
    let actors = std::env::var("BENCH_ACTORS").expect("is set");
    let actors = actors.parse().expect("a number");
    match name {
        "ours" => ours::many(actors).1,
        "actix" => plain_actix::many(actors).1,
        "kameo" => kameo_actors::many(actors).1,
        "ractor" => ractor_actors::many(actors).1,
        _ => channels::many(actors).1,
    }
}
