//! What went wrong in the tree, and what was done, kept for whoever asks later: failures, restarts, dead letters and the like.
//!
//! Orderly starts and stops are left out: connections come and go by the thousand.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use callboard_model::Timestamp;
use callboard_runtime::{DownReason, Event, Events, EventsError};
use serde::Serialize;

use crate::clock::Clock;

/// Events kept; the oldest go first.
const KEPT: usize = 1000;
/// Bytes of a reason that are kept: it may be a panic's message, of any length.
const REASON_MAX: usize = 1000;

/// One change and when it was heard of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Heard {
    /// Milliseconds since 1970.
    at_ms: i64,
    #[serde(flatten)]
    event: Event,
}

/// The last changes. Outlives the actor that listens.
#[derive(Debug, Default)]
pub(crate) struct History {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Heard>,
    /// Events that came faster than they were read.
    missed: u64,
}

impl History {
    /// Nothing can panic while it is locked, so a poisoned lock still holds a good list.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, at: Timestamp, event: Event) {
        if matches!(event, Event::Started { .. } | Event::Stopped { reason: DownReason::Stopped, .. }) {
            return;
        }
        let mut kept = self.kept();
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(Heard { at_ms: at.millis(), event: shortened(event) });
    }

    /// Listens until the system ends.
    pub(super) async fn listen(&self, mut events: Events, clock: &Clock) {
        loop {
            match events.next().await {
                Ok(event) => self.keep(clock.now().wall, event),
                Err(EventsError::Missed { missed }) => self.kept().missed += missed,
                Err(EventsError::Closed | EventsError::Empty) => return,
            }
        }
    }

    /// The newest `limit` events that are wanted, oldest first.
    pub(super) fn newest(&self, limit: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Heard> {
        let kept = self.kept();
        let newest = kept.events.iter().rev().filter(|heard| wanted(&heard.event)).take(limit).cloned();
        let mut newest: Vec<Heard> = newest.collect();
        newest.reverse();
        newest
    }

    /// Events that were never kept, because they came too fast.
    pub(super) fn missed(&self) -> u64 {
        self.kept().missed
    }
}

fn shortened(mut event: Event) -> Event {
    if let Event::Failed { reason, .. } | Event::Escalated { reason, .. } = &mut event
        && reason.len() > REASON_MAX
    {
        let end = (0..=REASON_MAX).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or_default();
        reason.truncate(end);
    }
    event
}

#[cfg(test)]
mod tests {
    use callboard_runtime::Path;

    use super::*;

    fn failed(name: &str, reason: &str) -> Event {
        Event::Failed { path: Path::root(name), incarnation: 1, message: "Tick", reason: reason.to_owned() }
    }

    #[test]
    fn the_newest_are_kept_and_told_oldest_first() {
        let history = History::default();
        for n in 0..KEPT + 3 {
            history.keep(Timestamp(n as i64), failed(&format!("a{n}"), "x"));
        }
        let told: Vec<i64> = history.newest(2, |_| true).iter().map(|heard| heard.at_ms).collect();
        assert_eq!(told, [KEPT as i64 + 1, KEPT as i64 + 2]);
        assert_eq!(history.newest(usize::MAX, |_| true).len(), KEPT);
        let one = history.newest(10, |event| event.path().as_str() == "a7");
        assert_eq!(one.iter().map(|heard| heard.at_ms).collect::<Vec<_>>(), [7]);
        let shown = serde_json::to_value(&one[0]).expect("JSON");
        assert_eq!((&shown["event"], &shown["at_ms"]), (&"failed".into(), &7.into()));
    }

    #[test]
    fn what_comes_and_goes_in_order_is_left_out() {
        let history = History::default();
        let path = || Path::root("connection");
        history.keep(Timestamp(1), Event::Started { path: path(), incarnation: 1 });
        history.keep(Timestamp(2), Event::Stopped { path: path(), incarnation: 1, reason: DownReason::Stopped });
        history.keep(Timestamp(3), Event::Stopped { path: path(), incarnation: 1, reason: DownReason::Killed });
        let told: Vec<i64> = history.newest(9, |_| true).iter().map(|heard| heard.at_ms).collect();
        assert_eq!(told, [3]);
    }

    #[test]
    fn a_reason_of_any_length_is_cut_between_characters() {
        let history = History::default();
        history.keep(Timestamp(1), failed("a", &"ß".repeat(REASON_MAX)));
        history.keep(Timestamp(1), failed("a", &format!("x{}", "ß".repeat(REASON_MAX))));
        for heard in history.newest(2, |_| true) {
            let Event::Failed { reason, .. } = heard.event else { panic!("another event") };
            assert!((REASON_MAX - 1..=REASON_MAX).contains(&reason.len()), "{}", reason.len());
        }
    }
}
