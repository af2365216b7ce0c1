//! A shard's records as they stand in its log: written into batches, and read back in slices.
//!
//! The log of a shard whose topic does not keep records by key is cut by *snapshots*: a control batch that begins one, the
//! records of the state, each with a header that says so, and a control batch that ends it and counts them. Control
//! batches are skipped by every consumer, and the types are those of Kafka's own snapshots (`ControlRecordType`). A
//! snapshot without its end never happened.

use bytes::BytesMut;
use callboard_model::{
    BatchHead, BatchHeader, BatchWriter, Batches, CONTROL, Compression, HEADER_LEN, NewRecord, Offset, Record,
    RecordHeader, Records, Timestamp, record_size_max,
};

use crate::{KeyValue, RecordFault, Shard};

/// Kafka's `ControlRecordType`s of a snapshot's first and last record.
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
/// Marks a record of a snapshot.
const OF_SNAPSHOT: &[RecordHeader<'static>] = &[RecordHeader { key: b"snapshot", value: None }];
/// Bytes of that header in a record: two lengths and the key.
const MARK_LEN: usize = 2 * 10 + 8;

/// Bytes that a record takes in a batch, at most. A shard compares the sum with [`crate::Outcome::room`].
pub fn stored_size(stored: &KeyValue) -> usize {
    record_size_max(stored.key.as_deref(), stored.value.as_deref()) + MARK_LEN
}

/// Bytes that records may take in a batch of at most `max_batch_bytes`.
pub(crate) fn room(max_batch_bytes: usize) -> usize {
    max_batch_bytes.saturating_sub(HEADER_LEN)
}

/// A batch being filled.
#[derive(Debug)]
pub(crate) struct Writing {
    writer: BatchWriter,
}

impl Writing {
    /// A batch whose first record is written now.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { writer: BatchWriter::new(BatchHead::new(now)) }
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, stored: &KeyValue, written: Timestamp, of_snapshot: bool) {
        self.writer.push(NewRecord {
            offset_delta: self.writer.count(),
            timestamp: written,
            key: stored.key.as_deref(),
            value: stored.value.as_deref(),
            headers: if of_snapshot { OF_SNAPSHOT } else { &[] },
        });
    }

    /// Bytes of the records so far.
    pub(crate) fn records_len(&self) -> usize {
        self.writer.len() - HEADER_LEN
    }

    /// Records so far.
    pub(crate) fn count(&self) -> i64 {
        i64::from(self.writer.count())
    }

    /// The whole batch.
    pub(crate) fn finish(self) -> BytesMut {
        self.writer.finish()
    }

    /// The batch that begins a snapshot.
    pub(crate) fn snapshot_begin(now: Timestamp) -> Self {
        Self::marker(SNAPSHOT_HEADER, &[0, 0], now)
    }

    /// The batch that ends the snapshot which began at `begin` and has `count` records.
    pub(crate) fn snapshot_end(begin: Offset, count: u64, now: Timestamp) -> Self {
        let mut value = vec![0, 0];
        value.extend_from_slice(&begin.get().to_be_bytes());
        value.extend_from_slice(&count.to_be_bytes());
        Self::marker(SNAPSHOT_FOOTER, &value, now)
    }

    fn marker(kind: i16, value: &[u8], now: Timestamp) -> Self {
        let mut writer = BatchWriter::new(BatchHead { attributes: CONTROL, ..BatchHead::new(now) });
        let mut key = vec![0, 0]; // version 0
        key.extend_from_slice(&kind.to_be_bytes());
        writer.push(NewRecord { offset_delta: 0, timestamp: now, key: Some(&key), value: Some(value), headers: &[] });
        Self { writer }
    }
}

/// One record of a slice.
#[derive(Debug, PartialEq)]
pub struct Entry<R> {
    /// Where it stands.
    pub offset: Offset,
    /// Its time.
    pub written: Timestamp,
    /// Whether a snapshot wrote it.
    pub of_snapshot: bool,
    /// What it is.
    pub what: What<R>,
}

/// What stands at an offset of a shard's log.
#[derive(Debug, PartialEq)]
pub enum What<R> {
    /// A record to replay.
    Record(R),
    /// A record that means nothing any more.
    Nothing,
    /// A record that cannot be replayed.
    Fault(RecordFault),
    /// A snapshot begins.
    SnapshotBegin,
    /// The snapshot that began at `begin` ends; it has so many records.
    SnapshotEnd {
        /// Where it began.
        begin: Offset,
        /// Records between its begin and its end.
        count: u64,
    },
}

/// A piece of a shard's log, decoded; made wherever there is time for it.
#[derive(Debug)]
pub struct Slice<R> {
    /// Its records, in order.
    pub entries: Vec<Entry<R>>,
    /// Where to read on.
    pub next: Offset,
}

/// Decodes whole batches as storage gives them, verified. What cannot be decoded becomes a fault at its offset; after
/// a batch that ends inside a record the next batch is read on.
pub fn decode_slice<S: Shard>(
    bytes: &[u8],
    next: Offset,
    decompress: impl Fn(Compression, &[u8]) -> Result<Vec<u8>, String>,
) -> Slice<S::Record> {
    let mut entries = Vec::new();
    let mut at = Offset::ZERO;
    for batch in Batches::new(bytes) {
        match batch {
            Ok((header, batch)) => {
                at = header.end_offset();
                decode_batch::<S>(header, &batch[HEADER_LEN..], &decompress, &mut entries);
            }
            Err(error) => entries.push(fault(at, error.to_string())),
        }
    }
    Slice { entries, next }
}

fn fault<R>(offset: Offset, reason: String) -> Entry<R> {
    let what = What::Fault(RecordFault::Corrupt(reason));
    Entry { offset, written: Timestamp::NONE, of_snapshot: false, what }
}

fn decode_batch<S: Shard>(
    header: BatchHeader,
    records: &[u8],
    decompress: &impl Fn(Compression, &[u8]) -> Result<Vec<u8>, String>,
    entries: &mut Vec<Entry<S::Record>>,
) {
    let unpacked;
    let records = match header.compression() {
        Ok(Compression::None) => records,
        Ok(codec) => match decompress(codec, records) {
            Ok(bytes) => {
                unpacked = bytes;
                &unpacked
            }
            Err(reason) => return entries.push(fault(header.base_offset, reason)),
        },
        Err(error) => return entries.push(fault(header.base_offset, error.to_string())),
    };
    let mut at = header.base_offset;
    for record in Records::new(header, records) {
        match record {
            Ok(record) => {
                at = record.offset.plus(1);
                entries.extend(decode_record::<S>(&record, header.is_control()));
            }
            Err(error) => entries.push(fault(at, error.to_string())),
        }
    }
}

fn decode_record<S: Shard>(record: &Record<'_>, is_control: bool) -> Option<Entry<S::Record>> {
    let what = if is_control {
        control(record)?
    } else {
        let copy = |bytes: Option<&[u8]>| bytes.map(bytes::Bytes::copy_from_slice);
        match S::decode(&KeyValue { key: copy(record.key), value: copy(record.value) }) {
            Ok(Some(record)) => What::Record(record),
            Ok(None) => What::Nothing,
            Err(fault) => What::Fault(fault),
        }
    };
    let of_snapshot = !is_control && record.headers == OF_SNAPSHOT;
    Some(Entry { offset: record.offset, written: record.timestamp, of_snapshot, what })
}

/// Other control records, transaction markers among them, say nothing to a shard.
fn control<R>(record: &Record<'_>) -> Option<What<R>> {
    let number = |bytes: &[u8], at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    match i16::from_be_bytes(record.key?.get(2..4)?.try_into().ok()?) {
        SNAPSHOT_HEADER => Some(What::SnapshotBegin),
        SNAPSHOT_FOOTER => {
            let value = record.value.unwrap_or_default();
            Some(match (number(value, 2), number(value, 10)) {
                (Some(begin), Some(count)) => {
                    What::SnapshotEnd { begin: Offset(i64::try_from(begin).unwrap_or(i64::MAX)), count }
                }
                _ => What::Fault(RecordFault::Corrupt(format!("a snapshot's end of {} bytes", value.len()))),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
