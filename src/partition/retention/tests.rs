use super::*;
use crate::rig::{Effects, FULL, Made, Rig, WALL, at};
use crate::{Acks, FetchData, WriteError};
use callboard_model::{CleanupPolicy, LogConfig, StateFamily};
use std::time::Duration;

const HOUR: u64 = 3_600_000;

fn config(retention_bytes: Option<u64>) -> LogConfig {
    LogConfig { retention: Some(Duration::from_millis(HOUR)), retention_bytes, ..LogConfig::default() }
}

/// One closed slice for each time, of one batch each, and an open one of one small batch.
fn rig(config: LogConfig, times: &[i64]) -> Rig {
    let mut rig = Rig::new(config);
    for time in times {
        rig.append(0, Acks::None, &Made::of(1, WALL + time).sized(FULL));
    }
    rig.append(0, Acks::None, &Made::of(1, WALL));
    rig.settle();
    assert_eq!(rig.disk.index.len(), times.len());
    rig
}

/// What the shell does: as long as there is something to do, so many entries at a time.
fn retain(rig: &mut Rig, entries: usize) -> Effects {
    let mut all = Vec::new();
    while let Some(query) = rig.leader.retention_query(rig.now) {
        let found = rig.disk.index_from(&query.from_key, entries);
        all.extend(
            rig.call(|leader, now, effects| leader.apply_retention(&query, &found, now, effects).expect("readable")),
        );
        all.extend(rig.settle());
    }
    all
}

fn deleted(waiter: u32, result: Result<i64, DeleteError>) -> Effect<u32> {
    Effect::Deleted { waiter, result: result.map(Offset) }
}

fn delete(rig: &mut Rig, waiter: u32, before: i64) -> Effects {
    rig.call(|leader, _, effects| leader.delete_records(Offset(before), waiter, effects))
}

#[test]
fn slices_go_when_their_newest_record_is_too_old() {
    for entries in [1, 2, 10] {
        let mut rig = rig(config(None), &[0, 1000, 2000]);
        rig.now = at(HOUR);
        assert_eq!(rig.leader.retention_query(rig.now), None, "none is older than an hour");
        rig.now = at(HOUR + 1001);
        retain(&mut rig, entries);
        assert_eq!((rig.disk.start, rig.disk.index.len(), rig.leader.snapshot().start), (Offset(2), 1, Offset(2)));
        rig.now = at(9 * HOUR);
        retain(&mut rig, entries);
        assert_eq!((rig.disk.start, rig.disk.index.len()), (Offset(3), 0), "the open slice stays");
    }
}

#[test]
fn an_old_slice_behind_a_young_one_waits_for_it() {
    let mut rig = rig(config(None), &[5000, 0]);
    rig.now = at(HOUR + 1000);
    assert_eq!(rig.leader.retention_query(rig.now), None);
    rig.now = at(HOUR + 5001);
    retain(&mut rig, 10);
    assert_eq!(rig.disk.start, Offset(2));
}

#[test]
fn what_retention_asks_for_is_one_write_that_needs_no_sync() {
    let mut rig = rig(config(None), &[0, 0]);
    rig.now = at(HOUR + 1);
    let query = rig.leader.retention_query(rig.now).expect("due");
    assert_eq!(query.from_key, index_key(Offset(0)));
    let entries = rig.disk.index_from(&query.from_key, 10);
    let mut effects = Vec::new();
    rig.leader.apply_retention(&query, &entries, rig.now, &mut effects).expect("readable");
    let index = |start| LogWrite::Delete { family: StateFamily::Index, key: index_key(Offset(start)) };
    let writes = vec![index(0), index(1), LogWrite::SetStart(Offset(2))];
    assert_eq!(effects, [Effect::Write { ticket: Ticket(4), durability: Durability::Written, writes }]);
}

#[test]
fn slices_go_while_the_rest_is_still_large_enough() {
    let two = rig(config(None), &[0, 0]).leader.snapshot().size_bytes;
    let mut rig = rig(config(Some(two)), &[0, 0, 0, 0]);
    retain(&mut rig, 1);
    assert_eq!((rig.disk.start, rig.leader.snapshot().size_bytes), (Offset(2), two));
}

#[test]
fn a_compacted_topic_keeps_its_slices() {
    let mut config = config(Some(1));
    config.cleanup_policy = CleanupPolicy { delete: false, compact: true };
    let mut rig = Rig::new(config);
    let keyed = Made { records: vec![(Some(b"k"), FULL, WALL)], ..Made::of(1, WALL) };
    rig.append(0, Acks::None, &keyed);
    rig.settle();
    rig.now = at(9 * HOUR);
    assert_eq!((rig.disk.index.len(), rig.leader.retention_query(rig.now)), (1, None));
    assert_eq!(delete(&mut rig, 1, 1), [deleted(1, Err(DeleteError::Policy))]);
    assert_eq!(DeleteError::Policy.code().code(), 44);
}

#[test]
fn nothing_at_or_above_the_high_watermark_goes() {
    // KAFKA-5634
    let mut rig = Rig::new(config(Some(1)));
    rig.append(0, Acks::None, &Made::of(1, WALL).sized(FULL));
    rig.now = at(9 * HOUR);
    assert_eq!(rig.leader.retention_query(rig.now), None);
    rig.settle();
    retain(&mut rig, 1);
    assert_eq!(rig.disk.start, Offset(1));
}

#[test]
fn stale_and_foreign_entries_do_no_harm() {
    let mut rig = rig(config(None), &[0, 0, 9000]);
    rig.now = at(HOUR + 1);
    let stale = rig.disk.index_from(&[], 10);
    let query = rig.leader.retention_query(rig.now).expect("due");
    retain(&mut rig, 1);
    assert_eq!(rig.disk.start, Offset(2));
    rig.call(|leader, now, effects| leader.apply_retention(&query, &stale, now, effects).expect("readable"));
    assert_eq!(rig.journal.len(), 0);
    rig.call(|leader, now, effects| {
        assert!(leader.apply_retention(&query, &[(vec![1], vec![2])], now, effects).is_err());
    });
    assert_eq!(rig.leader.snapshot().start, Offset(2));
}

#[test]
fn deleting_records_is_answered_once_it_is_written_and_holds_for_readers_at_once() {
    let mut rig = rig(config(None), &[]);
    rig.append(0, Acks::None, &Made::of(4, WALL));
    rig.settle();
    assert_eq!(delete(&mut rig, 1, 3), []);
    assert_eq!(rig.leader.snapshot().start, Offset(3));
    assert_eq!(delete(&mut rig, 2, 1), [], "no news, but the start is not written yet");
    let families: Vec<_> =
        rig.journal[0].1.iter().map(|write| format!("{write:?}").chars().take(12).collect::<String>()).collect();
    assert_eq!(families, ["Put { family", "SetStart(Off"], "the slice that is cut closes first");
    assert_eq!(rig.settle(), [deleted(1, Ok(3)), deleted(2, Ok(3))]);
    assert_eq!(delete(&mut rig, 3, 2), [deleted(3, Ok(3))]);
    assert!(matches!(rig.read(3).data, FetchData::Memory(_)), "the batch that contains the start is readable");
}

#[test]
fn a_deletion_waits_for_the_write_of_the_start_and_for_no_other() {
    let mut rig = rig(config(None), &[]);
    rig.append(0, Acks::None, &Made::of(1, WALL));
    delete(&mut rig, 1, 1);
    assert_eq!(rig.write_one(), Some(vec![]), "the append is written, the start is not");
    assert_eq!(delete(&mut rig, 2, 1), []);
    assert_eq!(rig.settle(), [deleted(1, Ok(1)), deleted(2, Ok(1))]);
}

#[test]
fn minus_one_deletes_all_that_is_committed_and_no_more() {
    let mut rig = rig(config(None), &[]);
    rig.append(0, Acks::None, &Made::of(4, WALL));
    delete(&mut rig, 1, -1);
    assert_eq!(rig.settle(), [deleted(1, Ok(1))]);
    let error = |offset, high_watermark| DeleteError::OutOfRange {
        offset: Offset(offset),
        high_watermark: Offset(high_watermark),
    };
    assert_eq!(delete(&mut rig, 2, 6), [deleted(2, Err(error(6, 5)))]);
    assert_eq!(delete(&mut rig, 3, -2), [deleted(3, Err(error(-2, 5)))]);
    assert_eq!(error(0, 0).code().code(), 1);
    delete(&mut rig, 4, -1);
    assert_eq!(rig.settle(), [deleted(4, Ok(5))]);
    assert_eq!(rig.leader.tail_bytes(), 0, "what is deleted is not kept in memory");
}

#[test]
fn a_producer_is_remembered_though_its_records_are_deleted() {
    let mut rig = rig(config(None), &[]);
    let made = Made::of(1, WALL).by(3, 0, 0);
    rig.append(0, Acks::None, &made);
    rig.settle();
    delete(&mut rig, 1, -1);
    rig.settle();
    let mut rig = rig.again(1);
    let effects = rig.append(2, Acks::All, &made);
    assert!(
        matches!(&effects[..], [Effect::Produced { result: Ok(produced), .. }] if produced.base_offset == Offset(1))
    );
}

#[test]
fn index_entries_below_a_deleted_start_are_cleaned_up() {
    let mut rig = rig(config(None), &[0, 0, 0]);
    delete(&mut rig, 1, 2);
    rig.settle();
    assert_eq!(rig.disk.index.len(), 3);
    retain(&mut rig, 1);
    assert_eq!((rig.disk.index.len(), rig.disk.start), (1, Offset(2)));
}

#[test]
fn epochs_below_the_start_go_with_it() {
    let mut rig = rig(config(None), &[0]).again(1);
    rig.append(0, Acks::None, &Made::of(1, WALL));
    rig.settle();
    assert_eq!(rig.disk.epochs.len(), 2);
    delete(&mut rig, 1, 2);
    rig.settle();
    assert_eq!(rig.disk.epochs.len(), 1);
    assert_eq!(rig.leader.end_offset_for_epoch(None, callboard_model::LeaderEpoch(0)).map(|end| end.1), Ok(Offset(2)));
}

#[test]
fn a_leader_that_ended_deletes_nothing() {
    let mut rig = rig(config(Some(1)), &[0]);
    let entries = rig.disk.index_from(&[], 10);
    let query = rig.leader.retention_query(rig.now).expect("due");
    rig.append(0, Acks::None, &Made::of(1, WALL));
    let ticket = rig.journal[0].0;
    rig.call(|leader, _, effects| leader.write_failed(ticket, WriteError::Full, effects));
    assert_eq!(delete(&mut rig, 1, 1), [deleted(1, Err(DeleteError::Storage(WriteError::Full)))]);
    assert_eq!(rig.leader.retention_query(rig.now), None);
    rig.journal.clear();
    rig.call(|leader, now, effects| leader.apply_retention(&query, &entries, now, effects).expect("readable"));
    assert_eq!((rig.journal.len(), rig.leader.snapshot().start), (0, Offset(0)));
}
