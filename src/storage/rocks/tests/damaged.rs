//! Missing and damaged files: an error that names the file, never a silent loss; with loss accepted, what is left.

use std::fs;
use std::path::PathBuf;

use callboard_model::LogWrite;

use super::*;
use crate::contract::{batch, write};

fn error_of(folder: &Path) -> StorageError {
    RocksStorage::open(folder, Opening::MustExist, &small()).expect_err("damage is noticed")
}

fn accepting() -> Options {
    Options { accept_data_loss: true, ..small() }
}

/// A closed journal with one log in several files.
fn closed() -> (tempfile::TempDir, LogId) {
    let (folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    for round in 0..60 {
        let stored = batch(round, 1, &[round as u8; 2000]);
        assert_eq!(storage.apply(&[write(log, vec![LogWrite::Append(stored)])]), [Ok(())]);
    }
    storage.close().expect("closes");
    (folder, log)
}

/// A copy of a journal that was killed with `rounds` synced batches in its write-ahead log only.
fn killed(rounds: i64) -> (tempfile::TempDir, LogId) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { disk_reserve_bytes: 0, ..Options::default() };
    let storage = RocksStorage::open(folder.path(), Opening::CreateIfMissing, &options).expect("opens");
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    for round in 0..rounds {
        let stored = batch(round, 1, &[round as u8; 2000]);
        assert_eq!(storage.apply(&[write(log, vec![LogWrite::Append(stored)])]), [Ok(())]);
        storage.sync_wal().expect("syncs");
    }
    (crash::copy_of(folder.path()), log)
}

fn files(folder: &Path, matches: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let all = fs::read_dir(folder.join("db")).expect("there").flatten().map(|file| file.path());
    let mut found: Vec<_> =
        all.filter(|path| path.file_name().is_some_and(|name| matches(&name.to_string_lossy()))).collect();
    found.sort();
    found
}

/// The write-ahead log's only segment.
fn segment(folder: &Path) -> PathBuf {
    folder.join("wal/0000000000.wal")
}

fn largest(mut found: Vec<PathBuf>) -> PathBuf {
    found.sort_by_key(|path| fs::metadata(path).map_or(0, |meta| meta.len()));
    found.pop().expect("there is one")
}

#[test]
fn a_missing_table_file_is_named_and_nothing_is_changed() {
    let (folder, log) = closed();
    let table = largest(files(folder.path(), |name| name.ends_with(".sst")));
    let aside = folder.path().join("aside");
    fs::rename(&table, &aside).expect("moves");
    for _ in 0..2 {
        let StorageError::Damaged { file, .. } = error_of(folder.path()) else { panic!("another error") };
        assert_eq!(file, table);
    }
    let text = error_of(folder.path()).to_string();
    assert!(text.contains("backup") && text.contains("accept_data_loss"), "{text}");
    fs::rename(&aside, &table).expect("moves back");
    assert_eq!(open(folder.path()).end_offset(log), Ok(Offset(60)), "put back, all is well");
}

#[test]
fn a_missing_manifest_or_current_file_is_named() {
    for (which, expected) in [("CURRENT", "CURRENT"), ("MANIFEST", "MANIFEST-")] {
        let (folder, _) = closed();
        for file in files(folder.path(), |name| name.starts_with(which)) {
            fs::remove_file(file).expect("removes");
        }
        let error = error_of(folder.path());
        let StorageError::Damaged { file, .. } = &error else { panic!("another error: {error}") };
        assert!(file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(expected)), "{error}");
    }
}

#[test]
fn a_damaged_manifest_or_current_file_is_an_error() {
    for which in ["CURRENT", "MANIFEST"] {
        let (folder, _) = closed();
        for path in files(folder.path(), |name| name.starts_with(which)) {
            let mut bytes = fs::read(&path).expect("reads");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            fs::write(&path, bytes).expect("writes");
        }
        let error = error_of(folder.path());
        assert!(matches!(error, StorageError::Damaged { .. }), "{which}: {error}");
    }
}

#[test]
fn a_journal_that_is_gone_is_not_begun_anew() {
    let (folder, _) = closed();
    fs::remove_dir_all(folder.path().join("db")).expect("removes");
    for opening in [Opening::MustExist, Opening::CreateIfMissing] {
        let error = RocksStorage::open(folder.path(), opening, &small()).expect_err("the floor says it was there");
        let StorageError::Damaged { file, .. } = &error else { panic!("another error: {error}") };
        assert_eq!(*file, folder.path().join("db/CURRENT"));
    }
    fs::remove_dir_all(folder.path()).expect("removes");
    assert!(matches!(error_of(folder.path()), StorageError::Damaged { .. }));
    assert!(!folder.path().exists(), "looking for data makes no folder");
}

#[test]
fn a_changed_byte_in_a_table_is_found_when_it_is_read() {
    let (folder, log) = closed();
    // Not the newest: that one is looked at for the log's end.
    let mut tables = files(folder.path(), |name| name.ends_with(".sst")).into_iter();
    let table = tables.find(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 10_000)).expect("one is large");
    let mut bytes = fs::read(&table).expect("reads");
    // Into the body of a batch: its bytes repeat.
    let at = bytes.windows(500).position(|window| window.iter().all(|byte| *byte == window[0])).expect("a body");
    bytes[at + 250] ^= 1;
    fs::write(&table, bytes).expect("writes");
    let storage = open(folder.path());
    let mut failures = Vec::new();
    for offset in 0..60 {
        if let Err(error) = storage.read(log, Offset(offset), Offset(offset + 1), 1, true) {
            failures.push(error);
        }
    }
    assert!(!failures.is_empty(), "damage is never served");
    let name = table.file_name().expect("has one").to_string_lossy();
    assert!(failures.iter().all(|error| error.to_string().contains(&*name)), "{failures:?}");
    assert!(failures.len() < 60, "what is whole is still read");
}

#[test]
fn a_stored_batch_that_is_not_what_its_key_says_is_refused() {
    let (_folder, storage) = fresh();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    append(&storage, log, &[1, 1, 1]);
    let handle = storage.generation_handle(0).expect("there");
    let put = |value: &[u8]| storage.db.put_cf(&handle, batch_key(log, Offset(1)), value).expect("puts");
    let read = || storage.read(log, Offset(1), Offset(9), 999, true);
    put(&batch(2, 1, b"moved").bytes);
    assert!(matches!(read(), Err(StorageError::Corrupt { offset: Offset(1), .. })), "another offset");
    put(&[]);
    assert!(matches!(read(), Err(StorageError::Corrupt { .. })), "nothing");
    let mut flipped = batch(1, 1, b"flipped").bytes.to_vec();
    flipped[65] ^= 1;
    put(&flipped);
    assert!(matches!(read(), Err(StorageError::Corrupt { .. })), "a wrong checksum");
    assert!(matches!(storage.headers(log, Offset(0)), Err(StorageError::Corrupt { .. })));
    put(&batch(1, 1, b"right").bytes);
    assert!(read().is_ok());
}

#[test]
fn a_synced_record_that_is_damaged_in_the_write_ahead_log_is_an_error() {
    let (folder, log) = killed(40);
    let wal = segment(folder.path());
    let good = fs::read(&wal).expect("reads");
    let mut bad = good.clone();
    // Within a record: each begins on a page here.
    let middle = bad.len() / 2 / 4096 * 4096 + 100;
    bad[middle] ^= 1;
    fs::write(&wal, &bad).expect("writes");
    for _ in 0..2 {
        let error = error_of(folder.path());
        assert!(matches!(error, StorageError::Damaged { .. } | StorageError::UncleanLoss { .. }), "{error}");
    }
    fs::write(&wal, &good).expect("repairs");
    let whole = crash::copy_of(folder.path());
    assert_eq!(open(whole.path()).end_offset(log), Ok(Offset(40)), "nothing was changed by failing");
    fs::write(&wal, &bad).expect("writes");
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &accepting()).expect("loss is accepted");
    let end = storage.end_offset(log).expect("the log is there").0;
    assert!((1..40).contains(&end), "{end}");
    assert_eq!(storage.headers(log, Offset(0)).expect("reads").len() as i64, end);
    let kept = storage.recovery().kept.clone().expect("a copy is kept");
    assert!(kept.exists());
    append(&storage, log, &[1]);
    storage.sync_wal().expect("syncs");
    drop(storage);
    assert_eq!(open(folder.path()).end_offset(log), Ok(Offset(end + 1)), "from then on it opens as usual");
}

#[test]
fn a_write_ahead_log_that_was_cut_short_is_unclean_loss() {
    let (folder, log) = killed(40);
    let wal = segment(folder.path());
    let len = fs::metadata(&wal).expect("there").len();
    fs::File::options().write(true).open(&wal).and_then(|file| file.set_len(len / 2)).expect("cuts");
    for _ in 0..2 {
        let error = error_of(folder.path());
        let StorageError::UncleanLoss { recovered, floor, .. } = error else { panic!("another error: {error}") };
        assert!(recovered < floor);
    }
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &accepting()).expect("loss is accepted");
    assert!(storage.recovery().kept.as_ref().is_some_and(|kept| kept.is_dir()), "a copy is kept as promised");
    let end = storage.end_offset(log).expect("there").0;
    assert!((1..40).contains(&end), "{end}");
    drop(storage);
    assert_eq!(open(folder.path()).end_offset(log), Ok(Offset(end)));
}

#[test]
fn garbage_behind_everything_that_was_synced_is_cut_and_said() {
    let (folder, log) = killed(20);
    let wal = segment(folder.path());
    let mut bytes = fs::read(&wal).expect("reads");
    bytes.extend((0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 1));
    fs::write(&wal, bytes).expect("writes");
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &small()).expect("opens");
    assert_eq!(storage.end_offset(log), Ok(Offset(20)));
    assert!(!storage.recovery().clean);
}

#[test]
fn with_loss_accepted_a_missing_table_costs_its_records_only() {
    let (folder, log) = closed();
    let table = largest(files(folder.path(), |name| name.ends_with(".sst")));
    fs::remove_file(&table).expect("removes");
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &accepting()).expect("loss is accepted");
    assert!(storage.recovery().kept.as_ref().is_some_and(|kept| kept.exists()));
    assert!(!storage.recovery().clean);
    // Whether the log's own entry survived depends on the file that went: this one held batches.
    let left = storage.headers(log, Offset(0)).expect("reads").len();
    assert!((1..60).contains(&left), "{left} of 60");
    let made = storage.create_log(topic(2), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    assert!(made > log);
    append(&storage, made, &[1]);
    storage.sync_wal().expect("syncs");
    drop(storage);
    assert_eq!(open(folder.path()).end_offset(made), Ok(Offset(1)));
}

#[test]
fn a_missing_floor_is_an_error_where_there_is_data() {
    let (folder, log) = closed();
    fs::remove_file(folder.path().join("floor")).expect("removes");
    let error = error_of(folder.path());
    assert!(matches!(&error, StorageError::Damaged { file, .. } if file.ends_with("floor")), "{error}");
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &accepting()).expect("loss is accepted");
    assert_eq!(storage.end_offset(log), Ok(Offset(60)));
}

#[test]
fn an_unreadable_floor_is_an_error() {
    let (folder, log) = closed();
    fs::write(folder.path().join("floor"), b"nonsense").expect("writes");
    let error = error_of(folder.path());
    assert!(matches!(&error, StorageError::Damaged { file, .. } if file.ends_with("floor")), "{error}");
    let storage = RocksStorage::open(folder.path(), Opening::MustExist, &accepting()).expect("loss is accepted");
    assert_eq!(storage.end_offset(log), Ok(Offset(60)));
}

#[test]
fn a_journal_of_another_format_is_refused_whatever_is_accepted() {
    let (folder, storage) = fresh();
    storage.db.put(keys::FORMAT_KEY, 2u32.to_be_bytes()).expect("puts");
    storage.close().expect("closes");
    drop(storage);
    for options in [small(), accepting()] {
        let error = RocksStorage::open(folder.path(), Opening::MustExist, &options).expect_err("it is another's");
        assert!(matches!(error, StorageError::Format { found: 2, expected: 3, .. }), "{error}");
    }
    assert!(!folder.path().join("db.damaged-1").exists(), "nothing is damaged");
}
