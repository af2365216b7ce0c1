//! Record batches of format 2, written and read.

use bytes::{BufMut, Bytes, BytesMut};
use callboard_model::{
    BatchHeader, Batches, HEADER_LEN, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Record, Records, Timestamp,
};

use crate::ClientError;

/// Bytes of a header before the part that its checksum covers.
const CRC_START: usize = 21;
/// Bytes before the part that the length field counts.
const LENGTH_END: usize = 12;

/// A record to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRecord<'a> {
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its time.
    pub timestamp: Timestamp,
    /// Headers: name and value.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> NewRecord<'a> {
    /// A record without headers.
    pub fn new(key: &'a [u8], value: &'a [u8], timestamp: Timestamp) -> Self {
        Self { key: Some(key), value: Some(value), timestamp, headers: &[] }
    }
}

/// What makes a batch recognisable when it is sent again (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotence {
    /// From InitProducerId.
    pub producer_id: ProducerId,
    /// From InitProducerId.
    pub producer_epoch: ProducerEpoch,
    /// Number of its first record among all that this producer has sent to the partition; after `i32::MAX` comes 0.
    pub base_sequence: i32,
}

/// One uncompressed batch with base offset 0, as a producer sends it. Without records it is a legal header that no broker
/// accepts.
pub fn encode_batch(records: &[NewRecord<'_>], idempotence: Option<Idempotence>) -> Bytes {
    let base = records.first().map_or(Timestamp(0), |record| record.timestamp);
    let max = records.iter().map(|record| record.timestamp).max().unwrap_or(Timestamp::NONE);
    let count = i32::try_from(records.len()).expect("a test's batch has fewer than 2^31 records");
    let stamp = idempotence.unwrap_or(Idempotence {
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
        base_sequence: -1,
    });
    let bytes: usize = records.iter().map(|r| r.key.map_or(0, <[u8]>::len) + r.value.map_or(0, <[u8]>::len) + 32).sum();
    let mut out = BytesMut::with_capacity(HEADER_LEN + bytes);
    out.put_i64(0);
    out.put_i32(0); // The length, written at the end.
    out.put_i32(LeaderEpoch::NONE.get());
    out.put_i8(2);
    out.put_u32(0); // The checksum, written at the end.
    out.put_i16(0);
    out.put_i32(count - 1);
    out.put_i64(base.0);
    out.put_i64(max.0);
    out.put_i64(stamp.producer_id.get());
    out.put_i16(stamp.producer_epoch.get());
    out.put_i32(stamp.base_sequence);
    out.put_i32(count);
    let mut one = BytesMut::new();
    for (at, record) in records.iter().enumerate() {
        one.clear();
        put_record(&mut one, record, record.timestamp.0 - base.0, at as i64);
        put_varint(&mut out, one.len() as i64);
        out.put_slice(&one);
    }
    let len = i32::try_from(out.len() - LENGTH_END).expect("a test's batch has fewer than 2^31 bytes");
    out[8..LENGTH_END].copy_from_slice(&len.to_be_bytes());
    let crc = crc32c::crc32c(&out[CRC_START..]);
    out[17..CRC_START].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

fn put_record(out: &mut BytesMut, record: &NewRecord<'_>, timestamp_delta: i64, offset_delta: i64) {
    out.put_i8(0);
    put_varint(out, timestamp_delta);
    put_varint(out, offset_delta);
    put_nullable(out, record.key);
    put_nullable(out, record.value);
    put_varint(out, record.headers.len() as i64);
    for (name, value) in record.headers {
        put_nullable(out, Some(name.as_bytes()));
        put_nullable(out, Some(value));
    }
}

fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    put_varint(out, bytes.map_or(-1, |bytes| bytes.len() as i64));
    out.put_slice(bytes.unwrap_or_default());
}

/// Zigzag.
fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Visits every record at or after `from` in fetched bytes, with its batch's header; checksums are verified, an incomplete
/// last batch is passed over. Compressed batches cannot be read.
pub fn walk(batches: &[u8], from: Offset, mut visit: impl FnMut(&BatchHeader, Record<'_>)) -> Result<(), ClientError> {
    for batch in Batches::verified(batches) {
        let (header, bytes) = batch?;
        for record in Records::new(header, &bytes[HEADER_LEN..]) {
            let record = record?;
            if record.offset >= from {
                visit(&header, record);
            }
        }
    }
    Ok(())
}
