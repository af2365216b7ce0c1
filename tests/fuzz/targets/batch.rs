//! Any bytes are batches and records, or an error. With a right length and magic put in, so that the fuzzer gets past them.
#![no_main]

use bytes::BytesMut;
use callboard_model::{BatchHeader, Batches, CheckedBatch, HEADER_LEN, Records};
use libfuzzer_sys::fuzz_target;

fn walk(bytes: &[u8]) {
    for batch in Batches::verified(bytes) {
        let _ = batch.is_ok();
    }
    for batch in Batches::new(bytes) {
        let Ok((header, batch)) = batch else { break };
        assert!(batch.len() == header.len && batch.len() >= HEADER_LEN);
        let mut read: i64 = 0;
        for record in Records::new(header, &batch[HEADER_LEN..]) {
            if record.is_err() {
                break;
            }
            read += 1;
        }
        assert!(read <= i64::from(header.count).max(0));
    }
    let _ = CheckedBatch::new(BytesMut::from(bytes));
}

fuzz_target!(|bytes: &[u8]| {
    walk(bytes);
    if bytes.len() >= HEADER_LEN {
        let mut whole = bytes.to_vec();
        let len = (whole.len() - 12) as i32;
        whole[8..12].copy_from_slice(&len.to_be_bytes());
        whole[16] = 2;
        walk(&whole);
        assert!(BatchHeader::read(&whole).is_ok());
    }
});
