//! The records inside a batch, once decompressed: a lazy walk that trusts no length.
//!
//! ```text
//! length varint | attributes i8 | timestamp delta varlong | offset delta varint
//! key length varint, key | value length varint, value | header count varint, (key length, key, value length, value)*
//! ```
//! A length of `-1` means null.

use crate::{BatchHeader, Offset, Timestamp};

/// One record, borrowed from its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its position in the partition.
    pub offset: Offset,
    /// Its time; the batch's if the broker sets it.
    pub timestamp: Timestamp,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order; keys may repeat.
    pub headers: Vec<RecordHeader<'a>>,
}

/// One header of a record. Keys are text by custom only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// Its name.
    pub key: &'a [u8],
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// Why the records of a batch cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end inside a record.
    #[error("the records of a batch end inside record {record}")]
    Truncated {
        /// Which record, from 0.
        record: i32,
    },
    /// A length that no bytes can have.
    #[error("record {record} declares a length of {declared}")]
    Length {
        /// Which record, from 0.
        record: i32,
        /// The impossible number.
        declared: i64,
    },
    /// A record that does not end where its length says.
    #[error("record {record} has {left} bytes more than its fields")]
    Surplus {
        /// Which record, from 0.
        record: i32,
        /// Bytes left over.
        left: usize,
    },
    /// Bytes after the last record.
    #[error("{0} bytes follow the last record of a batch")]
    Trailing(usize),
}

/// Walks the decompressed records of one batch; ends after the header's count or at the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    header: BatchHeader,
    read: i32,
}

impl<'a> Records<'a> {
    /// `bytes` are the records only, decompressed.
    pub fn new(header: BatchHeader, bytes: &'a [u8]) -> Self {
        Self::resume(header, bytes, 0)
    }

    /// Goes on after the first `read` records, whose bytes are not in `bytes`.
    pub fn resume(header: BatchHeader, bytes: &'a [u8], read: i32) -> Self {
        Self { rest: bytes, header, read }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn record(&mut self) -> Result<Record<'a>, RecordError> {
        let record = self.read;
        let len = length(varint(&mut self.rest, record)?, record)?;
        let mut body = take(&mut self.rest, len, record)?;
        take(&mut body, 1, record)?; // attributes: none are defined
        let timestamp_delta = varint(&mut body, record)?;
        let offset_delta = varint(&mut body, record)?;
        let key = nullable(&mut body, record)?;
        let value = nullable(&mut body, record)?;
        let count = varint(&mut body, record)?;
        if count < 0 {
            return Err(RecordError::Length { record, declared: count });
        }
        // Each header takes two bytes at least: a declared count reserves nothing.
        let mut headers = Vec::new();
        for _ in 0..count {
            let len = length(varint(&mut body, record)?, record)?;
            let key = take(&mut body, len, record)?;
            let value = nullable(&mut body, record)?;
            headers.push(RecordHeader { key, value });
        }
        if !body.is_empty() {
            return Err(RecordError::Surplus { record, left: body.len() });
        }
        let timestamp = if self.header.is_log_append_time() {
            self.header.max_timestamp
        } else {
            Timestamp(self.header.base_timestamp.0.saturating_add(timestamp_delta))
        };
        Ok(Record { offset: self.header.base_offset.plus(offset_delta), timestamp, key, value, headers })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read >= self.header.count {
            let left = std::mem::take(&mut self.rest).len();
            return (left > 0).then_some(Err(RecordError::Trailing(left)));
        }
        let result = self.record();
        self.read += 1;
        if result.is_err() {
            self.read = self.header.count;
            self.rest = &[];
        }
        Some(result)
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: usize, record: i32) -> Result<&'a [u8], RecordError> {
    if len > bytes.len() {
        return Err(RecordError::Truncated { record });
    }
    let (head, rest) = bytes.split_at(len);
    *bytes = rest;
    Ok(head)
}

fn length(declared: i64, record: i32) -> Result<usize, RecordError> {
    usize::try_from(declared).map_err(|_| RecordError::Length { record, declared })
}

fn nullable<'a>(bytes: &mut &'a [u8], record: i32) -> Result<Option<&'a [u8]>, RecordError> {
    match varint(bytes, record)? {
        -1 => Ok(None),
        declared => take(bytes, length(declared, record)?, record).map(Some),
    }
}

/// Reads a zigzag varint of up to ten bytes.
fn varint(bytes: &mut &[u8], record: i32) -> Result<i64, RecordError> {
    let mut value: u64 = 0;
    for shift in (0..70).step_by(7) {
        let Some((first, rest)) = bytes.split_first() else {
            return Err(RecordError::Truncated { record });
        };
        *bytes = rest;
        if shift < 64 {
            value |= u64::from(first & 0x7f) << shift;
        }
        if first & 0x80 == 0 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(RecordError::Length { record, declared: i64::MAX })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn put_varint(out: &mut Vec<u8>, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    /// A plain batch of (key, value, timestamp).
    pub(crate) fn batch_of(records: &[(&[u8], &[u8], i64)]) -> Vec<u8> {
        let base = records[0].2;
        let mut body = Vec::new();
        for (at, (key, value, timestamp)) in records.iter().enumerate() {
            let mut one = vec![0];
            put_varint(&mut one, timestamp - base);
            put_varint(&mut one, at as i64);
            put_varint(&mut one, key.len() as i64);
            one.extend_from_slice(key);
            put_varint(&mut one, value.len() as i64);
            one.extend_from_slice(value);
            put_varint(&mut one, 0);
            put_varint(&mut body, one.len() as i64);
            body.extend_from_slice(&one);
        }
        let mut tail = Vec::new();
        tail.extend_from_slice(&0i16.to_be_bytes());
        tail.extend_from_slice(&(records.len() as i32 - 1).to_be_bytes());
        tail.extend_from_slice(&base.to_be_bytes());
        tail.extend_from_slice(&records.iter().map(|r| r.2).max().unwrap_or(base).to_be_bytes());
        tail.extend_from_slice(&(-1i64).to_be_bytes());
        tail.extend_from_slice(&(-1i16).to_be_bytes());
        tail.extend_from_slice(&(-1i32).to_be_bytes());
        tail.extend_from_slice(&(records.len() as i32).to_be_bytes());
        tail.extend_from_slice(&body);
        let mut batch = Vec::new();
        batch.extend_from_slice(&0i64.to_be_bytes());
        batch.extend_from_slice(&(tail.len() as i32 + 9).to_be_bytes());
        batch.extend_from_slice(&(-1i32).to_be_bytes());
        batch.push(2);
        batch.extend_from_slice(&crc32c::crc32c(&tail).to_be_bytes());
        batch.extend_from_slice(&tail);
        batch
    }

    fn read(batch: &[u8]) -> Result<Vec<Record<'_>>, RecordError> {
        let header = BatchHeader::read(batch).expect("legal header");
        Records::new(header, &batch[crate::HEADER_LEN..]).collect()
    }

    #[test]
    fn records_read_back_with_their_offsets_and_times() {
        let batch = batch_of(&[(b"a", b"1", 100), (b"b", b"2", 90), (b"c", b"", 110)]);
        let records = read(&batch).expect("legal");
        let seen: Vec<_> = records.iter().map(|r| (r.offset.0, r.timestamp.0, r.key, r.value)).collect();
        assert_eq!(
            seen,
            vec![
                (0, 100, Some(&b"a"[..]), Some(&b"1"[..])),
                (1, 90, Some(&b"b"[..]), Some(&b"2"[..])),
                (2, 110, Some(&b"c"[..]), Some(&b""[..])),
            ]
        );
    }

    #[test]
    fn every_cut_is_an_error_and_never_a_panic() {
        let batch = batch_of(&[(b"key", b"value", 1), (b"key", b"value", 2)]);
        for end in crate::HEADER_LEN..batch.len() {
            assert!(read(&batch[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn every_changed_byte_ends_in_records_or_an_error() {
        let batch = batch_of(&[(b"key", b"value", 1), (b"key", b"value", 2)]);
        for at in crate::HEADER_LEN..batch.len() {
            for value in 0..=255 {
                let mut bad = batch.clone();
                bad[at] = value;
                let _ = read(&bad);
            }
        }
    }
}
