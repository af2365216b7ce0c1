//! One child as its supervisor sees it: where it stands between its start and its end.

use std::time::Duration;

use super::{Alarm, ChildKey, Effect, KILL_TIMEOUT, Policy};
use crate::Tick;

#[derive(Debug)]
pub(super) struct Child {
    pub(super) policy: Policy,
    pub(super) phase: Phase,
    /// a cell exists and is parked or alive
    pub(super) has_cell: bool,
    pub(super) has_run: bool,
    /// part of a group that is to be stopped and started again
    pub(super) recycle: bool,
    /// asked to go for good
    pub(super) doomed: bool,
    /// somebody waits for the outcome of the first start, so a failed start is theirs, not ours
    pub(super) on_trial: bool,
    pub(super) failures: u32,
    pub(super) running_since: Tick,
    pub(super) turn: u64,
    /// exits of incarnations that were left behind and may still be reported
    pub(super) owed_exits: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// to be started
    Waiting,
    Backoff,
    Starting,
    Running,
    Stopping,
    /// ended by itself and not restarted; kept for group restarts
    Finished,
}

impl Child {
    pub(super) fn new(policy: Policy) -> Child {
        Child {
            policy,
            phase: Phase::Waiting,
            has_cell: false,
            has_run: false,
            recycle: false,
            doomed: false,
            on_trial: false,
            failures: 0,
            running_since: Tick::ZERO,
            turn: 0,
            owed_exits: 0,
        }
    }

    pub(super) fn start(&mut self, key: ChildKey, effects: &mut Vec<Effect>) {
        self.phase = Phase::Starting;
        if std::mem::replace(&mut self.has_cell, true) {
            effects.push(Effect::Restart(key));
        } else {
            effects.push(Effect::Start(key));
        }
    }

    pub(super) fn stop(&mut self, key: ChildKey, turn: u64, effects: &mut Vec<Effect>) {
        self.phase = Phase::Stopping;
        self.turn = turn;
        let timeout = self.policy.stop_timeout;
        if timeout.is_zero() {
            effects.push(Effect::Kill(key));
            effects.push(Effect::Schedule { alarm: Alarm::KillTimeout { key, turn }, after: KILL_TIMEOUT });
            return;
        }
        effects.push(Effect::Stop(key));
        if timeout < Duration::MAX {
            effects.push(Effect::Schedule { alarm: Alarm::StopTimeout { key, turn }, after: timeout });
        }
    }
}
