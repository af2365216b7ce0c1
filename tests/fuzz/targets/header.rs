//! Any frame is a header and a body, or an error.
#![no_main]

use bytes::BytesMut;
use callboard_wire::RequestHeader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((header, body)) = RequestHeader::parse(BytesMut::from(bytes)) {
        assert!(header.api().is_some());
        assert!(body.len() <= bytes.len() - 8);
    }
});
