//! Mailboxes under many senders, restarts and ends: nothing lost, doubled or out of order, every credit given back, every sleeper woken.

mod counting;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

use callboard_runtime::{
    Actor, ActorRef, AskError, Backoff, ChildSpec, Context, Failure, Intensity, Limits, Message, Options, Path,
    Placement, Reply, Restart, SendError, SupervisorSpec, System, testkit,
};
use counting::{Say, block_on, counter, millis, second};

/// The `number`-th message of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Letter {
    sender: usize,
    number: u64,
}

impl Letter {
    fn kills(self) -> bool {
        self.number % 97 == 13
    }
}

impl Message for Letter {
    fn weight(&self) -> usize {
        (self.number % 7) as usize
    }
}

/// Notes each letter, then dies over some of them: by a panic, an error, or an orderly stop, after which it is restarted too.
struct Clerk(Arc<Mutex<Vec<Letter>>>);

impl Actor for Clerk {
    type Message = Letter;

    fn handle(&mut self, letter: Letter, ctx: &mut Context<Self>) -> Result<(), Failure> {
        self.0.lock().expect("not poisoned").push(letter);
        if !letter.kills() {
            return Ok(());
        }
        match letter.number % 3 {
            0 => panic!("letter {}", letter.number),
            1 => Err("refuses to read on".into()),
            _ => {
                ctx.stop();
                Ok(())
            }
        }
    }
}

fn restless(name: &str) -> SupervisorSpec {
    SupervisorSpec::pool(name).intensity(Intensity::unlimited()).backoff(Backoff::none())
}

fn threads(data_arbiters: usize) -> System {
    let options = Options { data_arbiters, ..Options::default() };
    System::start("t", options, restless("root")).expect("starts")
}

async fn start<M: Message>(system: &System, spec: ChildSpec) -> ActorRef<M> {
    let child = system.root().expect("has one").start_child(spec).await.expect("starts");
    child.reference().expect("takes its messages")
}

async fn drained<M: Message>(reference: &ActorRef<M>) {
    let begun = Instant::now();
    while reference.depth() > 0 {
        assert!(begun.elapsed() < second() * 60, "{} are still queued", reference.depth());
        tokio::time::sleep(millis(1)).await;
    }
}

#[test]
fn many_senders_lose_nothing_and_stay_in_order_over_hundreds_of_restarts() {
    const SENDERS: usize = 6;
    const EACH: u64 = 5_000;
    let system = threads(3);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let book = seen.clone();
    block_on(async {
        let spec = ChildSpec::worker("clerk", move |_| Ok(Clerk(book.clone())))
            .placement(Placement::Data(0))
            .limits(Limits::new(300, 700))
            .poison_after(0);
        let clerk = start::<Letter>(&system, spec).await;
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let clerk = clerk.clone();
                // Two of them live with the receiver, two wait for room, the others knock again.
                system.spawn_on(Placement::Data(sender % 3), move || async move {
                    for number in 0..EACH {
                        let letter = Letter { sender, number };
                        if sender < 2 {
                            clerk.tell_waiting(letter).await.expect("lives");
                            continue;
                        }
                        while let Err(refused) = clerk.tell(letter) {
                            assert!(refused.is_full(), "{refused}");
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.ended().await;
        }
        drained(&clerk).await;
        let info = system.info(clerk.path()).expect("is there");
        assert_eq!((info.mailbox_messages, info.mailbox_bytes), (0, 0), "every credit is back");
        let deaths = seen.lock().expect("not poisoned").iter().filter(|letter| letter.kills()).count();
        assert!(deaths > 300, "{deaths}");
        assert_eq!(system.dead_letters().total(), 0);
        system.stop(second() * 10).await.expect("stops");
    });
    let seen = seen.lock().expect("not poisoned");
    assert_eq!(seen.len(), SENDERS * EACH as usize, "each once");
    for sender in 0..SENDERS {
        let numbers = seen.iter().filter(|letter| letter.sender == sender).map(|letter| letter.number);
        assert!(numbers.eq(0..EACH), "the letters of sender {sender} are in order");
    }
}

#[test]
fn no_ask_out_of_forty_thousand_meets_a_sleeper_that_is_not_woken() {
    let system = threads(2);
    block_on(async {
        let spec = counter("c").placement(Placement::Data(0)).limits(Limits::new(2, 0));
        let counter = start::<Say>(&system, spec).await;
        let answered = Arc::new(AtomicU64::new(0));
        // One asker beside the actor and one on another thread: the actor falls asleep between most of the messages.
        let askers: Vec<_> = (0..2)
            .map(|arbiter| {
                let (counter, answered) = (counter.clone(), answered.clone());
                system.spawn_on(Placement::Data(arbiter), move || async move {
                    let mut asked = 0;
                    while asked < 20_000 {
                        match counter.ask(second() * 30, Say::Add).await {
                            Ok(_) => asked += 1,
                            Err(AskError::Full { .. }) => tokio::task::yield_now().await,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    answered.fetch_add(asked, SeqCst);
                })
            })
            .collect();
        for asker in askers {
            asker.ended().await;
        }
        assert_eq!(answered.load(SeqCst), 40_000);
        drained(&counter).await;
        system.stop(second() * 10).await.expect("stops");
    });
}

#[test]
fn a_message_that_was_taken_is_handled_or_a_dead_letter_even_if_it_comes_at_the_very_end() {
    struct Tally(Arc<AtomicU64>);
    impl Actor for Tally {
        type Message = Letter;
        fn handle(&mut self, _: Letter, _: &mut Context<Self>) -> Result<(), Failure> {
            self.0.fetch_add(1, SeqCst);
            Ok(())
        }
    }
    let system = threads(2);
    block_on(async {
        let (handled, taken, gone) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
        let gone = Arc::new(gone);
        for round in 0..200 {
            let tally = handled.clone();
            let spec = ChildSpec::worker("tally", move |_| Ok(Tally(tally.clone())))
                .restart(Restart::Temporary)
                .placement(Placement::Data(0))
                .limits(Limits::new(1_000_000, 1 << 30));
            let tally = start::<Letter>(&system, spec).await;
            let senders: Vec<_> = (0..2)
                .map(|sender| {
                    let (tally, taken, gone) = (tally.clone(), taken.clone(), gone.clone());
                    std::thread::spawn(move || {
                        for number in 0.. {
                            match tally.tell(Letter { sender, number }) {
                                Ok(()) => taken.fetch_add(1, SeqCst),
                                Err(SendError::Full { .. }) => 0,
                                Err(SendError::Gone { .. }) => {
                                    gone.fetch_add(1, SeqCst);
                                    break;
                                }
                            };
                        }
                    })
                })
                .collect();
            match round % 2 {
                0 => system.root().expect("has one").stop_child("tally").await.expect("was there"),
                _ => assert!(system.kill(&Path::root("root/tally"))),
            }
            for sender in senders {
                sender.join().expect("no panic");
            }
            // The next one takes the path only when this one is buried.
            while system.info(&Path::root("root/tally")).is_some() {
                tokio::time::sleep(millis(1)).await;
            }
        }
        let letters = system.dead_letters();
        assert_eq!(handled.load(SeqCst) + letters.stopped, taken.load(SeqCst));
        assert_eq!((letters.gone, letters.poison), (gone.load(SeqCst), 0));
        system.stop(second() * 10).await.expect("stops");
    });
}

#[test]
fn credits_are_exact_after_panics_kills_and_the_end() {
    testkit::run_tree(1, restless("root"), |system| async move {
        let counter = start::<Say>(&system, counter("c").limits(Limits::new(100, 1_000)).poison_after(0)).await;
        let held = || {
            let info = system.info(counter.path()).expect("is there");
            (info.mailbox_messages, info.mailbox_bytes)
        };
        for round in 0..50 {
            let asked = counter.ask(second(), Say::Panic);
            for _ in 0..9 {
                counter.tell(Say::Heavy(100)).expect("has room");
            }
            counter.tell(Say::Fail).expect("has room");
            assert_eq!(held(), (11, 900));
            if round % 2 == 0 {
                assert!(system.kill(counter.path()));
            }
            assert!(matches!(asked.await, Err(AskError::Unanswered { .. })));
            assert_eq!(counter.ask(second(), Say::Add).await, Ok(1), "handled by the life after the failure");
            tokio::task::yield_now().await;
            assert_eq!(held(), (0, 0));
        }
        let last = counting::counter("last").restart(Restart::Temporary);
        let last = start::<Say>(&system, last).await;
        last.tell(Say::Stop).expect("has room");
        for _ in 0..9 {
            last.tell(Say::Heavy(100)).expect("has room");
        }
        let asked = last.ask(second(), Say::Add);
        assert!(matches!(asked.await, Err(AskError::Gone { .. })));
        assert_eq!(system.dead_letters().stopped, 10);
        assert_eq!((last.depth(), system.info(last.path())), (0, None));
    })
    .expect("starts");
}

#[test]
fn credits_come_back_while_a_long_turn_lasts() {
    struct Watchful(Arc<AtomicUsize>);
    impl Actor for Watchful {
        type Message = Say;
        fn handle(&mut self, message: Say, ctx: &mut Context<Self>) -> Result<(), Failure> {
            if let Say::Job(number) = message {
                let left = 60 - number as usize;
                let depth = ctx.myself().depth();
                assert!((left..left + 4).contains(&depth), "{depth} with {left} left");
                self.0.fetch_add(1, SeqCst);
            }
            Ok(())
        }
    }
    testkit::run(1, |system| async move {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = seen.clone();
        // A 64th of 200 messages may be held back.
        let spec = ChildSpec::worker("w", move |_| Ok(Watchful(count.clone()))).limits(Limits::new(200, 0));
        let watchful = start::<Say>(&system, spec).await;
        for number in 0..60 {
            watchful.tell(Say::Job(number)).expect("has room");
        }
        tokio::time::sleep(millis(1)).await;
        assert_eq!((seen.load(SeqCst), watchful.depth()), (60, 0));
    });
}

#[test]
fn a_reply_reaches_its_asker_from_any_thread_and_in_any_order() {
    struct Keeper(Vec<Reply<u32>>);
    impl Actor for Keeper {
        type Message = Say;
        fn handle(&mut self, message: Say, _: &mut Context<Self>) -> Result<(), Failure> {
            if let Say::Add(reply) = message {
                self.0.push(reply);
                if self.0.len() == 100 {
                    // The last asker is answered first, from a thread of nobody's.
                    let replies: Vec<_> = self.0.drain(..).collect();
                    std::thread::spawn(move || {
                        for (answer, reply) in (0..).zip(replies.into_iter().rev()) {
                            reply.send(answer);
                        }
                    });
                }
            }
            Ok(())
        }
    }
    let system = threads(2);
    block_on(async {
        let spec = ChildSpec::worker("k", |_| Ok(Keeper(Vec::new()))).placement(Placement::Data(0));
        let keeper = start::<Say>(&system, spec).await;
        for _ in 0..100 {
            let asked: Vec<_> = (0..100).map(|_| keeper.ask(second() * 30, Say::Add)).collect();
            for (number, asked) in asked.into_iter().enumerate() {
                assert_eq!(asked.await, Ok(99 - number as u32));
            }
        }
        system.stop(second() * 10).await.expect("stops");
    });
}
