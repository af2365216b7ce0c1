//! Reading the fields of stored keys and values. No length is believed before the bytes are there.

use std::sync::Arc;

use bytes::Bytes;
use callboard_shard::RecordFault;

/// A value or key being read.
pub(super) struct Fields {
    rest: Bytes,
    what: &'static str,
    /// Lengths and tags as versions from 4 on have them (KIP-482).
    pub(super) flexible: bool,
}

impl Fields {
    pub(super) fn new(bytes: &Bytes, what: &'static str) -> Self {
        Self { rest: bytes.clone(), what, flexible: false }
    }

    pub(super) fn fault(&self, reason: impl std::fmt::Display) -> RecordFault {
        RecordFault::Corrupt(format!("{}: {reason}", self.what))
    }

    fn take(&mut self, len: usize) -> Result<Bytes, RecordFault> {
        if len > self.rest.len() {
            return Err(self.fault(format_args!("{len} bytes are declared where {} are left", self.rest.len())));
        }
        Ok(self.rest.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordFault> {
        let bytes = self.take(N)?;
        let mut array = [0; N];
        array.copy_from_slice(&bytes);
        Ok(array)
    }

    pub(super) fn int16(&mut self) -> Result<i16, RecordFault> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(super) fn int32(&mut self) -> Result<i32, RecordFault> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn int64(&mut self) -> Result<i64, RecordFault> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(super) fn bytes16(&mut self) -> Result<[u8; 16], RecordFault> {
        self.array()
    }

    fn varint(&mut self) -> Result<u32, RecordFault> {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fault("a number of more than five bytes"))
    }

    /// A length or count; `None` for null.
    fn length(&mut self, wide: bool) -> Result<Option<usize>, RecordFault> {
        if self.flexible {
            return Ok((self.varint()? as usize).checked_sub(1));
        }
        let length = if wide { self.int32()? } else { i32::from(self.int16()?) };
        if length < -1 {
            return Err(self.fault(format_args!("a length of {length}")));
        }
        Ok(usize::try_from(length).ok())
    }

    pub(super) fn nullable_text(&mut self) -> Result<Option<Arc<str>>, RecordFault> {
        let Some(length) = self.length(false)? else { return Ok(None) };
        let bytes = self.take(length)?;
        match std::str::from_utf8(&bytes) {
            // What is longer could not be written again.
            Ok(text) if text.len() <= super::TEXT_LEN_MAX => Ok(Some(text.into())),
            Ok(text) => Err(self.fault(format_args!("a text of {} bytes", text.len()))),
            Err(error) => Err(self.fault(error)),
        }
    }

    pub(super) fn text(&mut self) -> Result<Arc<str>, RecordFault> {
        self.nullable_text()?.ok_or_else(|| self.fault("a text is null"))
    }

    pub(super) fn blob(&mut self) -> Result<Bytes, RecordFault> {
        let length = self.length(true)?.ok_or_else(|| self.fault("bytes are null"))?;
        self.take(length)
    }

    /// How many elements follow; each takes at least `least` bytes.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, RecordFault> {
        let count = self.length(true)?.ok_or_else(|| self.fault("an array is null"))?;
        if count.saturating_mul(least) > self.rest.len() {
            return Err(
                self.fault(format_args!("{count} elements are declared where {} bytes are left", self.rest.len()))
            );
        }
        Ok(count)
    }

    /// Reads the tagged fields, if this version has them; hands out each with its number.
    pub(super) fn tags(
        &mut self,
        mut known: impl FnMut(u32, Fields) -> Result<(), RecordFault>,
    ) -> Result<(), RecordFault> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let length = self.varint()? as usize;
            let rest = self.take(length)?;
            known(tag, Fields { rest, what: self.what, flexible: true })?;
        }
        Ok(())
    }
}
