//! Stories of what is kept and what goes: restarts, retention, a node in memory.

use std::time::Duration;

use callboard::settings::ByteSize;
use callboard_model::{ErrorCode, Timestamp};
use callboard_test_client::{Client, OffsetAt};

use crate::calls::{all, append, batch, configure, connect, fetch, large, now, offset_at, timed};
use crate::rig::{PATIENCE, Rig, eventually};

fn fill(client: &mut Client, topic: &str, count: i64) {
    for n in 0..count {
        append(client, topic, batch(&[format!("{n}").as_bytes()]));
    }
}

fn expected(count: i64) -> Vec<(i64, Vec<u8>)> {
    (0..count).map(|n| (n, format!("{n}").into_bytes())).collect()
}

#[test]
fn everything_is_there_after_a_stop_in_order() {
    let mut rig = Rig::start();
    for round in 1..=3 {
        let mut client = connect(&rig);
        if round == 1 {
            client.create_topic("orders", 1, &[]).expect("a topic");
            fill(&mut client, "orders", 100);
        }
        assert_eq!(all(&mut client, "orders", 0), expected(100), "round {round}");
        rig.restart();
    }
    let mut client = connect(&rig);
    assert_eq!(append(&mut client, "orders", batch(&[b"more"])), 100);
    rig.stop();
}

#[test]
fn everything_acknowledged_is_there_after_the_node_was_only_dropped() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    fill(&mut client, "orders", 100);
    rig.drop_and_start();
    let mut client = connect(&rig);
    assert_eq!(all(&mut client, "orders", 0), expected(100));
    assert_eq!(append(&mut client, "orders", batch(&[b"more"])), 100);
    rig.stop();
}

#[test]
fn a_node_in_memory_does_the_same_and_forgets_it() {
    let mut rig = Rig::with(|settings| settings.storage.memory = true);
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    fill(&mut client, "orders", 100);
    assert_eq!(all(&mut client, "orders", 0), expected(100));
    assert_eq!(offset_at(&mut client, "orders", 0, Timestamp(now().0 + 60_000)).0, -1);
    assert_eq!(offset_at(&mut client, "orders", 0, Timestamp(0)).0, 0);
    assert!(!rig.data().exists(), "nothing is written");
    rig.restart();
    let mut client = connect(&rig);
    assert_eq!(fetch(&mut client, "orders", 0).error, ErrorCode::UnknownTopicOrPartition);
    rig.stop();
}

#[test]
fn retention_by_time_moves_the_start_and_returns_the_disk() {
    let rig = Rig::with(|settings| {
        settings.storage.generation_bytes = ByteSize(1 << 20);
        settings.storage.wal_bytes = ByteSize(1 << 20);
    });
    let mut client = connect(&rig);
    let wide = [("retention.ms", "86400000"), ("max.message.bytes", "200000")];
    client.create_topic("old", 1, &wide).expect("a topic");
    client.create_topic("kept", 1, &[]).expect("a topic");
    fill(&mut client, "kept", 10);
    // Ten megabytes that are an hour old; random bytes, which do not shrink.
    let hour_ago = Timestamp(now().0 - 3_600_000);
    let mut noise: u64 = 7;
    for _ in 0..100 {
        let value: Vec<u8> = (0..100_000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (noise >> 56) as u8
            })
            .collect();
        append(&mut client, "old", timed(&[(&value, hour_ago)], None));
    }
    let full = disk(&rig);
    assert!(full > 9 << 20, "{full} bytes");
    assert_eq!(offset_at(&mut client, "old", 0, OffsetAt::EARLIEST).0, 0);
    assert_eq!(configure(&mut client, "old", "retention.ms", Some("1000")), 0);
    assert_eq!(configure(&mut client, "old", "segment.ms", Some("1000")), 0);
    let moved = eventually(PATIENCE, || offset_at(&mut client, "old", 0, OffsetAt::EARLIEST).0 == 100);
    assert!(moved, "the start is at {:?}", offset_at(&mut client, "old", 0, OffsetAt::EARLIEST));
    assert_eq!(fetch(&mut client, "old", 0).error, ErrorCode::OffsetOutOfRange);
    let returned = eventually(Duration::from_secs(60), || disk(&rig) < full / 3);
    assert!(returned, "{full} bytes before, {} now", disk(&rig));
    assert_eq!(all(&mut client, "kept", 0), expected(10));
    assert_eq!(append(&mut client, "old", large(100)), 100);
    rig.stop();
}

/// Bytes of all batches' files and tables below the data folder; what the write-ahead log still holds of them goes with the
/// next ones.
pub(crate) fn disk(rig: &Rig) -> u64 {
    fn is_of_records(file: &std::path::Path) -> bool {
        file.extension().is_some_and(|ending| ending == "sst" || ending == "batches")
    }
    fn below(folder: &std::path::Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
        entries
            .flatten()
            .map(|entry| match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => below(&entry.path()),
                Ok(metadata) if is_of_records(&entry.path()) => metadata.len(),
                _ => 0,
            })
            .sum()
    }
    below(rig.data())
}
