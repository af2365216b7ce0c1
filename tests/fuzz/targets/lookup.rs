//! Any bytes that look like a batch are searched or an error.
#![no_main]

use callboard_model::{HEADER_LEN, Offset, Timestamp};
use callboard_wire::lookup::{first_at_or_after, max_timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (i64, i64, Vec<u8>)| {
    let (from, target, mut bytes) = input;
    if bytes.len() >= HEADER_LEN {
        let len = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&len.to_be_bytes());
        bytes[16] = 2;
    }
    if let Ok(Some(found)) = first_at_or_after(&bytes, Offset(from), Timestamp(target)) {
        assert!(found.offset.0 >= from && found.timestamp.0 >= target);
    }
    let _ = max_timestamp(&bytes);
});
