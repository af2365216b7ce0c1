//! Where the user stands in each partition, and where the next fetch begins.
//!
//! The two differ by what has been fetched and not been handed out. Whatever voids fetched records (a seek, a partition that
//! leaves and comes back) changes the slot's *ticket*; what carries an older one is dropped wherever it is met.
//! Rules: Kafka's `SubscriptionState`, KIP-320 (truncation), KIP-1106 (`by_duration`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use callboard_model::Timestamp;
use tokio::time::Instant;

use super::TopicPartition;
use super::error::ConsumerError;

mod questions;

pub(crate) use questions::{Fetchable, LogEnds, Lookup, Validation, Wanted};

/// Where to begin when there is no position, or one that the log does not have (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// The oldest record that there is.
    Earliest,
    /// What comes from now on.
    Latest,
    /// The first record that is at most this old (KIP-1106); what comes from now on if there is none.
    ByDuration(Duration),
    /// Nowhere: tell the user.
    None,
}

/// A place in a log that has to be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Earliest,
    Latest,
    At(Timestamp),
    Ago(Duration),
}

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The next record.
    pub(crate) offset: i64,
    /// The epoch of the record before it, if known.
    pub(crate) epoch: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// What the group has committed is to be asked for.
    NeedsCommitted,
    NeedsLookup(Place),
    Fetching,
    /// Whether the new leader's log still has what was read is to be asked for.
    Validating,
    /// The user was told of an error and has to seek.
    Stuck,
}

/// One assigned partition.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    ticket: u64,
    state: State,
    /// A question about this partition is under way.
    asked: bool,
    /// No question and no fetch before.
    not_before: Option<Instant>,
    paused: bool,
    /// Where the next fetch begins.
    fetch_at: Position,
    /// What the user gets next.
    delivered: Option<Position>,
    /// The leadership for which the position holds.
    leader_epoch: Option<i32>,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) last_stable: Option<i64>,
    pub(crate) log_start: Option<i64>,
    /// Bytes fetched and not handed out.
    pub(crate) buffered: usize,
    /// When it last had its turn; the longest waiting comes first.
    turn: u64,
}

/// All assigned partitions.
#[derive(Debug)]
pub(crate) struct Positions {
    slots: BTreeMap<TopicPartition, Slot>,
    policy: OffsetReset,
    tickets: u64,
    turns: u64,
}

impl Positions {
    pub(crate) fn new(policy: OffsetReset) -> Self {
        Self { slots: BTreeMap::new(), policy, tickets: 0, turns: 0 }
    }

    fn place_of_policy(&self) -> Option<Place> {
        match self.policy {
            OffsetReset::Earliest => Some(Place::Earliest),
            OffsetReset::Latest => Some(Place::Latest),
            OffsetReset::ByDuration(age) => Some(Place::Ago(age)),
            OffsetReset::None => None,
        }
    }

    /// Everything assigned, in order.
    pub(crate) fn assigned(&self) -> BTreeSet<TopicPartition> {
        self.slots.keys().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn slot(&self, partition: &TopicPartition) -> Option<&Slot> {
        self.slots.get(partition)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Slot)> {
        self.slots.iter()
    }

    /// From now on exactly these. Those that stay keep everything; new ones begin at what is committed if there is a group,
    /// else where the policy says.
    pub(crate) fn assign(&mut self, partitions: &BTreeSet<TopicPartition>, group: bool) {
        self.slots.retain(|partition, _| partitions.contains(partition));
        for partition in partitions {
            if !self.slots.contains_key(partition) {
                self.tickets += 1;
                let state = match self.place_of_policy() {
                    Some(place) if !group => State::NeedsLookup(place),
                    // Without a policy and without a group this ends in an error, which is what none asks for.
                    _ => State::NeedsCommitted,
                };
                let slot = Slot {
                    ticket: self.tickets,
                    state,
                    asked: false,
                    not_before: None,
                    paused: false,
                    fetch_at: Position { offset: -1, epoch: None },
                    delivered: None,
                    leader_epoch: None,
                    high_watermark: None,
                    last_stable: None,
                    log_start: None,
                    buffered: 0,
                    turn: 0,
                };
                self.slots.insert(partition.clone(), slot);
            }
        }
    }

    fn restart(&mut self, partition: &TopicPartition) -> Result<&mut Slot, ConsumerError> {
        self.tickets += 1;
        let ticket = self.tickets;
        let slot = self.slots.get_mut(partition).ok_or_else(|| ConsumerError::NotAssigned(partition.clone()))?;
        slot.ticket = ticket;
        slot.asked = false;
        slot.not_before = None;
        slot.buffered = 0;
        Ok(slot)
    }

    /// Goes on at an offset, whatever was fetched before.
    pub(crate) fn seek(&mut self, partition: &TopicPartition, to: Position) -> Result<(), ConsumerError> {
        let slot = self.restart(partition)?;
        slot.state = State::Fetching;
        slot.fetch_at = to;
        slot.delivered = Some(to);
        // An epoch that came with the offset is checked against the present leader.
        slot.leader_epoch = None;
        Ok(())
    }

    /// Goes on at a place that is looked up.
    pub(crate) fn seek_to(&mut self, partition: &TopicPartition, place: Place) -> Result<(), ConsumerError> {
        let slot = self.restart(partition)?;
        slot.state = State::NeedsLookup(place);
        slot.delivered = None;
        Ok(())
    }

    pub(crate) fn set_paused(&mut self, partition: &TopicPartition, paused: bool) -> Result<(), ConsumerError> {
        let slot = self.slots.get_mut(partition).ok_or_else(|| ConsumerError::NotAssigned(partition.clone()))?;
        slot.paused = paused;
        Ok(())
    }

    pub(crate) fn paused(&self) -> BTreeSet<TopicPartition> {
        self.slots.iter().filter(|(_, slot)| slot.paused).map(|(partition, _)| partition.clone()).collect()
    }

    /// Bytes fetched of paused partitions, which nobody can tell when they are wanted.
    pub(crate) fn paused_bytes(&self) -> usize {
        self.slots.values().filter(|slot| slot.paused).map(|slot| slot.buffered).sum()
    }

    /// Gives up what was fetched of paused partitions: it is fetched again when they are resumed.
    pub(crate) fn rewind_paused(&mut self) {
        for slot in self.slots.values_mut().filter(|slot| slot.paused && slot.buffered > 0) {
            let Some(delivered) = slot.delivered else { continue };
            self.tickets += 1;
            slot.ticket = self.tickets;
            slot.asked = false;
            slot.fetch_at = delivered;
            slot.buffered = 0;
        }
    }

    /// What the user gets next, once it is known.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<Position> {
        self.slots.get(partition)?.delivered
    }

    /// Whether what was fetched under this ticket is still wanted, and not held back.
    pub(crate) fn wants(&self, partition: &TopicPartition, ticket: u64) -> Wanted {
        match self.slots.get(partition).filter(|slot| slot.ticket == ticket) {
            None => Wanted::No,
            Some(slot) if slot.paused => Wanted::Later,
            Some(_) => Wanted::Now,
        }
    }

    /// The user was handed everything below `to`.
    pub(crate) fn delivered(&mut self, partition: &TopicPartition, ticket: u64, to: Position) {
        if let Some(slot) = self.current(partition, ticket) {
            slot.delivered = Some(to);
        }
    }

    fn current(&mut self, partition: &TopicPartition, ticket: u64) -> Option<&mut Slot> {
        self.slots.get_mut(partition).filter(|slot| slot.ticket == ticket)
    }

    /// A question or a fetch failed: not again before `not_before`.
    pub(crate) fn failed(&mut self, partition: &TopicPartition, ticket: u64, not_before: Instant) {
        if let Some(slot) = self.current(partition, ticket) {
            slot.asked = false;
            slot.not_before = Some(not_before);
        }
    }

    /// When the first pause ends.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.slots.values().filter_map(|slot| slot.not_before).filter(|at| *at > now).min()
    }

    /// Partitions that may be fetched, whoever waited longest first.
    pub(crate) fn fetchable(&self, now: Instant) -> Vec<Fetchable> {
        let ready =
            |slot: &Slot| slot.state == State::Fetching && !slot.paused && slot.not_before.is_none_or(|at| at <= now);
        let mut found: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| ready(slot))
            .map(|(partition, slot)| Fetchable {
                partition: partition.clone(),
                ticket: slot.ticket,
                offset: slot.fetch_at.offset,
                turn: slot.turn,
                buffered: slot.buffered,
            })
            .collect();
        found.sort_by_key(|one| one.turn);
        found
    }

    /// A fetch from `offset` brought `bytes` that end at `to`. Whether they are wanted.
    pub(crate) fn fetched(
        &mut self,
        partition: &TopicPartition,
        ticket: u64,
        offset: i64,
        to: Position,
        bytes: usize,
    ) -> bool {
        self.turns += 1;
        let turn = self.turns;
        match self.current(partition, ticket).filter(|slot| slot.fetch_at.offset == offset) {
            Some(slot) => {
                slot.fetch_at = Position { offset: to.offset, epoch: to.epoch.or(slot.fetch_at.epoch) };
                slot.buffered += bytes;
                slot.turn = turn;
                true
            }
            None => false,
        }
    }

    /// What a fetch told beside the records.
    pub(crate) fn observed(&mut self, partition: &TopicPartition, ticket: u64, ends: LogEnds) {
        if let Some(slot) = self.current(partition, ticket) {
            slot.not_before = None;
            slot.high_watermark = Some(ends.high_watermark).filter(|known| *known >= 0).or(slot.high_watermark);
            slot.last_stable = Some(ends.last_stable).filter(|known| *known >= 0).or(slot.last_stable);
            slot.log_start = Some(ends.log_start).filter(|known| *known >= 0).or(slot.log_start);
        }
    }

    /// Buffered bytes were handed out.
    pub(crate) fn taken(&mut self, partition: &TopicPartition, ticket: u64, bytes: usize) {
        if let Some(slot) = self.current(partition, ticket) {
            slot.buffered = slot.buffered.saturating_sub(bytes);
        }
    }

    /// The log has no such offset: the policy says where to go on, or it is the user's to say.
    pub(crate) fn out_of_range(
        &mut self,
        partition: &TopicPartition,
        ticket: u64,
        offset: i64,
    ) -> Result<(), ConsumerError> {
        let place = self.place_of_policy();
        let Some(slot) = self.current(partition, ticket).filter(|slot| slot.fetch_at.offset == offset) else {
            return Ok(());
        };
        match place {
            Some(place) => {
                slot.state = State::NeedsLookup(place);
                Ok(())
            }
            None => {
                slot.state = State::Stuck;
                Err(ConsumerError::OffsetOutOfRange { partition: partition.clone(), offset })
            }
        }
    }

    /// Reading cannot go on here until the user seeks.
    pub(crate) fn stuck(&mut self, partition: &TopicPartition, ticket: u64) {
        if let Some(slot) = self.current(partition, ticket) {
            slot.state = State::Stuck;
        }
    }
}

#[cfg(test)]
mod tests;
