//! What all members have come to, for a story to wait on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// One for all members of a story.
#[derive(Debug, Default)]
pub(crate) struct Board {
    members: Mutex<Vec<Standing>>,
    /// Members are to end.
    pub(crate) over: AtomicBool,
    /// Members have to prove anew that they are settled: raised after a restart of the node.
    pub(crate) epoch: AtomicU64,
    /// Heartbeats answered with NONE.
    pub(crate) heartbeats: AtomicU64,
    /// Joins after the first of each member.
    pub(crate) rejoins: AtomicUsize,
    /// What a member has to say against the node; the story fails.
    pub(crate) complaints: Mutex<Vec<String>>,
}

/// How a member stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// The generation whose assignment it has, -1 if none.
    pub(crate) generation: i32,
    /// When it got it.
    pub(crate) since: Option<Instant>,
    /// The epoch of the board in which it last committed as a member of that generation.
    pub(crate) proved: u64,
    /// Whether it is still one of the group.
    pub(crate) left: bool,
}

impl Board {
    /// A place for another member.
    pub(crate) fn enter(&self) -> usize {
        let mut members = self.members.lock().expect("nobody panics while holding it");
        members.push(Standing { generation: -1, ..Standing::default() });
        members.len() - 1
    }

    pub(crate) fn change(&self, member: usize, change: impl FnOnce(&mut Standing)) {
        change(&mut self.members.lock().expect("nobody panics while holding it")[member]);
    }

    pub(crate) fn standing(&self, member: usize) -> Standing {
        self.members.lock().expect("nobody panics while holding it")[member]
    }

    /// Looks at everyone who has not left.
    pub(crate) fn count(&self, which: impl Fn(&Standing) -> bool) -> usize {
        let members = self.members.lock().expect("nobody panics while holding it");
        members.iter().filter(|standing| !standing.left && which(standing)).count()
    }

    /// The newest generation that anyone has.
    pub(crate) fn newest_generation(&self) -> i32 {
        let members = self.members.lock().expect("nobody panics while holding it");
        members.iter().filter(|standing| !standing.left).map(|standing| standing.generation).max().unwrap_or(-1)
    }

    /// The moment of the last who got an assignment.
    pub(crate) fn last_since(&self) -> Option<Instant> {
        let members = self.members.lock().expect("nobody panics while holding it");
        members.iter().filter(|standing| !standing.left).filter_map(|standing| standing.since).max()
    }

    pub(crate) fn complain(&self, what: String) {
        let mut complaints = self.complaints.lock().expect("nobody panics while holding it");
        if complaints.len() < 20 {
            complaints.push(what);
        }
    }

    /// Waits until `members` of them are so; how long that took, or how many are.
    pub(crate) async fn wait(
        &self,
        patience: Duration,
        members: usize,
        which: impl Fn(&Standing) -> bool,
    ) -> Result<Duration, usize> {
        let started = Instant::now();
        loop {
            let count = self.count(&which);
            if count >= members {
                return Ok(started.elapsed());
            }
            if started.elapsed() > patience {
                return Err(count);
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }
}
