//! Rounds over a real journal that is killed at any step: leader, storage and generations together against a list of
//! all that was ever appended.

mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callboard_model::{BatchHead, BatchWriter, CheckedBatch, HEADER_LEN, NewRecord, Tick};
use callboard_partition::{Acks, Append, Unpacked};
use callboard_storage::{MemoryStorage, Opening, Options, RocksStorage};

use world::{WALL, World};

use super::*;

fn small() -> Options {
    Options {
        generation_bytes: 48 << 10,
        memtables_bytes: 512 << 10,
        wal_bytes: 256 << 10,
        block_cache_bytes: 1 << 20,
        open_files: 64,
        disk_reserve_bytes: 0,
        evacuate_after: Some(Duration::from_secs(2)),
        evacuate_bytes: 64 << 10,
        generation_age: Some(Duration::from_secs(20)),
        ..Options::default()
    }
}

/// The folder as a killed process leaves it: without what it still had in memory. Files that are just being written out
/// in the background may come and go meanwhile; then it is copied again.
fn copy(from: &Path, to: &Path) {
    let files = || {
        let folders = ["", "db", "wal", "payload"].map(|folder| from.join(folder));
        let all = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flat_map(Iterator::flatten);
        let mut files: Vec<_> = all
            .filter(|file| file.path().is_file() && file.file_name() != "LOCK")
            .map(|file| (file.path(), file.metadata().map_or(0, |meta| meta.len())))
            .collect();
        files.sort_unstable();
        files
    };
    for _ in 0..100 {
        drop(std::fs::remove_dir_all(to));
        for folder in ["db", "wal", "payload"] {
            std::fs::create_dir_all(to.join(folder)).expect("creates");
        }
        let before = files();
        let copied = before.iter().all(|(file, _)| {
            let name = file.strip_prefix(from).expect("below it");
            std::fs::copy(file, to.join(name)).is_ok()
        });
        if copied && files() == before {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the folder never came to rest");
}

#[test]
fn a_journal_that_is_killed_at_any_step_keeps_the_newest_of_each_key() {
    let seeds = std::env::var("CALLBOARD_WALK_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(4);
    let (mut rounds, mut chunks, mut kills) = (0, 0, 0);
    for seed in 0..seeds {
        let folder = tempfile::tempdir().expect("a folder");
        let mut life = 0;
        let place = |life: u32| folder.path().join(life.to_string());
        let mut reopen = |before: Option<Arc<dyn Storage>>| {
            if before.is_some() {
                copy(&place(life), &place(life + 1));
                drop(before);
                life += 1;
                if life > 2 {
                    drop(std::fs::remove_dir_all(place(life - 2)));
                }
            }
            let storage = RocksStorage::open(&place(life), Opening::CreateIfMissing, &small()).expect("opens");
            Arc::new(storage) as Arc<dyn Storage>
        };
        let mut world = World::new(seed, &mut reopen);
        for _ in 0..1500 {
            world.step();
        }
        world.come_to_rest();
        let usage = world.storage.usage().expect("counts");
        let live: u64 = world.headers().iter().map(|header| header.len as u64).sum();
        let held: u64 = usage.generations.iter().map(|generation| generation.bytes).sum();
        assert!(usage.generations.len() <= 16, "seed {seed}: {} generations", usage.generations.len());
        assert!(held <= 10 * live + (1 << 20), "seed {seed}: {held} bytes for {live}");
        rounds += world.rounds;
        chunks += world.chunks;
        kills += world.kills;
    }
    println!("{rounds} rounds, {chunks} chunks, {kills} kills");
    assert!(rounds > 10 * seeds as usize && chunks > 10 * seeds as usize && kills > 5 * seeds as usize);
}

#[test]
fn a_journal_in_memory_that_loses_what_was_not_synced_does_the_same() {
    let (mut rounds, mut kills) = (0, 0);
    for seed in 100..130 {
        let mut reopen = |before: Option<Arc<dyn Storage>>| {
            let after = before.map(|before| {
                let debug: &dyn std::any::Any = &*before;
                debug.downcast_ref::<MemoryStorage>().expect("made here").crash()
            });
            Arc::new(after.unwrap_or_else(MemoryStorage::with_crashes)) as Arc<dyn Storage>
        };
        let mut world = World::new(seed, &mut reopen);
        for _ in 0..1500 {
            world.step();
        }
        world.come_to_rest();
        rounds += world.rounds;
        kills += world.kills;
    }
    assert!(rounds > 300 && kills > 100, "{rounds} rounds, {kills} kills");
}

#[test]
fn a_damaged_batch_ends_the_round_and_names_itself() {
    let mut reopen = |_: Option<Arc<dyn Storage>>| Arc::new(MemoryStorage::new()) as Arc<dyn Storage>;
    let mut world = World::new(1, &mut reopen);
    // As an old producer's bug would leave it: a right checksum over records that are none.
    let mut head = BatchHead::new(Timestamp(WALL));
    head.attributes = 0;
    let mut writer = BatchWriter::new(head);
    let key = Some(&b"k"[..]);
    writer.push(NewRecord { offset_delta: 0, timestamp: Timestamp(WALL), key, value: key, headers: &[] });
    let plain = writer.finish_compressed(Compression::None, |_| Err(())).expect("nothing to pack");
    let mut broken = plain.clone();
    broken[HEADER_LEN] = 0x7f;
    let crc = crc32c::crc32c(&broken[21..]);
    broken[17..21].copy_from_slice(&crc.to_be_bytes());
    for bytes in [plain, broken] {
        let batch = CheckedBatch::new(bytes).expect("its header is right");
        let append = Append {
            waiter: None,
            acks: Acks::None,
            batch,
            unpacked: Unpacked::default(),
            deadline: Tick(Duration::from_secs(9)),
            zstd_allowed: true,
            internal: true,
            expected_end: None,
        };
        world.call(|leader, now, effects| leader.append(append, now, effects));
    }
    world.millis += 2000;
    world.call(|leader, now, effects| leader.expire(now, effects));
    let candidate = world.leader.compaction_candidate().expect("compacted");
    let wall = Timestamp(WALL + 2000);
    let plan = make_plan(world.storage.as_ref(), world.log, candidate, wall).expect("readable").expect("due");
    let mut round = Round::new(plan, 1000, wall);
    let error = step(world.storage.as_ref(), world.log, &mut round).expect_err("damaged");
    assert!(error.is_damage());
    assert!(error.to_string().starts_with("the batch at offset 1: "), "{error}");
}
