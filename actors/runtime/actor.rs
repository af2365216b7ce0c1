//! What a user writes: messages and the actors that handle them.

use serde::Serialize;

use crate::{Context, Failure, Path};

/// What can be told to an actor.
pub trait Message: Send + 'static {
    /// Bytes this message holds in memory; counted against the byte credits of the mailbox.
    fn weight(&self) -> usize {
        0
    }

    /// Name for failure counting and inspection; for an enum, best one name per variant.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Recognises the same request when it is sent again, so that it can be refused once it has killed its receiver too often.
    ///
    /// With `None` only [`Message::name`] is compared, and any success of that name clears its count.
    fn fingerprint(&self) -> Option<u64> {
        None
    }

    /// Whether failures over this message may be its own fault. `false` for what the actor sends to itself and waits for,
    /// such as the end of its own write: if that were refused, it would wait for ever.
    fn may_be_poison(&self) -> bool {
        true
    }
}

impl Message for () {}

/// State and behaviour; one incarnation lives from `started` to `stopped` or to a failure, after which the factory of its spec builds the next.
pub trait Actor: Sized + 'static {
    type Message: Message;

    /// Runs before the first message. An error or a panic is a failed start.
    fn started(&mut self, _ctx: &mut Context<Self>) -> Result<(), Failure> {
        Ok(())
    }

    /// Handles one message. An error or a panic ends this incarnation; the supervisor decides what follows.
    fn handle(&mut self, message: Self::Message, ctx: &mut Context<Self>) -> Result<(), Failure>;

    /// Death watch; comes ahead of queued messages.
    fn signal(&mut self, _signal: Signal, _ctx: &mut Context<Self>) -> Result<(), Failure> {
        Ok(())
    }

    /// Asked to stop. With [`Stopping::Draining`] messages go on being handled until the actor calls [`Context::stop`] or its stop timeout has passed.
    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Stopping {
        Stopping::Now
    }

    /// Last hook of an orderly stop. Not called after a failure or a kill: put nothing here that durability needs.
    fn stopped(&mut self) {}

    /// A few observable values for the inspector.
    fn snapshot(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What the actor keeps that is worth a line of its own below it in the tree, though it is no actor.
    fn parts(&self) -> Vec<Part> {
        Vec::new()
    }
}

/// One thing that an actor keeps, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// unique in its actor
    pub name: String,
    pub fields: Vec<(&'static str, String)>,
}

/// Answer to the request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopping {
    /// Stop at once; what is queued becomes dead letters.
    Now,
    /// Go on handling messages until [`Context::stop`].
    Draining,
}

/// What the runtime tells an actor about others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The watched incarnation has ended, or there was none. Sent once per [`Context::watch`]; watch again for the next incarnation.
    Down {
        path: Path,
        /// `None` when nothing was running there
        incarnation: Option<u64>,
        reason: DownReason,
    },
}

/// How a watched actor ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum DownReason {
    /// No actor was running under that path.
    NotRunning,
    Stopped,
    Failed(String),
    Killed,
    /// Its arbiter went away.
    Lost,
}
