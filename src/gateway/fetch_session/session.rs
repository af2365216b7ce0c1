//! One session: partitions in the order in which they are read.

use std::collections::BTreeMap;

use callboard_model::{Offset, PartitionIndex, Tick};

use super::{Asked, Seen, TopicRef};

/// A partition of a session.
#[derive(Clone, Debug)]
struct Entry {
    asked: Asked,
    high_watermark: Offset,
    last_stable: Offset,
    log_start: Offset,
}

/// One session. Entries stay where they are; their order is a list of its own, so that a turn costs no look-ups.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) epoch: i32,
    pub(super) by_id: bool,
    pub(super) created: Tick,
    pub(super) used: Tick,
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    order: Vec<usize>,
    places: BTreeMap<(TopicRef, PartitionIndex), usize>,
    name_bytes: usize,
}

/// A position that was never told, so that whatever is true is news.
const UNTOLD: Offset = Offset(i64::MIN);

impl Session {
    pub(super) fn new(by_id: bool, now: Tick) -> Self {
        Self {
            epoch: 1,
            by_id,
            created: now,
            used: now,
            entries: Vec::new(),
            free: Vec::new(),
            order: Vec::new(),
            places: BTreeMap::new(),
            name_bytes: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Bytes that it holds in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.entries.len() * ENTRY_BYTES + self.name_bytes
    }

    /// What is read, in order.
    pub(super) fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.order.iter().filter_map(|at| self.entries[*at].as_ref()).map(|entry| &entry.asked)
    }

    /// Takes what a request changes: partitions that are new go to the end, others keep their place.
    pub(super) fn update(&mut self, asked: &[Asked], forgotten: &[(TopicRef, PartitionIndex)]) {
        for asked in asked {
            self.put(asked.clone());
        }
        let mut removed = false;
        for key in forgotten {
            if let Some(at) = self.places.remove(key) {
                self.name_bytes -= name_bytes(&key.0);
                self.entries[at] = None;
                self.free.push(at);
                removed = true;
            }
        }
        if removed {
            let entries = &self.entries;
            self.order.retain(|at| entries[*at].is_some());
        }
    }

    /// A partition as a full request asked for it, and what the client was told.
    pub(super) fn add(&mut self, asked: &Asked, seen: Seen) {
        let at = self.put(asked.clone());
        if let Some(entry) = &mut self.entries[at] {
            entry.remember(seen);
        }
    }

    fn put(&mut self, asked: Asked) -> usize {
        let key = (asked.topic.clone(), asked.partition);
        if let Some(at) = self.places.get(&key) {
            if let Some(entry) = &mut self.entries[*at] {
                let name = entry.asked.name.take().or(asked.name);
                entry.asked = Asked { name, ..asked };
            }
            return *at;
        }
        let entry = Some(Entry { asked, high_watermark: UNTOLD, last_stable: UNTOLD, log_start: UNTOLD });
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        self.order.push(at);
        self.name_bytes += name_bytes(&key.0);
        self.places.insert(key, at);
        at
    }

    /// Which partitions have something new; remembers it, and puts those that give data behind the others.
    pub(super) fn tell(&mut self, seen: &[Seen]) -> Vec<bool> {
        let mut news = Vec::with_capacity(seen.len());
        let mut gave = Vec::new();
        let mut waits = Vec::with_capacity(self.order.len());
        for (at, seen) in self.order.iter().zip(seen) {
            let is_news = self.entries[*at].as_mut().is_some_and(|entry| entry.remember(*seen));
            news.push(is_news);
            if seen.data { &mut gave } else { &mut waits }.push(*at);
        }
        // Nothing changes the list between asking and telling, so all of it was seen.
        debug_assert_eq!(news.len(), self.order.len(), "every partition of the session was read");
        if news.len() == self.order.len() && !gave.is_empty() {
            waits.append(&mut gave);
            self.order = waits;
        }
        news
    }
}

/// Partitions of one request share a name, those of several do not: counting it for each is the safe side.
fn name_bytes(topic: &TopicRef) -> usize {
    match topic {
        TopicRef::Name(name) => name.len(),
        TopicRef::Id(_) => 0,
    }
}

/// What an entry takes: itself, its place in the order and in the map, its name's counters.
const ENTRY_BYTES: usize = size_of::<Option<Entry>>() + size_of::<(TopicRef, PartitionIndex)>() + 64;

impl Entry {
    /// Whether the client has to hear this; and that it has.
    fn remember(&mut self, seen: Seen) -> bool {
        let Seen { high_watermark, last_stable, log_start, data, error, notice } = seen;
        let moved = (self.high_watermark, self.last_stable, self.log_start) != (high_watermark, last_stable, log_start);
        (self.high_watermark, self.last_stable, self.log_start) = (high_watermark, last_stable, log_start);
        if error {
            // When the error is over the client has to hear that, too.
            self.high_watermark = UNTOLD;
        }
        moved || data || error || notice
    }
}
