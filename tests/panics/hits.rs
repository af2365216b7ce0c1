//! What the actor tree says about who failed: counts the injected failures that really happened.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard::runtime::{DownReason, Event, EventsError, System};

use crate::rig::block_on;

/// How a failure that was asked for shows in the tree's events.
const INJECTED: &str = "injected panic";

/// Counts by path, kept by a thread that listens to the tree.
#[derive(Clone, Default)]
pub(crate) struct Hits {
    seen: Arc<Mutex<Seen>>,
    ended: Arc<AtomicBool>,
}

#[derive(Default)]
struct Seen {
    by_path: HashMap<String, u64>,
    /// What must never be seen.
    alarms: Vec<String>,
    /// Failures that nobody asked for, by their reason.
    others: HashMap<String, u64>,
    /// Since when an actor is away.
    away: HashMap<String, Instant>,
    longest: (Duration, String),
}

impl Seen {
    fn time(&mut self, event: &Event) {
        match event {
            Event::Failed { path, .. } | Event::Stopped { path, .. } => {
                self.away.entry(path.to_string()).or_insert_with(Instant::now);
            }
            Event::Started { path, .. } | Event::Restarted { path, .. } => {
                if let Some(since) = self.away.remove(path.as_str())
                    && since.elapsed() > self.longest.0
                    // Their topics are deleted and created again.
                    && !path.name().starts_with("churn")
                {
                    self.longest = (since.elapsed(), path.to_string());
                }
            }
            _ => {}
        }
    }
}

impl Hits {
    /// Listens from now on.
    pub(crate) fn listen(system: &System) -> (Self, JoinHandle<()>) {
        let hits = Self::default();
        let mut events = system.events();
        let listener = hits.clone();
        let thread = std::thread::spawn(move || {
            block_on(async {
                while !listener.ended.load(Ordering::Relaxed) {
                    match tokio::time::timeout(Duration::from_millis(100), events.next()).await {
                        Ok(Ok(event)) => listener.note(&event),
                        Ok(Err(EventsError::Closed)) => return,
                        Ok(Err(_)) | Err(_) => {}
                    }
                }
            });
        });
        (hits, thread)
    }

    /// Lets the thread end.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn note(&self, event: &Event) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.time(event);
        match event {
            Event::Failed { path, reason, .. } if reason.contains(INJECTED) => {
                *seen.by_path.entry(path.to_string()).or_default() += 1;
            }
            Event::Stopped { path, reason: DownReason::Killed, .. } => {
                *seen.by_path.entry(path.to_string()).or_default() += 1;
            }
            Event::Failed { path, message, reason, .. } => {
                *seen.others.entry(format!("{path} in {message}: {reason}")).or_default() += 1;
            }
            Event::Escalated { .. } | Event::Frozen { .. } | Event::PoisonMessage { .. } => {
                seen.alarms.push(format!("{event:?}"));
            }
            _ => {}
        }
    }

    /// The longest time between an actor's failure and its next start, and whose it was. Connections never come back.
    pub(crate) fn longest_away(&self) -> (Duration, String) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).longest.clone()
    }

    /// How often the actor at a path failed because it was asked to.
    pub(crate) fn count(&self, path: &str) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.by_path.get(path).copied().unwrap_or(0)
    }

    /// Escalations, frozen handlers, messages taken for poison.
    pub(crate) fn alarms(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).alarms.clone()
    }

    /// Failures that followed from others, with their counts.
    pub(crate) fn others(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others: Vec<String> = seen.others.iter().map(|(what, count)| format!("{count} x {what}")).collect();
        others.sort();
        others
    }
}
