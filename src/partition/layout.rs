//! Reading the fixed layouts of stored state: every length checked, nothing trusted.

use callboard_model::{Offset, Timestamp};

/// Why a stored state entry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Too few or too many bytes.
    #[error("a stored {kind} entry has {given} bytes, {wanted} are expected")]
    Length {
        /// Which kind of state.
        kind: &'static str,
        /// Bytes there.
        given: usize,
        /// Bytes of the layout.
        wanted: usize,
    },
    /// Written by another version of this program.
    #[error("a stored {kind} entry has layout {given}, layout {known} is known")]
    Version {
        /// Which kind of state.
        kind: &'static str,
        /// The layout's number.
        given: u8,
        /// The only one known.
        known: u8,
    },
    /// Numbers that cannot be.
    #[error("a stored {kind} entry is impossible: {reason}")]
    Impossible {
        /// Which kind of state.
        kind: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Walks one value.
pub(crate) struct Fields<'a> {
    kind: &'static str,
    all: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(kind: &'static str, bytes: &'a [u8]) -> Self {
        Self { kind, all: bytes.len(), rest: bytes }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            let wanted = self.all - self.rest.len() + N;
            return Err(StateError::Length { kind: self.kind, given: self.all, wanted });
        };
        self.rest = rest;
        Ok(*head)
    }

    /// The leading version byte.
    pub(crate) fn version(&mut self, known: u8) -> Result<(), StateError> {
        let given = self.u8()?;
        if given != known {
            return Err(StateError::Version { kind: self.kind, given, known });
        }
        Ok(())
    }

    pub(crate) fn u8(&mut self) -> Result<u8, StateError> {
        Ok(u8::from_be_bytes(self.take()?))
    }

    pub(crate) fn i16(&mut self) -> Result<i16, StateError> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, StateError> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, StateError> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, StateError> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    pub(crate) fn timestamp(&mut self) -> Result<Timestamp, StateError> {
        self.i64().map(Timestamp)
    }

    /// An offset, which is never negative where state is stored.
    pub(crate) fn offset(&mut self) -> Result<Offset, StateError> {
        let offset = self.i64()?;
        self.require(offset >= 0, "a negative offset")?;
        Ok(Offset(offset))
    }

    pub(crate) fn require(&self, holds: bool, reason: &'static str) -> Result<(), StateError> {
        if holds { Ok(()) } else { Err(StateError::Impossible { kind: self.kind, reason }) }
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), StateError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(StateError::Length { kind: self.kind, given: self.all, wanted: self.all - self.rest.len() })
    }
}
