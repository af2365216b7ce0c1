//! One round over one log: which part to read next, and what to put in its place.

use bytes::Bytes;
use callboard_model::{BatchHeader, Batches, Compression, HEADER_LEN, Offset, StoredBatch, Timestamp};

use super::key_map::KeyMap;
use super::plan::Plan;
use super::replacing::{Chunk, Compacted};
use super::survivors::{BatchFault, Codec, Fate, Rules, each_record, is_undecidable};
use crate::slices::{MaxBatch, Slice};

/// Bytes of survivors at which a chunk is handed over: with the slice that fills it about a slice's worth.
const CHUNK_OUT_BYTES: u64 = 512 * 1024;
/// Bytes looked at for one chunk: where next to nothing survives, the index must shrink too.
const CHUNK_IN_BYTES: u64 = 64 * 1024 * 1024;

/// What a round wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Batches from `from` on, none that begins at or past `until`, for [`Round::feed`].
    Read {
        /// First offset.
        from: Offset,
        /// Where to stop.
        until: Offset,
    },
    /// Nothing: it is through. [`Round::finish`] says how far it came.
    Nothing,
}

/// What a round has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of batches read; those of the dirty part twice.
    pub read_bytes: u64,
    /// Bytes of batches written in the place of others.
    pub written_bytes: u64,
    /// Bytes of batches that those replaced.
    pub replaced_bytes: u64,
    /// Records looked at for survival.
    pub records: u64,
    /// Records that are gone.
    pub dropped: u64,
    /// Keys in the dirty part.
    pub keys: u64,
}

/// Why a round cannot go on; the partition cannot be compacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch at offset {offset}: {fault}")]
pub struct RoundError {
    /// The batch's first offset.
    pub offset: Offset,
    /// What is wrong with it.
    pub fault: BatchFault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Looking for newer records, from here on; the slice that this lies in.
    Index { at: Offset, slice: usize },
    /// Filtering, from here on; the slice that this lies in.
    Filter { at: Offset, slice: usize },
}

/// A chunk while it is put together.
#[derive(Debug, Default)]
struct Pile {
    /// The first of its slices, and how many.
    first: usize,
    count: usize,
    batches: Vec<StoredBatch>,
    /// Base of the first batch that was looked at.
    from: Option<Offset>,
    in_bytes: u64,
    out_bytes: u64,
    max: Option<MaxBatch>,
    changed: bool,
}

/// A round under way. Feed it what it wants; what it gives out goes to the leader, in order.
#[derive(Debug)]
pub struct Round {
    plan: Plan,
    now: Timestamp,
    newest: KeyMap,
    /// Slices that take part; fewer than planned if the map was full.
    slices: usize,
    phase: Phase,
    pile: Pile,
    figures: Figures,
}

impl Round {
    /// Begins. The map holds at most about `map_bytes`, but the keys of one slice at least.
    pub fn new(plan: Plan, map_bytes: usize, now: Timestamp) -> Self {
        let at = plan.slices[plan.first_dirty_slice].start.max(plan.candidate.start);
        let (slices, slice) = (plan.slices.len(), plan.first_dirty_slice);
        Self {
            plan,
            now,
            newest: KeyMap::new(map_bytes),
            slices,
            phase: Phase::Index { at, slice },
            pile: Pile::default(),
            figures: Figures::default(),
        }
    }

    /// What it goes by.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What it has done so far.
    pub fn figures(&self) -> Figures {
        Figures { keys: self.newest.len() as u64, ..self.figures }
    }

    /// What it wants next.
    pub fn wanted(&self) -> Wanted {
        let (Phase::Index { at, slice } | Phase::Filter { at, slice }) = self.phase;
        match self.plan.slices[..self.slices].get(slice) {
            Some(slice) => Wanted::Read { from: at, until: slice.end },
            None => Wanted::Nothing,
        }
    }

    /// Takes whole batches that were wanted. `next` is where to read on, or the end of what was wanted if there is
    /// nothing left up to there. Gives a chunk to be written now and then.
    pub fn feed(&mut self, batches: &Bytes, next: Offset, codec: &impl Codec) -> Result<Option<Chunk>, RoundError> {
        for item in Batches::new(batches) {
            let (header, batch) =
                item.map_err(|error| RoundError { offset: next, fault: BatchFault::Header(error) })?;
            self.figures.read_bytes += batch.len() as u64;
            let taken = match self.phase {
                Phase::Index { .. } => self.index(&header, batch, codec),
                Phase::Filter { .. } => self.filter(&header, batches.slice_ref(batch), codec),
            };
            taken.map_err(|fault| RoundError { offset: header.base_offset, fault })?;
        }
        Ok(self.moved_to(next))
    }

    /// How far the log is compacted when all chunks are written.
    pub fn finish(&self) -> Compacted {
        let behind = &self.plan.slices[self.slices..];
        let left_bytes = behind.iter().fold(self.plan.left_bytes, |sum, slice| sum.saturating_add(slice.bytes));
        Compacted { until: self.plan.slices[self.slices - 1].end, left_bytes, seen_until: self.plan.seen_until }
    }

    fn index(&mut self, header: &BatchHeader, batch: &[u8], codec: &impl Codec) -> Result<(), BatchFault> {
        if is_undecidable(header) || header.count == 0 {
            return Ok(());
        }
        let records = match header.compression()? {
            Compression::None => std::borrow::Cow::Borrowed(&batch[HEADER_LEN..]),
            kind => codec.decompress(kind, &batch[HEADER_LEN..]).map_err(BatchFault::Codec)?,
        };
        each_record(header, &records, |record| {
            if let Some(key) = record.key {
                self.newest.note(key, record.offset);
            }
        })
    }

    fn filter(&mut self, header: &BatchHeader, batch: Bytes, codec: &impl Codec) -> Result<(), BatchFault> {
        let candidate = &self.plan.candidate;
        let end = header.end_offset();
        let of_producer = || {
            candidate.producers.get(&header.producer_id) == Some(&(end, header.producer_epoch)) && header.has_producer()
        };
        let must_end = end == self.plan.slices[self.slices - 1].end || of_producer();
        let delete_retention = candidate.config.delete_retention;
        let rules = Rules { newest: &self.newest, now: self.now, delete_retention };
        let fate = rules.judge(header, &batch, must_end, codec)?;
        self.figures.records += u64::from(header.count.unsigned_abs());
        self.pile.from.get_or_insert(header.base_offset);
        self.pile.in_bytes += batch.len() as u64;
        let stays = match fate {
            Fate::Kept => StoredBatch { header: *header, bytes: batch },
            Fate::Rewritten { batch, lost } => {
                self.figures.dropped += lost;
                self.pile.changed = true;
                batch
            }
            Fate::Gone { lost } => {
                self.figures.dropped += lost;
                self.pile.changed = true;
                return Ok(());
            }
        };
        self.pile.add(stays);
        Ok(())
    }

    /// Reading has come to `next`: past the ends of slices, of the phase, of a chunk.
    fn moved_to(&mut self, next: Offset) -> Option<Chunk> {
        let (Phase::Index { at, mut slice } | Phase::Filter { at, mut slice }) = self.phase;
        let at = at.max(next);
        let slices = &self.plan.slices[..self.slices];
        while slices.get(slice).is_some_and(|slice| slice.end <= at) {
            slice += 1;
        }
        let at = slices.get(slice).map_or(at, |slice| slice.start.max(at));
        match self.phase {
            Phase::Index { slice: before, .. } => {
                if slice > before && self.newest.is_full() {
                    self.slices = slice;
                }
                self.phase = if slice < self.slices {
                    Phase::Index { at, slice }
                } else {
                    Phase::Filter { at: self.plan.slices[0].start.max(self.plan.candidate.start), slice: 0 }
                };
                None
            }
            Phase::Filter { .. } => {
                self.phase = Phase::Filter { at, slice };
                self.pile.count = slice - self.pile.first;
                let full = self.pile.out_bytes >= CHUNK_OUT_BYTES || self.pile.in_bytes >= CHUNK_IN_BYTES;
                let at_edge = self.pile.count > 0 && slices.get(slice).is_none_or(|next| at <= next.start);
                if !(at_edge && (full || slice == self.slices)) {
                    return None;
                }
                self.hand_over(slice)
            }
        }
    }

    /// Makes a chunk of the pile, if it lost anything, and begins the next one.
    fn hand_over(&mut self, next: usize) -> Option<Chunk> {
        let pile = std::mem::replace(&mut self.pile, Pile { first: next, ..Pile::default() });
        if !pile.changed {
            return None;
        }
        let old = &self.plan.slices[pile.first..pile.first + pile.count];
        let (first, last) = (old.first()?, old.last()?);
        let old_bytes = old.iter().fold(0u64, |sum, slice| sum.saturating_add(slice.bytes));
        let new = (pile.out_bytes > 0).then(|| Slice {
            start: first.start,
            end: last.end,
            // Without records there are no times either; readers by time pass it over.
            max: pile.max.unwrap_or(MaxBatch { timestamp: Timestamp::NONE, base_offset: first.start }),
            // The hole in the scale lies before it, so that the scale goes on behind it.
            bytes_before: (last.bytes_before.saturating_add(last.bytes)).saturating_sub(pile.out_bytes),
            bytes: pile.out_bytes,
            appended: old.iter().map(|slice| slice.appended).max().unwrap_or(first.appended),
        });
        self.figures.written_bytes += pile.out_bytes;
        self.figures.replaced_bytes += pile.in_bytes;
        Some(Chunk {
            // A batch that holds the log's start begins before it.
            from: first.start.max(self.plan.candidate.start).min(pile.from.unwrap_or(first.start)),
            until: last.end,
            old: old.iter().map(|slice| slice.start).collect(),
            old_bytes,
            new,
            batches: pile.batches,
        })
    }
}

impl Pile {
    fn add(&mut self, batch: StoredBatch) {
        self.out_bytes += batch.bytes.len() as u64;
        let (timestamp, base_offset) = (batch.header.max_timestamp, batch.header.base_offset);
        if batch.header.count > 0 && self.max.is_none_or(|max| max.timestamp < timestamp) {
            self.max = Some(MaxBatch { timestamp, base_offset });
        }
        self.batches.push(batch);
    }
}
