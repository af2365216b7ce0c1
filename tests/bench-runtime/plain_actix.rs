//! The scenarios on stock actix.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use actix::prelude::*;

use crate::Stopwatch;

fn run<T: 'static>(body: impl Future<Output = T> + 'static) -> T {
    // As a task of the arbiter, like the other drivers, not as its root future.
    System::new().block_on(async move { actix::spawn(body).await.expect("no panic") })
}

struct Add;
struct Get;
struct Work;

impl Message for Add {
    type Result = ();
}
impl Message for Get {
    type Result = u64;
}
impl Message for Work {
    type Result = ();
}

#[derive(Default)]
struct Counter(u64);

impl Actor for Counter {
    type Context = Context<Self>;
}
impl Handler<Add> for Counter {
    type Result = ();
    fn handle(&mut self, _: Add, _: &mut Context<Self>) {
        self.0 += 1;
    }
}
impl Handler<Get> for Counter {
    type Result = u64;
    fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.0
    }
}
impl Handler<Work> for Counter {
    type Result = ();
    fn handle(&mut self, _: Work, _: &mut Context<Self>) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(2) {
            std::hint::spin_loop();
        }
    }
}

fn place(cross: bool) -> (Addr<Counter>, Option<Arbiter>) {
    if !cross {
        return (Counter::default().start(), None);
    }
    let arbiter = Arbiter::new();
    let counter = Counter::start_in_arbiter(&arbiter.handle(), |_| Counter::default());
    (counter, Some(arbiter))
}

pub fn counting(n: u64, cross: bool) -> Duration {
    run(async move {
        let (counter, _arbiter) = place(cross);
        counter.send(Get).await.expect("answers");
        let start = Stopwatch::start(cross);
        for _ in 0..n {
            counter.do_send(Add);
        }
        assert_eq!(counter.send(Get).await.expect("answers"), n);
        start.elapsed()
    })
}

pub fn ask(n: u64, cross: bool) -> Duration {
    run(async move {
        let (counter, _arbiter) = place(cross);
        counter.send(Get).await.expect("answers");
        let start = Stopwatch::start(cross);
        for _ in 0..n {
            counter.send(Get).await.expect("answers");
        }
        start.elapsed()
    })
}

/// As ours always does: with a deadline.
pub fn ask_with_timeout(n: u64) -> Duration {
    run(async move {
        let counter = Counter::default().start();
        let start = Stopwatch::start(false);
        for _ in 0..n {
            let answer = counter.send(Get).timeout(Duration::from_secs(60));
            answer.await.expect("answers");
        }
        start.elapsed()
    })
}

struct Ball {
    left: u64,
    from: Addr<Player>,
    done: tokio::sync::mpsc::UnboundedSender<()>,
}
impl Message for Ball {
    type Result = ();
}
struct Player;
impl Actor for Player {
    type Context = Context<Self>;
}
impl Handler<Ball> for Player {
    type Result = ();
    fn handle(&mut self, mut ball: Ball, ctx: &mut Context<Self>) {
        if ball.left == 0 {
            ball.done.send(()).expect("the driver waits");
            return;
        }
        let to = std::mem::replace(&mut ball.from, ctx.address());
        ball.left -= 1;
        to.do_send(ball);
    }
}

pub fn ping_pong(n: u64, cross: bool) -> Duration {
    run(async move {
        let (done, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let arbiter = cross.then(Arbiter::new);
        let a = Player.start();
        let b = match &arbiter {
            Some(arbiter) => Player::start_in_arbiter(&arbiter.handle(), |_| Player),
            None => Player.start(),
        };
        let start = Stopwatch::start(cross);
        // Kept until the end: actix stops an actor whose last address has gone with the message to it.
        a.do_send(Ball { left: n, from: b.clone(), done });
        ended.recv().await.expect("ends");
        start.elapsed()
    })
}

pub fn many(n: u64) -> (Duration, u64) {
    run(async move {
        let before = crate::resident_bytes();
        let start = Instant::now();
        let actors: Vec<_> = (0..n).map(|_| Counter::default().start()).collect();
        for actor in &actors {
            actor.send(Get).await.expect("answers");
        }
        let time = start.elapsed();
        (time, crate::resident_bytes().saturating_sub(before) / n)
    })
}

struct Node {
    size: u64,
    number: u64,
    waiting: u32,
    sum: u64,
    up: Up,
}
enum Up {
    Node(Addr<Node>),
    Driver(tokio::sync::mpsc::UnboundedSender<u64>),
}
struct Sum(u64);
impl Message for Sum {
    type Result = ();
}
impl Actor for Node {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        if self.size == 1 {
            self.waiting = 1;
            ctx.notify(Sum(self.number));
            return;
        }
        self.waiting = 10;
        let size = self.size / 10;
        for child in 0..10 {
            Node { size, number: self.number + child * size, waiting: 0, sum: 0, up: Up::Node(ctx.address()) }.start();
        }
    }
}
impl Handler<Sum> for Node {
    type Result = ();
    fn handle(&mut self, sum: Sum, ctx: &mut Context<Self>) {
        self.sum += sum.0;
        self.waiting -= 1;
        if self.waiting == 0 {
            match &self.up {
                Up::Node(up) => up.do_send(Sum(self.sum)),
                Up::Driver(up) => up.send(self.sum).expect("the driver waits"),
            }
            ctx.stop();
        }
    }
}

pub fn skynet(leaves: u64) -> Duration {
    run(async move {
        let (up, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let start = Instant::now();
        Node { size: leaves, number: 0, waiting: 0, sum: 0, up: Up::Driver(up) }.start();
        let sum = ended.recv().await.expect("ends");
        assert_eq!(sum, leaves * (leaves - 1) / 2);
        start.elapsed()
    })
}

pub fn flooded(messages: u64) -> Duration {
    run(async move {
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        let calm = Counter::start_in_arbiter(&handle, |_| Counter::default());
        let busy = Counter::start_in_arbiter(&handle, |_| Counter::default());
        calm.send(Get).await.expect("answers");
        let flood = std::thread::spawn(move || {
            for _ in 0..messages {
                busy.do_send(Work);
            }
        });
        let mut worst = Duration::ZERO;
        let begun = Instant::now();
        for _ in 0..200 {
            let start = Instant::now();
            calm.send(Get).await.expect("answers");
            worst = worst.max(start.elapsed());
            if begun.elapsed() > Duration::from_secs(20) {
                break;
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        flood.join().expect("no panic");
        worst
    })
}
