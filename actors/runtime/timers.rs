//! Timers of one incarnation: many deadlines, one runtime timer.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Names a scheduled message, to cancel it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerKey(u64);

/// Further in the future than anybody waits; keeps deadlines computable.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(crate) struct Timers<M> {
    next: u64,
    // Equal deadlines fire in the order in which they were scheduled.
    order: BinaryHeap<Reverse<(Instant, TimerKey)>>,
    messages: HashMap<TimerKey, M>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// nothing was scheduled since the runtime timer was last set
    armed: bool,
}

impl<M> Default for Timers<M> {
    fn default() -> Timers<M> {
        Timers { next: 0, order: BinaryHeap::new(), messages: HashMap::new(), sleep: None, armed: true }
    }
}

impl<M> Timers<M> {
    pub(crate) fn schedule(&mut self, after: Duration, message: M) -> TimerKey {
        let key = TimerKey(self.next);
        self.next += 1;
        self.order.push(Reverse((Instant::now() + after.min(FAR), key)));
        self.messages.insert(key, message);
        self.armed = false;
        key
    }

    /// Whether a poll is due because something was scheduled after the last one.
    #[inline]
    pub(crate) fn is_armed(&self) -> bool {
        self.armed
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<M> {
        let message = self.messages.remove(&key);
        // Cancelled deadlines stay in the heap until they come up; do not let them pile up behind far ones.
        if self.order.len() > 64 && self.order.len() > 2 * self.messages.len() {
            let messages = &self.messages;
            self.order.retain(|Reverse((_, key))| messages.contains_key(key));
        }
        message
    }

    /// The next due message; else the task is woken when one is due.
    pub(crate) fn poll_due(&mut self, cx: &mut Context<'_>) -> Option<M> {
        self.armed = true;
        loop {
            let Some(&Reverse((deadline, key))) = self.order.peek() else {
                self.sleep = None;
                return None;
            };
            if !self.messages.contains_key(&key) {
                self.order.pop();
                continue;
            }
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return None,
                Poll::Ready(()) => {
                    self.order.pop();
                    // A finished runtime timer must not be polled again; a later deadline resets or replaces it.
                    self.sleep = None;
                    return self.messages.remove(&key);
                }
            }
        }
    }
}
