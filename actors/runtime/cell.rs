//! The cell: one task per actor, over all its incarnations. It polls the actor under a panic guard, parks it on every exit, and obeys its parent.
//!
//! Mailbox and address belong to the cell, not to the incarnation: a restart keeps both.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    Actor, ActorState, DownReason, Env, Failure, FailureInfo, Signal, Stopping,
    arbiter::Pulse,
    context::Verdict,
    event::Event,
    host::HostFuture,
    inbox::Inbox,
    machine::{ChildKey, Exit},
    panics::guard,
    poison::{Poison, PoisonLimits},
    record::{Control, Entry},
    reference::Door,
    seat::{BUDGET, Seat, TURN},
    spec::Factory,
    supervisor::{Parent, Report},
};

/// What a cell is made of, on its way to its arbiter.
pub(crate) struct Seed<A: Actor> {
    pub(crate) door: Arc<Door<A::Message>>,
    pub(crate) inbox: Inbox<A::Message>,
    pub(crate) factory: Arc<Factory<A>>,
    pub(crate) parent: Parent,
    pub(crate) key: ChildKey,
    /// the cell that had this path before and may not be gone yet
    pub(crate) predecessor: Option<Arc<dyn Entry>>,
    pub(crate) poison: PoisonLimits,
    pub(crate) pulse: Arc<Pulse>,
}

pub(crate) struct Cell<A: Actor> {
    host: HostFuture<A>,
    door: Arc<Door<A::Message>>,
    factory: Arc<Factory<A>>,
    parent: Parent,
    key: ChildKey,
    predecessor: Option<Arc<dyn Entry>>,
    pulse: Arc<Pulse>,
    phase: Phase,
    /// the parent knows that this incarnation has started
    start_reported: bool,
    /// restarts begun; the first start is none
    lives: u32,
    waker: Option<Waker>,
    /// messages for the next turn
    budget: u32,
    /// the last turn used up its budget, so this one is timed
    flooded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// until the predecessor is gone
    Waiting,
    Running,
    Draining,
    Parked,
    Burying,
    Gone,
}

impl<A: Actor> Cell<A> {
    pub(crate) fn new(seed: Seed<A>) -> Cell<A> {
        let ctx = crate::Context::new(seed.door.clone(), seed.parent.supervisor());
        let seat = Seat::new(ctx, seed.inbox, Poison::new(seed.poison), seed.pulse.clone());
        Cell {
            host: HostFuture::new(seat),
            door: seed.door,
            factory: seed.factory,
            parent: seed.parent,
            key: seed.key,
            predecessor: seed.predecessor,
            pulse: seed.pulse,
            phase: Phase::Waiting,
            start_reported: false,
            lives: 0,
            waker: None,
            budget: BUDGET,
            flooded: false,
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.door.record().has_control() {
                for order in self.door.record().take_control() {
                    self.obey(order);
                }
            }
            match self.phase {
                Phase::Waiting => {
                    if let Some(predecessor) = &self.predecessor
                        && !predecessor.record().is_gone_or_wake(cx.waker())
                    {
                        return Poll::Pending;
                    }
                    self.predecessor = None;
                    self.begin();
                }
                Phase::Running | Phase::Draining => {
                    if self.run(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Phase::Parked => {
                    if !self.door.record().has_control() {
                        return Poll::Pending;
                    }
                }
                Phase::Burying => {
                    self.host.poll_mailbox(cx);
                    // A sender that took its credits before the door closed is about to push: wait for it, so that no message vanishes uncounted.
                    if self.door.record().credits.messages() == 0 {
                        self.vanish(&DownReason::Stopped);
                        return Poll::Ready(());
                    }
                    if self.host.seat().budget == 0 {
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
                Phase::Gone => return Poll::Ready(()),
            }
        }
    }

    /// Handles timers and messages; ready when something else is to be done first.
    fn run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let host = &mut self.host;
        let turned = guard(|| {
            host.seat().fire_timers(cx);
            host.poll_mailbox(cx);
            if host.seat().ctx.has_new_timers() {
                // Scheduled by a message just now; nobody would wake us for it.
                host.seat().fire_timers(cx);
            }
        });
        if let Err(failure) = turned {
            self.fail(failure, "turn");
            return Poll::Ready(());
        }
        if !self.start_reported && !self.host.seat().ctx.start_held && !self.host.seat().ctx.is_failing() {
            self.report_start();
        }
        if self.host.seat().ctx.has_verdict() {
            self.conclude();
            return Poll::Ready(());
        }
        if self.door.record().has_control() {
            return Poll::Ready(());
        }
        if self.host.seat().budget == 0 {
            // Others on this arbiter first, then we go on.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn obey(&mut self, order: Control) {
        let alive = matches!(self.phase, Phase::Running | Phase::Draining);
        match order {
            Control::Restart if self.phase == Phase::Parked => self.begin(),
            Control::Stop => match self.phase {
                Phase::Running => self.stop(),
                Phase::Waiting => self.park(Exit::Stopped),
                _ => {}
            },
            Control::Kill if alive || self.phase == Phase::Waiting => self.end(Exit::Killed),
            Control::Release if self.phase == Phase::Parked => self.bury(),
            Control::Terminate => {
                if alive {
                    self.clear(&DownReason::Killed);
                }
                if !matches!(self.phase, Phase::Burying | Phase::Gone) {
                    self.bury();
                }
            }
            Control::Renew if alive => self.end(Exit::Renewed),
            Control::Fail { incarnation, failure, source }
                if alive && incarnation == self.host.seat().ctx.incarnation() =>
            {
                self.fail(failure, source);
            }
            Control::Signal { incarnation, signal } if alive && incarnation == self.host.seat().ctx.incarnation() => {
                self.signal(signal);
            }
            Control::InjectPanic => self.host.seat().inject_panic = true,
            Control::Snapshot(reply) => {
                let seat = self.host.seat();
                // A snapshot that panics is as good as none; the actor's state is not in doubt, it was only read.
                if let Some(value) = &seat.value
                    && let Ok(snapshot) = guard(|| value.snapshot())
                {
                    reply.send(snapshot);
                }
            }
            Control::Parts(reply) => {
                let seat = self.host.seat();
                if let Some(value) = &seat.value
                    && let Ok(parts) = guard(|| value.parts())
                {
                    reply.send(parts);
                }
            }
            // Orders that came too late for the state they were given for.
            _ => {}
        }
    }

    fn begin(&mut self) {
        let record = self.door.record();
        let incarnation = record.system.next_id();
        record.incarnation.store(incarnation, Relaxed);
        if self.lives > 0 {
            record.restarts.store(self.lives, Relaxed);
        }
        self.lives += 1;
        record.set_state(ActorState::Starting);
        self.start_reported = false;
        let env = Env::new(record.path.clone(), record.system.clone(), incarnation, record.arbiter);
        let seat = self.host.seat();
        seat.ctx.begin(incarnation);
        let factory = &self.factory;
        match guard(|| factory(&env)).and_then(|built| built) {
            Ok(value) => seat.value = Some(Box::new(value)),
            Err(failure) => {
                self.fail(failure, "factory");
                return;
            }
        }
        self.phase = Phase::Running;
        let Seat { value, ctx, .. } = self.host.seat();
        let value = value.as_mut().expect("was built above");
        match guard(|| value.started(ctx)).and_then(|started| started) {
            Ok(()) if ctx.is_failing() => self.conclude(),
            Ok(()) => {
                if !self.host.seat().ctx.start_held {
                    self.report_start();
                }
            }
            Err(failure) => self.fail(failure, "started"),
        }
    }

    fn report_start(&mut self) {
        self.start_reported = true;
        let record = self.door.record();
        record.set_state(ActorState::Running);
        let (path, incarnation) = (&record.path, record.incarnation());
        let restarts = self.lives - 1;
        record.system.emit(|| match restarts {
            0 => Event::Started { path: path.clone(), incarnation },
            _ => Event::Restarted { path: path.clone(), incarnation, restarts },
        });
        self.parent.report(Report::started(self.key));
    }

    fn conclude(&mut self) {
        match self.host.seat().ctx.take_verdict() {
            Some(Verdict::Stop) => self.stop_orderly(),
            Some(Verdict::Fail { failure, source }) => self.fail(failure, source),
            None => {}
        }
    }

    fn stop(&mut self) {
        let Seat { value, ctx, .. } = self.host.seat();
        let Some(value) = value.as_mut() else { return };
        match guard(|| value.stopping(ctx)) {
            Ok(Stopping::Now) => self.stop_orderly(),
            Ok(Stopping::Draining) => {
                self.door.record().set_state(ActorState::Stopping);
                self.phase = Phase::Draining;
            }
            Err(failure) => self.fail(failure, "stopping"),
        }
    }

    fn stop_orderly(&mut self) {
        let seat = self.host.seat();
        let stopped = match &mut seat.value {
            Some(value) => guard(|| value.stopped()),
            None => Ok(()),
        };
        if let Err(failure) = stopped {
            // It was to end anyway, and it has; the failure is recorded, not acted upon.
            self.note_failure(&failure, "stopped");
        }
        self.end(Exit::Stopped);
    }

    fn signal(&mut self, signal: Signal) {
        let Seat { value, ctx, .. } = self.host.seat();
        let Some(value) = value.as_mut() else { return };
        match guard(|| value.signal(signal, ctx)).and_then(|handled| handled) {
            Ok(()) if self.host.seat().ctx.has_verdict() => self.conclude(),
            Ok(()) => {}
            Err(failure) => self.fail(failure, "signal"),
        }
    }

    fn fail(&mut self, failure: Failure, source: &'static str) {
        let source = self.host.seat().settle_failure().unwrap_or(source);
        self.note_failure(&failure, source);
        let reason = failure.reason().to_owned();
        let exit = match self.start_reported {
            true => Exit::Failed(reason),
            false => Exit::StartFailed(reason),
        };
        self.end(exit);
    }

    fn note_failure(&self, failure: &Failure, source: &'static str) {
        let record = self.door.record();
        tracing::warn!(
            path = %record.path,
            incarnation = record.incarnation(),
            message = source,
            reason = failure.reason(),
            "actor failed"
        );
        record.set_last_failure(FailureInfo {
            reason: failure.reason().to_owned(),
            message: source,
            at_ms: record.system.clock().now().as_millis(),
        });
        record.system.emit(|| Event::Failed {
            path: record.path.clone(),
            incarnation: record.incarnation(),
            message: source,
            reason: failure.reason().to_owned(),
        });
    }

    /// Ends the incarnation and parks; the parent decides what follows.
    fn end(&mut self, exit: Exit) {
        self.clear(&exit.down_reason());
        self.park(exit);
    }

    fn park(&mut self, exit: Exit) {
        self.phase = Phase::Parked;
        self.predecessor = None;
        let record = self.door.record();
        if !exit.is_failure() || exit == Exit::Killed {
            record.system.emit(|| Event::Stopped {
                path: record.path.clone(),
                incarnation: record.incarnation(),
                reason: exit.down_reason(),
            });
        }
        self.parent.report(Report::exited(self.key, exit));
    }

    /// Drops value, tasks and timers; tells the watchers.
    fn clear(&mut self, reason: &DownReason) {
        let seat = self.host.seat();
        // Credits of a message whose handling was cut off.
        seat.settle_cut_off();
        let ended = seat.ctx.end();
        let value = seat.value.take();
        let dropped = guard(move || drop(value));
        if let Err(failure) = ended.and(dropped) {
            self.note_failure(&failure, "drop");
        }
        self.door.record().end_incarnation(ActorState::Parked, reason);
    }

    fn bury(&mut self) {
        self.phase = Phase::Burying;
        let seat = self.host.seat();
        seat.burying = true;
        seat.budget = BUDGET;
        self.door.record().credits.close();
    }

    fn vanish(&mut self, reason: &DownReason) {
        self.phase = Phase::Gone;
        let record = self.door.record();
        record.system.forget(&self.door);
        record.end_incarnation(ActorState::Gone, reason);
        record.clear_waker();
    }
}

impl<A: Actor> Unpin for Cell<A> {}

impl<A: Actor> Future for Cell<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !this.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            this.waker = Some(cx.waker().clone());
            this.door.record().set_waker(cx.waker());
            this.door.queue().set_waker(cx.waker());
        }
        let begun = this.flooded.then(|| this.door.record().system.clock().now());
        this.host.seat().budget = this.budget;
        this.pulse.enter(this.door.record().id);
        let poll = this.turn(cx);
        this.flooded = this.host.seat().budget == 0;
        this.budget = match begun {
            Some(begun) if this.flooded => {
                next_budget(this.budget, this.door.record().system.clock().now().since(begun))
            }
            _ => BUDGET,
        };
        this.pulse.leave();
        this.door.record().busy_ms.store(0, Relaxed);
        poll
    }
}

/// Budget after a turn that used its budget up and took this long.
fn next_budget(budget: u32, took: Duration) -> u32 {
    if took <= TURN {
        return (budget * 2).min(BUDGET);
    }
    let fitting = u128::from(budget) * TURN.as_nanos() / took.as_nanos();
    u32::try_from(fitting).unwrap_or(BUDGET).max(1)
}

impl<A: Actor> Drop for Cell<A> {
    /// Reached before `Gone` only when the arbiter itself goes away.
    fn drop(&mut self) {
        if self.phase == Phase::Gone {
            return;
        }
        self.door.record().credits.close();
        if matches!(self.phase, Phase::Running | Phase::Draining) {
            self.clear(&DownReason::Lost);
        }
        let seat = self.host.seat();
        seat.burying = true;
        seat.budget = u32::MAX;
        // What can still be buried by name is.
        self.host.poll_mailbox(&mut Context::from_waker(Waker::noop()));
        self.vanish(&DownReason::Lost);
        self.parent.report(Report::exited(self.key, Exit::Lost));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_shrinks_until_a_turn_fits_and_grows_again() {
        let micros = Duration::from_micros;
        assert_eq!(next_budget(64, micros(100)), 32);
        assert_eq!(next_budget(64, micros(64_000)), 1);
        assert_eq!(next_budget(1, micros(1_000)), 1);
        assert_eq!(next_budget(16, micros(20)), 32);
        assert_eq!(next_budget(64, micros(20)), 64);
    }
}
