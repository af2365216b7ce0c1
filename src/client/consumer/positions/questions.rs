//! What the positions ask, what they make of the answers, and what they are told.

use tokio::time::Instant;

use super::super::error::ConsumerError;
use super::{Place, Position, Positions, Slot, State, TopicPartition};

/// A question about where a partition's reader is to stand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lookup {
    pub(crate) partition: TopicPartition,
    pub(crate) ticket: u64,
    pub(crate) place: Place,
}

/// A question about an epoch's end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Validation {
    pub(crate) partition: TopicPartition,
    pub(crate) ticket: u64,
    pub(crate) current_leader_epoch: i32,
    pub(crate) epoch: i32,
}

/// A partition that may be fetched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fetchable {
    pub(crate) partition: TopicPartition,
    pub(crate) ticket: u64,
    pub(crate) offset: i64,
    pub(crate) turn: u64,
    pub(crate) buffered: usize,
}

/// Whether fetched records are to be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Now,
    Later,
    No,
}

/// What a broker tells of a log in every fetch answer; -1 for unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnds {
    pub(crate) high_watermark: i64,
    pub(crate) last_stable: i64,
    pub(crate) log_start: i64,
}

impl Positions {
    /// Partitions whose committed offsets are to be asked for; each is given once.
    pub(crate) fn committed_wanted(&mut self, now: Instant) -> Vec<(TopicPartition, u64)> {
        self.ask(now, |slot| (slot.state == State::NeedsCommitted).then_some(()))
            .into_iter()
            .map(|(partition, ticket, ())| (partition, ticket))
            .collect()
    }

    /// Places that are to be looked up; each is given once.
    pub(crate) fn lookups_wanted(&mut self, now: Instant) -> Vec<Lookup> {
        self.ask(now, |slot| match slot.state {
            State::NeedsLookup(place) => Some(place),
            _ => None,
        })
        .into_iter()
        .map(|(partition, ticket, place)| Lookup { partition, ticket, place })
        .collect()
    }

    fn ask<T>(&mut self, now: Instant, wanted: impl Fn(&Slot) -> Option<T>) -> Vec<(TopicPartition, u64, T)> {
        let mut asked = Vec::new();
        for (partition, slot) in &mut self.slots {
            if slot.asked || slot.not_before.is_some_and(|at| at > now) {
                continue;
            }
            if let Some(about) = wanted(slot) {
                slot.asked = true;
                asked.push((partition.clone(), slot.ticket, about));
            }
        }
        asked
    }

    /// Positions that have to be checked because a partition has a new leader (KIP-320); each is given once. Those whose
    /// epoch is not known are taken to hold, as Kafka does.
    pub(crate) fn validations_wanted(
        &mut self,
        now: Instant,
        leader_epoch: impl Fn(&TopicPartition) -> Option<i32>,
    ) -> Vec<Validation> {
        for (partition, slot) in &mut self.slots {
            let Some(epoch) = leader_epoch(partition).filter(|epoch| *epoch >= 0) else { continue };
            if slot.state == State::Fetching && slot.leader_epoch.is_none_or(|seen| seen < epoch) {
                slot.leader_epoch = Some(epoch);
                if slot.fetch_at.epoch.is_some() {
                    slot.state = State::Validating;
                }
            }
        }
        let asked = self.ask(now, |slot| match slot.state {
            State::Validating => Some((slot.leader_epoch?, slot.fetch_at.epoch?)),
            _ => None,
        });
        asked
            .into_iter()
            .map(|(partition, ticket, (current_leader_epoch, epoch))| Validation {
                partition,
                ticket,
                current_leader_epoch,
                epoch,
            })
            .collect()
    }

    /// What the group has committed for a partition. The error is the user's.
    pub(crate) fn found_committed(
        &mut self,
        partition: &TopicPartition,
        ticket: u64,
        committed: Option<Position>,
    ) -> Result<(), ConsumerError> {
        let place = self.place_of_policy();
        let Some(slot) = self.current(partition, ticket) else { return Ok(()) };
        slot.asked = false;
        match (committed, place) {
            (Some(position), _) => {
                slot.state = State::Fetching;
                slot.fetch_at = position;
                slot.delivered = Some(position);
            }
            (None, Some(place)) => slot.state = State::NeedsLookup(place),
            (None, None) => {
                slot.state = State::Stuck;
                return Err(ConsumerError::NoOffset(partition.clone()));
            }
        }
        Ok(())
    }

    /// A place was found; `None` if no record is that young: then what comes next is meant.
    pub(crate) fn found_place(&mut self, partition: &TopicPartition, ticket: u64, found: Option<Position>) {
        let Some(slot) = self.current(partition, ticket) else { return };
        slot.asked = false;
        let Some(position) = found else {
            slot.state = State::NeedsLookup(Place::Latest);
            return;
        };
        slot.state = State::Fetching;
        slot.fetch_at = position;
        // What was fetched before and not handed out comes first.
        if slot.buffered == 0 {
            slot.delivered = Some(position);
        }
    }

    /// The end of the position's epoch in the new leader's log; `None` if that log does not know the epoch.
    pub(crate) fn validated(
        &mut self,
        partition: &TopicPartition,
        ticket: u64,
        end: Option<Position>,
    ) -> Result<(), ConsumerError> {
        let place = self.place_of_policy();
        let Some(slot) = self.current(partition, ticket) else { return Ok(()) };
        slot.asked = false;
        if slot.state != State::Validating {
            return Ok(());
        }
        let offset = slot.fetch_at.offset;
        slot.state = State::Fetching;
        match (end, place) {
            (Some(end), _) if end.offset >= offset => {}
            (Some(end), Some(_)) => {
                let end = Position { offset: end.offset, epoch: end.epoch };
                return self.seek(partition, end);
            }
            (None, Some(place)) => return self.seek_to(partition, place),
            (end, None) => {
                slot.state = State::Stuck;
                let diverges_at = end.map(|end| end.offset);
                return Err(ConsumerError::LogTruncated { partition: partition.clone(), offset, diverges_at });
            }
        }
        Ok(())
    }
}
