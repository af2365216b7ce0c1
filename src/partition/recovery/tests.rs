use super::*;
use crate::rig::{Disk, FULL, Made, Rig, WALL, at};
use crate::{Acks, Effect, Isolation, Leader, ListAnswer, ListOffset};
use callboard_model::{LogConfig, Timestamp};

const LOG: LogId = LogId(7);

fn begin(recovered: Recovered, epoch: i32) -> Result<Leader<u32>, RecoverError> {
    let mut effects: Vec<Effect<u32>> = Vec::new();
    let limits = PartitionLimits::default();
    Leader::begin(LOG, recovered, LeaderEpoch(epoch), LogConfig::default(), limits, at(0), &mut effects)
}

/// Two closed slices and one batch behind them: offsets 0, 1 and 2.
fn disk() -> Disk {
    let mut rig = Rig::new(LogConfig::default());
    for (sequence, size) in [(0, FULL), (1, FULL), (2, 10)] {
        rig.append(0, Acks::None, &Made::of(1, WALL).by(4, 0, sequence).sized(size));
    }
    rig.settle();
    assert_eq!(rig.disk.index.len(), 2);
    rig.disk
}

#[test]
fn only_batches_behind_the_last_closed_slice_are_scanned() {
    let recovered = disk().recover();
    assert_eq!(scan_from(Offset(0), recovered.index_last.as_ref()), Ok(Offset(2)));
    assert_eq!(scan_from(Offset(0), None), Ok(Offset(0)));
    assert_eq!(recovered.headers.len(), 1);
    let leader = begin(recovered, 1).expect("sound");
    let producer = leader.producers.by_id().values().next().expect("one");
    let offsets: Vec<_> = producer.batches().iter().map(|batch| batch.base_offset.get()).collect();
    assert_eq!(offsets, [0, 1, 2], "two from state, one from its header");
}

#[test]
fn storage_that_contradicts_itself_is_refused_with_the_numbers() {
    let sound = disk().recover();
    let with = |change: fn(&mut Recovered)| {
        let mut recovered = sound.clone();
        change(&mut recovered);
        begin(recovered, 1).map(|_| ()).expect_err("unsound")
    };
    let (log, end) = (LOG, Offset(3));
    assert_eq!(with(|r| r.start = Offset(4)), RecoverError::Bounds { log, start: Offset(4), end });
    assert_eq!(with(|r| r.start = Offset(-1)), RecoverError::Bounds { log, start: Offset(-1), end });
    assert_eq!(with(|r| r.end = Offset(1)), RecoverError::IndexPastEnd { log, index_end: Offset(2), end: Offset(1) });
    assert_eq!(with(|r| r.headers.clear()), RecoverError::End { log, end, found: Offset(2) });
    assert_eq!(with(|r| r.end = Offset(4)), RecoverError::End { log, end: Offset(4), found: end });
    let twice = with(|r| r.headers.push(r.headers[0]));
    assert_eq!(twice, RecoverError::Batch { log, found: Offset(2), expected: Offset(3) });
    let backwards = with(|r| r.headers[0].last_offset_delta = -1);
    assert_eq!(backwards, RecoverError::Batch { log, found: Offset(2), expected: Offset(2) });
    let is_state = |error| matches!(error, RecoverError::State { log: LOG, .. });
    assert!(is_state(with(|r| r.index_first = None)));
    assert!(is_state(with(|r| std::mem::swap(&mut r.index_first, &mut r.index_last))));
    assert!(is_state(with(|r| r.epochs[0].1.clear())));
    assert!(is_state(with(|r| r.producers[0].1.clear())));
    assert!(scan_from(Offset(0), Some(&(vec![], vec![]))).is_err());
}

#[test]
fn an_older_epoch_cannot_lead_and_the_same_one_needs_no_write() {
    let mut rig = Rig::on(disk(), 5, LogConfig::default(), at(0));
    rig.settle();
    let error = begin(rig.disk.recover(), 4).map(|_| ()).expect_err("older");
    assert_eq!(error, RecoverError::Epoch { log: LOG, newest: LeaderEpoch(5), given: LeaderEpoch(4) });
    let rig = rig.again(5);
    assert_eq!(rig.journal.len(), 0);
}

#[test]
fn epochs_known_from_batches_only_are_written_again() {
    let mut recovered = disk().recover();
    recovered.epochs.clear();
    let mut effects: Vec<Effect<u32>> = Vec::new();
    let limits = PartitionLimits::default();
    let leader: Leader<u32> =
        Leader::begin(LOG, recovered, LeaderEpoch(1), LogConfig::default(), limits, at(0), &mut effects)
            .expect("sound");
    assert_eq!(leader.epoch_at(Offset(2)), Some(LeaderEpoch(0)));
    assert!(matches!(&effects[..], [Effect::Write { writes, .. }] if writes.len() == 2), "{effects:?}");
}

#[test]
fn a_log_that_starts_inside_its_first_batch_is_sound() {
    let mut rig = Rig::new(LogConfig::default());
    rig.append(0, Acks::None, &Made::of(4, WALL));
    rig.settle();
    let mut recovered = rig.disk.recover();
    recovered.start = Offset(2);
    let leader = begin(recovered, 1).expect("sound");
    assert_eq!((leader.snapshot().start, leader.snapshot().end), (Offset(2), Offset(4)));
    let (timestamp, isolation) = (Timestamp(-3), Isolation::ReadUncommitted);
    let max = leader.list_offset(ListOffset { timestamp, isolation, current_leader_epoch: None });
    let open_max = None; // the batch with the largest time begins below the start: its records have to be looked at
    assert_eq!(max, Ok(ListAnswer::SearchMax { from: Offset(2), until: Offset(4), open_from: Offset(2), open_max }));
}

#[test]
fn a_repeat_is_recognised_after_recovery_from_state_and_from_headers() {
    let mut rig = Rig::on(disk(), 1, LogConfig::default(), at(0));
    rig.settle();
    for (waiter, sequence, size) in [(0, 0, FULL), (1, 1, FULL), (2, 2, 10)] {
        let effects = rig.append(waiter, Acks::All, &Made::of(1, WALL).by(4, 0, sequence).sized(size));
        assert_eq!(effects, [crate::rig::produced(waiter, i64::from(sequence))]);
    }
    assert_eq!(rig.journal.len(), 0);
}
