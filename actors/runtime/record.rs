//! What everybody may know and do about one actor without being on its arbiter: counters, state, control lane, watchers.

use std::{
    any::Any,
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU8, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    task::Waker,
};

use serde::Serialize;

use crate::{
    DownReason, Failure, FailureInfo, Part, Path, Reply, Signal, System,
    credits::{Credits, Limits},
};

/// The typed door of an actor, seen without its type.
pub(crate) trait Entry: Send + Sync + 'static {
    fn record(&self) -> &Record;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Life of an actor as it is seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorState {
    Starting,
    Running,
    /// asked to stop, draining
    Stopping,
    /// ended; waits for its supervisor's decision, queue and address kept
    Parked,
    Gone,
}

impl ActorState {
    fn from_u8(value: u8) -> ActorState {
        match value {
            0 => ActorState::Starting,
            1 => ActorState::Running,
            2 => ActorState::Stopping,
            3 => ActorState::Parked,
            _ => ActorState::Gone,
        }
    }
}

/// Orders to a cell; drained before data.
pub(crate) enum Control {
    /// The parent: begin the next incarnation.
    Restart,
    /// The parent: stop in an orderly way.
    Stop,
    /// End now, without hooks; the parent decides what follows.
    Kill,
    /// The parent: the parked cell is not needed any more.
    Release,
    /// The parent is no more: end, for good.
    Terminate,
    /// An operator: build anew.
    Renew,
    Fail {
        incarnation: u64,
        failure: Failure,
        source: &'static str,
    },
    Signal {
        incarnation: u64,
        signal: Signal,
    },
    InjectPanic,
    Snapshot(Reply<Vec<(&'static str, String)>>),
    Parts(Reply<Vec<Part>>),
}

pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) path: Path,
    /// type of the actor, without its modules
    pub(crate) kind: &'static str,
    /// of a supervisor
    pub(crate) strategy: Option<&'static str>,
    pub(crate) arbiter: usize,
    pub(crate) system: System,
    pub(crate) credits: Credits,
    state: AtomicU8,
    pub(crate) incarnation: AtomicU64,
    pub(crate) restarts: AtomicU32,
    pub(crate) handled: AtomicU64,
    /// when the oldest waiting message came, in coarse milliseconds, wrapping
    pub(crate) oldest_ms: AtomicU32,
    /// when the message in hand was begun, in coarse milliseconds plus one; 0 when idle
    pub(crate) busy_ms: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) dead_letters: AtomicU64,
    has_control: AtomicBool,
    lane: Mutex<Lane>,
    rare: Mutex<Rare>,
}

#[derive(Default)]
struct Lane {
    orders: VecDeque<Control>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Rare {
    current: &'static str,
    last_failure: Option<FailureInfo>,
    watchers: Vec<Watcher>,
    /// cells of the same path that wait until this one is gone
    successors: Vec<Waker>,
}

#[derive(Clone)]
pub(crate) struct Watcher {
    pub(crate) entry: Arc<dyn Entry>,
    pub(crate) incarnation: u64,
}

pub(crate) struct NewRecord {
    pub(crate) path: Path,
    pub(crate) kind: &'static str,
    pub(crate) strategy: Option<&'static str>,
    pub(crate) arbiter: usize,
    pub(crate) limits: Limits,
    pub(crate) system: System,
}

impl Record {
    pub(crate) fn new(new: NewRecord) -> Record {
        Record {
            id: new.system.next_id(),
            path: new.path,
            kind: new.kind,
            strategy: new.strategy,
            arbiter: new.arbiter,
            credits: Credits::new(new.limits),
            system: new.system,
            state: AtomicU8::new(ActorState::Starting as u8),
            incarnation: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            handled: AtomicU64::new(0),
            oldest_ms: AtomicU32::new(0),
            busy_ms: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            has_control: AtomicBool::new(false),
            lane: Mutex::default(),
            rare: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> ActorState {
        ActorState::from_u8(self.state.load(Acquire))
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation.load(Relaxed)
    }

    /// Sets a state in which the actor lives.
    pub(crate) fn set_state(&self, state: ActorState) {
        self.state.store(state as u8, Release);
    }

    /// Ends the present incarnation for all who watch it.
    pub(crate) fn end_incarnation(&self, state: ActorState, reason: &DownReason) {
        let (watchers, successors) = {
            // Under the lock that `watch` takes: a watcher is either in the list or sees the new state.
            let mut rare = self.rare();
            self.state.store(state as u8, Release);
            let successors = match state {
                ActorState::Gone => std::mem::take(&mut rare.successors),
                _ => Vec::new(),
            };
            (std::mem::take(&mut rare.watchers), successors)
        };
        for watcher in watchers {
            watcher.entry.record().control(Control::Signal {
                incarnation: watcher.incarnation,
                signal: Signal::Down {
                    path: self.path.clone(),
                    incarnation: Some(self.incarnation()),
                    reason: reason.clone(),
                },
            });
        }
        for successor in successors {
            successor.wake();
        }
    }

    /// Adds a watcher; `false` when nothing is running here now.
    pub(crate) fn watch(&self, watcher: Watcher) -> bool {
        let mut rare = self.rare();
        if matches!(self.state(), ActorState::Parked | ActorState::Gone) {
            return false;
        }
        rare.watchers.push(watcher);
        true
    }

    pub(crate) fn unwatch(&self, watcher: u64) {
        self.rare().watchers.retain(|known| known.entry.record().id != watcher);
    }

    /// Whether this one is gone; else `waker` is woken when it is.
    pub(crate) fn is_gone_or_wake(&self, waker: &Waker) -> bool {
        let mut rare = self.rare();
        if self.state() == ActorState::Gone {
            return true;
        }
        rare.successors.push(waker.clone());
        false
    }

    pub(crate) fn control(&self, order: Control) {
        let waker = {
            let mut lane = self.lane();
            lane.orders.push_back(order);
            self.has_control.store(true, Release);
            lane.waker.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    #[inline]
    pub(crate) fn has_control(&self) -> bool {
        self.has_control.load(Relaxed)
    }

    pub(crate) fn take_control(&self) -> VecDeque<Control> {
        if !self.has_control.swap(false, AcqRel) {
            return VecDeque::new();
        }
        std::mem::take(&mut self.lane().orders)
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut lane = self.lane();
        if !lane.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            lane.waker = Some(waker.clone());
        }
    }

    pub(crate) fn clear_waker(&self) {
        self.lane().waker = None;
    }

    pub(crate) fn set_current(&self, name: &'static str) {
        self.rare().current = name;
    }

    pub(crate) fn current(&self) -> &'static str {
        self.rare().current
    }

    pub(crate) fn set_last_failure(&self, failure: FailureInfo) {
        self.rare().last_failure = Some(failure);
    }

    pub(crate) fn last_failure(&self) -> Option<FailureInfo> {
        self.rare().last_failure.clone()
    }

    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rare(&self) -> MutexGuard<'_, Rare> {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.path, self.incarnation())
    }
}
