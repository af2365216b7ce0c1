//! The scenarios on kameo.

use std::time::{Duration, Instant};

use kameo::{
    Actor,
    actor::{ActorRef, Spawn},
    mailbox,
    message::{Context, Message},
};

use crate::Stopwatch;

#[derive(Actor, Default)]
struct Counter(u64);

struct Add;
struct Get;

impl Message<Add> for Counter {
    type Reply = ();
    async fn handle(&mut self, _: Add, _: &mut Context<Self, ()>) {
        self.0 += 1;
    }
}

impl Message<Get> for Counter {
    type Reply = u64;
    async fn handle(&mut self, _: Get, _: &mut Context<Self, u64>) -> u64 {
        self.0
    }
}

fn counter() -> ActorRef<Counter> {
    Counter::spawn_with_mailbox(Counter::default(), mailbox::unbounded())
}

pub fn counting(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let counter = counter();
        counter.ask(Get).await.expect("answers");
        let start = Stopwatch::start(false);
        for _ in 0..n {
            counter.tell(Add).await.expect("lives");
        }
        assert_eq!(counter.ask(Get).await.expect("answers"), n);
        start.elapsed()
    })
}

pub fn ask(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let counter = counter();
        counter.ask(Get).await.expect("answers");
        let start = Stopwatch::start(false);
        for _ in 0..n {
            counter.ask(Get).await.expect("answers");
        }
        start.elapsed()
    })
}

#[derive(Actor)]
struct Player;

struct Ball {
    left: u64,
    from: ActorRef<Player>,
    done: tokio::sync::mpsc::UnboundedSender<()>,
}

impl Message<Ball> for Player {
    type Reply = ();
    async fn handle(&mut self, mut ball: Ball, ctx: &mut Context<Self, ()>) {
        if ball.left == 0 {
            ball.done.send(()).expect("the driver waits");
            return;
        }
        let to = std::mem::replace(&mut ball.from, ctx.actor_ref().clone());
        ball.left -= 1;
        to.tell(ball).await.expect("lives");
    }
}

pub fn ping_pong(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let (done, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let (a, b) = (Player::spawn(Player), Player::spawn(Player));
        let start = Stopwatch::start(false);
        a.tell(Ball { left: n, from: b, done }).await.expect("lives");
        ended.recv().await.expect("ends");
        start.elapsed()
    })
}

pub fn many(n: u64) -> (Duration, u64) {
    crate::on_one_thread(async move {
        let before = crate::resident_bytes();
        let start = Instant::now();
        let actors: Vec<_> = (0..n).map(|_| Counter::spawn(Counter::default())).collect();
        for actor in &actors {
            actor.ask(Get).await.expect("answers");
        }
        let time = start.elapsed();
        (time, crate::resident_bytes().saturating_sub(before) / n)
    })
}
