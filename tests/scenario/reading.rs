//! Stories of readers: where they may start, how much they get, how long they wait, how they find a time.

use std::time::{Duration, Instant};

use callboard_model::{Compression, ErrorCode, Offset, PartitionIndex, Timestamp};
use callboard_test_client::{FetchFrom, FetchLimits, OffsetAt};

use crate::calls::{
    all, append, batch, compressed, connect, delete_records, epoch_end, fetch, large, now, offset_at, produce, records,
    timed,
};
use crate::rig::Rig;

#[test]
fn below_the_start_and_beyond_the_end_nothing_can_be_read() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    for value in [b"a", b"b", b"c", b"d"] {
        append(&mut client, "orders", batch(&[value]));
    }
    assert_eq!(fetch(&mut client, "orders", 5).error, ErrorCode::OffsetOutOfRange);
    assert_eq!(records(&fetch(&mut client, "orders", 4)), [], "the end itself is where the next record comes");
    assert_eq!(delete_records(&mut client, "orders", 5).0, ErrorCode::OffsetOutOfRange.code());
    assert_eq!(delete_records(&mut client, "orders", 2), (0, 2));
    let refused = fetch(&mut client, "orders", 1);
    assert_eq!((refused.error, refused.log_start_offset), (ErrorCode::OffsetOutOfRange, Offset(2)));
    assert_eq!(all(&mut client, "orders", 0), [(2, b"c".to_vec()), (3, b"d".to_vec())]);
    assert_eq!(delete_records(&mut client, "orders", 1), (0, 2), "a start never moves back");
    rig.restart();
    let mut client = connect(&rig);
    assert_eq!(fetch(&mut client, "orders", 1).error, ErrorCode::OffsetOutOfRange);
    assert_eq!(delete_records(&mut client, "orders", -1), (0, 4), "-1 stands for the high watermark");
    assert_eq!(offset_at(&mut client, "orders", 0, OffsetAt::EARLIEST).0, 4);
    assert_eq!(append(&mut client, "orders", batch(&[b"e"])), 4);
    rig.stop();
}

#[test]
fn an_offset_inside_a_batch_gives_the_whole_batch() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut client, "orders", batch(&[b"a", b"b", b"c"]));
    append(&mut client, "orders", batch(&[b"d", b"e"]));
    for round in 0..2 {
        let offsets = |from| records(&fetch(&mut client, "orders", from)).into_iter().map(|r| r.0).collect::<Vec<_>>();
        let [one, four] = [1, 4].map({
            let mut offsets = offsets;
            move |from| offsets(from)
        });
        assert_eq!((one, four), (vec![0, 1, 2, 3, 4], vec![3, 4]), "round {round}");
        // In the second round nothing is in memory.
        rig.restart();
        client = connect(&rig);
    }
    rig.stop();
}

#[test]
fn the_first_batch_comes_whole_even_if_it_is_larger_than_asked_for() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 2, &[]).expect("a topic");
    for partition in [0, 1] {
        for _ in 0..2 {
            assert_eq!(produce(&mut client, "orders", partition, large(20_000)).error, ErrorCode::None);
        }
    }
    for round in 0..2 {
        let from = [0, 1].map(|partition| FetchFrom {
            topic: "orders",
            partition: PartitionIndex(partition),
            offset: Offset(0),
            max_bytes: 1_000,
        });
        let limits = FetchLimits { max_wait: Duration::ZERO, min_bytes: 1, max_bytes: 1_000 };
        let answers = client.fetch(&from, limits).expect("an answer");
        let counts: Vec<usize> = answers.iter().map(|answer| records(answer).len()).collect();
        assert_eq!(counts, [1, 0], "KIP-74, round {round}");
        rig.restart();
        client = connect(&rig);
    }
    rig.stop();
}

#[test]
fn a_long_poll_ends_with_data_or_with_its_time() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 3, &[]).expect("a topic");
    let from = [0, 1, 2].map(|partition| FetchFrom {
        topic: "orders",
        partition: PartitionIndex(partition),
        offset: Offset(0),
        max_bytes: 1 << 20,
    });
    let mut wait = |max_wait, min_bytes| {
        let began = Instant::now();
        let limits = FetchLimits { max_wait: Duration::from_millis(max_wait), min_bytes, max_bytes: 1 << 20 };
        let answers = client.fetch(&from, limits).expect("an answer");
        (answers.iter().map(|answer| records(answer).len()).sum::<usize>(), began.elapsed())
    };
    let (count, took) = wait(300, 1);
    assert_eq!(count, 0);
    assert!(took >= Duration::from_millis(295) && took < Duration::from_secs(3), "{took:?}");

    // Each batch alone is too little; the three together are enough.
    let mut writer = connect(&rig);
    let writing = std::thread::spawn(move || {
        for partition in 0..3 {
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(produce(&mut writer, "orders", partition, large(1_000)).error, ErrorCode::None);
        }
    });
    let (count, took) = wait(20_000, 3_000);
    writing.join().expect("it was written");
    assert_eq!(count, 3);
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(10), "{took:?}");
    let (count, took) = wait(400, 1 << 19);
    assert_eq!(count, 3, "what is there comes when the time is over");
    assert!(took >= Duration::from_millis(395), "{took:?}");
    rig.stop();
}

#[test]
fn offsets_are_found_by_place_and_by_time_in_plain_and_compressed_batches() {
    let codecs = [(Compression::Gzip, 1), (Compression::Snappy, 2), (Compression::Lz4, 3), (Compression::Zstd, 4)];
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    assert_eq!(offset_at(&mut client, "orders", 0, OffsetAt::EARLIEST).0, 0);
    assert_eq!(offset_at(&mut client, "orders", 0, OffsetAt::LATEST).0, 0);
    assert_eq!(offset_at(&mut client, "orders", 0, OffsetAt::MAX_TIMESTAMP).0, -1, "there is no record");
    assert_eq!(offset_at(&mut client, "orders", 0, Timestamp(0)).0, -1);
    // Five batches of three records, 10 ms apart, each in another codec; the largest time stands in the middle.
    let start = now().0 - 3_600_000;
    let at = |n: i64| Timestamp(start + 10 * n);
    for n in 0..5 {
        let bump = if n == 2 { 1_000 } else { 0 };
        let plain = timed(&[(b"a", at(3 * n)), (b"b", at(3 * n + 1 + bump)), (b"c", at(3 * n + 2))], None);
        let batch = codecs.get(n as usize).map_or(plain.clone(), |(codec, number)| compressed(&plain, *codec, *number));
        assert_eq!(append(&mut client, "orders", batch), 3 * n);
    }
    for round in 0..2 {
        let mut find = |timestamp| {
            let (offset, time, _) = offset_at(&mut client, "orders", 0, timestamp);
            (offset, time - start)
        };
        assert_eq!(find(Timestamp(0)), (0, 0), "round {round}");
        for n in [1, 2, 3, 5, 6] {
            assert_eq!(find(at(n)), (n, 10 * n), "round {round}");
        }
        assert_eq!(find(Timestamp(start + 11)), (2, 20), "the first at or after");
        // From offset 7 on, the record with the largest time is the first at or after any time up to its own.
        assert_eq!(find(at(7)), (7, 10 * 1_007), "round {round}");
        assert_eq!(find(at(1_007)), (7, 10 * 1_007));
        assert_eq!(find(at(1_008)).0, -1, "later than everything");
        assert_eq!(find(OffsetAt::MAX_TIMESTAMP), (7, 10 * 1_007));
        assert_eq!(find(OffsetAt::EARLIEST).0, 0);
        assert_eq!(find(OffsetAt::LATEST).0, 15);
        assert_eq!(find(Timestamp(-4)).0, 0, "the local log's start is the log's start");
        rig.restart();
        client = connect(&rig);
    }
    let wrong = OffsetAt { topic: "none", partition: PartitionIndex(0), timestamp: OffsetAt::LATEST };
    let found = client.list_offsets(&[wrong]).expect("an answer");
    assert_eq!(found[0].error, ErrorCode::UnknownTopicOrPartition);
    rig.stop();
}

#[test]
fn the_end_of_an_epoch_is_known_after_restarts() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut client, "orders", batch(&[b"a", b"b"]));
    let first = offset_at(&mut client, "orders", 0, OffsetAt::LATEST).2;
    assert_eq!(epoch_end(&mut client, "orders", -1, first), (0, first, 2));
    rig.restart();
    let mut client = connect(&rig);
    append(&mut client, "orders", batch(&[b"c"]));
    let second = offset_at(&mut client, "orders", 0, OffsetAt::LATEST).2;
    assert!(second > first, "a new run of the node is a new leadership: {first}, {second}");
    assert_eq!(epoch_end(&mut client, "orders", -1, first), (0, first, 2));
    assert_eq!(epoch_end(&mut client, "orders", second, second), (0, second, 3));
    assert_eq!(epoch_end(&mut client, "orders", -1, second + 1), (0, -1, -1), "an epoch to come");
    assert_eq!(epoch_end(&mut client, "orders", first, first).0, ErrorCode::FencedLeaderEpoch.code());
    assert_eq!(epoch_end(&mut client, "orders", second + 1, first).0, ErrorCode::UnknownLeaderEpoch.code());
    rig.stop();
}
