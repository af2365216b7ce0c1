//! Any frame is a request of a served (API, version), or an error.
#![no_main]

use bytes::BytesMut;
use callboard_wire::{ApiKey, RequestHeader, api, fetch, messages, produce};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, Vec<u8>)| {
    let (which, version, mut rest) = input;
    let key = ApiKey::ALL[usize::from(which) % ApiKey::ALL.len()];
    let versions: Vec<i16> = api::served_range(key).collect();
    let version = versions[usize::from(version) % versions.len()];
    let mut frame = BytesMut::new();
    frame.extend_from_slice(&key.code().to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1]);
    frame.extend_from_slice(&rest);
    rest.clear();
    let Ok((header, body)) = RequestHeader::parse(frame) else { return };
    let _ = match key {
        ApiKey::Produce => produce::decode_request(header.version, body).is_ok(),
        ApiKey::Fetch => fetch::decode_request(header.version, body).is_ok(),
        _ => messages::decode_request(key, header.version, body.freeze()).is_ok(),
    };
});
