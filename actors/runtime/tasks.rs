//! Tasks of one incarnation: they run beside the actor on its arbiter and die with the incarnation, at once and not later.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use slab::Slab;

use crate::{
    panics::guard,
    record::{Control, Entry},
};

type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Name under which a failure of a task is reported, in place of a message's.
pub(crate) const TASK: &str = "task";

#[derive(Clone, Default)]
pub(crate) struct Tasks(Rc<RefCell<Slab<Rc<Slot>>>>);

/// Holds the future apart from the runtime's task, so that the actor can drop it synchronously: the next incarnation may need the same port or lock.
struct Slot {
    future: RefCell<Option<LocalFuture>>,
    cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Tasks {
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + 'static, owner: Arc<dyn Entry>, incarnation: u64) {
        let slot = Rc::new(Slot {
            future: RefCell::new(Some(Box::pin(future))),
            cancelled: Cell::new(false),
            waker: RefCell::new(None),
        });
        let index = self.0.borrow_mut().insert(slot.clone());
        // Detached on purpose: the slot, not the join handle, ends it.
        drop(tokio::task::spawn_local(Runner { slot, index, tasks: self.clone(), owner, incarnation }));
    }

    /// Drops all futures now. A panic in a drop does not keep the others alive; the first is returned.
    pub(crate) fn cancel_all(&self) -> Result<(), crate::Failure> {
        let slots = std::mem::take(&mut *self.0.borrow_mut());
        let mut result = Ok(());
        for (_, slot) in slots {
            slot.cancelled.set(true);
            // While it is being polled the runner holds the future and drops it afterwards.
            let future = slot.future.borrow_mut().take();
            if let Err(failure) = guard(move || drop(future)) {
                result = result.and(Err(failure));
            }
            if let Some(waker) = slot.waker.borrow_mut().take() {
                waker.wake();
            }
        }
        result
    }
}

struct Runner {
    slot: Rc<Slot>,
    index: usize,
    tasks: Tasks,
    owner: Arc<dyn Entry>,
    incarnation: u64,
}

impl Runner {
    fn finish(&self) {
        let mut tasks = self.tasks.0.borrow_mut();
        if !self.slot.cancelled.get() && tasks.get(self.index).is_some_and(|slot| Rc::ptr_eq(slot, &self.slot)) {
            tasks.remove(self.index);
        }
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let taken = self.slot.future.borrow_mut().take();
        let Some(mut future) = taken else {
            return Poll::Ready(());
        };
        match guard(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => {
                if self.slot.cancelled.get() {
                    // A panic in this drop has nobody to tell any more.
                    drop(guard(move || drop(future)));
                    return Poll::Ready(());
                }
                *self.slot.future.borrow_mut() = Some(future);
                let mut waker = self.slot.waker.borrow_mut();
                if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            Ok(Poll::Ready(())) => {
                self.finish();
                let dropped = guard(move || drop(future));
                self.report(dropped);
                Poll::Ready(())
            }
            Err(failure) => {
                self.finish();
                // What is left of a future that panicked may panic again when dropped; the first failure counts.
                drop(guard(move || drop(future)));
                self.report(Err(failure));
                Poll::Ready(())
            }
        }
    }
}

impl Runner {
    fn report(&self, result: Result<(), crate::Failure>) {
        if let Err(failure) = result {
            self.owner.record().control(Control::Fail { incarnation: self.incarnation, failure, source: TASK });
        }
    }
}
