//! What a consumer can be told, by Kafka's names and with Kafka's defaults.

use std::time::Duration;

use super::assign::Assignor;
use super::positions::OffsetReset;
use crate::options::{Entry, OptionError, boolean, millis, names, try_set, unknown, within};
use crate::{ClientError, ClusterOptions};

/// Which records are shown (`isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    /// All that are replicated.
    #[default]
    ReadUncommitted,
    /// None of a transaction that is open or was aborted.
    ReadCommitted,
}

/// Options of a consumer; defaults are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerOptions {
    /// How to reach the cluster.
    pub cluster: ClusterOptions,
    /// `group.id`: the group to read with; without one there are no commits and no [`subscribe`](super::Consumer::subscribe).
    pub group_id: Option<String>,
    /// `group.instance.id`: makes a static member, which keeps its partitions over a restart (KIP-345).
    pub group_instance_id: Option<String>,
    /// `partition.assignment.strategy`: the assignors that this member can use, its favourite first.
    pub partition_assignment_strategy: Vec<Assignor>,
    /// `session.timeout.ms`: how long the coordinator waits for a sign of life.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`: how often there is one.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: how long the program may take between two polls before others get its partitions.
    pub max_poll_interval: Duration,
    /// `max.poll.records`: records that one [`poll`](super::Consumer::poll) gives at most.
    pub max_poll_records: usize,
    /// `enable.auto.commit`: whether what was handed out is committed by itself.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`: how often.
    pub auto_commit_interval: Duration,
    /// `auto.offset.reset`: where to begin when nothing is committed, or the log does not have the offset.
    pub auto_offset_reset: OffsetReset,
    /// `isolation.level`: which records are shown.
    pub isolation_level: IsolationLevel,
    /// `fetch.min.bytes`: bytes worth answering for.
    pub fetch_min_bytes: i32,
    /// `fetch.max.wait.ms`: how long a broker waits for them.
    pub fetch_max_wait: Duration,
    /// `fetch.max.bytes`: bytes of one answer; one batch may exceed it.
    pub fetch_max_bytes: usize,
    /// `max.partition.fetch.bytes`: bytes of one partition in one answer; one batch may exceed it.
    pub max_partition_fetch_bytes: usize,
    /// `queued.max.bytes`: bytes fetched ahead of the program; one answer may exceed it. librdkafka's
    /// `queued.max.messages.kbytes`. Of the 32 MiB one answer takes a sixteenth at most and one from each broker is under way:
    /// raise it for brokers that are far away.
    pub queued_max_bytes: usize,
    /// `check.crcs`: whether the checksum of each batch is verified.
    pub check_crcs: bool,
    /// `exclude.internal.topics`: whether a pattern passes over topics in which brokers keep their own state.
    pub exclude_internal_topics: bool,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            cluster: ClusterOptions::default(),
            group_id: None,
            group_instance_id: None,
            partition_assignment_strategy: vec![Assignor::Range, Assignor::CooperativeSticky],
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            enable_auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            auto_offset_reset: OffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            fetch_max_bytes: 50 * 1024 * 1024,
            max_partition_fetch_bytes: 1024 * 1024,
            queued_max_bytes: 32 * 1024 * 1024,
            check_crcs: true,
            exclude_internal_topics: true,
        }
    }
}

impl ConsumerOptions {
    /// The defaults for a cluster that is found at these addresses, separated by commas.
    pub fn new(bootstrap_servers: &str) -> Self {
        Self { cluster: ClusterOptions::new(bootstrap_servers), ..Self::default() }
    }

    /// The same as a member of a group.
    pub fn in_group(bootstrap_servers: &str, group: &str) -> Self {
        Self { group_id: Some(group.to_owned()), ..Self::new(bootstrap_servers) }
    }

    /// Sets an option of the consumer or of the cluster by Kafka's or librdkafka's name.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        if self.try_set(name, value)? { Ok(()) } else { Err(unknown(name, Self::names())) }
    }

    /// The same; `false` if there is no such option.
    pub(crate) fn try_set(&mut self, name: &str, value: &str) -> Result<bool, OptionError> {
        Ok(try_set(TABLE, self, name, value)? || self.cluster.try_set(name, value)?)
    }

    /// Every name that [`Self::set`] takes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        names(TABLE).chain(ClusterOptions::names())
    }

    /// What no single option can tell.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        let conflict = |text: String| Err(ClientError::Option(OptionError::Conflict(text)));
        if self.partition_assignment_strategy.is_empty() {
            return conflict("partition.assignment.strategy needs at least one assignor".to_owned());
        }
        if self.heartbeat_interval >= self.session_timeout {
            return conflict(format!(
                "heartbeat.interval.ms ({}) must be below session.timeout.ms ({})",
                self.heartbeat_interval.as_millis(),
                self.session_timeout.as_millis()
            ));
        }
        if self.group_instance_id.is_some() && self.group_id.is_none() {
            return conflict("group.instance.id needs a group.id".to_owned());
        }
        Ok(())
    }
}

fn text(value: &str) -> Result<Option<String>, String> {
    match value {
        "" => Err("a name is expected".to_owned()),
        _ if value.len() > i16::MAX as usize => Err("at most 32767 bytes are expected".to_owned()),
        _ => Ok(Some(value.to_owned())),
    }
}

fn assignors(value: &str) -> Result<Vec<Assignor>, String> {
    let known = |name: &str| {
        let wrong = || {
            let names: Vec<_> = Assignor::ALL.iter().map(|assignor| assignor.name()).collect();
            format!("'{name}' is no assignor; {} are", names.join(", "))
        };
        Assignor::from_name(name).ok_or_else(wrong)
    };
    value.split(',').map(str::trim).map(known).collect()
}

fn reset(value: &str) -> Result<OffsetReset, String> {
    match value {
        "earliest" | "smallest" | "beginning" => Ok(OffsetReset::Earliest),
        "latest" | "largest" | "end" => Ok(OffsetReset::Latest),
        "none" | "error" => Ok(OffsetReset::None),
        _ => {
            let wrong = || "earliest, latest, none or by_duration:<ISO 8601, such as P1D or PT1H30M> is expected";
            let age = value.strip_prefix("by_duration:").and_then(iso_duration);
            age.map(OffsetReset::ByDuration).ok_or_else(|| wrong().to_owned())
        }
    }
}

/// Days, hours, minutes and seconds of ISO 8601, as Java's `Duration.parse` takes them; none below zero.
fn iso_duration(value: &str) -> Option<Duration> {
    let rest = value.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut total = Duration::ZERO;
    let mut fields = 0;
    for (part, units) in [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])] {
        let mut rest = part;
        for (unit, seconds) in units {
            if let Some((number, after)) = rest.split_once(*unit) {
                let number: f64 = number.parse().ok()?;
                total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
                fields += 1;
                rest = after;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (fields > 0 && !value.ends_with('T')).then_some(total)
}

fn bytes(value: &str, least: usize) -> Result<usize, String> {
    within(value, least, i32::MAX as usize)
}

const TABLE: &[Entry<ConsumerOptions>] = &[
    Entry { names: &["group.id"], set: |o, v| text(v).map(|v| o.group_id = v) },
    Entry { names: &["group.instance.id"], set: |o, v| text(v).map(|v| o.group_instance_id = v) },
    Entry {
        names: &["partition.assignment.strategy"],
        set: |o, v| assignors(v).map(|v| o.partition_assignment_strategy = v),
    },
    Entry { names: &["session.timeout.ms"], set: |o, v| millis(v).map(|v| o.session_timeout = v) },
    Entry {
        names: &["heartbeat.interval.ms"],
        set: |o, v| within(v, 1, i32::MAX as u64).map(|v| o.heartbeat_interval = Duration::from_millis(v)),
    },
    Entry {
        names: &["max.poll.interval.ms"],
        set: |o, v| within(v, 1, i32::MAX as u64).map(|v| o.max_poll_interval = Duration::from_millis(v)),
    },
    Entry { names: &["max.poll.records"], set: |o, v| within(v, 1, usize::MAX).map(|v| o.max_poll_records = v) },
    Entry { names: &["enable.auto.commit"], set: |o, v| boolean(v).map(|v| o.enable_auto_commit = v) },
    Entry { names: &["auto.commit.interval.ms"], set: |o, v| millis(v).map(|v| o.auto_commit_interval = v) },
    Entry { names: &["auto.offset.reset"], set: |o, v| reset(v).map(|v| o.auto_offset_reset = v) },
    Entry {
        names: &["isolation.level"],
        set: |o, v| {
            o.isolation_level = match v {
                "read_uncommitted" => IsolationLevel::ReadUncommitted,
                "read_committed" => IsolationLevel::ReadCommitted,
                _ => return Err("read_uncommitted or read_committed is expected".to_owned()),
            };
            Ok(())
        },
    },
    Entry { names: &["fetch.min.bytes"], set: |o, v| within(v, 0, i32::MAX).map(|v| o.fetch_min_bytes = v) },
    Entry { names: &["fetch.max.wait.ms", "fetch.wait.max.ms"], set: |o, v| millis(v).map(|v| o.fetch_max_wait = v) },
    Entry { names: &["fetch.max.bytes"], set: |o, v| bytes(v, 1).map(|v| o.fetch_max_bytes = v) },
    Entry {
        names: &["max.partition.fetch.bytes", "fetch.message.max.bytes"],
        set: |o, v| bytes(v, 1).map(|v| o.max_partition_fetch_bytes = v),
    },
    Entry { names: &["queued.max.bytes"], set: |o, v| bytes(v, 1).map(|v| o.queued_max_bytes = v) },
    Entry {
        names: &["queued.max.messages.kbytes"],
        set: |o, v| within(v, 1, 2_097_151).map(|v: usize| o.queued_max_bytes = v * 1024),
    },
    Entry { names: &["check.crcs"], set: |o, v| boolean(v).map(|v| o.check_crcs = v) },
    Entry { names: &["exclude.internal.topics"], set: |o, v| boolean(v).map(|v| o.exclude_internal_topics = v) },
    Entry {
        names: &["group.protocol"],
        set: |_, v| {
            let classic = v.eq_ignore_ascii_case("classic");
            if classic { Ok(()) } else { Err("only classic is spoken, KIP-848 is not yet".to_owned()) }
        },
    },
];

#[cfg(test)]
mod tests;
