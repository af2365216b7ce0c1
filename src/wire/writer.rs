//! Writes the fields of an answer twice: once to know its length, once for real.

use bytes::{BufMut, Bytes, BytesMut};

use crate::EncodeError;
use crate::frame::LENGTH_LEN;

/// Where fields go.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);
    /// Record data, kept shared.
    fn attach(&mut self, batch: &Bytes);
}

/// Counts.
#[derive(Debug, Default)]
struct Counter {
    fields: usize,
    attached: usize,
    batches: usize,
}

impl Sink for Counter {
    fn put(&mut self, bytes: &[u8]) {
        self.fields += bytes.len();
    }

    fn attach(&mut self, batch: &Bytes) {
        self.attached += batch.len();
        self.batches += 1;
    }
}

/// Collects pieces: fields in one allocation that is cut at every batch, batches as they are.
#[derive(Debug)]
struct Pieces {
    fields: BytesMut,
    pieces: Vec<Bytes>,
}

impl Sink for Pieces {
    fn put(&mut self, bytes: &[u8]) {
        self.fields.put_slice(bytes);
    }

    fn attach(&mut self, batch: &Bytes) {
        if batch.is_empty() {
            return;
        }
        if !self.fields.is_empty() {
            self.pieces.push(self.fields.split().freeze());
        }
        self.pieces.push(batch.clone());
    }
}

/// A frame as pieces to be written one after another, its length included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// In order; none is empty.
    pub segments: Vec<Bytes>,
    /// Bytes of all of them.
    pub len: usize,
}

/// What `write` writes, framed. `write` is called twice and must do the same each time.
pub(crate) fn gather(
    flexible: bool,
    write: impl Fn(&mut Writer<'_>) -> Result<(), EncodeError>,
) -> Result<Gathered, EncodeError> {
    let mut counter = Counter::default();
    write(&mut Writer { sink: &mut counter, flexible })?;
    let body = counter.fields + counter.attached;
    let declared = i32::try_from(body).map_err(|_| EncodeError::TooLarge(body))?;
    let mut out = Pieces {
        fields: BytesMut::with_capacity(LENGTH_LEN + counter.fields),
        pieces: Vec::with_capacity(2 * counter.batches + 1),
    };
    out.fields.put_i32(declared);
    write(&mut Writer { sink: &mut out, flexible })?;
    if !out.fields.is_empty() {
        out.pieces.push(out.fields.freeze());
    }
    debug_assert_eq!(out.pieces.iter().map(Bytes::len).sum::<usize>(), LENGTH_LEN + body, "both passes write the same");
    Ok(Gathered { segments: out.pieces, len: LENGTH_LEN + body })
}

/// Writes fields in order; `flexible` chooses compact lengths and tagged fields (KIP-482).
pub(crate) struct Writer<'a> {
    sink: &'a mut dyn Sink,
    flexible: bool,
}

impl Writer<'_> {
    pub(crate) fn i16(&mut self, value: i16) {
        self.sink.put(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.sink.put(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.sink.put(&value.to_be_bytes());
    }

    pub(crate) fn uuid(&mut self, bytes: &[u8; 16]) {
        self.sink.put(bytes);
    }

    pub(crate) fn varint(&mut self, mut value: u32) {
        let mut bytes = [0; 5];
        let mut len = 0;
        while value >= 0x80 {
            bytes[len] = value as u8 | 0x80;
            value >>= 7;
            len += 1;
        }
        bytes[len] = value as u8;
        self.sink.put(&bytes[..=len]);
    }

    /// The length of an array or of bytes; `None` for null.
    pub(crate) fn length(&mut self, len: Option<usize>) -> Result<(), EncodeError> {
        if self.flexible {
            let compact = len.map_or(Some(0), |len| len.checked_add(1));
            let too_large = EncodeError::TooLarge(len.unwrap_or_default());
            self.varint(compact.and_then(|len| u32::try_from(len).ok()).ok_or(too_large)?);
        } else {
            let plain = len.map_or(Ok(-1), |len| i32::try_from(len).map_err(|_| EncodeError::TooLarge(len)))?;
            self.i32(plain);
        }
        Ok(())
    }

    pub(crate) fn nullable_string(&mut self, what: &'static str, text: Option<&str>) -> Result<(), EncodeError> {
        if self.flexible {
            self.length(text.map(str::len))?;
        } else {
            let fits = |text: &str| i16::try_from(text.len());
            let wrong = || EncodeError::Text { what, given: text.map_or(0, str::len) };
            self.i16(text.map_or(Ok(-1), fits).map_err(|_| wrong())?);
        }
        self.sink.put(text.unwrap_or_default().as_bytes());
        Ok(())
    }

    pub(crate) fn string(&mut self, what: &'static str, text: &str) -> Result<(), EncodeError> {
        self.nullable_string(what, Some(text))
    }

    /// Batches one after another as one field of bytes.
    pub(crate) fn records(&mut self, batches: &[Bytes]) -> Result<(), EncodeError> {
        self.length(Some(batches.iter().map(Bytes::len).sum()))?;
        batches.iter().for_each(|batch| self.sink.attach(batch));
        Ok(())
    }

    /// An array, element by element.
    pub(crate) fn array<T>(
        &mut self,
        values: &[T],
        element: impl Fn(&mut Writer<'_>, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.length(Some(values.len()))?;
        values.iter().try_for_each(|value| element(self, value))
    }

    /// Ends a structure that has no tagged fields.
    pub(crate) fn no_tags(&mut self) {
        if self.flexible {
            self.varint(0);
        }
    }

    /// One tagged field: its tag, its size, its content. Only in flexible versions.
    pub(crate) fn tagged(
        &mut self,
        tag: u32,
        write: impl Fn(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut counter = Counter::default();
        write(&mut Writer { sink: &mut counter, flexible: true })?;
        self.varint(tag);
        self.varint(u32::try_from(counter.fields).map_err(|_| EncodeError::TooLarge(counter.fields))?);
        write(self)
    }
}
