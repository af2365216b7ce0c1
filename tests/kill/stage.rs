//! What all threads of the story share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use callboard_model::Offset;
use callboard_test_client::{Client, ClientError};

use crate::checks::{Check, Checks};
use crate::workload::{PLACES, Place, Workload};

/// How long a live node may take to answer; the machine may be busy with other things.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a node may be away; longer, and the story is over.
const BACK_WITHIN: Duration = Duration::from_secs(90);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(4);

/// Which of the node's lives a connection was made in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life(u64);

impl Life {
    fn is_dying(self) -> bool {
        !self.0.is_multiple_of(2)
    }
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) workload: Workload,
    pub(crate) checks: Checks,
    /// Counted up before and after each kill, so it is odd while the node is dying. A dying process may still be connected
    /// to: the system closes its listener last.
    deaths: AtomicU64,
    /// Producers finish what is under way and end.
    finishing: AtomicBool,
    /// Everyone ends at once.
    over: AtomicBool,
    /// Produce requests without an answer.
    pub(crate) under_way: AtomicUsize,
    /// Batches acknowledged.
    pub(crate) acknowledged: AtomicU64,
    /// Bytes of these.
    pub(crate) acknowledged_bytes: AtomicU64,
    /// Batches sent again.
    pub(crate) repeated: AtomicU64,
    /// Records seen by the reader, repeats included.
    pub(crate) seen: AtomicU64,
    ends: Vec<AtomicI64>,
}

impl Stage {
    pub(crate) fn new(address: SocketAddr, workload: Workload) -> Self {
        Self {
            address,
            workload,
            checks: Checks::default(),
            deaths: AtomicU64::new(0),
            finishing: AtomicBool::new(false),
            over: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            acknowledged: AtomicU64::new(0),
            acknowledged_bytes: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            ends: (0..PLACES).map(|_| AtomicI64::new(0)).collect(),
        }
    }

    /// Kills so far, one under way included.
    pub(crate) fn kills(&self) -> u64 {
        self.deaths.load(SeqCst).div_ceil(2)
    }

    /// To be called right before the node is killed and right after it is dead, so that no broken connection is blamed on
    /// a live one.
    pub(crate) fn death_begins_or_ends(&self) {
        self.deaths.fetch_add(1, SeqCst);
    }

    pub(crate) fn finish(&self) {
        self.finishing.store(true, SeqCst);
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.finishing.load(SeqCst) || self.is_over()
    }

    pub(crate) fn end(&self) {
        self.over.store(true, SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Notes that everything below `end` is acknowledged.
    pub(crate) fn acknowledge_to(&self, place: Place, end: Offset) {
        self.ends[usize::from(place.0)].fetch_max(end.get(), SeqCst);
    }

    /// One past the last acknowledged record.
    pub(crate) fn acknowledged_end(&self, place: Place) -> Offset {
        Offset(self.ends[usize::from(place.0)].load(SeqCst))
    }

    /// A connection to the node as soon as it is there; none if the story is over.
    pub(crate) fn connect(&self) -> Option<(Client, Life)> {
        let started = Instant::now();
        while !self.is_over() {
            let life = Life(self.deaths.load(SeqCst));
            match Client::connect(self.address, ANSWER_WITHIN) {
                Ok(client) => return Some((client, life)),
                Err(error) if started.elapsed() > BACK_WITHIN => {
                    self.checks.wrong(Check::Answers, format!("not reachable for {BACK_WITHIN:?}: {error}"));
                    self.end();
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
        None
    }

    /// Judges why a conversation ended that began in `life`.
    pub(crate) fn judge(&self, who: &str, error: &ClientError, life: Life) {
        let excused = match error.code() {
            Some(code) => code.is_retriable(),
            None => error.is_disconnect() && (life.is_dying() || self.deaths.load(SeqCst) != life.0 || self.is_over()),
        };
        if !excused {
            self.checks.wrong(Check::Answers, format!("{who}, after {} kills: {error}", self.kills()));
        }
        self.pause();
    }

    pub(crate) fn pause(&self) {
        thread::sleep(PAUSE);
    }
}
