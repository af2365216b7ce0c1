//! The peak, and then the latencies at half of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::arguments::HalfLoad;
use crate::crowd::{self, Board, PATIENCE};
use crate::error::{LinkError, LoadError};
use crate::figures::Figures;
use crate::latency::Latencies;
use crate::link::Link;
use crate::loads::producers;
use crate::requests::{self, Frame};
use crate::schedule::Schedule;

/// The part of the time in which nothing is counted yet.
const WARMING: f64 = 0.2;
/// How long everything is quiet between the two parts.
const BETWEEN: Duration = Duration::from_secs(2);

/// First as fast as `in_flight` requests of each connection permit; then by a schedule at half of that rate.
pub(crate) async fn run(place: SocketAddr, load: &HalfLoad) -> Result<Figures, LoadError> {
    let mut figures = Figures::default();
    let frames = producers::frames(&load.topic, &requests::batch(load.batch, load.record_bytes))?;
    let links = crowd::connect(place, load.connections, &load.topic.topic).await?;
    let each = (load.batch * load.record_bytes) as f64 / 1e6;
    let (links, rate) = match load.rate {
        Some(rate) => (links, rate),
        None => {
            let (links, peak) = producers::produce(links, &frames, load.in_flight, load.seconds).await?;
            figures.add("peak MB/s", peak.per_second() * each);
            (links, peak.per_second() / 2.0)
        }
    };
    tokio::time::sleep(BETWEEN).await;
    let latencies = scheduled(links, &frames, rate, load.seconds).await?;
    figures.add("requests/s", rate);
    figures.add("MB/s", rate * each);
    latencies.tell(&mut figures);
    Ok(figures)
}

/// Sends by the schedule, whether or not earlier requests are answered, and counts from when each was due.
async fn scheduled(links: Vec<Link>, frames: &[Arc<Frame>], rate: f64, seconds: f64) -> Result<Latencies, LoadError> {
    let count = links.len();
    let schedule = Schedule::new(rate, count);
    let board = Arc::new(Board::default());
    let latencies = Arc::new(Mutex::new(Latencies::new()));
    let begun = Instant::now();
    let counted_from = begun + Duration::from_secs_f64(seconds * WARMING);
    let mut tasks = JoinSet::new();
    let mut due = Vec::with_capacity(count);
    for (number, link) in links.into_iter().enumerate() {
        let (sender, receiver) = unbounded_channel();
        due.push(sender);
        let frame = Arc::clone(&frames[number % frames.len()]);
        let (board, latencies) = (Arc::clone(&board), Arc::clone(&latencies));
        tasks.spawn(async move {
            if let Err(error) = follow(link, &frame, receiver, counted_from, &latencies).await {
                board.complain(error);
            }
        });
    }
    let total = schedule.due(Duration::from_secs_f64(seconds));
    // A thread of its own: timers of the runtime are a millisecond coarse.
    let pacer = std::thread::spawn(move || pace(schedule, begun, total, &due));
    while let Some(ended) = tasks.join_next().await {
        ended.expect("nobody panics or is aborted");
    }
    pacer.join().expect("the pacer does not panic");
    board.verdict(count)?;
    let latencies = Arc::into_inner(latencies).expect("everyone has ended");
    Ok(latencies.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Tells connections what is due, when it is due.
fn pace(schedule: Schedule, begun: Instant, total: u64, due: &[UnboundedSender<Instant>]) {
    let mut told = 0;
    while told < total {
        let until = schedule.due(begun.elapsed()).min(total);
        while told < until {
            // One that has failed has complained.
            let _ = due[schedule.connection(told)].send(begun + schedule.due_at(told));
            told += 1;
        }
        std::thread::sleep(schedule.due_at(told).saturating_sub(begun.elapsed()));
    }
}

/// Sends what is due and takes answers as they come, until nothing more is due and everything is answered.
async fn follow(
    link: Link,
    frame: &Frame,
    mut due: UnboundedReceiver<Instant>,
    counted_from: Instant,
    latencies: &Mutex<Latencies>,
) -> Result<(), LinkError> {
    let (mut sending, mut receiving) = link.halves();
    let (sent, mut unanswered) = unbounded_channel();
    let send = async move {
        while let Some(meant) = due.recv().await {
            let _ = sent.send(meant);
            sending.send(frame).await?;
        }
        Ok::<(), LinkError>(())
    };
    let receive = async move {
        while let Some(meant) = unanswered.recv().await {
            let body = timeout(PATIENCE, receiving.answer(frame)).await.map_err(|_| LinkError::Late(PATIENCE))??;
            let took = meant.elapsed();
            requests::judge(frame, body)?;
            if meant >= counted_from {
                latencies.lock().unwrap_or_else(PoisonError::into_inner).add(took);
            }
        }
        Ok::<(), LinkError>(())
    };
    tokio::try_join!(send, receive).map(|_| ())
}
