//! Writes a record batch, format version 2: new ones for internal topics, rewritten ones for compaction.

use bytes::{BufMut, BytesMut};

use crate::record_batch::{CRC_START, LENGTH_END};
use crate::{BatchHeader, Compression, HEADER_LEN, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// One record to be written, borrowed. A value of `None` is a tombstone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRecord<'a> {
    /// Its place after the batch's base offset; rises within a batch.
    pub offset_delta: i32,
    /// Its time.
    pub timestamp: Timestamp,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: &'a [crate::RecordHeader<'a>],
}

/// Everything of a batch that its records do not say by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// Offset of the first record; a leader assigns it to new batches.
    pub base_offset: Offset,
    /// Epoch of the leader that appended it; a leader assigns it to new batches.
    pub leader_epoch: LeaderEpoch,
    /// Attribute bits; those of the codec are set by the writer.
    pub attributes: i16,
    /// What the records' timestamps are relative to. With the delete horizon bit it is that horizon (KIP-534).
    pub base_timestamp: Timestamp,
    /// Who produced it.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The producer's sequence number of the first record.
    pub base_sequence: i32,
    /// The least last offset delta; records that end later move it up. A batch that lost its last records keeps it, so
    /// that offsets and sequence numbers go on where they did.
    pub last_offset_delta: i32,
    /// The least largest timestamp; later records move it up. [`Timestamp::NONE`] for new batches.
    pub max_timestamp: Timestamp,
}

impl BatchHead {
    /// For a new batch without a producer id, base offset 0, with times relative to `base_timestamp`.
    pub fn new(base_timestamp: Timestamp) -> Self {
        Self {
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch::NONE,
            attributes: 0,
            base_timestamp,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: -1,
            last_offset_delta: 0,
            max_timestamp: Timestamp::NONE,
        }
    }

    /// For a batch that takes the place of another: same offsets, times, producer and sequence.
    pub fn like(header: &BatchHeader) -> Self {
        Self {
            base_offset: header.base_offset,
            leader_epoch: header.leader_epoch,
            attributes: header.attributes,
            base_timestamp: header.base_timestamp,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_offset_delta: header.last_offset_delta,
            max_timestamp: header.max_timestamp,
        }
    }
}

/// A batch being written.
#[derive(Debug)]
pub struct BatchWriter {
    head: BatchHead,
    count: i32,
    /// Room for the header, then the records.
    out: BytesMut,
    one: BytesMut,
}

impl BatchWriter {
    /// A batch without records, which is legal: compaction leaves such.
    pub fn new(head: BatchHead) -> Self {
        let mut out = BytesMut::with_capacity(HEADER_LEN + 256);
        out.put_bytes(0, HEADER_LEN);
        Self { head, count: 0, out, one: BytesMut::new() }
    }

    /// Adds a record behind the others.
    pub fn push(&mut self, record: NewRecord<'_>) {
        self.one.clear();
        self.one.put_i8(0);
        put_varint(&mut self.one, record.timestamp.0.wrapping_sub(self.head.base_timestamp.0));
        put_varint(&mut self.one, i64::from(record.offset_delta));
        put_nullable(&mut self.one, record.key);
        put_nullable(&mut self.one, record.value);
        put_varint(&mut self.one, record.headers.len() as i64);
        for header in record.headers {
            put_nullable(&mut self.one, Some(header.key));
            put_nullable(&mut self.one, header.value);
        }
        put_varint(&mut self.out, self.one.len() as i64);
        self.out.extend_from_slice(&self.one);
        self.count += 1;
        self.head.last_offset_delta = self.head.last_offset_delta.max(record.offset_delta);
        self.head.max_timestamp = self.head.max_timestamp.max(record.timestamp);
    }

    /// Records so far.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Bytes of the batch so far, uncompressed.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether it has no records.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch, uncompressed.
    pub fn finish(mut self) -> BytesMut {
        self.seal(Compression::None);
        self.out
    }

    /// The batch with its records as `compress` makes them.
    pub fn finish_compressed<E>(
        mut self,
        codec: Compression,
        compress: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<BytesMut, E> {
        if codec != Compression::None && !self.is_empty() {
            let packed = compress(&self.out[HEADER_LEN..])?;
            self.out.truncate(HEADER_LEN);
            self.out.extend_from_slice(&packed);
        }
        self.seal(codec);
        Ok(self.out)
    }

    fn seal(&mut self, codec: Compression) {
        let head = &self.head;
        let attributes = codec.into_attributes(head.attributes);
        // A batch comes from a bounded request or is bounded by its writer, far below 2 GiB.
        let length = (self.out.len() - LENGTH_END) as i32;
        let mut header = BytesMut::with_capacity(HEADER_LEN);
        header.put_i64(head.base_offset.0);
        header.put_i32(length);
        header.put_i32(head.leader_epoch.0);
        header.put_i8(2);
        header.put_u32(0);
        header.put_i16(attributes);
        header.put_i32(head.last_offset_delta);
        header.put_i64(head.base_timestamp.0);
        header.put_i64(head.max_timestamp.0);
        header.put_i64(head.producer_id.0);
        header.put_i16(head.producer_epoch.0);
        header.put_i32(head.base_sequence);
        header.put_i32(self.count);
        self.out[..HEADER_LEN].copy_from_slice(&header);
        let crc = crc32c::crc32c(&self.out[CRC_START..]);
        self.out[CRC_START - 4..CRC_START].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Bytes that one record takes in a batch, at most: for whoever has to know before writing.
pub fn record_size_max(key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
    // attributes, and five numbers of at most 10 bytes: times, offset, lengths, header count; the record's own length.
    1 + 6 * 10 + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
}

fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    put_varint(out, bytes.map_or(-1, |bytes| bytes.len() as i64));
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// Zigzag, seven bits a byte.
fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

#[cfg(test)]
mod tests;
