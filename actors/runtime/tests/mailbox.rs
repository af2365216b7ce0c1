//! Mailboxes and references: bounds, order, fairness, dead letters, watches, timers, freezing.

mod counting;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use callboard_runtime::{
    Actor, ActorRef, AskError, ChildSpec, Context, DeadLetterReason, DeadLetters, DownReason, Event, Failure, Limits,
    Message, Options, Path, Placement, Restart, SendError, Signal, Stopping, SupervisorSpec, System, testkit,
};
use counting::{Say, block_on, counter, millis, second};

async fn start(system: &System, spec: ChildSpec) -> ActorRef<Say> {
    let pool = system.root().expect("has one");
    let child = pool.start_child(spec).await.expect("starts");
    child.reference().expect("takes Say")
}

#[test]
fn the_bound_holds_against_a_thousand_clones() {
    testkit::run(1, |system| async move {
        let mut events = system.events();
        let counter = start(&system, counter("c").limits(Limits::new(10, 1_000))).await;
        let clones: Vec<_> = (0..1_000).map(|_| counter.clone()).collect();
        let accepted = clones.iter().filter(|c| c.tell(Say::Heavy(1)).is_ok()).count();
        assert_eq!((accepted, counter.depth()), (10, 10));
        let refused = counter.tell(Say::Heavy(1)).expect_err("is full");
        assert!(matches!(refused, SendError::Full { .. }));
        assert!(matches!(refused.into_message(), Say::Heavy(1)), "gives the message back");
        let asked = counter.ask(second(), Say::Add).await.expect_err("is full");
        assert!(asked.definitely_not_executed());
        let info = system.info(counter.path()).expect("is there");
        assert_eq!((info.refused, info.mailbox_bytes), (992, 10));
        tokio::time::sleep(millis(1)).await;
        assert_eq!(counter.depth(), 0, "credits come back after handling");
        let overloads = std::iter::from_fn(|| events.try_next().ok())
            .filter(|event| matches!(event, Event::Overload { .. }))
            .count();
        assert_eq!(overloads, 10, "1, 2, 4 … 512");
        assert_eq!(system.dead_letters().total(), 0, "refused is not dead");
    });
}

#[test]
fn bytes_are_bounded_too() {
    testkit::run(1, |system| async move {
        let counter = start(&system, counter("c").limits(Limits::new(1_000, 100))).await;
        assert!(counter.tell(Say::Heavy(5_000)).is_ok(), "alone, or it never could");
        assert!(counter.tell(Say::Heavy(1)).is_err());
        assert!(counter.tell(Say::Fail).is_ok(), "it weighs nothing");
        tokio::time::sleep(second()).await;
        assert!(counter.tell(Say::Heavy(60)).is_ok());
        assert!(counter.tell(Say::Heavy(60)).is_err());
    });
}

#[test]
fn waiting_senders_all_get_through_in_order() {
    struct Order(Arc<Mutex<Vec<u64>>>);
    impl Actor for Order {
        type Message = Say;
        fn handle(&mut self, message: Say, _: &mut Context<Self>) -> Result<(), Failure> {
            if let Say::Job(number) = message {
                self.0.lock().expect("not poisoned").push(number);
            }
            Ok(())
        }
    }
    let options = Options { data_arbiters: 2, ..Options::default() };
    let system = System::start("t", options, SupervisorSpec::pool("root")).expect("starts");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let written = seen.clone();
    block_on(async {
        let spec = ChildSpec::worker("o", move |_| Ok(Order(written.clone())))
            .limits(Limits::new(3, 100))
            .placement(Placement::Data(0));
        let order = start(&system, spec).await;
        let senders: Vec<_> = (0..4_u64)
            .map(|sender| {
                let order = order.clone();
                system.spawn_on(Placement::Data(1), move || async move {
                    for n in 0..2_000 {
                        order.tell_waiting(Say::Job(sender << 32 | n)).await.expect("lives");
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.ended().await;
        }
        while order.depth() > 0 {
            tokio::time::sleep(millis(1)).await;
        }
        system.stop(second()).await.expect("stops");
    });
    let seen = seen.lock().expect("not poisoned");
    assert_eq!(seen.len(), 8_000);
    for sender in 0..4 {
        let of_one: Vec<u64> = seen.iter().filter(|n| *n >> 32 == sender).copied().collect();
        assert!(of_one.is_sorted(), "each sender's in order");
    }
}

#[test]
fn a_dropped_waiter_does_not_hold_up_those_behind_it() {
    testkit::run(1, |system| async move {
        let counter = start(&system, counter("c").limits(Limits::new(1, 100))).await;
        counter.tell(Say::Heavy(1)).expect("has room");
        let mut first = Box::pin(counter.tell_waiting(Say::Heavy(2)));
        let second = counter.tell_waiting(Say::Heavy(3));
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::future::Future::poll(first.as_mut(), cx).is_pending())
        });
        assert!(polled.await);
        let behind = tokio::task::spawn_local(second);
        tokio::task::yield_now().await;
        drop(first);
        behind.await.expect("no panic").expect("got through");
    });
}

#[test]
fn a_flooded_actor_does_not_starve_its_neighbour() {
    let options = Options { data_arbiters: 1, ..Options::default() };
    let system = System::start("t", options, SupervisorSpec::pool("root")).expect("starts");
    block_on(async {
        let calm = start(&system, counter("calm").placement(Placement::Data(0))).await;
        let busy = counter("busy").placement(Placement::Data(0)).limits(Limits::new(100_000, 0));
        let busy = start(&system, busy).await;
        for _ in 0..20_000 {
            busy.tell(Say::Block(Duration::from_micros(20))).expect("has room");
        }
        let before = Instant::now();
        calm.ask(second() * 10, Say::Add).await.expect("answers");
        let took = before.elapsed();
        assert!(busy.depth() > 1_000, "the flood is not over");
        assert!(took < second() / 4, "{took:?}");
        drop(system.stop(second() * 30).await);
    });
}

#[test]
fn what_nobody_can_handle_any_more_is_counted_and_its_askers_know() {
    testkit::run(1, |system| async move {
        let mut events = system.events();
        let spec = counter("c").restart(Restart::Temporary);
        let c = start(&system, spec.clone()).await;
        c.tell(Say::Stop).expect("has room");
        let queued = c.ask(second(), Say::Add);
        let path = c.path().clone();
        let gone = AskError::Gone { path: path.clone() };
        assert_eq!(queued.await, Err(gone.clone()), "queued, never handled");
        assert_eq!(c.ask(second(), Say::Add).await, Err(gone), "nobody there");
        let expected = DeadLetters { gone: 1, stopped: 1, poison: 0 };
        assert_eq!(system.dead_letters(), expected);
        let letters: Vec<_> = std::iter::from_fn(|| events.try_next().ok())
            .filter_map(|event| match event {
                Event::DeadLetter { message, reason, count, .. } => Some((message, reason, count)),
                _ => None,
            })
            .collect();
        let (stopped, gone) = (DeadLetterReason::Stopped, DeadLetterReason::Gone);
        assert_eq!(letters, [("Add", stopped, 1), ("Add", gone, 2)]);
        start(&system, spec).await;
        assert_eq!(c.ask(second(), Say::Add).await, Ok(1), "the path answers again");
    });
}

#[test]
fn an_ask_ends_by_its_deadline() {
    testkit::run(1, |system| async move {
        struct Silent(Vec<callboard_runtime::Reply<u32>>);
        impl Actor for Silent {
            type Message = Say;
            fn handle(&mut self, message: Say, _: &mut Context<Self>) -> Result<(), Failure> {
                if let Say::Add(reply) = message {
                    self.0.push(reply);
                }
                Ok(())
            }
        }
        let silent = start(&system, ChildSpec::worker("s", |_| Ok(Silent(Vec::new())))).await;
        for after in [millis(10), millis(500), second() * 30] {
            let before = system.clock().now();
            let answer = silent.ask(after, Say::Add).await;
            let took = system.clock().now() - before;
            let path = silent.path().clone();
            assert_eq!(answer, Err(AskError::Timeout { path, after }));
            assert!(took >= after && took < after + millis(12), "{took:?}");
        }
    });
}

/// Watches whomever it is told to and reports what it hears.
struct Watcher(tokio::sync::mpsc::UnboundedSender<Signal>);

enum Watch {
    On(Path),
    Off(Path),
}
impl Message for Watch {}

impl Actor for Watcher {
    type Message = Watch;

    fn handle(&mut self, message: Watch, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            Watch::On(path) => ctx.watch(&path),
            Watch::Off(path) => ctx.unwatch(&path),
        }
        Ok(())
    }

    fn signal(&mut self, signal: Signal, _: &mut Context<Self>) -> Result<(), Failure> {
        self.0.send(signal)?;
        Ok(())
    }
}

#[test]
fn a_watcher_hears_once_of_every_kind_of_end() {
    testkit::run(1, |system| async move {
        let (heard, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let pool = system.root().expect("has one");
        let spec = ChildSpec::worker("w", move |_| Ok(Watcher(heard.clone())));
        let child = pool.start_child(spec).await.expect("starts");
        let watcher = child.reference::<Watch>().expect("takes Watch");
        let nobody = Path::root("nobody");
        watcher.tell(Watch::On(nobody.clone())).expect("has room");
        let (path, reason) = (nobody, DownReason::NotRunning);
        let expected = Signal::Down { path, incarnation: None, reason };
        assert_eq!(signals.recv().await, Some(expected), "an unknown path answers at once");
        for (name, end, reason) in [
            ("a", Some(Say::Fail), DownReason::Failed("told to".to_owned())),
            ("b", Some(Say::Stop), DownReason::Stopped),
            ("c", None, DownReason::Killed),
        ] {
            let actor = start(&system, counter(name)).await;
            let (path, incarnation) = (actor.path().clone(), actor.incarnation());
            watcher.tell(Watch::On(path.clone())).expect("has room");
            tokio::time::sleep(millis(1)).await;
            match end {
                Some(end) => actor.tell(end).expect("has room"),
                None => assert!(system.kill(&path)),
            }
            let incarnation = Some(incarnation);
            let expected = Signal::Down { path, incarnation, reason };
            assert_eq!(signals.recv().await, Some(expected));
            tokio::time::sleep(second()).await;
            actor.tell(Say::Fail).expect("was restarted");
        }
        let actor = start(&system, counter("d")).await;
        watcher.tell(Watch::On(actor.path().clone())).expect("has room");
        watcher.tell(Watch::Off(actor.path().clone())).expect("has room");
        tokio::time::sleep(second()).await;
        actor.tell(Say::Fail).expect("has room");
        tokio::time::sleep(second()).await;
        assert!(signals.try_recv().is_err(), "once only, and not after unwatch");
    });
}

#[test]
fn timers_fire_in_order_can_be_cancelled_and_come_ahead_of_the_queue() {
    struct Clockmaker(tokio::sync::mpsc::UnboundedSender<(u64, u64)>);
    impl Actor for Clockmaker {
        type Message = Say;
        fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
            ctx.schedule(millis(30), Say::Job(30));
            ctx.schedule(millis(10), Say::Job(10));
            let cancelled = ctx.schedule(millis(20), Say::Job(20));
            assert!(ctx.cancel(cancelled).is_some());
            assert!(ctx.cancel(cancelled).is_none());
            ctx.pipe(async {
                tokio::time::sleep(millis(15)).await;
                Say::Job(15)
            });
            Ok(())
        }
        fn handle(&mut self, message: Say, ctx: &mut Context<Self>) -> Result<(), Failure> {
            if let Say::Job(number) = message {
                self.0.send((number, ctx.now().as_millis()))?;
            }
            Ok(())
        }
    }
    testkit::run(1, |system| async move {
        let (ticks, mut ticked) = tokio::sync::mpsc::unbounded_channel();
        let begun = system.clock().now().as_millis();
        start(&system, ChildSpec::worker("t", move |_| Ok(Clockmaker(ticks.clone())))).await;
        for expected in [10, 15, 30] {
            let (number, at) = ticked.recv().await.expect("lives");
            assert_eq!(number, expected);
            assert!((expected..expected + 3).contains(&(at - begun)), "{at} for {expected}");
        }
    });
}

#[test]
fn a_draining_actor_handles_what_is_queued_before_it_ends() {
    struct Drainer(u32);
    impl Actor for Drainer {
        type Message = Say;
        fn handle(&mut self, message: Say, ctx: &mut Context<Self>) -> Result<(), Failure> {
            match message {
                Say::Add(reply) => {
                    self.0 += 1;
                    reply.send(self.0);
                }
                Say::Stop => ctx.stop(),
                _ => {}
            }
            Ok(())
        }
        fn stopping(&mut self, ctx: &mut Context<Self>) -> Stopping {
            ctx.tell_myself(Say::Stop);
            Stopping::Draining
        }
    }
    testkit::run(1, |system| async move {
        let drainer = start(&system, ChildSpec::worker("d", |_| Ok(Drainer(0)))).await;
        let answers: Vec<_> = (0..500).map(|_| drainer.ask(second(), Say::Add)).collect();
        let pool = system.root().expect("has one");
        pool.stop_child("d").await.expect("was there");
        for (expected, answer) in (1..).zip(answers) {
            assert_eq!(answer.await, Ok(expected));
        }
    });
}

#[test]
fn a_frozen_handler_is_reported_while_it_lasts() {
    let options = Options { data_arbiters: 1, watchdog: Some(millis(100)), ..Options::default() };
    let system = System::start("t", options, SupervisorSpec::pool("root")).expect("starts");
    block_on(async {
        let mut events = system.events();
        let blocked = start(&system, counter("b").placement(Placement::Data(0))).await;
        blocked.tell(Say::Block(second())).expect("has room");
        let before = Instant::now();
        loop {
            let event = events.next().await.expect("comes");
            if let Event::Frozen { path, message, for_ms } = event {
                assert_eq!((path.as_str(), message), ("root/b", "Block"));
                assert!((100..900).contains(&for_ms), "{for_ms}");
                break;
            }
        }
        assert!(before.elapsed() < millis(900), "while it lasts");
        let info = system.info(blocked.path()).expect("is there");
        let current = info.current.expect("is busy");
        assert_eq!(current.message, "Block");
        system.stop(second() * 5).await.expect("stops");
    });
}

#[test]
fn a_probe_records_and_notices_silence() {
    struct Word(&'static str);
    impl Message for Word {}
    testkit::run(1, |system| async move {
        let pool = system.root().expect("has one");
        let mut probe = testkit::Probe::<Word>::start(&pool, "probe").await.expect("starts");
        probe.reference().tell(Word("hello")).expect("has room");
        let word = probe.expect_within(millis(1)).await.expect("came");
        assert_eq!(word.0, "hello");
        assert!(probe.is_silent(second() * 3_600).await);
    });
}

#[test]
fn a_panic_in_a_task_of_nobody_ends_only_the_task() {
    testkit::run(1, |system| async move {
        let task = system.spawn_on(Placement::Any, || async { panic!("alone") });
        task.ended().await;
        let mut task = system.spawn_on(Placement::Any, std::future::pending);
        tokio::task::yield_now().await;
        assert!(!task.is_ended());
        task.abort();
        task.ended().await;
        assert_eq!(system.tree().len(), 1);
    });
}
