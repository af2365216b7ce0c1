//! What an actor can do besides handling messages.

use std::{future::Future, sync::Arc, task, time::Duration};

use crate::{
    Actor, ActorRef, DownReason, Failure, Path, Signal, SupervisorRef, System, Tick, TimerKey,
    record::{Control, Entry, Watcher},
    reference::Door,
    tasks::Tasks,
    timers::Timers,
};

/// Lent to an actor while it handles something. Timers, tasks and watches made through it end with the incarnation.
pub struct Context<A: Actor> {
    door: Arc<Door<A::Message>>,
    incarnation: u64,
    verdict: Option<Verdict>,
    /// made at first use: most actors have none, and there may be 100,000 of them
    timers: Option<Box<Timers<A::Message>>>,
    tasks: Option<Tasks>,
    watched: Vec<Path>,
    supervisor: Option<SupervisorRef>,
    /// the start is not complete before the actor says so (supervisors: when their children are up)
    pub(crate) start_held: bool,
}

/// How the actor has decided to end.
pub(crate) enum Verdict {
    Stop,
    Fail { failure: Failure, source: &'static str },
}

/// Name under which a failure by [`Context::fail`] is reported, in place of a message's.
const FAIL: &str = "fail";

impl<A: Actor> Context<A> {
    pub(crate) fn new(door: Arc<Door<A::Message>>, supervisor: Option<SupervisorRef>) -> Context<A> {
        Context {
            door,
            incarnation: 0,
            verdict: None,
            timers: None,
            tasks: None,
            watched: Vec::new(),
            supervisor,
            start_held: false,
        }
    }

    pub fn path(&self) -> &Path {
        &self.door.record().path
    }

    /// Number of this life; grows with every start in this system, so it is never used twice under one path.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub fn myself(&self) -> ActorRef<A::Message> {
        ActorRef::new(self.door.clone())
    }

    pub fn system(&self) -> &System {
        &self.door.record().system
    }

    /// Index of the arbiter this actor lives on: 0 is the system arbiter, data arbiters follow.
    pub fn arbiter(&self) -> usize {
        self.door.record().arbiter
    }

    pub fn now(&self) -> Tick {
        self.system().clock().now()
    }

    /// The supervisor above; `None` for the root. A child of a pool starts and stops its siblings through it.
    pub fn supervisor(&self) -> Option<&SupervisorRef> {
        self.supervisor.as_ref()
    }

    /// Handles `message` once `after` has passed, ahead of what is queued then. It holds no credits.
    pub fn schedule(&mut self, after: Duration, message: A::Message) -> TimerKey {
        self.timers.get_or_insert_default().schedule(after, message)
    }

    /// Takes a scheduled message back; `None` if it has fired.
    pub fn cancel(&mut self, timer: TimerKey) -> Option<A::Message> {
        self.timers.as_mut()?.cancel(timer)
    }

    /// Runs `future` beside the actor, on its arbiter. It is dropped when this incarnation ends; a panic inside it fails the actor.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        self.tasks.get_or_insert_default().spawn(future, self.door.clone(), self.incarnation);
    }

    /// Runs `future` as [`Context::spawn`] does and handles its result as a message of this actor, beyond the mailbox limits.
    pub fn pipe(&mut self, future: impl Future<Output = A::Message> + 'static) {
        let door = self.door.clone();
        self.spawn(async move {
            // Fails only when the actor is gone, and then its tasks are gone too.
            drop(door.post_own(future.await));
        });
    }

    /// Handles `message` after what is queued now, beyond the mailbox limits.
    pub fn tell_myself(&mut self, message: A::Message) {
        // The door cannot be closed while the actor runs.
        drop(self.door.post_own(message));
    }

    /// Ends this incarnation in an orderly way after the present message. What is queued waits if the actor is restarted, else becomes dead letters.
    pub fn stop(&mut self) {
        if self.verdict.is_none() {
            self.verdict = Some(Verdict::Stop);
        }
    }

    /// Ends this incarnation as failed after the present message.
    pub fn fail(&mut self, reason: impl Into<Failure>) {
        self.fail_with(reason.into(), FAIL);
    }

    /// Asks for one [`Signal::Down`] when the incarnation that now runs under `path` ends; at once if none runs.
    pub fn watch(&mut self, path: &Path) {
        let watcher = Watcher { entry: self.door.clone(), incarnation: self.incarnation };
        let watched = self.system().entry(path).is_some_and(|entry| entry.record().watch(watcher));
        if watched {
            self.watched.push(path.clone());
            return;
        }
        self.door.record().control(Control::Signal {
            incarnation: self.incarnation,
            signal: Signal::Down { path: path.clone(), incarnation: None, reason: DownReason::NotRunning },
        });
    }

    pub fn unwatch(&mut self, path: &Path) {
        self.watched.retain(|watched| watched != path);
        if let Some(entry) = self.system().entry(path) {
            entry.record().unwatch(self.door.record().id);
        }
    }

    pub(crate) fn door(&self) -> &Arc<Door<A::Message>> {
        &self.door
    }

    #[inline]
    pub(crate) fn has_verdict(&self) -> bool {
        self.verdict.is_some()
    }

    #[inline]
    pub(crate) fn is_failing(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Fail { .. }))
    }

    pub(crate) fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    pub(crate) fn fail_with(&mut self, failure: Failure, source: &'static str) {
        // The first failure counts; but a failure outweighs an orderly stop.
        if !matches!(self.verdict, Some(Verdict::Fail { .. })) {
            self.verdict = Some(Verdict::Fail { failure, source });
        }
    }

    /// The next due timer's message; else the task is woken when one is due.
    #[inline]
    pub(crate) fn poll_timers(&mut self, cx: &mut task::Context<'_>) -> Option<A::Message> {
        self.timers.as_mut()?.poll_due(cx)
    }

    /// Whether timers were scheduled after the last poll of them.
    #[inline]
    pub(crate) fn has_new_timers(&self) -> bool {
        self.timers.as_ref().is_some_and(|timers| !timers.is_armed())
    }

    pub(crate) fn begin(&mut self, incarnation: u64) {
        self.incarnation = incarnation;
        self.verdict = None;
        self.start_held = false;
    }

    /// Ends all that belongs to this incarnation; the first failure while dropping it is returned.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        self.verdict = None;
        for path in std::mem::take(&mut self.watched) {
            self.unwatch(&path);
        }
        let tasks = self.tasks.take().map_or(Ok(()), |tasks| tasks.cancel_all());
        let timers = std::mem::take(&mut self.timers);
        let timers = crate::panics::guard(move || drop(timers));
        tasks.and(timers)
    }
}
