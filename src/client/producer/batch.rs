//! A batch being filled, and a batch that is complete: records are written straight into their place on the wire.

use std::sync::Arc;

use bytes::Bytes;
use callboard_model::{BatchHeader, Compression, HEADER_LEN, Records, Timestamp, join_checksums};
use callboard_wire::compression::{compress_at, decompress_within};
use tokio::time::Instant;

use super::chunks::{Chunks, Pool};
use super::completion::Completion;
use super::pipeline::{Payload, Sequenced};
use crate::{ClientError, Header};

/// Where the checksummed part of a batch begins.
const CRC_START: usize = 21;
/// Bytes before the part that the length field counts.
const LENGTH_END: usize = 12;

/// The parts of one record, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) timestamp: Timestamp,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header],
}

impl Parts<'_> {
    /// Bytes that it takes in a batch, at most.
    pub(crate) fn size_bound(&self) -> usize {
        // Length, attributes, time, place, two lengths and the count of headers.
        const FIELDS: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
        let headers =
            self.headers.iter().map(|header| 10 + header.key.len() + header.value.as_ref().map_or(0, Bytes::len));
        FIELDS + self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + headers.sum::<usize>()
    }
}

/// A batch that still takes records.
#[derive(Debug)]
pub(crate) struct OpenBatch {
    records: Chunks,
    count: u32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    pub(crate) completion: Arc<Completion>,
    pub(crate) created: Instant,
    /// Bytes of `buffer.memory` that its records hold.
    pub(crate) charged: usize,
}

/// A batch whose records are settled; its header is written anew for every attempt.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Bytes>,
    /// Bytes of all of them, and their checksum.
    len: usize,
    crc: u32,
    pub(crate) count: u32,
    codec: Compression,
    level: Option<i32>,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    pub(crate) completion: Arc<Completion>,
    pub(crate) created: Instant,
    pub(crate) charged: usize,
}

impl OpenBatch {
    /// An empty batch.
    pub(crate) fn new(completion: Arc<Completion>, created: Instant) -> Self {
        let (none, records) = (Timestamp::NONE, Chunks::default());
        Self { records, count: 0, base_timestamp: none, max_timestamp: none, completion, created, charged: 0 }
    }

    /// Adds a record, in memory of the pool; its place in the batch.
    pub(crate) fn push(&mut self, record: Parts<'_>, pool: &Pool) -> u32 {
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        let index = self.count;
        let timestamp_delta = record.timestamp.0.wrapping_sub(self.base_timestamp.0);
        write_record(&mut Out { to: &mut self.records, pool }, timestamp_delta, index, record);
        self.count += 1;
        index
    }

    /// Bytes on the wire so far, uncompressed.
    pub(crate) fn size(&self) -> usize {
        HEADER_LEN + self.records.len()
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Compresses. On an error the batch comes back with it, to be failed.
    pub(crate) fn seal(self, codec: Compression, level: Option<i32>) -> Result<Batch, Box<(Self, ClientError)>> {
        let (packed, crc) = match codec {
            Compression::None => (None, self.records.crc()),
            _ => match compress_at(codec, level, &self.records.concat()) {
                Ok(packed) => {
                    let crc = crc32c::crc32c(&packed);
                    (Some(vec![Bytes::from(packed)]), crc)
                }
                Err(error) => {
                    let error = ClientError::Compress { codec: codec.name(), reason: error.to_string().into() };
                    return Err(Box::new((self, error)));
                }
            },
        };
        let Self { records: plain, count, base_timestamp, max_timestamp, completion, created, charged } = self;
        let records = packed.unwrap_or_else(|| plain.into_pieces());
        let len = records.iter().map(Bytes::len).sum();
        Ok(Batch {
            records,
            len,
            crc,
            count,
            codec,
            level,
            base_timestamp,
            max_timestamp,
            completion,
            created,
            charged,
        })
    }
}

impl Batch {
    /// Bytes on the wire.
    pub(crate) fn size(&self) -> usize {
        HEADER_LEN + self.len
    }

    /// The header of format 2; records follow. `None` for a producer without an id.
    pub(crate) fn header(&self, sequenced: Option<Sequenced>) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        let (id, epoch, sequence) = sequenced.map_or((-1, -1, -1), |it| (it.id.0, it.epoch.0, it.base_sequence));
        // A batch is bounded by max.request.size, far below 2 GiB.
        let length = (self.size() - LENGTH_END) as i32;
        put(8, &length.to_be_bytes());
        put(12, &(-1i32).to_be_bytes());
        put(16, &[2]);
        put(21, &(self.codec as i16).to_be_bytes());
        put(23, &(self.count as i32 - 1).to_be_bytes());
        put(27, &self.base_timestamp.0.to_be_bytes());
        put(35, &self.max_timestamp.0.to_be_bytes());
        put(43, &id.to_be_bytes());
        put(51, &epoch.to_be_bytes());
        put(53, &sequence.to_be_bytes());
        put(57, &(self.count as i32).to_be_bytes());
        let crc = join_checksums(crc32c::crc32c(&header[CRC_START..]), self.crc, self.len);
        header[CRC_START - 4..CRC_START].copy_from_slice(&crc.to_be_bytes());
        header
    }

    /// Its records in two batches of about half the bytes, for a broker to which it is too large (KIP-126); `None` if it
    /// has one record only, or cannot be taken apart.
    fn halves(&self) -> Option<[Self; 2]> {
        if self.count < 2 {
            return None;
        }
        let packed = self.records.concat();
        let plain = decompress_within(self.codec, &packed, usize::MAX).ok()?;
        let records: Vec<_> = Records::new(self.as_read(), &plain).collect::<Result<_, _>>().ok()?;
        let pool = Pool::new(0);
        let (one, two) = records.split_at(records.len() / 2);
        let half = |records: &[callboard_model::Record<'_>]| {
            let mut open = OpenBatch::new(self.completion.part(), self.created);
            for record in records {
                let headers: Vec<Header> = record.headers.iter().map(owned).collect();
                let (key, value) = (record.key, record.value);
                open.push(Parts { timestamp: record.timestamp, key, value, headers: &headers }, &pool);
            }
            open.seal(self.codec, self.level).ok()
        };
        let (mut first, mut second) = (half(one)?, half(two)?);
        // The memory that the whole held is given back by the halves.
        first.charged = self.charged / 2;
        second.charged = self.charged - first.charged;
        self.completion.split(vec![(0, first.completion.clone()), (first.count, second.completion.clone())]);
        Some([first, second])
    }

    fn as_read(&self) -> BatchHeader {
        BatchHeader::read(&self.whole(None)).expect("a batch of our own is legal")
    }

    fn whole(&self, sequenced: Option<Sequenced>) -> Vec<u8> {
        let mut whole = self.header(sequenced).to_vec();
        self.records.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole
    }
}

impl Payload for Batch {
    fn count(&self) -> u32 {
        self.count
    }

    fn created(&self) -> Instant {
        self.created
    }

    fn split(&self) -> Option<[Self; 2]> {
        self.halves()
    }
}

fn owned(header: &callboard_model::RecordHeader<'_>) -> Header {
    // Written from text by ourselves.
    let key = String::from_utf8_lossy(header.key).as_ref().into();
    Header { key, value: header.value.map(Bytes::copy_from_slice) }
}

/// Where a record is written to.
struct Out<'a> {
    to: &'a mut Chunks,
    pool: &'a Pool,
}

impl Out<'_> {
    fn varints<const N: usize>(&mut self, values: [i64; N]) {
        let mut small = Small { bytes: [0; 50], len: 0 };
        values.into_iter().for_each(|value| small.varint(value));
        self.to.put(small.bytes(), self.pool);
    }

    fn nullable(&mut self, bytes: Option<&[u8]>) {
        self.varints([bytes.map_or(-1, |bytes| bytes.len() as i64)]);
        self.to.put(bytes.unwrap_or_default(), self.pool);
    }
}

fn write_record(out: &mut Out<'_>, timestamp_delta: i64, index: u32, record: Parts<'_>) {
    let nullable = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| varint_len(bytes.len() as i64) + bytes.len());
    let headers = record.headers.iter().map(|h| nullable(Some(h.key.as_bytes())) + nullable(h.value.as_deref()));
    let len = 1
        + varint_len(timestamp_delta)
        + varint_len(i64::from(index))
        + nullable(record.key)
        + nullable(record.value)
        + varint_len(record.headers.len() as i64)
        + headers.sum::<usize>();
    // The attributes are a byte of zero, as a varint of 0 is. Fields that stand together are written together.
    let key_len = record.key.map_or(-1, |key| key.len() as i64);
    out.varints([len as i64, 0, timestamp_delta, i64::from(index), key_len]);
    out.to.put(record.key.unwrap_or_default(), out.pool);
    out.nullable(record.value);
    out.varints([record.headers.len() as i64]);
    for header in record.headers {
        out.nullable(Some(header.key.as_bytes()));
        out.nullable(header.value.as_deref());
    }
}

/// A few numbers on their way: five of ten bytes at most.
struct Small {
    bytes: [u8; 50],
    len: usize,
}

impl Small {
    /// Zigzag, seven bits a byte.
    fn varint(&mut self, value: i64) {
        let mut rest = zigzag(value);
        while rest >= 0x80 {
            self.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.push(rest as u8);
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn varint_len(value: i64) -> usize {
    (64 - (zigzag(value) | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests;
