//! Requests that together exceed what the server may hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::arguments::Greedy;
use crate::crowd::{self, PATIENCE, pause};
use crate::error::LoadError;
use crate::figures::Figures;
use crate::link::Link;
use crate::requests::{self, Frame};
use crate::server::Server;

/// Bytes of values in a batch: below what topics take by default.
const BATCH: usize = 900 << 10;

/// Everyone sends a request but for its last byte, as far as the server takes it; then the rest. Every request has to be
/// answered well, or its connection closed: then the client sends it again, once more from the start.
pub(crate) async fn run(place: SocketAddr, server: &Server, load: &Greedy) -> Result<Figures, LoadError> {
    let mut figures = Figures::default();
    let topic = &load.topic;
    let partitions: Vec<i32> = (0..topic.partitions).collect();
    let batches = (load.request_mib << 20) / BATCH;
    let repeated: Vec<i32> = partitions.iter().copied().cycle().take(batches.max(1).min(partitions.len())).collect();
    let frame = Arc::new(requests::produce(&topic.topic, &repeated, &requests::batch(1, BATCH))?);
    let links = crowd::connect(place, load.connections, &topic.topic).await?;
    pause(load.quiet).await;
    figures.add_known("idle MiB", server.resident_mib());
    server.forget_peak();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for link in links {
        tasks.spawn(send(place, link, Arc::clone(&frame), Duration::from_secs_f64(load.hold)));
    }
    let (mut answered, mut again, mut failed) = (0, 0, 0);
    while let Some(ended) = tasks.join_next().await {
        match ended.expect("nobody panics or is aborted") {
            Some(0) => answered += 1,
            Some(_) => (answered, again) = (answered + 1, again + 1),
            None => failed += 1,
        }
    }
    figures.add("answered", f64::from(answered));
    figures.add("sent again", f64::from(again));
    figures.add("failed", f64::from(failed));
    figures.add("MB/s", f64::from(answered) * frame.bytes.len() as f64 / 1e6 / begun.elapsed().as_secs_f64());
    figures.add("asked MiB", (frame.bytes.len() * load.connections) as f64 / f64::from(1 << 20));
    figures.add_known("peak MiB", server.peak_mib());
    pause(load.quiet).await;
    figures.add_known("after MiB", server.resident_mib());
    Ok(figures)
}

/// How often a request had to be sent again; nothing if it was never answered.
async fn send(place: SocketAddr, mut link: Link, frame: Arc<Frame>, hold: Duration) -> Option<usize> {
    const TRIES: usize = 5;
    for tried in 0..TRIES {
        let until = frame.bytes.len() - 1;
        let whole = async {
            // A server that takes no more is waited for; that is how it slows its clients down.
            link.send_until(&frame, until).await?;
            if tried == 0 {
                tokio::time::sleep(hold).await;
            }
            link.send_rest(&frame, until).await?;
            requests::judge(&frame, link.answer(&frame).await?)
        };
        if let Ok(Ok(_)) = timeout(PATIENCE * 2, whole).await {
            return Some(tried);
        }
        link = Link::connect(place).await.ok()?;
    }
    None
}
