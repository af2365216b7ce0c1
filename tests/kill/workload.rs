//! What is produced: every batch follows from the seed, its producer, its place and its number, so nothing needs to be kept
//! to compare bytes at the end.

use bytes::Bytes;
use callboard_model::{PartitionIndex, Timestamp};
use callboard_test_client::{Idempotence, NewRecord, encode_batch};

use crate::random::Random;

/// A topic of the story.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    pub(crate) partitions: u16,
    pub(crate) configs: &'static [(&'static str, &'static str)],
}

/// `relaxed` gives up its promise for a loss of power, not that for a kill -9.
pub(crate) const TOPICS: [Topic; 3] = [
    Topic { name: "single", partitions: 1, configs: &[] },
    Topic { name: "relaxed", partitions: 6, configs: &[("flush.mode", "async")] },
    Topic { name: "wide", partitions: 40, configs: &[] },
];

/// Partitions of all topics.
pub(crate) const PLACES: usize = 47;

/// Bytes of a batch's values at most; with keys and framing it stays below the default of `max.message.bytes`.
const BATCH_MAX: usize = 900 * 1024;
const RECORDS_MAX: u64 = 100;
const VALUE_MIN: u64 = 10;
const VALUE_MAX: u64 = 20 * 1024;

/// A partition of the story, numbered over all topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u16);

impl Place {
    pub(crate) fn all() -> impl Iterator<Item = Self> + Clone {
        (0..PLACES as u16).map(Self)
    }

    pub(crate) fn topic(self) -> &'static str {
        self.find().0
    }

    pub(crate) fn partition(self) -> PartitionIndex {
        self.find().1
    }

    fn find(self) -> (&'static str, PartitionIndex) {
        let mut left = self.0;
        for topic in &TOPICS {
            if left < topic.partitions {
                return (topic.name, PartitionIndex(i32::from(left)));
            }
            left -= topic.partitions;
        }
        unreachable!("places are numbered below {PLACES}")
    }

    /// The place of a partition that the node names.
    pub(crate) fn of(topic: &str, partition: PartitionIndex) -> Option<Self> {
        Self::all().find(|place| place.topic() == topic && place.partition() == partition)
    }

    /// A topic first, then a partition of it: small topics get as much as large ones.
    pub(crate) fn choose(random: &mut Random) -> Self {
        let topic = random.below(TOPICS.len() as u64) as usize;
        let before: u16 = TOPICS[..topic].iter().map(|topic| topic.partitions).sum();
        Self(before + random.below(u64::from(TOPICS[topic].partitions)) as u16)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic(), self.partition())
    }
}

/// Which batch: the `number`-th of a producer in a place, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchId {
    pub(crate) producer: u16,
    pub(crate) place: Place,
    pub(crate) number: u32,
}

const KEY_LEN: usize = 12;
const KEY_MARK: [u8; 2] = *b"ck";

impl BatchId {
    /// ```text
    /// 0 "ck" | 2 producer u16 | 4 place u16 | 6 number u32 | 10 record u16
    /// ```
    fn key(self, record: u16) -> [u8; KEY_LEN] {
        let mut key = [0; KEY_LEN];
        key[..2].copy_from_slice(&KEY_MARK);
        key[2..4].copy_from_slice(&self.producer.to_be_bytes());
        key[4..6].copy_from_slice(&self.place.0.to_be_bytes());
        key[6..10].copy_from_slice(&self.number.to_be_bytes());
        key[10..].copy_from_slice(&record.to_be_bytes());
        key
    }

    /// Whose record a key names.
    pub(crate) fn parse(key: &[u8]) -> Option<(Self, u16)> {
        let key: &[u8; KEY_LEN] = key.try_into().ok()?;
        let half = |at: usize| u16::from_be_bytes([key[at], key[at + 1]]);
        let number = u32::from_be_bytes([key[6], key[7], key[8], key[9]]);
        (key[..2] == KEY_MARK).then(|| (Self { producer: half(2), place: Place(half(4)), number }, half(10)))
    }
}

impl std::fmt::Display for BatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "batch {} of producer {} in {}", self.number, self.producer, self.place)
    }
}

/// Makes batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) seed: u64,
    /// The time of the first batches.
    pub(crate) start: Timestamp,
}

/// The records of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchRecords {
    id: BatchId,
    timestamp: Timestamp,
    values: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl Workload {
    pub(crate) fn records(&self, id: BatchId) -> BatchRecords {
        let what_for = [u64::from(id.producer), u64::from(id.place.0), u64::from(id.number)];
        let mut random = Random::new(self.seed, &what_for);
        // Small batches and small values are the rule, large ones happen.
        let few = 1 << random.between(0, 6);
        let count = if random.one_in(16) { RECORDS_MAX } else { random.between(1, few) };
        let short = 1 << random.between(0, 11);
        let spread = if random.one_in(24) { VALUE_MAX - VALUE_MIN } else { short };
        let mut ends = Vec::with_capacity(count as usize);
        let mut end = 0;
        for _ in 0..count {
            let len = (VALUE_MIN + random.between(0, spread)) as usize;
            if end + len > BATCH_MAX {
                break;
            }
            end += len;
            ends.push(end);
        }
        let mut values = vec![0; end];
        random.fill(&mut values);
        BatchRecords { id, timestamp: Timestamp(self.start.0 + i64::from(id.number)), values, ends }
    }
}

impl BatchRecords {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn key(&self, at: usize) -> [u8; KEY_LEN] {
        self.id.key(at as u16)
    }

    pub(crate) fn value(&self, at: usize) -> &[u8] {
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.values[from..self.ends[at]]
    }

    pub(crate) fn timestamp(&self, at: usize) -> Timestamp {
        Timestamp(self.timestamp.0 + at as i64)
    }

    /// The batch as it is sent.
    pub(crate) fn encode(&self, idempotence: Option<Idempotence>) -> Bytes {
        let keys: Vec<_> = (0..self.len()).map(|at| self.key(at)).collect();
        let records: Vec<_> =
            keys.iter().enumerate().map(|(at, key)| NewRecord::new(key, self.value(at), self.timestamp(at))).collect();
        encode_batch(&records, idempotence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_all_partitions_of_all_topics() {
        assert_eq!(TOPICS.iter().map(|topic| usize::from(topic.partitions)).sum::<usize>(), PLACES);
        for place in Place::all() {
            assert_eq!(Place::of(place.topic(), place.partition()), Some(place));
        }
        assert_eq!(Place::of("wide", PartitionIndex(40)), None);
    }

    #[test]
    fn a_batch_is_the_same_every_time_and_stays_within_its_bounds() {
        let workload = Workload { seed: 7, start: Timestamp(1000) };
        let (mut largest, mut longest) = (0, 0);
        for number in 0..2000 {
            let id = BatchId { producer: 3, place: Place(9), number };
            let records = workload.records(id);
            assert_eq!(records, workload.records(id));
            assert!((1..=100).contains(&records.len()));
            for at in 0..records.len() {
                assert!((10..=20 * 1024).contains(&records.value(at).len()));
                assert_eq!(BatchId::parse(&records.key(at)), Some((id, at as u16)));
                longest = longest.max(records.value(at).len());
            }
            largest = largest.max(records.encode(None).len());
        }
        assert!(longest > 18 * 1024 && largest > 500_000 && largest < 1_000_000, "{longest} {largest}");
    }

    #[test]
    fn foreign_keys_are_nobody_s() {
        assert_eq!(BatchId::parse(b""), None);
        assert_eq!(BatchId::parse(b"xk0123456789"), None);
    }
}
