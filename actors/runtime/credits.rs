//! Mailbox credits: one atomic word that bounds messages and bytes, and a queue of those who wait for room.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::Waker,
};

// | closed 1 | waiting 1 | messages 24 | bytes 38 |: one compare-and-swap takes both kinds of credit.
const BYTES_BITS: u32 = 38;
const MESSAGES_BITS: u32 = 24;
const MAX_BYTES: u64 = (1 << BYTES_BITS) - 1;
const MAX_MESSAGES: u64 = (1 << MESSAGES_BITS) - 1;
const ONE_MESSAGE: u64 = 1 << BYTES_BITS;
const WAITING: u64 = 1 << 62;
const CLOSED: u64 = 1 << 63;

/// How much a mailbox may hold, the message in hand included.
///
/// A single message heavier than `bytes` is let into a mailbox that holds no bytes; else it could never pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// at most 16,777,215
    pub messages: usize,
    /// at most 256 GiB - 1
    pub bytes: usize,
}

impl Limits {
    pub const fn new(messages: usize, bytes: usize) -> Limits {
        Limits { messages, bytes }
    }
}

impl Default for Limits {
    /// 10,000 messages, 64 MiB.
    fn default() -> Limits {
        Limits { messages: 10_000, bytes: 64 << 20 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
}

/// What a successful acquisition saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) was_empty: bool,
}

pub(crate) struct Credits {
    state: AtomicU64,
    limits: Limits,
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    next_ticket: u64,
    queue: VecDeque<(u64, Waker)>,
}

/// Outcome of one poll of a waiter.
pub(crate) enum Wait {
    Acquired(Acquired),
    Closed,
    Pending,
}

impl Credits {
    pub(crate) fn new(limits: Limits) -> Credits {
        Credits {
            state: AtomicU64::new(0),
            limits: Limits {
                messages: limits.messages.clamp(1, MAX_MESSAGES as usize),
                bytes: limits.bytes.min(MAX_BYTES as usize),
            },
            waiters: Mutex::default(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes one message credit and `weight` byte credits, or none.
    ///
    /// While somebody waits for room nobody overtakes: that is answered as full.
    #[inline]
    pub(crate) fn acquire(&self, weight: u32) -> Result<Acquired, Refusal> {
        self.take(weight, true)
    }

    /// Takes credits for the actor's own messages (timers, piped results, reports of children), which may exceed the limits but are counted.
    #[inline]
    pub(crate) fn acquire_own(&self, weight: u32) -> Result<Acquired, Refusal> {
        let weight = u64::from(weight);
        let mut state = self.state.load(SeqCst);
        loop {
            if state & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            let held = messages(state);
            if held >= MAX_MESSAGES || bytes(state) + weight > MAX_BYTES {
                return Err(Refusal::Full);
            }
            match self.state.compare_exchange_weak(state, state + ONE_MESSAGE + weight, SeqCst, SeqCst) {
                Ok(_) => {
                    return Ok(Acquired { was_empty: held == 0 });
                }
                Err(seen) => state = seen,
            }
        }
    }

    #[inline]
    fn take(&self, weight: u32, yield_to_waiters: bool) -> Result<Acquired, Refusal> {
        let weight = u64::from(weight);
        let mut state = self.state.load(SeqCst);
        loop {
            if state & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            if yield_to_waiters && state & WAITING != 0 {
                return Err(Refusal::Full);
            }
            let held = messages(state);
            if held >= self.limits.messages as u64 || !self.has_bytes(bytes(state), weight) {
                return Err(Refusal::Full);
            }
            match self.state.compare_exchange_weak(state, state + ONE_MESSAGE + weight, SeqCst, SeqCst) {
                Ok(_) => {
                    return Ok(Acquired { was_empty: held == 0 });
                }
                Err(seen) => state = seen,
            }
        }
    }

    #[inline]
    fn has_bytes(&self, held: u64, weight: u64) -> bool {
        weight == 0 || held + weight <= self.limits.bytes as u64 || held == 0
    }

    /// Gives back what `count` messages of together `weight` bytes had taken and lets the next waiter try.
    #[inline]
    pub(crate) fn release(&self, count: u32, weight: u64) {
        let before = self.state.fetch_sub(u64::from(count) * ONE_MESSAGE + weight, SeqCst);
        debug_assert!(
            messages(before) >= u64::from(count) && bytes(before) >= weight,
            "released credits were taken before"
        );
        if before & WAITING != 0 {
            self.wake_first();
        }
    }

    #[cold]
    fn wake_first(&self) {
        if let Some((_, waker)) = self.waiters().queue.front() {
            waker.wake_by_ref();
        }
    }

    /// Refuses all from now on and wakes whoever waits.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, SeqCst);
        for (_, waker) in &self.waiters().queue {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(SeqCst) & CLOSED != 0
    }

    /// Messages queued or in hand.
    pub(crate) fn messages(&self) -> usize {
        messages(self.state.load(SeqCst)) as usize
    }

    /// Bytes queued or in hand.
    pub(crate) fn bytes(&self) -> usize {
        bytes(self.state.load(SeqCst)) as usize
    }

    /// One poll of a waiter: first come, first served among those who wait.
    pub(crate) fn poll_wait(&self, ticket: &mut Option<u64>, weight: u32, waker: &Waker) -> Wait {
        let mut waiters = self.waiters();
        let first = match (*ticket, waiters.queue.front()) {
            (_, None) => true,
            (Some(mine), Some((front, _))) => mine == *front,
            (None, Some(_)) => false,
        };
        if ticket.is_none() {
            let number = waiters.next_ticket;
            waiters.next_ticket += 1;
            waiters.queue.push_back((number, waker.clone()));
            *ticket = Some(number);
            // The bit is set before the attempt below: a release after the attempt sees it and wakes us.
            self.state.fetch_or(WAITING, SeqCst);
        } else if let Some(entry) = waiters.queue.iter_mut().find(|(number, _)| Some(*number) == *ticket) {
            entry.1.clone_from(waker);
        }
        if self.is_closed() {
            self.leave(&mut waiters, ticket);
            return Wait::Closed;
        }
        if !first {
            return Wait::Pending;
        }
        match self.take(weight, false) {
            Ok(acquired) => {
                self.leave(&mut waiters, ticket);
                Wait::Acquired(acquired)
            }
            Err(Refusal::Full) => Wait::Pending,
            Err(Refusal::Closed) => {
                self.leave(&mut waiters, ticket);
                Wait::Closed
            }
        }
    }

    /// Gives up waiting, so that those behind are not held up.
    pub(crate) fn abandon(&self, ticket: &mut Option<u64>) {
        if ticket.is_some() {
            self.leave(&mut self.waiters(), ticket);
        }
    }

    fn leave(&self, waiters: &mut Waiters, ticket: &mut Option<u64>) {
        let Some(mine) = ticket.take() else { return };
        waiters.queue.retain(|(number, _)| *number != mine);
        match waiters.queue.front() {
            // There may be room for the next one too; it will see.
            Some((_, waker)) => waker.wake_by_ref(),
            None => {
                self.state.fetch_and(!WAITING, SeqCst);
            }
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Weight as it is counted: at most 4 GiB - 1 for one message.
#[inline]
pub(crate) fn clamp_weight(weight: usize) -> u32 {
    u32::try_from(weight).unwrap_or(u32::MAX)
}

#[inline]
fn messages(state: u64) -> u64 {
    (state >> BYTES_BITS) & MAX_MESSAGES
}

#[inline]
fn bytes(state: u64) -> u64 {
    state & MAX_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    fn credits(messages: usize, bytes: usize) -> Credits {
        Credits::new(Limits { messages, bytes })
    }

    #[test]
    fn messages_and_bytes_are_both_bounded() {
        let credits = credits(2, 100);
        assert!(credits.acquire(60).is_ok());
        assert_eq!(credits.acquire(60), Err(Refusal::Full));
        assert!(credits.acquire(40).is_ok());
        assert_eq!(credits.acquire(0), Err(Refusal::Full));
        credits.release(1, 60);
        assert_eq!((credits.messages(), credits.bytes()), (1, 40));
        assert!(credits.acquire(10).is_ok());
    }

    #[test]
    fn a_message_heavier_than_the_limit_passes_only_alone() {
        let credits = credits(10, 100);
        assert!(credits.acquire(500).is_ok());
        assert_eq!(credits.acquire(1), Err(Refusal::Full));
        credits.release(1, 500);
        assert!(credits.acquire(1).is_ok());
        assert_eq!(credits.acquire(500), Err(Refusal::Full));
    }

    #[test]
    fn a_waiter_is_not_overtaken_and_leaves_no_trace() {
        let credits = credits(1, 100);
        assert!(credits.acquire(0).is_ok());
        let (mut first, mut second) = (None, None);
        assert!(matches!(credits.poll_wait(&mut first, 0, Waker::noop()), Wait::Pending));
        assert!(matches!(credits.poll_wait(&mut second, 0, Waker::noop()), Wait::Pending));
        credits.release(1, 0);
        assert_eq!(credits.acquire(0), Err(Refusal::Full), "room, but somebody waits for it");
        assert!(matches!(credits.poll_wait(&mut second, 0, Waker::noop()), Wait::Pending));
        assert!(matches!(credits.poll_wait(&mut first, 0, Waker::noop()), Wait::Acquired(_)));
        credits.abandon(&mut second);
        credits.release(1, 0);
        assert!(credits.acquire(0).is_ok());
    }

    #[test]
    fn closing_refuses_and_lets_waiters_know() {
        let credits = credits(1, 100);
        assert!(credits.acquire(0).is_ok());
        let mut ticket = None;
        assert!(matches!(credits.poll_wait(&mut ticket, 0, Waker::noop()), Wait::Pending));
        credits.close();
        assert!(matches!(credits.poll_wait(&mut ticket, 0, Waker::noop()), Wait::Closed));
        assert_eq!(credits.acquire_own(0), Err(Refusal::Closed));
    }

    #[test]
    fn threads_never_hold_more_than_the_limits_together() {
        let credits = Arc::new(credits(8, 800));
        let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (credits, held, most) = (credits.clone(), held.clone(), most.clone());
                std::thread::spawn(move || {
                    for _ in 0..20_000 {
                        if credits.acquire(100).is_ok() {
                            let now = held.fetch_add(1, SeqCst) + 1;
                            most.fetch_max(now, SeqCst);
                            held.fetch_sub(1, SeqCst);
                            credits.release(1, 100);
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic inside");
        }
        assert!(most.load(SeqCst) <= 8);
        assert_eq!((credits.messages(), credits.bytes()), (0, 0));
    }
}
