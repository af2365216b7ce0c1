//! Consumers that wait at the end of the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_model::Offset;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::arguments::Tail;
use crate::crowd::{self, Board, PATIENCE, pause};
use crate::error::{LinkError, LoadError};
use crate::figures::Figures;
use crate::latency::Latencies;
use crate::link::Link;
use crate::requests;
use crate::server::Server;

/// How long a fetch may wait; longer than any quiet time of a load.
const WAIT: Duration = Duration::from_secs(120);
const FETCH_BYTES: i32 = 1 << 20;
const RECORD_BYTES: usize = 100;
/// What everyone is given to wait again after a round.
const BETWEEN: f64 = 0.3;

/// Reads what waiting costs, then wakes everyone again and again. The topic must be empty.
pub(crate) async fn run(place: SocketAddr, server: &Server, load: &Tail) -> Result<Figures, LoadError> {
    let mut figures = Figures::default();
    let topic = &load.topic;
    pause(load.quiet).await;
    let before = server.resident_mib();
    server.forget_peak();
    let links = crowd::connect(place, load.connections, &topic.topic).await?;
    let mut producer = crowd::connect(place, 1, &topic.topic).await?;
    let producer = &mut producer[0];
    pause(load.quiet).await;
    let connected = server.resident_mib();
    Server::tell_each(&mut figures, "KiB/connection", before, connected, links.len());

    let board = Arc::new(Board::default());
    let (wake, mut woken) = unbounded_channel();
    let mut tasks = JoinSet::new();
    let count = links.len();
    for (number, link) in links.into_iter().enumerate() {
        let partition = i32::try_from(number).unwrap_or(0) % topic.partitions;
        tasks.spawn(wait(link, topic.topic.clone(), partition, wake.clone(), Arc::clone(&board)));
    }
    pause(load.quiet).await;
    let since = server.now();
    pause(load.quiet).await;
    figures.add_known("idle cpu %", server.cpu_since(since).map(|cpu| cpu * 100.0));
    let waiting = server.resident_mib();
    figures.add_known("idle MiB", waiting);
    Server::tell_each(&mut figures, "KiB/waiting", connected, waiting, count);

    let batch = requests::batch(1, RECORD_BYTES);
    let partitions: Vec<i32> = (0..topic.partitions).collect();
    let frame = requests::produce(&topic.topic, &partitions, &batch)?;
    let (mut each, mut all) = (Latencies::new(), Latencies::new());
    for _ in 0..load.rounds {
        let begun = Instant::now();
        producer.send(&frame).await?;
        let mut last = begun;
        for _ in 0..count {
            let next = timeout(PATIENCE, woken.recv()).await;
            let next: Instant = match next {
                Ok(Some(next)) => next,
                _ => {
                    board.verdict(count)?;
                    return Err(LoadError::Unmet(format!("a consumer was not woken within {PATIENCE:?}")));
                }
            };
            each.add(next - begun);
            last = last.max(next);
        }
        all.add(last - begun);
        let body = producer.answer(&frame).await?;
        requests::judge(&frame, body)?;
        board.verdict(count)?;
        pause(BETWEEN).await;
    }
    each.tell(&mut figures);
    figures.add("all awake ms", all.millis(0.5));
    figures.add("connections", count as f64);
    pause(load.quiet).await;
    let after = server.resident_mib();
    Server::tell_each(&mut figures, "KiB/waiting after", connected, after, count);
    figures.add_known("peak MiB", server.peak_mib());
    tasks.shutdown().await;
    Ok(figures)
}

/// Reads one record after the other, each waited for; every offset once and in order.
async fn wait(link: Link, topic: String, partition: i32, wake: UnboundedSender<Instant>, board: Arc<Board>) {
    if let Err(error) = read(link, &topic, partition, &wake).await {
        board.complain(error);
        // Whoever waits for this consumer looks at the complaints.
        let _ = wake.send(Instant::now());
    }
}

async fn read(mut link: Link, topic: &str, partition: i32, wake: &UnboundedSender<Instant>) -> Result<(), LinkError> {
    let mut at = Offset(0);
    loop {
        let frame = requests::fetch(topic, &[(partition, at)], FETCH_BYTES, WAIT)?;
        link.send(&frame).await?;
        let body = link.answer(&frame).await?;
        let now = Instant::now();
        let reads = match requests::judge_fetch(frame.version, body) {
            Err(error) if at == Offset(0) && error.is_too_early() => {
                pause(BETWEEN).await;
                continue;
            }
            reads => reads?,
        };
        let next = reads.first().and_then(|read| read.next);
        // Nothing after the longest wait is no error; one record at a time is what is produced.
        match next {
            None => {}
            Some(next) if next == Offset(at.get() + 1) => {
                at = next;
                if wake.send(now).is_err() {
                    return Ok(());
                }
            }
            Some(next) => {
                return Err(LinkError::Wrong(format!("read up to {next} from {at}, where one record was new")));
            }
        }
    }
}
