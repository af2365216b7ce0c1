//! The journal on disk: the contract, reopening, generations, readers beside maintenance.

/// What the tests of one kind of journal begin with, and the contract on it.
macro_rules! journals {
    ($options:expr) => {
        fn small() -> Options {
            $options
        }

        fn open(folder: &Path) -> RocksStorage {
            RocksStorage::open(folder, Opening::CreateIfMissing, &small()).expect("opens")
        }

        fn fresh() -> (tempfile::TempDir, RocksStorage) {
            let folder = tempfile::tempdir().expect("a folder");
            let storage = open(folder.path());
            (folder, storage)
        }

        crate::contract_tests!(fresh());
    };
}

mod crash;
mod damaged;
mod full_disk;
mod generations;
mod spilling;
mod through;

use std::path::Path;
use std::sync::Arc;

use callboard_model::PartitionIndex;

use super::*;
use crate::contract::{append, topic, walk};

// Bounds small enough that every test crosses them.
journals!(Options {
    generation_bytes: 24 << 10,
    generation_age: Some(std::time::Duration::from_secs(4)),
    memtables_bytes: 512 << 10,
    wal_bytes: 256 << 10,
    block_cache_bytes: 1 << 20,
    open_files: 64,
    disk_reserve_bytes: 0,
    evacuate_below_percent: 60,
    evacuate_after: Some(std::time::Duration::from_secs(2)),
    evacuate_bytes: 16 << 10,
    spill_group_bytes: usize::MAX,
    spill_batch_bytes: usize::MAX,
    accept_data_loss: false,
});

#[test]
fn random_walks_end_where_a_plain_model_does() {
    let seeds = std::env::var("CALLBOARD_WALK_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        let folder = tempfile::tempdir().expect("a folder");
        walk::walk(seed, 400, &mut |before| {
            drop(before);
            Arc::new(open(folder.path()))
        });
    }
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let (folder, storage) = fresh();
    assert!(storage.recovery().created && !storage.recovery().clean);
    let log = storage.create_log(topic(1), PartitionIndex(4), RetentionClass::UNBOUNDED).expect("creates");
    append(&storage, log, &[3, 4]);
    let entries = storage.logs();
    storage.close().expect("closes");
    drop(storage);
    let storage = open(folder.path());
    assert!(storage.recovery().clean && !storage.recovery().created);
    assert_eq!(storage.logs(), entries);
    assert_eq!(storage.end_offset(log), Ok(Offset(7)));
    drop(storage);
    assert!(!open(folder.path()).recovery().clean, "a clean mark counts once");
}

#[test]
fn ten_thousand_logs_are_opened_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { disk_reserve_bytes: 0, ..Options::default() };
    let storage = RocksStorage::open(folder.path(), Opening::CreateIfMissing, &options).expect("opens");
    let class = RetentionClass::UNBOUNDED;
    let new: Vec<_> = (0..10_000).map(|n| NewLog { topic: topic(1), partition: PartitionIndex(n), class }).collect();
    let logs = storage.create_logs(&new).expect("creates");
    for log in &logs {
        append(&storage, *log, &[1]);
    }
    storage.sync_wal().expect("syncs");
    drop(storage);
    let begun = std::time::Instant::now();
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &options).expect("opens");
    let took = begun.elapsed();
    println!("opened 10,000 logs in {took:?}");
    assert_eq!(storage.logs().len(), 10_000);
    let begun = std::time::Instant::now();
    assert!(logs.iter().all(|log| storage.end_offset(*log) == Ok(Offset(1))));
    println!("found 10,000 ends in {:?}", begun.elapsed());
    println!("memory of the journal: {:?}", storage.usage().expect("counts").memory);
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        status.lines().filter(|line| line.starts_with("VmRSS")).for_each(|line| println!("{line}"));
    }
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
}
