use super::*;
use crate::error::EpochError;
use crate::replica_set::ReplicaSet;
use crate::rig::{FULL, Made, Rig, WALL};
use crate::{Acks, Slice};
use callboard_model::{BrokerId, LogConfig};

fn rig() -> Rig {
    Rig::new(LogConfig::default())
}

fn list(rig: &Rig, timestamp: i64) -> Result<ListAnswer, ListError> {
    let (timestamp, isolation) = (Timestamp(timestamp), Isolation::ReadUncommitted);
    rig.leader.list_offset(ListOffset { timestamp, isolation, current_leader_epoch: None })
}

fn named(offset: i64, epoch: i32) -> Result<ListAnswer, ListError> {
    let (offset, leader_epoch) = (Offset(offset), LeaderEpoch(epoch));
    Ok(ListAnswer::Found { offset, timestamp: Timestamp::NONE, leader_epoch })
}

fn written(mut rig: Rig, times: &[i64]) -> Rig {
    for time in times {
        rig.append(0, Acks::None, &Made::of(1, WALL + time));
    }
    rig.settle();
    rig
}

#[test]
fn offsets_by_name_are_answered_from_memory() {
    let mut rig = written(rig(), &[1, 2, 3]).again(5);
    rig.append(0, Acks::None, &Made::of(1, WALL));
    rig.call(|leader, _, effects| leader.delete_records(Offset(1), 9, effects));
    assert_eq!(list(&rig, -1), named(3, 5), "the high watermark, not the end");
    assert_eq!(list(&rig, -2), named(1, 0));
    assert_eq!(list(&rig, -4), named(1, 0));
    assert_eq!(list(&rig, -5), Ok(ListAnswer::NotFound));
    assert_eq!(list(&rig, -6), Ok(ListAnswer::NotFound));
}

#[test]
fn an_empty_log_has_a_first_and_a_last_offset_and_no_time() {
    let rig = rig();
    assert_eq!((list(&rig, -1), list(&rig, -2)), (named(0, 0), named(0, 0)));
    assert_eq!((list(&rig, -3), list(&rig, 0)), (Ok(ListAnswer::NotFound), Ok(ListAnswer::NotFound)));
}

#[test]
fn a_time_is_searched_where_it_can_be_and_no_farther() {
    let mut rig = written(rig(), &[5, 9, 7]);
    let timestamp = Timestamp(WALL + 9);
    let search = |timestamp, until, open_from| {
        Ok(ListAnswer::SearchTime { from: Offset(0), until: Offset(until), timestamp, open_from: Offset(open_from) })
    };
    assert_eq!(list(&rig, WALL + 9), search(timestamp, 3, 0));
    assert_eq!(list(&rig, WALL + 10), Ok(ListAnswer::NotFound), "all there is lies in the open slice");
    rig.append(0, Acks::None, &Made::of(1, WALL).sized(FULL));
    rig.settle();
    // Now a slice is closed, and whether it has the time is for the index to say.
    assert_eq!(list(&rig, WALL + 10), search(Timestamp(WALL + 10), 4, 4));
}

#[test]
fn the_largest_time_of_the_open_slice_is_known_if_it_is_committed() {
    let mut rig = written(rig(), &[5, 9, 9]);
    let best = Some(MaxBatch { timestamp: Timestamp(WALL + 9), base_offset: Offset(1) });
    let search =
        |open_max| Ok(ListAnswer::SearchMax { from: Offset(0), until: Offset(3), open_from: Offset(0), open_max });
    assert_eq!(list(&rig, -3), search(best), "the first of equals");
    rig.append(0, Acks::None, &Made::of(1, WALL + 20));
    assert_eq!(list(&rig, -3), search(None), "the best is not committed: only batches can tell");
}

#[test]
fn a_closed_slice_tells_its_largest_time_in_the_index() {
    let mut rig = written(rig(), &[5, 9]);
    rig.append(0, Acks::None, &Made::of(1, WALL + 7).sized(FULL));
    rig.settle();
    let (key, value) = rig.disk.index.first_key_value().expect("closed");
    let slice = Slice::decode(key, value).expect("readable");
    assert_eq!((slice.start, slice.end), (Offset(0), Offset(3)));
    assert_eq!(slice.max, MaxBatch { timestamp: Timestamp(WALL + 9), base_offset: Offset(1) });
}

#[test]
fn a_leader_whose_high_watermark_has_not_caught_up_does_not_answer_latest() {
    let mut rig = written(rig(), &[1, 2, 3]);
    rig.leader.replicas = ReplicaSet::with_followers(Offset(3), [(BrokerId(2), true)]);
    rig.leader.high_watermark = Offset(1);
    rig.leader.epoch_start = Offset(3);
    let error = list(&rig, -1).expect_err("it could go back");
    let (high_watermark, epoch_start) = (Offset(1), Offset(3));
    assert_eq!((error.code().code(), error), (78, ListError::NotAvailable { high_watermark, epoch_start }));
    assert_eq!(list(&rig, -2), named(0, 0), "the start is what it is");
}

#[test]
fn questions_of_another_leadership_are_refused() {
    let mut rig = rig().again(4);
    let ask = |rig: &Rig, epoch| {
        let current_leader_epoch = Some(LeaderEpoch(epoch));
        let (timestamp, isolation) = (Timestamp(-1), Isolation::ReadCommitted);
        rig.leader
            .list_offset(ListOffset { timestamp, isolation, current_leader_epoch })
            .map_err(|error| error.code().code())
    };
    assert_eq!((ask(&rig, 3), ask(&rig, 5)), (Err(74), Err(75)));
    assert_eq!(ask(&rig, 4), named(0, 4).map_err(|error| error.code().code()));
    let current = LeaderEpoch(4);
    let end = rig.leader.end_offset_for_epoch(Some(LeaderEpoch(3)), current);
    assert_eq!(end, Err(EpochError::Fenced { given: LeaderEpoch(3), current }));
    rig.call(|leader, _, effects| leader.resign(effects));
    assert_eq!(ask(&rig, 4), Err(6));
}

#[test]
fn the_end_of_an_epoch_is_where_the_next_began() {
    let rig = written(written(rig(), &[1, 2]).again(3), &[3]);
    let end = |epoch| rig.leader.end_offset_for_epoch(None, LeaderEpoch(epoch)).expect("our leadership");
    assert_eq!(end(0), (LeaderEpoch(0), Offset(2)));
    assert_eq!(end(1), (LeaderEpoch(0), Offset(2)));
    assert_eq!(end(3), (LeaderEpoch(3), Offset(3)));
    assert_eq!(end(4), (LeaderEpoch::NONE, Offset::NONE));
    assert_eq!(end(-1), (LeaderEpoch::NONE, Offset::NONE));
}
