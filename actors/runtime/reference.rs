//! References to actors: by name, cheap to clone, good across restarts, refusing rather than growing.

use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    ActorState, AskFuture, Message, NoReply, Path, Reply,
    credits::{Acquired, Refusal, Wait, clamp_weight},
    event::DeadLetterReason,
    queue::{Parcel, Queue},
    record::{Entry, Record},
    reply::drop_undelivered,
};

/// Where the messages of one actor go in. Outlives restarts; closed when the actor is gone for good.
pub(crate) struct Door<M: Message> {
    record: Record,
    queue: Queue<M>,
    /// the door of the same path that was found after this one had closed
    successor: Mutex<Weak<Door<M>>>,
}

impl<M: Message> Door<M> {
    pub(crate) fn new(record: Record) -> Door<M> {
        Door { record, queue: Queue::new(), successor: Mutex::new(Weak::new()) }
    }

    #[inline]
    fn post(&self, message: M, weight: u32, acquired: Acquired) {
        let at_ms = self.record.system.clock().coarse_ms32();
        if acquired.was_empty {
            self.record.oldest_ms.store(at_ms, Relaxed);
        }
        let is_local = || self.record.system.is_on(self.record.arbiter);
        if let Err(parcel) = self.queue.push(Parcel { message, weight, at_ms }, is_local) {
            self.bury(parcel);
        }
    }

    pub(crate) fn queue(&self) -> &Queue<M> {
        &self.queue
    }

    /// For a message that got its credits just before the door closed, and came after the last look of the cell.
    #[cold]
    pub(crate) fn bury(&self, parcel: Parcel<M>) {
        let Parcel { message, weight, .. } = parcel;
        self.record.system.note_dead_letter(&self.record, message.name(), DeadLetterReason::Stopped);
        drop_undelivered(message, NoReply::Gone);
        self.record.credits.release(1, u64::from(weight));
    }

    /// Delivers the actor's own message beyond its limits; gives it back when the actor is gone.
    pub(crate) fn post_own(&self, message: M) -> Result<(), M> {
        let weight = clamp_weight(message.weight());
        match self.record.credits.acquire_own(weight) {
            Ok(acquired) => {
                self.post(message, weight, acquired);
                Ok(())
            }
            Err(_) => Err(message),
        }
    }
}

impl<M: Message> Entry for Door<M> {
    fn record(&self) -> &Record {
        &self.record
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// Why a message was not taken; gives it back.
#[derive(thiserror::Error)]
pub enum SendError<M> {
    #[error("mailbox of {path} is full")]
    Full { path: Path, message: M },
    #[error("{path} is gone")]
    Gone { path: Path, message: M },
}

impl<M> SendError<M> {
    pub fn into_message(self) -> M {
        match self {
            SendError::Full { message, .. } | SendError::Gone { message, .. } => message,
        }
    }

    pub fn is_full(&self) -> bool {
        matches!(self, SendError::Full { .. })
    }

    pub fn path(&self) -> &Path {
        match self {
            SendError::Full { path, .. } | SendError::Gone { path, .. } => path,
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = if self.is_full() { "Full" } else { "Gone" };
        write!(f, "{variant} {{ path: {} }}", self.path())
    }
}

/// Named reference to an actor that takes messages `M`.
///
/// It survives restarts in place; once the actor behind it is gone for good, each use looks the path up again.
pub struct ActorRef<M: Message> {
    door: Arc<Door<M>>,
}

impl<M: Message> ActorRef<M> {
    pub(crate) fn new(door: Arc<Door<M>>) -> ActorRef<M> {
        ActorRef { door }
    }

    pub(crate) fn door(&self) -> &Arc<Door<M>> {
        &self.door
    }

    pub fn path(&self) -> &Path {
        &self.door.record.path
    }

    /// Puts `message` into the mailbox; never blocks. Messages of one sender arrive in order.
    #[inline]
    pub fn tell(&self, message: M) -> Result<(), SendError<M>> {
        let weight = clamp_weight(message.weight());
        match self.door.record.credits.acquire(weight) {
            Ok(acquired) => {
                self.door.post(message, weight, acquired);
                Ok(())
            }
            Err(refusal) => self.tell_slowly(message, weight, refusal),
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_slowly(&self, message: M, weight: u32, refusal: Refusal) -> Result<(), SendError<M>> {
        if refusal == Refusal::Full {
            self.door.record.system.note_overload(&self.door.record);
            return Err(SendError::Full { path: self.path().clone(), message });
        }
        let Some(door) = self.live() else {
            self.note_dead_letter(message.name());
            return Err(SendError::Gone { path: self.path().clone(), message });
        };
        match door.record.credits.acquire(weight) {
            Ok(acquired) => {
                door.post(message, weight, acquired);
                Ok(())
            }
            Err(Refusal::Full) => {
                door.record.system.note_overload(&door.record);
                Err(SendError::Full { path: self.path().clone(), message })
            }
            Err(Refusal::Closed) => {
                self.note_dead_letter(message.name());
                Err(SendError::Gone { path: self.path().clone(), message })
            }
        }
    }

    fn note_dead_letter(&self, name: &'static str) {
        let record = &self.door.record;
        record.system.note_dead_letter(record, name, DeadLetterReason::Gone);
    }

    /// Puts `message` into the mailbox as soon as there is room; first come, first served among those who wait.
    ///
    /// Fails with [`SendError::Gone`] only. Dropping the future before it is done takes the message back.
    pub fn tell_waiting(&self, message: M) -> TellWaiting<M> {
        let weight = clamp_weight(message.weight());
        TellWaiting {
            door: self.live().unwrap_or_else(|| self.door.clone()),
            message: Some(message),
            weight,
            ticket: None,
        }
    }

    /// Gives the actor an answer that it asked for: taken beyond the mailbox limits, since whoever asks bounds what is asked.
    ///
    /// Fails with [`SendError::Gone`] only.
    pub fn tell_answer(&self, message: M) -> Result<(), SendError<M>> {
        let message = match self.door.post_own(message) {
            Ok(()) => return Ok(()),
            Err(message) => message,
        };
        let refused = match self.live() {
            Some(door) => door.post_own(message),
            None => Err(message),
        };
        refused.map_err(|message| {
            self.note_dead_letter(message.name());
            SendError::Gone { path: self.path().clone(), message }
        })
    }

    /// Sends the message that `make` builds around a reply, and waits for the answer for at most `deadline`.
    ///
    /// The deadline runs from the first poll and may fire a few milliseconds late. After [`AskError::Timeout`] the message may still be handled.
    #[inline]
    pub fn ask<R: Send + 'static>(&self, deadline: Duration, make: impl FnOnce(Reply<R>) -> M) -> AskFuture<R> {
        let (reply, answer) = Reply::channel();
        match self.tell(make(reply)) {
            Ok(()) => AskFuture::waiting(self.path().clone(), answer, deadline),
            Err(error) => AskFuture::refused(self.path().clone(), error.is_full()),
        }
    }

    /// Whether something lives under this path (running, or between two incarnations).
    pub fn is_alive(&self) -> bool {
        self.live().is_some()
    }

    /// Messages queued or in hand.
    pub fn depth(&self) -> usize {
        self.live().map_or(0, |door| door.record.credits.messages())
    }

    pub fn state(&self) -> ActorState {
        self.live().map_or(ActorState::Gone, |door| door.record.state())
    }

    pub fn incarnation(&self) -> u64 {
        self.live().map_or(0, |door| door.record.incarnation())
    }

    /// The open door of this path, looked up again when ours has closed.
    fn live(&self) -> Option<Arc<Door<M>>> {
        if !self.door.record.credits.is_closed() {
            return Some(self.door.clone());
        }
        let mut successor = self.door.successor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = successor.upgrade()
            && !door.record.credits.is_closed()
        {
            return Some(door);
        }
        // A closed door stays registered until its cell has buried what was queued.
        let found =
            self.door.record.system.resolve::<M>(self.path()).filter(|found| !found.door.record.credits.is_closed())?;
        *successor = Arc::downgrade(&found.door);
        Some(found.door)
    }
}

impl<M: Message> Clone for ActorRef<M> {
    fn clone(&self) -> ActorRef<M> {
        ActorRef { door: self.door.clone() }
    }
}

impl<M: Message> fmt::Debug for ActorRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorRef({})", self.path())
    }
}

/// Future of [`ActorRef::tell_waiting`].
pub struct TellWaiting<M: Message> {
    door: Arc<Door<M>>,
    message: Option<M>,
    weight: u32,
    ticket: Option<u64>,
}

// Nothing in it is pinned.
impl<M: Message> Unpin for TellWaiting<M> {}

impl<M: Message> Future for TellWaiting<M> {
    type Output = Result<(), SendError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let record = &this.door.record;
        let wait = match this.ticket {
            None => match record.credits.acquire(this.weight) {
                Ok(acquired) => Wait::Acquired(acquired),
                Err(_) => record.credits.poll_wait(&mut this.ticket, this.weight, cx.waker()),
            },
            Some(_) => record.credits.poll_wait(&mut this.ticket, this.weight, cx.waker()),
        };
        match wait {
            Wait::Pending => Poll::Pending,
            Wait::Acquired(acquired) => {
                let message = this.message.take().expect("a future is not polled after its end");
                this.door.post(message, this.weight, acquired);
                Poll::Ready(Ok(()))
            }
            Wait::Closed => {
                let message = this.message.take().expect("a future is not polled after its end");
                record.system.note_dead_letter(record, message.name(), DeadLetterReason::Gone);
                Poll::Ready(Err(SendError::Gone { path: record.path.clone(), message }))
            }
        }
    }
}

impl<M: Message> Drop for TellWaiting<M> {
    fn drop(&mut self) {
        self.door.record.credits.abandon(&mut self.ticket);
    }
}
