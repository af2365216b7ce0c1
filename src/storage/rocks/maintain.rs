//! Space: sealing generations, dropping those that all logs have moved past, evacuating those that few hold up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use callboard_model::{Offset, Timestamp};
use rocksdb::{ReadOptions, WriteBatch};

use super::apply::{joined, put_batch, stage_ranges};
use super::catalogue::{Generation, Log, Range};
use super::families::RANGES;
use super::keys::{batch_key, generation_key, log_limit, payload_key, read_batch_key};
use super::payload::{Spills, batch_len};
use super::read::seek_holding;
use super::{Handle, RocksStorage, Writer};
use crate::{MaintenanceReport, StorageError};

/// Bytes copied while writers wait.
const CHUNK_BYTES: u64 = 1 << 20;
/// How often a generation's live bytes are counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// How long little must be alive in a compacted class: no retention will empty the rest.
const COMPACTED_AFTER: Duration = Duration::from_secs(60);
/// Sealed generations that a compacted class may have beside two for each that its bytes would fill.
const CROWD: usize = 8;
/// The part of a generation's size from which on an open one that is mostly dead is sealed.
const HOLLOW_PART: u64 = 8;

/// What maintenance remembers from call to call.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    counted: BTreeMap<u32, Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Timestamp,
    /// Since when so little is alive that evacuating pays.
    low_since: Option<Timestamp>,
}

/// The logs that still have records in a generation.
type Holders = BTreeMap<u32, Vec<Arc<Log>>>;

/// The generations that were sealed, and *after that* who holds which. In this order nobody can come to hold a sealed
/// one unseen: appends and evacuation go to open ones only, and what went there before is seen.
struct Looked {
    sealed: Vec<Arc<Generation>>,
    holders: Holders,
}

impl RocksStorage {
    pub(super) fn maintain_once(&self, now: Timestamp) -> Result<MaintenanceReport, StorageError> {
        let mut upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        let mut report = MaintenanceReport::default();
        self.write_out_due()?;
        self.stamp(now)?;
        let looked = self.look()?;
        self.seal_due(now, &looked.holders, &mut report)?;
        self.drop_dead(&looked, &mut report)?;
        if self.evacuate_due(&mut upkeep, &looked.holders, now, &mut report)? {
            self.drop_dead(&self.look()?, &mut report)?;
        }
        upkeep.counted.retain(|seq, _| self.generations.get(*seq).is_some());
        self.floor.sync()?;
        drop(upkeep);
        // What cuts files takes its time.
        self.tidy_batches()?;
        self.leaving
            .cut()
            .map_err(|error| StorageError::io("cut away dropped files in", self.folder.clone(), error))?;
        Ok(report)
    }

    /// Bytes of a generation in files and in memory.
    pub(super) fn bytes_of(&self, generation: &Generation) -> u64 {
        let Some(handle) = self.generation_handle(generation.seq) else { return 0 };
        let files = self.db.get_column_family_metadata_cf(&handle).size;
        let memory = self.db.property_int_value_cf(&handle, rocksdb::properties::CUR_SIZE_ALL_MEM_TABLES);
        files + memory.ok().flatten().unwrap_or(0) + generation.payload()
    }

    /// Bytes of a generation's files; `None` while it has something in memory only: a checkpoint will write it out.
    fn bytes_in_files(&self, generation: &Generation) -> Option<u64> {
        let handle = self.generation_handle(generation.seq)?;
        let number = |name| self.db.property_int_value_cf(&handle, name).ok().flatten().unwrap_or(0);
        let waiting = number(rocksdb::properties::NUM_IMMUTABLE_MEM_TABLE);
        if waiting + number(rocksdb::properties::NUM_ENTRIES_ACTIVE_MEM_TABLE) > 0 {
            self.checkpoint_wanted.store(true, Ordering::Relaxed);
            return None;
        }
        Some(self.db.get_column_family_metadata_cf(&handle).size + generation.payload())
    }

    /// Notes when a generation was first seen.
    fn stamp(&self, now: Timestamp) -> Result<(), StorageError> {
        let mut batch = WriteBatch::default();
        for generation in self.generations.all().iter().filter(|generation| generation.created().is_none()) {
            generation.set_created(now);
            batch.put(generation_key(generation.seq), generation.entry().to_bytes());
        }
        if batch.is_empty() { Ok(()) } else { self.write("note a generation's age", batch) }
    }

    fn look(&self) -> Result<Looked, StorageError> {
        let sealed = {
            // Between groups: a group that appended to a generation before it was sealed has told its logs by then.
            let _writer = self.writer();
            self.generations.all().into_iter().filter(|generation| generation.sealed()).collect()
        };
        Ok(Looked { sealed, holders: self.holders()? })
    }

    /// Who has records in which generation. Looks for the end of a log only where that decides.
    fn holders(&self) -> Result<Holders, StorageError> {
        let mut holders = Holders::new();
        for log in self.catalogue.all() {
            // A log that was dropped since has none.
            let Ok(view) = self.view(&log) else { continue };
            for (at, range) in view.ranges.iter().enumerate() {
                let limit = view.ranges.get(at + 1).map_or(view.end, |next| next.first);
                let of = holders.entry(range.generation).or_default();
                if view.start < limit && of.last().is_none_or(|last| last.id != log.id) {
                    of.push(Arc::clone(&log));
                }
            }
        }
        Ok(holders)
    }

    fn seal_due(&self, now: Timestamp, holders: &Holders, report: &mut MaintenanceReport) -> Result<(), StorageError> {
        let open: Vec<_> = self.generations.all().into_iter().filter(|generation| !generation.sealed()).collect();
        for generation in open.into_iter().filter(|generation| generation.bytes() > 0) {
            let age = self.options.generation_age.unwrap_or_else(|| generation.class.generation_age());
            let created = generation.created().unwrap_or(now);
            let old = passed(created, now, age);
            let full = generation.bytes() >= self.options.generation_bytes;
            let held = holders.get(&generation.seq).map_or(&[][..], Vec::as_slice);
            if old || full || held.is_empty() || self.is_hollow(&generation, held) {
                let mut writer = self.writer();
                if !generation.sealed() {
                    self.seal(&mut writer, &generation)?;
                    report.sealed.push(generation.seq);
                }
            }
        }
        Ok(())
    }

    /// Whether so much of an open generation was compacted away that it should take no more: sealed, it can be evacuated.
    fn is_hollow(&self, generation: &Generation, held: &[Arc<Log>]) -> bool {
        if !generation.class.is_compacted() || generation.class.is_cleaned() {
            return false;
        }
        let Some(handle) = self.generation_handle(generation.seq) else { return false };
        let files = self.db.get_column_family_metadata_cf(&handle).size + generation.payload();
        let percent = u64::from(self.options.evacuate_below_percent);
        files >= self.options.generation_bytes / HOLLOW_PART
            && self.live_bytes(generation, held) * 100 <= files * percent
    }

    /// Small generations of compacted classes that have become too many: rounds over many logs leave them behind.
    fn crowded(&self, sealed: &[Arc<Generation>]) -> BTreeSet<u32> {
        let mut by_class: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for generation in sealed.iter().filter(|generation| generation.class.is_compacted()) {
            by_class.entry(generation.class).or_default().push((self.bytes_of(generation), generation.seq));
        }
        let (full, mut crowded) = (self.options.generation_bytes, BTreeSet::new());
        for mut of_class in by_class.into_values() {
            let bytes: u64 = of_class.iter().map(|(bytes, _)| bytes).sum();
            let allowed = CROWD + 2 * usize::try_from(bytes.div_ceil(full.max(1))).unwrap_or(usize::MAX / 2);
            if of_class.len() > allowed {
                // The smallest, so many that it takes a while until there are too many again.
                of_class.sort_unstable();
                of_class.truncate(of_class.len() - allowed / 2);
                crowded.extend(of_class.iter().filter(|(bytes, _)| *bytes <= full / 2).map(|(_, seq)| *seq));
            }
        }
        crowded
    }

    /// Drops sealed generations without holders.
    fn drop_dead(&self, looked: &Looked, report: &mut MaintenanceReport) -> Result<(), StorageError> {
        let held = |generation: &Arc<Generation>| looked.holders.get(&generation.seq).is_some_and(|of| !of.is_empty());
        let there = |generation: &Arc<Generation>| self.generations.get(generation.seq).is_some();
        let dead: Vec<_> =
            looked.sealed.iter().filter(|generation| !held(generation) && there(generation)).cloned().collect();
        if dead.is_empty() {
            return Ok(());
        }
        self.forget_ranges(&dead)?;
        // The starts that make these generations dead must outlive a power cut before the records go.
        crate::Storage::sync_wal(self)?;
        self.name_files(&dead);
        // Not while tables are begun: a family that is asked for by name must not go meanwhile.
        let _writing = self.writing_turn();
        for generation in dead {
            let bytes = self.bytes_of(&generation);
            self.generations.remove(generation.seq);
            self.db.drop_cf(&generation.name).map_err(|error| StorageError::engine("drop generation", &error))?;
            let path = self.payloads.path(generation.seq);
            let kept = self.payloads.retire(generation.seq).and_then(|kept| {
                if !kept {
                    self.leaving.name([path.clone()]);
                    self.payloads.remove(generation.seq)?;
                }
                Ok(())
            });
            kept.map_err(|error| StorageError::io("remove", path, error))?;
            report.dropped.push(generation.seq);
            report.dropped_bytes += bytes;
        }
        Ok(())
    }

    /// Cuts files to what is in them once they take no more, and gives spares back where the disk is short.
    fn tidy_batches(&self) -> Result<(), StorageError> {
        let io = |doing| move |error| StorageError::io(doing, self.folder.clone(), error);
        for seq in self.payloads.longer() {
            if let Some(generation) = self.generations.get(seq).filter(|generation| generation.sealed()) {
                // Sealed with the writers' lock held: whoever wrote before that has told how much.
                let end = {
                    let _writer = self.writer();
                    generation.payload()
                };
                self.payloads.trim(seq, end).map_err(io("cut a generation's file in"))?;
            }
        }
        match self.space.check(0) {
            Err(StorageError::DiskFull { .. }) => self.payloads.clear_spares().map_err(io("remove spare files in")),
            _ => Ok(()),
        }
    }

    /// Gives the tables of generations that go a second name, so that they leave the disk bit by bit.
    fn name_files(&self, dead: &[Arc<Generation>]) {
        let Ok(files) = self.db.live_files() else { return };
        let goes = |family: &str| dead.iter().any(|generation| generation.name == family);
        let folder = self.folder.join(super::open::DB_FOLDER);
        let files = files.into_iter().filter(|file| goes(&file.column_family_name));
        self.leaving.name(files.map(|file| folder.join(file.name.trim_start_matches('/'))));
    }

    /// Removes the logs' ranges in generations that go.
    fn forget_ranges(&self, dead: &[Arc<Generation>]) -> Result<(), StorageError> {
        let _writer = self.writer();
        self.check_open()?;
        let goes = |range: &Range| dead.iter().any(|generation| generation.seq == range.generation);
        let mut batch = WriteBatch::default();
        let mut changed = Vec::new();
        for log in self.catalogue.all() {
            let ranges = Arc::clone(&log.lock().ranges);
            if !ranges.iter().any(goes) {
                continue;
            }
            for range in ranges.iter().filter(|range| goes(range)) {
                batch.delete_cf(&self.fixed(RANGES), batch_key(log.id, range.first));
            }
            let rest: Arc<[Range]> = ranges.iter().copied().filter(|range| !goes(range)).collect();
            changed.push((log, rest));
        }
        for generation in dead {
            batch.delete(generation_key(generation.seq));
            batch.delete(payload_key(generation.seq));
        }
        self.write("drop generation", batch)?;
        for (log, ranges) in changed {
            log.lock().ranges = ranges;
        }
        Ok(())
    }

    /// Copies what is left out of generations that few logs hold up, as much as one call may. Says whether it did.
    fn evacuate_due(
        &self,
        upkeep: &mut Upkeep,
        holders: &Holders,
        now: Timestamp,
        report: &mut MaintenanceReport,
    ) -> Result<bool, StorageError> {
        let sealed: Vec<_> = self.generations.all().into_iter().filter(|generation| generation.sealed()).collect();
        let mut budget = self.options.evacuate_bytes;
        let crowded = self.crowded(&sealed);
        for generation in sealed {
            let held = holders.get(&generation.seq).map_or(&[][..], Vec::as_slice);
            let pays = !held.is_empty() && self.pays(upkeep, &generation, held, now);
            if held.is_empty() || !(pays || crowded.contains(&generation.seq)) {
                continue;
            }
            // Copying needs space that is not there; what is dead goes without it.
            if self.space.check(0).is_err() {
                break;
            }
            for log in held {
                match self.evacuate_log(log, &generation, &mut budget) {
                    Ok(copied) => report.evacuated_bytes += copied,
                    Err(error @ StorageError::Corrupt { .. }) => report.damaged.push(error),
                    Err(error) => return Err(error),
                }
                if budget == 0 {
                    report.more = true;
                    return Ok(report.evacuated_bytes > 0);
                }
            }
        }
        Ok(report.evacuated_bytes > 0)
    }

    /// Whether little enough of a generation has been alive for long enough.
    fn pays(&self, upkeep: &mut Upkeep, generation: &Generation, held: &[Arc<Log>], now: Timestamp) -> bool {
        let before = upkeep.counted.get(&generation.seq).copied();
        let usual = match generation.class.is_compacted() {
            true => COMPACTED_AFTER,
            false => generation.class.generation_age(),
        };
        let after = self.options.evacuate_after.unwrap_or(usual);
        let count_due = before.is_none_or(|before| passed(before.at, now, COUNT_EVERY.min(after)));
        let counted = match before {
            Some(before) if !count_due => before,
            _ => {
                let percent = u64::from(self.options.evacuate_below_percent);
                let low = self
                    .bytes_in_files(generation)
                    .is_some_and(|bytes| self.live_bytes(generation, held) * 100 <= bytes * percent);
                let low_since = low.then(|| before.and_then(|before| before.low_since).unwrap_or(now));
                Counted { at: now, low_since }
            }
        };
        upkeep.counted.insert(generation.seq, counted);
        counted.low_since.is_some_and(|since| passed(since, now, after))
    }

    /// Bytes of a generation that logs still read: an estimate from the tables' indexes, or counted from its places.
    fn live_bytes(&self, generation: &Generation, held: &[Arc<Log>]) -> u64 {
        let Some(handle) = self.generation_handle(generation.seq) else { return 0 };
        let mut extents = Vec::new();
        for log in held {
            let Ok(view) = self.view(log) else { continue };
            for (at, range) in view.ranges.iter().enumerate().filter(|(_, range)| range.generation == generation.seq) {
                let next = view.ranges.get(at + 1);
                let limit = next.map_or_else(|| log_limit(log.id), |next| batch_key(log.id, next.first));
                let first = batch_key(log.id, range.first.max(view.start));
                if first < limit {
                    extents.push((first, limit));
                }
            }
        }
        if generation.payload() > 0 {
            return extents.iter().map(|(first, limit)| self.stored_bytes(&handle, first, limit)).sum();
        }
        let extents: Vec<_> =
            extents.iter().map(|(first, limit)| rocksdb::Range::new(&first[..], &limit[..])).collect();
        self.db.get_approximate_sizes_cf(&handle, &extents).iter().sum()
    }

    /// Bytes of the batches between two keys, wherever they lie.
    fn stored_bytes(&self, handle: &Handle<'_>, first: &[u8], limit: &[u8]) -> u64 {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(limit);
        options.fill_cache(false);
        let mut iterator = self.db.raw_iterator_cf_opt(handle, options);
        iterator.seek(first);
        let mut bytes = 0;
        while let Some(value) = iterator.value() {
            bytes += batch_len(value) as u64;
            iterator.next();
        }
        bytes
    }

    /// Copies what a log still has in a generation to the newest of its class, in chunks that hold writers up briefly.
    fn evacuate_log(&self, log: &Log, from: &Generation, budget: &mut u64) -> Result<u64, StorageError> {
        let mut copied = 0;
        while *budget > 0 {
            let mut writer = self.writer();
            let Some(bytes) = self.evacuate_chunk(&mut writer, log, from, CHUNK_BYTES.min(*budget))? else { break };
            copied += bytes;
            *budget = budget.saturating_sub(bytes.max(1));
        }
        Ok(copied)
    }

    /// Copies one chunk; `None` when there is nothing left to copy.
    fn evacuate_chunk(
        &self,
        writer: &mut Writer,
        log: &Log,
        from: &Generation,
        max_bytes: u64,
    ) -> Result<Option<u64>, StorageError> {
        let Ok(view) = self.view(log) else { return Ok(None) };
        let ranges = &view.ranges;
        let live = |at: usize| view.start < ranges.get(at + 1).map_or(view.end, |next| next.first);
        let Some(at) = (0..ranges.len()).find(|at| ranges[*at].generation == from.seq && live(*at)) else {
            return Ok(None);
        };
        let class = log.lock().class;
        let survived = from.class.is_cleaned() && class.is_compacted();
        let class = if survived { class.cleaned() } else { class };
        let mut to = self.open_generation(writer, class)?;
        // What the log left behind there would stand among what is copied.
        if self.has_batches(to.seq, log.id, ranges[at].first, ranges.get(at + 1).map(|next| next.first))? {
            self.seal(writer, &to)?;
            to = self.open_generation(writer, class)?;
        }
        let (Some(mut iterator), Some(handle)) =
            (self.range_iterator(log.id, ranges, at), self.generation_handle(to.seq))
        else {
            return Ok(None);
        };
        let mut batches = Vec::new();
        let (mut bytes, mut rest) = (0, None);
        seek_holding(&mut iterator, log.id, ranges[at], view.start);
        while let Some((key, value)) = iterator.item() {
            let offset = read_batch_key(key).map_or(Offset::ZERO, |(_, offset)| offset);
            if bytes >= max_bytes {
                rest = Some(offset);
                break;
            }
            let opened = self.opened(log.id, ranges[at], key, value)?;
            if opened.header.end_offset() > view.start {
                bytes += opened.bytes.len() as u64;
                batches.push((batch_key(log.id, offset), Bytes::from(opened.bytes.into_owned())));
            }
            iterator.next();
        }
        iterator.status().map_err(|error| self.unreadable(&error))?;
        let mut batch = WriteBatch::default();
        let mut spills = Spills::new();
        for (key, bytes) in &batches {
            put_batch(&mut batch, self, &handle, &mut spills, to.seq, key, bytes);
        }
        let moved = moved_ranges(ranges, at, rest, to.seq);
        stage_ranges(&mut batch, self, log.id, ranges, &moved);
        self.write_with("evacuate a generation", batch, spills, true)?;
        to.bytes.fetch_add(bytes, Ordering::Relaxed);
        log.lock().ranges = moved.into();
        Ok(Some(bytes))
    }
}

/// The ranges after range `at` was copied to a generation, up to `rest` if some of it was not. It moves from its very
/// beginning, whether there was a batch or a hole: the range before it must not come to reach further.
fn moved_ranges(ranges: &[Range], at: usize, rest: Option<Offset>, to: u32) -> Vec<Range> {
    let kept = ranges[at];
    let moved = Range { first: kept.first, generation: to };
    let left = rest.map(|rest| Range { first: rest, generation: kept.generation });
    joined(ranges[..at].iter().copied().chain([moved]).chain(left).chain(ranges[at + 1..].iter().copied()))
}

fn passed(since: Timestamp, now: Timestamp, time: Duration) -> bool {
    let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    now.millis().saturating_sub(since.millis()) >= time
}
