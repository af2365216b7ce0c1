//! Keyed timers: starting one again replaces it, and they fire in the order of their deadlines.
//!
//! A timer that is put off stays where it stands in the queue and moves on when its old moment comes: session timers are
//! put off by every heartbeat, and only the queue's order costs anything.

use std::collections::BTreeMap;

use callboard_model::Tick;

/// The timers of one shard.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    /// When each fires.
    set: BTreeMap<T, Set>,
    /// One entry for each timer that is set, at its own moment or at an earlier one; and entries of timers that were
    /// brought forward or cancelled, which mean nothing.
    queue: BTreeMap<(Tick, u64), T>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Set {
    /// When it fires; of two with the same deadline the one that was started first.
    at: (Tick, u64),
    /// Its entry in the queue.
    queued: (Tick, u64),
}

impl<T: Clone + Ord> Timers<T> {
    pub(crate) fn new() -> Self {
        Self { set: BTreeMap::new(), queue: BTreeMap::new(), next: 0 }
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }

    /// Starts a timer, or starts it anew.
    pub(crate) fn start(&mut self, timer: T, deadline: Tick) {
        let at = (deadline, self.next);
        self.next += 1;
        if let Some(set) = self.set.get_mut(&timer) {
            set.at = at;
            if set.queued <= at {
                return;
            }
            self.queue.remove(&set.queued);
            set.queued = at;
        } else {
            self.set.insert(timer.clone(), Set { at, queued: at });
        }
        self.queue.insert(at, timer);
    }

    /// Cancels a timer, if it is set.
    pub(crate) fn cancel(&mut self, timer: &T) {
        if let Some(set) = self.set.remove(timer) {
            self.queue.remove(&set.queued);
        }
    }

    /// Takes the earliest timer that is due.
    pub(crate) fn pop_due(&mut self, now: Tick) -> Option<T> {
        loop {
            let first = self.queue.first_entry()?;
            let queued = *first.key();
            if queued.0 > now {
                return None;
            }
            let timer = first.remove();
            let set = self.set.get_mut(&timer)?;
            if set.at == queued {
                self.set.remove(&timer);
                return Some(timer);
            }
            set.queued = set.at;
            self.queue.insert(set.at, timer);
        }
    }

    /// When [`Self::pop_due`] has something to do; may be early, never late.
    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.queue.first_key_value().map(|((deadline, _), _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Tick {
        Tick(Duration::from_millis(millis))
    }

    fn due(timers: &mut Timers<&'static str>, now: u64) -> Vec<&'static str> {
        std::iter::from_fn(|| timers.pop_due(at(now))).collect()
    }

    #[test]
    fn timers_fire_once_in_the_order_of_their_deadlines_and_then_of_their_start() {
        let mut timers = Timers::new();
        for (timer, deadline) in [("c", 30), ("b", 20), ("z", 10), ("a", 10)] {
            timers.start(timer, at(deadline));
        }
        assert_eq!(due(&mut timers, 9), Vec::<&str>::new());
        assert_eq!(timers.next_deadline(), Some(at(10)));
        assert_eq!(due(&mut timers, 25), ["z", "a", "b"]);
        assert_eq!(due(&mut timers, 30), ["c"]);
        assert_eq!((due(&mut timers, 1000), timers.next_deadline(), timers.len()), (vec![], None, 0));
    }

    #[test]
    fn a_timer_that_is_started_again_fires_at_its_new_moment_only() {
        let mut timers = Timers::new();
        timers.start("put off", at(10));
        timers.start("other", at(15));
        timers.start("put off", at(20));
        timers.start("brought forward", at(50));
        timers.start("brought forward", at(5));
        assert_eq!(due(&mut timers, 14), ["brought forward"]);
        // Late by far: still in the order of the new deadlines.
        assert_eq!(due(&mut timers, 100), ["other", "put off"]);
        assert_eq!((timers.len(), timers.queue.len()), (0, 0));
    }

    #[test]
    fn a_cancelled_timer_does_not_fire_and_leaves_nothing_behind() {
        let mut timers = Timers::new();
        timers.start("a", at(10));
        timers.start("a", at(20));
        timers.cancel(&"a");
        timers.cancel(&"never set");
        assert_eq!((timers.len(), timers.queue.len(), timers.next_deadline()), (0, 0, None));
        timers.start("a", at(30));
        assert_eq!(due(&mut timers, 29), Vec::<&str>::new());
        assert_eq!(due(&mut timers, 30), ["a"]);
    }

    #[test]
    fn heartbeats_of_many_members_do_not_grow_the_queue() {
        let mut timers = Timers::new();
        for round in 0..50 {
            for member in 0..2_000 {
                timers.start(member, at(round * 10 + 100));
            }
        }
        assert_eq!((timers.len(), timers.queue.len()), (2_000, 2_000));
        assert_eq!(std::iter::from_fn(|| timers.pop_due(at(589))).count(), 0);
        assert_eq!(std::iter::from_fn(|| timers.pop_due(at(590))).count(), 2_000);
    }
}
