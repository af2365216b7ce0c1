//! Bytes from a hostile peer: no decoder panics, and none allocates more than a small multiple of what it was given.
//!
//! A counting allocator measures every case on its own thread. Lengths up to `i32::MAX` and compact ones up to `u32::MAX`
//! are written over every position of every legal message.

#![allow(unsafe_code)] // a global allocator cannot be counted without it

mod filled;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use callboard_model::limits::FRAME_RESERVE_MAX;
use callboard_model::{Compression, Offset, Timestamp};
use callboard_wire::frame::FrameDecoder;
use callboard_wire::messages::{self, client};
use callboard_wire::{ApiKey, RequestHeader, api, compression, fetch, lookup, produce};
use proptest::prelude::*;

struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn count(grown: usize, shrunk: usize) {
    // During the end of a thread there is nothing left to count in.
    let _ = LIVE.try_with(|live| {
        let now = (live.get() + grown).saturating_sub(shrunk);
        live.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
    });
}

// SAFETY: every call is handed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that `work` had allocated at once at its worst, and what it gave.
fn measured<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (PEAK.get() - before, result)
}

/// Peak bytes that a decoder may allocate for `given` bytes. The worst case is an array of groups without a name or a topic
/// (OffsetFetch), three bytes each on the wire and 120 in memory, at the moment when its vector grows: old and new one are
/// there together.
fn allowed(given: usize) -> usize {
    1024 + 122 * given
}

fn all_versions() -> impl Iterator<Item = (ApiKey, i16)> {
    ApiKey::ALL.iter().flat_map(|key| api::served_range(*key).map(|version| (*key, version)))
}

/// A legal request without its frame length.
fn legal(key: ApiKey, version: i16) -> Vec<u8> {
    let frame = match key {
        ApiKey::Produce => client::encode_produce(1, Some("tester"), version, &filled::produce_request(version)),
        ApiKey::Fetch => client::encode_fetch(1, Some("tester"), version, &filled::fetch_request(version)),
        _ => client::encode_request(1, Some("tester"), version, &filled::request(key, version)),
    };
    frame.expect("encodes")[4..].to_vec()
}

/// Reads a whole request as a connection does; whether it was legal.
fn read(bytes: &[u8]) -> bool {
    let frame = BytesMut::from(bytes);
    let Ok((header, body)) = RequestHeader::parse(frame) else {
        return false;
    };
    let key = header.api().expect("a parsed header has a known api");
    match key {
        ApiKey::Produce => produce::decode_request(header.version, body).is_ok(),
        ApiKey::Fetch => fetch::decode_request(header.version, body).is_ok(),
        _ => messages::decode_request(key, header.version, body.freeze()).is_ok(),
    }
}

fn check(bytes: &[u8]) -> bool {
    let (peak, legal) = measured(|| read(bytes));
    // The copy into the frame is part of the measure.
    assert!(peak <= allowed(bytes.len()), "{peak} bytes allocated for {} given: {bytes:02x?}", bytes.len());
    legal
}

#[test]
fn every_legal_request_is_read_within_the_bound() {
    for (key, version) in all_versions() {
        assert!(check(&legal(key, version)), "{} {version}", key.name());
    }
}

#[test]
fn every_cut_of_every_request_ends_in_an_error() {
    for (key, version) in all_versions() {
        let whole = legal(key, version);
        for end in 0..whole.len() {
            // ApiVersions 0 to 2 have no body that could be cut.
            assert!(!check(&whole[..end]), "{} {version} cut at {end} of {}", key.name(), whole.len());
        }
    }
}

#[test]
fn every_flipped_bit_of_every_request_is_survived() {
    for (key, version) in all_versions() {
        let mut bytes = legal(key, version);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                check(&bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn huge_lengths_at_every_place_of_every_request_allocate_nothing() {
    let lengths: [&[u8]; 8] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x00, 0xff, 0xff, 0xff],
        &[0x00, 0x01, 0x00, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x80, 0x80, 0x80, 0x80, 0x08],
        &[0xff, 0xff, 0x7f],
        &[0x7f, 0xff],
        &[0xff, 0xff, 0xff, 0xfe],
    ];
    for (key, version) in all_versions() {
        let whole = legal(key, version);
        for at in 8..whole.len() {
            for length in lengths {
                let mut bytes = whole.clone();
                let end = (at + length.len()).min(whole.len());
                bytes[at..end].copy_from_slice(&length[..end - at]);
                check(&bytes);
                // And with much more behind it, so that the length is backed by bytes.
                bytes.truncate(end);
                bytes.resize(end + 2000, 0);
                check(&bytes);
            }
        }
    }
}

#[test]
fn arrays_of_the_smallest_elements_stay_within_the_bound() {
    // One element more than a power of two, so that a vector has just doubled; empty names, empty arrays, no tags.
    let plain = 1025u32.to_be_bytes();
    let compact = [0x82, 0x08];
    let elements: [&[u8]; 7] =
        [&[0], &[1], &[1, 0], &[1, 1, 0], &[1, 1, 1, 0], &[0, 0, 0, 0, 1, 0], &[0, 0, 0, 0, 0, 0]];
    let mut worst = 0;
    for (key, version) in all_versions() {
        let whole = legal(key, version);
        let count = if key.is_flexible(version) { &compact[..] } else { &plain };
        for at in 8..whole.len() {
            for element in elements {
                let mut bytes = whole[..at].to_vec();
                bytes.extend_from_slice(count);
                bytes.extend(element.iter().copied().cycle().take(1025 * element.len()));
                bytes.extend_from_slice(&[0; 8]);
                check(&bytes);
                worst = worst.max(measured(|| read(&bytes)).0 / bytes.len());
            }
        }
    }
    assert!(worst > 20, "{worst}: the test no longer finds the costly arrays");
}

#[test]
fn a_count_that_the_bytes_could_hold_reserves_nothing_before_its_elements_are_read() {
    let plain = 1900u32.to_be_bytes();
    let compact = [0xed, 0x0e];
    for (key, version) in all_versions() {
        let whole = legal(key, version);
        let count = if key.is_flexible(version) { &compact[..] } else { &plain };
        for at in 8..whole.len() {
            let mut bytes = whole[..at].to_vec();
            bytes.extend_from_slice(count);
            // Negative lengths, varints without end; but a legal partition of a commit, fourteen bytes on the wire and 104 in memory.
            bytes.resize(bytes.len() + 2000, 0xfe);
            let (peak, _) = measured(|| read(&bytes));
            assert!(peak <= 1024 + 16 * bytes.len(), "{} {version} at {at}: {peak}", key.name());
        }
    }
}

#[test]
fn the_costliest_request_of_the_largest_size_has_a_price() {
    // CreateTopics with as many configs of three bytes as one array may have, in as many topics as fit.
    let key = ApiKey::CreateTopics;
    let mut bytes = legal(key, 5)[..8].to_vec();
    bytes.extend_from_slice(&[0xff, 0xff, 0]);
    bytes.push(14);
    for _ in 0..13 {
        bytes.extend_from_slice(&[1, 0, 0, 0, 1, 0, 1, 1]);
        bytes.extend_from_slice(&[0xa1, 0x8d, 0x06]);
        bytes.extend(std::iter::repeat_n([1, 0, 0], 100_000).flatten());
        bytes.push(0);
    }
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    assert!(bytes.len() > 3_900_000);
    let (peak, legal) = measured(|| read(&bytes));
    assert!(legal, "the request is legal");
    assert!(peak < 200 * 1024 * 1024, "{peak} bytes");
}

#[test]
fn the_costliest_request_about_groups_has_the_same_price() {
    // OffsetFetch of as many groups as fit, each with as many topics of three bytes as one array may have.
    let key = ApiKey::OffsetFetch;
    let mut bytes = legal(key, 8)[..8].to_vec();
    bytes.extend_from_slice(&[0xff, 0xff, 0]);
    bytes.push(14);
    for _ in 0..13 {
        bytes.push(1);
        bytes.extend_from_slice(&[0xa1, 0x8d, 0x06]);
        bytes.extend(std::iter::repeat_n([1, 1, 0], 100_000).flatten());
        bytes.push(0);
    }
    bytes.extend_from_slice(&[0, 0]);
    assert!(bytes.len() > 3_900_000);
    let (peak, legal) = measured(|| read(&bytes));
    assert!(legal, "the request is legal");
    assert!(peak < 200 * 1024 * 1024, "{peak} bytes");
}

#[test]
fn answers_are_read_by_the_client_side_without_a_panic() {
    for (key, version) in all_versions() {
        let frame: Bytes = match key {
            ApiKey::Produce => produce::encode_response(1, version, &filled::produce_response()).expect("encodes"),
            ApiKey::Fetch => fetch::encode_response(1, version, &filled::fetch_response(version))
                .expect("encodes")
                .segments
                .concat()
                .into(),
            _ => messages::encode_response(1, version, filled::response(key)).expect("encodes"),
        };
        let mut bytes = frame[4..].to_vec();
        for at in 0..bytes.len() {
            for with in [0x00, 0x7f, 0x80, 0xff] {
                let before = std::mem::replace(&mut bytes[at], with);
                let given = Bytes::copy_from_slice(&bytes);
                let (peak, ()) = measured(|| {
                    if let Ok((_, body)) = client::split_response(key, version, given) {
                        let _ = match key {
                            ApiKey::Produce => client::decode_produce(version, body).is_ok(),
                            ApiKey::Fetch => client::decode_fetch(version, body).is_ok(),
                            _ => client::decode_response(key, version, body).is_ok(),
                        };
                    }
                });
                assert!(peak <= allowed(bytes.len()), "{peak} for {}", bytes.len());
                bytes[at] = before;
            }
        }
    }
}

#[test]
fn an_announced_frame_costs_what_has_arrived() {
    for declared in [i32::MAX, 1 << 30, 1 << 20] {
        let (peak, ()) = measured(|| {
            let mut decoder = FrameDecoder::new(usize::MAX);
            decoder.buffer().extend_from_slice(&declared.to_be_bytes());
            assert!(decoder.next_frame().is_ok_and(|frame| frame.is_none()));
            decoder.buffer();
        });
        assert!(peak <= 2 * FRAME_RESERVE_MAX, "{peak} bytes for an announced {declared}");
    }
}

#[test]
fn compressed_bytes_that_promise_much_cost_little() {
    let promises: [(Compression, &[u8]); 5] = [
        // Snappy blocks of 4 GiB and of 60 MiB, and a frame whose block has 2 GiB.
        (Compression::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]),
        (Compression::Snappy, &[0x80, 0x80, 0x80, 0x1e, 0x00]),
        (Compression::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\x7f\xff\xff\xff"),
        // A zstd frame with a content size of 2^64 - 2.
        (Compression::Zstd, &[0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        (Compression::Gzip, &[0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
    ];
    for (codec, bytes) in promises {
        let (peak, read) = measured(|| compression::decompress(codec, bytes).map(|out| out.len()));
        assert!(read.is_err(), "{} {read:?}", codec.name());
        assert!(peak <= 256 * 1024, "{peak} bytes for a broken {} stream", codec.name());
    }
}

/// Random bytes with many zeros and small numbers, which get further into a decoder than noise does.
fn mostly_small() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(0u8), 3 => 1u8..8, 2 => any::<u8>(), 1 => Just(0xffu8)];
    prop::collection::vec(byte, 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_bodies_of_every_api_are_survived(
        which in any::<prop::sample::Index>(),
        body in prop_oneof![mostly_small(), prop::collection::vec(any::<u8>(), 0..400)],
    ) {
        let versions: Vec<_> = all_versions().collect();
        let (key, version) = versions[which.index(versions.len())];
        let mut bytes = legal(key, version)[..8].to_vec();
        bytes.extend_from_slice(&[0xff, 0xff]);
        bytes.extend_from_slice(if key.is_flexible(version) { &[0] } else { &[] });
        bytes.extend_from_slice(&body);
        check(&bytes);
    }

    #[test]
    fn changed_requests_of_every_api_are_survived(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let versions: Vec<_> = all_versions().collect();
        let (key, version) = versions[which.index(versions.len())];
        let mut bytes = legal(key, version);
        for (at, with) in changes {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        check(&bytes);
    }

    #[test]
    fn random_frames_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn random_batches_are_survived_by_the_lookup(
        bytes in prop::collection::vec(any::<u8>(), 61..400),
        codec in 0u8..8,
        target in any::<i64>(),
    ) {
        let mut bytes = bytes;
        let len = bytes.len() as i32 - 12;
        bytes[8..12].copy_from_slice(&len.to_be_bytes());
        bytes[16] = 2;
        bytes[22] = codec;
        let _ = lookup::first_at_or_after(&bytes, Offset::ZERO, Timestamp(target));
        let _ = lookup::max_timestamp(&bytes);
    }
}
