//! The blocking pool: threads of our own that read from storage, so that no arbiter ever waits for a disk.
//!
//! A job that panics ends as [`PoolError::Panicked`] for its caller; its thread goes on (unlike actix's `SyncArbiter`,
//! which loses the thread).

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Why a job gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PoolError {
    /// The job panicked; its thread caught it.
    #[error("a storage job panicked")]
    Panicked,
    /// The node is stopping.
    #[error("the storage pool is closed")]
    Closed,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
    /// Threads that have not ended.
    threads: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
    ended: Condvar,
}

impl Shared {
    /// Nothing can panic while the queue is locked, so a poisoned lock still holds a good queue.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives jobs to the pool; clones share it. The threads end when [`Pool::close`] was called and the queue is empty.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("waiting", &self.waiting()).finish()
    }
}

impl Pool {
    /// Starts `threads` threads.
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        for number in 0..threads.max(1) {
            let working = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("storage-{number}")).spawn(move || work(&working))?;
            shared.lock().threads += 1;
        }
        Ok(Self { shared })
    }

    /// Runs a job on some thread of the pool; jobs start in the order given.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> impl Future<Output = Result<R, PoolError>> + Send + 'static {
        let (sender, receiver) = oneshot::channel();
        let closed = {
            let mut queue = self.shared.lock();
            if !queue.closed {
                queue.jobs.push_back(Box::new(move || {
                    let result = catch_unwind(AssertUnwindSafe(job)).map_err(|_| PoolError::Panicked);
                    // A caller that has gone needs no answer.
                    drop(sender.send(result));
                }));
            }
            queue.closed
        };
        self.shared.ready.notify_one();
        async move {
            if closed {
                return Err(PoolError::Closed);
            }
            receiver.await.unwrap_or(Err(PoolError::Closed))
        }
    }

    /// Jobs that wait for a thread.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    /// Takes no further job, and waits until those queued are done and let go of what they hold; says whether they were.
    pub(crate) fn close(&self, patience: Duration) -> bool {
        let mut queue = self.shared.lock();
        queue.closed = true;
        self.shared.ready.notify_all();
        let waited = self.shared.ended.wait_timeout_while(queue, patience, |queue| queue.threads > 0);
        queue = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(queue, _)| queue);
        queue.threads == 0
    }
}

fn work(shared: &Shared) {
    loop {
        let job = {
            let mut queue = shared.lock();
            loop {
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                if queue.closed {
                    // Only here: jobs that panic are caught, so every thread comes by.
                    queue.threads -= 1;
                    return shared.ended.notify_all();
                }
                queue = shared.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        job();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn a_panicking_job_costs_no_thread() {
        let pool = Pool::start(1).expect("a thread");
        std::panic::set_hook(Box::new(|_| {}));
        for _ in 0..3 {
            assert_eq!(block(pool.run(|| -> u8 { panic!("on purpose") })), Err(PoolError::Panicked));
        }
        drop(std::panic::take_hook());
        assert_eq!(block(pool.run(|| 7)), Ok(7));
    }

    #[test]
    fn whoever_closes_waits_for_the_jobs_but_not_for_ever() {
        let pool = Pool::start(2).expect("threads");
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let job = pool.run(move || {
            assert!(wait.recv().is_err(), "nothing is ever sent");
            drop(holds);
        });
        assert!(!pool.close(Duration::from_millis(20)), "it is still at work");
        drop(go);
        assert!(pool.close(Duration::from_secs(60)));
        assert_eq!((block(job), Arc::strong_count(&held)), (Ok(()), 1));
    }

    #[test]
    fn a_closed_pool_says_so_and_finishes_what_it_has() {
        let pool = Pool::start(1).expect("a thread");
        let queued = pool.run(|| 1);
        assert!(pool.close(Duration::from_secs(60)));
        assert_eq!(block(queued), Ok(1));
        assert_eq!(block(pool.run(|| 2)), Err(PoolError::Closed));
    }
}
