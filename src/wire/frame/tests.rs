use super::*;
use proptest::prelude::*;

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32).to_be_bytes()[..], body].concat()
}

fn feed(decoder: &mut FrameDecoder, bytes: &[u8]) {
    decoder.buffer().extend_from_slice(bytes);
}

#[test]
fn a_frame_comes_out_once_its_last_byte_is_there() {
    let mut decoder = FrameDecoder::new(100);
    for byte in framed(b"hello") {
        assert_eq!(decoder.next_frame(), Ok(None));
        feed(&mut decoder, &[byte]);
    }
    assert_eq!(decoder.next_frame(), Ok(Some(BytesMut::from(&b"hello"[..]))));
    assert_eq!(decoder.next_frame(), Ok(None));
    assert_eq!(decoder.pending(), 0);
}

#[test]
fn impossible_lengths_are_told_apart() {
    let read = |declared: i32| {
        let mut decoder = FrameDecoder::new(100);
        feed(&mut decoder, &declared.to_be_bytes());
        decoder.next_frame()
    };
    assert_eq!(read(-1), Err(FrameError::Negative(-1)));
    assert_eq!(read(i32::MIN), Err(FrameError::Negative(i32::MIN)));
    assert_eq!(read(0), Err(FrameError::Zero));
    assert_eq!(read(101), Err(FrameError::TooLarge { declared: 101, limit: 100 }));
    assert_eq!(read(100), Ok(None));
}

#[test]
fn an_announced_gigabyte_reserves_little_before_it_arrives() {
    let mut decoder = FrameDecoder::new(usize::MAX);
    feed(&mut decoder, &i32::MAX.to_be_bytes());
    let mut arrived = LENGTH_LEN;
    while arrived < 4 * 1024 * 1024 {
        let room = decoder.buffer();
        assert!(room.capacity() > room.len());
        assert!(room.capacity() - room.len() <= FRAME_RESERVE_MAX.max(3 * arrived), "{arrived}");
        feed(&mut decoder, &[7; 1000]);
        arrived += 1000;
        assert_eq!(decoder.next_frame(), Ok(None));
    }
}

#[test]
fn a_large_frame_ends_with_its_own_buffer() {
    let body = vec![1; 300_000];
    let bytes = framed(&body);
    let mut decoder = FrameDecoder::new(1 << 20);
    let mut at = 0;
    while at < bytes.len() {
        let room = decoder.buffer();
        let read = (room.capacity() - room.len()).min(bytes.len() - at).min(20_000);
        room.extend_from_slice(&bytes[at..at + read]);
        at += read;
    }
    let frame = decoder.next_frame().expect("legal").expect("whole");
    assert_eq!(frame.len(), body.len());
    assert!(frame.capacity() <= 4 * body.len());
}

#[test]
fn many_small_frames_share_a_buffer() {
    let mut decoder = FrameDecoder::new(1 << 20);
    let mut buffers = 0;
    let mut last_end = std::ptr::null();
    let mut kept = Vec::new();
    for _ in 0..100 {
        let room = decoder.buffer();
        if room.as_ptr() != last_end {
            buffers += 1;
        }
        room.extend_from_slice(&framed(&[9; 200]));
        let frame = decoder.next_frame().expect("legal").expect("whole");
        last_end = frame.as_ptr_range().end;
        kept.push(frame);
    }
    assert!(buffers <= 3, "{buffers} buffers for 20 kilobytes of kept frames");
}

proptest! {
    #[test]
    fn any_split_of_the_stream_gives_the_same_frames(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..20),
        step in 1usize..300,
    ) {
        let stream: Vec<u8> = bodies.iter().flat_map(|body| framed(body)).collect();
        let mut decoder = FrameDecoder::new(1000);
        let mut frames = Vec::new();
        for piece in stream.chunks(step) {
            feed(&mut decoder, piece);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame.to_vec());
            }
        }
        prop_assert_eq!(frames, bodies);
        prop_assert_eq!(decoder.pending(), 0);
    }

    #[test]
    fn any_bytes_end_in_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut decoder = FrameDecoder::new(50);
        feed(&mut decoder, &bytes);
        while let Ok(Some(frame)) = decoder.next_frame() {
            prop_assert!(!frame.is_empty() && frame.len() <= 50);
        }
    }
}
