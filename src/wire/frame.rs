//! Cuts a byte stream into frames: four bytes of length, then as many bytes.

use bytes::{Buf, BytesMut};
use callboard_model::limits::FRAME_RESERVE_MAX;

/// Bytes of the length before a frame.
pub const LENGTH_LEN: usize = 4;

/// Room of the buffer that small frames are read into and share.
const ROOM: usize = 16 * 1024;
/// Room for the head of a frame behind a large one: another large one probably, whose head has to be copied.
const HEAD_ROOM: usize = 512;
/// Behind a large frame of at most so many bytes, its length included, another of the same size is expected: memory for it is
/// taken before its length is known, so that it arrives with one read.
const EXPECTED_MAX: usize = 32 * 1024;
/// The largest frame, its length included, that shares its buffer with its neighbours.
const SHARED_MAX: usize = 4 * 1024;
/// A part of a frame keeps at most this many times its own size in memory; see [`keep`].
const KEPT_TIMES_MAX: usize = 4;

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
/// A small frame shares a buffer of 16 KiB with its neighbours. A larger one is read into memory of its own, of its size, into
/// which only its head is copied, if anything. Memory follows what has arrived: beyond [`FRAME_RESERVE_MAX`] it is at most
/// four times as much.
#[derive(Debug)]
pub struct FrameDecoder {
    limit: usize,
    /// Small frames, and the head of a large one until its length is known.
    shared: BytesMut,
    /// The large frame that is arriving, from its length on.
    large: Option<BytesMut>,
    /// Bytes of the last frame and its length, if it was a large one; else 0.
    last_large: usize,
}

impl FrameDecoder {
    /// `limit` bounds the bytes of a frame after its length.
    pub fn new(limit: usize) -> Self {
        Self { limit, shared: BytesMut::new(), large: None, last_large: 0 }
    }

    /// Where the next bytes are to be read into: always with spare capacity. Take all whole frames before asking again.
    pub fn buffer(&mut self) -> &mut BytesMut {
        match self.announced() {
            Some(Ok(len)) if len + LENGTH_LEN > SHARED_MAX || self.large.is_some() => {
                self.room_for_large(len + LENGTH_LEN)
            }
            Some(Ok(len)) => self.room_for_small(len + LENGTH_LEN),
            _ if self.last_large == 0 => self.room_for_small(SHARED_MAX),
            _ if self.last_large > EXPECTED_MAX => self.room_for_small(HEAD_ROOM),
            // With room behind it: a read that is not filled has taken all that was there.
            _ => self.room_for_large(self.last_large + HEAD_ROOM),
        }
    }

    fn room_for_large(&mut self, whole: usize) -> &mut BytesMut {
        let there = self.pending();
        let large = match self.large.take() {
            Some(large) if large.capacity() > there => large,
            arrived => {
                let arrived = arrived.unwrap_or_else(|| std::mem::take(&mut self.shared));
                let mut larger = BytesMut::with_capacity(whole.min(FRAME_RESERVE_MAX.max(4 * there)).max(there + 1));
                larger.extend_from_slice(&arrived);
                larger
            }
        };
        self.large.insert(large)
    }

    /// Room for `wanted` bytes from the frame's beginning on.
    fn room_for_small(&mut self, wanted: usize) -> &mut BytesMut {
        let there = self.shared.len();
        let room = if self.last_large > 0 { HEAD_ROOM.max(wanted) } else { ROOM };
        // Nobody holds the frames that were read any more: the same memory again, while it is warm.
        let is_free = there == 0 && self.shared.try_reclaim(room);
        if !is_free && self.shared.capacity() < wanted.max(there + 1) {
            let mut next = BytesMut::with_capacity(room.max(there + 1));
            next.extend_from_slice(&self.shared);
            self.shared = next;
        }
        &mut self.shared
    }

    /// The next whole frame without its length, if it has arrived. An error is final.
    pub fn next_frame(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some(len) = self.announced().transpose()? else {
            return Ok(None);
        };
        if self.pending() - LENGTH_LEN < len {
            return Ok(None);
        }
        let whole = len + LENGTH_LEN;
        self.last_large = if whole > SHARED_MAX { whole } else { 0 };
        let mut frame = match self.large.take() {
            None => self.shared.split_to(whole),
            Some(mut large) => {
                self.shared = large.split_off(whole);
                // A small one, where a large one was expected, must not keep memory of that size.
                if whole > SHARED_MAX { large } else { BytesMut::from(&large[..]) }
            }
        };
        frame.advance(LENGTH_LEN);
        Ok(Some(frame))
    }

    /// Bytes that have arrived and belong to no yielded frame.
    pub fn pending(&self) -> usize {
        self.arriving().len()
    }

    /// Lets go of memory in which nothing has arrived, of a connection that has been silent.
    pub fn release(&mut self) {
        if self.pending() == 0 {
            *self = Self::new(self.limit);
        }
    }

    fn arriving(&self) -> &BytesMut {
        self.large.as_ref().unwrap_or(&self.shared)
    }

    /// The length of the next frame, once its four bytes have arrived.
    pub fn announced(&self) -> Option<Result<usize, FrameError>> {
        let bytes = self.arriving().first_chunk::<LENGTH_LEN>()?;
        let declared = i32::from_be_bytes(*bytes);
        Some(match usize::try_from(declared) {
            Err(_) => Err(FrameError::Negative(declared)),
            Ok(0) => Err(FrameError::Zero),
            Ok(declared) if declared > self.limit => Err(FrameError::TooLarge { declared, limit: self.limit }),
            Ok(declared) => Ok(declared),
        })
    }
}

/// A part of a frame of `frame_len` bytes for someone who keeps it. What keeps much more memory than its own is copied into
/// memory of its own, so that who counts the bytes that it keeps counts, but for this factor of four, what is held.
pub fn keep(part: BytesMut, frame_len: usize) -> BytesMut {
    let whole = frame_len + LENGTH_LEN;
    let held = if whole > SHARED_MAX { whole } else { ROOM };
    if part.len() * KEPT_TIMES_MAX >= held { part } else { BytesMut::from(&part[..]) }
}

#[cfg(test)]
mod tests;
