use std::fs;

use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// The contract of a metadata log, held by both.
fn keeps_the_contract(log: &dyn MetadataLog) {
    assert_eq!(log.load(), Ok(LoadedMetadata::default()));
    assert_eq!(log.append(&[]), Ok(0));
    assert_eq!(log.append(&[bytes("a"), bytes(""), bytes("c")]), Ok(3));
    assert_eq!(log.append(&[bytes("d")]), Ok(4));
    let records = vec![(1, bytes("a")), (2, bytes("")), (3, bytes("c")), (4, bytes("d"))];
    assert_eq!(log.load(), Ok(LoadedMetadata { snapshot: None, records: records.clone() }));
    log.save_snapshot(2, bytes("ab")).expect("saves");
    let after = LoadedMetadata { snapshot: Some((2, bytes("ab"))), records: records[2..].to_vec() };
    assert_eq!(log.load(), Ok(after.clone()));
    log.save_snapshot(1, bytes("older")).expect("is passed over");
    log.save_snapshot(2, bytes("again")).expect("is passed over");
    assert_eq!(log.load(), Ok(after));
    log.save_snapshot(4, bytes("abcd")).expect("saves");
    assert_eq!(log.load(), Ok(LoadedMetadata { snapshot: Some((4, bytes("abcd"))), records: Vec::new() }));
    assert_eq!(log.append(&[bytes("e")]), Ok(5), "numbers go on");
    log.save_snapshot(9, bytes("from a leader")).expect("saves");
    assert_eq!(log.append(&[bytes("j")]), Ok(10), "a snapshot from ahead moves the log on");
    let loaded = log.load().expect("loads");
    assert_eq!(loaded, LoadedMetadata { snapshot: Some((9, bytes("from a leader"))), records: vec![(10, bytes("j"))] });
}

#[test]
fn the_log_in_memory_keeps_the_contract() {
    keeps_the_contract(&MemoryMetadata::new());
}

#[test]
fn the_log_on_disk_keeps_the_contract_and_its_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = MetadataStore::open(folder.path(), Opening::CreateIfMissing).expect("opens");
    keeps_the_contract(&store);
    let before = store.load();
    drop(store);
    let store = MetadataStore::open(folder.path(), Opening::MustExist).expect("opens");
    assert_eq!(store.load(), before);
    assert_eq!(store.append(&[bytes("k")]), Ok(11));
}

#[test]
fn a_missing_metadata_log_is_not_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("metadata");
    let error = MetadataStore::open(&path, Opening::MustExist).expect_err("nothing is there");
    assert!(matches!(&error, StorageError::MetadataDamaged { file, .. } if file.ends_with("CURRENT")), "{error}");
    drop(MetadataStore::open(&path, Opening::CreateIfMissing).expect("opens"));
    fs::remove_file(path.join("CURRENT")).expect("removes");
    let error = MetadataStore::open(&path, Opening::CreateIfMissing).expect_err("its other files are there");
    assert!(matches!(&error, StorageError::MetadataDamaged { file, .. } if file.ends_with("CURRENT")), "{error}");
}

#[test]
fn a_hole_in_the_records_is_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = MetadataStore::open(folder.path(), Opening::CreateIfMissing).expect("opens");
    store.append(&[bytes("a"), bytes("b"), bytes("c")]).expect("appends");
    store.db.delete(record_key(2)).expect("deletes");
    assert!(matches!(store.load(), Err(StorageError::MetadataDamaged { .. })));
}

#[test]
fn a_metadata_log_that_was_cut_short_is_a_loss_and_not_a_shorter_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = MetadataStore::open(folder.path(), Opening::CreateIfMissing).expect("opens");
    for round in 0..20 {
        store.append(&[bytes(&"x".repeat(100 + round))]).expect("appends");
    }
    drop(store);
    let files = fs::read_dir(folder.path()).expect("there").flatten().map(|file| file.path());
    let wal = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    for wal in wal {
        let len = fs::metadata(&wal).expect("there").len();
        fs::File::options().write(true).open(&wal).and_then(|file| file.set_len(len / 2)).expect("cuts");
    }
    for _ in 0..2 {
        let error = MetadataStore::open(folder.path(), Opening::MustExist).expect_err("records are missing");
        assert!(matches!(error, StorageError::MetadataLoss { recovered: 1..20, floor: 20, .. }), "{error}");
        assert!(!error.to_string().contains("accept_data_loss"), "metadata is never given up: {error}");
    }
}

#[test]
fn an_unreadable_metadata_floor_offers_no_loss() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(MetadataStore::open(folder.path(), Opening::CreateIfMissing).expect("opens"));
    fs::write(folder.path().join("floor"), b"nonsense").expect("writes");
    let error = MetadataStore::open(folder.path(), Opening::MustExist).expect_err("it is the only proof");
    assert!(matches!(&error, StorageError::MetadataDamaged { file, .. } if file.ends_with("floor")), "{error}");
}
