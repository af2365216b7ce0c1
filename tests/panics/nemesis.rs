//! Who is made to fail, how, and how often.

use std::time::{Duration, Instant};

use callboard::runtime::{ActorState, Path, System};

use crate::dice::Dice;
use crate::hits::Hits;

/// How long a hit may take to land before it is tried again.
const LANDS_WITHIN: Duration = Duration::from_millis(1500);
/// How long a target may be away before the tree counts as broken.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// How an actor is made to fail.
enum Means {
    /// Its next message panics, and messages come by themselves.
    Panic,
    /// Its next message panics: the word that the child named here has ended.
    PanicOverChild(&'static str),
    /// It takes no messages; its incarnation is ended as by a panic.
    Kill,
}

struct Kind {
    name: &'static str,
    /// The actor, or with a `*` any child of it.
    path: &'static str,
    means: Means,
}

const KINDS: &[Kind] = &[
    Kind { name: "partition leader", path: "node/broker/partitions/*", means: Means::Panic },
    Kind { name: "group coordinator", path: "node/broker/coordinators/*", means: Means::Panic },
    Kind { name: "connection", path: "node/gateway/connections/*", means: Means::Panic },
    Kind { name: "broker's applier", path: "node/broker/applier", means: Means::Panic },
    Kind { name: "controller", path: "node/controller/active", means: Means::Panic },
    Kind { name: "storage keeper", path: "node/storage/keeper", means: Means::Panic },
    Kind { name: "cleaner", path: "node/broker/cleaner", means: Means::Kill },
    Kind { name: "listener", path: "node/gateway/listener", means: Means::Kill },
    Kind { name: "admin server", path: "node/admin/server", means: Means::Kill },
    Kind { name: "pool of leaders", path: "node/broker/partitions", means: Means::PanicOverChild("*") },
    Kind { name: "pool of coordinators", path: "node/broker/coordinators", means: Means::PanicOverChild("*") },
    Kind { name: "pool of connections", path: "node/gateway/connections", means: Means::PanicOverChild("*") },
    Kind { name: "supervisor of the broker", path: "node/broker", means: Means::PanicOverChild("applier") },
    Kind { name: "supervisor of the gateway", path: "node/gateway", means: Means::PanicOverChild("listener") },
    Kind { name: "supervisor of storage", path: "node/storage", means: Means::PanicOverChild("keeper") },
    Kind { name: "supervisor of the controller", path: "node/controller", means: Means::PanicOverChild("active") },
    Kind { name: "supervisor of the admin port", path: "node/admin", means: Means::PanicOverChild("server") },
];

/// What came of it.
pub(crate) struct Tally {
    /// Kind and how often it was hit.
    pub(crate) hits: Vec<(&'static str, u64)>,
    /// What went wrong.
    pub(crate) faults: Vec<String>,
}

/// Hits every kind `times` times, in random order; `whole` is the tree that must come back each time. Gives up when
/// `is_over` says that the load has. `respite` is asked before each hit: it may wait, or say what is wrong.
#[expect(clippy::too_many_arguments, reason = "called once, with names that say what each is")]
pub(crate) fn rage(
    system: &System,
    whole: &[Path],
    hits: &Hits,
    times: u64,
    deadline: Instant,
    dice: &mut Dice,
    mut respite: impl FnMut() -> Option<String>,
    is_over: impl Fn() -> bool,
) -> Tally {
    let mut left: Vec<u64> = KINDS.iter().map(|_| times).collect();
    let mut tally = Tally { hits: Vec::new(), faults: Vec::new() };
    while left.iter().any(|left| *left > 0) && tally.faults.is_empty() && !is_over() {
        if Instant::now() > deadline {
            let missing: Vec<_> = KINDS.iter().zip(&left).filter(|(_, left)| **left > 0).collect();
            let missing: Vec<_> = missing.iter().map(|(kind, left)| format!("{} lacks {left}", kind.name)).collect();
            tally.faults.push(format!("out of time: {}", missing.join(", ")));
            break;
        }
        let at = dice.below(KINDS.len());
        if left[at] == 0 {
            continue;
        }
        tally.faults.extend(respite());
        // Three times of four the whole tree has to come back first, else a failure falls into the one before.
        let (began, waits) = (Instant::now(), dice.below(4) > 0);
        while waits && !is_over() {
            let missing: Vec<&Path> = whole.iter().filter(|path| running((*path).clone(), system).is_none()).collect();
            if missing.is_empty() {
                break;
            }
            if began.elapsed() > BACK_WITHIN {
                tally.faults.push(format!("not back after {BACK_WITHIN:?}: {missing:?}"));
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let kind = &KINDS[at];
        let began = Instant::now();
        let mut found = target(kind, system, dice);
        while found.is_none() && began.elapsed() < BACK_WITHIN && !is_over() {
            std::thread::sleep(Duration::from_millis(1));
            found = target(kind, system, dice);
        }
        let Some(path) = found else {
            tally.faults.push(format!("no {} came back within {BACK_WITHIN:?}", kind.name));
            break;
        };
        if hit(kind, &path, system, hits, dice) {
            left[at] -= 1;
        }
        if !hits.alarms().is_empty() {
            tally.faults.push(hits.alarms().join("; "));
        }
    }
    tally.hits = KINDS.iter().zip(&left).map(|(kind, left)| (kind.name, times - left)).collect();
    tally
}

/// A running actor of the kind.
fn target(kind: &Kind, system: &System, dice: &mut Dice) -> Option<Path> {
    match kind.path.strip_suffix("/*") {
        Some(pool) => child_of(&Path::root(pool), system, dice),
        None => running(Path::root(kind.path), system),
    }
}

fn child_of(pool: &Path, system: &System, dice: &mut Dice) -> Option<Path> {
    let children: Vec<Path> = system
        .tree()
        .into_iter()
        .filter(|actor| actor.state == ActorState::Running && actor.path.parent().as_ref() == Some(pool))
        .map(|actor| actor.path)
        .collect();
    (!children.is_empty()).then(|| children[dice.below(children.len())].clone())
}

fn running(path: Path, system: &System) -> Option<Path> {
    system.info(&path).filter(|info| info.state == ActorState::Running).map(|_| path)
}

/// Whether the actor has failed of it.
fn hit(kind: &Kind, path: &Path, system: &System, hits: &Hits, dice: &mut Dice) -> bool {
    let before = hits.count(path.as_str());
    match &kind.means {
        Means::Panic => system.inject_panic(path),
        Means::Kill => system.kill(path),
        Means::PanicOverChild(child) => {
            let child = match *child {
                "*" => child_of(path, system, dice),
                name => running(path.join(name), system),
            };
            let Some(child) = child else { return false };
            system.inject_panic(path) && system.kill(&child)
        }
    };
    let until = Instant::now() + LANDS_WITHIN;
    while Instant::now() < until {
        if hits.count(path.as_str()) > before {
            return true;
        }
        if system.info(path).is_none() && !kind.path.ends_with('*') {
            // A supervisor above it was hit meanwhile.
            return false;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    false
}
