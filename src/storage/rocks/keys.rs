//! Keys and small values of the database, byte by byte.
//!
//! ```text
//! log.<class>.<seq>            log u32 BE | base offset u64 BE              -> whole batch, or its place (payload.rs); what
//!                                                                           compaction left lies in a class of its own, -cleaned
//! logs                         log u32 BE                                   -> topic 16 | partition i32 | class u8 | start i64
//! ranges                       log u32 BE | first offset u64 BE             -> generation u32
//! epochs, producers, index, compaction   log u32 BE | key                   -> value
//! default                      "format" -> u32, "next_log" -> u32, "next_generation" -> u32,
//!                              "generation/" seq u32 BE                     -> sealed u8 | created i64,
//!                              "payload/" seq u32 BE                        -> bytes of its file u64
//! ```

use callboard_model::{LogId, Offset, PartitionIndex, TopicId};

use crate::RetentionClass;

pub(super) const FORMAT_KEY: &[u8] = b"format";
pub(super) const NEXT_LOG_KEY: &[u8] = b"next_log";
pub(super) const NEXT_GENERATION_KEY: &[u8] = b"next_generation";
const GENERATION_PREFIX: &[u8] = b"generation/";
const PAYLOAD_PREFIX: &[u8] = b"payload/";

/// Bytes of a log's number before each key of it.
pub(super) const LOG_LEN: usize = 4;
/// Bytes of a catalogue entry.
const ENTRY_LEN: usize = 16 + 4 + 1 + 8;

pub(super) type BatchKey = [u8; LOG_LEN + 8];

/// The key of a batch, and of a range.
pub(super) fn batch_key(log: LogId, offset: Offset) -> BatchKey {
    let mut key = [0; LOG_LEN + 8];
    key[..LOG_LEN].copy_from_slice(&log.0.to_be_bytes());
    // Offsets are never negative here: below zero would sort behind everything.
    key[LOG_LEN..].copy_from_slice(&(offset.0.max(0) as u64).to_be_bytes());
    key
}

/// A key behind all batches of a log.
pub(super) fn log_limit(log: LogId) -> BatchKey {
    let mut key = [0xff; LOG_LEN + 8];
    key[..LOG_LEN].copy_from_slice(&log.0.to_be_bytes());
    key
}

pub(super) fn read_batch_key(key: &[u8]) -> Option<(LogId, Offset)> {
    let (log, offset) = key.split_first_chunk::<LOG_LEN>()?;
    let offset = u64::from_be_bytes(offset.try_into().ok()?);
    Some((LogId(u32::from_be_bytes(*log)), Offset(i64::try_from(offset).ok()?)))
}

pub(super) fn state_key(log: LogId, key: &[u8]) -> Vec<u8> {
    [&log.0.to_be_bytes()[..], key].concat()
}

/// A key behind all state of a log; `None` behind the last possible log.
pub(super) fn state_limit(log: LogId) -> Option<[u8; LOG_LEN]> {
    log.0.checked_add(1).map(u32::to_be_bytes)
}

pub(super) fn generation_key(seq: u32) -> Vec<u8> {
    [GENERATION_PREFIX, &seq.to_be_bytes()[..]].concat()
}

/// How long a generation's file is at least: beyond that there is what a crash left.
pub(super) fn payload_key(seq: u32) -> Vec<u8> {
    [PAYLOAD_PREFIX, &seq.to_be_bytes()[..]].concat()
}

pub(super) fn read_u64(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

pub(super) fn read_u32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// A log's entry in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CatalogueEntry {
    pub(super) topic: TopicId,
    pub(super) partition: PartitionIndex,
    pub(super) class: RetentionClass,
    pub(super) start: Offset,
}

impl CatalogueEntry {
    pub(super) fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut out = [0; ENTRY_LEN];
        out[..16].copy_from_slice(self.topic.as_bytes());
        out[16..20].copy_from_slice(&self.partition.0.to_be_bytes());
        out[20] = self.class.code();
        out[21..].copy_from_slice(&self.start.0.to_be_bytes());
        out
    }

    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let value: &[u8; ENTRY_LEN] = value.try_into().ok()?;
        let (topic, rest) = value.split_first_chunk::<16>()?;
        let (partition, rest) = rest.split_first_chunk::<4>()?;
        let (class, start) = rest.split_first()?;
        Some(Self {
            topic: TopicId::from_bytes(*topic),
            partition: PartitionIndex(i32::from_be_bytes(*partition)),
            class: RetentionClass::from_code(*class)?,
            start: Offset(i64::from_be_bytes(start.try_into().ok()?)),
        })
    }
}

/// What is stored about a generation beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GenerationEntry {
    pub(super) sealed: bool,
    /// Milliseconds; `None` until maintenance first saw it.
    pub(super) created: Option<i64>,
}

impl GenerationEntry {
    pub(super) fn to_bytes(self) -> [u8; 9] {
        let mut out = [0; 9];
        out[0] = u8::from(self.sealed);
        out[1..].copy_from_slice(&self.created.unwrap_or(-1).to_be_bytes());
        out
    }

    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let (sealed, created) = value.split_first()?;
        let created = i64::from_be_bytes(created.try_into().ok()?);
        Some(Self { sealed: *sealed != 0, created: (created >= 0).then_some(created) })
    }
}

/// The name of a generation's column family.
pub(super) fn generation_name(class: RetentionClass, seq: u32) -> String {
    format!("log.{class}.{seq:08}")
}

pub(super) fn read_generation_name(name: &str) -> Option<(RetentionClass, u32)> {
    let (class, seq) = name.strip_prefix("log.")?.split_once('.')?;
    Some((RetentionClass::from_name(class)?, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_log_and_then_by_offset() {
        let keys = [
            batch_key(LogId(0), Offset(1)),
            batch_key(LogId(0), Offset(256)),
            batch_key(LogId(0), Offset(i64::MAX)),
            log_limit(LogId(0)),
            batch_key(LogId(1), Offset(0)),
            batch_key(LogId(u32::MAX), Offset(0)),
        ];
        assert!(keys.is_sorted());
        assert_eq!(read_batch_key(&keys[2]), Some((LogId(0), Offset(i64::MAX))));
        assert_eq!(read_batch_key(&keys[3]), None, "a limit is no offset");
    }

    #[test]
    fn entries_read_back_and_anything_else_is_refused() {
        let entry = CatalogueEntry {
            topic: TopicId::from_bytes([7; 16]),
            partition: PartitionIndex(3),
            class: RetentionClass::UNBOUNDED,
            start: Offset(1 << 40),
        };
        assert_eq!(CatalogueEntry::read(&entry.to_bytes()), Some(entry));
        assert_eq!(CatalogueEntry::read(&entry.to_bytes()[1..]), None);
        for created in [None, Some(0), Some(1_700_000_000_000)] {
            let entry = GenerationEntry { sealed: true, created };
            assert_eq!(GenerationEntry::read(&entry.to_bytes()), Some(entry));
        }
        assert_eq!(GenerationEntry::read(&[]), None);
    }

    #[test]
    fn generations_are_found_by_their_names() {
        let name = generation_name(RetentionClass::UNBOUNDED, 12);
        assert_eq!(name, "log.unbounded.00000012");
        assert_eq!(read_generation_name(&name), Some((RetentionClass::UNBOUNDED, 12)));
        assert_eq!(read_generation_name("logs"), None);
    }
}
