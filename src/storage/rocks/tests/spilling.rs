//! The same with every batch beside the database, and what can go wrong only there.

use std::path::PathBuf;

use callboard_model::LogWrite;

use super::crash::copy_of;
use super::*;
use crate::contract::{batch, write};

#[path = "crash.rs"]
mod crash_again;
#[path = "full_disk.rs"]
mod full_disk_again;
#[path = "generations.rs"]
mod generations_again;

journals!(Options { spill_group_bytes: 0, spill_batch_bytes: 0, ..super::small() });

fn files(folder: &Path, ending: &str) -> Vec<(String, u64)> {
    let found = std::fs::read_dir(folder.join("payload")).expect("there").flatten();
    let named =
        found.map(|file| (file.file_name().to_string_lossy().into_owned(), file.metadata().expect("there").len()));
    let mut named: Vec<_> = named.filter(|(name, _)| name.ends_with(ending)).collect();
    named.sort();
    named
}

#[test]
fn files_of_dropped_generations_are_written_over_and_nothing_of_what_they_held_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { generation_bytes: 2 << 20, wal_bytes: 16 << 20, ..small() };
    let open = |path: &Path| RocksStorage::open(path, Opening::CreateIfMissing, &options).expect("opens");
    let storage = open(folder.path());
    let filled = |storage: &RocksStorage, log: LogId, batches: i64, fill: u8| {
        for _ in 0..batches {
            let base = storage.end_offset(log).expect("there").get();
            let stored = crate::contract::batch(base, 1, &vec![fill; 100_000]);
            assert_eq!(storage.apply(&[crate::contract::write(log, vec![LogWrite::Append(stored)])]), [Ok(())]);
            storage.sync_wal().expect("syncs");
        }
    };
    let reads = |storage: &RocksStorage, log: LogId, batches: i64, fill: u8| {
        let read = storage.read(log, Offset(0), Offset(batches), usize::MAX, true).expect("reads");
        let found: Vec<_> =
            callboard_model::Batches::verified(&read.bytes).map(|item| item.expect("whole").1).collect();
        assert_eq!((found.len() as i64, read.next), (batches, Offset(batches)));
        assert!(found.iter().all(|batch| batch[200..].iter().all(|byte| *byte == fill)));
    };
    let [one, two] = [0, 1].map(|partition| {
        storage.create_log(topic(1), PartitionIndex(partition), RetentionClass::UNBOUNDED).expect("creates")
    });
    filled(&storage, one, 60, 1);
    storage.drop_logs(&[one]).expect("drops");
    assert!(storage.maintain(Timestamp(0)).expect("maintains").dropped.len() >= 2);
    let spares = files(folder.path(), ".spare");
    assert!(!spares.is_empty() && spares.iter().map(|(_, len)| len).sum::<u64>() <= 4 << 20, "{spares:?}");
    // The same offsets and lengths as what the files held.
    filled(&storage, two, 30, 2);
    assert!(files(folder.path(), ".spare").len() < spares.len());
    reads(&storage, two, 30, 2);
    let copy = crash::copy_of(folder.path());
    let after = open(copy.path());
    reads(&after, two, 30, 2);
    filled(&after, two, 30, 2);
    reads(&after, two, 60, 2);
    after.maintain(Timestamp(0)).expect("maintains");
    let shown = after.usage().expect("counts").generations;
    assert!(shown.iter().any(|generation| generation.sealed), "{shown:?}");
    for generation in shown.iter().filter(|generation| generation.sealed) {
        let (_, len) = files(copy.path(), &format!("{:08}.batches", generation.seq)).pop().expect("it has a file");
        assert!(len <= generation.bytes, "{len} bytes for {generation:?}");
    }
    storage.close().expect("closes");
    drop(storage);
    reads(&open(folder.path()), two, 30, 2);
    let storage = open(folder.path());
    filled(&storage, two, 60, 2);
    storage.drop_logs(&[two]).expect("drops");
    storage.maintain(Timestamp(0)).expect("maintains");
    assert!(!files(folder.path(), ".spare").is_empty());
    storage.close().expect("closes");
    drop(storage);
    let short = Options { disk_reserve_bytes: u64::MAX, ..options.clone() };
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &short).expect("opens");
    storage.maintain(Timestamp(0)).expect("maintains");
    assert_eq!(files(folder.path(), ".spare"), [], "a disk that is short has them back");
}

#[test]
fn random_walks_end_where_a_plain_model_does() {
    // Some groups inside, some beside, and both in one group.
    for (seed, group, one) in [(20, 0, 0), (21, 0, 90), (22, 300, 0), (23, 300, 90)] {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options { spill_group_bytes: group, spill_batch_bytes: one, ..small() };
        walk::walk(seed, 400, &mut |before| {
            drop(before);
            Arc::new(RocksStorage::open(folder.path(), Opening::CreateIfMissing, &options).expect("opens"))
        });
    }
}

/// A journal with ten batches of one log, closed; and the file that they are in.
fn closed() -> (tempfile::TempDir, LogId, PathBuf) {
    let (folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    append(&storage, log, &[1; 10]);
    storage.close().expect("closes");
    let generation = storage.usage().expect("counts").generations[0].seq;
    (folder, log, storage.payloads.path(generation))
}

#[test]
fn a_missing_or_shortened_file_is_named_when_opening() {
    let (folder, log, file) = closed();
    let whole = std::fs::read(&file).expect("there");
    let refused = |doing: &str| {
        match RocksStorage::open(folder.path(), Opening::MustExist, &small()).expect_err(doing) {
            StorageError::Damaged { file: named, .. } => assert_eq!(named, file, "{doing}"),
            other => panic!("{doing}: {other}"),
        };
    };
    std::fs::write(&file, &whole[..whole.len() - 1]).expect("writes");
    refused("cut short");
    std::fs::remove_file(&file).expect("removes");
    refused("removed");
    std::fs::write(&file, &whole).expect("writes");
    let storage = open(folder.path());
    assert_eq!(storage.headers(log, Offset(0)).expect("reads").len(), 10, "put back, all is there");
}

#[test]
fn a_changed_byte_is_found_when_it_is_read_and_the_file_is_named() {
    let (folder, log, file) = closed();
    let mut bytes = std::fs::read(&file).expect("there");
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    std::fs::write(&file, &bytes).expect("writes");
    let storage = open(folder.path());
    let read = |from| storage.read(log, from, Offset(10), 1, true);
    let refused = (0..10).filter_map(|from| read(Offset(from)).err()).collect::<Vec<_>>();
    let [StorageError::Corrupt { place, log: named, .. }] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((&**place, *named), (&*file.display().to_string(), log));
}

#[test]
fn what_a_crash_left_behind_the_last_place_is_written_over_unless_a_copy_has_it() {
    let (folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    append(&storage, log, &[1; 3]);
    storage.sync_wal().expect("syncs");
    // Its batches are in the file, their places did not reach the disk.
    append(&storage, log, &[1; 4]);
    let copy = copy_of(folder.path());
    let wal = copy.path().join("wal/0000000000.wal");
    let len = std::fs::metadata(&wal).expect("there").len();
    std::fs::File::options().write(true).open(&wal).and_then(|file| file.set_len(len - 1)).expect("cuts");
    let generation = storage.usage().expect("counts").generations[0].seq;
    let other = batch(3, 1, b"something else");
    let (first, again) = (copy.path(), copy_of(copy.path()));
    for (folder, is_copied) in [(first, false), (again.path(), true)] {
        let file = storage.payloads.path(generation).file_name().map(|name| folder.join("payload").join(name));
        let file = file.expect("a name");
        let left = std::fs::read(&file).expect("there");
        if is_copied {
            std::fs::hard_link(&file, folder.join("kept")).expect("links");
        }
        let after = open(folder);
        assert_eq!(after.end_offset(log), Ok(Offset(3)));
        let whole = after.read(log, Offset(0), Offset(3), 1 << 20, true).expect("reads").bytes.len();
        let append = write(log, vec![LogWrite::Append(other.clone())]);
        assert_eq!(after.apply(&[append]), [Ok(())]);
        assert_eq!(after.read(log, Offset(3), Offset(4), 1, true).expect("reads").bytes, other.bytes);
        let now = std::fs::read(&file).expect("there");
        let kept = if is_copied { left.len() } else { whole };
        assert_eq!((&now[..kept], &now[kept..kept + other.bytes.len()]), (&left[..kept], &other.bytes[..]));
    }
}

#[test]
fn files_without_a_generation_go_when_opening_unless_loss_was_accepted() {
    let (folder, _, file) = closed();
    let orphan = file.with_file_name("00000099.batches");
    std::fs::write(&orphan, b"left by a crash").expect("writes");
    drop(open(folder.path()));
    assert!(!orphan.exists() && file.exists());
    // The database is lost as a whole: what it pointed to is kept beside what is left of it.
    let current = folder.path().join("db/CURRENT");
    let manifest = std::fs::read_to_string(&current).expect("there");
    std::fs::write(folder.path().join("db").join(manifest.trim()), b"nonsense").expect("writes");
    let accepting = Options { accept_data_loss: true, ..small() };
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &accepting).expect("goes on");
    let kept = storage.recovery().kept.clone().expect("a copy");
    let copied = kept.join("payload").join(file.file_name().expect("named"));
    assert!(copied.exists(), "{kept:?}");
}
