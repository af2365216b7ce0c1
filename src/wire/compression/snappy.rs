//! Snappy, raw or in the framing of the xerial library that Java clients use.
//!
//! ```text
//! 82 'SNAPPY' 00 | version i32 | lowest compatible version i32 | ( length i32, raw block )*
//! ```

use callboard_model::Compression;

use super::{DecompressError, corrupt};

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
/// Magic and two versions.
const HEADER_LEN: usize = 16;
/// Bytes of input in a block that we write; the xerial library's own choice.
const BLOCK: usize = 32 * 1024;
/// Snappy's densest element makes 64 bytes out of 3: a block that declares more than this many times itself lies.
const EXPANSION_MAX: usize = 22;

fn name() -> &'static str {
    Compression::Snappy.name()
}

pub(super) fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    let mut out = Vec::new();
    if !bytes.starts_with(MAGIC) {
        block(bytes, &mut out, max)?;
        return Ok(out);
    }
    let mut rest = bytes.get(HEADER_LEN..).ok_or_else(|| corrupt(name(), &"the stream ends in its header"))?;
    while !rest.is_empty() {
        let (len, tail) =
            rest.split_first_chunk::<4>().ok_or_else(|| corrupt(name(), &"the stream ends in a length"))?;
        let len = i32::from_be_bytes(*len);
        let cut = usize::try_from(len).ok().and_then(|len| tail.split_at_checked(len));
        let (raw, tail) = cut.ok_or_else(|| corrupt(name(), &format_args!("a block declares {len} bytes")))?;
        block(raw, &mut out, max)?;
        rest = tail;
    }
    Ok(out)
}

fn block(raw: &[u8], out: &mut Vec<u8>, max: usize) -> Result<(), DecompressError> {
    let declared = snap::raw::decompress_len(raw).map_err(|error| corrupt(name(), &error))?;
    if declared > raw.len().saturating_mul(EXPANSION_MAX) {
        return Err(corrupt(name(), &format_args!("a block of {} bytes declares {declared}", raw.len())));
    }
    let start = out.len();
    if declared > max - start {
        return Err(DecompressError::TooLarge { codec: name(), max });
    }
    out.resize(start + declared, 0);
    let written = snap::raw::Decoder::new().decompress(raw, &mut out[start..]);
    let written = written.map_err(|error| corrupt(name(), &error))?;
    out.truncate(start + written);
    Ok(())
}

pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>, snap::Error> {
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for piece in bytes.chunks(BLOCK) {
        let raw = encoder.compress_vec(piece)?;
        out.extend_from_slice(&(raw.len() as i32).to_be_bytes());
        out.extend_from_slice(&raw);
    }
    Ok(out)
}
