//! Any bytes are a stream of a codec or an error, and nothing exceeds the bound; what we pack, we unpack.
#![no_main]

use callboard_model::Compression;
use callboard_wire::compression::{compress, decompress_within};
use libfuzzer_sys::fuzz_target;

const MAX: usize = 1 << 20;

fuzz_target!(|input: (u8, &[u8])| {
    let (which, bytes) = input;
    let codecs = [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let codec = codecs[usize::from(which) % codecs.len()];
    if let Ok(out) = decompress_within(codec, bytes, MAX) {
        assert!(out.len() <= MAX);
    }
    let packed = compress(codec, bytes).expect("memory takes every byte");
    assert_eq!(decompress_within(codec, &packed, MAX).as_deref(), Ok(bytes));
});
