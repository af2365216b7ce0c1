//! The four codecs of record batches, with a hard bound on what comes out.
//!
//! Brokers pass compressed batches through untouched; this is for the few who must look inside. Output grows as it is
//! produced: no size that the input declares is believed.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use callboard_model::Compression;
use callboard_model::limits::DECOMPRESSED_BATCH_MAX;

mod snappy;

/// Largest window that a zstd frame may ask for, as a power of two: that of zstd's highest level. The window is address
/// space only until output fills it, and output is bounded.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Why compressed records cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// No legal stream of the codec.
    #[error("records are no legal {codec} stream: {reason}")]
    Corrupt {
        /// The codec's name.
        codec: &'static str,
        /// What the codec says.
        reason: String,
    },
    /// More comes out than the bound allows.
    #[error("{codec} records expand to more than {max} bytes")]
    TooLarge {
        /// The codec's name.
        codec: &'static str,
        /// Bytes allowed.
        max: usize,
    },
}

/// Expands the records of one batch, to at most [`DECOMPRESSED_BATCH_MAX`] bytes. Plain records are given back as they are.
pub fn decompress(codec: Compression, bytes: &[u8]) -> Result<Cow<'_, [u8]>, DecompressError> {
    decompress_within(codec, bytes, DECOMPRESSED_BATCH_MAX)
}

/// Expands the records of one batch to at most `max` bytes.
pub fn decompress_within(codec: Compression, bytes: &[u8], max: usize) -> Result<Cow<'_, [u8]>, DecompressError> {
    let name = codec.name();
    let expanded = match codec {
        Compression::None => return Ok(Cow::Borrowed(bytes)),
        Compression::Gzip => read(name, flate2::bufread::MultiGzDecoder::new(bytes), max),
        Compression::Snappy => snappy::decompress(bytes, max),
        Compression::Lz4 => read(name, lz4_flex::frame::FrameDecoder::new(bytes), max),
        Compression::Zstd => {
            let wrong = |error: io::Error| corrupt(name, &error);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(wrong)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(wrong)?;
            read(name, decoder, max)
        }
    };
    expanded.map(Cow::Owned)
}

fn read(codec: &'static str, from: impl Read, max: usize) -> Result<Vec<u8>, DecompressError> {
    let mut out = Vec::new();
    let one_more = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    from.take(one_more).read_to_end(&mut out).map_err(|error| corrupt(codec, &error))?;
    if out.len() > max { Err(DecompressError::TooLarge { codec, max }) } else { Ok(out) }
}

fn corrupt(codec: &'static str, reason: &dyn std::fmt::Display) -> DecompressError {
    DecompressError::Corrupt { codec, reason: reason.to_string() }
}

/// Compresses records as Kafka's own clients do: gzip and zstd at their default levels, snappy in the xerial framing, lz4
/// frames of independent 64 KiB blocks.
pub fn compress(codec: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
    compress_at(codec, None, bytes)
}

/// The same at a level of gzip (0 to 9) or zstd (up to 22); the other codecs have none.
pub fn compress_at(codec: Compression, level: Option<i32>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        Compression::None => Ok(bytes.to_vec()),
        Compression::Gzip => {
            let level = level.and_then(|level| u32::try_from(level).ok());
            let level = level.map_or_else(flate2::Compression::default, |level| flate2::Compression::new(level.min(9)));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Compression::Snappy => snappy::compress(bytes).map_err(io::Error::other),
        Compression::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .block_size(lz4_flex::frame::BlockSize::Max64KB)
                .block_mode(lz4_flex::frame::BlockMode::Independent);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes)?;
            encoder.finish().map_err(io::Error::other)
        }
        Compression::Zstd => zstd::stream::encode_all(bytes, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)),
    }
}

#[cfg(test)]
mod tests;
