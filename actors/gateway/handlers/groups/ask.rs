//! Asks the coordinator of a group, and says in Kafka's codes why there is no answer.

use std::cell::Cell;
use std::time::Duration;

use callboard_coordinator::{Command, Groups, Reply as Answer, refusal_code};
use callboard_model::ErrorCode;
use callboard_runtime::{ActorRef, AskError, NoReply, Reply, SendError};
use futures_util::stream::{self, StreamExt};

use crate::gateway::services::Services;
use crate::shard::ShardMessage;

/// How long a coordinator may take for what it does not have to wait for. A commit waits for the disk, and under load for
/// the commits before it.
const DEADLINE: Duration = Duration::from_secs(30);

/// Groups of one request that are asked for at the same time.
const AT_ONCE: usize = 64;

/// Bytes in memory, roughly, that the answers for several groups may have together: 600,000 positions, for instance.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// The answer of the group's coordinator, within [`DEADLINE`].
pub(super) async fn ask(services: &Services, group: &str, command: Command) -> Result<Answer, ErrorCode> {
    let coordinator = services.group_coordinator(group).ok_or(ErrorCode::NotCoordinator)?;
    ask_of(&coordinator, command).await
}

/// The answer of one coordinator, within [`DEADLINE`].
pub(super) async fn ask_of(
    coordinator: &ActorRef<ShardMessage<Groups>>,
    command: Command,
) -> Result<Answer, ErrorCode> {
    let asked = coordinator.ask(DEADLINE, |reply| ShardMessage::Command { command, reply });
    match asked.await {
        Ok(answer) => answer.map_err(|refusal| refusal_code(&refusal)),
        Err(AskError::Gone { .. } | AskError::Unanswered { .. }) => Err(ErrorCode::NotCoordinator),
        // It may have been decided, or be decided yet.
        Err(AskError::Timeout { .. }) => Err(ErrorCode::CoordinatorNotAvailable),
        Err(AskError::Full { .. }) => Err(ErrorCode::CoordinatorNotAvailable),
        Err(AskError::Poison { .. }) => Err(ErrorCode::UnknownServerError),
    }
}

/// The answer of the group's coordinator, however long the group makes its member wait: its own timers bound that. When
/// the connection goes this future goes, and the coordinator learns that nobody waits any more.
pub(super) async fn wait(services: &Services, group: &str, command: Command) -> Result<Answer, ErrorCode> {
    let coordinator = services.group_coordinator(group).ok_or(ErrorCode::NotCoordinator)?;
    let (reply, answer) = Reply::channel();
    match coordinator.tell(ShardMessage::Command { command, reply }) {
        Ok(()) => {}
        Err(SendError::Full { .. }) => return Err(ErrorCode::CoordinatorNotAvailable),
        Err(SendError::Gone { .. }) => return Err(ErrorCode::NotCoordinator),
    }
    match answer.await {
        Ok(answer) => answer.map_err(|refusal| refusal_code(&refusal)),
        Err(NoReply::Gone | NoReply::Unanswered) => Err(ErrorCode::NotCoordinator),
        Err(NoReply::Poison) => Err(ErrorCode::UnknownServerError),
    }
}

/// Asks for many groups, [`AT_ONCE`] of them at a time, and gives the answers in the order of the groups.
pub(super) async fn each<T, F: Future>(groups: impl IntoIterator<Item = T>, ask: impl FnMut(T) -> F) -> Vec<F::Output> {
    stream::iter(groups).map(ask).buffered(AT_ONCE).collect().await
}

/// What one answer may still hold: a request that names a large group many times would else make an answer beyond all
/// bounds. What does not fit is refused with UNKNOWN_SERVER_ERROR, which nobody tries again.
pub(super) struct Room(Cell<usize>);

impl Room {
    pub(super) fn new() -> Self {
        Self(Cell::new(ANSWER_MAX))
    }

    /// Whether there is room for so many bytes; takes it.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// A coordinator that answers another question than it was asked: a fault of ours.
pub(super) fn mixed_up(answer: &Answer) -> ErrorCode {
    tracing::error!(?answer, "a group coordinator has answered something else than it was asked");
    ErrorCode::UnknownServerError
}
