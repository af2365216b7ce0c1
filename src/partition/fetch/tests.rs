use std::time::Duration;

use super::*;
use crate::effect::Watermarks;
use crate::error::EpochError;
use crate::rig::{Effects, Made, Rig, WALL, at, fetch, memory, stored, waiting};
use crate::{Acks, DeleteError};
use callboard_model::LogConfig;

const T: i64 = WALL;

/// Offsets 0..2, 2..4 and 4..6 on disk and in memory, 6..8 in flight.
fn rig() -> Rig {
    let mut rig = Rig::new(LogConfig::default());
    for _ in 0..3 {
        rig.append(0, Acks::None, &pair());
    }
    rig.settle();
    rig.append(0, Acks::None, &pair());
    rig
}

fn pair() -> Made {
    Made::of(2, T)
}

fn marks(high_watermark: i64, log_start: i64) -> Watermarks {
    let high_watermark = Offset(high_watermark);
    Watermarks { high_watermark, last_stable: high_watermark, log_start: Offset(log_start) }
}

fn refusal(effects: Effects) -> FetchError {
    match &effects[..] {
        [Effect::Fetched { result: Err(error), .. }] => *error,
        other => panic!("no refusal but {other:?}"),
    }
}

fn answer(effects: Effects) -> (u32, Fetched) {
    match effects.into_iter().next() {
        Some(Effect::Fetched { waiter, result: Ok(fetched) }) => (waiter, fetched),
        other => panic!("no answer but {other:?}"),
    }
}

#[test]
fn a_fetch_inside_a_batch_gets_the_whole_batch_and_all_that_is_committed() {
    let mut rig = rig();
    let fetched = rig.read(3);
    assert_eq!(memory(&fetched), [stored(&pair(), 2, 0), stored(&pair(), 4, 0)]);
    assert_eq!((fetched.marks(), fetched.aborted.len(), fetched.diverging), (marks(6, 0), 0, None));
}

#[test]
fn read_committed_sees_the_same_as_long_as_there_are_no_transactions() {
    let mut rig = rig();
    let committed = Fetch { isolation: Isolation::ReadCommitted, ..fetch(1, 3) };
    let (_, fetched) = answer(rig.fetch(committed));
    assert_eq!(fetched, rig.read(3));
}

#[test]
fn one_batch_at_least_is_given_only_where_that_is_asked_for() {
    let mut rig = rig();
    for (max_bytes, min_one, batches) in [(0, true, 1), (0, false, 0), (1, false, 0), (1, true, 1)] {
        let (_, fetched) = answer(rig.fetch(Fetch { max_bytes, min_one, ..fetch(1, 0) }));
        assert_eq!(memory(&fetched).len(), batches, "{max_bytes} {min_one}");
        assert_eq!(fetched.data == FetchData::Empty, batches == 0);
    }
}

#[test]
fn what_is_no_longer_in_memory_is_read_from_disk() {
    let mut rig = rig();
    let one = pair().batch().len() + crate::tail::ENTRY_BYTES;
    rig.read(6);
    rig.leader.shrink_tail(2 * one, rig.now.tick);
    let fetched = rig.read(3);
    let until = Offset(6);
    assert_eq!(fetched.data, FetchData::Disk { from: Offset(3), until, max_bytes: 1 << 20, min_one: true });
    assert_eq!(memory(&rig.read(4)), [stored(&pair(), 4, 0)]);
    let (_, fetched) = answer(rig.fetch(Fetch { max_bytes: 0, min_one: false, ..fetch(1, 0) }));
    assert_eq!(fetched.data, FetchData::Empty, "nothing may be read, so nothing is");
}

#[test]
fn the_newest_batches_stay_in_memory_for_who_reads_at_the_end_and_half_a_minute_longer() {
    let shrunk = |mut rig: Rig, later: Duration| {
        rig.leader.shrink_tail(usize::MAX, rig.now.tick.after(later));
        rig.leader.tail_bytes()
    };
    let one = pair().batch().len() + crate::tail::ENTRY_BYTES;
    assert_eq!(shrunk(rig(), Duration::ZERO), one, "nobody reads, and the last one is not written yet");
    for (offset, kept) in [(6, 4 * one), (5, 4 * one), (0, 4 * one)] {
        let read = || {
            let mut rig = rig();
            rig.read(offset);
            rig
        };
        assert_eq!(shrunk(read(), Duration::from_millis(29_999)), kept, "{offset}");
        assert_eq!(shrunk(read(), Duration::from_secs(30)), one, "{offset}");
    }
    let mut behind = rig();
    behind.leader.shrink_tail(0, behind.now.tick);
    behind.read(0);
    assert_eq!(shrunk(behind, Duration::ZERO), one, "what comes from the disk is not the end");
}

#[test]
fn a_fetch_at_the_high_watermark_asks_the_disk_for_nothing() {
    let mut rig = rig().again(1);
    assert_eq!(rig.leader.tail_bytes(), 0);
    assert_eq!(rig.read(6).data, FetchData::Empty);
}

#[test]
fn offsets_outside_the_log_are_out_of_range_and_those_not_committed_are_empty() {
    let mut rig = rig();
    rig.call(|leader, _, effects| leader.delete_records(Offset(2), 9, effects));
    let out = |offset| FetchError::OutOfRange { offset: Offset(offset), end: Offset(8), marks: marks(6, 2) };
    for offset in [-1, 1, 9] {
        let error = refusal(rig.fetch(fetch(1, offset)));
        assert_eq!((error, error.code().code(), error.marks()), (out(offset), 1, marks(6, 2)));
    }
    for offset in [6, 7, 8] {
        assert_eq!(rig.read(offset).data, FetchData::Empty);
    }
}

#[test]
fn a_fetch_of_another_leadership_is_told_which_way_it_is_wrong() {
    let mut rig = rig().again(4);
    let of = |epoch, offset| Fetch { current_leader_epoch: Some(LeaderEpoch(epoch)), ..fetch(1, offset) };
    let current = LeaderEpoch(4);
    // The epoch is looked at first: an offset past the end may well be right for a newer leader.
    for (epoch, code) in [(3, 74), (5, 75)] {
        let error = refusal(rig.fetch(of(epoch, 99)));
        assert_eq!((error.code().code(), error.marks()), (code, marks(6, 0)));
    }
    let error = EpochError::Fenced { given: LeaderEpoch(3), current };
    assert_eq!(refusal(rig.fetch(of(3, 0))), FetchError::Epoch { error, marks: marks(6, 0) });
    answer(rig.fetch(of(4, 0)));
    answer(rig.fetch(of(-1, 0)));
}

#[test]
fn a_log_that_parted_from_ours_is_told_where() {
    // Epoch 0 has 0..6, epoch 4 has 6..8.
    let mut rig = rig().again(4);
    rig.append(0, Acks::None, &pair());
    rig.settle();
    let of = |epoch, offset| Fetch { last_fetched_epoch: Some(LeaderEpoch(epoch)), ..fetch(1, offset) };
    let mut diverging = |epoch, offset| answer(rig.fetch(of(epoch, offset))).1.diverging;
    assert_eq!(diverging(0, 6), None);
    assert_eq!(diverging(4, 8), None);
    assert_eq!(diverging(0, 7), Some((LeaderEpoch(0), Offset(6))), "it has more of epoch 0 than we do");
    assert_eq!(diverging(2, 7), Some((LeaderEpoch(0), Offset(6))), "it has an epoch that we do not know");
    let (_, fetched) = answer(rig.fetch(of(2, 3)));
    assert_eq!(fetched.data, FetchData::Empty, "no records with a diverging epoch");
    let error = refusal(rig.fetch(of(9, 3)));
    assert_eq!(error, FetchError::UnknownHistory { epoch: LeaderEpoch(9), marks: marks(8, 0) });
    rig.call(|leader, _, effects| leader.delete_records(Offset(4), 9, effects));
    assert_eq!(refusal(rig.fetch(of(2, 3))).code().code(), 1, "below the start even if it parted (KAFKA-12996)");
}

#[test]
fn a_waiting_fetch_is_answered_when_the_high_watermark_passes_what_it_waits_for() {
    let mut rig = rig();
    assert_eq!(rig.fetch(waiting(1, 6, 6, 500)), []);
    assert_eq!(rig.fetch(waiting(2, 6, 8, 500)), []);
    let effects = rig.settle();
    assert_eq!(effects.len(), 1);
    let (waiter, fetched) = answer(effects);
    assert_eq!((waiter, memory(&fetched)), (1, &[stored(&pair(), 6, 0)][..]));
    rig.append(0, Acks::None, &Made::of(1, T));
    let (waiter, fetched) = answer(rig.settle());
    assert_eq!((waiter, memory(&fetched).len()), (2, 2));
}

#[test]
fn a_fetch_that_need_not_wait_is_answered_at_once() {
    let mut rig = rig();
    assert_eq!(answer(rig.fetch(waiting(1, 4, 5, 500))).0, 1, "enough is there");
    assert_eq!(answer(rig.fetch(waiting(2, 6, 6, 0))).0, 2, "its time is over");
    refusal(rig.fetch(waiting(3, 99, 99, 500)));
    let parted = Fetch { last_fetched_epoch: Some(LeaderEpoch(0)), ..waiting(4, 8, 8, 500) };
    assert_eq!(rig.fetch(parted), []);
    let mut rig = rig.again(1);
    let parted = Fetch { last_fetched_epoch: Some(LeaderEpoch(0)), ..waiting(4, 6, 6, 500) };
    assert_eq!(rig.fetch(parted), [], "the end of epoch 0 is where it is");
}

#[test]
fn a_waiting_fetch_is_answered_with_what_is_there_when_its_time_is_over() {
    let mut rig = rig();
    rig.fetch(waiting(1, 4, 7, 500));
    rig.fetch(waiting(2, 6, 6, 700));
    assert_eq!(rig.leader.next_deadline(), Some(crate::rig::tick(500)));
    rig.now = at(500);
    let effects = rig.call(|leader, now, effects| leader.expire(now, effects));
    assert_eq!(effects.len(), 1);
    let (waiter, fetched) = answer(effects);
    assert_eq!((waiter, memory(&fetched).len()), (1, 1));
    assert_eq!(rig.leader.next_deadline(), Some(crate::rig::tick(700)));
}

#[test]
fn a_new_fetch_with_the_same_key_replaces_the_waiting_one() {
    let mut rig = rig();
    rig.fetch(waiting(1, 6, 6, 500));
    let mut second = waiting(2, 6, 7, 500);
    second.key = 1;
    assert_eq!(rig.fetch(second), []);
    assert_eq!(rig.leader.snapshot().delayed_fetches, 1);
    assert_eq!(answer(rig.settle()).0, 2);
    rig.fetch(waiting(3, 8, 8, 500));
    rig.leader.cancel_fetch(3);
    rig.leader.cancel_fetch(77);
    assert_eq!(rig.leader.snapshot().delayed_fetches, 0);
}

#[test]
fn a_waiting_fetch_whose_offset_is_deleted_is_out_of_range() {
    let mut rig = rig();
    rig.settle();
    rig.fetch(waiting(1, 4, 8, 500));
    rig.fetch(waiting(2, 8, 8, 500));
    let effects = rig.call(|leader, _, effects| leader.delete_records(Offset(6), 9, effects));
    assert_eq!(refusal(effects).marks(), marks(8, 6));
    assert_eq!(rig.leader.snapshot().delayed_fetches, 1);
    let deleted: Vec<_> = rig.settle();
    assert_eq!(deleted, [Effect::Deleted { waiter: 9, result: Ok::<_, DeleteError>(Offset(6)) }]);
}
