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
fn what_a_crash_left_behind_the_last_place_is_passed_over() {
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
    let after = open(copy.path());
    assert_eq!(after.end_offset(log), Ok(Offset(3)));
    let file = after.payloads.path(generation);
    let left = std::fs::read(&file).expect("there");
    let other = batch(3, 1, b"something else");
    let append = write(log, vec![LogWrite::Append(other.clone())]);
    assert_eq!(after.apply(&[append]), [Ok(())]);
    assert_eq!(after.read(log, Offset(3), Offset(4), 1, true).expect("reads").bytes, other.bytes);
    let now = std::fs::read(&file).expect("there");
    assert_eq!((&now[..left.len()], &now[left.len()..]), (&left[..], &other.bytes[..]), "nothing is written twice");
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
