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
        assert!(room.capacity() - room.len() <= FRAME_RESERVE_MAX.max(4 * arrived), "{arrived}");
        feed(&mut decoder, &[7; 1000]);
        arrived += 1000;
        assert_eq!(decoder.next_frame(), Ok(None));
    }
}

/// Reads `bytes` as a socket gives them, `step` at most at once. Gives the frame and how many buffers its bytes were in.
fn receive(decoder: &mut FrameDecoder, bytes: &[u8], step: usize) -> (BytesMut, usize) {
    let (mut at, mut buffers, mut last) = (0, 0, std::ptr::null());
    while at < bytes.len() {
        let room = decoder.buffer();
        if room.as_ptr() != last {
            (buffers, last) = (buffers + 1, room.as_ptr());
        }
        let read = (room.capacity() - room.len()).min(bytes.len() - at).min(step);
        room.extend_from_slice(&bytes[at..at + read]);
        at += read;
    }
    (decoder.next_frame().expect("legal").expect("whole"), buffers)
}

#[test]
fn a_large_frame_arrives_in_memory_of_its_own_size() {
    let mut decoder = FrameDecoder::new(1 << 21);
    for len in [5_000, 20_000, 300_000, 1 << 20] {
        let (frame, buffers) = receive(&mut decoder, &framed(&vec![1; len]), 20_000);
        assert_eq!((frame.len(), frame.capacity()), (len, len));
        assert!(buffers <= 2, "the head's and its own, not {buffers}");
    }
}

#[test]
fn behind_a_frame_of_medium_size_another_arrives_with_one_read() {
    let mut decoder = FrameDecoder::new(1 << 20);
    let medium = framed(&[1; 16_500]);
    receive(&mut decoder, &medium, usize::MAX);
    for _ in 0..3 {
        let room = decoder.buffer();
        let room = room.capacity() - room.len();
        assert!(room > medium.len(), "a read that is not filled tells that there is no more: {room}");
        assert_eq!(receive(&mut decoder, &medium, usize::MAX), (BytesMut::from(&medium[LENGTH_LEN..]), 1));
    }
    // Other sizes, torn anywhere, and several at once.
    for (n, len) in
        [200, 16_500, 3, 4_000, 9_000, 9_500, 100_000, 10, 16_500, 70, 32_000, 33_000].into_iter().enumerate()
    {
        let body = vec![n as u8; len];
        let (frame, _) = receive(&mut decoder, &framed(&body), 1 + 997 * n);
        assert_eq!(&frame[..], &body[..]);
        assert!(frame.capacity() <= ROOM.max(len), "{len} bytes in {}", frame.capacity());
    }
    receive(&mut decoder, &medium, usize::MAX);
    feed(&mut decoder, &[framed(&[2; 100]), framed(&[3; 30]), framed(&[4; 5_000])].concat());
    let mut next = || decoder.next_frame().expect("legal").map(|frame| (frame[0], frame.len()));
    assert_eq!([next(), next(), next(), next()], [Some((2, 100)), Some((3, 30)), Some((4, 5_000)), None]);
}

#[test]
fn a_frame_larger_than_what_is_reserved_is_moved_twice_at_most() {
    let len = 15 * FRAME_RESERVE_MAX;
    let (frame, buffers) = receive(&mut FrameDecoder::new(len), &framed(&vec![1; len]), 1 << 20);
    assert_eq!((frame.len(), frame.capacity()), (len, len));
    assert!(buffers <= 4, "{buffers}");
}

#[test]
fn the_memory_of_frames_that_are_let_go_is_used_again() {
    let mut decoder = FrameDecoder::new(1 << 20);
    let mut first = None;
    for _ in 0..1_000 {
        let (frame, _) = receive(&mut decoder, &framed(&[9; 200]), 16 * 1024);
        assert_eq!(*first.get_or_insert(frame.as_ptr()), frame.as_ptr());
    }
}

#[test]
fn small_frames_behind_a_large_one_share_a_buffer_again() {
    let mut decoder = FrameDecoder::new(1 << 20);
    receive(&mut decoder, &framed(&[1; 100_000]), usize::MAX);
    let kept: Vec<BytesMut> = (0..50).map(|_| receive(&mut decoder, &framed(&[2; 200]), usize::MAX).0).collect();
    let gaps =
        kept.windows(2).filter(|pair| pair[0].as_ptr_range().end as usize + LENGTH_LEN != pair[1].as_ptr() as usize);
    assert!(gaps.count() <= 1);
}

#[test]
fn what_is_kept_of_a_frame_keeps_no_more_than_four_times_itself() {
    let small = BytesMut::from(&[7; 170][..]);
    let place = small.as_ptr();
    let kept = keep(small, 200);
    assert_ne!(kept.as_ptr(), place);
    assert_eq!((&kept[..], kept.capacity()), (&[7; 170][..], 170));
    for (part, frame, is_copied) in
        [(5_000, 5_100, false), (16_000, 1 << 20, true), (300_000, 1 << 20, false), (3_000, 3_100, true)]
    {
        let bytes = BytesMut::from(&vec![7; part][..]);
        let place = bytes.as_ptr();
        assert_eq!(keep(bytes, frame).as_ptr() != place, is_copied, "{part} of {frame}");
    }
}

#[test]
fn a_silent_decoder_holds_nothing_and_one_inside_a_frame_all_of_it() {
    let mut decoder = FrameDecoder::new(100);
    feed(&mut decoder, &framed(b"he")[..5]);
    decoder.release();
    feed(&mut decoder, b"e");
    assert_eq!(decoder.next_frame(), Ok(Some(BytesMut::from(&b"he"[..]))));
    decoder.release();
    assert_eq!(decoder.shared.capacity(), 0);
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
