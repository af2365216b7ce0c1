//! What the client moves per second and what memory it takes, to be read beside `rdkafka_performance`.
//!
//! ```text
//! client-bench produce|consume|consume-records --bootstrap HOST:PORT --topic NAME [--records N] [--size BYTES] [-X key=value]...
//! ```
//! Prints one line: records, seconds, MB/s, records/s, peak resident MiB; of a producer also how large its requests and
//! batches were, and how many requests were under way.

use std::process::ExitCode;
use std::time::Instant;

use callboard_client::ProducerCounts;

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
        "produce" => runtime.block_on(produce::run(&arguments)).map(|(bytes, counts)| {
            let records = arguments.records;
            Moved { records, bytes, since: start, counts: Some(counts) }
        }),
        "consume" => runtime.block_on(consume::run(&arguments, false)),
        "consume-records" => runtime.block_on(consume::run(&arguments, true)),
        other => Err(format!("'{other}' is no load: produce, consume or consume-records").into()),
    };
    match moved {
        Ok(Moved { records, bytes, since, counts }) => {
            let seconds = since.elapsed().as_secs_f64();
            print!(
                "{} records={} seconds={seconds:.3} mb_per_second={:.1} records_per_second={:.0} peak_rss_mib={:.1}",
                arguments.load,
                records,
                bytes as f64 / 1e6 / seconds,
                records as f64 / seconds,
                peak_rss_mib()
            );
            if let Some(counts) = counts {
                print!(
                    " requests={} batches_per_request={:.1} kib_per_request={:.0} kib_per_batch={:.0} under_way={:.1}",
                    counts.requests,
                    counts.batches_per_request(),
                    counts.bytes_per_request() / 1024.0,
                    counts.bytes_per_batch() / 1024.0,
                    counts.requests_under_way()
                );
            }
            println!();
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
    /// What a producer sent for that.
    counts: Option<ProducerCounts>,
}

/// The most memory that this process ever had resident.
fn peak_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}
