//! A leader on a disk of maps whose log is compacted: what a shell does, without a shell.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::{
    BatchHead, BatchHeader, BatchWriter, CheckedBatch, CleanupPolicy, CompactionConfig, Compression, HEADER_LEN,
    LogConfig, NewRecord, Offset, ProducerEpoch, ProducerId, Records, Timestamp,
};

use crate::Effect;
use crate::compaction::{Chunk, Codec, Figures, Plan, Round, Wanted, plan};
use crate::rig::{Disk, Effects, Rig, WALL, append};
use crate::slices::Slice;
use crate::{Acks, StateEntry};

/// A codec that any test can undo: every byte turned over.
pub(super) struct Turned;

impl Codec for Turned {
    fn decompress<'a>(&self, codec: Compression, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        match codec {
            Compression::None => Ok(Cow::Borrowed(bytes)),
            Compression::Zstd => Ok(Cow::Owned(bytes.iter().map(|byte| !byte).collect())),
            other => Err(format!("{} is not for tests", other.name())),
        }
    }

    fn compress(&self, codec: Compression, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.decompress(codec, bytes).map(Cow::into_owned)
    }
}

/// A record to be appended: key, value, time after [`WALL`].
pub(super) type Put<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, i64);

/// How a batch is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) producer: Option<(i64, i16, i32)>,
    pub(super) attributes: i16,
    pub(super) compression: Compression,
}

pub(super) const PLAIN: Stamp = Stamp { producer: None, attributes: 0, compression: Compression::None };

pub(super) fn batch(puts: &[Put<'_>], stamp: Stamp) -> CheckedBatch {
    let mut head = BatchHead::new(Timestamp(WALL + puts.first().map_or(0, |put| put.2)));
    head.attributes = stamp.attributes;
    if let Some((id, epoch, sequence)) = stamp.producer {
        (head.producer_id, head.producer_epoch, head.base_sequence) = (ProducerId(id), ProducerEpoch(epoch), sequence);
    }
    let mut writer = BatchWriter::new(head);
    for (at, (key, value, time)) in (0..).zip(puts) {
        let timestamp = Timestamp(WALL + time);
        writer.push(NewRecord { offset_delta: at, timestamp, key: *key, value: *value, headers: &[] });
    }
    let bytes = writer.finish_compressed(stamp.compression, |plain| Turned.compress(stamp.compression, plain));
    CheckedBatch::new(bytes.expect("known")).expect("made legally")
}

/// A record as it is found: offset, key, value, time after [`WALL`].
pub(super) type Found = (i64, Vec<u8>, Option<Vec<u8>>, i64);

pub(super) fn records(disk: &Disk) -> Vec<Found> {
    let mut found = Vec::new();
    for batch in disk.batches.values() {
        let plain = Turned.decompress(batch.header.compression().expect("known"), &batch.bytes[HEADER_LEN..]);
        let plain = if batch.header.count == 0 { Cow::Borrowed(&[][..]) } else { plain.expect("known") };
        for record in Records::new(batch.header, &plain) {
            let record = record.expect("readable");
            let time = record.timestamp.0 - WALL;
            let key = record.key.unwrap_or_default().to_vec();
            found.push((record.offset.0, key, record.value.map(<[u8]>::to_vec), time));
        }
    }
    found
}

pub(super) fn headers(disk: &Disk) -> Vec<BatchHeader> {
    disk.batches.values().map(|batch| batch.header).collect()
}

pub(super) fn config(delete_retention: u64) -> LogConfig {
    LogConfig {
        cleanup_policy: CleanupPolicy { delete: false, compact: true },
        segment: Duration::from_millis(1000),
        compaction: CompactionConfig {
            delete_retention: Duration::from_millis(delete_retention),
            min_dirty_millionths: 0,
            ..CompactionConfig::default()
        },
        ..LogConfig::default()
    }
}

/// The leader, its disk, and the way of a shell.
pub(super) struct Stage {
    pub(super) rig: Rig,
    pub(super) map_bytes: usize,
}

impl Stage {
    pub(super) fn new(config: LogConfig) -> Self {
        Self { rig: Rig::new(config), map_bytes: 1 << 20 }
    }

    /// Appends as a coordinator may: without looking at records.
    pub(super) fn append(&mut self, puts: &[Put<'_>], stamp: Stamp) {
        let request = crate::Append { internal: true, ..append(0, Acks::None, batch(puts, stamp)) };
        let answers = self.rig.call(|leader, now, effects| leader.append(request, now, effects));
        assert_eq!(answers, []);
    }

    /// Closes the open slice by its age.
    pub(super) fn roll(&mut self) {
        self.rig.settle();
        self.rig.now.tick = self.rig.now.tick.after(Duration::from_millis(1000));
        self.rig.now.wall.0 += 1000;
        self.rig.call(|leader, now, effects| leader.expire(now, effects));
        self.rig.settle();
    }

    fn slices(&self) -> Vec<Slice> {
        let entries: Vec<StateEntry> = self.rig.disk.index_from(&[], usize::MAX);
        entries.iter().map(|(key, value)| Slice::decode(key, value).expect("readable")).collect()
    }

    pub(super) fn plan(&self) -> Option<Plan> {
        let due = self.rig.leader.dirtiness().is_some_and(|dirt| dirt.may_be_due);
        let candidate = self.rig.leader.compaction_candidate()?;
        let from = candidate.first_dirty.max(candidate.start);
        let first = self.rig.disk.batches.values().find(|batch| batch.header.end_offset() > from);
        let planned =
            plan(candidate, &self.slices(), first.map(|batch| batch.header.base_timestamp), self.rig.now.wall);
        assert!(planned.is_none() || due, "what is due looked so");
        planned
    }

    pub(super) fn begin(&self) -> Option<Round> {
        Some(Round::new(self.plan()?, self.map_bytes, self.rig.now.wall))
    }

    /// The batches that a round wants, at most `max` of them, and where to read on.
    fn read(&self, from: Offset, until: Offset, max: usize) -> (Bytes, Offset) {
        assert!(from >= self.rig.disk.start, "below the start nothing can be read");
        let wanted = |batch: &&callboard_model::StoredBatch| {
            batch.header.end_offset() > from && batch.header.base_offset < until
        };
        let found: Vec<_> = self.rig.disk.batches.values().filter(wanted).take(max).collect();
        let next = found.last().map_or(until, |last| last.header.end_offset());
        (found.iter().flat_map(|batch| batch.bytes.to_vec()).collect::<Vec<u8>>().into(), next)
    }

    /// One step of a round: a chunk if there is one now, and whether it goes on.
    pub(super) fn step(&mut self, round: &mut Round, max: usize) -> (Option<Chunk>, bool) {
        let Wanted::Read { from, until } = round.wanted() else { return (None, false) };
        let (bytes, next) = self.read(from, until, max);
        (round.feed(&bytes, next, &Turned).expect("readable"), true)
    }

    /// Hands a chunk to the leader.
    pub(super) fn replace(&mut self, chunk: Chunk) -> Effects {
        self.rig.call(|leader, _, effects| leader.replace_slices(chunk, 7, effects))
    }

    pub(super) fn finish(&mut self, round: &Round) {
        let round = round.finish();
        self.rig.call(|leader, _, effects| leader.compacted(round, effects));
    }

    /// A whole round, if it is time for one.
    pub(super) fn compact(&mut self) -> Option<Figures> {
        let mut round = self.begin()?;
        loop {
            let (chunk, more) = self.step(&mut round, 3);
            if let Some(chunk) = chunk {
                assert_eq!(self.replace(chunk), []);
                assert_eq!(self.rig.settle(), [Effect::Replaced { waiter: 7, result: Ok(()) }]);
            }
            if !more {
                break;
            }
        }
        self.finish(&round);
        self.rig.settle();
        Some(round.figures())
    }
}
