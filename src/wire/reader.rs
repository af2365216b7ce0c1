//! A bounded cursor over the fields of a message. Whatever it yields is carved out of the frame without a copy.

use bytes::{Buf, BytesMut};
use callboard_model::limits::HOT_ELEMENTS_MAX;

use crate::{DecodeError, StrBytes};

/// Reads fields in order; `flexible` chooses compact lengths and tagged fields (KIP-482).
#[derive(Debug)]
pub(crate) struct Reader {
    rest: BytesMut,
    flexible: bool,
    elements: usize,
}

impl Reader {
    pub(crate) fn new(bytes: BytesMut, flexible: bool) -> Self {
        Self { rest: bytes, flexible, elements: 0 }
    }

    /// What has not been read.
    pub(crate) fn into_rest(self) -> BytesMut {
        self.rest
    }

    fn need(&self, needed: usize, what: &'static str) -> Result<(), DecodeError> {
        let left = self.rest.len();
        if needed > left { Err(DecodeError::Truncated { what, needed, left }) } else { Ok(()) }
    }

    pub(crate) fn i8(&mut self, what: &'static str) -> Result<i8, DecodeError> {
        self.need(1, what)?;
        Ok(self.rest.get_i8())
    }

    pub(crate) fn i16(&mut self, what: &'static str) -> Result<i16, DecodeError> {
        self.need(2, what)?;
        Ok(self.rest.get_i16())
    }

    pub(crate) fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.need(4, what)?;
        Ok(self.rest.get_i32())
    }

    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.need(8, what)?;
        Ok(self.rest.get_i64())
    }

    /// Sixteen bytes.
    pub(crate) fn uuid(&mut self, what: &'static str) -> Result<[u8; 16], DecodeError> {
        let mut bytes = [0; 16];
        self.need(bytes.len(), what)?;
        self.rest.copy_to_slice(&mut bytes);
        Ok(bytes)
    }

    /// An unsigned varint of at most five bytes and 32 bits.
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        let mut value: u64 = 0;
        for shift in [0, 7, 14, 21, 28] {
            self.need(1, what)?;
            let byte = self.rest.get_u8();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint(what));
            }
        }
        Err(DecodeError::Varint(what))
    }

    /// A compact length: one more than the length, 0 for null.
    fn compact(&mut self, what: &'static str) -> Result<Option<usize>, DecodeError> {
        Ok(self.varint(what)?.checked_sub(1).map(|len| len as usize))
    }

    fn short_length(&mut self, what: &'static str) -> Result<Option<usize>, DecodeError> {
        plain_length(i64::from(self.i16(what)?), what)
    }

    fn long_length(&mut self, what: &'static str) -> Result<Option<usize>, DecodeError> {
        plain_length(i64::from(self.i32(what)?), what)
    }

    fn carve(&mut self, len: usize, what: &'static str) -> Result<BytesMut, DecodeError> {
        self.need(len, what)?;
        Ok(self.rest.split_to(len))
    }

    fn text(&mut self, len: usize, what: &'static str) -> Result<StrBytes, DecodeError> {
        StrBytes::try_from(self.carve(len, what)?.freeze()).map_err(|_| DecodeError::Utf8(what))
    }

    /// A text whose length has two bytes in every version.
    pub(crate) fn short_nullable_string(&mut self, what: &'static str) -> Result<Option<StrBytes>, DecodeError> {
        let len = self.short_length(what)?;
        len.map(|len| self.text(len, what)).transpose()
    }

    pub(crate) fn nullable_string(&mut self, what: &'static str) -> Result<Option<StrBytes>, DecodeError> {
        let len = if self.flexible { self.compact(what)? } else { self.short_length(what)? };
        len.map(|len| self.text(len, what)).transpose()
    }

    pub(crate) fn string(&mut self, what: &'static str) -> Result<StrBytes, DecodeError> {
        self.nullable_string(what)?.ok_or(DecodeError::Null(what))
    }

    /// Bytes that are the caller's alone, to be changed in place.
    pub(crate) fn nullable_bytes(&mut self, what: &'static str) -> Result<Option<BytesMut>, DecodeError> {
        let len = if self.flexible { self.compact(what)? } else { self.long_length(what)? };
        len.map(|len| self.carve(len, what)).transpose()
    }

    /// An array, read element by element: the declared count reserves nothing, and one that the bytes cannot hold is
    /// refused at once. Every element takes at least a byte.
    pub(crate) fn array<T>(
        &mut self,
        what: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let declared = if self.flexible { self.compact(what)? } else { self.long_length(what)? };
        let declared = declared.ok_or(DecodeError::Null(what))?;
        if declared > self.rest.len() {
            return Err(DecodeError::Count { what, declared, left: self.rest.len() });
        }
        self.elements += declared;
        if self.elements > HOT_ELEMENTS_MAX {
            return Err(DecodeError::TooMany { what, max: HOT_ELEMENTS_MAX });
        }
        let mut values = Vec::new();
        for _ in 0..declared {
            values.push(element(self)?);
        }
        Ok(values)
    }

    /// Skips the tagged fields that end a structure of a flexible version.
    pub(crate) fn tags(&mut self) -> Result<(), DecodeError> {
        self.tags_with(|_, _| Ok(()))
    }

    /// Shows each tagged field that ends a structure of a flexible version to `known`, which reads of it what it knows.
    pub(crate) fn tags_with(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.varint("tagged fields")?;
        let mut previous = None;
        for _ in 0..count {
            let tag = self.varint("tag")?;
            if let Some(previous) = previous.filter(|previous| *previous >= tag) {
                return Err(DecodeError::TagOrder { previous, tag });
            }
            previous = Some(tag);
            let len = self.varint("tagged field")? as usize;
            let mut field = Self::new(self.carve(len, "tagged field")?, true);
            known(tag, &mut field)?;
        }
        Ok(())
    }
}

fn plain_length(declared: i64, what: &'static str) -> Result<Option<usize>, DecodeError> {
    match declared {
        -1 => Ok(None),
        _ => usize::try_from(declared).map(Some).map_err(|_| DecodeError::Length { what, declared }),
    }
}
