use std::sync::Arc;

use callboard_model::PartitionIndex;

use super::*;
use crate::contract::{append, batch, topic, walk, write};

crate::contract_tests!(((), MemoryStorage::new()));

#[test]
fn random_walks_end_where_a_plain_model_does() {
    for seed in 0..200 {
        walk::walk(seed, 200, &mut |before| match before {
            None => Arc::new(MemoryStorage::new()),
            // A closed double stays closed; what it held is what a crash leaves without a synced copy.
            Some(before) => {
                let debug: &dyn Storage = &*before;
                let memory = (debug as &dyn std::any::Any).downcast_ref::<MemoryStorage>().expect("made here");
                Arc::new(memory.crash())
            }
        });
    }
}

#[test]
fn a_crash_takes_what_was_not_synced() {
    let storage = MemoryStorage::with_crashes();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    append(&storage, log, &[2]);
    storage.sync_wal().expect("syncs");
    append(&storage, log, &[3]);
    storage.flush_wal().expect("flushes");
    let after = storage.crash();
    assert_eq!(storage.end_offset(log), Ok(Offset(5)));
    assert_eq!(after.end_offset(log), Ok(Offset(2)));
    append(&after, log, &[1]);
    after.sync_wal().expect("syncs");
    assert_eq!(after.crash().end_offset(log), Ok(Offset(3)));
}

#[test]
fn a_full_disk_refuses_appends_and_takes_the_rest() {
    let storage = MemoryStorage::new();
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    append(&storage, log, &[2]);
    storage.set_disk_full(true);
    let group = [write(log, vec![LogWrite::Append(batch(2, 1, b""))]), write(log, vec![LogWrite::SetStart(Offset(1))])];
    let results = storage.apply(&group);
    assert!(matches!(results[..], [Err(StorageError::DiskFull { .. }), Ok(())]));
    storage.set_disk_full(false);
    append(&storage, log, &[2]);
    assert_eq!(storage.end_offset(log), Ok(Offset(4)));
}

#[test]
fn a_bounded_journal_takes_appends_while_there_is_room_and_again_when_there_is() {
    let size = batch(0, 10, b"").bytes.len() as u64;
    let storage = MemoryStorage::bounded(3 * size);
    let log = storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    let other = storage.create_log(topic(2), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    let add = |log, base| storage.apply(&[write(log, vec![LogWrite::Append(batch(base, 10, b""))])]).remove(0);
    assert_eq!((add(log, 0), add(other, 0), add(log, 10)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(add(other, 10), Err(StorageError::MemoryFull { held: 3 * size, max: 3 * size }));
    for make_room in [LogWrite::SetStart(Offset(10)), LogWrite::Truncate(Offset(20))] {
        assert_eq!(storage.apply(&[write(log, vec![make_room])]), [Ok(())]);
        assert_eq!(add(log, storage.end_offset(log).expect("known").get()), Ok(()));
        assert!(add(log, storage.end_offset(log).expect("known").get()).is_err(), "as much as before");
    }
    storage.drop_logs(&[log]).expect("drops");
    assert_eq!((add(other, 10), add(other, 20)), (Ok(()), Ok(())));
    assert!(add(other, 30).is_err());
}
