//! For tests of actors: a whole system on one thread under virtual time, and probes that record what they are told.

use std::{future::Future, time::Duration};

use tokio::sync::mpsc;

use crate::{
    Actor, ActorRef, ChildSpec, Context, Failure, Limits, Message, Options, Restart, StartError, SupervisorRef,
    SupervisorSpec, System,
};

/// Runs `body` beside a system with an empty root pool called `root`, on one thread with a paused clock; the same seed gives the same run.
///
/// # Panics
/// When the system cannot be started, which for an empty root means that the thread has no resources left.
pub fn run<T, F: Future<Output = T>>(seed: u64, body: impl FnOnce(System) -> F) -> T {
    run_tree(seed, SupervisorSpec::pool("root"), body).expect("an empty pool starts")
}

/// As [`run`], with a tree of one's own.
pub fn run_tree<T, F: Future<Output = T>>(
    seed: u64,
    root: SupervisorSpec,
    body: impl FnOnce(System) -> F,
) -> Result<T, StartError> {
    let options = Options { data_arbiters: 0, seed, watchdog: None, event_capacity: 65_536, quiet_panics: true };
    System::run_single("test", options, root, body)
}

/// An actor that records what it is told, and the test's end of it.
#[derive(Debug)]
pub struct Probe<M: Message> {
    reference: ActorRef<M>,
    received: mpsc::UnboundedReceiver<M>,
}

/// Why a probe was disappointed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    #[error("nothing came within {after:?}")]
    Silence { after: Duration },
    #[error("the probe has ended")]
    Ended,
}

impl<M: Message> Probe<M> {
    /// Starts a probe called `name` as a child of `supervisor`.
    pub async fn start(supervisor: &SupervisorRef, name: &str) -> Result<Probe<M>, StartError> {
        let (sender, received) = mpsc::unbounded_channel();
        let spec = ChildSpec::worker(name, move |_| Ok(Recorder { sender: sender.clone() }))
            .restart(Restart::Temporary)
            .limits(Limits::new(1_000_000, 1 << 30));
        let child = supervisor.start_child(spec).await?;
        let reference = child.reference().expect("a recorder of M takes M");
        Ok(Probe { reference, received })
    }

    pub fn reference(&self) -> ActorRef<M> {
        self.reference.clone()
    }

    /// The next message, if it comes within `after`.
    pub async fn expect_within(&mut self, after: Duration) -> Result<M, ProbeError> {
        match tokio::time::timeout(after, self.received.recv()).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(ProbeError::Ended),
            Err(_) => Err(ProbeError::Silence { after }),
        }
    }

    /// Whether nothing comes for as long as `during`.
    pub async fn is_silent(&mut self, during: Duration) -> bool {
        self.expect_within(during).await.is_err()
    }

    /// What has come and was not taken yet.
    pub fn drain(&mut self) -> Vec<M> {
        let mut messages = Vec::new();
        while let Ok(message) = self.received.try_recv() {
            messages.push(message);
        }
        messages
    }
}

struct Recorder<M> {
    sender: mpsc::UnboundedSender<M>,
}

impl<M: Message> Actor for Recorder<M> {
    type Message = M;

    fn handle(&mut self, message: M, ctx: &mut Context<Self>) -> Result<(), Failure> {
        if self.sender.send(message).is_err() {
            // The test has dropped its end.
            ctx.stop();
        }
        Ok(())
    }
}
