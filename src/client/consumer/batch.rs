//! From the bytes that a broker sent to records: checksums, codecs, control batches, aborted transactions, gaps.

use std::collections::HashSet;

use bytes::Bytes;
use callboard_model::{
    BatchError, BatchHeader, Batches, HEADER_LEN, Offset, Record, RecordError, Records, TimestampType,
};
use callboard_wire::StrBytes;
use callboard_wire::compression::{DecompressError, decompress_within};

use super::positions::Position;
use super::{ConsumerRecord, TopicPartition};
use crate::Header;

/// Bytes that one compressed batch may expand to. Brokers take batches of any expansion; this is what a client survives.
const EXPANDED_MAX: usize = 512 * 1024 * 1024;

/// Why fetched bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorruptBatch {
    /// No legal batch, or its checksum is wrong.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Its records cannot be expanded.
    #[error("the batch at offset {base_offset} cannot be expanded: {source}")]
    Decompress {
        /// Where it begins.
        base_offset: i64,
        /// What the codec says.
        source: DecompressError,
    },
    /// Its records cannot be read.
    #[error("the batch at offset {base_offset} cannot be read: {source}")]
    Record {
        /// Where it begins.
        base_offset: i64,
        /// What is wrong.
        source: RecordError,
    },
}

/// Records of one partition that lie in one batch, in order. Cheap to walk: nothing is copied.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    partition: TopicPartition,
    header: BatchHeader,
    records: Bytes,
    from: i64,
}

impl RecordBatch {
    /// Where they are from.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The first offset that is wanted of it; records before it are passed over.
    pub fn first_offset(&self) -> i64 {
        self.from
    }

    /// One past the last offset of the batch: where reading goes on.
    pub fn next_offset(&self) -> i64 {
        self.header.end_offset().0
    }

    /// The epoch of the leader that appended it.
    pub fn leader_epoch(&self) -> Option<i32> {
        Some(self.header.leader_epoch.0).filter(|epoch| *epoch >= 0)
    }

    /// Bytes of its records, expanded.
    pub fn bytes(&self) -> usize {
        self.records.len()
    }

    /// At most so many records are in it.
    pub fn count_at_most(&self) -> usize {
        usize::try_from(self.header.count).unwrap_or(0)
    }

    /// The records, borrowed: the fastest way to read them.
    pub fn iter(&self) -> impl Iterator<Item = Result<Record<'_>, CorruptBatch>> {
        let from = Offset(self.from);
        let base_offset = self.header.base_offset.0;
        let wanted =
            move |record: &Result<Record<'_>, RecordError>| !matches!(record, Ok(early) if early.offset < from);
        Records::new(self.header, &self.records)
            .filter(wanted)
            .map(move |record| record.map_err(|source| CorruptBatch::Record { base_offset, source }))
    }

    /// The records, each to be kept for as long as wanted.
    pub fn into_records(self) -> RecordCursor {
        RecordCursor { batch: self, at: 0, read: 0 }
    }

    /// The same without the records before `offset`.
    pub(crate) fn rest_from(&self, offset: i64) -> Self {
        Self { from: self.from.max(offset), ..self.clone() }
    }

    fn owned(&self, record: &Record<'_>) -> ConsumerRecord {
        let share = |part: &[u8]| self.records.slice_ref(part);
        let by_broker = self.header.is_log_append_time();
        ConsumerRecord {
            topic: self.partition.topic.clone(),
            partition: self.partition.partition,
            offset: record.offset.0,
            leader_epoch: self.leader_epoch(),
            timestamp: record.timestamp,
            timestamp_type: if by_broker { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
            key: record.key.map(share),
            value: record.value.map(share),
            headers: record
                .headers
                .iter()
                .map(|header| Header { key: name(share(header.key)), value: header.value.map(share) })
                .collect(),
        }
    }
}

/// Walks the records of a batch that it owns.
#[derive(Clone, Debug)]
pub struct RecordCursor {
    batch: RecordBatch,
    at: usize,
    read: i32,
}

impl RecordCursor {
    /// The batch that is walked.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }
}

impl Iterator for RecordCursor {
    type Item = Result<ConsumerRecord, CorruptBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.batch.records.get(self.at..)?;
            let mut records = Records::resume(self.batch.header, rest, self.read);
            let record = records.next()?;
            self.at = self.batch.records.len() - records.rest().len();
            self.read += 1;
            match record {
                Ok(record) if record.offset.0 < self.batch.from => {}
                Ok(record) => return Some(Ok(self.batch.owned(&record))),
                Err(source) => {
                    self.at = self.batch.records.len();
                    self.read = self.batch.header.count;
                    let base_offset = self.batch.header.base_offset.0;
                    return Some(Err(CorruptBatch::Record { base_offset, source }));
                }
            }
        }
    }
}

/// How batches are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) check_crcs: bool,
    pub(crate) read_committed: bool,
}

/// What one fetch brought for one partition, to be taken apart batch by batch.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) partition: TopicPartition,
    /// Where reading goes on.
    position: i64,
    rest: Bytes,
    /// Aborted transactions that are still to begin, the earliest last.
    aborted: Vec<(i64, i64)>,
    /// Producers within an aborted transaction.
    aborting: HashSet<i64>,
    reading: Reading,
}

impl Chunk {
    /// `bytes` are whole batches one after another, the last perhaps cut. `aborted` are pairs of producer id and first
    /// offset.
    pub(crate) fn new(
        partition: TopicPartition,
        position: i64,
        bytes: Bytes,
        mut aborted: Vec<(i64, i64)>,
        reading: Reading,
    ) -> Self {
        aborted.sort_unstable_by_key(|(_, first)| std::cmp::Reverse(*first));
        Self { partition, position, rest: bytes, aborted, aborting: HashSet::new(), reading }
    }

    /// Where reading goes on: past everything that was taken or passed over.
    pub(crate) fn position(&self) -> i64 {
        self.position
    }

    /// Bytes that are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The next batch with records in it. An error is final.
    pub(crate) fn next_batch(&mut self) -> Option<Result<RecordBatch, CorruptBatch>> {
        loop {
            if self.rest.len() < HEADER_LEN {
                return None;
            }
            let header = match BatchHeader::read(&self.rest) {
                Ok(header) if header.len <= self.rest.len() => header,
                Ok(_) => {
                    self.rest.clear();
                    return None;
                }
                Err(error) => return Some(Err(self.give_up(error.into()))),
            };
            let batch = self.rest.split_to(header.len);
            if self.reading.check_crcs
                && let Some(Err(error)) = Batches::verified(&batch).next()
            {
                return Some(Err(self.give_up(error.into())));
            }
            let from = self.position;
            let next = header.end_offset().0;
            if next <= from {
                continue;
            }
            if self.is_hidden(&header, &batch) || header.count == 0 {
                self.position = next;
                continue;
            }
            match self.open(header, batch, from) {
                Ok(batch) => {
                    self.position = next;
                    return Some(Ok(batch));
                }
                Err(error) => return Some(Err(self.give_up(error))),
            }
        }
    }

    fn open(&self, header: BatchHeader, mut batch: Bytes, from: i64) -> Result<RecordBatch, CorruptBatch> {
        let compression = header.compression()?;
        let _ = batch.split_to(HEADER_LEN);
        let wrong = |source| CorruptBatch::Decompress { base_offset: header.base_offset.0, source };
        let expanded = decompress_within(compression, &batch, EXPANDED_MAX).map_err(wrong)?;
        let records = match expanded {
            std::borrow::Cow::Borrowed(_) => batch.clone(),
            std::borrow::Cow::Owned(expanded) => Bytes::from(expanded),
        };
        Ok(RecordBatch { partition: self.partition.clone(), header, records, from })
    }

    /// Control batches are the brokers' own; of aborted transactions nothing is shown in `read_committed` (KIP-98).
    fn is_hidden(&mut self, header: &BatchHeader, batch: &[u8]) -> bool {
        if !self.reading.read_committed {
            return header.is_control();
        }
        let last = header.last_offset().0;
        while let Some((producer, _)) = self.aborted.pop_if(|(_, first)| *first <= last) {
            self.aborting.insert(producer);
        }
        if header.is_control() {
            if is_abort_marker(header, batch) {
                self.aborting.remove(&header.producer_id.0);
            }
            return true;
        }
        header.is_transactional() && self.aborting.contains(&header.producer_id.0)
    }

    fn give_up(&mut self, error: CorruptBatch) -> CorruptBatch {
        self.rest.clear();
        error
    }
}

/// The key of a control record: version i16, type i16; type 0 is an abort.
fn is_abort_marker(header: &BatchHeader, batch: &[u8]) -> bool {
    let record = Records::new(*header, &batch[HEADER_LEN..]).next();
    matches!(record, Some(Ok(Record { key: Some([_, _, 0, 0, ..]), .. })))
}

/// Whole batches one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Where the next fetch begins, and the epoch of the last of them.
    pub(crate) end: Position,
    /// Their bytes.
    pub(crate) len: usize,
}

/// The whole batches at the beginning of `bytes`; `None` if there is not one.
pub(crate) fn whole_batches(bytes: &[u8]) -> Result<Option<Whole>, BatchError> {
    let mut found = None;
    let mut len = 0;
    for batch in Batches::new(bytes) {
        let (header, batch) = match batch {
            Ok(whole) => whole,
            // What is readable before it is handed out first; the next fetch begins at the damage.
            Err(_) if found.is_some() => return Ok(found),
            Err(error) => return Err(error),
        };
        len += batch.len();
        let epoch = Some(header.leader_epoch.0).filter(|epoch| *epoch >= 0);
        found = Some(Whole { end: Position { offset: header.end_offset().0, epoch }, len });
    }
    Ok(found)
}

/// Header names are text by custom only: what is not UTF-8 is made so, as Java does.
fn name(bytes: Bytes) -> StrBytes {
    match StrBytes::try_from(bytes.clone()) {
        Ok(name) => name,
        Err(_) => String::from_utf8_lossy(&bytes).into_owned().into(),
    }
}

#[cfg(test)]
mod tests;
