//! The scenarios on raw tokio tasks and channels: what an actor costs without an actor library, supervision or names.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::Stopwatch;

enum Count {
    Add,
    Get(oneshot::Sender<u64>),
}

fn counter() -> mpsc::UnboundedSender<Count> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut count = 0;
        while let Some(message) = receiver.recv().await {
            match message {
                Count::Add => count += 1,
                Count::Get(reply) => reply.send(count).expect("is awaited"),
            }
        }
    });
    sender
}

async fn get(counter: &mpsc::UnboundedSender<Count>) -> u64 {
    let (reply, answer) = oneshot::channel();
    assert!(counter.send(Count::Get(reply)).is_ok());
    answer.await.expect("answers")
}

pub fn counting(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let counter = counter();
        get(&counter).await;
        let start = Stopwatch::start(false);
        for _ in 0..n {
            assert!(counter.send(Count::Add).is_ok());
        }
        assert_eq!(get(&counter).await, n);
        start.elapsed()
    })
}

pub fn ask(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let counter = counter();
        get(&counter).await;
        let start = Stopwatch::start(false);
        for _ in 0..n {
            get(&counter).await;
        }
        start.elapsed()
    })
}

pub fn ping_pong(n: u64) -> Duration {
    crate::on_one_thread(async move {
        let (to_a, mut at_a) = mpsc::unbounded_channel::<u64>();
        let (to_b, mut at_b) = mpsc::unbounded_channel::<u64>();
        let start = Stopwatch::start(false);
        tokio::spawn(async move {
            while let Some(left) = at_b.recv().await {
                if to_a.send(left).is_err() {
                    return;
                }
            }
        });
        to_b.send(0).expect("lives");
        let mut left = n;
        while at_a.recv().await.is_some() && left > 1 {
            left -= 2;
            to_b.send(left).expect("lives");
        }
        start.elapsed()
    })
}

pub fn many(n: u64) -> (Duration, u64) {
    crate::on_one_thread(async move {
        let before = crate::resident_bytes();
        let start = Instant::now();
        let actors: Vec<_> = (0..n).map(|_| counter()).collect();
        for actor in &actors {
            get(actor).await;
        }
        let time = start.elapsed();
        (time, crate::resident_bytes().saturating_sub(before) / n)
    })
}

fn node(size: u64, number: u64, up: mpsc::UnboundedSender<u64>) {
    tokio::spawn(async move {
        let mut sum = number;
        if size > 1 {
            let (sender, mut sums) = mpsc::unbounded_channel();
            for child in 0..10 {
                node(size / 10, number + child * (size / 10), sender.clone());
            }
            sum = 0;
            for _ in 0..10 {
                sum += sums.recv().await.expect("ten answer");
            }
        }
        up.send(sum).expect("is awaited");
    });
}

pub fn skynet(leaves: u64) -> Duration {
    crate::on_one_thread(async move {
        let (up, mut ended) = mpsc::unbounded_channel();
        let start = Instant::now();
        node(leaves, 0, up);
        let sum = ended.recv().await.expect("ends");
        assert_eq!(sum, leaves * (leaves - 1) / 2);
        start.elapsed()
    })
}
