//! Connections that produce one request after the other, and what each of them got done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::arguments::Topic;
use crate::crowd::{Board, PATIENCE, pause};
use crate::error::{LinkError, LoadError};
use crate::fairness;
use crate::figures::Figures;
use crate::latency::Latencies;
use crate::link::Link;
use crate::requests::{self, Frame};

/// The part of a load in which nothing is counted yet.
const WARMING: f64 = 0.2;

/// What a load of producers did in the time that counts.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) seconds: f64,
    /// Requests answered, by connection.
    pub(crate) shares: Vec<u64>,
    pub(crate) latencies: Latencies,
}

impl Done {
    pub(crate) fn requests(&self) -> u64 {
        self.shares.iter().sum()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.requests() as f64 / self.seconds
    }

    /// Throughput, latencies and fairness.
    pub(crate) fn tell(&self, figures: &mut Figures) {
        figures.add("requests/s", self.per_second());
        self.latencies.tell(figures);
        figures.add("jain", fairness::jain(&self.shares));
        figures.add("slowest/fastest", fairness::slowest_of_fastest(&self.shares));
    }
}

/// A frame for each partition, all with the same batch.
pub(crate) fn frames(topic: &Topic, batch: &Bytes) -> Result<Vec<Arc<Frame>>, LoadError> {
    let frame = |partition| Ok(Arc::new(requests::produce(&topic.topic, &[partition], batch)?));
    (0..topic.partitions).map(frame).collect()
}

/// Produces over every link for so long, keeping `in_flight` requests unanswered; links take turns with the frames. Gives
/// the links back. A request that fails or is not answered fails the load.
pub(crate) async fn produce(
    links: Vec<Link>,
    frames: &[Arc<Frame>],
    in_flight: usize,
    seconds: f64,
) -> Result<(Vec<Link>, Done), LoadError> {
    let count = links.len();
    let board = Arc::new(Board::default());
    let latencies = Arc::new(Mutex::new(Latencies::new()));
    let mut tasks = JoinSet::new();
    for (number, link) in links.into_iter().enumerate() {
        let frame = Arc::clone(&frames[number % frames.len()]);
        let one = One { board: Arc::clone(&board), latencies: Arc::clone(&latencies), in_flight: in_flight.max(1) };
        tasks.spawn(one.work(link, frame));
    }
    pause(seconds * WARMING).await;
    board.count(true);
    let begun = Instant::now();
    pause(seconds * (1.0 - WARMING)).await;
    board.count(false);
    let took = begun.elapsed().as_secs_f64();
    board.end();
    let mut links = Vec::with_capacity(count);
    let mut shares = Vec::with_capacity(count);
    while let Some(ended) = tasks.join_next().await {
        if let Some((link, share)) = ended.expect("no producer panics or is aborted") {
            links.push(link);
            shares.push(share);
        }
    }
    board.verdict(count)?;
    let latencies = Arc::into_inner(latencies).expect("every producer has ended");
    let latencies = latencies.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((links, Done { seconds: took, shares, latencies }))
}

struct One {
    board: Arc<Board>,
    latencies: Arc<Mutex<Latencies>>,
    in_flight: usize,
}

impl One {
    async fn work(self, mut link: Link, frame: Arc<Frame>) -> Option<(Link, u64)> {
        match self.produce(&mut link, &frame).await {
            Ok(share) => Some((link, share)),
            Err(error) => {
                self.board.complain(error);
                None
            }
        }
    }

    async fn produce(&self, link: &mut Link, frame: &Frame) -> Result<u64, LinkError> {
        let mut sent = VecDeque::with_capacity(self.in_flight);
        let mut share = 0;
        loop {
            while self.board.goes_on() && sent.len() < self.in_flight {
                sent.push_back(Instant::now());
                link.send(frame).await?;
            }
            let Some(since) = sent.pop_front() else { return Ok(share) };
            let body = timeout(PATIENCE, link.answer(frame)).await.map_err(|_| LinkError::Late(PATIENCE))??;
            let took: Duration = since.elapsed();
            match requests::judge(frame, body) {
                Err(error) if share == 0 && !self.board.counts() && error.is_too_early() => continue,
                judged => judged?,
            };
            if self.board.counts() {
                share += 1;
                self.latencies.lock().unwrap_or_else(PoisonError::into_inner).add(took);
            }
        }
    }
}
