//! What the client moves per second and what memory it takes, to be read beside `rdkafka_performance`.
//!
//! ```text
//! client-bench produce|consume|consume-records --bootstrap HOST:PORT --topic NAME [--records N] [--size BYTES] [-X key=value]...
//! ```
//! Prints one line: records, seconds, MB/s, records/s, peak resident MiB.

use std::process::ExitCode;
use std::time::Instant;

mod arguments;
mod consume;
mod produce;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("client-bench: {wrong}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(arguments.threads).enable_all().build();
    let runtime = runtime.expect("threads can be started");
    let start = Instant::now();
    let moved = match arguments.load.as_str() {
        "produce" => runtime.block_on(produce::run(&arguments)).map(|bytes| {
            let records = arguments.records;
            Moved { records, bytes, since: start }
        }),
        "consume" => runtime.block_on(consume::run(&arguments, false)),
        "consume-records" => runtime.block_on(consume::run(&arguments, true)),
        other => Err(format!("'{other}' is no load: produce, consume or consume-records").into()),
    };
    match moved {
        Ok(Moved { records, bytes, since }) => {
            let seconds = since.elapsed().as_secs_f64();
            println!(
                "{} records={} seconds={seconds:.3} mb_per_second={:.1} records_per_second={:.0} peak_rss_mib={:.1}",
                arguments.load,
                records,
                bytes as f64 / 1e6 / seconds,
                records as f64 / seconds,
                peak_rss_mib()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("client-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a load has moved.
struct Moved {
    records: u64,
    /// Of values.
    bytes: u64,
    since: Instant,
}

/// The most memory that this process ever had resident.
fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}
