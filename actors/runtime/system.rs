//! The system: arbiters, registry, events, and the root of the tree.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::sync::{broadcast, oneshot};

use crate::{
    ActorInfo, ActorRef, ChildSpec, Clock, DeadLetterReason, DeadLetters, Event, Events, Message, Part, Path,
    Placement, StartError, SupervisorRef, SupervisorSpec,
    arbiter::{Arbiters, Pulse, SYSTEM},
    machine::ChildKey,
    panics,
    record::{Control, Entry, Record},
    reference::Door,
    registry::Registry,
    reply::Reply,
    root::{RootSlot, RootState},
    spec::Place,
    supervisor::Parent,
    watchdog::{self, Stopper},
};

mod task;
mod waiting;

pub use task::Task;
pub(crate) use waiting::block_on;
use waiting::within;

/// Settings of a system.
#[derive(Debug, Clone)]
pub struct Options {
    /// arbiters for data, a thread each, beside the system arbiter; 0 puts all on the system arbiter
    pub data_arbiters: usize,
    /// of the jitter
    pub seed: u64,
    /// a handler that runs longer than this is reported as frozen; `None` reports none
    pub watchdog: Option<Duration>,
    /// events kept for a slow reader
    pub event_capacity: usize,
    /// installs the process-wide hook of [`crate::install_quiet_panic_hook`]
    pub quiet_panics: bool,
}

impl Default for Options {
    /// One data arbiter per core, 1 s watchdog, 1,024 events, quiet panics, a random seed.
    fn default() -> Options {
        use std::hash::{BuildHasher, Hasher};
        Options {
            data_arbiters: thread::available_parallelism().map_or(1, usize::from),
            seed: std::hash::RandomState::new().build_hasher().finish(),
            watchdog: Some(Duration::from_secs(1)),
            event_capacity: 1_024,
            quiet_panics: true,
        }
    }
}

/// Why a system did not stop as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SystemStopError {
    /// The tree did not stop in an orderly way in time and was killed.
    #[error("the tree did not stop within {timeout:?} and was killed")]
    Timeout { timeout: Duration },
    /// Handlers that block hold their threads, which were left behind.
    #[error("{threads} threads are blocked and were left behind")]
    Blocked { threads: usize },
}

/// After the kill, or at the end of the tree, threads get this long to end.
const THREAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Handle of a running system; all clones are the same one. Dropping handles does not stop it, [`System::stop`] does.
#[derive(Clone)]
pub struct System(Arc<Inner>);

pub(crate) struct Inner {
    name: Arc<str>,
    seed: u64,
    pub(crate) clock: Clock,
    pub(crate) arbiters: Arbiters,
    pub(crate) registry: Registry,
    events: broadcast::Sender<Event>,
    next_id: AtomicU64,
    dead_gone: AtomicU64,
    dead_stopped: AtomicU64,
    dead_poison: AtomicU64,
    root: Arc<RootSlot>,
    stopper: Arc<Stopper>,
    watchdog: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Inner {
    /// Sends an event; builds it only if somebody listens.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if self.events.receiver_count() > 0 {
            // Fails only when the last listener has just gone.
            drop(self.events.send(event()));
        }
    }
}

static NEXT_SYSTEM: AtomicU64 = AtomicU64::new(1);

impl System {
    /// Starts threads and tree, and blocks until all children of `root` are up, in order.
    ///
    /// Not for a thread that an actor lives on. Errors when the root gives up starting or a thread cannot be had.
    pub fn start(name: &str, options: Options, root: SupervisorSpec) -> Result<System, StartError> {
        let number = NEXT_SYSTEM.fetch_add(1, Relaxed);
        let arbiters = Arbiters::threads(number, name, options.data_arbiters)
            .map_err(|(arbiter, error)| StartError::Thread { arbiter, reason: error.to_string() })?;
        let system = System::assemble(name, &options, arbiters, true);
        let watchdog = watchdog::start(Arc::downgrade(&system.0), system.0.stopper.clone(), name, options.watchdog);
        match watchdog {
            Ok(thread) => {
                *system.0.watchdog.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
            }
            Err(error) => {
                system.0.arbiters.stop();
                return Err(StartError::Thread { arbiter: system.0.arbiters.count(), reason: error.to_string() });
            }
        }
        let started = system.plant(root);
        if let Err(error) = block_on(started) {
            // The tree is down already; this ends the threads.
            drop(block_on(system.stop(THREAD_TIMEOUT)));
            return Err(error);
        }
        Ok(system)
    }

    /// Starts a system whose only arbiter is the `LocalSet` that the caller runs on: for tests with a paused clock and for simulators.
    ///
    /// No thread is started and nothing watches for frozen handlers.
    ///
    /// # Panics
    /// Outside of a tokio `LocalSet`.
    pub async fn start_here(name: &str, options: Options, root: SupervisorSpec) -> Result<System, StartError> {
        let number = NEXT_SYSTEM.fetch_add(1, Relaxed);
        let system = System::assemble(name, &options, Arbiters::here(number), false);
        match system.plant(root).await {
            Ok(()) => Ok(system),
            Err(error) => {
                drop(system.stop(THREAD_TIMEOUT).await);
                Err(error)
            }
        }
    }

    /// Runs `body` beside a whole system on one thread with a paused clock: time passes only when nobody has anything to do, so hours take no time and
    /// the same seed gives the same run. Stops the system afterwards.
    pub fn run_single<T, F: Future<Output = T>>(
        name: &str,
        options: Options,
        root: SupervisorSpec,
        body: impl FnOnce(System) -> F,
    ) -> Result<T, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .map_err(|error| StartError::Thread { arbiter: SYSTEM, reason: error.to_string() })?;
        actix_rt::Runtime::from(runtime).block_on(async {
            let system = System::start_here(name, options, root).await?;
            let result = body(system.clone()).await;
            // What cannot stop in an hour of paused time is dropped with the runtime.
            drop(system.stop(Duration::from_secs(3_600)).await);
            Ok(result)
        })
    }

    fn assemble(name: &str, options: &Options, arbiters: Arbiters, ticking: bool) -> System {
        if options.quiet_panics {
            panics::install_quiet_panic_hook();
        }
        let (events, _) = broadcast::channel(options.event_capacity.max(1));
        System(Arc::new(Inner {
            name: name.into(),
            seed: options.seed,
            clock: Clock::new(ticking),
            arbiters,
            registry: Registry::default(),
            events,
            next_id: AtomicU64::new(1),
            dead_gone: AtomicU64::new(0),
            dead_stopped: AtomicU64::new(0),
            dead_poison: AtomicU64::new(0),
            root: Arc::new(RootSlot::new()),
            stopper: Arc::default(),
            watchdog: Mutex::new(None),
        }))
    }

    /// Starts the root supervisor and waits until it is up.
    fn plant(&self, spec: SupervisorSpec) -> impl Future<Output = Result<(), StartError>> + use<> {
        let system = self.clone();
        let spec = ChildSpec::supervisor(spec).placement(Placement::System);
        let entry = spec.spawn(
            Parent::Root(self.0.root.clone()),
            ChildKey(self.next_id()),
            Place { path: None, arbiter: SYSTEM, system: self },
        );
        let path = entry.record().path.clone();
        self.0.root.set(entry);
        async move {
            let state = system.0.root.wait(|state| *state != RootState::Starting).await;
            match state {
                RootState::Running => Ok(()),
                RootState::Failed(reason) => Err(StartError::Failed { path, reason }),
                RootState::Starting | RootState::Stopped => {
                    Err(StartError::Failed { path, reason: "stopped before it was up".to_owned() })
                }
            }
        }
    }

    /// Stops the tree in order, children before their supervisors and in reverse of their start; then joins the threads.
    ///
    /// What has not stopped after `timeout` is killed. Calling it again waits for the same end.
    pub async fn stop(&self, timeout: Duration) -> Result<(), SystemStopError> {
        let root = &self.0.root;
        root.order(Control::Stop);
        let ended = |state: &RootState| matches!(state, RootState::Stopped | RootState::Failed(_));
        let orderly = within(timeout, root.wait(ended)).await;
        if !orderly {
            root.order(Control::Terminate);
        }
        // Until no cell is left: so queued messages are buried, and not dropped with the arbiters.
        within(THREAD_TIMEOUT, self.0.registry.wait_empty()).await;
        self.0.arbiters.stop();
        self.0.stopper.stop();
        let left = self.join().await;
        match (orderly, left) {
            (_, threads) if threads > 0 => Err(SystemStopError::Blocked { threads }),
            (false, _) => Err(SystemStopError::Timeout { timeout }),
            (true, _) => Ok(()),
        }
    }

    /// Joins the threads beside the caller, so that an arbiter may call it; how many were left behind.
    async fn join(&self) -> usize {
        let mut threads = self.0.arbiters.take_threads();
        let watchdog = self.0.watchdog.lock().unwrap_or_else(PoisonError::into_inner).take();
        threads.extend(watchdog);
        if threads.is_empty() {
            return 0;
        }
        let (done, joined) = oneshot::channel();
        let joiner = thread::Builder::new().spawn(move || {
            let deadline = std::time::Instant::now() + THREAD_TIMEOUT;
            while std::time::Instant::now() < deadline && threads.iter().any(|thread| !thread.is_finished()) {
                thread::sleep(Duration::from_micros(200));
            }
            let mut left = 0;
            for thread in threads {
                if thread.is_finished() {
                    // A panic of its own has been printed by the hook.
                    drop(thread.join());
                } else {
                    left += 1;
                }
            }
            // Nobody waits when the stop itself was given up.
            let _ = done.send(left);
        });
        match joiner {
            Ok(_) => joined.await.unwrap_or(0),
            // No thread to be had: they end by themselves.
            Err(_) => 0,
        }
    }

    /// Resolves when the root supervisor has given up, with its reason; with `None` when the system was stopped instead.
    ///
    /// The tree is down then; [`System::stop`] still has to end the threads.
    pub async fn wait_failed(&self) -> Option<String> {
        let state = self.0.root.wait(|state| matches!(state, RootState::Failed(_) | RootState::Stopped)).await;
        match state {
            RootState::Failed(reason) => Some(reason),
            _ => None,
        }
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Arbiters in all: the system arbiter and the data arbiters.
    pub fn arbiters(&self) -> usize {
        self.0.arbiters.count()
    }

    /// Path of the root supervisor: its name.
    pub fn root(&self) -> Option<SupervisorRef> {
        self.entry_matching(|entry| entry.record().strategy.is_some() && entry.record().path.parent().is_none())
            .and_then(downcast)
            .map(SupervisorRef::new)
    }

    /// The actor under `path`; `None` when there is none or it takes other messages.
    pub fn resolve<M: Message>(&self, path: &Path) -> Option<ActorRef<M>> {
        self.entry(path).and_then(downcast)
    }

    /// The supervisor under `path`.
    pub fn supervisor(&self, path: &Path) -> Option<SupervisorRef> {
        self.resolve(path).map(SupervisorRef::new)
    }

    /// All actors, ordered by path.
    pub fn tree(&self) -> Vec<ActorInfo> {
        let mut tree: Vec<ActorInfo> =
            self.0.registry.all().iter().map(|entry| ActorInfo::of(entry.record())).collect();
        tree.sort_by(|a, b| a.path.cmp(&b.path));
        tree
    }

    /// One actor as [`System::tree`] shows it.
    pub fn info(&self, path: &Path) -> Option<ActorInfo> {
        self.entry(path).map(|entry| ActorInfo::of(entry.record()))
    }

    /// What the actor itself shows ([`crate::Actor::snapshot`]); `None` when it is not running. Waits for its present turn.
    pub fn snapshot(&self, path: &Path) -> impl Future<Output = Option<Vec<(&'static str, String)>>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        if let Some(entry) = self.entry(path) {
            entry.record().control(Control::Snapshot(reply));
        }
        async move { answer.await.ok() }
    }

    /// What the actor keeps ([`crate::Actor::parts`]); `None` when it is not running. Waits for its present turn.
    pub fn parts(&self, path: &Path) -> impl Future<Output = Option<Vec<Part>>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        if let Some(entry) = self.entry(path) {
            entry.record().control(Control::Parts(reply));
        }
        async move { answer.await.ok() }
    }

    pub fn events(&self) -> Events {
        Events(self.0.events.subscribe())
    }

    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters {
            gone: self.0.dead_gone.load(Relaxed),
            stopped: self.0.dead_stopped.load(Relaxed),
            poison: self.0.dead_poison.load(Relaxed),
        }
    }

    /// An operator's restart: orderly for the supervisor, not counted as a failure; the incarnation ends without hooks. `false` when nothing is there.
    pub fn restart(&self, path: &Path) -> bool {
        self.order(path, Control::Renew)
    }

    /// An operator's kill: the incarnation ends without hooks and its supervisor treats it as a failure. `false` when nothing is there.
    pub fn kill(&self, path: &Path) -> bool {
        self.order(path, Control::Kill)
    }

    /// Fault injection: the next message that the actor handles panics instead. `false` when nothing is there.
    pub fn inject_panic(&self, path: &Path) -> bool {
        self.order(path, Control::InjectPanic)
    }

    fn order(&self, path: &Path, order: Control) -> bool {
        match self.entry(path) {
            Some(entry) => {
                entry.record().control(order);
                true
            }
            None => false,
        }
    }

    pub(crate) fn entry(&self, path: &Path) -> Option<Arc<dyn Entry>> {
        self.0.registry.get(path)
    }

    fn entry_matching(&self, wanted: impl Fn(&dyn Entry) -> bool) -> Option<Arc<dyn Entry>> {
        self.0.registry.find(wanted)
    }

    pub(crate) fn register(&self, entry: Arc<dyn Entry>) -> Option<Arc<dyn Entry>> {
        self.0.registry.insert(entry)
    }

    pub(crate) fn forget<M: Message>(&self, door: &Arc<Door<M>>) {
        let record = door.record();
        self.0.registry.remove(&record.path, record.id);
    }

    /// Ids of records, children and incarnations: one growing sequence.
    pub(crate) fn next_id(&self) -> u64 {
        self.0.next_id.fetch_add(1, Relaxed)
    }

    pub(crate) fn place(&self, placement: Placement, from: usize) -> usize {
        self.0.arbiters.place(placement, from)
    }

    /// Whether the caller is on this arbiter.
    #[inline]
    pub(crate) fn is_on(&self, arbiter: usize) -> bool {
        self.0.arbiters.is_on(arbiter)
    }

    pub(crate) fn pulse(&self, arbiter: usize) -> Arc<Pulse> {
        self.0.arbiters.pulse(arbiter)
    }

    pub(crate) fn run_on(&self, arbiter: usize, job: impl FnOnce() + Send + 'static) -> bool {
        self.0.arbiters.run_on(arbiter, job)
    }

    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        self.0.emit(event);
    }

    #[cold]
    pub(crate) fn note_dead_letter(&self, record: &Record, message: &'static str, reason: DeadLetterReason) {
        let counter = match reason {
            DeadLetterReason::Gone => &self.0.dead_gone,
            DeadLetterReason::Stopped => &self.0.dead_stopped,
            DeadLetterReason::Poison => &self.0.dead_poison,
        };
        counter.fetch_add(1, Relaxed);
        let count = record.dead_letters.fetch_add(1, Relaxed) + 1;
        if count.is_power_of_two() {
            self.emit(|| Event::DeadLetter { path: record.path.clone(), message, reason, count });
        }
    }

    #[cold]
    pub(crate) fn note_overload(&self, record: &Record) {
        let refused = record.refused.fetch_add(1, Relaxed) + 1;
        if refused.is_power_of_two() {
            self.emit(|| Event::Overload { path: record.path.clone(), refused });
        }
    }
}

fn downcast<M: Message>(entry: Arc<dyn Entry>) -> Option<ActorRef<M>> {
    entry.into_any().downcast::<Door<M>>().ok().map(ActorRef::new)
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "System({})", self.0.name)
    }
}
