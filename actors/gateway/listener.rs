//! The actor that owns the Kafka port: accepts clients and starts one supervised connection actor for each.

use std::net::TcpListener as StdListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use callboard_runtime::{Actor, ChildSpec, Context, Failure, Limits, Message, Placement, Restart, SupervisorRef};
use callboard_telemetry::Refusal;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::seat::{Refused, Seat};
use super::services::Services;

/// Requests and answers that may wait in a connection's mailbox. The bytes are bounded by the budgets.
const MAILBOX: Limits = Limits { messages: 4096, bytes: usize::MAX };
/// How long a connection may take over its last answers when it is stopped. What takes longer waits for a part of the
/// node that may be down itself, and would hold up its restart.
const STOP: Duration = Duration::from_secs(1);
/// Pause after a failed accept (mostly: no file handle left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The Kafka port's actor. It is told nothing: it listens.
pub(crate) struct Listener {
    socket: Arc<StdListener>,
    connections: SupervisorRef,
    services: Arc<Services>,
    ready: Arc<AtomicBool>,
}

/// No message reaches the listener.
#[derive(Debug)]
pub(crate) enum Never {}

impl Message for Never {}

impl Listener {
    /// Serves on a socket that is already bound, so that a restart keeps it; connections become children of
    /// `connections`. Says `ready` once the broker has applied the metadata, and accepts from then on.
    pub(crate) fn new(
        socket: Arc<StdListener>,
        connections: SupervisorRef,
        services: Arc<Services>,
        ready: Arc<AtomicBool>,
    ) -> Self {
        Self { socket, connections, services, ready }
    }
}

impl Actor for Listener {
    type Message = Never;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let listener = TcpListener::from_std(self.socket.try_clone()?)?;
        let (services, ready) = (Arc::clone(&self.services), Arc::clone(&self.ready));
        let connections = self.connections.clone();
        ctx.spawn(async move {
            let mut published = services.published.clone();
            if published.wait_for(|published| published.index > 0).await.is_ok() {
                ready.store(true, Ordering::Release);
                accept(listener, connections, services).await;
            }
        });
        Ok(())
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Result<(), Failure> {
        match message {}
    }
}

async fn accept(listener: TcpListener, connections: SupervisorRef, services: Arc<Services>) {
    let mut refused = Refused::since(Instant::now());
    loop {
        if let Some(told) = refused.tell(Instant::now()) {
            told.log(&services);
        }
        let accepted = match refused.due() {
            None => listener.accept().await,
            Some(due) => match timeout_at(due, listener.accept()).await {
                Ok(accepted) => accepted,
                Err(_) => continue,
            },
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                services.metrics.connection_refused(Refusal::System);
                refused.failed(error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let seat = match Seat::take(&services) {
            Ok(seat) => seat,
            Err(refusal) => {
                services.metrics.connection_refused(refusal);
                refused.note(refusal);
                continue;
            }
        };
        // A listener that starts anew must not give out the numbers of connections that are still there.
        let number = services.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        if let Err(error) = admit(stream, seat, number, &connections, &services) {
            tracing::debug!(%error, "a client left before it was served");
        }
    }
}

fn admit(
    stream: TcpStream,
    seat: Seat,
    number: u64,
    connections: &SupervisorRef,
    services: &Arc<Services>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    // The socket moves to the arbiter of its actor.
    let socket = Mutex::new(Some((stream.into_std()?, seat)));
    let services = Arc::clone(services);
    let spec = ChildSpec::worker(format!("{number}"), move |_| {
        let socket = socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (socket, seat) = socket.ok_or("a connection is never restarted: its client dials again")?;
        Ok(Connection::new(socket, number, seat, Arc::clone(&services)))
    })
    .restart(Restart::Temporary)
    .limits(MAILBOX)
    .stop_timeout(STOP)
    .placement(Placement::Any);
    connections.start_child_and_forget(spec);
    Ok(())
}
