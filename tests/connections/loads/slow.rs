//! Readers that ask for much and read little, beside producers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use callboard_model::Offset;
use tokio::task::JoinSet;

use crate::arguments::SlowReaders;
use crate::crowd::{self, pause};
use crate::error::{LinkError, LoadError};
use crate::figures::Figures;
use crate::link::Link;
use crate::loads::producers;
use crate::requests::{self, Frame};
use crate::server::Server;

/// How often a slow reader reads.
const PACE: Duration = Duration::from_millis(100);

/// Producers alone; then beside slow readers; then what is left when those have gone.
pub(crate) async fn run(place: SocketAddr, server: &Server, load: &SlowReaders) -> Result<Figures, LoadError> {
    let mut figures = Figures::default();
    let topic = &load.topic;
    let busy = crowd::connect(place, load.connections, &topic.topic).await?;
    let frames = producers::frames(topic, &requests::batch(10, 1024))?;
    let (busy, alone) = producers::produce(busy, &frames, 1, load.seconds).await?;
    pause(load.quiet).await;
    figures.add_known("idle MiB", server.resident_mib());
    server.forget_peak();

    let from: Vec<_> = (0..load.filled_partitions).map(|partition| (partition, Offset(0))).collect();
    let fetch = Arc::new(requests::fetch(&load.filled, &from, load.fetch_bytes, Duration::from_millis(500))?);
    let mut readers = JoinSet::new();
    for number in 0..load.readers {
        let link = Link::connect_narrow(place).await;
        let link = link.map_err(|source| LoadError::Connect { number, server: place, source })?;
        readers.spawn(read_slowly(link, Arc::clone(&fetch), load.pipelined, load.bytes_per_second));
    }
    let (busy, beside) = producers::produce(busy, &frames, 1, load.seconds).await?;
    figures.add_known("peak MiB", server.peak_mib());
    // A reader that the server has closed is one that it got rid of; clients see that and dial again.
    let mut closed = 0;
    while readers.try_join_next().is_some() {
        closed += 1;
    }
    figures.add("closed", f64::from(closed));
    readers.shutdown().await;
    pause(load.quiet).await;
    figures.add_known("after MiB", server.resident_mib());
    figures.add("connections", (busy.len() + load.readers) as f64);
    figures.add("alone requests/s", alone.per_second());
    figures.add("beside/alone", beside.per_second() / alone.per_second());
    beside.tell(&mut figures);
    Ok(figures)
}

/// Ends only when the server closes or something is wrong.
async fn read_slowly(mut link: Link, fetch: Arc<Frame>, pipelined: usize, per_second: usize) -> LinkError {
    let mut send = async || {
        for _ in 0..pipelined {
            link.send(&fetch).await?;
        }
        if per_second == 0 {
            std::future::pending::<()>().await;
        }
        let each = (per_second as f64 * PACE.as_secs_f64()) as usize;
        loop {
            link.swallow(each).await?;
            tokio::time::sleep(PACE).await;
        }
    };
    let ended: Result<(), LinkError> = send().await;
    ended.err().unwrap_or(LinkError::Closed)
}
