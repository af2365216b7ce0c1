//! The scenarios on ractor.

use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, rpc::CallResult};

use crate::Stopwatch;

struct Counter;

enum Count {
    Add,
    Get(RpcReplyPort<u64>),
}

impl Actor for Counter {
    type Msg = Count;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Count>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<Count>, message: Count, state: &mut u64) -> Result<(), ActorProcessingErr> {
        match message {
            Count::Add => *state += 1,
            Count::Get(reply) => reply.send(*state)?,
        }
        Ok(())
    }
}

async fn get(counter: &ActorRef<Count>) -> u64 {
    match counter.call(Count::Get, None).await.expect("lives") {
        CallResult::Success(count) => count,
        _ => panic!("no answer"),
    }
}

pub fn counting(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let (counter, _) = Actor::spawn(None, Counter, ()).await.expect("starts");
        let start = Stopwatch::start(false);
        for _ in 0..n {
            counter.cast(Count::Add).expect("lives");
        }
        assert_eq!(get(&counter).await, n);
        start.elapsed()
    })
}

pub fn ask(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let (counter, _) = Actor::spawn(None, Counter, ()).await.expect("starts");
        let start = Stopwatch::start(false);
        for _ in 0..n {
            get(&counter).await;
        }
        start.elapsed()
    })
}

struct Player;

struct Ball {
    left: u64,
    from: ActorRef<Ball>,
    done: tokio::sync::mpsc::UnboundedSender<()>,
}

impl Actor for Player {
    type Msg = Ball;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ball>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, myself: ActorRef<Ball>, mut ball: Ball, (): &mut ()) -> Result<(), ActorProcessingErr> {
        if ball.left == 0 {
            ball.done.send(())?;
            return Ok(());
        }
        let to = std::mem::replace(&mut ball.from, myself);
        ball.left -= 1;
        to.cast(ball).map_err(|_| "the other player is gone")?;
        Ok(())
    }
}

pub fn ping_pong(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let (done, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let (a, _) = Actor::spawn(None, Player, ()).await.expect("starts");
        let (b, _) = Actor::spawn(None, Player, ()).await.expect("starts");
        let start = Stopwatch::start(false);
        let ball = Ball { left: n, from: b, done };
        assert!(a.cast(ball).is_ok());
        ended.recv().await.expect("ends");
        start.elapsed()
    })
}

pub fn many(n: u64) -> (Duration, u64) {
    crate::on_one_thread(async move {
        let before = crate::resident_bytes();
        let start = Instant::now();
        let mut actors = Vec::new();
        for _ in 0..n {
            let (actor, _) = Actor::spawn(None, Counter, ()).await.expect("starts");
            actors.push(actor);
        }
        for actor in &actors {
            get(actor).await;
        }
        let time = start.elapsed();
        (time, crate::resident_bytes().saturating_sub(before) / n)
    })
}
