//! The supervisor actor: hears from its children, asks the machine, performs what it decides.

use std::{collections::HashMap, fmt, future::Future, sync::Arc};

use crate::{
    Actor, ActorRef, ChildSpec, Context, Env, Failure, Message, Path, Reply, Stopping, SupervisorSpec,
    event::Event,
    machine::{Alarm, ChildKey, Effect, Exit, Machine},
    record::{Control, Entry},
    root::RootSlot,
    spec::Place,
};

/// Why a child or a system was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error("{path} failed to start: {reason}")]
    Failed { path: Path, reason: String },
    #[error("{path} exists already")]
    Exists { path: Path },
    #[error("{name} was stopped before it was up")]
    Stopped { name: String },
    #[error("supervisor {path} is gone")]
    SupervisorGone { path: Path },
    #[error("no thread for arbiter {arbiter}: {reason}")]
    Thread { arbiter: usize, reason: String },
}

/// Why a child was not stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    #[error("{path} is not known to its supervisor")]
    Unknown { path: Path },
    #[error("supervisor {path} is gone")]
    SupervisorGone { path: Path },
}

/// A child that is up.
#[derive(Clone)]
pub struct StartedChild {
    entry: Arc<dyn Entry>,
    incarnation: u64,
}

impl StartedChild {
    pub fn path(&self) -> &Path {
        &self.entry.record().path
    }

    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The reference; `None` when the child does not take messages `M`.
    pub fn reference<M: Message>(&self) -> Option<ActorRef<M>> {
        self.entry.clone().into_any().downcast().ok().map(ActorRef::new)
    }
}

impl fmt::Debug for StartedChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartedChild({}#{})", self.path(), self.incarnation)
    }
}

/// Reference to a supervisor, to start and stop children at run time.
#[derive(Clone, Debug)]
pub struct SupervisorRef(ActorRef<SupervisorMessage>);

impl SupervisorRef {
    pub(crate) fn new(reference: ActorRef<SupervisorMessage>) -> SupervisorRef {
        SupervisorRef(reference)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Adds a child and waits until it is up. If its first start fails it is removed again; that does not count against the intensity.
    ///
    /// The request is sent at once, not at the first poll.
    pub fn start_child(
        &self,
        spec: ChildSpec,
    ) -> impl Future<Output = Result<StartedChild, StartError>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        let path = self.path().clone();
        // If it is refused, the reply is dropped, and that is seen below.
        drop(self.0.tell(SupervisorMessage::Start { spec: Box::new(spec), reply: Some(reply) }));
        async move { answer.await.unwrap_or(Err(StartError::SupervisorGone { path })) }
    }

    /// Adds a child that is restarted by its spec even if its first start fails. `false` when the supervisor is gone or flooded.
    pub fn start_child_and_forget(&self, spec: ChildSpec) -> bool {
        self.0.tell(SupervisorMessage::Start { spec: Box::new(spec), reply: None }).is_ok()
    }

    /// Stops a child in an orderly way, or by force after its timeout, and forgets it.
    ///
    /// The request is sent at once, not at the first poll.
    pub fn stop_child(&self, name: &str) -> impl Future<Output = Result<(), StopError>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        let path = self.path().clone();
        drop(self.0.tell(SupervisorMessage::Stop { name: name.into(), reply }));
        async move { answer.await.unwrap_or(Err(StopError::SupervisorGone { path })) }
    }
}

/// Whom a cell reports to.
#[derive(Clone)]
pub(crate) enum Parent {
    Supervisor(ActorRef<SupervisorMessage>),
    Root(Arc<RootSlot>),
}

impl Parent {
    pub(crate) fn report(&self, report: Report) {
        match self {
            // A supervisor that is gone has told its children to go too.
            Parent::Supervisor(supervisor) => {
                drop(supervisor.door().post_own(SupervisorMessage::Report(report)));
            }
            Parent::Root(root) => root.report(report),
        }
    }

    pub(crate) fn supervisor(&self) -> Option<SupervisorRef> {
        match self {
            Parent::Supervisor(supervisor) => Some(SupervisorRef(supervisor.clone())),
            Parent::Root(_) => None,
        }
    }
}

pub(crate) struct Report {
    pub(crate) key: ChildKey,
    pub(crate) news: News,
}

pub(crate) enum News {
    Started,
    Exited(Exit),
}

impl Report {
    pub(crate) fn started(key: ChildKey) -> Report {
        Report { key, news: News::Started }
    }

    pub(crate) fn exited(key: ChildKey, exit: Exit) -> Report {
        Report { key, news: News::Exited(exit) }
    }
}

pub(crate) enum SupervisorMessage {
    Report(Report),
    Alarm(Alarm),
    Start { spec: Box<ChildSpec>, reply: Option<Reply<Result<StartedChild, StartError>>> },
    Stop { name: Box<str>, reply: Reply<Result<(), StopError>> },
}

impl Message for SupervisorMessage {
    fn name(&self) -> &'static str {
        match self {
            SupervisorMessage::Report(_) => "Report",
            SupervisorMessage::Alarm(_) => "Alarm",
            SupervisorMessage::Start { .. } => "StartChild",
            SupervisorMessage::Stop { .. } => "StopChild",
        }
    }
}

pub(crate) struct Supervisor {
    machine: Machine,
    /// boxed, since a table keeps room for more than it holds
    children: HashMap<ChildKey, Box<Child>>,
    names: HashMap<Arc<str>, ChildKey>,
    spec: Arc<SupervisorSpec>,
}

struct Child {
    name: Arc<str>,
    spec: ChildSpec,
    handle: Option<ChildHandle>,
    start_reply: Option<Reply<Result<StartedChild, StartError>>>,
    stop_replies: Vec<Reply<Result<(), StopError>>>,
}

/// Dropping it takes the child along: so a supervisor that dies takes its subtree.
struct ChildHandle {
    entry: Arc<dyn Entry>,
    released: bool,
}

impl ChildHandle {
    fn order(&self, order: Control) {
        self.entry.record().control(order);
    }

    fn release(mut self) {
        // Closed here already: who is told that the child has stopped finds it gone, whatever its arbiter is busy with.
        self.entry.record().credits.close();
        self.order(Control::Release);
        self.released = true;
    }
}

impl Drop for ChildHandle {
    fn drop(&mut self) {
        if !self.released {
            self.order(Control::Terminate);
        }
    }
}

impl Supervisor {
    pub(crate) fn new(spec: Arc<SupervisorSpec>, env: &Env) -> Supervisor {
        // Each incarnation and each supervisor draws its own jitter, repeatably.
        let seed = env.system().seed() ^ env.incarnation().rotate_left(32);
        Supervisor {
            machine: Machine::new(spec.kind, spec.intensity, spec.backoff, seed),
            children: HashMap::new(),
            names: HashMap::new(),
            spec,
        }
    }

    fn adopt(&mut self, key: ChildKey, spec: ChildSpec) -> bool {
        let name = spec.shared_name();
        if self.names.contains_key(&name) {
            return false;
        }
        self.names.insert(name.clone(), key);
        self.children
            .insert(key, Box::new(Child { name, spec, handle: None, start_reply: None, stop_replies: Vec::new() }));
        true
    }

    fn perform(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::Start(key) => self.spawn(key, ctx),
                Effect::Restart(key) => self.order(key, Control::Restart),
                Effect::Stop(key) => self.order(key, Control::Stop),
                Effect::Kill(key) => self.order(key, Control::Kill),
                Effect::Release { key, forget } => self.release(key, forget),
                Effect::Schedule { alarm, after } => {
                    ctx.schedule(after, SupervisorMessage::Alarm(alarm));
                }
                Effect::TellStarted(key) => self.tell_started(key),
                Effect::TellStartFailed { key, reason } => {
                    self.tell_start_failed(key, reason, ctx.path());
                }
                // Answered when the child was released, just before.
                Effect::TellStopped(_) => {}
                Effect::Ready => ctx.start_held = false,
                Effect::Halted => ctx.stop(),
                Effect::Escalate(reason) => {
                    ctx.system().emit(|| Event::Escalated { path: ctx.path().clone(), reason: reason.clone() });
                    ctx.fail(reason);
                }
            }
        }
    }

    fn spawn(&mut self, key: ChildKey, ctx: &Context<Self>) {
        if let Some(child) = self.children.get_mut(&key) {
            let place = Place { path: Some(ctx.path()), arbiter: ctx.arbiter(), system: ctx.system() };
            let entry = child.spec.spawn(Parent::Supervisor(ctx.myself()), key, place);
            child.handle = Some(ChildHandle { entry, released: false });
        }
    }

    fn order(&self, key: ChildKey, order: Control) {
        if let Some(handle) = self.children.get(&key).and_then(|c| c.handle.as_ref()) {
            handle.order(order);
        }
    }

    fn release(&mut self, key: ChildKey, forget: bool) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        if let Some(handle) = child.handle.take() {
            handle.release();
        }
        if !forget {
            return;
        }
        if let Some(child) = self.children.remove(&key) {
            self.names.remove(&child.name);
            if let Some(reply) = child.start_reply {
                reply.send(Err(StartError::Stopped { name: child.name.to_string() }));
            }
            for reply in child.stop_replies {
                reply.send(Ok(()));
            }
        }
    }

    fn tell_started(&mut self, key: ChildKey) {
        if let Some(child) = self.children.get_mut(&key)
            && let Some(handle) = &child.handle
            && let Some(reply) = child.start_reply.take()
        {
            reply.send(Ok(StartedChild {
                entry: handle.entry.clone(),
                incarnation: handle.entry.record().incarnation(),
            }));
        }
    }

    fn tell_start_failed(&mut self, key: ChildKey, reason: String, path: &Path) {
        let Some(child) = self.children.get_mut(&key) else {
            return;
        };
        if let Some(reply) = child.start_reply.take() {
            reply.send(Err(StartError::Failed { path: path.join(&child.name), reason }));
        }
        // Refused without ever being known to the machine: nothing will release it.
        if child.handle.is_none() {
            self.release(key, true);
        }
    }

    fn start_child(
        &mut self,
        spec: ChildSpec,
        reply: Option<Reply<Result<StartedChild, StartError>>>,
        ctx: &mut Context<Self>,
    ) {
        let key = ChildKey(ctx.system().next_id());
        let (path, policy) = (ctx.path().join(spec.name()), spec.policy());
        if !self.adopt(key, spec) {
            if let Some(reply) = reply {
                reply.send(Err(StartError::Exists { path }));
            }
            return;
        }
        let on_trial = reply.is_some();
        if let Some(child) = self.children.get_mut(&key) {
            child.start_reply = reply;
        }
        let effects = self.machine.start_child(key, policy, on_trial);
        self.perform(effects, ctx);
    }

    fn stop_child(&mut self, name: &str, reply: Reply<Result<(), StopError>>, ctx: &mut Context<Self>) {
        let known = self.names.get(name).copied();
        let Some((key, child)) = known.and_then(|key| Some((key, self.children.get_mut(&key)?))) else {
            reply.send(Err(StopError::Unknown { path: ctx.path().join(name) }));
            return;
        };
        child.stop_replies.push(reply);
        let effects = self.machine.stop_child(key);
        self.perform(effects, ctx);
    }
}

impl Actor for Supervisor {
    type Message = SupervisorMessage;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        // Up when the children are: whoever comes after us may depend on them.
        ctx.start_held = true;
        let spec = self.spec.clone();
        for child in &spec.children {
            let key = ChildKey(ctx.system().next_id());
            if !self.adopt(key, child.clone()) {
                return Err(Failure::new(format!("two children named {}", child.name())));
            }
            self.machine.add(key, child.policy());
        }
        let effects = self.machine.begin();
        self.perform(effects, ctx);
        Ok(())
    }

    fn handle(&mut self, message: SupervisorMessage, ctx: &mut Context<Self>) -> Result<(), Failure> {
        match message {
            SupervisorMessage::Report(report) => {
                let effects = match &report.news {
                    News::Started => self.machine.started(report.key, ctx.now()),
                    News::Exited(exit) => self.machine.exited(report.key, exit, ctx.now()),
                };
                self.perform(effects, ctx);
            }
            SupervisorMessage::Alarm(alarm) => {
                let effects = self.machine.expired(alarm, ctx.now());
                self.perform(effects, ctx);
            }
            SupervisorMessage::Start { spec, reply } => self.start_child(*spec, reply, ctx),
            SupervisorMessage::Stop { name, reply } => self.stop_child(&name, reply, ctx),
        }
        Ok(())
    }

    fn stopping(&mut self, ctx: &mut Context<Self>) -> Stopping {
        let effects = self.machine.halt();
        self.perform(effects, ctx);
        Stopping::Draining
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        vec![("children", self.children.len().to_string())]
    }
}
