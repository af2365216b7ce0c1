//! Where reading begins, goes on, jumps and stops.

use super::*;

fn one() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn at(offset: i64) -> Position {
    Position { offset, epoch: None }
}

fn assigned(policy: OffsetReset, group: bool) -> (Positions, u64) {
    let mut positions = Positions::new(policy);
    positions.assign(&[one()].into(), group);
    let ticket = positions.slot(&one()).expect("assigned").ticket;
    (positions, ticket)
}

fn fetching(offset: i64) -> (Positions, u64) {
    let (mut positions, ticket) = assigned(OffsetReset::Earliest, true);
    assert_eq!(positions.committed_wanted(Instant::now()), [(one(), ticket)]);
    positions.found_committed(&one(), ticket, Some(at(offset))).expect("committed");
    (positions, ticket)
}

fn next_fetch(positions: &Positions) -> Option<i64> {
    positions.fetchable(Instant::now()).first().map(|one| one.offset)
}

#[test]
fn a_member_begins_at_what_is_committed() {
    let (positions, _) = fetching(7);
    assert_eq!(next_fetch(&positions), Some(7));
    assert_eq!(positions.position(&one()), Some(at(7)));
}

#[test]
fn without_a_commit_the_policy_decides() {
    let now = Instant::now();
    for (policy, place) in [
        (OffsetReset::Earliest, Place::Earliest),
        (OffsetReset::Latest, Place::Latest),
        (OffsetReset::ByDuration(Duration::from_secs(9)), Place::Ago(Duration::from_secs(9))),
    ] {
        let (mut positions, ticket) = assigned(policy, true);
        assert!(positions.lookups_wanted(now).is_empty(), "what is committed comes first");
        positions.committed_wanted(now);
        positions.found_committed(&one(), ticket, None).expect("there is a policy");
        assert_eq!(positions.lookups_wanted(now), [Lookup { partition: one(), ticket, place }]);
        assert!(positions.lookups_wanted(now).is_empty(), "asked once");
        positions.found_place(&one(), ticket, Some(Position { offset: 3, epoch: None }));
        assert_eq!(next_fetch(&positions), Some(3));
    }
    let (mut positions, ticket) = assigned(OffsetReset::None, true);
    let told = positions.found_committed(&one(), ticket, None);
    assert!(matches!(told, Err(ConsumerError::NoOffset(partition)) if partition == one()));
    assert_eq!(next_fetch(&positions), None);
    // The user says where, and it goes on.
    positions.seek(&one(), at(5)).expect("assigned");
    assert_eq!(next_fetch(&positions), Some(5));
}

#[test]
fn where_no_record_is_young_enough_reading_begins_at_the_end_kip_1106() {
    let now = Instant::now();
    let (mut positions, ticket) = assigned(OffsetReset::ByDuration(Duration::from_secs(9)), false);
    assert_eq!(positions.lookups_wanted(now).len(), 1);
    positions.found_place(&one(), ticket, None);
    assert_eq!(positions.lookups_wanted(now)[0].place, Place::Latest);
}

#[test]
fn a_seek_voids_what_was_fetched_and_what_is_on_its_way() {
    let (mut positions, ticket) = fetching(0);
    assert!(positions.fetched(&one(), ticket, 0, at(10), 100));
    assert_eq!(next_fetch(&positions), Some(10), "the next fetch does not wait for the user");
    assert_eq!(positions.position(&one()), Some(at(0)), "who has been given nothing yet");
    positions.seek(&one(), at(3)).expect("assigned");
    assert_eq!(positions.wants(&one(), ticket), Wanted::No);
    assert!(!positions.fetched(&one(), ticket, 10, at(20), 100));
    positions.delivered(&one(), ticket, at(10));
    assert_eq!(positions.position(&one()), Some(at(3)));
    assert_eq!(next_fetch(&positions), Some(3));
}

#[test]
fn a_partition_that_leaves_and_returns_begins_anew() {
    let (mut positions, ticket) = fetching(0);
    positions.assign(&BTreeSet::new(), true);
    positions.assign(&[one()].into(), true);
    assert_eq!(positions.wants(&one(), ticket), Wanted::No);
    assert_eq!(next_fetch(&positions), None);
    assert_eq!(positions.committed_wanted(Instant::now()).len(), 1);
}

#[test]
fn one_that_stays_keeps_its_place_kip_429() {
    let (mut positions, ticket) = fetching(4);
    positions.assign(&[one(), TopicPartition::new("t", 1)].into(), true);
    assert_eq!(positions.wants(&one(), ticket), Wanted::Now);
    assert_eq!(positions.committed_wanted(Instant::now()).len(), 1, "the new one alone");
}

#[test]
fn what_is_paused_is_neither_fetched_nor_handed_out_and_keeps_its_place() {
    let (mut positions, ticket) = fetching(4);
    positions.set_paused(&one(), true).expect("assigned");
    assert_eq!((next_fetch(&positions), positions.wants(&one(), ticket)), (None, Wanted::Later));
    positions.set_paused(&one(), false).expect("assigned");
    assert_eq!((next_fetch(&positions), positions.wants(&one(), ticket)), (Some(4), Wanted::Now));
    let other = TopicPartition::new("u", 0);
    assert!(matches!(positions.set_paused(&other, true), Err(ConsumerError::NotAssigned(told)) if told == other));
}

#[test]
fn what_was_fetched_of_a_paused_partition_can_be_given_up_for_others() {
    let (mut positions, ticket) = fetching(4);
    assert!(positions.fetched(&one(), ticket, 4, at(9), 100));
    positions.delivered(&one(), ticket, at(6));
    positions.rewind_paused();
    assert_eq!((positions.paused_bytes(), positions.wants(&one(), ticket)), (0, Wanted::Now));
    positions.set_paused(&one(), true).expect("assigned");
    assert_eq!(positions.paused_bytes(), 100);
    positions.rewind_paused();
    assert_eq!((positions.paused_bytes(), positions.wants(&one(), ticket)), (0, Wanted::No));
    positions.set_paused(&one(), false).expect("assigned");
    assert_eq!(next_fetch(&positions), Some(6), "nothing that was not handed out is passed over");
}

#[test]
fn an_offset_that_the_log_does_not_have_is_reset_by_the_policy_or_told() {
    let (mut positions, ticket) = fetching(4);
    positions.out_of_range(&one(), ticket, 3).expect("an older fetch");
    assert_eq!(next_fetch(&positions), Some(4));
    positions.out_of_range(&one(), ticket, 4).expect("there is a policy");
    assert_eq!(positions.lookups_wanted(Instant::now())[0].place, Place::Earliest);
    let (mut positions, ticket) = assigned(OffsetReset::None, false);
    positions.seek(&one(), at(9)).expect("assigned");
    let ticket = ticket + 1;
    let told = positions.out_of_range(&one(), ticket, 9);
    assert!(matches!(told, Err(ConsumerError::OffsetOutOfRange { offset: 9, .. })));
    assert_eq!(next_fetch(&positions), None);
}

fn with_epoch(policy: OffsetReset) -> (Positions, u64) {
    let now = Instant::now();
    let (mut positions, ticket) = assigned(policy, true);
    positions.found_committed(&one(), ticket, Some(Position { offset: 50, epoch: Some(3) })).expect("committed");
    let asked = positions.validations_wanted(now, |_| Some(5));
    assert_eq!(asked, [Validation { partition: one(), ticket, current_leader_epoch: 5, epoch: 3 }]);
    assert_eq!(next_fetch(&positions), None, "not before it is known to hold");
    assert!(positions.validations_wanted(now, |_| Some(5)).is_empty(), "asked once");
    (positions, ticket)
}

#[test]
fn a_position_is_checked_against_a_new_leader_kip_320() {
    let (mut positions, ticket) = with_epoch(OffsetReset::Latest);
    positions.validated(&one(), ticket, Some(Position { offset: 60, epoch: Some(3) })).expect("it holds");
    assert_eq!(next_fetch(&positions), Some(50));
    assert!(positions.validations_wanted(Instant::now(), |_| Some(5)).is_empty());
    assert_eq!(positions.validations_wanted(Instant::now(), |_| Some(6)).len(), 1);
}

#[test]
fn a_truncated_log_is_read_from_where_it_diverges_or_told_kip_320() {
    let end = Some(Position { offset: 40, epoch: Some(3) });
    let (mut positions, ticket) = with_epoch(OffsetReset::Latest);
    positions.validated(&one(), ticket, end).expect("there is a policy");
    assert_eq!(next_fetch(&positions), Some(40));
    let (mut positions, ticket) = with_epoch(OffsetReset::Latest);
    positions.validated(&one(), ticket, None).expect("there is a policy");
    assert_eq!(positions.lookups_wanted(Instant::now())[0].place, Place::Latest);
    let (mut positions, ticket) = with_epoch(OffsetReset::None);
    let told = positions.validated(&one(), ticket, end);
    assert!(matches!(told, Err(ConsumerError::LogTruncated { offset: 50, diverges_at: Some(40), .. })));
    assert_eq!(next_fetch(&positions), None);
}

#[test]
fn what_failed_is_tried_again_after_its_pause() {
    let now = Instant::now();
    let (mut positions, ticket) = fetching(4);
    positions.failed(&one(), ticket, now + Duration::from_secs(1));
    assert!(positions.fetchable(now).is_empty());
    assert_eq!(positions.next_deadline(now), Some(now + Duration::from_secs(1)));
    assert_eq!(positions.fetchable(now + Duration::from_secs(1)).len(), 1);
}

#[test]
fn who_waited_longest_is_fetched_first() {
    let mut positions = Positions::new(OffsetReset::Earliest);
    let all: BTreeSet<_> = (0..3).map(|index| TopicPartition::new("t", index)).collect();
    positions.assign(&all, false);
    let asked = positions.lookups_wanted(Instant::now());
    for Lookup { partition, ticket, .. } in &asked {
        positions.found_place(partition, *ticket, Some(at(0)));
    }
    for Lookup { partition, ticket, .. } in &asked[..2] {
        assert!(positions.fetched(partition, *ticket, 0, at(1), 1));
    }
    let order: Vec<_> = positions.fetchable(Instant::now()).iter().map(|one| one.partition.partition).collect();
    assert_eq!(order, [2, 0, 1]);
}
