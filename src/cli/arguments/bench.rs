//! `callboard bench`.

use clap::{Args, Subcommand};

use super::{Codec, Link, Shown, Span, duration, examples};
use crate::commands::complete;

/// `callboard bench`.
#[derive(Debug, Args)]
pub struct BenchNoun {
    #[command(subcommand)]
    pub(crate) command: BenchCommand,
    #[command(flatten)]
    pub(crate) link: Link,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Writes records as fast as it goes, or at a rate
    #[command(before_help = "Example:  callboard bench produce load --records 1000000 --size 1k -X linger.ms=5", after_help = examples::BENCH_PRODUCE)]
    Produce(BenchProduce),
    /// Reads records as fast as it goes
    #[command(before_help = "Example:  callboard bench consume load --records 1000000", after_help = examples::BENCH_CONSUME)]
    Consume(BenchConsume),
    /// Writes records at a rate, reads them at once, and measures how long each took
    #[command(name = "e2e", before_help = "Example:  callboard bench e2e load --rate 500 --duration 10s", after_help = examples::BENCH_E2E)]
    EndToEnd(BenchEndToEnd),
}

/// How much load.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The topic; it must exist
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// Bytes of each value
    #[arg(short = 's', long, value_name = "BYTES", value_parser = bytes, default_value = "1024")]
    pub(crate) size: u64,
    /// Records each second [as many as it takes]
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Ends after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Span>,
    /// Compression
    #[arg(short = 'z', long, value_name = "CODEC", value_enum)]
    pub(crate) compression: Option<Codec>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchProduce {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Ends after so many records [100000, if no --duration is given]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) records: Option<u64>,
    /// Gives the records keys, so many different ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchConsume {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// Ends after so many records [at the end of the log]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) records: Option<u64>,
    /// Ends after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Span>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchEndToEnd {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Ends after so many records [1000, if no --duration is given]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) records: Option<u64>,
}

/// `1024`, `64k`, `1M`, `2GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no size: write 1024, 64k or 1M");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim().to_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(bytes("1024"), Ok(1024));
        assert_eq!(bytes("64k"), Ok(65_536));
        assert_eq!(bytes("1MiB"), Ok(1_048_576));
        assert!(bytes("99999999999999999999").is_err());
        assert!(bytes("1x").is_err());
    }
}
