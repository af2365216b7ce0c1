use super::*;

fn of(entries: &[(i32, i64)]) -> EpochHistory {
    let mut history = EpochHistory::default();
    for (epoch, start) in entries {
        history.assign(LeaderEpoch(*epoch), Offset(*start), &mut Vec::new());
    }
    history
}

fn pairs(history: &EpochHistory) -> Vec<(i32, i64)> {
    history.entries().iter().map(|(epoch, start)| (epoch.get(), start.get())).collect()
}

#[test]
fn epochs_without_records_are_replaced_by_the_next() {
    let mut history = of(&[(1, 0), (2, 10), (4, 10)]);
    assert_eq!(pairs(&history), [(1, 0), (4, 10)]);
    let mut writes = Vec::new();
    history.assign(LeaderEpoch(5), Offset(10), &mut writes);
    let put =
        LogWrite::Put { family: StateFamily::Epochs, key: vec![0, 0, 0, 5], value: vec![1, 0, 0, 0, 0, 0, 0, 0, 10] };
    assert_eq!(writes, [delete(LeaderEpoch(4)), put]);
}

#[test]
fn epochs_below_the_start_go_and_the_one_containing_it_stays() {
    let mut history = of(&[(1, 0), (2, 10), (4, 20)]);
    let mut writes = Vec::new();
    history.prune(Offset(9), &mut writes);
    assert_eq!((pairs(&history).len(), writes.len()), (3, 0));
    history.prune(Offset(10), &mut writes);
    assert_eq!(writes, [delete(LeaderEpoch(1))]);
    history.prune(Offset(500), &mut writes);
    assert_eq!(pairs(&history), [(4, 20)]);
}

#[test]
fn ends_follow_kip_320() {
    let history = of(&[(2, 10), (4, 20), (5, 30)]);
    let end = |epoch, start| {
        let (epoch, end) = history.end_of(LeaderEpoch(epoch), Offset(start), Offset(35));
        (epoch.get(), end.get())
    };
    assert_eq!(end(5, 0), (5, 35));
    assert_eq!(end(4, 0), (4, 30));
    assert_eq!(end(3, 0), (2, 20));
    assert_eq!(end(2, 0), (2, 20));
    assert_eq!(end(1, 0), (1, 10), "older than all that is known");
    assert_eq!(end(1, 15), (1, 15), "but not below the log's start");
    assert_eq!(end(6, 0), (-1, -1));
    assert_eq!(end(-1, 0), (-1, -1));
    assert_eq!(EpochHistory::default().end_of(LeaderEpoch(0), Offset(0), Offset(0)), (LeaderEpoch::NONE, Offset::NONE));
}

#[test]
fn every_offset_has_the_epoch_that_began_last_before_it() {
    let history = of(&[(2, 10), (4, 20)]);
    let at = |offset| history.epoch_at(Offset(offset)).map(LeaderEpoch::get);
    assert_eq!([at(9), at(10), at(19), at(20), at(99)], [None, Some(2), Some(2), Some(4), Some(4)]);
}

#[test]
fn what_is_written_reads_back_and_anything_else_is_an_error() {
    let mut writes = Vec::new();
    let mut history = EpochHistory::default();
    history.assign(LeaderEpoch(3), Offset(0), &mut writes);
    history.assign(LeaderEpoch(300), Offset(7_000_000_000), &mut writes);
    let stored: Vec<_> = writes
        .into_iter()
        .filter_map(|write| if let LogWrite::Put { key, value, .. } = write { Some((key, value)) } else { None })
        .collect();
    assert_eq!(EpochHistory::decode(&stored), Ok(history));
    let reversed: Vec<_> = stored.iter().rev().cloned().collect();
    assert!(matches!(EpochHistory::decode(&reversed), Err(StateError::Impossible { .. })));
    let (key, value) = stored[1].clone();
    let wrong = |key: &[u8], value: &[u8]| EpochHistory::decode(&[(key.to_vec(), value.to_vec())]);
    for end in 0..value.len() {
        assert!(matches!(wrong(&key, &value[..end]), Err(StateError::Length { .. })), "cut at {end}");
    }
    assert!(matches!(wrong(&key[..3], &value), Err(StateError::Length { .. })));
    assert!(matches!(wrong(&key, &[&value[..], &[0]].concat()), Err(StateError::Length { .. })));
    assert_eq!(wrong(&key, &[2; 9]), Err(StateError::Version { kind: "epoch", given: 2, known: 1 }));
    assert!(matches!(wrong(&key, &[1, 255, 0, 0, 0, 0, 0, 0, 0]), Err(StateError::Impossible { .. })));
}
