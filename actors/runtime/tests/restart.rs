//! Panics and failures: address and queue stay, the value is rebuilt, nothing else is disturbed.

mod counting;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use callboard_runtime::{
    Actor, ActorState, AskError, Backoff, ChildSpec, Context, Event, Failure, Intensity, Message, Options, Path,
    Placement, StartError, Strategy, SupervisorSpec, System, testkit,
};
use counting::{Counter, Say, block_on, counter, millis, second};

fn tree(child: ChildSpec) -> SupervisorSpec {
    SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(Intensity::unlimited())
        .backoff(Backoff::none())
        .child(child)
}

#[test]
fn a_panic_keeps_the_queue_and_the_address() {
    let options = Options { data_arbiters: 1, ..Options::default() };
    let child = counter("c").placement(Placement::Data(0));
    let system = System::start("t", options, tree(child)).expect("starts");
    let path = Path::root("root/c");
    let counter = system.resolve::<Say>(&path).expect("is there");
    block_on(async {
        assert_eq!(counter.ask(second(), Say::Add).await, Ok(1));
        let before = counter.incarnation();
        let poisoned = counter.ask(second(), Say::Panic);
        let answers: Vec<_> = (0..3).map(|_| counter.ask(second(), Say::Add)).collect();
        let unanswered = AskError::Unanswered { path: path.clone() };
        assert!(!unanswered.definitely_not_executed());
        assert_eq!(poisoned.await, Err(unanswered));
        for (n, answer) in (1..).zip(answers) {
            assert_eq!(answer.await, Ok(n), "counted by a new value");
        }
        assert!(counter.incarnation() > before);
        let info = system.info(&path).expect("is there");
        assert_eq!((info.restarts, info.kind, info.arbiter), (1, "Counter", 1));
        let failure = info.last_failure.expect("has failed");
        assert_eq!(failure.message, "Panic");
        assert!(failure.reason.starts_with("panic: told to, at "));
        system.stop(second()).await.expect("stops");
    });
}

#[test]
fn ten_thousand_panics_lose_no_message_between_them() {
    testkit::run_tree(1, tree(counter("c").poison_after(0)), |system| async move {
        let counter = system.resolve::<Say>(&Path::root("root/c")).expect("is there");
        for _ in 0..10_000 {
            let poisoned = counter.ask(second(), Say::Panic);
            let answer = counter.ask(second(), Say::Add);
            assert!(matches!(poisoned.await, Err(AskError::Unanswered { .. })));
            assert_eq!(answer.await, Ok(1));
        }
        assert_eq!(system.info(counter.path()).expect("is there").restarts, 10_000);
        assert_eq!(system.dead_letters().total(), 0);
    })
    .expect("starts");
}

#[test]
fn an_error_fails_the_actor_like_a_panic() {
    testkit::run_tree(1, tree(counter("c")), |system| async move {
        let counter = system.resolve::<Say>(&Path::root("root/c")).expect("is there");
        counter.tell(Say::Fail).expect("has room");
        assert_eq!(counter.ask(second(), Say::Add).await, Ok(1));
        let failure = system.info(counter.path()).and_then(|info| info.last_failure).expect("has failed");
        assert_eq!((failure.message, &*failure.reason), ("Fail", "told to"));
    })
    .expect("starts");
}

/// Panics in one place of its life.
struct Fragile {
    place: &'static str,
}

struct Poke;
impl Message for Poke {}

impl Actor for Fragile {
    type Message = Poke;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match self.place {
            "started" => panic!("in started"),
            "task" => ctx.spawn(async {
                tokio::time::sleep(millis(10)).await;
                panic!("in task");
            }),
            "timer" => {
                ctx.schedule(millis(10), Poke);
            }
            _ => {}
        }
        Ok(())
    }

    fn handle(&mut self, _: Poke, _: &mut Context<Self>) -> Result<(), Failure> {
        panic!("in handle");
    }

    fn stopped(&mut self) {
        assert!(self.place != "stopped", "in stopped");
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        assert!(self.place != "drop", "in drop");
    }
}

/// Fails once in the given place and is sound after that.
fn fragile(place: &'static str) -> ChildSpec {
    let lives = Arc::new(AtomicU32::new(0));
    ChildSpec::worker("f", move |_| {
        let first = lives.fetch_add(1, SeqCst) == 0;
        assert!(!(first && place == "factory"), "in factory");
        Ok(Fragile { place: if first { place } else { "" } })
    })
}

#[test]
fn a_panic_anywhere_in_a_life_is_caught_reported_and_survived() {
    for place in ["factory", "started", "task", "timer"] {
        testkit::run_tree(1, tree(fragile(place)), |system| async move {
            tokio::time::sleep(second()).await;
            let info = system.info(&Path::root("root/f")).expect("is there");
            assert_eq!((info.state, info.restarts), (ActorState::Running, 1), "{place}");
            let failure = info.last_failure.expect("has failed");
            let expected = if place == "timer" { "in handle" } else { place };
            assert!(failure.reason.contains(expected), "{place}: {}", failure.reason);
        })
        .expect("starts");
    }
}

#[test]
fn a_panic_while_stopping_is_recorded_and_the_stop_goes_on() {
    for place in ["stopped", "drop"] {
        testkit::run_tree(1, tree(fragile(place)), |system| async move {
            let mut events = system.events();
            system.stop(second()).await.expect("stops in an orderly way");
            let mut failed = Vec::new();
            while let Ok(event) = events.try_next() {
                if let Event::Failed { reason, .. } = event {
                    failed.push(reason);
                }
            }
            assert_eq!(failed.len(), 1, "{place}");
            assert!(failed[0].contains(place), "{place}: {failed:?}");
        })
        .expect("starts");
    }
}

#[test]
fn tasks_and_timers_die_with_their_incarnation_before_the_next_begins() {
    struct Holder(Arc<AtomicU32>);
    struct Held(Arc<AtomicU32>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    impl Actor for Holder {
        type Message = Say;
        fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
            assert_eq!(self.0.fetch_add(1, SeqCst), 0, "the last one has let go");
            let held = Held(self.0.clone());
            ctx.spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
            ctx.schedule(second(), Say::Fail);
            Ok(())
        }
        fn handle(&mut self, _: Say, _: &mut Context<Self>) -> Result<(), Failure> {
            Err("told to".into())
        }
    }
    let count = Arc::new(AtomicU32::new(0));
    let spec = ChildSpec::worker("h", move |_| Ok(Holder(count.clone()))).poison_after(0);
    testkit::run_tree(1, tree(spec), |system| async move {
        tokio::time::sleep(second() * 10 + millis(500)).await;
        let info = system.info(&Path::root("root/h")).expect("is there");
        assert_eq!((info.restarts, info.state), (10, ActorState::Running));
        let failure = info.last_failure.expect("has failed");
        assert_eq!(failure.message, "Fail", "by its timer, never by its assertion");
    })
    .expect("starts");
}

#[test]
fn an_operator_can_restart_kill_and_inject_a_panic() {
    testkit::run_tree(1, tree(counter("c")), |system| async move {
        let path = Path::root("root/c");
        let counter = system.resolve::<Say>(&path).expect("is there");
        let mut restarts = 0;
        for order in [System::restart, System::kill] {
            counter.ask(second(), Say::Add).await.expect("answers");
            assert!(order(&system, &path));
            assert_eq!(counter.ask(second(), Say::Add).await, Ok(1));
            restarts += 1;
            assert_eq!(system.info(&path).expect("is there").restarts, restarts);
        }
        for _ in 0..10 {
            assert!(system.inject_panic(&path));
            let answer = counter.ask(second(), Say::Add).await;
            assert!(matches!(answer, Err(AskError::Unanswered { .. })), "{answer:?}");
        }
        assert_eq!(counter.ask(second(), Say::Add).await, Ok(1), "no poison by injection");
        assert_eq!(system.snapshot(&path).await, Some(vec![("count", "1".to_owned())]));
        assert!(!system.kill(&Path::root("nobody")));
    })
    .expect("starts");
}

#[test]
fn a_poison_message_is_refused_and_the_others_keep_flowing() {
    testkit::run_tree(1, tree(counter("c")), |system| async move {
        let mut events = system.events();
        let counter = system.resolve::<Say>(&Path::root("root/c")).expect("is there");
        for round in 0..20 {
            counter.tell(Say::Job(7)).expect("has room");
            counter.tell(Say::Job(round * 2)).expect("has room");
            let poisoned = counter.ask(second(), Say::Panic).await;
            match round {
                0..3 => assert!(matches!(poisoned, Err(AskError::Unanswered { .. }))),
                _ => assert!(matches!(poisoned, Err(AskError::Poison { .. }))),
            }
        }
        let info = system.info(counter.path()).expect("is there");
        assert_eq!((info.restarts, info.handled), (6, 20));
        assert_eq!(system.dead_letters().poison, 34);
        let mut poison = Vec::new();
        while let Ok(event) = events.try_next() {
            if let Event::PoisonMessage { message, fingerprint, .. } = event {
                poison.push((message, fingerprint));
            }
        }
        assert_eq!(poison, [("Job", Some(7)), ("Panic", None)]);
        // After the quarantine it is tried once more.
        tokio::time::sleep(second() * 31).await;
        let again = counter.ask(second(), Say::Panic).await;
        assert!(matches!(again, Err(AskError::Unanswered { .. })));
        let again = counter.ask(second(), Say::Panic).await;
        assert!(matches!(again, Err(AskError::Poison { .. })));
    })
    .expect("starts");
}

#[test]
fn a_tree_that_cannot_start_says_why() {
    let broken = ChildSpec::worker("c", |_| -> Result<Counter, Failure> { Err("no disk".into()) });
    let root = SupervisorSpec::new("root", Strategy::OneForOne).backoff(Backoff::none()).child(broken);
    match System::start("t", Options::default(), root) {
        Err(StartError::Failed { path, reason }) => {
            assert_eq!(path.as_str(), "root");
            assert_eq!(reason, "too many failures, last: no disk");
        }
        other => panic!("{other:?}"),
    }
}

/// The end of a write that keeps failing.
struct Written;

impl Message for Written {
    fn may_be_poison(&self) -> bool {
        false
    }
}

struct Writer;

impl Actor for Writer {
    type Message = Written;

    fn handle(&mut self, _: Written, _: &mut Context<Self>) -> Result<(), Failure> {
        Err("disk on fire".into())
    }
}

#[test]
fn what_an_actor_waits_for_is_never_taken_for_poison() {
    testkit::run_tree(1, tree(ChildSpec::worker("w", |_| Ok(Writer))), |system| async move {
        let writer = system.resolve::<Written>(&Path::root("root/w")).expect("is there");
        for _ in 0..20 {
            writer.tell(Written).expect("has room");
        }
        tokio::time::sleep(second()).await;
        assert_eq!(system.info(writer.path()).expect("is there").restarts, 20);
        assert_eq!(system.dead_letters().poison, 0);
    })
    .expect("starts");
}
