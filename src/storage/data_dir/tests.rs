use std::sync::Arc;

use super::*;
use crate::{MetadataLog, Storage};

fn options(node: i32, cluster: Option<&str>) -> DataDirOptions {
    DataDirOptions {
        node_id: BrokerId(node),
        cluster_id: cluster.map(|cluster| ClusterId(Arc::from(cluster))),
        fresh_cluster_id: ClusterId(Arc::from("fresh")),
        fresh_directory_id: "a folder".to_owned(),
    }
}

#[test]
fn a_folder_keeps_its_identity() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/er");
    let dir = DataDir::open(&path, &options(1, None)).expect("opens");
    assert!(dir.is_new());
    assert_eq!(dir.identity().cluster_id.to_string(), "fresh");
    let identity = dir.identity().clone();
    drop(dir);
    let again = DataDirOptions { fresh_directory_id: "another".to_owned(), ..options(1, Some("fresh")) };
    let dir = DataDir::open(&path, &again).expect("opens");
    assert!(!dir.is_new());
    assert_eq!(*dir.identity(), identity);
}

#[test]
fn a_second_start_is_refused_with_the_folder_s_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = DataDir::open(folder.path(), &options(1, None)).expect("opens");
    let error = DataDir::open(folder.path(), &options(1, None)).expect_err("it is taken");
    let text = error.to_string();
    assert!(matches!(error, DataDirError::Locked(_)));
    assert!(text.contains("another process") && text.contains(&*folder.path().to_string_lossy()), "{text}");
    drop(first);
    DataDir::open(folder.path(), &options(1, None)).expect("free again");
}

#[test]
fn another_node_s_or_cluster_s_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(DataDir::open(folder.path(), &options(1, Some("mine"))).expect("opens"));
    let node = DataDir::open(folder.path(), &options(2, None)).expect_err("not its node");
    assert!(matches!(node, DataDirError::OtherNode { found: BrokerId(1), given: BrokerId(2), .. }), "{node}");
    let cluster = DataDir::open(folder.path(), &options(1, Some("yours"))).expect_err("not its cluster");
    assert!(cluster.to_string().contains("mine") && cluster.to_string().contains("yours"), "{cluster}");
}

#[test]
fn an_unreadable_or_foreign_identity_names_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(DataDir::open(folder.path(), &options(1, None)).expect("opens"));
    let file = fs::canonicalize(folder.path()).expect("there").join(IDENTITY);
    let good = fs::read_to_string(&file).expect("reads");
    for bad in ["", "{}", "not json", &good[..good.len() / 2], &good.replace("node_id", "knot_id")] {
        fs::write(&file, bad).expect("writes");
        let error = DataDir::open(folder.path(), &options(1, None)).expect_err("unreadable");
        assert!(matches!(&error, DataDirError::Unreadable { file: named, .. } if *named == file), "{error}");
        assert_eq!(fs::read_to_string(&file).expect("reads"), bad, "it is left as it is");
    }
    fs::write(&file, good.replace("\"format\": 1", "\"format\": 99")).expect("writes");
    let error = DataDir::open(folder.path(), &options(1, None)).expect_err("from the future");
    assert!(matches!(error, DataDirError::Format { found: 99, expected: FORMAT, .. }), "{error}");
}

#[test]
fn data_without_an_identity_is_not_taken_for_a_new_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dir = DataDir::open(folder.path(), &options(1, None)).expect("opens");
    drop(dir.open_metadata().expect("opens"));
    drop(dir);
    fs::remove_file(folder.path().join(IDENTITY)).expect("removes");
    let error = DataDir::open(folder.path(), &options(1, None)).expect_err("there is data");
    assert!(matches!(&error, DataDirError::Missing { database, .. } if database.ends_with("metadata")), "{error}");
}

#[test]
fn a_database_that_was_there_must_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Options { disk_reserve_bytes: 0, ..Options::default() };
    let mut dir = DataDir::open(folder.path(), &options(1, None)).expect("opens");
    let storage = dir.open_journal(&journal).expect("opens");
    assert!(storage.recovery().created);
    storage.close().expect("closes");
    drop(storage);
    dir.open_metadata().expect("opens").append(&[bytes::Bytes::from_static(b"x")]).expect("appends");
    drop(dir);
    let mut dir = DataDir::open(folder.path(), &options(1, None)).expect("opens");
    assert!(dir.open_journal(&journal).expect("opens").recovery().clean);
    for database in [JOURNAL, METADATA] {
        fs::remove_dir_all(folder.path().join(database)).expect("removes");
    }
    for error in [dir.open_journal(&journal).map(drop), dir.open_metadata().map(drop)] {
        let error = error.expect_err("gone");
        let gone = StorageError::is_fatal;
        assert!(matches!(&error, DataDirOpenError::Storage(error) if gone(error)), "{error}");
        assert!(error.to_string().contains("CURRENT"), "{error}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("writes");
    let error = DataDir::open(&file.join("data"), &options(1, None)).expect_err("no folder can be in a file");
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[test]
fn the_limit_of_open_files_is_told() {
    assert!(raise_open_file_limit() >= 64);
}
