//! A full disk: appends are refused, the rest goes on, and appends come back by themselves.

use std::process::Command;
use std::time::{Duration, Instant};

use callboard_model::{LogWrite, Timestamp};

use super::*;
use crate::contract::{batch, write};

/// A small disk of its own, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            other => {
                println!("skipped: no small disk can be mounted here: {other:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

fn fill(storage: &RocksStorage, log: LogId) -> Result<(), StorageError> {
    let base = storage.end_offset(log).expect("there").0;
    let stored = batch(base, 1, &[base as u8; 60_000]);
    storage.apply(&[write(log, vec![LogWrite::Append(stored)])]).remove(0)?;
    storage.flush_wal()
}

fn fill_until_refused(storage: &RocksStorage, log: LogId) -> StorageError {
    for _ in 0..100_000 {
        if let Err(error) = fill(storage, log) {
            return error;
        }
    }
    panic!("the disk never fills");
}

fn options(reserve: u64) -> Options {
    Options {
        generation_bytes: 4 << 20,
        memtables_bytes: 4 << 20,
        wal_bytes: 4 << 20,
        disk_reserve_bytes: reserve,
        spill_group_bytes: small().spill_group_bytes,
        spill_batch_bytes: small().spill_batch_bytes,
        ..Options::default()
    }
}

#[test]
fn below_the_reserve_appends_are_refused_and_come_back_when_retention_frees_space() {
    let Some(disk) = SmallDisk::new(96) else { return };
    let storage = RocksStorage::open(disk.0.path(), Opening::CreateIfMissing, &options(40 << 20)).expect("opens");
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    let error = fill_until_refused(&storage, log);
    assert!(matches!(error, StorageError::DiskFull { .. }) && !error.is_fatal(), "{error}");
    assert!(storage.usage().expect("counts").disk_full);
    let end = storage.end_offset(log).expect("there");
    assert!(storage.read(log, Offset(0), end, 1 << 20, true).is_ok(), "reads go on");
    let moved = storage.apply(&[write(log, vec![LogWrite::SetStart(Offset(end.0 - 5))])]);
    assert_eq!(moved, [Ok(())], "and so does retention");
    let begun = Instant::now();
    let mut second = 0;
    while fill(&storage, log).is_err() {
        storage.maintain(Timestamp(second * 1000)).expect("maintains");
        second += 1;
        assert!(begun.elapsed() < Duration::from_secs(30), "space does not come back: {:?}", storage.usage());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(storage.end_offset(log), Ok(end.plus(1)));
}

#[test]
fn a_disk_that_others_fill_is_a_typed_error_and_loses_nothing_that_was_synced() {
    let Some(disk) = SmallDisk::new(48) else { return };
    let storage = RocksStorage::open(disk.0.path(), Opening::CreateIfMissing, &options(0)).expect("opens");
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    for _ in 0..20 {
        fill(&storage, log).expect("there is room");
    }
    storage.sync_wal().expect("syncs");
    let synced = storage.end_offset(log).expect("there");
    let error = fill_until_refused(&storage, log);
    assert!(matches!(error, StorageError::DiskFull { .. }), "it may pass: {error}");
    let end = storage.end_offset(log).expect("there");
    assert!(storage.read(log, Offset(0), synced, 1 << 20, true).is_ok(), "reads go on");
    // A process that stops here and finds space later has everything.
    let copy = crash::copy_of(disk.0.path());
    let after = RocksStorage::open(copy.path(), Opening::MustExist, &options(0)).expect("opens");
    let found = after.end_offset(log).expect("there");
    assert!(synced <= found && found <= end, "{synced} synced, {found} found, {end} applied");
    assert_eq!(after.headers(log, Offset(0)).expect("reads").len() as i64, found.0);
}
