//! Deadlines of asks, kept per arbiter so that an ask which is answered soon costs no timer.
//!
//! A runtime timer per ask (register, cancel) costs as much as the ask. So an arbiter's keeper notes young deadlines in a slab and only every
//! [`ROUND`] turns those that are still open into an ordered list. A deadline therefore fires up to one round late, never early.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    task::{Context, Poll, Waker},
    time::Duration,
};

use slab::Slab;
use tokio::time::{Instant, Sleep};

/// How long a deadline stays young.
const ROUND: Duration = Duration::from_millis(5);
/// Shorter deadlines use the runtime's timer at once: for them a round would be a large error.
const SHORT: Duration = Duration::from_millis(50);

thread_local! {
    static KEEPER: RefCell<Option<Keeper>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Keeper {
    /// tells apart keepers, since an ask may be polled on one thread and dropped on another
    id: u32,
    entries: Slab<Entry>,
    /// indices of all entries that came or were reused since the last round
    young: Vec<u32>,
    /// those among them whose deadline was dropped: a task that asks again and again finds its own entry here, with its waker in it
    idle: Vec<u32>,
    ordered: BTreeSet<(Instant, u32, u64)>,
    next_serial: u64,
    /// wakes the keeper's task; `None` while it is not asleep for good
    sleeper: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    index: u32,
    serial: u64,
}

struct Entry {
    serial: u64,
    after: Duration,
    waker: Waker,
    /// `false` for one that is idle
    open: bool,
    /// set once it is no longer young
    at: Option<Instant>,
    expired: bool,
}

/// Installs a keeper for this thread and serves it; to be spawned on the arbiter's `LocalSet`, ends with it.
pub(crate) async fn keep() {
    static NEXT_ID: AtomicU32 = AtomicU32::new(1);
    let _installed = Installed::new(NEXT_ID.fetch_add(1, Relaxed));
    loop {
        std::future::poll_fn(|cx| with_keeper(|keeper| keeper.poll_work(cx))).await;
        let next = with_keeper(Keeper::next_round);
        tokio::time::sleep_until(next).await;
        drop(with_keeper(Keeper::round));
    }
}

struct Installed;

impl Installed {
    fn new(id: u32) -> Installed {
        KEEPER.set(Some(Keeper { id, ..Keeper::default() }));
        Installed
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        // At the end of the thread the slot may be gone already, which is as good.
        let _ = KEEPER.try_with(|keeper| keeper.take());
    }
}

fn with_keeper<T>(work: impl FnOnce(&mut Keeper) -> T) -> T {
    KEEPER.with_borrow_mut(|keeper| work(keeper.get_or_insert_default()))
}

impl Keeper {
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.young.is_empty() && self.ordered.is_empty() {
            self.sleeper = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.sleeper = None;
        Poll::Ready(())
    }

    fn next_round(&mut self) -> Instant {
        let round = Instant::now() + ROUND;
        match self.ordered.first() {
            // Even with old deadlines only, new ones may become young meanwhile: look at each round while any is open.
            Some((at, ..)) => round.min(*at),
            None => round,
        }
    }

    /// Sorts the young in and fires what is due. The wakers of idle entries are handed out to be dropped: none should outlive its task for long.
    fn round(&mut self) -> Vec<Waker> {
        let now = Instant::now();
        let mut left_over = Vec::new();
        for index in std::mem::take(&mut self.young) {
            match self.entries.get_mut(index as usize) {
                Some(entry) if entry.open => {
                    let at = now + entry.after;
                    entry.at = Some(at);
                    self.ordered.insert((at, index, entry.serial));
                }
                Some(_) => left_over.push(self.entries.remove(index as usize).waker),
                None => {}
            }
        }
        self.idle.clear();
        while let Some(&(at, index, serial)) = self.ordered.first()
            && at <= now
        {
            self.ordered.pop_first();
            if let Some(entry) = self.entries.get_mut(index as usize)
                && entry.serial == serial
            {
                entry.expired = true;
                entry.at = None;
                entry.waker.wake_by_ref();
            }
        }
        left_over
    }

    /// A new entry; a waker that is left over is to be dropped outside of the borrow.
    #[inline]
    fn insert(&mut self, after: Duration, waker: &Waker) -> (Key, Option<Waker>) {
        let serial = self.next_serial;
        self.next_serial += 1;
        if let Some(index) = self.idle.pop()
            && let Some(entry) = self.entries.get_mut(index as usize)
        {
            entry.serial = serial;
            entry.after = after;
            entry.open = true;
            let left_over = (!entry.waker.will_wake(waker)).then(|| std::mem::replace(&mut entry.waker, waker.clone()));
            return (Key { index, serial }, left_over);
        }
        (self.insert_new(serial, after, waker.clone()), None)
    }

    #[inline(never)]
    fn insert_new(&mut self, serial: u64, after: Duration, waker: Waker) -> Key {
        let index = self.entries.insert(Entry { serial, after, waker, open: true, at: None, expired: false });
        let index = u32::try_from(index).expect("memory ends before four thousand million asks are open");
        self.young.push(index);
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.wake();
        }
        Key { index, serial }
    }

    /// Forgets an entry; a waker that is left over is to be dropped outside of the borrow.
    #[inline]
    fn remove(&mut self, key: Key) -> Option<Waker> {
        let entry = self.entries.get_mut(key.index as usize).filter(|entry| entry.serial == key.serial)?;
        if entry.at.is_none() && !entry.expired {
            entry.open = false;
            self.idle.push(key.index);
            return None;
        }
        Some(self.remove_old(key))
    }

    #[inline(never)]
    fn remove_old(&mut self, key: Key) -> Waker {
        let entry = self.entries.remove(key.index as usize);
        if let Some(at) = entry.at {
            self.ordered.remove(&(at, key.index, key.serial));
        }
        entry.waker
    }
}

/// A deadline that is armed at its first poll.
pub(crate) struct Deadline {
    after: Duration,
    state: State,
}

enum State {
    New,
    Kept { keeper: u32, key: Key },
    Timer(Pin<Box<Sleep>>),
    Never,
}

impl Deadline {
    pub(crate) fn new(after: Duration) -> Deadline {
        Deadline { after, state: State::New }
    }

    pub(crate) fn after(&self) -> Duration {
        self.after
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.state {
                State::New => {
                    self.state = self.arm(cx.waker());
                    if matches!(self.state, State::Kept { .. }) {
                        return Poll::Pending;
                    }
                }
                State::Kept { keeper, key } => {
                    return match poll_kept(*keeper, *key, cx.waker()) {
                        Some(poll) => poll,
                        None => {
                            // Moved to another thread: start anew there.
                            self.state = State::New;
                            continue;
                        }
                    };
                }
                State::Timer(sleep) => return sleep.as_mut().poll(cx),
                State::Never => return Poll::Pending,
            }
        }
    }

    fn arm(&self, waker: &Waker) -> State {
        if self.after == Duration::MAX {
            return State::Never;
        }
        if self.after >= SHORT {
            let kept = KEEPER.with_borrow_mut(|keeper| {
                let keeper = keeper.as_mut()?;
                let (key, left_over) = keeper.insert(self.after, waker);
                let id = keeper.id;
                Some((State::Kept { keeper: id, key }, left_over))
            });
            if let Some((kept, _left_over)) = kept {
                return kept;
            }
        }
        State::Timer(Box::pin(tokio::time::sleep(self.after)))
    }
}

fn poll_kept(id: u32, key: Key, waker: &Waker) -> Option<Poll<()>> {
    // A waker is dropped outside the borrow: it may be the last handle of a task that holds deadlines.
    let mut old = None;
    KEEPER.with_borrow_mut(|keeper| {
        let keeper = keeper.as_mut().filter(|keeper| keeper.id == id)?;
        let entry = keeper.entries.get_mut(key.index as usize).filter(|entry| entry.serial == key.serial)?;
        if entry.expired {
            return Some(Poll::Ready(()));
        }
        if !entry.waker.will_wake(waker) {
            old = Some(std::mem::replace(&mut entry.waker, waker.clone()));
        }
        Some(Poll::Pending)
    })
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let State::Kept { keeper: id, key } = self.state {
            // The entry of another thread's keeper runs out there by itself, with one needless wake.
            let _left_over = KEEPER.try_with(|keeper| {
                let mut keeper = keeper.borrow_mut();
                keeper.as_mut().filter(|k| k.id == id)?.remove(key)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wait(after: Duration) -> Duration {
        let started = Instant::now();
        let mut deadline = Deadline::new(after);
        std::future::poll_fn(|cx| deadline.poll(cx)).await;
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_fires_at_most_one_round_late_and_never_early() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let keeper = tokio::task::spawn_local(keep());
                tokio::task::yield_now().await;
                for millis in [1, 20, 50, 300, 10_000] {
                    let after = Duration::from_millis(millis);
                    let took = wait(after).await;
                    assert!(took >= after, "{took:?} for {after:?}");
                    assert!(took <= after + 2 * ROUND, "{took:?} for {after:?}");
                }
                with_keeper(|keeper| assert!(keeper.entries.is_empty()));
                keeper.abort();
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_deadlines_leave_no_entries() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let keeper = tokio::task::spawn_local(keep());
                tokio::task::yield_now().await;
                for _ in 0..10_000 {
                    let mut deadline = Deadline::new(Duration::from_secs(5));
                    let first = std::future::poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await;
                    assert!(first.is_pending());
                }
                with_keeper(|keeper| {
                    assert_eq!((keeper.entries.len(), keeper.young.len()), (1, 1), "one entry serves them all")
                });
                tokio::time::sleep(3 * ROUND).await;
                with_keeper(|keeper| assert!(keeper.entries.is_empty() && keeper.idle.is_empty()));
                keeper.abort();
            })
            .await;
    }
}
