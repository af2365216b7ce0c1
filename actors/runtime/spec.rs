//! Specifications: what a supervisor has to keep alive, and how.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    Actor, Failure, Limits, Path, System, Tick,
    backoff::{Backoff, Intensity},
    cell::{Cell, Seed},
    inbox::Inbox,
    machine::{ChildKey, Exit, Policy},
    poison::PoisonLimits,
    record::{Entry, NewRecord, Record},
    reference::Door,
    supervisor::{Parent, Report, Supervisor},
};

/// Which arbiter (thread) an actor lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Placement {
    /// The system arbiter: supervisors, registry users, control.
    System,
    /// Data arbiter of this number, modulo their count.
    Data(usize),
    /// The arbiter of the parent.
    Inherit,
    /// The data arbiters in turn.
    Any,
}

/// Whether an ended child is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After a failure only.
    Transient,
    /// Never.
    Temporary,
}

/// Who is restarted together with a failed child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Strategy {
    OneForOne,
    OneForAll,
    /// The failed child and those started after it.
    RestForOne,
}

/// What a factory may know when it builds an incarnation.
#[derive(Debug, Clone)]
pub struct Env {
    path: Path,
    system: System,
    incarnation: u64,
    arbiter: usize,
}

impl Env {
    pub(crate) fn new(path: Path, system: System, incarnation: u64, arbiter: usize) -> Env {
        Env { path, system, incarnation, arbiter }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn system(&self) -> &System {
        &self.system
    }

    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub fn arbiter(&self) -> usize {
        self.arbiter
    }

    pub fn now(&self) -> Tick {
        self.system.clock().now()
    }
}

pub(crate) type Factory<A> = dyn Fn(&Env) -> Result<A, Failure> + Send + Sync;

/// Workers get this long to stop before they are killed, unless their spec says otherwise (OTP's default).
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Supervisors' requests come from everywhere and are small.
const SUPERVISOR_LIMITS: Limits = Limits::new(1_000_000, 64 << 20);

/// One child of a supervisor.
#[derive(Clone)]
pub struct ChildSpec {
    name: Arc<str>,
    blueprint: Arc<dyn Blueprint>,
    restart: Restart,
    stop_timeout: Duration,
    limits: Limits,
    placement: Placement,
    poison: PoisonLimits,
}

impl ChildSpec {
    /// An actor built by `factory`: at each start anew, from durable state, never from what the failed one left.
    ///
    /// Defaults: permanent, default [`Limits`], the parent's arbiter, 5 s to stop, poison after 3 failures for 30 s.
    pub fn worker<A: Actor>(
        name: impl AsRef<str>,
        factory: impl Fn(&Env) -> Result<A, Failure> + Send + Sync + 'static,
    ) -> ChildSpec {
        ChildSpec {
            name: name.as_ref().into(),
            blueprint: Arc::new(Worker::<A> { factory: Arc::new(factory), strategy: None }),
            restart: Restart::Permanent,
            stop_timeout: STOP_TIMEOUT,
            limits: Limits::default(),
            placement: Placement::Inherit,
            poison: PoisonLimits::default(),
        }
    }

    /// A supervisor. It has as long to stop as its children need.
    pub fn supervisor(spec: SupervisorSpec) -> ChildSpec {
        let strategy = match spec.kind {
            Kind::Static(Strategy::OneForOne) => "one_for_one",
            Kind::Static(Strategy::OneForAll) => "one_for_all",
            Kind::Static(Strategy::RestForOne) => "rest_for_one",
            Kind::Pool => "pool",
        };
        let spec = Arc::new(spec);
        ChildSpec {
            name: spec.name.clone(),
            blueprint: Arc::new(Worker::<Supervisor> {
                factory: Arc::new(move |env| Ok(Supervisor::new(spec.clone(), env))),
                strategy: Some(strategy),
            }),
            restart: Restart::Permanent,
            stop_timeout: Duration::MAX,
            limits: SUPERVISOR_LIMITS,
            placement: Placement::Inherit,
            poison: PoisonLimits { after: 0, ..PoisonLimits::default() },
        }
    }

    pub fn restart(mut self, restart: Restart) -> ChildSpec {
        self.restart = restart;
        self
    }

    pub fn limits(mut self, limits: Limits) -> ChildSpec {
        self.limits = limits;
        self
    }

    pub fn placement(mut self, placement: Placement) -> ChildSpec {
        self.placement = placement;
        self
    }

    /// Time between the request to stop and the kill; `Duration::MAX` waits for ever, zero kills at once.
    pub fn stop_timeout(mut self, timeout: Duration) -> ChildSpec {
        self.stop_timeout = timeout;
        self
    }

    /// Failures after which a message is refused as poison; 0 never refuses.
    pub fn poison_after(mut self, failures: u32) -> ChildSpec {
        self.poison.after = failures;
        self
    }

    /// How long a poison message is refused before it is tried again.
    pub fn quarantine(mut self, period: Duration) -> ChildSpec {
        self.poison.quarantine = period;
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy { restart: self.restart, stop_timeout: self.stop_timeout }
    }

    /// Creates the cell under `parent` and sends it to its arbiter, where it starts by itself.
    pub(crate) fn spawn(&self, parent: Parent, key: ChildKey, place: Place<'_>) -> Arc<dyn Entry> {
        let path = match place.path {
            Some(parent) => parent.join(&self.name),
            None => Path::root(&self.name),
        };
        let arbiter = place.system.place(self.placement, place.arbiter);
        self.blueprint.spawn(Birth {
            path,
            key,
            parent,
            system: place.system,
            arbiter,
            limits: self.limits,
            poison: self.poison,
        })
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("name", &self.name)
            .field("restart", &self.restart)
            .field("placement", &self.placement)
            .finish_non_exhaustive()
    }
}

/// Where the parent is.
pub(crate) struct Place<'a> {
    pub(crate) path: Option<&'a Path>,
    pub(crate) arbiter: usize,
    pub(crate) system: &'a System,
}

struct Birth<'a> {
    path: Path,
    key: ChildKey,
    parent: Parent,
    system: &'a System,
    arbiter: usize,
    limits: Limits,
    poison: PoisonLimits,
}

trait Blueprint: Send + Sync {
    fn spawn(&self, birth: Birth<'_>) -> Arc<dyn Entry>;
}

struct Worker<A: Actor> {
    factory: Arc<Factory<A>>,
    strategy: Option<&'static str>,
}

impl<A: Actor> Blueprint for Worker<A> {
    fn spawn(&self, birth: Birth<'_>) -> Arc<dyn Entry> {
        let system = birth.system;
        let record = Record::new(NewRecord {
            path: birth.path,
            kind: short_type_name::<A>(),
            strategy: self.strategy,
            arbiter: birth.arbiter,
            limits: birth.limits,
            system: system.clone(),
        });
        let door = Arc::new(Door::new(record));
        let entry: Arc<dyn Entry> = door.clone();
        let predecessor = system.register(entry.clone());
        let lost = birth.parent.clone();
        let seed = Seed {
            inbox: Inbox::new(door.clone()),
            door,
            factory: self.factory.clone(),
            parent: birth.parent,
            key: birth.key,
            predecessor,
            poison: birth.poison,
            pulse: system.pulse(birth.arbiter),
        };
        let taken = system.run_on(birth.arbiter, move || {
            drop(tokio::task::spawn_local(Cell::new(seed)));
        });
        if !taken {
            // The arbiter has stopped: so has the system, or nearly.
            lost.report(Report::exited(birth.key, Exit::Lost));
        }
        entry
    }
}

/// `callboard::partition::Leader<X>` as `Leader<X>`.
fn short_type_name<A>() -> &'static str {
    let name = std::any::type_name::<A>();
    let end = name.find('<').unwrap_or(name.len());
    let start = name[..end].rfind("::").map_or(0, |at| at + 2);
    &name[start..]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Static(Strategy),
    Pool,
}

/// A supervisor: its children in the order in which they are started, and when it gives up.
#[derive(Debug, Clone)]
pub struct SupervisorSpec {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) intensity: Intensity,
    pub(crate) backoff: Backoff,
    pub(crate) children: Vec<ChildSpec>,
}

impl SupervisorSpec {
    /// Children are started in the order of the list, each after the one before is up, and stopped in reverse.
    pub fn new(name: impl AsRef<str>, strategy: Strategy) -> SupervisorSpec {
        SupervisorSpec {
            name: name.as_ref().into(),
            kind: Kind::Static(strategy),
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            children: Vec::new(),
        }
    }

    /// A pool: children come and go at run time, know no order, and are restarted one for one.
    ///
    /// Its default intensity is 100 failures in 10 s, as it is shared by all of them.
    pub fn pool(name: impl AsRef<str>) -> SupervisorSpec {
        SupervisorSpec {
            kind: Kind::Pool,
            intensity: Intensity { restarts: 100, period: Duration::from_secs(10) },
            ..SupervisorSpec::new(name, Strategy::OneForOne)
        }
    }

    pub fn intensity(mut self, intensity: Intensity) -> SupervisorSpec {
        self.intensity = intensity;
        self
    }

    pub fn backoff(mut self, backoff: Backoff) -> SupervisorSpec {
        self.backoff = backoff;
        self
    }

    pub fn child(mut self, spec: ChildSpec) -> SupervisorSpec {
        self.children.push(spec);
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}
