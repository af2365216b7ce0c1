//! What happens in the tree, for whoever wants to watch.

use serde::Serialize;
use tokio::sync::broadcast;

use crate::{DownReason, Path};

/// A change in the tree. The runtime also logs failures and escalations; the rest is only here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    Started {
        path: Path,
        incarnation: u64,
    },
    Restarted {
        path: Path,
        incarnation: u64,
        restarts: u32,
    },
    Failed {
        path: Path,
        incarnation: u64,
        /// name of the message or hook
        message: &'static str,
        reason: String,
    },
    Stopped {
        path: Path,
        incarnation: u64,
        reason: DownReason,
    },
    /// A supervisor has given up and leaves the decision to its own.
    Escalated {
        path: Path,
        reason: String,
    },
    /// Sent for the 1st, 2nd, 4th, 8th … of an actor, so that a flood of them does not drown the rest.
    DeadLetter {
        path: Path,
        message: &'static str,
        reason: DeadLetterReason,
        /// dead letters of this actor so far
        count: u64,
    },
    /// Messages were refused for want of credits; sent for the 1st, 2nd, 4th, 8th … of an actor.
    Overload {
        path: Path,
        refused: u64,
    },
    /// A handler has held its arbiter for long. It cannot be interrupted.
    Frozen {
        path: Path,
        message: &'static str,
        for_ms: u64,
    },
    /// This message is refused from now on, for a while.
    PoisonMessage {
        path: Path,
        message: &'static str,
        fingerprint: Option<u64>,
        failures: u32,
    },
}

impl Event {
    pub fn path(&self) -> &Path {
        match self {
            Event::Started { path, .. }
            | Event::Restarted { path, .. }
            | Event::Failed { path, .. }
            | Event::Stopped { path, .. }
            | Event::Escalated { path, .. }
            | Event::DeadLetter { path, .. }
            | Event::Overload { path, .. }
            | Event::Frozen { path, .. }
            | Event::PoisonMessage { path, .. } => path,
        }
    }
}

/// Why a message was never handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterReason {
    /// Nothing lives under the path.
    Gone,
    /// It was queued when its receiver ended for good.
    Stopped,
    /// It had killed its receiver too often.
    Poison,
}

/// Messages that were never handled, since the start of the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetters {
    pub gone: u64,
    pub stopped: u64,
    pub poison: u64,
}

impl DeadLetters {
    pub fn total(&self) -> u64 {
        self.gone + self.stopped + self.poison
    }
}

/// Receives events. Bounded: who reads too slowly misses the oldest.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<Event>);

/// Why there is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    #[error("{missed} events were missed")]
    Missed { missed: u64 },
    #[error("no event now")]
    Empty,
    #[error("the system has ended")]
    Closed,
}

impl Events {
    /// The next event; [`EventsError::Missed`] once after falling behind.
    pub async fn next(&mut self) -> Result<Event, EventsError> {
        self.0.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(missed) => EventsError::Missed { missed },
            broadcast::error::RecvError::Closed => EventsError::Closed,
        })
    }

    /// The next event if there is one now.
    pub fn try_next(&mut self) -> Result<Event, EventsError> {
        self.0.try_recv().map_err(|error| match error {
            broadcast::error::TryRecvError::Lagged(missed) => EventsError::Missed { missed },
            broadcast::error::TryRecvError::Empty => EventsError::Empty,
            broadcast::error::TryRecvError::Closed => EventsError::Closed,
        })
    }
}
