//! The supervisor's decisions: what to start, stop, restart or give up, in which order and when. Decides; performs nothing.
//!
//! Every exit of a child parks it; this machine answers with `Restart` (same cell, next incarnation) or `Release` (gone for good).

use std::{collections::BTreeMap, time::Duration};

use crate::{
    DownReason, Restart, Strategy, Tick,
    backoff::{Backoff, Intensity, Jitter, Window},
    spec::Kind,
};

mod child;

use child::{Child, Phase};

/// Names a child; grows in start order and is never used twice in a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChildKey(pub(crate) u64);

/// What the machine has to know of a child's spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) restart: Restart,
    /// `Duration::MAX`: no kill
    pub(crate) stop_timeout: Duration,
}

/// How an incarnation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exit {
    Stopped,
    Failed(String),
    StartFailed(String),
    Killed,
    /// an operator asked for a new incarnation
    Renewed,
    /// the cell went with its arbiter
    Lost,
}

impl Exit {
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Exit::Failed(_) | Exit::StartFailed(_) | Exit::Killed | Exit::Lost => true,
            Exit::Stopped | Exit::Renewed => false,
        }
    }

    pub(crate) fn down_reason(&self) -> DownReason {
        match self {
            Exit::Stopped | Exit::Renewed => DownReason::Stopped,
            Exit::Failed(reason) | Exit::StartFailed(reason) => DownReason::Failed(reason.clone()),
            Exit::Killed => DownReason::Killed,
            Exit::Lost => DownReason::Lost,
        }
    }
}

/// A timer's expiry comes back as [`Machine::expired`]; `turn` tells whether it is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    Backoff { key: ChildKey, turn: u64 },
    GroupBackoff { turn: u64 },
    StopTimeout { key: ChildKey, turn: u64 },
    KillTimeout { key: ChildKey, turn: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Create the cell, which starts by itself.
    Start(ChildKey),
    /// Next incarnation in the parked cell.
    Restart(ChildKey),
    Stop(ChildKey),
    Kill(ChildKey),
    /// The parked cell is not needed any more; `forget` also drops its spec.
    Release {
        key: ChildKey,
        forget: bool,
    },
    Schedule {
        alarm: Alarm,
        after: Duration,
    },
    /// Tell whoever asked for this child.
    TellStarted(ChildKey),
    TellStartFailed {
        key: ChildKey,
        reason: String,
    },
    TellStopped(ChildKey),
    /// All children of the list are up.
    Ready,
    /// All children are down as asked: end.
    Halted,
    /// All children are down after too many failures: fail.
    Escalate(String),
}

/// A child that does not even obey a kill (its handler blocks) is left behind after this time, so that a stop ends.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Machine {
    kind: Kind,
    window: Window,
    backoff: Backoff,
    jitter: Jitter,
    children: BTreeMap<ChildKey, Child>,
    halt: Option<Halt>,
    /// a group waits for its backoff; the turn of the alarm
    group_hold: Option<u64>,
    turn: u64,
    ready: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Halt {
    Asked,
    Failed(String),
}

impl Machine {
    pub(crate) fn new(kind: Kind, intensity: Intensity, backoff: Backoff, seed: u64) -> Machine {
        Machine {
            kind,
            window: Window::new(intensity),
            backoff,
            jitter: Jitter::new(seed),
            children: BTreeMap::new(),
            halt: None,
            group_hold: None,
            turn: 0,
            ready: false,
        }
    }

    /// Adds the children of the list, which [`Machine::begin`] starts in this order.
    pub(crate) fn add(&mut self, key: ChildKey, policy: Policy) {
        self.children.insert(key, Child::new(policy));
    }

    pub(crate) fn begin(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.kind == Kind::Pool {
            for (key, child) in &mut self.children {
                child.start(*key, &mut effects);
            }
        }
        self.advance(&mut effects);
        effects
    }

    /// Adds a child at run time. `on_trial`: a failed first start removes it again and is told, without counting against the intensity.
    pub(crate) fn start_child(&mut self, key: ChildKey, policy: Policy, on_trial: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut child = Child::new(policy);
        child.on_trial = on_trial;
        if self.halt.is_some() {
            effects.push(Effect::TellStartFailed { key, reason: "the supervisor is stopping".to_owned() });
            return effects;
        }
        if self.kind == Kind::Pool {
            child.start(key, &mut effects);
            self.children.insert(key, child);
        } else {
            self.children.insert(key, child);
            self.advance(&mut effects);
        }
        effects
    }

    /// Stops a child and forgets it.
    pub(crate) fn stop_child(&mut self, key: ChildKey) -> Vec<Effect> {
        let mut effects = Vec::new();
        let turn = self.next_turn();
        let Some(child) = self.children.get_mut(&key) else {
            effects.push(Effect::TellStopped(key));
            return effects;
        };
        child.doomed = true;
        match child.phase {
            Phase::Starting | Phase::Running => child.stop(key, turn, &mut effects),
            Phase::Stopping => {}
            Phase::Waiting | Phase::Backoff | Phase::Finished => {
                self.remove(key, &mut effects);
                self.advance(&mut effects);
            }
        }
        effects
    }

    pub(crate) fn started(&mut self, key: ChildKey, now: Tick) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(child) = self.children.get_mut(&key) else {
            return effects;
        };
        if child.phase == Phase::Starting {
            child.phase = Phase::Running;
            child.running_since = now;
            child.has_run = true;
            child.on_trial = false;
            effects.push(Effect::TellStarted(key));
            if self.kind != Kind::Pool {
                self.advance(&mut effects);
            }
        }
        effects
    }

    pub(crate) fn exited(&mut self, key: ChildKey, exit: &Exit, now: Tick) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(child) = self.children.get_mut(&key) else {
            return effects;
        };
        if child.owed_exits > 0 {
            child.owed_exits -= 1;
            return effects;
        }
        self.child_is_down(key, exit, now, &mut effects);
        effects
    }

    pub(crate) fn expired(&mut self, alarm: Alarm, now: Tick) -> Vec<Effect> {
        let mut effects = Vec::new();
        match alarm {
            Alarm::GroupBackoff { turn } => {
                if self.group_hold == Some(turn) {
                    self.group_hold = None;
                    self.advance(&mut effects);
                }
            }
            Alarm::Backoff { key, turn } => {
                if let Some(child) = self.wanting(key, turn, Phase::Backoff) {
                    child.start(key, &mut effects);
                }
            }
            Alarm::StopTimeout { key, turn } => {
                if self.wanting(key, turn, Phase::Stopping).is_some() {
                    effects.push(Effect::Kill(key));
                    effects.push(Effect::Schedule { alarm: Alarm::KillTimeout { key, turn }, after: KILL_TIMEOUT });
                }
            }
            Alarm::KillTimeout { key, turn } => {
                if let Some(child) = self.wanting(key, turn, Phase::Stopping) {
                    child.owed_exits += 1;
                    self.child_is_down(key, &Exit::Killed, now, &mut effects);
                }
            }
        }
        effects
    }

    /// Stops all children in order, then ends.
    pub(crate) fn halt(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.halt.is_none() {
            self.begin_halt(Halt::Asked, &mut effects);
        }
        effects
    }

    fn wanting(&mut self, key: ChildKey, turn: u64, phase: Phase) -> Option<&mut Child> {
        self.children.get_mut(&key).filter(|child| child.turn == turn && child.phase == phase)
    }

    fn child_is_down(&mut self, key: ChildKey, exit: &Exit, now: Tick, effects: &mut Vec<Effect>) {
        let halting = self.halt.is_some();
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        let before = child.phase;
        child.phase = Phase::Waiting;
        if *exit == Exit::Lost {
            child.has_cell = false;
        }
        if halting || child.doomed {
            self.remove(key, effects);
            self.advance(effects);
            return;
        }
        if child.recycle && before == Phase::Stopping {
            if child.policy.restart == Restart::Temporary {
                self.remove(key, effects);
            }
            self.advance(effects);
            return;
        }
        if child.on_trial && before == Phase::Starting {
            let reason = match exit {
                Exit::Failed(reason) | Exit::StartFailed(reason) => reason.clone(),
                other => format!("{:?}", other.down_reason()),
            };
            effects.push(Effect::TellStartFailed { key, reason });
            self.remove(key, effects);
            self.advance(effects);
            return;
        }
        self.decide(key, exit, before == Phase::Running, now, effects);
    }

    /// An exit that nobody asked for.
    fn decide(&mut self, key: ChildKey, exit: &Exit, was_running: bool, now: Tick, effects: &mut Vec<Effect>) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        let again = match (child.policy.restart, exit) {
            (_, Exit::Renewed) | (Restart::Permanent, _) => true,
            (Restart::Transient, exit) => exit.is_failure(),
            (Restart::Temporary, _) => false,
        };
        if !again {
            let keep = child.policy.restart == Restart::Transient && self.kind != Kind::Pool;
            if keep {
                child.phase = Phase::Finished;
                child.recycle = false;
                if std::mem::take(&mut child.has_cell) {
                    effects.push(Effect::Release { key, forget: false });
                }
            } else {
                self.remove(key, effects);
            }
            self.advance(effects);
            return;
        }
        let mut delay = Duration::ZERO;
        if *exit != Exit::Renewed {
            // Of a start that failed the time says only how long its backoff was.
            if was_running && now.since(child.running_since) >= self.backoff.reset_after {
                child.failures = 0;
            }
            child.failures = child.failures.saturating_add(1);
            child.running_since = now;
            delay = self.backoff.delay(child.failures, self.jitter.next());
            if self.window.is_exceeded_by(now) {
                let reason = match exit {
                    Exit::Failed(reason) | Exit::StartFailed(reason) => reason.clone(),
                    other => format!("{:?}", other.down_reason()),
                };
                self.begin_halt(Halt::Failed(format!("too many failures, last: {reason}")), effects);
                return;
            }
        }
        self.restart(key, delay, effects);
    }

    fn restart(&mut self, key: ChildKey, delay: Duration, effects: &mut Vec<Effect>) {
        let turn = self.next_turn();
        let group = match self.kind {
            Kind::Pool | Kind::Static(Strategy::OneForOne) => None,
            Kind::Static(Strategy::OneForAll) => Some(ChildKey(0)),
            Kind::Static(Strategy::RestForOne) => Some(key),
        };
        let Some(first) = group else {
            let Some(child) = self.children.get_mut(&key) else {
                return;
            };
            if delay.is_zero() {
                child.start(key, effects);
            } else {
                child.phase = Phase::Backoff;
                child.turn = turn;
                effects.push(Effect::Schedule { alarm: Alarm::Backoff { key, turn }, after: delay });
            }
            return;
        };
        for child in self.children.range_mut(first..).map(|(_, child)| child) {
            child.recycle = true;
        }
        if !delay.is_zero() {
            self.group_hold = Some(turn);
            effects.push(Effect::Schedule { alarm: Alarm::GroupBackoff { turn }, after: delay });
        }
        self.advance(effects);
    }

    fn begin_halt(&mut self, halt: Halt, effects: &mut Vec<Effect>) {
        self.halt = Some(halt);
        if self.kind == Kind::Pool {
            // No order among them: all at once.
            self.turn += 1;
            let turn = self.turn;
            let mut down = Vec::new();
            for (key, child) in &mut self.children {
                match child.phase {
                    Phase::Starting | Phase::Running => child.stop(*key, turn, effects),
                    Phase::Stopping => {}
                    Phase::Waiting | Phase::Backoff | Phase::Finished => down.push(*key),
                }
            }
            for key in down {
                self.remove(key, effects);
            }
        }
        self.advance(effects);
    }

    /// Takes the next step of whatever is under way: a halt, a group restart, an ordered start.
    fn advance(&mut self, effects: &mut Vec<Effect>) {
        if self.halt.is_some() {
            self.advance_halt(effects);
            return;
        }
        if self.kind == Kind::Pool {
            self.be_ready(effects);
            return;
        }
        let turn = self.next_turn();
        for (key, child) in self.children.iter_mut().rev() {
            match child.phase {
                _ if !child.recycle => {}
                Phase::Starting | Phase::Running => {
                    child.stop(*key, turn, effects);
                    return;
                }
                Phase::Stopping => return,
                Phase::Waiting | Phase::Backoff | Phase::Finished => {}
            }
        }
        if self.group_hold.is_some() {
            return;
        }
        let alone = self.kind == Kind::Static(Strategy::OneForOne);
        for (key, child) in &mut self.children {
            match child.phase {
                Phase::Running => {}
                Phase::Finished if !child.recycle => {}
                Phase::Waiting | Phase::Finished => {
                    child.recycle = false;
                    child.start(*key, effects);
                    return;
                }
                // A child on its way back does not hold up the others, if they are independent of it.
                Phase::Starting | Phase::Backoff | Phase::Stopping => {
                    if !(alone && child.has_run) {
                        return;
                    }
                }
            }
        }
        self.be_ready(effects);
    }

    fn advance_halt(&mut self, effects: &mut Vec<Effect>) {
        let turn = self.next_turn();
        while let Some((key, child)) = self.children.iter_mut().next_back() {
            let key = *key;
            match child.phase {
                // The pool's were all asked at once.
                Phase::Stopping => return,
                Phase::Starting | Phase::Running => {
                    child.stop(key, turn, effects);
                    return;
                }
                Phase::Waiting | Phase::Backoff | Phase::Finished => self.remove(key, effects),
            }
        }
        match &self.halt {
            Some(Halt::Failed(reason)) => effects.push(Effect::Escalate(reason.clone())),
            _ => effects.push(Effect::Halted),
        }
    }

    fn be_ready(&mut self, effects: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.ready, true) {
            effects.push(Effect::Ready);
        }
    }

    fn remove(&mut self, key: ChildKey, effects: &mut Vec<Effect>) {
        let Some(child) = self.children.remove(&key) else {
            return;
        };
        // Without a cell there is nothing to release, but the shell forgets the child all the same.
        effects.push(Effect::Release { key, forget: true });
        if child.doomed {
            effects.push(Effect::TellStopped(key));
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
