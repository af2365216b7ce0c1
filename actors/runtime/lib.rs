//! Supervised, named, bounded actors on actix.
//!
//! An [`Actor`] handles messages one at a time on one arbiter (thread). A [`ChildSpec`] says how it is built and kept alive, a [`SupervisorSpec`] what happens to its
//! siblings when it fails; a [`System`] runs the tree. An [`ActorRef`] names an actor, survives its restarts, and refuses a message rather than letting a queue grow.

mod actor;
mod arbiter;
mod backoff;
mod cell;
mod clock;
mod context;
mod credits;
mod deadline;
mod event;
mod failure;
mod host;
mod inbox;
mod inspect;
mod machine;
mod panics;
mod path;
mod poison;
mod queue;
mod record;
mod reference;
mod registry;
mod reply;
mod root;
mod seat;
mod spec;
mod supervisor;
mod system;
mod tasks;
pub mod testkit;
mod timers;
mod watchdog;

pub use actor::{Actor, DownReason, Message, Part, Signal, Stopping};
pub use backoff::{Backoff, Intensity};
pub use clock::{Clock, Tick};
pub use context::Context;
pub use credits::Limits;
pub use event::{DeadLetterReason, DeadLetters, Event, Events, EventsError};
pub use failure::{Failure, FailureInfo};
pub use inspect::{ActorInfo, Current};
pub use panics::install_quiet_panic_hook;
pub use path::{Path, PathError};
pub use record::ActorState;
pub use reference::{ActorRef, SendError, TellWaiting};
pub use reply::{AskError, AskFuture, NoReply, Reply, ReplyFuture};
pub use spec::{ChildSpec, Env, Placement, Restart, Strategy, SupervisorSpec};
pub use supervisor::{StartError, StartedChild, StopError, SupervisorRef};
pub use system::{Options, System, SystemStopError, Task};
pub use timers::TimerKey;
