//! Idle connections and busy ones.

use std::net::SocketAddr;

use crate::arguments::Produce;
use crate::crowd::{self, PATIENCE, pause};
use crate::error::LoadError;
use crate::figures::Figures;
use crate::loads::producers;
use crate::requests;
use crate::server::Server;

/// Opens the idle connections and reads what they cost while all is quiet; then the busy ones produce; then every idle one
/// is asked again.
pub(crate) async fn run(place: SocketAddr, server: &Server, load: &Produce) -> Result<Figures, LoadError> {
    let mut figures = Figures::default();
    let topic = &load.topic;
    pause(load.quiet).await;
    let before = server.resident_mib();
    let mut idle = crowd::connect(place, load.idle, &topic.topic).await?;
    let busy = crowd::connect(place, load.connections, &topic.topic).await?;
    pause(load.quiet).await;
    let since = server.now();
    pause(load.quiet).await;
    figures.add_known("idle cpu %", server.cpu_since(since).map(|cpu| cpu * 100.0));
    let quiet = server.resident_mib();
    figures.add_known("idle MiB", quiet);
    Server::tell_each(&mut figures, "KiB/connection", before, quiet, load.idle + load.connections);
    server.forget_peak();
    let since = server.now();
    if load.connections > 0 {
        let frames = producers::frames(topic, &requests::batch(load.batch, load.record_bytes))?;
        let (busy, done) = producers::produce(busy, &frames, 1, load.seconds).await?;
        // Both are rates: CPU per second of the whole load, requests per second of the part that counts.
        let cpu = server.cpu_since(since);
        figures.add_known("cpu us/request", cpu.map(|cpu| cpu * 1e6 / done.per_second()));
        figures.add("MB/s", done.per_second() * (load.batch * load.record_bytes) as f64 / 1e6);
        figures.add("connections", (idle.len() + busy.len()) as f64);
        done.tell(&mut figures);
    }
    figures.add_known("peak MiB", server.peak_mib());
    let hello = requests::api_versions()?;
    for link in &mut idle {
        link.ask(&hello, PATIENCE).await?;
    }
    Ok(figures)
}
