//! Any body is a Produce request or an error; what is carved out of it never exceeds it.
#![no_main]

use bytes::BytesMut;
use callboard_wire::produce;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (version, body) = input;
    let version = 3 + i16::from(version % 9);
    if let Ok(request) = produce::decode_request(version, BytesMut::from(body)) {
        let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        let carved: usize = partitions.filter_map(|partition| partition.records.as_ref()).map(BytesMut::len).sum();
        assert!(carved <= body.len());
    }
});
