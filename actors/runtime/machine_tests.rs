//! The supervisor's decisions, tried without any runtime.

use std::time::Duration;

use super::*;

const PERMANENT: Policy = Policy { restart: Restart::Permanent, stop_timeout: Duration::from_secs(5) };

fn failed() -> Exit {
    Exit::Failed("broken".to_owned())
}

fn at(millis: u64) -> Tick {
    Tick::from_millis(millis)
}

fn static_machine(strategy: Strategy, children: u64, backoff: Backoff) -> Machine {
    let intensity = Intensity::new(3, Duration::from_secs(10));
    let mut machine = Machine::new(Kind::Static(strategy), intensity, backoff, 1);
    for key in 1..=children {
        machine.add(ChildKey(key), PERMANENT);
    }
    machine
}

/// A machine whose children are all up.
fn running(strategy: Strategy, children: u64, backoff: Backoff) -> Machine {
    let mut machine = static_machine(strategy, children, backoff);
    machine.begin();
    for key in 1..=children {
        machine.started(ChildKey(key), at(0));
    }
    machine
}

/// Starts and stops in order, as `+3 -2`; `r` for a restart in place, `x` for a release, `!` for a kill.
fn orders(effects: &[Effect]) -> String {
    let mut text = Vec::new();
    for effect in effects {
        match effect {
            Effect::Start(key) => text.push(format!("+{}", key.0)),
            Effect::Restart(key) => text.push(format!("r{}", key.0)),
            Effect::Stop(key) => text.push(format!("-{}", key.0)),
            Effect::Kill(key) => text.push(format!("!{}", key.0)),
            Effect::Release { key, .. } => text.push(format!("x{}", key.0)),
            Effect::Ready => text.push("ready".to_owned()),
            Effect::Halted => text.push("halted".to_owned()),
            Effect::Escalate(_) => text.push("escalate".to_owned()),
            Effect::TellStartFailed { key, .. } => text.push(format!("refused{}", key.0)),
            Effect::Schedule { .. } | Effect::TellStarted(_) | Effect::TellStopped(_) => {}
        }
    }
    text.join(" ")
}

fn alarm(effects: &[Effect]) -> (Alarm, Duration) {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Schedule { alarm, after } => Some((*alarm, *after)),
            _ => None,
        })
        .expect("something is scheduled")
}

#[test]
fn children_start_one_after_the_other() {
    let mut machine = static_machine(Strategy::OneForOne, 3, Backoff::none());
    assert_eq!(orders(&machine.begin()), "+1");
    assert_eq!(orders(&machine.started(ChildKey(1), at(0))), "+2");
    assert_eq!(orders(&machine.started(ChildKey(2), at(0))), "+3");
    assert_eq!(orders(&machine.started(ChildKey(3), at(0))), "ready");
}

#[test]
fn an_empty_supervisor_is_ready_at_once() {
    let mut machine = static_machine(Strategy::OneForAll, 0, Backoff::none());
    assert_eq!(orders(&machine.begin()), "ready");
    assert_eq!(orders(&machine.halt()), "halted");
}

#[test]
fn one_for_one_restarts_only_the_failed_child() {
    let mut machine = running(Strategy::OneForOne, 3, Backoff::none());
    assert_eq!(orders(&machine.exited(ChildKey(2), &failed(), at(1))), "r2");
    assert_eq!(orders(&machine.started(ChildKey(2), at(2))), "");
}

#[test]
fn one_for_all_stops_in_reverse_and_starts_in_order() {
    let mut machine = running(Strategy::OneForAll, 3, Backoff::none());
    assert_eq!(orders(&machine.exited(ChildKey(2), &failed(), at(1))), "-3");
    assert_eq!(orders(&machine.exited(ChildKey(3), &Exit::Stopped, at(1))), "-1");
    assert_eq!(orders(&machine.exited(ChildKey(1), &Exit::Stopped, at(1))), "r1");
    assert_eq!(orders(&machine.started(ChildKey(1), at(1))), "r2");
    assert_eq!(orders(&machine.started(ChildKey(2), at(1))), "r3");
    assert_eq!(orders(&machine.started(ChildKey(3), at(1))), "");
}

#[test]
fn rest_for_one_leaves_the_earlier_ones_alone() {
    let mut machine = running(Strategy::RestForOne, 3, Backoff::none());
    assert_eq!(orders(&machine.exited(ChildKey(2), &failed(), at(1))), "-3");
    assert_eq!(orders(&machine.exited(ChildKey(3), &Exit::Stopped, at(1))), "r2");
    assert_eq!(orders(&machine.started(ChildKey(2), at(1))), "r3");
}

#[test]
fn an_earlier_failure_widens_a_group_restart_that_is_under_way() {
    let mut machine = running(Strategy::RestForOne, 3, Backoff::none());
    assert_eq!(orders(&machine.exited(ChildKey(2), &failed(), at(1))), "-3");
    assert_eq!(orders(&machine.exited(ChildKey(1), &failed(), at(1))), "");
    assert_eq!(orders(&machine.exited(ChildKey(3), &Exit::Stopped, at(1))), "r1");
}

#[test]
fn a_failed_restart_in_a_group_counts_and_is_tried_again() {
    let mut machine = running(Strategy::OneForAll, 2, Backoff::none());
    assert_eq!(orders(&machine.exited(ChildKey(2), &failed(), at(1))), "-1");
    assert_eq!(orders(&machine.exited(ChildKey(1), &Exit::Stopped, at(1))), "r1");
    let start_failed = Exit::StartFailed("no disk".to_owned());
    assert_eq!(orders(&machine.exited(ChildKey(1), &start_failed, at(1))), "r1");
    assert_eq!(orders(&machine.exited(ChildKey(1), &start_failed, at(1))), "r1");
    let effects = machine.exited(ChildKey(1), &start_failed, at(1));
    assert_eq!(orders(&effects), "x2 x1 escalate");
}

#[test]
fn more_failures_than_the_intensity_escalate_after_the_others_are_down() {
    let mut machine = running(Strategy::OneForOne, 3, Backoff::none());
    for millis in 1..=3 {
        machine.exited(ChildKey(2), &failed(), at(millis));
        machine.started(ChildKey(2), at(millis));
    }
    let effects = machine.exited(ChildKey(2), &failed(), at(4));
    assert_eq!(orders(&effects), "-3");
    assert_eq!(orders(&machine.exited(ChildKey(3), &Exit::Stopped, at(5))), "x3 x2 -1");
    let effects = machine.exited(ChildKey(1), &Exit::Stopped, at(5));
    assert_eq!(orders(&effects), "x1 escalate");
    assert!(effects.contains(&Effect::Escalate("too many failures, last: broken".to_owned())));
}

#[test]
fn failures_far_apart_do_not_escalate() {
    let mut machine = running(Strategy::OneForOne, 1, Backoff::none());
    for n in 0..100 {
        let now = at(n * 4_000);
        assert_eq!(orders(&machine.exited(ChildKey(1), &failed(), now)), "r1");
        machine.started(ChildKey(1), now);
    }
}

#[test]
fn backoff_grows_and_a_long_run_resets_it() {
    let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
    let intensity = Intensity::unlimited();
    let mut machine = Machine::new(Kind::Static(Strategy::OneForOne), intensity, backoff, 1);
    machine.add(ChildKey(1), PERMANENT);
    machine.begin();
    machine.started(ChildKey(1), at(0));
    let mut now = 1;
    for expected in [10, 20, 40] {
        let effects = machine.exited(ChildKey(1), &failed(), at(now));
        assert_eq!(orders(&effects), "");
        let (alarm, after) = alarm(&effects);
        assert_eq!(after.as_millis(), expected);
        assert_eq!(orders(&machine.expired(alarm, at(now))), "r1");
        assert_eq!(orders(&machine.expired(alarm, at(now))), "", "an alarm counts once");
        machine.started(ChildKey(1), at(now));
        now += 1;
    }
    let (_, after) = alarm(&machine.exited(ChildKey(1), &failed(), at(now + 31_000)));
    assert_eq!(after.as_millis(), 10);
}

#[test]
fn a_backoff_is_no_run_and_does_not_reset_itself() {
    let backoff = Backoff { jitter: 0.0, reset_after: Duration::from_millis(15), ..Backoff::default() };
    let mut machine = Machine::new(Kind::Static(Strategy::OneForOne), Intensity::unlimited(), backoff, 1);
    machine.add(ChildKey(1), PERMANENT);
    machine.begin();
    machine.started(ChildKey(1), at(0));
    let mut now = 1;
    let mut exit = failed();
    for expected in [10, 20, 40, 80] {
        let (alarm, after) = alarm(&machine.exited(ChildKey(1), &exit, at(now)));
        assert_eq!(after.as_millis(), expected);
        now += expected as u64;
        machine.expired(alarm, at(now));
        // It never comes up again.
        exit = Exit::StartFailed("broken".to_owned());
    }
}

#[test]
fn a_child_in_backoff_does_not_hold_up_an_independent_one() {
    let mut machine = running(Strategy::OneForOne, 2, Backoff::default());
    let first = machine.exited(ChildKey(1), &failed(), at(1));
    let second = machine.exited(ChildKey(2), &failed(), at(1));
    let ((first, _), (second, _)) = (alarm(&first), alarm(&second));
    assert_eq!(orders(&machine.expired(second, at(20))), "r2");
    assert_eq!(orders(&machine.started(ChildKey(2), at(20))), "");
    assert_eq!(orders(&machine.expired(first, at(21))), "r1");
}

#[test]
fn a_first_start_that_fails_holds_up_those_after_it() {
    let mut machine = static_machine(Strategy::OneForOne, 2, Backoff::default());
    machine.begin();
    let effects = machine.exited(ChildKey(1), &Exit::StartFailed("no disk".to_owned()), at(1));
    assert_eq!(orders(&effects), "");
    assert_eq!(orders(&machine.expired(alarm(&effects).0, at(20))), "r1");
    assert_eq!(orders(&machine.started(ChildKey(1), at(21))), "+2");
}

#[test]
fn restart_policies_decide_by_the_kind_of_exit() {
    for (restart, exit, expected) in [
        (Restart::Permanent, Exit::Stopped, "r1"),
        (Restart::Transient, Exit::Stopped, "x1"),
        (Restart::Transient, failed(), "r1"),
        (Restart::Transient, Exit::Killed, "r1"),
        (Restart::Temporary, failed(), "x1"),
        (Restart::Temporary, Exit::Renewed, "r1"),
    ] {
        let intensity = Intensity::default();
        let mut machine = Machine::new(Kind::Pool, intensity, Backoff::none(), 1);
        let policy = Policy { restart, ..PERMANENT };
        machine.begin();
        machine.start_child(ChildKey(1), policy, true);
        machine.started(ChildKey(1), at(0));
        let effects = machine.exited(ChildKey(1), &exit, at(1));
        assert_eq!(orders(&effects), expected, "{restart:?} {exit:?}");
    }
}

#[test]
fn a_finished_transient_child_takes_part_in_a_group_restart_and_a_temporary_does_not() {
    let mut machine = static_machine(Strategy::OneForAll, 1, Backoff::none());
    let (transient, temporary) = (Restart::Transient, Restart::Temporary);
    machine.add(ChildKey(2), Policy { restart: transient, ..PERMANENT });
    machine.add(ChildKey(3), Policy { restart: temporary, ..PERMANENT });
    machine.begin();
    for key in 1..=3 {
        machine.started(ChildKey(key), at(0));
    }
    assert_eq!(orders(&machine.exited(ChildKey(2), &Exit::Stopped, at(1))), "x2");
    assert_eq!(orders(&machine.exited(ChildKey(1), &failed(), at(1))), "-3");
    assert_eq!(orders(&machine.exited(ChildKey(3), &Exit::Stopped, at(1))), "x3 r1");
    assert_eq!(orders(&machine.started(ChildKey(1), at(1))), "+2");
    assert_eq!(orders(&machine.started(ChildKey(2), at(1))), "");
}

#[test]
fn a_stop_goes_in_reverse_with_a_kill_for_those_who_do_not_obey() {
    let mut machine = running(Strategy::OneForOne, 2, Backoff::none());
    let effects = machine.halt();
    assert_eq!(orders(&effects), "-2");
    let (timeout, after) = alarm(&effects);
    assert_eq!(after, PERMANENT.stop_timeout);
    let effects = machine.expired(timeout, at(5_000));
    assert_eq!(orders(&effects), "!2");
    // It blocks its thread and does not even hear the kill: it is left behind.
    let effects = machine.expired(alarm(&effects).0, at(6_000));
    assert_eq!(orders(&effects), "x2 -1");
    assert_eq!(orders(&machine.exited(ChildKey(1), &Exit::Stopped, at(6_000))), "x1 halted");
    assert_eq!(orders(&machine.exited(ChildKey(2), &Exit::Killed, at(7_000))), "");
}

#[test]
fn a_pool_stops_all_its_children_at_once() {
    let mut machine = Machine::new(Kind::Pool, Intensity::default(), Backoff::none(), 1);
    assert_eq!(orders(&machine.begin()), "ready");
    for key in 1..=3 {
        machine.start_child(ChildKey(key), PERMANENT, false);
        machine.started(ChildKey(key), at(0));
    }
    assert_eq!(orders(&machine.halt()), "-1 -2 -3");
    assert_eq!(orders(&machine.exited(ChildKey(1), &Exit::Stopped, at(0))), "x1");
    assert_eq!(orders(&machine.exited(ChildKey(3), &Exit::Stopped, at(0))), "x3");
    assert_eq!(orders(&machine.exited(ChildKey(2), &Exit::Stopped, at(0))), "x2 halted");
}

#[test]
fn a_first_start_on_trial_that_fails_is_told_and_does_not_count() {
    let mut machine = Machine::new(Kind::Pool, Intensity::new(0, Duration::ZERO), Backoff::none(), 1);
    machine.begin();
    assert_eq!(orders(&machine.start_child(ChildKey(1), PERMANENT, true)), "+1");
    let effects = machine.exited(ChildKey(1), &Exit::StartFailed("no".to_owned()), at(0));
    assert_eq!(orders(&effects), "refused1 x1");
}

#[test]
fn a_stopped_child_is_forgotten_and_not_restarted() {
    let mut machine = running(Strategy::OneForAll, 2, Backoff::none());
    assert_eq!(orders(&machine.stop_child(ChildKey(2))), "-2");
    let effects = machine.exited(ChildKey(2), &failed(), at(1));
    assert_eq!(orders(&effects), "x2");
    assert!(effects.contains(&Effect::TellStopped(ChildKey(2))));
}

#[test]
fn a_lost_cell_is_made_anew() {
    let mut machine = running(Strategy::OneForOne, 1, Backoff::none());
    assert_eq!(orders(&machine.exited(ChildKey(1), &Exit::Lost, at(1))), "+1");
}

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::Strategy;

    /// Drives a machine with random events that a real tree could produce and checks its orders against a model of the cells.
    fn drive(strategy: Strategy, steps: &[(u8, u8)]) -> Result<(), TestCaseError> {
        let mut machine = static_machine(strategy, 4, Backoff::none());
        let mut alive: Vec<u64> = Vec::new();
        let mut parked: Vec<u64> = Vec::new();
        let mut ended = false;
        let mut pending = machine.begin();
        let mut now = 0;
        for (what, which) in steps {
            for effect in std::mem::take(&mut pending) {
                prop_assert!(!ended, "no effect after the end: {effect:?}");
                match effect {
                    Effect::Start(key) => {
                        prop_assert!(!alive.contains(&key.0) && !parked.contains(&key.0));
                        alive.push(key.0);
                    }
                    Effect::Restart(key) => {
                        prop_assert!(parked.contains(&key.0), "only a parked cell restarts");
                        parked.retain(|other| *other != key.0);
                        alive.push(key.0);
                    }
                    Effect::Stop(key) | Effect::Kill(key) => {
                        prop_assert!(alive.contains(&key.0), "only a living child is stopped");
                    }
                    Effect::Release { key, .. } => {
                        prop_assert!(!alive.contains(&key.0), "only a parked cell is released");
                        parked.retain(|other| *other != key.0);
                    }
                    Effect::Halted | Effect::Escalate(_) => {
                        prop_assert!(alive.is_empty() && parked.is_empty(), "nothing is left");
                        ended = true;
                    }
                    _ => {}
                }
            }
            if ended || alive.is_empty() {
                break;
            }
            let key = ChildKey(alive[usize::from(*which) % alive.len()]);
            now += 700;
            let exit = match what % 5 {
                0 | 1 => {
                    pending = machine.started(key, at(now));
                    continue;
                }
                2 => failed(),
                3 => Exit::Stopped,
                _ => {
                    pending = machine.halt();
                    continue;
                }
            };
            alive.retain(|other| *other != key.0);
            parked.push(key.0);
            pending = machine.exited(key, &exit, at(now));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn orders_always_fit_the_state_of_the_cells(
            strategy in prop_oneof![
                Just(Strategy::OneForOne),
                Just(Strategy::OneForAll),
                Just(Strategy::RestForOne)
            ],
            steps in prop::collection::vec((any::<u8>(), any::<u8>()), 1..80),
        ) {
            drive(strategy, &steps)?;
        }
    }
}
