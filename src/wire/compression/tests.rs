use super::*;
use proptest::prelude::*;

const CODECS: [Compression; 4] = [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn text() -> Vec<u8> {
    (0..5000u32).flat_map(|number| format!("flight {number} of carrier {}\n", number % 7).into_bytes()).collect()
}

#[test]
fn every_codec_gives_back_what_it_took() {
    for codec in CODECS {
        for plain in [&b""[..], b"x", &text(), &vec![0; 200_000]] {
            let packed = compress(codec, plain).expect("packs");
            assert_eq!(decompress(codec, &packed).as_deref(), Ok(plain), "{}", codec.name());
        }
    }
}

#[test]
fn a_higher_level_packs_smaller_and_every_level_of_kafka_s_is_read_back() {
    let plain = text();
    for (codec, levels) in [(Compression::Gzip, &[1, 6, 9][..]), (Compression::Zstd, &[-131_072, -1, 1, 3, 19, 22])] {
        let lens: Vec<usize> = levels
            .iter()
            .map(|level| {
                let packed = compress_at(codec, Some(*level), &plain).expect("packs");
                assert_eq!(decompress(codec, &packed).as_deref(), Ok(&plain[..]), "{} {level}", codec.name());
                packed.len()
            })
            .collect();
        assert!(lens.first() > lens.last(), "{}: {lens:?}", codec.name());
    }
    for codec in CODECS {
        assert_eq!(compress_at(codec, None, &plain).expect("packs"), compress(codec, &plain).expect("packs"));
    }
}

#[test]
fn plain_records_are_given_back_without_a_copy() {
    let plain = b"records";
    let given = decompress(Compression::None, plain).expect("plain");
    assert_eq!(given.as_ptr(), plain.as_ptr());
}

#[test]
fn a_bomb_is_stopped_at_the_bound() {
    let plain = vec![0; 10 << 20];
    for codec in CODECS {
        let packed = compress(codec, &plain).expect("packs");
        let name = codec.name();
        let max = plain.len() - 1;
        assert_eq!(decompress_within(codec, &packed, max), Err(DecompressError::TooLarge { codec: name, max }));
        assert_eq!(decompress_within(codec, &packed, plain.len()).map(|out| out.len()), Ok(plain.len()), "{name}");
        let max = 1000;
        assert_eq!(decompress_within(codec, &packed, max), Err(DecompressError::TooLarge { codec: name, max }));
    }
}

#[test]
fn raw_snappy_is_read_too() {
    let packed = snap::raw::Encoder::new().compress_vec(&text()).expect("packs");
    assert_eq!(decompress(Compression::Snappy, &packed).as_deref(), Ok(&text()[..]));
}

#[test]
fn a_snappy_block_that_declares_more_than_it_can_hold_reserves_nothing() {
    // A varint of 60 MiB and one byte of content, raw and framed.
    let raw = [0x80, 0x80, 0x80, 0x1e, 0];
    let framed = [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05"[..], &raw].concat();
    for bytes in [&raw[..], &framed] {
        let reason = "a block of 5 bytes declares 62914560".to_owned();
        assert_eq!(decompress(Compression::Snappy, bytes), Err(DecompressError::Corrupt { codec: "snappy", reason }));
    }
}

#[test]
fn the_densest_snappy_stream_stays_within_the_assumed_expansion() {
    for len in [1, 64, 1000, 65_536, 1 << 20] {
        let packed = snap::raw::Encoder::new().compress_vec(&vec![0; len]).expect("packs");
        assert_eq!(decompress(Compression::Snappy, &packed).map(|out| out.len()), Ok(len));
    }
}

#[test]
fn lz4_blocks_of_every_size_and_dependence_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            let info = FrameInfo::new().block_size(size).block_mode(mode).content_checksum(true).block_checksums(true);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(&text()).expect("packs");
            let packed = encoder.finish().expect("packs");
            assert_eq!(decompress(Compression::Lz4, &packed).as_deref(), Ok(&text()[..]), "{size:?}");
        }
    }
}

#[test]
fn streams_after_one_another_are_one_stream_where_the_codec_says_so() {
    for codec in [Compression::Gzip, Compression::Zstd] {
        let twice = [compress(codec, b"one ").expect("packs"), compress(codec, b"two").expect("packs")].concat();
        assert_eq!(decompress(codec, &twice).as_deref(), Ok(&b"one two"[..]), "{}", codec.name());
    }
}

#[test]
fn every_cut_ends_without_a_panic_and_never_in_the_whole_text() {
    for codec in CODECS {
        let plain = &text()[..3000];
        let packed = compress(codec, plain).expect("packs");
        for end in 0..packed.len() {
            let whole = decompress(codec, &packed[..end]).is_ok_and(|out| out.len() == plain.len());
            // Behind the last block of an lz4 frame comes only its end mark.
            assert!(!whole || end + 4 >= packed.len(), "{} cut at {end} of {}", codec.name(), packed.len());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_stream_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for codec in CODECS {
            let _ = decompress_within(codec, &bytes, 1 << 20);
        }
    }

    #[test]
    fn changed_streams_stay_within_the_bound(
        plain in prop::collection::vec(0u8..4, 0..2000),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        for codec in CODECS {
            let mut packed = compress(codec, &plain).expect("packs");
            let at = at.index(packed.len());
            packed[at] = with;
            if let Ok(out) = decompress_within(codec, &packed, 10_000) {
                prop_assert!(out.len() <= 10_000);
            }
        }
    }
}
