//! The same with every batch passing through the write-ahead log, and what can go wrong only there.

use std::fs;
use std::path::PathBuf;

use callboard_model::{Durability, LogWrite};

use super::crash::copy_of;
use super::*;
use crate::contract::{batch, write};

#[path = "crash.rs"]
mod crash_again;
#[path = "full_disk.rs"]
mod full_disk_again;
#[path = "generations.rs"]
mod generations_again;

journals!(Options { spill_batch_bytes: 0, ..super::small() });

fn log_in(storage: &RocksStorage) -> LogId {
    storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates")
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(folder.join("wal")).expect("there").flatten().map(|file| file.path()).collect();
    found.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(|c: char| c.is_ascii_digit()))
    });
    found.sort();
    found
}

/// Cuts a copy's log so that it ends at a byte.
fn cut(folder: &Path, at: u64) {
    let last = segments(folder).pop().expect("there is one");
    fs::File::options().write(true).open(last).and_then(|file| file.set_len(at)).expect("cuts");
}

#[test]
fn batches_whose_files_never_reached_the_disk_are_in_the_log() {
    let (folder, storage) = fresh();
    let log = log_in(&storage);
    let made = append(&storage, log, &[1; 12]);
    storage.sync_wal().expect("syncs");
    let copy = copy_of(folder.path());
    fs::remove_dir_all(copy.path().join("payload")).expect("removes");
    let after = open(copy.path());
    let read = after.read(log, Offset(0), Offset(12), 1 << 20, true).expect("reads");
    assert_eq!(read.bytes, made.iter().flat_map(|batch| batch.bytes.to_vec()).collect::<Vec<_>>());
    after.close().expect("closes");
    drop(after);
    assert_eq!(open(copy.path()).headers(log, Offset(0)).expect("reads").len(), 12, "once restored, it stays");
}

#[test]
fn where_the_log_is_cut_it_ends_before_a_whole_write_and_goes_on_from_there() {
    let (folder, storage) = fresh();
    let log = log_in(&storage);
    storage.sync_wal().expect("syncs");
    let ends: Vec<(u64, i64)> = (1..=6)
        .map(|n| {
            append(&storage, log, &[1]);
            (storage.wal.lock().pending(), n)
        })
        .collect();
    let whole = fs::metadata(&segments(folder.path())[0]).expect("there").len();
    assert_eq!(whole, ends[5].0, "the first segment is as long as what is in it");
    for at in (ends[0].0 - 5..=whole).step_by(7) {
        let copy = copy_of(folder.path());
        cut(copy.path(), at);
        let expected = ends.iter().rev().find(|(end, _)| *end <= at).map_or(0, |(_, n)| *n);
        let after = open(copy.path());
        assert_eq!(after.end_offset(log), Ok(Offset(expected)), "cut at {at}");
        // The same lengths again: what lay behind the cut must not follow it.
        append(&after, log, &[1]);
        let again = copy_of(copy.path());
        assert_eq!(open(again.path()).end_offset(log), Ok(Offset(expected + 1)), "cut at {at}");
    }
}

#[test]
fn what_a_torn_record_was_followed_by_does_not_come_back() {
    let (folder, storage) = fresh();
    let log = log_in(&storage);
    storage.sync_wal().expect("syncs");
    append(&storage, log, &[1]);
    let torn_at = storage.wal.lock().pending();
    append(&storage, log, &[1]);
    let behind = storage.wal.lock().pending();
    append(&storage, log, &[1]);
    let copy = copy_of(folder.path());
    let segment = segments(copy.path())[0].clone();
    let mut bytes = fs::read(&segment).expect("reads");
    let body = (torn_at + behind) / 2;
    bytes[usize::try_from(body).expect("small")] ^= 1;
    fs::write(&segment, &bytes).expect("writes");
    let after = open(copy.path());
    assert_eq!(after.end_offset(log), Ok(Offset(1)));
    assert!(after.recovery().cut && !after.recovery().clean);
    // As long as the torn one was: the third one stands right behind it.
    append(&after, log, &[1]);
    after.sync_wal().expect("syncs");
    let again = copy_of(copy.path());
    assert_eq!(open(again.path()).end_offset(log), Ok(Offset(2)));
}

#[test]
fn what_was_only_written_counts_if_its_batches_are_there_and_is_a_loss_if_it_was_synced() {
    // The checksum of the second is taken from its header.
    for value in [&b"not waited for"[..], &[7; 300_000]] {
        only_written(value);
    }
}

fn only_written(value: &[u8]) {
    let direct = Options { spill_group_bytes: 0, generation_bytes: 8 << 20, ..small() };
    let folder = tempfile::tempdir().expect("a folder");
    let storage = RocksStorage::open(folder.path(), Opening::CreateIfMissing, &direct).expect("opens");
    let log = log_in(&storage);
    let lazily = |base: i64| {
        let append = LogWrite::Append(batch(base, 1, value));
        JournalWrite { durability: Durability::Written, ..write(log, vec![append]) }
    };
    assert_eq!(storage.apply(&[lazily(0)]), [Ok(())]);
    storage.sync_wal().expect("syncs");
    assert_eq!(storage.apply(&[lazily(1)]), [Ok(())]);
    let reopened = |len: u64| {
        let copy = copy_of(folder.path());
        let file = copy.path().join("payload/00000000.batches");
        fs::File::options().write(true).open(file).and_then(|file| file.set_len(len)).expect("cuts");
        let after = RocksStorage::open(copy.path(), Opening::MustExist, &direct)?;
        after.end_offset(log)
    };
    let whole = fs::metadata(folder.path().join("payload/00000000.batches")).expect("there").len();
    assert_eq!(reopened(whole), Ok(Offset(2)), "the process ended, the system did not");
    assert_eq!(reopened(whole - 1), Ok(Offset(1)), "the power went");
    let lost = reopened(whole / 2 - 1).expect_err("it was synced");
    assert!(matches!(lost, StorageError::Damaged { .. }), "{lost}");
}

#[test]
fn checkpoints_shorten_the_log_and_its_files_are_used_again() {
    let (folder, storage) = fresh();
    let log = log_in(&storage);
    let mut most = 0;
    for round in 0..600 {
        let stored = batch(round, 1, &[round as u8; 3000]);
        assert_eq!(storage.apply(&[write(log, vec![LogWrite::Append(stored)])]), [Ok(())]);
        if round % 10 == 0 {
            storage.write_out().expect("writes out");
        }
        most = most.max(fs::read_dir(folder.path().join("wal")).expect("there").count());
    }
    assert!(storage.usage().expect("counts").wal_bytes <= small().wal_bytes);
    assert!(most <= 10, "{most} files");
    for kill in 0..3 {
        let copy = copy_of(folder.path());
        let after = open(copy.path());
        assert_eq!(after.headers(log, Offset(0)).expect("reads").len(), 600, "kill {kill}");
    }
}

#[test]
fn a_missing_or_damaged_checkpoint_or_segment_is_named() {
    let (folder, storage) = fresh();
    let log = log_in(&storage);
    append(&storage, log, &[1; 5]);
    storage.sync_wal().expect("syncs");
    for name in ["checkpoint", "0000000000.wal"] {
        for missing in [true, false] {
            let copy = copy_of(folder.path());
            let file = copy.path().join("wal").join(name);
            let mut bytes = fs::read(&file).expect("there");
            bytes[9] ^= 1;
            if missing {
                fs::remove_file(&file).expect("removes")
            } else {
                fs::write(&file, bytes).expect("writes")
            }
            let error = RocksStorage::open(copy.path(), Opening::MustExist, &small()).expect_err("it is needed");
            let named = matches!(&error, StorageError::Damaged { file: named, .. } if *named == file);
            assert!(named || (missing && matches!(error, StorageError::UncleanLoss { .. })), "{name}: {error}");
            let accepting = Options { accept_data_loss: true, ..small() };
            let after = RocksStorage::open(copy.path(), Opening::MustExist, &accepting).expect("loss is accepted");
            assert!(after.recovery().kept.as_ref().is_some_and(|kept| kept.join("wal").is_dir()));
            let made = after.create_log(topic(9), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("goes on");
            append(&after, made, &[1]);
            after.sync_wal().expect("syncs");
            let again = copy_of(copy.path());
            assert_eq!(open(again.path()).end_offset(made), Ok(Offset(1)), "{name}");
        }
    }
}
