//! The watchdog: keeps the coarse clock and reports handlers that hold their arbiter for long. It never kills: a blocked thread cannot be.

use std::{
    sync::{
        Condvar, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{event::Event, system::Inner};

/// Resolution of the coarse clock.
const ROUND: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(crate) struct Stopper {
    stopped: AtomicBool,
    gate: Mutex<()>,
    bell: Condvar,
}

impl Stopper {
    pub(crate) fn stop(&self) {
        self.stopped.store(true, SeqCst);
        self.bell.notify_all();
    }

    /// Sleeps for a round; `false` when it is over.
    fn wait(&self) -> bool {
        if self.stopped.load(SeqCst) {
            return false;
        }
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.bell.wait_timeout(gate, ROUND));
        !self.stopped.load(SeqCst)
    }
}

#[derive(Clone, Copy)]
struct Seen {
    pulse: (u64, u64),
    since: Instant,
    reported: bool,
}

/// Starts the thread; it ends with the system. Without `threshold` it only keeps the clock.
pub(crate) fn start(
    system: Weak<Inner>,
    stopper: std::sync::Arc<Stopper>,
    name: &str,
    threshold: Option<Duration>,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(format!("{name}-watchdog")).spawn(move || {
        let mut seen: Vec<Seen> = Vec::new();
        while stopper.wait() {
            let Some(system) = system.upgrade() else { return };
            system.clock.refresh();
            if let Some(threshold) = threshold {
                scan(&system, &mut seen, threshold);
            }
        }
    })
}

fn scan(system: &Inner, seen: &mut Vec<Seen>, threshold: Duration) {
    let now = Instant::now();
    seen.resize(system.arbiters.count(), Seen { pulse: (0, 0), since: now, reported: false });
    for (index, seen) in seen.iter_mut().enumerate() {
        let pulse = system.arbiters.pulse(index).read();
        if pulse != seen.pulse || pulse.0 == 0 {
            *seen = Seen { pulse, since: now, reported: false };
            continue;
        }
        let held = now - seen.since;
        if held < threshold || seen.reported {
            continue;
        }
        seen.reported = true;
        report(system, pulse.0, held);
    }
}

fn report(system: &Inner, record: u64, held: Duration) {
    // Rare, so a search is cheap enough.
    let Some(entry) = system.registry.find(|entry| entry.record().id == record) else {
        return;
    };
    let record = entry.record();
    let for_ms = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(path = %record.path, message = record.current(), for_ms, "a handler holds its arbiter");
    system.emit(|| Event::Frozen { path: record.path.clone(), message: record.current(), for_ms });
}
