//! Space: sealing, dropping, evacuating, with readers in between.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use callboard_model::{Batches, LogWrite, Timestamp};

use super::*;
use crate::contract::{batch, write};

/// Fills a log with batches of 2 KiB, ten records each.
fn fill(storage: &RocksStorage, log: LogId, batches: usize) {
    for _ in 0..batches {
        let base = storage.end_offset(log).expect("there").0;
        let stored = batch(base, 10, &[base as u8; 2000]);
        assert_eq!(storage.apply(&[write(log, vec![LogWrite::Append(stored)])]), [Ok(())]);
    }
}

fn set_start(storage: &RocksStorage, log: LogId, start: Offset) {
    assert_eq!(storage.apply(&[write(log, vec![LogWrite::SetStart(start)])]), [Ok(())]);
}

fn stored_bytes(folder: &Path) -> u64 {
    let parts = ["db", "payload"].map(|part| std::fs::read_dir(folder.join(part)));
    let files = parts.into_iter().flatten().flat_map(|files| files.flatten());
    let tables = files.filter(|file| file.path().extension().is_some_and(|found| found == "sst" || found == "batches"));
    tables.map(|file| file.metadata().map_or(0, |meta| meta.len())).sum()
}

fn read_all(storage: &RocksStorage, log: LogId) -> Vec<i64> {
    let (mut from, mut found) = (storage.start_offset(log).expect("there"), Vec::new());
    loop {
        let read = storage.read(log, from, Offset(i64::MAX), 10_000, true).expect("reads");
        if read.bytes.is_empty() {
            return found;
        }
        for item in Batches::verified(&read.bytes) {
            found.push(item.expect("verified").0.base_offset.0);
        }
        from = read.next;
    }
}

#[test]
fn a_generation_is_sealed_at_its_size_and_logs_go_on_in_the_next() {
    let (_folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    fill(&storage, log, 60);
    let generations = storage.usage().expect("counts").generations;
    assert!(generations.len() >= 4, "{generations:?}");
    assert_eq!(generations.iter().filter(|info| !info.sealed).count(), 1);
    assert_eq!(read_all(&storage, log), (0..60).map(|n| n * 10).collect::<Vec<_>>());
}

#[test]
fn a_generation_goes_when_all_logs_have_moved_past_and_the_disk_comes_back() {
    let (folder, storage) = fresh();
    let [one, two] = [0, 1].map(|partition| {
        storage.create_log(topic(1), PartitionIndex(partition), RetentionClass::UNBOUNDED).expect("creates")
    });
    for _ in 0..30 {
        fill(&storage, one, 2);
        fill(&storage, two, 2);
    }
    storage.maintain(Timestamp(0)).expect("maintains");
    for generation in storage.generations.all() {
        let handle = storage.generation_handle(generation.seq).expect("there");
        storage.db.flush_cf(&handle).expect("flushes");
    }
    let before = stored_bytes(folder.path());
    assert!(before > 200_000, "{before}");
    set_start(&storage, one, Offset(590));
    let report = storage.maintain(Timestamp(1)).expect("maintains");
    assert_eq!(report.dropped, [0u32; 0], "log two still has records everywhere");
    set_start(&storage, two, Offset(590));
    let report = storage.maintain(Timestamp(2)).expect("maintains");
    assert!(report.dropped.len() >= 8 && report.dropped_bytes > 150_000, "{report:?}");
    let after = stored_bytes(folder.path());
    assert!(after < before / 4, "{after} of {before} bytes are left");
    assert_eq!(read_all(&storage, one), [590]);
    drop(storage);
    let storage = open(folder.path());
    assert_eq!(read_all(&storage, two), [590]);
    assert_eq!(storage.end_offset(one), Ok(Offset(600)));
}

#[test]
fn logs_without_new_records_keep_their_end_when_all_their_records_are_dropped() {
    let (folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    fill(&storage, log, 30);
    set_start(&storage, log, Offset(300));
    for second in 0..3 {
        storage.maintain(Timestamp(second * 1000)).expect("maintains");
    }
    assert!(storage.usage().expect("counts").generations.is_empty());
    for storage in [storage, open_copy(folder.path())] {
        assert_eq!(storage.end_offset(log), Ok(Offset(300)));
        fill(&storage, log, 1);
        assert_eq!(read_all(&storage, log), [300]);
    }
}

/// The same data in another folder, as after a killed process.
fn open_copy(folder: &Path) -> RocksStorage {
    let copy = crash::copy_of(folder);
    open(&copy.keep())
}

#[test]
fn an_old_generation_is_sealed_by_its_age() {
    let (_folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    fill(&storage, log, 1);
    assert_eq!(storage.maintain(Timestamp(10_000)).expect("maintains").sealed, [0u32; 0]);
    assert_eq!(storage.maintain(Timestamp(13_999)).expect("maintains").sealed, [0u32; 0]);
    assert_eq!(storage.maintain(Timestamp(14_000)).expect("maintains").sealed, [0]);
    fill(&storage, log, 1);
    assert_eq!(read_all(&storage, log), [0, 10]);
    assert_eq!(storage.usage().expect("counts").generations.len(), 2);
}

#[test]
fn topics_of_different_retention_do_not_hold_each_other_up() {
    let (_folder, storage) = fresh();
    let short = RetentionClass::of_retention(Some(Duration::from_secs(60)));
    let quick = storage.create_log(topic(1), PartitionIndex(0), short).expect("creates");
    let slow = storage.create_log(topic(2), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    for _ in 0..20 {
        fill(&storage, quick, 2);
        fill(&storage, slow, 2);
    }
    set_start(&storage, quick, Offset(400));
    let dropped = storage.maintain(Timestamp(0)).expect("maintains").dropped.len();
    assert!(dropped >= 2, "{dropped}");
    let left = storage.usage().expect("counts").generations;
    assert!(left.iter().filter(|info| info.class == short).count() <= 1, "{left:?}");
    assert_eq!(read_all(&storage, slow).len(), 40);
}

#[test]
fn what_few_hold_up_is_copied_and_its_space_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    // Many blocks to a generation: what is alive is estimated by blocks.
    let options = Options { generation_bytes: 512 << 10, evacuate_bytes: 64 << 10, ..small() };
    let open = || RocksStorage::open(folder.path(), Opening::CreateIfMissing, &options).expect("opens");
    let storage = open();
    let [busy, rare] = [0, 1].map(|partition| {
        storage.create_log(topic(1), PartitionIndex(partition), RetentionClass::UNBOUNDED).expect("creates")
    });
    for _ in 0..150 {
        fill(&storage, busy, 9);
        fill(&storage, rare, 1);
    }
    let expected = read_all(&storage, rare);
    set_start(&storage, busy, Offset(13_495));
    let held: BTreeSet<u32> = storage.usage().expect("counts").generations.iter().map(|info| info.seq).collect();
    assert!(held.len() >= 6, "{held:?}");
    let mut copied = 0;
    for second in 0..20 {
        let report = storage.maintain(Timestamp(second * 1000)).expect("maintains");
        assert_eq!(report.damaged, []);
        assert!(report.evacuated_bytes <= 70_000, "bounded work: {report:?}");
        assert!(second >= 2 || report.evacuated_bytes == 0, "first it is seen whether retention does it");
        copied += report.evacuated_bytes;
        assert_eq!(read_all(&storage, rare), expected, "second {second}");
        // Sealed generations are written out meanwhile; what is alive is counted in files.
        std::thread::sleep(Duration::from_millis(20));
    }
    let rare_bytes = 150 * 2061;
    // Once out of the old generations, and once more out of the one that still took the busy log's appends then.
    assert!(copied > rare_bytes / 2 && copied <= 2 * rare_bytes, "{copied} of {rare_bytes}");
    let left = storage.usage().expect("counts").generations;
    let old = left.iter().filter(|info| held.contains(&info.seq)).count();
    assert!(old <= 2, "of {} generations {old} are left: {left:?}", held.len());
    drop(storage);
    let storage = open();
    assert_eq!(read_all(&storage, rare), expected);
    assert_eq!(read_all(&storage, busy), [13_490]);
    // What was moved can be cut like any other part of the log.
    let cut = [write(rare, vec![LogWrite::Truncate(Offset(55))])];
    assert_eq!(storage.apply(&cut), [Ok(())]);
    assert_eq!(read_all(&storage, rare), [0, 10, 20, 30, 40]);
}

#[test]
fn readers_see_whole_logs_while_generations_come_and_go() {
    let (_folder, storage) = fresh();
    let storage = Arc::new(storage);
    let logs: Vec<_> = (0..4)
        .map(|n| storage.create_log(topic(1), PartitionIndex(n), RetentionClass::UNBOUNDED).expect("creates"))
        .collect();
    logs.iter().for_each(|log| fill(&storage, *log, 3));
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|reader: usize| {
            let (storage, logs, done) = (Arc::clone(&storage), logs.clone(), Arc::clone(&done));
            std::thread::spawn(move || {
                let mut reads = 0usize;
                while !done.load(Ordering::Relaxed) {
                    let log = logs[(reads + reader) % logs.len()];
                    reads += 1;
                    let from = storage.start_offset(log).expect("there");
                    match storage.read(log, from, Offset(i64::MAX), 50_000, true) {
                        // The start may have moved since it was asked for.
                        Err(StorageError::OutOfRange { start, .. }) if start > from => {}
                        Err(error) => panic!("{error}"),
                        Ok(read) => {
                            let mut next = from;
                            for item in Batches::verified(&read.bytes) {
                                let (header, _) = item.expect("whole");
                                assert!(header.base_offset <= next && next < header.end_offset(), "a hole at {next}");
                                next = header.end_offset();
                            }
                            assert_eq!(next, read.next);
                        }
                    }
                }
                reads
            })
        })
        .collect();
    let mut dropped = 0;
    for round in 0..150 {
        for (at, log) in logs.iter().enumerate() {
            fill(&storage, *log, 1 + at);
            // The last log keeps far more than the others and so holds their generations up.
            let keep = if at == 3 { 1500 } else { 100 };
            let end = storage.end_offset(*log).expect("there").0;
            set_start(&storage, *log, Offset((end - keep).max(0)));
        }
        dropped += storage.maintain(Timestamp(round * 1000)).expect("maintains").dropped.len();
    }
    done.store(true, Ordering::Relaxed);
    let reads: usize = readers.into_iter().map(|reader| reader.join().expect("no reader fails")).sum();
    assert!(dropped > 20 && reads > 100, "{dropped} dropped, {reads} reads");
}

#[test]
fn maintenance_beside_a_writer_takes_nothing_that_is_alive() {
    let (_folder, storage) = fresh();
    let storage = Arc::new(storage);
    let filler = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    let new: Vec<_> = (0..400)
        .map(|n| NewLog { topic: topic(2), partition: PartitionIndex(n), class: RetentionClass::UNBOUNDED })
        .collect();
    let logs = storage.create_logs(&new).expect("creates");
    let writing = {
        let (storage, logs) = (Arc::clone(&storage), logs.clone());
        std::thread::spawn(move || {
            // Generations that are dead but for one young log, sealed by their size every few writes.
            for log in logs {
                fill(&storage, filler, 5);
                set_start(&storage, filler, storage.end_offset(filler).expect("there"));
                fill(&storage, log, 1);
            }
        })
    };
    let (mut now, mut dropped) = (0, 0);
    while !writing.is_finished() {
        now += 100;
        dropped += storage.maintain(Timestamp(now)).expect("maintains").dropped.len();
    }
    writing.join().expect("the writer ends");
    assert!(logs.iter().all(|log| read_all(&storage, *log) == [0]));
    println!("{dropped} generations were dropped meanwhile");
}

#[test]
fn checkpoints_are_made_while_generations_and_segments_come_and_go() {
    let (_folder, storage) = fresh();
    let storage = Arc::new(storage);
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    let done = Arc::new(AtomicBool::new(false));
    let beside = |step: fn(&RocksStorage, i64)| {
        let (storage, done) = (Arc::clone(&storage), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut steps = 0;
            while !done.load(Ordering::Relaxed) {
                steps += 1;
                step(&storage, steps);
            }
            steps
        })
    };
    let checkpoints = beside(|storage, _| storage.checkpoint().expect("writes tables"));
    let upkeep = beside(|storage, step| drop(storage.maintain(Timestamp(step * 100)).expect("maintains")));
    for _ in 0..400 {
        fill(&storage, log, 7);
        set_start(&storage, log, storage.end_offset(log).expect("there"));
    }
    done.store(true, Ordering::Relaxed);
    let (checkpoints, upkeep) = (checkpoints.join().expect("none fails"), upkeep.join().expect("none fails"));
    assert!(checkpoints > 3 && upkeep > 3, "{checkpoints} checkpoints, {upkeep} times of upkeep");
}

#[test]
fn what_is_in_memory_is_read_without_the_disk_and_what_is_not_is_told() {
    let (folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    fill(&storage, log, 8);
    let all = |storage: &RocksStorage, at_once: bool| match at_once {
        true => storage.read_at_once(log, Offset(0), Offset(80), 1 << 20, true).expect("reads"),
        false => storage.read(log, Offset(0), Offset(80), 1 << 20, true).map(Some).expect("reads"),
    };
    let written = all(&storage, true).expect("just written");
    assert_eq!((written.next, Some(&written)), (Offset(80), all(&storage, false).as_ref()));
    let outside = storage.read_at_once(log, Offset(81), Offset(90), 1 << 20, true);
    assert!(matches!(outside, Err(StorageError::OutOfRange { .. })), "{outside:?}");
    storage.close().expect("closes");
    drop(storage);
    let storage = open(folder.path());
    assert_eq!(all(&storage, true), None, "neither the log's end nor its tables were looked at");
    assert_eq!(all(&storage, false).as_ref(), Some(&written));
    assert_eq!(all(&storage, true).as_ref(), Some(&written), "once read, it is");
}

#[test]
fn a_dropped_log_s_generations_go_too() {
    let (_folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    fill(&storage, log, 30);
    storage.drop_logs(&[log]).expect("drops");
    storage.maintain(Timestamp(0)).expect("maintains");
    storage.maintain(Timestamp(1)).expect("maintains");
    assert!(storage.usage().expect("counts").generations.is_empty());
}

fn compacted() -> RetentionClass {
    let cleanup_policy = callboard_model::CleanupPolicy { delete: false, compact: true };
    RetentionClass::of(&callboard_model::LogConfig { cleanup_policy, ..callboard_model::LogConfig::default() })
}

/// What compaction leaves: of all batches up to the end every tenth, and the last.
fn compact(storage: &RocksStorage, log: LogId) {
    let until = storage.end_offset(log).expect("there");
    let (start, mut kept) = (storage.start_offset(log).expect("there"), Vec::new());
    let headers = storage.headers(log, start).expect("reads");
    for header in &headers {
        if header.end_offset() == until || header.base_offset.0 % 100 == 0 {
            kept.push(batch(header.base_offset.0, 10, &[7; 50]));
        }
    }
    let from = headers.first().map_or(start, |first| first.base_offset);
    let replace = LogWrite::Replace { from, until, batches: kept };
    assert_eq!(storage.apply(&[write(log, vec![replace])]), [Ok(())]);
}

#[test]
fn survivors_lie_apart_and_what_they_leave_behind_goes_with_its_generation() {
    let (folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), compacted()).expect("creates");
    fill(&storage, log, 200);
    let before: Vec<_> = storage.usage().expect("counts").generations.iter().map(|info| info.seq).collect();
    compact(&storage, log);
    let expected: Vec<_> = (0..20).map(|n| n * 100).chain([1990]).collect();
    assert_eq!(read_all(&storage, log), expected);
    for second in 0..3 {
        storage.maintain(Timestamp(second * 1000)).expect("maintains");
    }
    let after = storage.usage().expect("counts").generations;
    assert!(before.len() > 10 && after.len() <= 2, "{before:?}, {after:?}");
    assert!(stored_bytes(folder.path()) < 100_000);
    drop(storage);
    let storage = open(folder.path());
    assert_eq!((read_all(&storage, log), storage.end_offset(log)), (expected, Ok(Offset(2000))));
}

#[test]
fn an_open_generation_that_is_mostly_dead_is_sealed_and_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        generation_bytes: 1 << 20,
        generation_age: None,
        evacuate_after: None,
        evacuate_bytes: 1 << 20,
        ..small()
    };
    let storage = RocksStorage::open(folder.path(), Opening::CreateIfMissing, &options).expect("opens");
    let [busy, rare] = [0, 1].map(|n| storage.create_log(topic(1), PartitionIndex(n), compacted()).expect("creates"));
    fill(&storage, rare, 3);
    fill(&storage, busy, 300);
    compact(&storage, busy);
    let files = |storage: &RocksStorage| {
        storage.usage().expect("counts").generations.iter().map(|info| info.bytes).sum::<u64>()
    };
    let full = files(&storage);
    // A minute is the bound for classes that nothing else empties.
    for second in 0..90 {
        storage.maintain(Timestamp(second * 1000)).expect("maintains");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(full > 600_000 && files(&storage) < full / 4, "{full}, now {}", files(&storage));
    assert_eq!(read_all(&storage, rare), [0, 10, 20]);
}

#[test]
fn rounds_over_many_logs_leave_few_generations_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { generation_bytes: 256 << 10, evacuate_bytes: 256 << 10, ..small() };
    let open = || RocksStorage::open(folder.path(), Opening::CreateIfMissing, &options).expect("opens");
    let storage = open();
    let logs: Vec<_> =
        (0..30).map(|n| storage.create_log(topic(1), PartitionIndex(n), compacted()).expect("creates")).collect();
    for round in 0..120usize {
        // The first log is compacted in each round, and the others now and then.
        for log in [logs[0], logs[1 + round % 29]] {
            fill(&storage, log, 3);
            compact(&storage, log);
        }
        storage.maintain(Timestamp(round as i64 * 1000)).expect("maintains");
    }
    let expected: Vec<_> = logs.iter().map(|log| read_all(&storage, *log)).collect();
    for second in 120..140 {
        storage.maintain(Timestamp(second * 1000)).expect("maintains");
    }
    let left = storage.usage().expect("counts").generations;
    assert!(left.len() <= 12, "{left:?}");
    drop(storage);
    let storage = open();
    assert_eq!(logs.iter().map(|log| read_all(&storage, *log)).collect::<Vec<_>>(), expected);
}

#[test]
fn what_a_log_left_behind_does_not_come_back_when_its_class_changes() {
    let (_folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), compacted()).expect("creates");
    fill(&storage, log, 5);
    compact(&storage, log);
    assert_eq!(read_all(&storage, log), [0, 40]);
    // The open generation still has all five; evacuated survivors must not land among them.
    storage.set_class(log, RetentionClass::UNBOUNDED).expect("changes");
    storage.set_class(log, compacted()).expect("changes");
    for second in 0..60 {
        storage.maintain(Timestamp(second * 1000)).expect("maintains");
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(read_all(&storage, log), [0, 40], "second {second}");
    }
    assert_eq!(storage.apply(&[write(log, vec![LogWrite::Truncate(Offset(30))])]), [Ok(())]);
    assert_eq!((read_all(&storage, log), storage.end_offset(log)), (vec![0], Ok(Offset(10))));
    fill(&storage, log, 2);
    assert_eq!(read_all(&storage, log), [0, 10, 20]);
}
