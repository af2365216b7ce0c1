//! The record batch, format version 2 (KIP-98): a view of its header, its checksum, its walk.
//!
//! ```text
//!  0 base offset       i64 | 8 length after here i32 | 12 leader epoch i32 | 16 magic i8 = 2
//! 17 crc32c            u32   of everything from byte 21 on
//! 21 attributes        i16   bits 0-2 compression, 3 log-append time, 4 transactional, 5 control, 6 delete horizon
//! 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64
//! 43 producer id       i64 | 51 producer epoch i16 | 53 base sequence  i32 | 57 record count i32 | 61 records
//! ```
//! Base offset and leader epoch lie outside the checksum, so a leader writes them without touching the rest.

use bytes::{Bytes, BytesMut};

use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// Bytes of a batch before its records.
pub const HEADER_LEN: usize = 61;
/// Bytes before the part that the length field counts.
pub(crate) const LENGTH_END: usize = 12;
/// Where the checksummed part begins.
pub(crate) const CRC_START: usize = 21;
/// The bytes that a leader assigns: base offset, length, leader epoch.
pub const PREFIX_LEN: usize = 16;

/// Attribute bits.
const COMPRESSION_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
/// The attribute bit of batches that carry the brokers' own records instead of user data.
pub const CONTROL: i16 = 1 << 5;
/// The attribute bit that makes the base timestamp a delete horizon (KIP-534).
pub const DELETE_HORIZON: i16 = 1 << 6;

/// The codec of a batch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Plain records.
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy in the xerial framing or raw.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// Reads the codec from a batch's attributes.
    pub fn from_attributes(attributes: i16) -> Result<Self, BatchError> {
        match attributes & COMPRESSION_MASK {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            other => Err(BatchError::Compression(other)),
        }
    }

    /// Attributes with this codec in place of the one they have.
    pub(crate) fn into_attributes(self, attributes: i16) -> i16 {
        (attributes & !COMPRESSION_MASK) | self as i16
    }

    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Why bytes are no legal record batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than a header.
    #[error("{given} bytes are no record batch: its header alone has 61")]
    Short {
        /// Bytes given.
        given: usize,
    },
    /// The length field disagrees with the bytes.
    #[error("a record batch says it has {declared} bytes, {given} are there")]
    Length {
        /// Total bytes by the length field.
        declared: i64,
        /// Bytes given.
        given: usize,
    },
    /// An older or unknown format version.
    #[error("record batch format {0} is not served, only format 2 is")]
    Magic(i8),
    /// The checksum does not match.
    #[error("record batch checksum is {computed:#010x}, its header says {declared:#010x}")]
    Crc {
        /// As written in the header.
        declared: u32,
        /// As computed.
        computed: u32,
    },
    /// An unknown codec.
    #[error("compression type {0} is unknown")]
    Compression(i16),
    /// Record count and offset span disagree.
    #[error("a record batch of {count} records cannot end at offset delta {last_delta}")]
    Count {
        /// Records by the header.
        count: i32,
        /// Last offset delta by the header.
        last_delta: i32,
    },
    /// Bytes after the one batch that a produce request may carry.
    #[error("{extra} bytes follow the record batch, exactly one batch is expected")]
    Trailing {
        /// Surplus bytes.
        extra: usize,
    },
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// The fields of a batch header, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Bytes of the whole batch, header included.
    pub len: usize,
    /// Epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Raw attribute bits.
    pub attributes: i16,
    /// Offset of the last record, relative to the first.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas are relative to.
    pub base_timestamp: Timestamp,
    /// Largest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// Who produced it, [`ProducerId::NONE`] without idempotence.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The producer's sequence number of the first record; `-1` without idempotence.
    pub base_sequence: i32,
    /// Records in the batch.
    pub count: i32,
}

impl BatchHeader {
    /// Reads a header; the bytes may end anywhere after it. Errors if they are too few, of another format, or if
    /// the length field is impossible.
    pub fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() < HEADER_LEN {
            return Err(BatchError::Short { given: bytes.len() });
        }
        let magic = bytes[16] as i8;
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        let declared = i64::from(i32::from_be_bytes(array(bytes, 8))) + LENGTH_END as i64;
        if declared < HEADER_LEN as i64 {
            return Err(BatchError::Length { declared, given: bytes.len() });
        }
        Ok(Self {
            base_offset: Offset(i64::from_be_bytes(array(bytes, 0))),
            len: declared as usize,
            leader_epoch: LeaderEpoch(i32::from_be_bytes(array(bytes, 12))),
            crc: u32::from_be_bytes(array(bytes, 17)),
            attributes: i16::from_be_bytes(array(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(array(bytes, 23)),
            base_timestamp: Timestamp(i64::from_be_bytes(array(bytes, 27))),
            max_timestamp: Timestamp(i64::from_be_bytes(array(bytes, 35))),
            producer_id: ProducerId(i64::from_be_bytes(array(bytes, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(array(bytes, 51))),
            base_sequence: i32::from_be_bytes(array(bytes, 53)),
            count: i32::from_be_bytes(array(bytes, 57)),
        })
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// One past the last record.
    pub fn end_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// The codec of its records.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        Compression::from_attributes(self.attributes)
    }

    /// Whether its timestamps were set by the broker.
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether it belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Since when its tombstones may go: the base timestamp then, set by the first compaction that met them (KIP-534).
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// Whether it carries a control record instead of user data.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether an idempotent producer sent it.
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 >= 0
    }

    /// The producer's sequence number of the last record; wraps from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        sequence_plus(self.base_sequence, self.last_offset_delta)
    }
}

/// Moves a sequence number up; after `i32::MAX` comes 0 (Kafka: `DefaultRecordBatch.incrementSequence`).
fn sequence_plus(sequence: i32, by: i32) -> i32 {
    ((i64::from(sequence) + i64::from(by)) & i64::from(i32::MAX)) as i32
}

/// What a leader writes into a batch before storing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Epoch of the leadership that appends it.
    pub leader_epoch: LeaderEpoch,
}

/// One complete batch whose length, format and checksum were verified.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckedBatch {
    bytes: BytesMut,
    header: BatchHeader,
}

impl CheckedBatch {
    /// Verifies that `bytes` is exactly one batch of format 2: length, codec, record count, checksum.
    pub fn new(bytes: BytesMut) -> Result<Self, BatchError> {
        let header = BatchHeader::read(&bytes)?;
        if header.len > bytes.len() {
            return Err(BatchError::Length { declared: header.len as i64, given: bytes.len() });
        }
        if header.len < bytes.len() {
            return Err(BatchError::Trailing { extra: bytes.len() - header.len });
        }
        verify(&bytes, &header)?;
        Ok(Self { bytes, header })
    }

    /// Its header, as received or as last assigned.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The bytes of its records, compressed or not.
    pub fn records(&self) -> &[u8] {
        &self.bytes[HEADER_LEN..]
    }

    /// Bytes of the whole batch.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a batch has at least its header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Sets the broker's time as the time of all records (`message.timestamp.type=LogAppendTime`): one checksum
    /// pass, the records stay as they are.
    pub fn set_log_append_time(&mut self, now: Timestamp) {
        self.header.attributes |= LOG_APPEND_TIME;
        self.header.max_timestamp = now;
        self.bytes[21..23].copy_from_slice(&self.header.attributes.to_be_bytes());
        self.rewrite_max_timestamp(now);
    }

    /// Puts the same records in another codec in place of those that it has; offsets, times and producer stay.
    pub fn replace_records(&mut self, codec: Compression, records: &[u8]) {
        let mut bytes = BytesMut::with_capacity(HEADER_LEN + records.len());
        bytes.extend_from_slice(&self.bytes[..HEADER_LEN]);
        bytes.extend_from_slice(records);
        self.bytes = bytes;
        self.header.attributes = codec.into_attributes(self.header.attributes);
        self.header.len = self.bytes.len();
        // Packed from a bounded request, far below 2 GiB.
        let length = (self.bytes.len() - LENGTH_END) as i32;
        self.bytes[8..LENGTH_END].copy_from_slice(&length.to_be_bytes());
        self.bytes[21..23].copy_from_slice(&self.header.attributes.to_be_bytes());
        self.rewrite_crc();
    }

    /// Sets the largest timestamp, for clients that omit it (Kafka recomputes it always).
    pub fn set_max_timestamp(&mut self, max: Timestamp) {
        self.rewrite_max_timestamp(max);
    }

    fn rewrite_max_timestamp(&mut self, max: Timestamp) {
        self.header.max_timestamp = max;
        self.bytes[35..43].copy_from_slice(&max.0.to_be_bytes());
        self.rewrite_crc();
    }

    fn rewrite_crc(&mut self) {
        self.header.crc = crc32c::crc32c(&self.bytes[CRC_START..]);
        self.bytes[17..21].copy_from_slice(&self.header.crc.to_be_bytes());
    }

    /// Assigns offset and epoch in place and gives the batch as it is stored and served.
    pub fn assign(mut self, prefix: Prefix) -> (BatchHeader, Bytes) {
        self.bytes[0..8].copy_from_slice(&prefix.base_offset.0.to_be_bytes());
        self.bytes[12..16].copy_from_slice(&prefix.leader_epoch.0.to_be_bytes());
        self.header.base_offset = prefix.base_offset;
        self.header.leader_epoch = prefix.leader_epoch;
        (self.header, self.bytes.freeze())
    }
}

fn verify(bytes: &[u8], header: &BatchHeader) -> Result<(), BatchError> {
    header.compression()?;
    if header.count < 0 || header.last_offset_delta < 0 || header.count > header.last_offset_delta.saturating_add(1) {
        return Err(BatchError::Count { count: header.count, last_delta: header.last_offset_delta });
    }
    let computed = crc32c::crc32c(&bytes[CRC_START..header.len]);
    if computed != header.crc {
        return Err(BatchError::Crc { declared: header.crc, computed });
    }
    Ok(())
}

/// Walks batches that stand one after another, as stored or fetched. Yields each header with the batch's bytes.
/// Ends silently at an incomplete last batch (a fetch answer may be cut, KIP-74); errors end the walk.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    verified: bool,
}

impl<'a> Batches<'a> {
    /// Walks without computing checksums.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, verified: false }
    }

    /// Walks and verifies each batch.
    pub fn verified(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, verified: true }
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.len() < HEADER_LEN {
            return None;
        }
        let header = match BatchHeader::read(self.rest) {
            Ok(header) => header,
            Err(error) => {
                self.rest = &[];
                return Some(Err(error));
            }
        };
        if header.len > self.rest.len() {
            self.rest = &[];
            return None;
        }
        let (batch, rest) = self.rest.split_at(header.len);
        self.rest = rest;
        if self.verified
            && let Err(error) = verify(batch, &header)
        {
            self.rest = &[];
            return Some(Err(error));
        }
        Some(Ok((header, batch)))
    }
}

#[cfg(test)]
mod tests;
