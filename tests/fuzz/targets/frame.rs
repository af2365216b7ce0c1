//! Any stream, in any pieces, gives frames within the limit or an error.
#![no_main]

use callboard_wire::frame::FrameDecoder;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4096;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (step, bytes) = input;
    let mut decoder = FrameDecoder::new(LIMIT);
    let mut taken = 0;
    for piece in bytes.chunks(usize::from(step) + 1) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    assert!(!frame.is_empty() && frame.len() <= LIMIT);
                    taken += frame.len() + 4;
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    assert_eq!(taken + decoder.pending(), bytes.len());
});
