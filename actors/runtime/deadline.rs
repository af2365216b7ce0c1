//! Deadlines of asks, kept per arbiter so that an ask which is answered soon costs no timer.
//!
//! A runtime timer per ask (register, cancel) costs as much as the ask. So an arbiter's keeper notes young deadlines in a slab and only every
//! [`ROUND`] turns those that are still open into an ordered list. A deadline therefore fires up to one round late, never early.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
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
    id: u64,
    entries: Slab<Entry>,
    young: Vec<Key>,
    ordered: BTreeSet<(Instant, usize, u64)>,
    next_serial: u64,
    /// wakes the keeper's task; `None` while it is not asleep for good
    sleeper: Option<Waker>,
    /// of the last ask that ended: a task that asks again and again need not count its references up and down each time
    spare: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    index: usize,
    serial: u64,
}

struct Entry {
    serial: u64,
    after: Duration,
    waker: Waker,
    /// set once it is no longer young
    at: Option<Instant>,
    expired: bool,
}

/// Installs a keeper for this thread and serves it; to be spawned on the arbiter's `LocalSet`, ends with it.
pub(crate) async fn keep() {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
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
    fn new(id: u64) -> Installed {
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

    /// Sorts the young in and fires what is due. The spare waker is handed out to be dropped: it should not outlive its task for long.
    fn round(&mut self) -> Option<Waker> {
        let now = Instant::now();
        for key in std::mem::take(&mut self.young) {
            if let Some(entry) = self.entries.get_mut(key.index)
                && entry.serial == key.serial
            {
                let at = now + entry.after;
                entry.at = Some(at);
                self.ordered.insert((at, key.index, key.serial));
            }
        }
        while let Some(&(at, index, serial)) = self.ordered.first()
            && at <= now
        {
            self.ordered.pop_first();
            if let Some(entry) = self.entries.get_mut(index)
                && entry.serial == serial
            {
                entry.expired = true;
                entry.at = None;
                entry.waker.wake_by_ref();
            }
        }
        self.spare.take()
    }

    /// The waker for a new entry, and one to be dropped outside of the borrow.
    fn reuse(&mut self, waker: &Waker) -> (Waker, Option<Waker>) {
        match self.spare.take() {
            Some(spare) if spare.will_wake(waker) => (spare, None),
            spare => (waker.clone(), spare),
        }
    }

    fn insert(&mut self, after: Duration, waker: Waker) -> Key {
        let serial = self.next_serial;
        self.next_serial += 1;
        let index = self.entries.insert(Entry { serial, after, waker, at: None, expired: false });
        let key = Key { index, serial };
        self.young.push(key);
        if self.young.len() > 4_096 && self.young.len() > 2 * self.entries.len() {
            // Under a flood of asks most young entries are answered already.
            let entries = &self.entries;
            self.young.retain(|key| entries.get(key.index).is_some_and(|entry| entry.serial == key.serial));
        }
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.wake();
        }
        key
    }

    /// Forgets an entry; a waker that is left over is to be dropped outside of the borrow.
    fn remove(&mut self, key: Key) -> Option<Waker> {
        let known = self.entries.get(key.index)?;
        if known.serial != key.serial {
            return None;
        }
        let entry = self.entries.remove(key.index);
        if let Some(at) = entry.at {
            self.ordered.remove(&(at, key.index, key.serial));
        }
        self.spare.replace(entry.waker)
    }
}

/// A deadline that is armed at its first poll.
pub(crate) struct Deadline {
    after: Duration,
    state: State,
}

enum State {
    New,
    Kept { keeper: u64, key: Key },
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
                let (waker, left_over) = keeper.reuse(waker);
                let key = keeper.insert(self.after, waker);
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

fn poll_kept(id: u64, key: Key, waker: &Waker) -> Option<Poll<()>> {
    // A waker is dropped outside the borrow: it may be the last handle of a task that holds deadlines.
    let mut old = None;
    KEEPER.with_borrow_mut(|keeper| {
        let keeper = keeper.as_mut().filter(|keeper| keeper.id == id)?;
        let entry = keeper.entries.get_mut(key.index).filter(|entry| entry.serial == key.serial)?;
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
                    assert!(keeper.entries.is_empty());
                    assert!(keeper.young.len() < 5_000);
                });
                keeper.abort();
            })
            .await;
    }
}
