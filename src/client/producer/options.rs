//! What a producer does, by Kafka's names.

use std::sync::Arc;
use std::time::Duration;

use callboard_model::Compression;

use super::partitioner::{Partitioner, RoundRobin};
use crate::options::{
    ClusterOptions, Entry, OptionError, boolean, fractional_millis, millis, names, try_set, unknown, within,
};

/// Who must have a record before it counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nobody: the record is handed to the network, and what becomes of it is not known.
    None,
    /// The leader.
    Leader,
    /// The leader and every in-sync replica.
    All,
}

impl Acks {
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// Options of a producer. Defaults are Kafka's, but for [`ProducerOptions::batch_size_max`], which is our own, and
/// [`ProducerOptions::buffer_memory`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerOptions {
    /// How to reach the cluster.
    pub cluster: ClusterOptions,
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`: each record ends up in the log once and in order, whatever is retried. `None` is yes, unless
    /// other options exclude it (KIP-679).
    pub enable_idempotence: Option<bool>,
    /// `batch.size`: bytes from which on a batch is sent without waiting for more.
    pub batch_size: usize,
    /// `batch.size.max`: bytes up to which a batch grows while it has to wait for its turn anyway, and so many bytes of records
    /// without a key a partition gets in a row then; at most [`Self::max_request_size`]. Set it to [`Self::batch_size`] for
    /// batches as small as Java's.
    pub batch_size_max: usize,
    /// `linger.ms`: how long a batch waits for more records.
    pub linger: Duration,
    /// `buffer.memory`: bytes of records that may wait for their acknowledgement. 12 MiB, where Kafka has 32: one broker has
    /// 5 MB under way at most, and what waits beyond that is neither sent earlier nor stays in the processor's caches. Raise
    /// it where many brokers are written to over a slow network.
    pub buffer_memory: usize,
    /// `max.block.ms`: how long a send may wait for memory and for what is not yet known of its topic.
    pub max_block: Duration,
    /// `max.request.size`: bytes of the largest request, and of the largest record.
    pub max_request_size: usize,
    /// `max.in.flight.requests.per.connection`: requests that wait for an answer at one broker; at most 5 with idempotence.
    pub max_in_flight: usize,
    /// `compression.type`.
    pub compression: Compression,
    /// `compression.level`: of gzip and zstd; `None` is the codec's own default.
    pub compression_level: Option<i32>,
    /// `delivery.timeout.ms`: how long a record may take from the send to its acknowledgement, retries included.
    pub delivery_timeout: Duration,
    /// `retries`: how often a batch is tried again before it fails; the delivery timeout bounds it anyway.
    pub retries: u32,
    /// `partitioner.class`: chooses for records that name no partition. `None` is murmur2 for those with a key, and
    /// uniform sticky for those without (KIP-794).
    pub partitioner: Option<Arc<dyn Partitioner>>,
    /// `partitioner.ignore.keys`: whether keys do not choose the partition (KIP-794).
    pub partitioner_ignore_keys: bool,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            cluster: ClusterOptions::default(),
            acks: Acks::All,
            enable_idempotence: None,
            batch_size: 16_384,
            batch_size_max: 1_000_000,
            linger: Duration::from_millis(5),
            buffer_memory: 12 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            max_request_size: 1024 * 1024,
            max_in_flight: 5,
            compression: Compression::None,
            compression_level: None,
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
            partitioner: None,
            partitioner_ignore_keys: false,
        }
    }
}

impl ProducerOptions {
    /// The defaults for a cluster that is found at these addresses, separated by commas.
    pub fn new(bootstrap_servers: &str) -> Self {
        Self { cluster: ClusterOptions::new(bootstrap_servers), ..Self::default() }
    }

    /// Sets an option by Kafka's or librdkafka's name, those of the cluster among them.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        if try_set(TABLE, self, name, value)? || self.cluster.try_set(name, value)? {
            return Ok(());
        }
        Err(unknown(name, Self::names()))
    }

    /// Every name that [`Self::set`] takes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        names(TABLE).chain(ClusterOptions::names())
    }

    /// Whether batches carry sequence numbers; an error if that was asked for and other options exclude it (KIP-679).
    pub fn idempotent(&self) -> Result<bool, OptionError> {
        let obstacle = match self {
            Self { acks, .. } if *acks != Acks::All => Some("acks=all"),
            Self { max_in_flight, .. } if *max_in_flight > 5 => {
                Some("max.in.flight.requests.per.connection of at most 5")
            }
            Self { retries: 0, .. } => Some("retries above 0"),
            _ => None,
        };
        match (self.enable_idempotence, obstacle) {
            (Some(true), Some(needed)) => Err(OptionError::Conflict(format!("enable.idempotence needs {needed}"))),
            (wanted, obstacle) => Ok(wanted.unwrap_or(true) && obstacle.is_none()),
        }
    }

    /// What excludes each other.
    pub fn check(&self) -> Result<(), OptionError> {
        self.idempotent()?;
        let least = self.linger.saturating_add(self.cluster.request_timeout);
        let conflict = |text: String| Err(OptionError::Conflict(text));
        if self.delivery_timeout < least {
            return conflict(format!(
                "delivery.timeout.ms ({}) must be at least linger.ms plus request.timeout.ms ({})",
                self.delivery_timeout.as_millis(),
                least.as_millis()
            ));
        }
        if self.max_in_flight == 0 || self.max_request_size == 0 || self.buffer_memory == 0 {
            return conflict(
                "max.in.flight.requests.per.connection, max.request.size and buffer.memory cannot be 0".into(),
            );
        }
        Ok(())
    }
}

fn codec(value: &str) -> Result<Compression, String> {
    use Compression::{Gzip, Lz4, None, Snappy, Zstd};
    let known = [None, Gzip, Snappy, Lz4, Zstd].into_iter().find(|codec| codec.name() == value);
    known.ok_or_else(|| "none, gzip, snappy, lz4 or zstd is expected".to_owned())
}

fn acks(value: &str) -> Result<Acks, String> {
    match value {
        "0" => Ok(Acks::None),
        "1" => Ok(Acks::Leader),
        "all" | "-1" => Ok(Acks::All),
        _ => Err("0, 1 or all is expected".to_owned()),
    }
}

const MOST: usize = i32::MAX as usize / 2;

const TABLE: &[Entry<ProducerOptions>] = &[
    Entry { names: &["acks", "request.required.acks"], set: |o, v| acks(v).map(|v| o.acks = v) },
    Entry { names: &["enable.idempotence"], set: |o, v| boolean(v).map(|v| o.enable_idempotence = Some(v)) },
    Entry {
        names: &["batch.size"],
        set: |o, v| {
            o.batch_size = within(v, 0, MOST)?;
            o.batch_size_max = o.batch_size_max.max(o.batch_size);
            Ok(())
        },
    },
    Entry { names: &["batch.size.max"], set: |o, v| within(v, 0, MOST).map(|v| o.batch_size_max = v) },
    Entry { names: &["linger.ms", "queue.buffering.max.ms"], set: |o, v| fractional_millis(v).map(|v| o.linger = v) },
    Entry { names: &["buffer.memory"], set: |o, v| within(v, 1, usize::MAX / 16).map(|v| o.buffer_memory = v) },
    Entry {
        names: &["queue.buffering.max.kbytes"],
        set: |o, v| within(v, 1, MOST).map(|v: usize| o.buffer_memory = v * 1024),
    },
    Entry { names: &["max.block.ms"], set: |o, v| millis(v).map(|v| o.max_block = v) },
    Entry {
        names: &["max.request.size", "message.max.bytes"],
        set: |o, v| within(v, 1, MOST).map(|v| o.max_request_size = v),
    },
    Entry {
        names: &["max.in.flight.requests.per.connection", "max.in.flight"],
        set: |o, v| within(v, 1, 1_000_000).map(|v| o.max_in_flight = v),
    },
    Entry { names: &["compression.type", "compression.codec"], set: |o, v| codec(v).map(|v| o.compression = v) },
    Entry {
        names: &["compression.level", "compression.gzip.level", "compression.zstd.level"],
        set: |o, v| {
            let level: i32 = within(v, -131_072, 22)?;
            o.compression_level = (level != -1).then_some(level);
            Ok(())
        },
    },
    Entry {
        names: &["delivery.timeout.ms", "message.timeout.ms"],
        set: |o, v| millis(v).map(|v| o.delivery_timeout = v),
    },
    Entry {
        names: &["retries", "message.send.max.retries"],
        set: |o, v| within(v, 0, i32::MAX as u32).map(|v| o.retries = v),
    },
    Entry {
        names: &["partitioner.class", "partitioner"],
        set: |o, v| {
            o.partitioner = match v.rsplit('.').next().unwrap_or(v) {
                "default" | "murmur2_random" | "" => None,
                "RoundRobinPartitioner" | "round-robin" | "round_robin" => Some(Arc::new(RoundRobin::default())),
                _ => return Err("default or round-robin is expected; a program may set one of its own".to_owned()),
            };
            Ok(())
        },
    },
    Entry { names: &["partitioner.ignore.keys"], set: |o, v| boolean(v).map(|v| o.partitioner_ignore_keys = v) },
];
