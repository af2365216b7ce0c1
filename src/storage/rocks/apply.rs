//! One group of writes as one atomic write of the database.
//!
//! Each write is *planned* first (refused or not, without effect), then *staged* into the batch and into copies of the
//! logs' states. The copies replace the originals when the database has taken the batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use callboard_model::{Durability, JournalWrite, LogId, LogWrite, Offset};
use rocksdb::WriteBatch;

use super::catalogue::{Generation, Log, LogState, Range, range_of};
use super::families::{LOGS, RANGES};
use super::keys::{GenerationEntry, NEXT_GENERATION_KEY, batch_key, generation_key, log_limit, state_key};
use super::payload::{Spill, Spills};
use super::{Handle, RocksStorage, Writer};
use crate::{RetentionClass, StorageError};

/// A log's state as it will be, with what this group appended to it.
struct Staged {
    log: Arc<Log>,
    state: LogState,
    end: Offset,
    /// The end of what the database has of it, apart from what this group appends.
    stored_end: Offset,
    appended: Vec<Offset>,
    entry_changed: bool,
    /// Whether this group has put survivors in the place of batches.
    replaced: bool,
    /// Whether it has cut the log.
    cut: bool,
}

/// Where a planned write goes.
#[derive(Default)]
struct Places {
    /// Where its truncations cut, in order.
    cuts: Vec<Offset>,
    /// The generation of its appends.
    appends: Option<u32>,
    /// From where on that generation has batches that the log left behind: they go before the first append.
    stale_from: Option<Offset>,
    /// The generation of its survivors.
    survivors: Option<u32>,
}

/// The group while it is put together.
struct Group<'a> {
    storage: &'a RocksStorage,
    writer: &'a mut Writer,
    batch: WriteBatch,
    logs: HashMap<LogId, Staged>,
    handles: HashMap<u32, Handle<'a>>,
    bytes: BTreeMap<u32, u64>,
    /// What goes to the generations' own files.
    spills: Spills,
    /// Whether one of the writes waits for a sync.
    synced: bool,
    room: Option<Result<(), StorageError>>,
}

/// What goes wrong before anything is written concerns one log: its end cannot be read. Others go on.
fn unstaged(log: LogId, error: StorageError) -> StorageError {
    match error {
        StorageError::Damaged { file, detail } => {
            StorageError::Corrupt { log, offset: Offset::NONE, place: file.display().to_string().into(), detail }
        }
        other => other,
    }
}

impl RocksStorage {
    pub(super) fn apply_group(&self, writes: &[JournalWrite]) -> Vec<Result<(), StorageError>> {
        let mut writer = self.writer();
        if let Err(error) = self.check_open() {
            return vec![Err(error); writes.len()];
        }
        let mut results = Vec::with_capacity(writes.len());
        while results.len() < writes.len() {
            let rest = &writes[results.len()..];
            results.append(&mut self.apply_together(&mut writer, rest));
        }
        results
    }

    /// Performs the first writes of a group as one, up to one that has to see them in the database.
    fn apply_together(&self, writer: &mut Writer, writes: &[JournalWrite]) -> Vec<Result<(), StorageError>> {
        // Where tables cannot be written for lack of space, what may bring some back goes on.
        let room = match self.write_out_overdue() {
            Ok(()) => None,
            Err(error @ StorageError::DiskFull { .. }) => Some(Err(error)),
            Err(error) => return vec![Err(error); writes.len()],
        };
        let mut group = Group {
            storage: self,
            writer,
            batch: WriteBatch::with_capacity_bytes(128 * writes.len()),
            logs: HashMap::new(),
            handles: HashMap::new(),
            bytes: BTreeMap::new(),
            spills: Spills::new(),
            synced: writes.iter().any(|write| write.durability == Durability::Synced),
            room,
        };
        let mut results = Vec::with_capacity(writes.len());
        for write in writes {
            if group.must_end_before(write) {
                break;
            }
            results.push(group.stage(write).map_err(|error| unstaged(write.log, error)));
        }
        if let Err(error) = group.finish() {
            results.iter_mut().filter(|result| result.is_ok()).for_each(|result| *result = Err(error.clone()));
        }
        results
    }

    /// The generation of a class that takes appends; made if there is none, or if the newest has its size.
    pub(super) fn open_generation(
        &self,
        writer: &mut Writer,
        class: RetentionClass,
    ) -> Result<Arc<Generation>, StorageError> {
        if let Some(open) = writer.open.get(&class) {
            if open.bytes() < self.options.generation_bytes {
                return Ok(Arc::clone(open));
            }
            let full = Arc::clone(open);
            self.seal(writer, &full)?;
        }
        let seq = writer.next_generation;
        let generation = Generation::new(class, seq, GenerationEntry::default(), 0);
        let created = self.db.create_cf(&generation.name, &self.families.of(&generation.name));
        created.map_err(|error| self.refused("create generation", &error))?;
        writer.next_generation = seq + 1;
        let mut batch = WriteBatch::default();
        batch.put(NEXT_GENERATION_KEY, writer.next_generation.to_be_bytes());
        batch.put(generation_key(seq), generation.entry().to_bytes());
        self.write("create generation", batch)?;
        let generation = self.generations.insert(generation);
        writer.open.insert(class, Arc::clone(&generation));
        Ok(generation)
    }

    /// Takes a generation out of use for appends.
    pub(super) fn seal(&self, writer: &mut Writer, generation: &Generation) -> Result<(), StorageError> {
        generation.seal();
        writer.open.remove(&generation.class);
        let mut batch = WriteBatch::default();
        batch.put(generation_key(generation.seq), generation.entry().to_bytes());
        self.write("seal generation", batch)
    }
}

impl Group<'_> {
    /// Whether a write looks at batches that this group is about to change: survivors and cuts go by what is stored.
    fn must_end_before(&self, write: &JournalWrite) -> bool {
        let Some(staged) = self.logs.get(&write.log) else { return false };
        write.writes.iter().any(|change| match change {
            LogWrite::Replace { until, .. } => staged.replaced || staged.cut || *until > staged.stored_end,
            LogWrite::Truncate(_) => staged.replaced,
            _ => false,
        })
    }

    fn stage(&mut self, write: &JournalWrite) -> Result<(), StorageError> {
        let bytes = write.batch_bytes() as u64;
        if bytes > 0 {
            let space = &self.storage.space;
            // One look per group decides for all of it.
            self.room.get_or_insert_with(|| space.check(bytes)).clone()?;
        }
        if !self.logs.contains_key(&write.log) {
            let log = self.storage.catalogue.get(write.log)?;
            let end = self.storage.view(&log)?.end;
            let state = log.lock().clone();
            let staged = Staged {
                log,
                state,
                end,
                stored_end: end,
                appended: Vec::new(),
                entry_changed: false,
                replaced: false,
                cut: false,
            };
            self.logs.insert(write.log, staged);
        }
        let mut places = Places { cuts: self.plan(write)?, ..Places::default() };
        // Made before anything is staged: making it can fail.
        self.place_appends(write, &mut places)?;
        self.place_survivors(write, &mut places)?;
        self.perform(write, places);
        Ok(())
    }

    fn place_appends(&mut self, write: &JournalWrite, places: &mut Places) -> Result<(), StorageError> {
        if !write.writes.iter().any(|write| matches!(write, LogWrite::Append(_))) {
            return Ok(());
        }
        let seq = self.generation_for(self.logs[&write.log].state.class)?.seq;
        self.handle(seq)?;
        let staged = &self.logs[&write.log];
        let goes_on = staged.state.ranges.last().is_some_and(|range| range.generation == seq);
        let from = places.cuts.iter().copied().fold(staged.end, Offset::min);
        // Where a log goes on in its last generation there is nothing behind its end, unless it is cut there now.
        if (!goes_on || from < staged.end) && self.storage.has_batches(seq, write.log, from, None)? {
            places.stale_from = Some(from);
        }
        places.appends = Some(seq);
        Ok(())
    }

    /// Survivors go to a generation that has nothing else of the log where they are put: what it left behind there
    /// would stand among them.
    fn place_survivors(&mut self, write: &JournalWrite, places: &mut Places) -> Result<(), StorageError> {
        let mut stretches = write.writes.iter().filter_map(|write| match write {
            LogWrite::Replace { from, until, .. } => Some((*from, *until)),
            _ => None,
        });
        let Some((from, until)) = stretches.next() else { return Ok(()) };
        let class = self.logs[&write.log].state.class.cleaned();
        let mut to = self.generation_for(class)?;
        if self.storage.has_batches(to.seq, write.log, from, Some(until))? {
            self.storage.seal(self.writer, &to)?;
            to = self.generation_for(class)?;
        }
        self.handle(to.seq)?;
        places.survivors = Some(to.seq);
        Ok(())
    }

    fn generation_for(&mut self, class: RetentionClass) -> Result<Arc<Generation>, StorageError> {
        self.storage.open_generation(self.writer, class)
    }

    fn handle(&mut self, seq: u32) -> Result<(), StorageError> {
        if !self.handles.contains_key(&seq) {
            let handle = self.storage.generation_handle(seq).ok_or(StorageError::Engine {
                doing: "find generation",
                detail: format!("generation {seq} is gone").into(),
            })?;
            self.handles.insert(seq, handle);
        }
        Ok(())
    }

    /// Decides whether a write is taken, and where its truncations cut. Changes nothing but the handles at hand.
    fn plan(&mut self, write: &JournalWrite) -> Result<Vec<Offset>, StorageError> {
        let staged = &self.logs[&write.log];
        let (mut start, mut end) = (staged.state.start, staged.end);
        let mut appended: Option<Vec<Offset>> = None;
        let (mut cuts, mut touched) = (Vec::new(), Vec::new());
        for change in &write.writes {
            match change {
                LogWrite::Append(batch) => {
                    debug_assert!(
                        crate::memory::is_one_batch(batch),
                        "a stored batch is whole and its header is its own"
                    );
                    if batch.header.base_offset != end {
                        let given = batch.header.base_offset;
                        return Err(StorageError::NotContiguous { log: write.log, expected: end, given });
                    }
                    end = batch.header.end_offset();
                    appended.get_or_insert_with(|| staged.appended.clone()).push(batch.header.base_offset);
                }
                LogWrite::SetStart(to) => {
                    start = start.max(*to);
                    end = end.max(start);
                }
                LogWrite::Truncate(to) => {
                    let fresh = appended.get_or_insert_with(|| staged.appended.clone());
                    let cut = if *to >= end {
                        end
                    } else if let Some(base) = fresh.iter().rev().find(|base| *base <= to) {
                        *base
                    } else {
                        self.storage.batch_edge(write.log, &staged.state.ranges, *to)?
                    };
                    fresh.retain(|base| *base < cut);
                    if cut < end {
                        touched.extend(cut_ranges(&staged.state.ranges, cut).iter().copied());
                    }
                    end = start.max(cut);
                    cuts.push(cut);
                }
                LogWrite::Replace { from, until, batches } => {
                    let (from, until) = (*from, *until);
                    let refused = |reason| Err(StorageError::NotReplaceable { log: write.log, from, until, reason });
                    if !crate::memory::is_alone(&write.writes) {
                        return refused(crate::memory::NOT_ALONE);
                    }
                    if !crate::memory::replacement_fits(from, until, batches, end) || until > staged.stored_end {
                        return refused(crate::memory::NOT_FITTING);
                    }
                    let ranges = &staged.state.ranges;
                    let inside = until < staged.stored_end && self.storage.lies_across(write.log, ranges, until)?;
                    if inside || self.storage.lies_across(write.log, ranges, from)? {
                        return refused(crate::memory::NOT_AN_EDGE);
                    }
                }
                LogWrite::Put { .. } | LogWrite::Delete { .. } => {}
            }
        }
        for range in touched {
            self.handle(range.generation)?;
        }
        Ok(cuts)
    }

    /// Stages a planned write.
    fn perform(&mut self, write: &JournalWrite, places: Places) {
        let staged = self.logs.get_mut(&write.log).expect("staged by the caller");
        let mut cuts = places.cuts.into_iter();
        if let (Some(from), Some(seq)) = (places.stale_from, places.appends) {
            self.batch.delete_range_cf(&self.handles[&seq], batch_key(write.log, from), log_limit(write.log));
        }
        for change in &write.writes {
            match change {
                LogWrite::Append(stored) => {
                    let seq = places.appends.expect("found by the caller for every write that appends");
                    let base = stored.header.base_offset;
                    let key = batch_key(write.log, base);
                    if staged.state.ranges.last().is_none_or(|range| range.generation != seq) {
                        let range = Range { first: base, generation: seq };
                        staged.state.ranges = staged.state.ranges.iter().copied().chain([range]).collect();
                        self.batch.put_cf(&self.storage.fixed(RANGES), key, seq.to_be_bytes());
                    }
                    staged.end = stored.header.end_offset();
                    staged.appended.push(base);
                    let handle = &self.handles[&seq];
                    put_batch(&mut self.batch, self.storage, handle, &mut self.spills, seq, &key, &stored.bytes);
                    *self.bytes.entry(seq).or_default() += stored.bytes.len() as u64;
                }
                LogWrite::SetStart(to) => {
                    if *to > staged.state.start {
                        staged.state.start = *to;
                        staged.end = staged.end.max(*to);
                        staged.entry_changed = true;
                    }
                }
                LogWrite::Truncate(_) => {
                    let cut = cuts.next().expect("planned for every truncation");
                    if cut < staged.end {
                        truncate(&mut self.batch, &self.handles, self.storage, staged, cut, places.appends);
                    }
                }
                LogWrite::Replace { from, until, batches } => {
                    let seq = places.survivors.expect("found by the caller for every write that replaces");
                    for stored in batches {
                        let key = batch_key(write.log, stored.header.base_offset);
                        let handle = &self.handles[&seq];
                        put_batch(&mut self.batch, self.storage, handle, &mut self.spills, seq, &key, &stored.bytes);
                        *self.bytes.entry(seq).or_default() += stored.bytes.len() as u64;
                    }
                    let ranges = replaced_ranges(&staged.state.ranges, *from, *until, staged.end, seq);
                    stage_ranges(&mut self.batch, self.storage, write.log, &staged.state.ranges, &ranges);
                    staged.state.ranges = ranges.into();
                    staged.replaced = true;
                }
                LogWrite::Put { family, key, value } => {
                    let family = self.storage.fixed(family.name());
                    self.batch.put_cf(&family, state_key(write.log, key), value);
                }
                LogWrite::Delete { family, key } => {
                    let family = self.storage.fixed(family.name());
                    self.batch.delete_cf(&family, state_key(write.log, key));
                }
            }
        }
    }

    fn finish(mut self) -> Result<(), StorageError> {
        for staged in self.logs.values().filter(|staged| staged.entry_changed) {
            let entry = staged.log.entry(&staged.state);
            self.batch.put_cf(&self.storage.fixed(LOGS), staged.log.id.0.to_be_bytes(), entry.to_bytes());
        }
        self.storage.write_with("write to the journal", self.batch, self.spills, self.synced)?;
        for (seq, bytes) in self.bytes {
            if let Some(generation) = self.storage.generations.get(seq) {
                generation.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
        }
        for staged in self.logs.into_values() {
            let mut state = staged.log.lock();
            *state = LogState { end: Some(staged.end), ..staged.state };
        }
        Ok(())
    }
}

/// Stages a batch: its place in the generation's file, or itself if it is among the smallest.
pub(super) fn put_batch(
    batch: &mut WriteBatch,
    storage: &RocksStorage,
    handle: &Handle<'_>,
    spills: &mut Spills,
    seq: u32,
    key: &[u8],
    bytes: &Bytes,
) {
    if bytes.len() < storage.options.spill_batch_bytes {
        batch.put_cf(handle, key, bytes);
        return;
    }
    let held = || storage.generations.get(seq).map_or(0, |generation| generation.payload());
    let spill = spills.entry(seq).or_insert_with(|| Spill::behind(held()));
    batch.put_cf(handle, key, spill.push(bytes.clone()).to_bytes());
}

/// The ranges in which a cut deletes: from the one that will be the last on. It comes to reach as far as the log does, and
/// may have batches there that it left behind when a later range took their place.
fn cut_ranges(ranges: &[Range], cut: Offset) -> &[Range] {
    &ranges[ranges.partition_point(|range| range.first < cut).saturating_sub(1)..]
}

/// Stages the deletion of everything from `cut` on, a batch's edge.
fn truncate(
    batch: &mut WriteBatch,
    handles: &HashMap<u32, Handle<'_>>,
    storage: &RocksStorage,
    staged: &mut Staged,
    cut: Offset,
    appending: Option<u32>,
) {
    let log = staged.log.id;
    let ranges = Arc::clone(&staged.state.ranges);
    for range in cut_ranges(&ranges, cut) {
        debug_assert!(
            handles.contains_key(&range.generation) || appending.is_some(),
            "handles were taken while planning"
        );
        if let Some(handle) = handles.get(&range.generation) {
            // To the log's end, wherever the range ends: what it left behind there must not come to light.
            batch.delete_range_cf(handle, batch_key(log, cut), log_limit(log));
        }
        if range.first >= cut {
            batch.delete_cf(&storage.fixed(RANGES), batch_key(log, range.first));
        }
    }
    staged.state.ranges = ranges.iter().copied().filter(|range| range.first < cut).collect();
    staged.appended.retain(|base| *base < cut);
    staged.end = staged.state.start.max(cut);
    staged.stored_end = staged.stored_end.min(staged.end);
    staged.cut = true;
}

/// The ranges of a log after its stretch `[from, until)` came to lie in another generation.
fn replaced_ranges(ranges: &[Range], from: Offset, until: Offset, end: Offset, to: u32) -> Vec<Range> {
    let before = ranges.iter().copied().filter(|range| range.first < from);
    let moved = Range { first: from, generation: to };
    let rest = ranges.get(range_of(ranges, until)).filter(|_| until < end);
    let rest = rest.map(|rest| Range { first: until.max(rest.first), generation: rest.generation });
    let behind = ranges.iter().copied().filter(|range| range.first > until && rest.is_none_or(|rest| rest != *range));
    joined(before.chain([moved]).chain(rest).chain(behind))
}

/// Neighbours in the same generation become one range.
pub(super) fn joined(ranges: impl Iterator<Item = Range>) -> Vec<Range> {
    let mut out: Vec<Range> = Vec::new();
    for range in ranges {
        if out.last().is_none_or(|last| last.generation != range.generation) {
            out.push(range);
        }
    }
    out
}

/// Stages what has changed between two lists of a log's ranges.
pub(super) fn stage_ranges(batch: &mut WriteBatch, storage: &RocksStorage, log: LogId, old: &[Range], new: &[Range]) {
    for gone in old.iter().filter(|range| !new.contains(range)) {
        batch.delete_cf(&storage.fixed(RANGES), batch_key(log, gone.first));
    }
    for come in new.iter().filter(|range| !old.contains(range)) {
        batch.put_cf(&storage.fixed(RANGES), batch_key(log, come.first), come.generation.to_be_bytes());
    }
}
