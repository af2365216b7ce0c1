//! Any body is a Fetch request or an error.
#![no_main]

use bytes::BytesMut;
use callboard_wire::fetch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (version, body) = input;
    if let Ok(request) = fetch::decode_request(4 + i16::from(version % 14), BytesMut::from(body)) {
        let partitions: usize = request.topics.iter().map(|topic| topic.partitions.len()).sum();
        assert!(partitions <= body.len() / 16);
    }
});
