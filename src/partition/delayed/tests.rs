use super::*;
use crate::rig::{fetch, tick};

fn produces(all: &[(i64, u64)]) -> DelayedProduces<usize> {
    let mut delayed = DelayedProduces::new();
    for (waiter, (end, deadline)) in all.iter().enumerate() {
        let (end, deadline) = (Offset(*end), tick(*deadline));
        delayed.push(DelayedProduce { end, deadline, base_offset: Offset(0), log_append_time: None, waiter });
    }
    delayed
}

#[test]
fn produces_are_reached_in_the_order_of_their_offsets_and_then_of_their_coming() {
    // The third is a repeat of the first.
    let mut delayed = produces(&[(10, 5), (20, 5), (10, 5)]);
    let mut reached =
        |offset| std::iter::from_fn(|| delayed.pop_reached(Offset(offset))).map(|p| p.waiter).collect::<Vec<_>>();
    assert_eq!(reached(9), [0usize; 0]);
    assert_eq!(reached(15), [0, 2]);
    assert_eq!(reached(20), [1]);
    assert_eq!(delayed.earliest(), None);
}

#[test]
fn the_earliest_deadline_is_never_late() {
    let mut delayed = produces(&[(10, 500), (20, 100), (30, 300)]);
    assert_eq!(delayed.earliest(), Some(tick(100)));
    assert!(delayed.take_expired(tick(99)).is_empty());
    let expired = |all: Vec<DelayedProduce<usize>>| all.iter().map(|produce| produce.waiter).collect::<Vec<_>>();
    assert_eq!(expired(delayed.take_expired(tick(100))), [1]);
    assert_eq!(delayed.earliest(), Some(tick(300)));
    assert!(delayed.pop_reached(Offset(10)).is_some());
    assert_eq!(expired(delayed.take_expired(tick(900))), [2]);
    assert_eq!((delayed.earliest(), delayed.len()), (None, 0));
}

fn fetches() -> DelayedFetches<u32> {
    let mut delayed = DelayedFetches::new();
    for (waiter, offset, beyond, until) in [(1, 5, 9, 300), (2, 7, 8, 100), (3, 5, 9, 200)] {
        delayed.insert(Offset(beyond), DelayedFetch { fetch: fetch(waiter, offset), until: tick(until) });
    }
    delayed
}

fn waiters(fetches: Vec<Fetch<u32>>) -> Vec<u32> {
    fetches.iter().map(|fetch| fetch.waiter).collect()
}

#[test]
fn fetches_are_passed_in_the_order_of_what_they_wait_for() {
    let mut delayed = fetches();
    assert!(delayed.pop_passed(Offset(8)).is_none(), "reaching it is not passing it");
    let passed = std::iter::from_fn(|| delayed.pop_passed(Offset(10))).collect();
    assert_eq!(waiters(passed), [2, 1, 3]);
    assert_eq!((delayed.earliest(), delayed.len()), (None, 0));
}

#[test]
fn fetches_leave_by_key_by_time_and_by_offset() {
    let mut delayed = fetches();
    assert_eq!(waiters(delayed.take_expired(tick(100))), [2]);
    assert_eq!(delayed.earliest(), Some(tick(200)));
    assert!(delayed.remove(2).is_none());
    assert_eq!(delayed.remove(3).map(|fetch| fetch.waiter), Some(3));
    assert_eq!(waiters(delayed.take_below(Offset(5))), [0u32; 0]);
    assert_eq!(waiters(delayed.take_below(Offset(6))), [1]);
    assert_eq!(waiters(fetches().take_all()), [1, 2, 3]);
}
