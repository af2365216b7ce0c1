//! `callboard produce`, with kcat's letters.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ColorChoice, Link, When, separator, when};
use crate::commands::complete;

/// `callboard produce`.
#[derive(Debug, Args)]
pub struct Produce {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// Files; each becomes one record [records are read from standard input]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// To this partition [by the key, else in turn]
    #[arg(short = 'p', long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Option<i32>,
    /// The key of every record
    #[arg(short = 'k', long)]
    pub(crate) key: Option<String>,
    /// What stands between key and value in each record, e.g. -K:
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = separator, conflicts_with = "key")]
    pub(crate) key_delimiter: Option<String>,
    /// What stands between records
    #[arg(short = 'D', long, value_name = "TEXT", value_parser = separator, default_value = "\\n")]
    pub(crate) delimiter: String,
    /// A header of every record, `name=value`, or `name` for one without a value; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME[=VALUE]")]
    pub(crate) headers: Vec<String>,
    /// Compression
    #[arg(short = 'z', long, value_name = "CODEC", value_enum)]
    pub(crate) compression: Option<Codec>,
    /// An empty value is null: a tombstone; an empty key is none
    #[arg(short = 'Z', long)]
    pub(crate) null: bool,
    /// The moment of every record [now]
    #[arg(short = 'T', long, value_name = "TIME", value_parser = when, allow_hyphen_values = true)]
    pub(crate) timestamp: Option<When>,
    /// Records come as lines of JSON, as `consume -J` prints them
    #[arg(short = 'J', long, conflicts_with_all = ["key", "key_delimiter", "delimiter", "files"])]
    pub(crate) json: bool,
    /// Prints partition and offset of every record
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
    /// Writes at most so many records each second
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: ColorChoice,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Compression of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Codec {
    /// None
    None,
    /// gzip
    Gzip,
    /// snappy
    Snappy,
    /// lz4
    Lz4,
    /// zstd
    Zstd,
}

impl Codec {
    /// As `compression.type` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}
