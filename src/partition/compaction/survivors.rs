//! What stays of one batch, and how it is written (Kafka: `Cleaner.cleanInto`, `MemoryRecords.filterTo`).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::{
    BatchHead, BatchHeader, BatchWriter, Compression, DELETE_HORIZON, HEADER_LEN, NewRecord, Offset, Record,
    RecordError, Records, StoredBatch, Timestamp,
};

use super::key_map::KeyMap;

/// The codecs of record batches: pure functions that this room does not have.
pub trait Codec {
    /// Expands the records of a batch, within a bound. Errors in words.
    fn decompress<'a>(&self, codec: Compression, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, String>;

    /// Packs records. Errors in words.
    fn compress(&self, codec: Compression, bytes: &[u8]) -> Result<Vec<u8>, String>;
}

/// Why a batch cannot be compacted. Its checksum is right, so it was stored like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchFault {
    /// Its header contradicts itself.
    #[error("the header of a batch cannot be read: {0}")]
    Header(#[from] callboard_model::BatchError),
    /// Its records cannot be expanded or packed.
    #[error("the records of a batch cannot be expanded or packed: {0}")]
    Codec(String),
    /// Its records cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A record lies outside of its batch, or before the one before it.
    #[error("a record has offset {record} in a batch from {base} to {last}")]
    Offset {
        /// The record's.
        record: Offset,
        /// The batch's first.
        base: Offset,
        /// The batch's last.
        last: Offset,
    },
}

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays byte by byte.
    Kept,
    /// Another takes its place, which has lost so many records.
    Rewritten {
        /// The other one.
        batch: StoredBatch,
        /// Records that are gone.
        lost: u64,
    },
    /// It is gone with so many records.
    Gone {
        /// How many.
        lost: u64,
    },
}

/// What a round knows when it judges batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) newest: &'a KeyMap,
    pub(crate) now: Timestamp,
    pub(crate) delete_retention: Duration,
}

/// Whether the records of a batch count for nothing here: nobody can tell whether they were committed.
pub(crate) fn is_undecidable(header: &BatchHeader) -> bool {
    header.is_control() || header.is_transactional()
}

/// Visits the records of a batch in order.
pub(crate) fn each_record(
    header: &BatchHeader,
    records: &[u8],
    mut visit: impl FnMut(Record<'_>),
) -> Result<(), BatchFault> {
    let (base, last) = (header.base_offset, header.last_offset());
    let mut next = base;
    for record in Records::new(*header, records) {
        let record = record?;
        if record.offset < next || record.offset > last {
            return Err(BatchFault::Offset { record: record.offset, base, last });
        }
        next = record.offset.plus(1);
        visit(record);
    }
    Ok(())
}

impl Rules<'_> {
    /// Judges a batch. `must_end`: what ends there has to go on ending there.
    pub(crate) fn judge(
        &self,
        header: &BatchHeader,
        batch: &[u8],
        must_end: bool,
        codec: &impl Codec,
    ) -> Result<Fate, BatchFault> {
        if is_undecidable(header) {
            return Ok(Fate::Kept);
        }
        let kind = header.compression()?;
        // An empty batch has nothing to expand, whatever its codec was.
        let records = match header.count {
            0 => Cow::Borrowed(&[][..]),
            _ => codec.decompress(kind, &batch[HEADER_LEN..]).map_err(BatchFault::Codec)?,
        };
        let (mut kept, mut lost, mut tombstones) = (Vec::new(), 0, false);
        each_record(header, &records, |record| {
            let stays = self.stays(header, &record);
            kept.push(stays);
            lost += u64::from(!stays);
            tombstones |= stays && record.value.is_none();
        })?;
        if lost as usize == kept.len() {
            return Ok(match must_end {
                false => Fate::Gone { lost },
                true if header.count == 0 => Fate::Kept,
                true => Fate::Rewritten { batch: emptied(header), lost },
            });
        }
        let horizon = if tombstones && header.delete_horizon().is_none() { Some(self.horizon()) } else { None };
        if lost == 0 && horizon.is_none() {
            return Ok(Fate::Kept);
        }
        let batch = self.rewrite(header, &records, &kept, horizon, codec)?;
        Ok(Fate::Rewritten { batch, lost })
    }

    fn stays(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        let Some(key) = record.key else { return false };
        let is_over = record.value.is_none() && header.delete_horizon().is_some_and(|horizon| horizon <= self.now);
        self.newest.is_newest(key, record.offset) && !is_over
    }

    /// When tombstones that are met now may go.
    fn horizon(&self) -> Timestamp {
        let retention = i64::try_from(self.delete_retention.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.now.millis().saturating_add(retention))
    }

    fn rewrite(
        &self,
        header: &BatchHeader,
        records: &[u8],
        kept: &[bool],
        horizon: Option<Timestamp>,
        codec: &impl Codec,
    ) -> Result<StoredBatch, BatchFault> {
        let mut head = BatchHead::like(header);
        if !header.is_log_append_time() {
            head.max_timestamp = Timestamp::NONE; // the survivors say
        }
        if let Some(horizon) = horizon {
            head.attributes |= DELETE_HORIZON;
            head.base_timestamp = horizon;
        }
        let mut writer: Option<BatchWriter> = None;
        let mut place = kept.iter();
        each_record(header, records, |record| {
            if place.next().is_none_or(|kept| !kept) {
                return;
            }
            let writer = writer.get_or_insert_with(|| {
                if head.attributes & DELETE_HORIZON == 0 {
                    head.base_timestamp = record.timestamp;
                }
                BatchWriter::new(head)
            });
            writer.push(NewRecord {
                // Within the batch, whose span is an i32.
                offset_delta: (record.offset.get() - header.base_offset.get()) as i32,
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers: &record.headers,
            });
        })?;
        let writer = writer.unwrap_or_else(|| BatchWriter::new(head));
        let kind = header.compression()?;
        let bytes =
            writer.finish_compressed(kind, |plain| codec.compress(kind, plain)).map_err(BatchFault::Codec)?.freeze();
        Ok(stored(bytes)?)
    }
}

/// The batch without its records: offsets, sequence numbers and epochs stay (Kafka: `writeEmptyHeader`).
fn emptied(header: &BatchHeader) -> StoredBatch {
    let mut head = BatchHead::like(header);
    head.attributes &= !DELETE_HORIZON;
    head.base_timestamp = Timestamp::NONE;
    stored(BatchWriter::new(head).finish().freeze()).expect("the writer writes what can be read")
}

fn stored(bytes: Bytes) -> Result<StoredBatch, callboard_model::BatchError> {
    Ok(StoredBatch { header: BatchHeader::read(&bytes)?, bytes })
}
