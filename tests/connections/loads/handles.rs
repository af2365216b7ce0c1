//! More connections than the server has file handles.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::arguments::Handles;
use crate::crowd::{self, PATIENCE, pause};
use crate::error::{LinkError, LoadError};
use crate::figures::Figures;
use crate::link::Link;
use crate::loads::producers;
use crate::requests::{self, Frame};
use crate::server::Server;

/// Bytes of values in a request of the producer.
const PRODUCED: usize = 512 << 10;
/// Connections tried once the crowd has gone, and how long they may take.
const AFTER: usize = 50;
const WITHIN: Duration = Duration::from_secs(10);

/// What became of a connection that was tried.
enum Tried {
    Answered(Link),
    /// Refused or closed: the client knows.
    Refused,
    /// Neither an answer nor an end within the patience: the client waits.
    Waits(Link),
}

/// A crowd is tried and stays, a producer that was there before goes on; then the crowd leaves and others come.
pub(crate) async fn run(place: SocketAddr, server: &Server, load: &Handles) -> Result<Figures, LoadError> {
    let mut figures = Figures::default();
    let topic = &load.topic;
    let mut producer = crowd::connect(place, 1, &topic.topic).await?;
    let hello = requests::api_versions()?;
    let patience = Duration::from_secs_f64(load.patience);
    let mut trying = JoinSet::new();
    for _ in 0..load.connections {
        trying.spawn(attempt(place, hello.clone(), patience));
    }
    let (mut answered, mut waiting, mut refused) = (Vec::new(), Vec::new(), 0);
    while let Some(ended) = trying.join_next().await {
        match ended.expect("no attempt panics or is aborted") {
            Tried::Answered(link) => answered.push(link),
            Tried::Waits(link) => waiting.push(link),
            Tried::Refused => refused += 1,
        }
    }
    figures.add("answered", answered.len() as f64);
    figures.add("waiting", waiting.len() as f64);
    figures.add("refused", f64::from(refused));

    let frames = producers::frames(topic, &requests::batch(1, PRODUCED))?;
    let (mut produced, mut produce_failed) = (0, 0.0);
    for number in 0..load.produce_mib * (1 << 20) / PRODUCED {
        if let Err(error) = producer[0].ask(&frames[number % frames.len()], PATIENCE).await {
            produce_failed = 1.0;
            eprintln!("after {number} requests of {PRODUCED} bytes: {error}");
            break;
        }
        produced += PRODUCED;
    }
    figures.add("produce failed", produce_failed);
    figures.add("produced MiB", (produced >> 20) as f64);
    let mut still = 0;
    for link in &mut answered {
        still += usize::from(link.ask(&hello, patience).await.is_ok());
    }
    figures.add("lost later", (answered.len() - still) as f64);
    // While nobody does anything, a server that is out of handles has nothing to do either.
    let since = server.now();
    pause(load.patience).await;
    figures.add_known("idle cpu %", server.cpu_since(since).map(|cpu| cpu * 100.0));
    drop((answered, waiting));

    let begun = std::time::Instant::now();
    let mut good = 0;
    while good < AFTER && begun.elapsed() < WITHIN {
        match attempt(place, hello.clone(), patience).await {
            Tried::Answered(_) => good += 1,
            Tried::Refused | Tried::Waits(_) => pause(0.05).await,
        }
    }
    // The producer from before may have had to dial again.
    if produce_failed > 0.0
        && let Ok(link) = Link::connect(place).await
    {
        producer[0] = link;
    }
    let produces = producer[0].ask(&frames[0], PATIENCE).await.is_ok();
    figures.add("recovered", f64::from(u8::from(good == AFTER && produces)));
    figures.add("recovered s", begun.elapsed().as_secs_f64());
    Ok(figures)
}

async fn attempt(place: SocketAddr, hello: Frame, patience: Duration) -> Tried {
    let Ok(Ok(mut link)) = tokio::time::timeout(patience, Link::connect(place)).await else { return Tried::Refused };
    match link.ask(&hello, patience).await {
        Ok(_) => Tried::Answered(link),
        Err(LinkError::Late(_)) => Tried::Waits(link),
        Err(_) => Tried::Refused,
    }
}
