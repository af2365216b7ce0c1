//! Answers: a handle that is used up by sending, and never silently lost.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{Path, deadline::Deadline};

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It may have run, be running, or run later.
    #[error("no answer from {path} within {after:?}")]
    Timeout { path: Path, after: Duration },
    /// It has not run and will not.
    #[error("{path} is gone")]
    Gone { path: Path },
    /// It was not let into the mailbox.
    #[error("mailbox of {path} is full")]
    Full { path: Path },
    /// It was taken, but the reply was dropped: the actor failed, or forgot to answer.
    #[error("{path} did not answer")]
    Unanswered { path: Path },
    /// It was refused since it had killed its receiver too often.
    #[error("{path} refused a message that had killed it repeatedly")]
    Poison { path: Path },
}

impl AskError {
    /// Whether the message certainly was not handled, so that sending it again cannot do anything twice.
    pub fn definitely_not_executed(&self) -> bool {
        match self {
            AskError::Gone { .. } | AskError::Full { .. } | AskError::Poison { .. } => true,
            AskError::Timeout { .. } | AskError::Unanswered { .. } => false,
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            AskError::Timeout { path, .. }
            | AskError::Gone { path }
            | AskError::Full { path }
            | AskError::Unanswered { path }
            | AskError::Poison { path } => path,
        }
    }
}

/// Why a reply was dropped without an answer, as far as the runtime knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// Dropped by the receiver, by a failure, or forgotten.
    #[error("the reply was dropped unanswered")]
    Unanswered,
    /// The message was never handled: its receiver had ended.
    #[error("the receiver was gone")]
    Gone,
    #[error("the message was refused as poison")]
    Poison,
}

thread_local! {
    // Set while undelivered messages are dropped, so that the replies inside can tell "never ran" from "unanswered".
    static DROPPING: Cell<NoReply> = const { Cell::new(NoReply::Unanswered) };
}

/// Drops an undelivered message in a way that its reply knows why.
pub(crate) fn drop_undelivered<T>(message: T, why: NoReply) {
    struct Restore(NoReply);
    impl Drop for Restore {
        fn drop(&mut self) {
            DROPPING.set(self.0);
        }
    }
    let restore = Restore(DROPPING.replace(why));
    drop(message);
    drop(restore);
}

/// Right and duty to answer once. Dropping it tells the asker that no answer will come.
pub struct Reply<R: Send + 'static>(Option<Sink<R>>);

enum Sink<R> {
    Channel(oneshot::Sender<Result<R, NoReply>>),
    Function(Box<dyn FnOnce(Option<R>) + Send>),
}

impl<R: Send + 'static> Reply<R> {
    /// A reply and the future of its answer, for use without [`crate::ActorRef::ask`].
    #[inline]
    pub fn channel() -> (Reply<R>, ReplyFuture<R>) {
        let (sender, receiver) = oneshot::channel();
        (Reply(Some(Sink::Channel(sender))), ReplyFuture { receiver })
    }

    /// A reply that calls `answer`: with `Some` when sent, with `None` when dropped. It runs where the answer is given, so it must be short and must not panic.
    pub fn from_fn(answer: Box<dyn FnOnce(Option<R>) + Send>) -> Reply<R> {
        Reply(Some(Sink::Function(answer)))
    }

    /// Answers. If nobody waits any more the answer is dropped.
    #[inline]
    pub fn send(mut self, answer: R) {
        match self.0.take() {
            Some(Sink::Channel(sender)) => drop(sender.send(Ok(answer))),
            Some(Sink::Function(function)) => function(Some(answer)),
            None => {}
        }
    }

    /// Whether the asker has given up (known for channels only).
    pub fn is_abandoned(&self) -> bool {
        matches!(&self.0, Some(Sink::Channel(sender)) if sender.is_closed())
    }
}

impl<R: Send + 'static> Drop for Reply<R> {
    #[inline]
    fn drop(&mut self) {
        match self.0.take() {
            Some(Sink::Channel(sender)) => {
                let why = DROPPING.get();
                // Dropping the sender says "unanswered" by itself.
                if why != NoReply::Unanswered {
                    drop(sender.send(Err(why)));
                }
            }
            Some(Sink::Function(function)) => function(None),
            None => {}
        }
    }
}

impl<R: Send + 'static> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// Future of an answer, without a deadline.
#[derive(Debug)]
pub struct ReplyFuture<R> {
    receiver: oneshot::Receiver<Result<R, NoReply>>,
}

impl<R> Future for ReplyFuture<R> {
    type Output = Result<R, NoReply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(cx).map(|received| received.unwrap_or(Err(NoReply::Unanswered)))
    }
}

/// Future of an answer to [`crate::ActorRef::ask`].
///
/// It is moved about for every ask, so it is kept small and flat.
pub struct AskFuture<R> {
    path: Path,
    reply: Pending<R>,
    deadline: Deadline,
}

enum Pending<R> {
    Waiting(ReplyFuture<R>),
    /// the mailbox was full
    Full,
    Gone,
}

impl<R: Send + 'static> AskFuture<R> {
    #[inline]
    pub(crate) fn waiting(path: Path, reply: ReplyFuture<R>, after: Duration) -> AskFuture<R> {
        AskFuture { path, reply: Pending::Waiting(reply), deadline: Deadline::new(after) }
    }

    #[cold]
    pub(crate) fn refused(path: Path, is_full: bool) -> AskFuture<R> {
        let reply = if is_full { Pending::Full } else { Pending::Gone };
        AskFuture { path, reply, deadline: Deadline::new(Duration::MAX) }
    }
}

impl<R> AskFuture<R> {
    #[cold]
    fn unanswered(&self, why: NoReply) -> AskError {
        let path = self.path.clone();
        match why {
            NoReply::Unanswered => AskError::Unanswered { path },
            NoReply::Gone => AskError::Gone { path },
            NoReply::Poison => AskError::Poison { path },
        }
    }
}

impl<R> Future for AskFuture<R> {
    type Output = Result<R, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let reply = match &mut this.reply {
            Pending::Waiting(reply) => reply,
            Pending::Full => return Poll::Ready(Err(AskError::Full { path: this.path.clone() })),
            Pending::Gone => return Poll::Ready(Err(AskError::Gone { path: this.path.clone() })),
        };
        match Pin::new(reply).poll(cx) {
            Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
            Poll::Ready(Err(why)) => Poll::Ready(Err(this.unanswered(why))),
            Poll::Pending if this.deadline.poll(cx).is_ready() => {
                let after = this.deadline.after();
                Poll::Ready(Err(AskError::Timeout { path: this.path.clone(), after }))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_reply_by_function_hears_of_the_answer_and_of_its_absence() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        for answer in [true, false] {
            let seen = seen.clone();
            let reply = Reply::from_fn(Box::new(move |given: Option<u32>| {
                seen.lock().expect("not poisoned").push(given);
            }));
            if answer {
                reply.send(7);
            }
        }
        assert_eq!(*seen.lock().expect("not poisoned"), [Some(7), None]);
    }

    #[tokio::test]
    async fn a_dropped_reply_tells_why() {
        let (reply, answer) = Reply::<u32>::channel();
        drop(reply);
        assert_eq!(answer.await, Err(NoReply::Unanswered));
        let (reply, answer) = Reply::<u32>::channel();
        drop_undelivered(reply, NoReply::Poison);
        assert_eq!(answer.await, Err(NoReply::Poison));
        let (reply, answer) = Reply::<u32>::channel();
        reply.send(1);
        assert_eq!(answer.await, Ok(1));
    }
}
