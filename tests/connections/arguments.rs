//! The command line.

use std::net::SocketAddr;

/// Many connections to one broker; prints one line of JSON with what they saw and what they cost the server.
#[derive(Debug, clap::Parser)]
#[command(name = "callboard-connections")]
pub(crate) struct Arguments {
    /// The broker.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) server: SocketAddr,
    /// Its process, on this machine, for its memory and CPU; figures of these are missing without.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// The load.
    #[command(subcommand)]
    pub(crate) what: What,
}

/// The loads.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Idle connections, and busy ones that produce one batch per request, one request at a time.
    Produce(Produce),
    /// Consumers that wait at the end of the log, all woken by one record per partition.
    Tail(Tail),
    /// Readers that ask for much and read little, beside producers that must not notice.
    SlowReaders(SlowReaders),
    /// More connections than the server has file handles, beside a producer that must not notice.
    Handles(Handles),
    /// Requests that together exceed what the server may hold, sent but for the last byte.
    Greedy(Greedy),
    /// The peak, and then the latencies at half of it, sent by a schedule.
    HalfLoad(HalfLoad),
}

/// A topic that exists.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Topic {
    /// The topic.
    #[arg(long)]
    pub(crate) topic: String,
    /// How many partitions it has; connections take turns.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: i32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Produce {
    #[command(flatten)]
    pub(crate) topic: Topic,
    /// Connections that ask for ApiVersions and Metadata and then nothing.
    #[arg(long, default_value_t = 0)]
    pub(crate) idle: usize,
    /// Connections that produce.
    #[arg(long, default_value_t = 1000)]
    pub(crate) connections: usize,
    /// How long they produce; the first fifth is not counted.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Bytes of each record's value.
    #[arg(long, default_value_t = 100)]
    pub(crate) record_bytes: usize,
    /// Records of each request.
    #[arg(long, default_value_t = 1)]
    pub(crate) batch: usize,
    /// How long all are quiet before memory is read.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) quiet: f64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) topic: Topic,
    /// Consumers.
    #[arg(long, default_value_t = 1000)]
    pub(crate) connections: usize,
    /// How often all are woken.
    #[arg(long, default_value_t = 20)]
    pub(crate) rounds: usize,
    /// How long all are quiet before memory is read.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) quiet: f64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SlowReaders {
    /// The topic that producers write to.
    #[command(flatten)]
    pub(crate) topic: Topic,
    /// A topic with much in it, for the slow ones.
    #[arg(long)]
    pub(crate) filled: String,
    /// Its partitions; each reader asks for all of them.
    #[arg(long, default_value_t = 1)]
    pub(crate) filled_partitions: i32,
    /// Slow readers.
    #[arg(long, default_value_t = 200)]
    pub(crate) readers: usize,
    /// What each reads; 0: never anything.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) bytes_per_second: usize,
    /// What each asks for.
    #[arg(long, default_value_t = 50 << 20)]
    pub(crate) fetch_bytes: i32,
    /// Requests that each sends at once.
    #[arg(long, default_value_t = 1)]
    pub(crate) pipelined: usize,
    /// Connections that produce.
    #[arg(long, default_value_t = 50)]
    pub(crate) connections: usize,
    /// How long they produce alone, and then beside the readers.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// How long all are quiet before memory is read.
    #[arg(long, default_value_t = 4.0)]
    pub(crate) quiet: f64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Handles {
    #[command(flatten)]
    pub(crate) topic: Topic,
    /// Connections that are tried.
    #[arg(long, default_value_t = 1000)]
    pub(crate) connections: usize,
    /// What one producer, connected before, writes while they are all there: enough that new files are needed.
    #[arg(long, default_value_t = 300)]
    pub(crate) produce_mib: usize,
    /// How long an answer may take.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) patience: f64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Greedy {
    #[command(flatten)]
    pub(crate) topic: Topic,
    /// Connections.
    #[arg(long, default_value_t = 200)]
    pub(crate) connections: usize,
    /// What each of them sends in one request, in batches of 900 KiB, one for each partition.
    #[arg(long, default_value_t = 10)]
    pub(crate) request_mib: usize,
    /// How long the last byte is held back.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) hold: f64,
    /// How long all are quiet before memory is read.
    #[arg(long, default_value_t = 4.0)]
    pub(crate) quiet: f64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HalfLoad {
    #[command(flatten)]
    pub(crate) topic: Topic,
    /// Connections.
    #[arg(long, default_value_t = 10)]
    pub(crate) connections: usize,
    /// Requests in flight of each while the peak is looked for.
    #[arg(long, default_value_t = 5)]
    pub(crate) in_flight: usize,
    /// Bytes of each record's value.
    #[arg(long, default_value_t = 1024)]
    pub(crate) record_bytes: usize,
    /// Records of each request.
    #[arg(long, default_value_t = 15)]
    pub(crate) batch: usize,
    /// How long each of the two parts takes; the first fifth of it is not counted.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Requests per second instead of half of the peak.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
}
