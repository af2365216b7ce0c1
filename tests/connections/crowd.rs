//! Many connections opened as clients open them, a few at a time, and tasks that end together.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::error::{LinkError, LoadError};
use crate::link::Link;
use crate::requests::{self, Frame};

/// Connections that are being opened at any time: fewer than the queue of any listener.
const AT_ONCE: usize = 64;
/// How long anything may take before it counts as not answered.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Opens so many connections, each of which asks for ApiVersions and Metadata.
pub(crate) async fn connect(server: SocketAddr, count: usize, topic: &str) -> Result<Vec<Link>, LoadError> {
    let hello = Arc::new([requests::api_versions()?, requests::metadata(topic)?]);
    let mut links = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for number in 0..count {
        if opening.len() == AT_ONCE {
            links.extend(joined(&mut opening).await.transpose()?);
        }
        opening.spawn(greeted(server, number, Arc::clone(&hello)));
    }
    while let Some(link) = joined(&mut opening).await {
        links.push(link?);
    }
    Ok(links)
}

async fn greeted(server: SocketAddr, number: usize, hello: Arc<[Frame; 2]>) -> Result<Link, LoadError> {
    let link = Link::connect(server).await;
    let mut link = link.map_err(|source| LoadError::Connect { number, server, source })?;
    for frame in hello.iter() {
        link.ask(frame, PATIENCE).await?;
    }
    Ok(link)
}

async fn joined<T: 'static>(tasks: &mut JoinSet<Result<T, LoadError>>) -> Option<Result<T, LoadError>> {
    tasks.join_next().await.map(|ended| ended.expect("no task of a load panics or is aborted while it is joined"))
}

/// Whether a load goes on, whether it counts already, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Board {
    over: AtomicBool,
    counting: AtomicBool,
    complaints: Mutex<Vec<LinkError>>,
}

impl Board {
    pub(crate) fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> bool {
        self.counting.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, whether: bool) {
        self.counting.store(whether, Ordering::Relaxed);
    }

    pub(crate) fn complain(&self, error: LinkError) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }

    /// An error if anybody complained.
    pub(crate) fn verdict(&self, all: usize) -> Result<(), LoadError> {
        let mut complaints = std::mem::take(&mut *self.complaints.lock().unwrap_or_else(PoisonError::into_inner));
        let wrong = complaints.len();
        if wrong == 0 { Ok(()) } else { Err(LoadError::Failed { wrong, all, first: complaints.swap_remove(0) }) }
    }
}

/// Waits so many seconds.
pub(crate) async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds.max(0.0))).await;
}
