//! Appending one batch: admitted or refused, numbered, handed to the journal, kept for readers.

use bytes::Bytes;
use callboard_model::{
    CheckedBatch, Compression, LogWrite, Offset, Prefix, StoredBatch, Tick, Timestamp, TimestampType,
};

use crate::delayed::DelayedProduce;
use crate::effect::{Effect, Produced};
use crate::error::ProduceError;
use crate::leader::{Leader, Now, Standing};
use crate::producer_state::{ProducerBatch, is_numbered};
use crate::tail::TailBatch;
use crate::validate::validate;

/// When a producer wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Never.
    None,
    /// Once the leader has it on disk.
    Leader,
    /// Once all in-sync replicas have it on disk.
    All,
}

/// The records of a batch in other forms than its own. What cannot be made is left out: the batch is refused then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Decompressed, if [`crate::needs_records`] asks for them and they are compressed.
    pub records: Option<Bytes>,
    /// In the codec that [`crate::wants_codec`] asks for.
    pub packed: Option<(Compression, Bytes)>,
}

/// One batch to append.
#[derive(Debug)]
pub struct Append<W> {
    /// Whom to answer; none for acks=0.
    pub waiter: Option<W>,
    /// When to answer.
    pub acks: Acks,
    /// What to append.
    pub batch: CheckedBatch,
    /// Its records in the forms that it takes to append it.
    pub unpacked: Unpacked,
    /// When the producer stops waiting.
    pub deadline: Tick,
    /// Whether the request's version knows zstd (KIP-110).
    pub zstd_allowed: bool,
    /// Whether the platform itself appends: then the rules for clients do not hold.
    pub internal: bool,
    /// Where the log has to end: a batch that its writer decided on another end is refused (compare and append).
    pub expected_end: Option<Offset>,
}

impl<W> Leader<W> {
    /// Appends a batch, or refuses it. The answer comes when the batch is as safe as its producer asked for; a batch
    /// that was appended before is not appended again and gets its first offset, as safely (KIP-98).
    pub fn append(&mut self, append: Append<W>, now: Now, effects: &mut Vec<Effect<W>>) {
        let Append { waiter, acks, mut batch, unpacked, deadline, zstd_allowed, internal, expected_end } = append;
        let rules = Rules { zstd_allowed, internal, expected_end };
        let (produced, end) = match self.admit(&mut batch, &unpacked, acks, rules, now) {
            Err(error) => {
                if let Some(waiter) = waiter {
                    effects.push(Effect::Produced { waiter, result: Err(error) });
                }
                return;
            }
            Ok(Some(earlier)) => (self.produced(earlier.base_offset, earlier.timestamp), earlier.end_offset()),
            Ok(None) => {
                let base_offset = self.end;
                let timestamp = self.store(batch, now, effects);
                (self.produced(base_offset, timestamp), self.end)
            }
        };
        if let Some(waiter) = waiter {
            self.answer_when_safe(waiter, acks, deadline, produced, end, effects);
        }
        self.debug_check();
    }

    /// Lets a batch in as new, or names the earlier append that it repeats.
    fn admit(
        &self,
        batch: &mut CheckedBatch,
        unpacked: &Unpacked,
        acks: Acks,
        rules: Rules,
        now: Now,
    ) -> Result<Option<ProducerBatch>, ProduceError> {
        match &self.standing {
            Standing::Leading => {}
            Standing::Resigned => return Err(ProduceError::NotLeader),
            Standing::Failed(error) => return Err(ProduceError::Storage(error.clone())),
        }
        if let Some(expected) = rules.expected_end.filter(|expected| *expected != self.end) {
            return Err(ProduceError::UnexpectedEnd { expected, end: self.end });
        }
        let in_sync = self.replicas.in_sync();
        let wanted = self.replicas.effective_min_in_sync(self.config.min_insync_replicas);
        if acks == Acks::All && in_sync < wanted {
            return Err(ProduceError::NotEnoughReplicas { in_sync, wanted });
        }
        validate(batch, unpacked, &self.config, rules, now.wall)?;
        let header = batch.header();
        if is_numbered(header) { self.producers.judge(header) } else { Ok(None) }
    }

    /// Numbers a batch and asks for its write; gives its largest timestamp.
    fn store(&mut self, batch: CheckedBatch, now: Now, effects: &mut Vec<Effect<W>>) -> Timestamp {
        let prefix = Prefix { base_offset: self.end, leader_epoch: self.epoch };
        let (header, bytes) = batch.assign(prefix);
        self.end = header.end_offset();
        self.tail.push(TailBatch { base: header.base_offset, end: self.end, bytes: bytes.clone() });
        self.slices.add(&header, now.tick, now.wall);
        if is_numbered(&header) {
            self.producers.note(&header, now);
        }
        let mut writes = Vec::with_capacity(1);
        writes.push(LogWrite::Append(StoredBatch { header, bytes }));
        let is_old = self.slices.close_deadline(&self.config).is_some_and(|deadline| deadline <= now.tick);
        if is_old || self.slices.is_full() {
            self.close_slice(&mut writes);
        }
        self.write(self.durability(), writes, effects);
        header.max_timestamp
    }

    fn produced(&self, base_offset: Offset, timestamp: Timestamp) -> Produced {
        let is_ours = self.config.timestamp_type == TimestampType::LogAppendTime;
        Produced { base_offset, log_append_time: is_ours.then_some(timestamp), log_start: self.start }
    }

    /// Answers now if the log is safe up to `end`, which a repeated batch's can be; later otherwise.
    fn answer_when_safe(
        &mut self,
        waiter: W,
        acks: Acks,
        deadline: Tick,
        produced: Produced,
        end: Offset,
        effects: &mut Vec<Effect<W>>,
    ) {
        let (waiting, safe_end) = match acks {
            Acks::None | Acks::Leader => (&mut self.leader_acks, self.replicas.own_durable_end()),
            Acks::All => (&mut self.all_acks, self.high_watermark),
        };
        if end <= safe_end {
            effects.push(Effect::Produced { waiter, result: Ok(produced) });
            return;
        }
        let Produced { base_offset, log_append_time, .. } = produced;
        waiting.push(DelayedProduce { end, deadline, base_offset, log_append_time, waiter });
    }
}

/// What holds for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) zstd_allowed: bool,
    pub(crate) internal: bool,
    pub(crate) expected_end: Option<Offset>,
}

#[cfg(test)]
mod tests;
