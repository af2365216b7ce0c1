//! The last batches of every idempotent producer (KIP-98): what tells a repeat from something new.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_model::limits::PRODUCER_BATCHES_MAX;
use callboard_model::{BatchHeader, LogWrite, Offset, ProducerEpoch, ProducerId, StateFamily, Tick, Timestamp};

use crate::error::ProduceError;
use crate::layout::{Fields, StateError};
use crate::leader::Now;

const KIND: &str = "producer";
const VERSION: u8 = 1;
/// Bytes of one batch in a stored value.
const BATCH_LEN: usize = 24;

/// One remembered batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerBatch {
    pub(crate) base_sequence: i32,
    pub(crate) last_delta: i32,
    pub(crate) base_offset: Offset,
    pub(crate) timestamp: Timestamp,
}

impl ProducerBatch {
    const NONE: Self = Self { base_sequence: -1, last_delta: 0, base_offset: Offset::NONE, timestamp: Timestamp::NONE };

    fn of(header: &BatchHeader) -> Self {
        Self {
            base_sequence: header.base_sequence,
            last_delta: header.last_offset_delta,
            base_offset: header.base_offset,
            timestamp: header.max_timestamp,
        }
    }

    /// One past its last record.
    pub(crate) fn end_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_delta) + 1)
    }

    /// The sequence number that follows it; after `i32::MAX` comes 0.
    pub(crate) fn next_sequence(&self) -> i32 {
        ((i64::from(self.base_sequence) + i64::from(self.last_delta) + 1) & i64::from(i32::MAX)) as i32
    }
}

/// One producer's state. Stored in [`StateFamily::Producers`]:
///
/// ```text
/// key:    0 producer id u64
/// value:  0 version u8 = 1 | 1 epoch i16 | 3 last seen i64 | 11 batches u8, 1 to 5, oldest first, each
///           0 base sequence i32 | 4 last offset delta i32 | 8 base offset i64 | 16 largest timestamp i64
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerState {
    pub(crate) epoch: ProducerEpoch,
    /// Wall time of its last append here. Not the batch's own time, which may be years old (a backfill) and would
    /// let the producer expire at once.
    pub(crate) last_seen: Timestamp,
    /// Whether it changed since it was last stored.
    pub(crate) dirty: bool,
    batches: [ProducerBatch; PRODUCER_BATCHES_MAX],
    len: usize,
}

impl ProducerState {
    fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            last_seen: Timestamp::NONE,
            dirty: false,
            batches: [ProducerBatch::NONE; PRODUCER_BATCHES_MAX],
            len: 0,
        }
    }

    /// Oldest first.
    pub(crate) fn batches(&self) -> &[ProducerBatch] {
        &self.batches[..self.len]
    }

    fn push(&mut self, batch: ProducerBatch) {
        if self.len == PRODUCER_BATCHES_MAX {
            self.batches.rotate_left(1);
            self.len -= 1;
        }
        self.batches[self.len] = batch;
        self.len += 1;
    }

    fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(12 + self.len * BATCH_LEN);
        value.push(VERSION);
        value.extend_from_slice(&self.epoch.get().to_be_bytes());
        value.extend_from_slice(&self.last_seen.millis().to_be_bytes());
        value.push(self.len as u8);
        for batch in self.batches() {
            value.extend_from_slice(&batch.base_sequence.to_be_bytes());
            value.extend_from_slice(&batch.last_delta.to_be_bytes());
            value.extend_from_slice(&batch.base_offset.get().to_be_bytes());
            value.extend_from_slice(&batch.timestamp.millis().to_be_bytes());
        }
        value
    }

    fn decode(value: &[u8]) -> Result<Self, StateError> {
        let mut fields = Fields::new(KIND, value);
        fields.version(VERSION)?;
        let mut state = Self::new(ProducerEpoch(fields.i16()?));
        fields.require(state.epoch.is_known(), "a negative epoch")?;
        state.last_seen = fields.timestamp()?;
        let count = fields.u8()?;
        fields.require((1..=PRODUCER_BATCHES_MAX as u8).contains(&count), "its number of batches is not 1 to 5")?;
        for _ in 0..count {
            let (base_sequence, last_delta) = (fields.i32()?, fields.i32()?);
            fields.require(base_sequence >= 0 && last_delta >= 0, "a negative sequence number")?;
            let (base_offset, timestamp) = (fields.offset()?, fields.timestamp()?);
            state.push(ProducerBatch { base_sequence, last_delta, base_offset, timestamp });
        }
        fields.end()?;
        Ok(state)
    }
}

/// All producers of a partition.
#[derive(Clone, Debug)]
pub(crate) struct ProducerStates {
    by_id: BTreeMap<ProducerId, ProducerState>,
    /// Those that changed since the last store, in the order of their first change.
    dirty: Vec<ProducerId>,
    /// When to look for expired ones; none without producers.
    next_check: Option<Tick>,
    expiration: Duration,
    check_interval: Duration,
}

impl ProducerStates {
    /// Reads the stored entries.
    pub(crate) fn decode(
        stored: &[(Vec<u8>, Vec<u8>)],
        expiration: Duration,
        check_interval: Duration,
    ) -> Result<Self, StateError> {
        let mut by_id = BTreeMap::new();
        for (key, value) in stored {
            let mut fields = Fields::new(KIND, key);
            let id = fields.i64()?;
            fields.require(id >= 0, "a negative producer id")?;
            fields.end()?;
            by_id.insert(ProducerId(id), ProducerState::decode(value)?);
        }
        Ok(Self { by_id, dirty: Vec::new(), next_check: None, expiration, check_interval })
    }

    pub(crate) fn by_id(&self) -> &BTreeMap<ProducerId, ProducerState> {
        &self.by_id
    }

    pub(crate) fn dirty(&self) -> &[ProducerId] {
        &self.dirty
    }

    pub(crate) fn next_check(&self) -> Option<Tick> {
        self.next_check
    }

    /// Judges a client's batch (Kafka: `ProducerStateEntry.findDuplicateBatch`, `ProducerAppendInfo.checkSequence`):
    /// the earlier append if it is a repeat, nothing if it is next in order. A producer that is not known, or no
    /// longer, may begin at any number; a new epoch begins at 0.
    pub(crate) fn judge(&self, header: &BatchHeader) -> Result<Option<ProducerBatch>, ProduceError> {
        let (producer, epoch, given) = (header.producer_id, header.producer_epoch, header.base_sequence);
        let Some(known) = self.by_id.get(&producer) else {
            return Ok(None);
        };
        if epoch < known.epoch {
            return Err(ProduceError::ProducerFenced { producer, given: epoch, current: known.epoch });
        }
        let expected = if epoch > known.epoch {
            0
        } else {
            let repeat =
                |batch: &&ProducerBatch| batch.base_sequence == given && batch.last_delta == header.last_offset_delta;
            if let Some(earlier) = known.batches().iter().rev().find(repeat) {
                return Ok(Some(*earlier));
            }
            known.batches().last().map_or(given, ProducerBatch::next_sequence)
        };
        if given != expected {
            return Err(ProduceError::OutOfOrder { producer, epoch, given, expected });
        }
        Ok(None)
    }

    /// Notes an appended batch, its offsets assigned; it is not judged again.
    pub(crate) fn note(&mut self, header: &BatchHeader, now: Now) {
        let state = self.by_id.entry(header.producer_id).or_insert_with(|| ProducerState::new(header.producer_epoch));
        if state.epoch != header.producer_epoch {
            state.epoch = header.producer_epoch;
            state.len = 0;
        }
        state.push(ProducerBatch::of(header));
        state.last_seen = now.wall;
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(header.producer_id);
        }
        if self.next_check.is_none() {
            self.next_check = Some(now.tick.after(self.expiration.max(self.check_interval)));
        }
    }

    /// Says what to write so that all of it is stored.
    pub(crate) fn store(&mut self, writes: &mut Vec<LogWrite>) {
        for id in self.dirty.drain(..) {
            // Expired ones are gone.
            if let Some(state) = self.by_id.get_mut(&id) {
                state.dirty = false;
                let value = state.encode();
                writes.push(LogWrite::Put { family: StateFamily::Producers, key: key(id), value });
            }
        }
    }

    /// Forgets producers not seen for `producer.id.expiration.ms` and says what to write. True if one of them had
    /// changed since it was stored: then the open slice has to be closed too, or recovery would bring it back.
    pub(crate) fn expire(&mut self, now: Now, writes: &mut Vec<LogWrite>) -> bool {
        let expiration = i64::try_from(self.expiration.as_millis()).unwrap_or(i64::MAX);
        let mut one_was_dirty = false;
        let mut oldest = None::<Timestamp>;
        self.by_id.retain(|id, state| {
            let expired = now.wall.millis().saturating_sub(state.last_seen.millis()) >= expiration;
            if expired {
                one_was_dirty |= state.dirty;
                writes.push(LogWrite::Delete { family: StateFamily::Producers, key: key(*id) });
            } else {
                oldest = Some(oldest.map_or(state.last_seen, |oldest| oldest.min(state.last_seen)));
            }
            !expired
        });
        self.schedule(now, oldest);
        one_was_dirty
    }

    /// Holds producers to another time from now on; those that are expired by it go with the next look.
    pub(crate) fn set_expiration(&mut self, expiration: Duration) {
        if self.expiration != expiration {
            self.expiration = expiration;
            // That look sets the one after it right.
            self.next_check = self.next_check.map(|_| Tick::default());
        }
    }

    /// Sets the first look for expired ones after a recovery.
    pub(crate) fn begin(&mut self, now: Now) {
        let oldest = self.by_id.values().map(|state| state.last_seen).min();
        self.schedule(now, oldest);
    }

    fn schedule(&mut self, now: Now, oldest: Option<Timestamp>) {
        self.next_check = oldest.map(|oldest| {
            let age = Duration::from_millis(now.wall.millis().saturating_sub(oldest.millis()).max(0) as u64);
            now.tick.after(self.expiration.saturating_sub(age).max(self.check_interval))
        });
    }
}

/// Whether a batch has a place in a producer's sequence; control batches have none.
pub(crate) fn is_numbered(header: &BatchHeader) -> bool {
    header.has_producer() && header.producer_epoch.is_known() && header.base_sequence >= 0 && !header.is_control()
}

fn key(id: ProducerId) -> Vec<u8> {
    id.get().to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests;
