//! The registry: which cell answers to a path now.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::sync::Notify;

use crate::{Path, record::Entry};

type Entries = HashMap<Path, Arc<dyn Entry>>;

#[derive(Default)]
pub(crate) struct Registry {
    entries: RwLock<Entries>,
    emptied: Notify,
}

impl Registry {
    pub(crate) fn get(&self, path: &Path) -> Option<Arc<dyn Entry>> {
        self.read().get(path).cloned()
    }

    /// Makes `entry` the one for its path; returns the one before, which may still be ending.
    pub(crate) fn insert(&self, entry: Arc<dyn Entry>) -> Option<Arc<dyn Entry>> {
        let path = entry.record().path.clone();
        self.write().insert(path, entry)
    }

    /// Removes the entry of this path, if it is still the one with that record.
    pub(crate) fn remove(&self, path: &Path, record: u64) {
        let (removed, empty) = {
            let mut entries = self.write();
            let removed = match entries.get(path) {
                Some(entry) if entry.record().id == record => entries.remove(path),
                _ => None,
            };
            (removed, entries.is_empty())
        };
        // Dropped outside the lock: it may be the last handle.
        drop(removed);
        if empty {
            self.emptied.notify_waiters();
        }
    }

    pub(crate) async fn wait_empty(&self) {
        loop {
            // Registered before the look, so that no emptying falls between.
            let mut emptied = pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.read().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Entry>> {
        self.read().values().cloned().collect()
    }

    pub(crate) fn find(&self, wanted: impl Fn(&dyn Entry) -> bool) -> Option<Arc<dyn Entry>> {
        self.read().values().find(|entry| wanted(entry.as_ref())).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}
