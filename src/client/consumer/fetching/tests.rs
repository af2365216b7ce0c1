//! Bounds and fairness of fetches.

use super::*;

const LIMITS: FetchLimits = FetchLimits {
    min_bytes: 1,
    max_wait: Duration::from_millis(500),
    max_bytes: 50_000,
    partition_max_bytes: 1_000,
    queued_max_bytes: 64_000,
};

fn ready(count: i32, buffered: impl Fn(i32) -> usize) -> Vec<Fetchable> {
    let one = |index| Fetchable {
        partition: TopicPartition::new("t", index),
        ticket: 1,
        offset: 0,
        turn: 0,
        buffered: buffered(index),
    };
    (0..count).map(one).collect()
}

fn leader(partition: &TopicPartition) -> Option<(BrokerId, i32)> {
    (partition.partition >= 0).then_some((BrokerId(partition.partition % 3), 5))
}

#[test]
fn every_broker_is_asked_once_at_a_time_for_all_that_it_leads() {
    let mut reserved = Reserved::default();
    let plans = plan(ready(7, |_| 0), leader, &LIMITS, 0, &mut reserved);
    assert_eq!(plans.iter().map(|plan| plan.parts.len()).collect::<Vec<_>>(), [3, 2, 2]);
    assert_eq!(plans[0].parts[0].leader_epoch, 5);
    assert!(plan(ready(7, |_| 0), leader, &LIMITS, 0, &mut reserved).is_empty());
    reserved.release(BrokerId(1));
    let again = plan(ready(7, |_| 0), leader, &LIMITS, 0, &mut reserved);
    assert_eq!(again.iter().map(|plan| plan.broker.0).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_partition_whose_share_is_full_is_left_out_and_the_broker_does_not_wait_long() {
    let mut reserved = Reserved::default();
    let plans = plan(ready(6, |index| if index == 0 { 4_000 } else { 0 }), leader, &LIMITS, 4_000, &mut reserved);
    assert_eq!(plans[0].parts.len(), 1);
    assert_eq!(plans[0].max_wait, IMPATIENT);
    assert_eq!(plans[1].max_wait, LIMITS.max_wait);
}

#[test]
fn what_is_under_way_and_what_waits_stay_within_the_memory() {
    for waiting in [0, 1_000, 7_999, 8_000, 40_000, 64_000, 90_000] {
        let mut reserved = Reserved::default();
        let plans = plan(ready(300, |_| 0), leader, &LIMITS, waiting, &mut reserved);
        let under_way: usize = plans.iter().map(|plan| plan.max_bytes).sum();
        assert!(under_way == 0 || waiting + under_way <= LIMITS.queued_max_bytes, "{waiting} + {under_way}");
        assert_eq!(plans.is_empty(), waiting >= 8_000, "{waiting}");
    }
}

#[test]
fn a_long_wait_at_one_broker_leaves_room_for_the_others() {
    let mut reserved = Reserved::default();
    let first = plan(vec![ready(1, |_| 0).remove(0)], leader, &LIMITS, 0, &mut reserved);
    assert_eq!(first.len(), 1);
    let others = plan(ready(300, |_| 0), leader, &LIMITS, 0, &mut reserved);
    assert_eq!(others.len(), 2);
}

#[test]
fn partitions_without_a_leader_are_left_out() {
    let mut reserved = Reserved::default();
    assert!(plan(ready(3, |_| 0), |_| None, &LIMITS, 0, &mut reserved).is_empty());
}
