//! The actor that owns the admin socket; each connection is a task of its own, bounded in number and time.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use callboard_runtime::{Actor, Context, Failure, Message};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::routes::{AdminContext, answer};

/// Connections served at once; further ones wait in the socket's backlog.
const CONNECTIONS_MAX: usize = 64;
/// How long a request's head may take to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one connection may live.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// The admin port's actor. It is told nothing: it listens.
pub(crate) struct AdminServer {
    listener: Arc<StdListener>,
    context: Arc<AdminContext>,
}

/// No message reaches the admin port.
#[derive(Debug)]
pub(crate) enum Never {}

impl Message for Never {}

impl AdminServer {
    /// Serves on a socket that is already bound, so that a restart keeps it.
    pub(crate) fn new(listener: Arc<StdListener>, context: Arc<AdminContext>) -> Self {
        Self { listener, context }
    }
}

impl Actor for AdminServer {
    type Message = Never;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let listener = TcpListener::from_std(self.listener.try_clone()?)?;
        ctx.spawn(accept(listener, Arc::clone(&self.context)));
        let (context, events) = (Arc::clone(&self.context), ctx.system().events());
        ctx.spawn(async move { context.history.listen(events, &context.clock).await });
        Ok(())
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Result<(), Failure> {
        match message {}
    }
}

async fn accept(listener: TcpListener, context: Arc<AdminContext>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let context = Arc::clone(&context);
                tokio::task::spawn_local(async move {
                    drop(tokio::time::timeout(CONNECTION_TIMEOUT, serve(stream, context)).await);
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin port could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, context: Arc<AdminContext>) {
    let service = service_fn(move |request| {
        let context = Arc::clone(&context);
        async move { Ok::<_, std::convert::Infallible>(answer(&request, &context).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an admin connection ended");
    }
}
