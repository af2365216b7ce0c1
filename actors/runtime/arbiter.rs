//! Arbiters: threads that actors live on for good, one event loop each.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use tokio::sync::mpsc;

use crate::{Placement, deadline, panics::guard};

/// Index of the arbiter for supervisors and control.
pub(crate) const SYSTEM: usize = 0;

type Job = Box<dyn FnOnce() + Send>;

enum Order {
    Run(Job),
    Stop,
}

/// Sign of life of an arbiter, for the watchdog.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// record id of the actor that is being polled; 0 when none
    record: AtomicU64,
    /// polls and messages so far
    beats: AtomicU64,
}

impl Pulse {
    #[inline]
    pub(crate) fn enter(&self, record: u64) {
        self.beat();
        self.record.store(record, Relaxed);
    }

    #[inline]
    pub(crate) fn leave(&self) {
        self.record.store(0, Relaxed);
    }

    #[inline]
    pub(crate) fn beat(&self) {
        // One writer, the arbiter's thread.
        self.beats.store(self.beats.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn read(&self) -> (u64, u64) {
        (self.record.load(Relaxed), self.beats.load(Relaxed))
    }
}

thread_local! {
    /// (system, arbiter) of this thread
    static HERE: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
}

/// All arbiters of a system.
pub(crate) struct Arbiters {
    system: u64,
    list: Vec<Arbiter>,
    next: AtomicUsize,
}

struct Arbiter {
    orders: mpsc::UnboundedSender<Order>,
    pulse: Arc<Pulse>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Arbiters {
    /// One system arbiter and `data` data arbiters, a thread each.
    pub(crate) fn threads(system: u64, name: &str, data: usize) -> Result<Arbiters, (usize, std::io::Error)> {
        let mut list = Vec::with_capacity(data + 1);
        for index in 0..=data {
            let (orders, inbox) = mpsc::unbounded_channel();
            let label = match index {
                SYSTEM => format!("{name}-system"),
                _ => format!("{name}-data-{}", index - 1),
            };
            // The runtime is built in its thread; a failure there comes back by the channel.
            let (built, outcome) = std::sync::mpsc::channel();
            let thread = thread::Builder::new()
                .name(label)
                .spawn(move || match actix_rt::Runtime::new() {
                    Ok(runtime) => {
                        drop(built.send(Ok(())));
                        HERE.set((system, index));
                        runtime.block_on(serve(inbox));
                        // Dropping the runtime drops the cells, which tell their watchers.
                    }
                    Err(error) => drop(built.send(Err(error))),
                })
                .map_err(|error| (index, error))?;
            match outcome.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err((index, error)),
                Err(_) => return Err((index, std::io::Error::other("its thread ended"))),
            }
            list.push(Arbiter { orders, pulse: Arc::default(), thread: Mutex::new(Some(thread)) });
        }
        Ok(Arbiters { system, list, next: AtomicUsize::new(0) })
    }

    /// One arbiter for everything: the `LocalSet` that the caller runs on.
    pub(crate) fn here(system: u64) -> Arbiters {
        let (orders, inbox) = mpsc::unbounded_channel();
        HERE.set((system, SYSTEM));
        // Detached: it ends on the stop order or with the `LocalSet`.
        drop(tokio::task::spawn_local(serve(inbox)));
        Arbiters {
            system,
            list: vec![Arbiter { orders, pulse: Arc::default(), thread: Mutex::new(None) }],
            next: AtomicUsize::new(0),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn pulse(&self, index: usize) -> Arc<Pulse> {
        self.list[index].pulse.clone()
    }

    /// Index for a placement, as seen from an arbiter. Without data arbiters all is on the system arbiter.
    pub(crate) fn place(&self, placement: Placement, from: usize) -> usize {
        let data = self.list.len() - 1;
        match placement {
            Placement::System => SYSTEM,
            Placement::Inherit => from,
            _ if data == 0 => SYSTEM,
            Placement::Data(number) => 1 + number % data,
            Placement::Any => 1 + self.next.fetch_add(1, Relaxed) % data,
        }
    }

    #[inline]
    pub(crate) fn is_on(&self, index: usize) -> bool {
        HERE.get() == (self.system, index)
    }

    /// Runs `job` on an arbiter: at once when we are on it. `false` when it has stopped.
    pub(crate) fn run_on(&self, index: usize, job: impl FnOnce() + Send + 'static) -> bool {
        if self.is_on(index) && !self.list[index].orders.is_closed() {
            job();
            return true;
        }
        self.list[index].orders.send(Order::Run(Box::new(job))).is_ok()
    }

    pub(crate) fn stop(&self) {
        for arbiter in &self.list {
            // Fails only when it has stopped already.
            drop(arbiter.orders.send(Order::Stop));
        }
    }

    /// Takes the threads to join; the caller's own is left out.
    pub(crate) fn take_threads(&self) -> Vec<JoinHandle<()>> {
        self.list
            .iter()
            .filter_map(|arbiter| arbiter.thread.lock().unwrap_or_else(PoisonError::into_inner).take())
            .filter(|thread| thread.thread().id() != thread::current().id())
            .collect()
    }
}

async fn serve(mut inbox: mpsc::UnboundedReceiver<Order>) {
    let keeper = tokio::task::spawn_local(deadline::keep());
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Run(job) => {
                if let Err(failure) = guard(job) {
                    tracing::error!(reason = failure.reason(), "a job for an arbiter panicked");
                }
            }
            Order::Stop => break,
        }
    }
    keeper.abort();
}
