//! The machine of one partition: batches that are on their way, their order, their sequence numbers, what errors mean.
//!
//! With idempotence every batch has a sequence number, and a broker takes the next one only: a repeat is recognised, a
//! batch after a hole is refused. Three rules make that "once and in order", whatever is lost on the way:
//!
//! * A batch that may have been written is repeated with the same number until the broker says whether it was. It is only
//!   numbered anew when it is known not to be in the log.
//! * When a batch is given up, there may be a hole where it was. Nothing new is sent until all that is in flight is
//!   answered; then the epoch is raised, and numbers begin at 0 (KIP-360). Each partition has an epoch of its own, so a
//!   hole in one does not hold up the others; brokers keep epochs per partition, too.
//! * The first batch of an id goes out alone: brokers take any number from a producer that they do not know.

use std::collections::VecDeque;
use std::time::Duration;

use callboard_model::{ErrorCode, ProducerEpoch, ProducerId};
use tokio::time::Instant;

use super::completion::Acknowledged;
use crate::ClientError;

/// Batches of one partition that a broker remembers for recognising repeats (KIP-98): no more may be unresolved.
const UNRESOLVED_MAX: usize = callboard_model::limits::PRODUCER_BATCHES_MAX;

/// How long a request of a lost connection may still reach the broker. An epoch is not raised before, since what arrives
/// between the broker's last word and the first batch of the new epoch would be written twice.
const LATE_ARRIVAL: Duration = Duration::from_secs(1);

/// What the machine must know of a batch.
pub(crate) trait Payload: Sized {
    /// Records in it.
    fn count(&self) -> u32;
    /// When its first record was handed in.
    fn created(&self) -> Instant;
    /// The same records in two batches, if it has several (KIP-126).
    fn split(&self) -> Option<[Self; 2]>;
}

/// A producer's id and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
}

/// What a batch's header says of its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequenced {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) base_sequence: i32,
}

/// What became of one attempt.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It is in the log.
    Acked(Acknowledged),
    /// Not now. `uncertain`: it may be in the log all the same.
    Retry { error: ClientError, uncertain: bool },
    /// The broker expects another number: it is not in the log.
    OutOfOrder(ClientError),
    /// The broker does not know the producer: it is not in the log.
    UnknownProducer(ClientError),
    /// The broker knows a newer epoch: it is not in the log.
    Fenced(ClientError),
    /// The batch is too large as a whole: it is not in the log.
    TooLarge(ClientError),
    /// It never will be in the log.
    Fatal(ClientError),
}

impl Outcome {
    /// What a broker's error says (Kafka: `Sender.completeBatch`, `TransactionManager.canRetry`).
    pub(crate) fn of_refusal(code: ErrorCode, error: ClientError) -> Self {
        match code {
            ErrorCode::OutOfOrderSequenceNumber => Self::OutOfOrder(error),
            ErrorCode::UnknownProducerId => Self::UnknownProducer(error),
            ErrorCode::InvalidProducerEpoch | ErrorCode::ProducerFenced => Self::Fenced(error),
            ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => Self::TooLarge(error),
            // A repeat so old that its offset is forgotten: it is in the log.
            ErrorCode::DuplicateSequenceNumber => {
                Self::Acked(Acknowledged { base_offset: None, log_append_time: None })
            }
            code if code.is_retriable() => {
                let uncertain = matches!(
                    code,
                    ErrorCode::RequestTimedOut
                        | ErrorCode::NotEnoughReplicasAfterAppend
                        | ErrorCode::KafkaStorageError
                        | ErrorCode::NetworkException
                );
                Self::Retry { error, uncertain }
            }
            _ => Self::Fatal(error),
        }
    }
}

/// What is to be done with a batch that left the pipeline.
#[derive(Debug)]
pub(crate) enum Effect<B> {
    /// It is in the log.
    Acked(B, Acknowledged),
    /// It was given up.
    Failed(B, ClientError),
    /// Its time is up. `sent`: it may be in the log.
    Expired { batch: B, sent: bool, last: Option<ClientError> },
}

#[derive(Debug)]
struct Entry<B> {
    key: u64,
    /// `None` once it was given up while an answer is still to come.
    batch: Option<B>,
    count: u32,
    base_sequence: i32,
    state: State,
    /// Whether an earlier attempt may have put it into the log.
    uncertain: bool,
    /// Whether an attempt was ever lost: it may arrive late, whatever was answered since.
    lost: bool,
    attempts: u32,
    last: Option<ClientError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { not_before: Option<Instant> },
    InFlight,
}

/// Batches of one partition that have their place in the order.
#[derive(Debug)]
pub(crate) struct Pipeline<B> {
    entries: VecDeque<Entry<B>>,
    idempotent: bool,
    retries: u32,
    identity: Option<Identity>,
    next_sequence: i32,
    /// Whether the broker has taken a batch under this id.
    introduced: bool,
    /// A batch was given up: its numbers may be a hole in the log.
    gap: bool,
    /// When an attempt was last lost without an answer.
    lost_at: Option<Instant>,
    /// The epochs of the current id are used up, or taken by someone else.
    used_up: Option<ProducerId>,
    next_key: u64,
}

impl<B: Payload> Pipeline<B> {
    pub(crate) fn new(idempotent: bool, retries: u32) -> Self {
        Self {
            entries: VecDeque::new(),
            idempotent,
            retries,
            identity: None,
            next_sequence: 0,
            introduced: false,
            gap: false,
            lost_at: None,
            used_up: None,
            next_key: 0,
        }
    }

    /// Whether it waits for an id other than the one it had, if it had one.
    pub(crate) fn lacks_identity(&self) -> bool {
        self.idempotent && self.identity.is_none()
    }

    /// The id that is of no more use to this partition.
    pub(crate) fn used_up(&self) -> Option<ProducerId> {
        self.used_up
    }

    /// Takes an id if it waits for one.
    pub(crate) fn adopt(&mut self, identity: Identity) {
        if !self.lacks_identity() || self.used_up == Some(identity.id) {
            return;
        }
        self.identity = Some(identity);
        self.used_up = None;
        self.introduced = false;
        self.number_anew();
    }

    fn number_anew(&mut self) {
        self.gap = false;
        self.next_sequence = 0;
        for entry in &mut self.entries {
            entry.base_sequence = self.next_sequence;
            self.next_sequence = following(self.next_sequence, entry.count);
        }
    }

    /// Whether a new batch may take its place in the order.
    pub(crate) fn wants_new(&self) -> bool {
        let all_sent = self.entries.iter().all(|entry| entry.state == State::InFlight);
        all_sent
            && (!self.idempotent || !self.gap && self.identity.is_some() && self.entries.len() < self.unresolved_max())
    }

    /// Gives a batch its place behind all others.
    pub(crate) fn admit(&mut self, batch: B) {
        let (key, count, base_sequence) = (self.next_key, batch.count(), self.next_sequence);
        self.next_key += 1;
        self.next_sequence = following(self.next_sequence, count);
        let state = State::Waiting { not_before: None };
        let batch = Some(batch);
        let entry =
            Entry { key, batch, count, base_sequence, state, uncertain: false, lost: false, attempts: 0, last: None };
        self.entries.push_back(entry);
    }

    /// Attempts that are not answered yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.entries.iter().filter(|entry| entry.state == State::InFlight).count()
    }

    /// Whether nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The batch that may be sent now.
    pub(crate) fn next_batch(&self, now: Instant) -> Option<&B> {
        self.sendable_at(now).filter(|at| *at <= now)?;
        self.entries[self.next_at()?].batch.as_ref()
    }

    /// A broker takes any number as the first of an id that it does not know, so a second batch must not arrive before it.
    fn unresolved_max(&self) -> usize {
        if self.introduced { UNRESOLVED_MAX } else { 1 }
    }

    fn next_at(&self) -> Option<usize> {
        if self.lacks_identity() {
            return None;
        }
        let waiting = |entry: &Entry<B>| matches!(entry.state, State::Waiting { .. });
        if self.gap {
            // One at a time, the old number: the answer tells whether it is in the log.
            let probe = self.entries.iter().position(|entry| waiting(entry) && entry.uncertain);
            return probe.filter(|_| self.in_flight() == 0);
        }
        let first = self.entries.iter().position(waiting)?;
        (!self.idempotent || self.in_flight() < self.unresolved_max()).then_some(first)
    }

    /// When the next batch may be sent, or an epoch raised; `None` if only an answer or an id can change that.
    pub(crate) fn sendable_at(&self, now: Instant) -> Option<Instant> {
        if self.is_settling() {
            return Some(self.quiet_at().unwrap_or(now).max(now));
        }
        match self.entries[self.next_at()?].state {
            State::Waiting { not_before } => Some(not_before.unwrap_or(now).max(now)),
            State::InFlight => None,
        }
    }

    /// The batch to be sent now, which is in flight from here on: its key for the answer, itself, its numbers.
    pub(crate) fn send(&mut self, now: Instant) -> Option<(u64, &B, Option<Sequenced>)> {
        self.settle(now);
        if self.sendable_at(now)? > now {
            return None;
        }
        let at = self.next_at()?;
        let identity = self.identity.filter(|_| self.idempotent);
        let entry = &mut self.entries[at];
        entry.state = State::InFlight;
        entry.attempts += 1;
        let base_sequence = entry.base_sequence;
        let sequenced = identity.map(|Identity { id, epoch }| Sequenced { id, epoch, base_sequence });
        // A batch that was given up leaves as soon as it is answered, so one that waits has its records.
        Some((entry.key, entry.batch.as_ref()?, sequenced))
    }

    /// Attempts of a batch so far, for the pause before the next.
    pub(crate) fn attempts(&self, key: u64) -> u32 {
        self.entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.attempts)
    }

    /// An attempt is answered, or will never be. `retry_at`: when it may be tried again.
    pub(crate) fn answered(
        &mut self,
        key: u64,
        outcome: Outcome,
        now: Instant,
        retry_at: Instant,
    ) -> Option<Effect<B>> {
        let at = self.entries.iter().position(|entry| entry.key == key && entry.state == State::InFlight)?;
        let effect = match outcome {
            Outcome::Acked(acknowledged) => {
                // A broker takes no batch after a hole: what was given up before this one is in the log.
                self.gap = false;
                self.introduced = true;
                let entry = self.entries.remove(at)?;
                entry.batch.map(|batch| Effect::Acked(batch, acknowledged))
            }
            Outcome::Retry { error, uncertain } => {
                if uncertain {
                    self.lost_at = Some(now);
                }
                self.again(at, error, uncertain, Some(retry_at))
            }
            Outcome::OutOfOrder(error) if self.idempotent => {
                // With nobody before it the broker itself has lost track.
                let first = at == 0;
                self.gap |= first;
                self.entries[at].uncertain = false;
                self.again(at, error, false, first.then_some(retry_at))
            }
            Outcome::UnknownProducer(error) if self.idempotent => {
                self.gap = true;
                self.entries[at].uncertain = false;
                self.again(at, error, false, Some(retry_at))
            }
            Outcome::Fenced(error) if self.idempotent => {
                self.gap = true;
                self.used_up = self.identity.map(|identity| identity.id);
                self.entries[at].uncertain = false;
                self.again(at, error, false, Some(retry_at))
            }
            Outcome::TooLarge(error) => self.halve(at, error),
            Outcome::OutOfOrder(error)
            | Outcome::UnknownProducer(error)
            | Outcome::Fenced(error)
            | Outcome::Fatal(error) => self.give_up(at, error),
        };
        self.settle(now);
        effect
    }

    fn again(
        &mut self,
        at: usize,
        error: ClientError,
        uncertain: bool,
        not_before: Option<Instant>,
    ) -> Option<Effect<B>> {
        let entry = &mut self.entries[at];
        entry.uncertain |= uncertain;
        entry.lost |= uncertain;
        if entry.batch.is_none() || entry.attempts > self.retries {
            return self.give_up(at, error);
        }
        entry.state = State::Waiting { not_before };
        entry.last = Some(error);
        None
    }

    fn give_up(&mut self, at: usize, error: ClientError) -> Option<Effect<B>> {
        self.gap |= self.idempotent;
        let entry = self.entries.remove(at)?;
        entry.batch.map(|batch| Effect::Failed(batch, error))
    }

    /// The halves take the whole's place, with its numbers.
    fn halve(&mut self, at: usize, error: ClientError) -> Option<Effect<B>> {
        let Some(halves) = self.entries[at].batch.as_ref().and_then(Payload::split) else {
            return self.give_up(at, error);
        };
        let whole = self.entries.remove(at)?;
        let mut base_sequence = whole.base_sequence;
        for (step, half) in halves.into_iter().enumerate() {
            let (key, count) = (self.next_key, half.count());
            self.next_key += 1;
            let entry = Entry {
                key,
                batch: Some(half),
                count,
                base_sequence,
                state: State::Waiting { not_before: None },
                uncertain: false,
                lost: whole.lost,
                attempts: 0,
                last: Some(error.clone()),
            };
            base_sequence = following(base_sequence, count);
            self.entries.insert(at + step, entry);
        }
        None
    }

    /// Gives up batches that were handed in at or before `until`.
    pub(crate) fn expire(&mut self, until: Instant, now: Instant) -> Vec<Effect<B>> {
        let mut effects = Vec::new();
        let mut at = 0;
        while let Some(entry) = self.entries.get_mut(at) {
            if entry.batch.as_ref().is_none_or(|batch| batch.created() > until) {
                at += 1;
                continue;
            }
            let sent = entry.lost || entry.state == State::InFlight;
            let last = entry.last.take();
            effects.extend(entry.batch.take().map(|batch| Effect::Expired { batch, sent, last }));
            if entry.state == State::InFlight {
                // Its answer still tells whether there is a hole.
                at += 1;
            } else {
                self.gap |= self.idempotent;
                self.entries.remove(at);
            }
        }
        self.settle(now);
        effects
    }

    /// Whether a new epoch is all that is waited for.
    fn is_settling(&self) -> bool {
        let open = |entry: &Entry<B>| entry.uncertain || entry.state == State::InFlight;
        self.gap && self.identity.is_some() && !self.entries.iter().any(open)
    }

    fn quiet_at(&self) -> Option<Instant> {
        self.lost_at.map(|at| at + LATE_ARRIVAL)
    }

    /// Begins a new epoch once nothing is left that an old one could have put into the log.
    pub(crate) fn settle(&mut self, now: Instant) {
        if !self.is_settling() || self.quiet_at().is_some_and(|at| at > now) {
            return;
        }
        let Some(identity) = self.identity else { return };
        if self.used_up.is_some() || identity.epoch.0 == i16::MAX {
            self.used_up = Some(identity.id);
            self.identity = None;
        } else {
            self.identity = Some(Identity { epoch: ProducerEpoch(identity.epoch.0 + 1), ..identity });
            self.number_anew();
        }
    }

    /// Takes everything out, at the end.
    pub(crate) fn drain(&mut self) -> Vec<(B, bool)> {
        let sent = |entry: &Entry<B>| entry.lost || entry.state == State::InFlight;
        self.entries
            .drain(..)
            .filter_map(|entry| {
                let sent = sent(&entry);
                entry.batch.map(|batch| (batch, sent))
            })
            .collect()
    }
}

/// The number after a batch; after the largest comes 0.
fn following(sequence: i32, count: u32) -> i32 {
    ((i64::from(sequence) + i64::from(count)) & i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
