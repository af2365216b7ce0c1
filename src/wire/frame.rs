//! Cuts a byte stream into frames: four bytes of length, then as many bytes.

use bytes::{Buf, BytesMut};
use callboard_model::limits::FRAME_RESERVE_MAX;

/// Bytes of the length before a frame.
pub const LENGTH_LEN: usize = 4;

/// Room offered to a read while no frame is announced. Small enough for thousands of idle connections.
const ROOM: usize = 16 * 1024;
/// Below this much room a new buffer is taken. A small frame that is kept keeps its whole buffer alive, so buffers are used
/// up rather than changed for every frame.
const ROOM_MIN: usize = 4 * 1024;

/// Why a length announces no frame. Nothing after it can be read: the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Below zero; often another protocol, such as TLS on a plain port.
    #[error("a frame declares a negative length of {0}")]
    Negative(i32),
    /// Zero: no header fits.
    #[error("a frame declares a length of zero")]
    Zero,
    /// Above the limit (`socket.request.max.bytes`).
    #[error("a frame declares {declared} bytes, at most {limit} are accepted")]
    TooLarge {
        /// Bytes announced.
        declared: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Collects bytes as they arrive and yields whole frames.
///
/// Memory follows what has arrived, not what is announced: at most [`FRAME_RESERVE_MAX`] or three times the bytes that are
/// there, whichever is more. Frames share the buffer that they were read into: a kept frame keeps up to 16 KiB of its
/// neighbours, a large one up to twice its own size.
#[derive(Debug)]
pub struct FrameDecoder {
    limit: usize,
    buffer: BytesMut,
}

impl FrameDecoder {
    /// `limit` bounds the bytes of a frame after its length.
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: BytesMut::new() }
    }

    /// Where the next bytes are to be read into: always with spare capacity. Take all whole frames before asking again.
    pub fn buffer(&mut self) -> &mut BytesMut {
        let there = self.buffer.len();
        let wanted = match self.announced() {
            Some(Ok(len)) => (len + LENGTH_LEN).saturating_sub(there).clamp(1, FRAME_RESERVE_MAX.max(3 * there)),
            _ => ROOM,
        };
        if self.buffer.capacity() - there < wanted.min(ROOM_MIN) {
            self.buffer.reserve(wanted);
        }
        &mut self.buffer
    }

    /// The next whole frame without its length, if it has arrived. An error is final.
    pub fn next_frame(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some(len) = self.announced().transpose()? else {
            return Ok(None);
        };
        if self.buffer.len() - LENGTH_LEN < len {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_LEN);
        Ok(Some(self.buffer.split_to(len)))
    }

    /// Bytes that have arrived and belong to no yielded frame.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The length of the next frame, once its four bytes have arrived.
    pub fn announced(&self) -> Option<Result<usize, FrameError>> {
        let bytes = self.buffer.first_chunk::<LENGTH_LEN>()?;
        let declared = i32::from_be_bytes(*bytes);
        Some(match usize::try_from(declared) {
            Err(_) => Err(FrameError::Negative(declared)),
            Ok(0) => Err(FrameError::Zero),
            Ok(declared) if declared > self.limit => Err(FrameError::TooLarge { declared, limit: self.limit }),
            Ok(declared) => Ok(declared),
        })
    }
}

#[cfg(test)]
mod tests;
