//! Reading a log across its generations, every batch verified.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use bytes::BytesMut;
use callboard_model::{BatchHeader, Batches, LogId, Offset};
use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions};

use super::RocksStorage;
use super::catalogue::{Log, Range, range_of};
use super::keys::{batch_key, log_limit, read_batch_key};
use super::payload::{Place, batch_len};
use crate::{ReadSlice, StorageError};

/// How often a read begins again because a generation left while it was looking for it. Evacuation moves a log's
/// records on at most once per call of maintenance, so more than a few is no race.
const ATTEMPTS: usize = 8;
/// Bytes reserved for an answer before any of it was read.
const RESERVE_MAX: usize = 1 << 20;
/// Batches from this size on are read by their keys.
const LARGE: usize = 64 << 10;
/// Reads that want at least this much fetch ahead from the first block on.
const READ_AHEAD: usize = 256 << 10;

/// A stored batch, whole and verified.
pub(super) struct Opened<'a> {
    pub(super) header: BatchHeader,
    pub(super) bytes: Cow<'a, [u8]>,
}

/// A log at one moment.
pub(super) struct View {
    pub(super) start: Offset,
    pub(super) end: Offset,
    pub(super) ranges: Arc<[Range]>,
}

impl View {
    fn is_same(&self, other: &Self) -> bool {
        (self.start, self.end) == (other.start, other.end) && Arc::ptr_eq(&self.ranges, &other.ranges)
    }
}

impl RocksStorage {
    /// Looks at a log; finds its end if that is not known yet.
    pub(super) fn view(&self, log: &Log) -> Result<View, StorageError> {
        let mut state = log.lock();
        if state.dropped {
            return Err(StorageError::UnknownLog(log.id));
        }
        let end = match state.end {
            Some(end) => end,
            None => {
                let end = self.newest_end(log.id, &state.ranges)?.unwrap_or(state.start).max(state.start);
                state.end = Some(end);
                end
            }
        };
        Ok(View { start: state.start, end, ranges: Arc::clone(&state.ranges) })
    }

    /// One past the newest batch; the newest range has it, unless loss was accepted.
    fn newest_end(&self, log: LogId, ranges: &[Range]) -> Result<Option<Offset>, StorageError> {
        for at in (0..ranges.len()).rev() {
            let Some(mut iterator) = self.range_iterator(log, ranges, at, 0) else { continue };
            iterator.seek_to_last();
            if let Some((key, value)) = iterator.item() {
                return Ok(Some(self.opened(log, ranges[at], key, value)?.header.end_offset()));
            }
            iterator.status().map_err(|error| self.unreadable(&error))?;
        }
        Ok(None)
    }

    /// Iterates one range of a log and nothing beyond it; `None` if its generation is gone.
    pub(super) fn range_iterator(
        &self,
        log: LogId,
        ranges: &[Range],
        at: usize,
        read_ahead: usize,
    ) -> Option<DBRawIteratorWithThreadMode<'_, DB>> {
        let handle = self.generation_handle(ranges[at].generation)?;
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(batch_key(log, ranges[at].first));
        options.set_iterate_upper_bound(match ranges.get(at + 1) {
            Some(next) => batch_key(log, next.first),
            None => log_limit(log),
        });
        // Large reads pass by the cache, which is for indexes and for what is small.
        options.fill_cache(read_ahead < READ_AHEAD);
        if read_ahead >= READ_AHEAD {
            options.set_readahead_size(READ_AHEAD);
        }
        Some(self.db.raw_iterator_cf_opt(&handle, options))
    }

    /// The batch that a value is, or that lies where it says, verified to be the one of its key, whole and unchanged.
    pub(super) fn opened<'a>(
        &self,
        log: LogId,
        range: Range,
        key: &[u8],
        value: &'a [u8],
    ) -> Result<Opened<'a>, StorageError> {
        let bytes = match Place::read(value) {
            None => Cow::Borrowed(value),
            Some(place) => {
                let mut bytes = Vec::new();
                self.read_payload(log, range, key, place, |len| {
                    bytes.resize(len, 0);
                    &mut bytes
                })?;
                Cow::Owned(bytes)
            }
        };
        let header = self.checked(log, range, key, value, &bytes)?;
        Ok(Opened { header, bytes })
    }

    /// Reads what lies at a place into the room that it is given for it.
    fn read_payload<'a>(
        &self,
        log: LogId,
        range: Range,
        key: &[u8],
        place: Place,
        room: impl FnOnce(usize) -> &'a mut [u8],
    ) -> Result<(), StorageError> {
        let held = self.generations.get(range.generation).map_or(0, |generation| generation.payload());
        let end = place.position.checked_add(u64::from(place.len));
        let read = match end.filter(|end| *end <= held) {
            None => Err(format!("{place:?} is not within its {held} bytes")),
            Some(_) => {
                let read = self.payloads.read(range.generation, place, room(place.len as usize));
                read.map_err(|error| error.to_string())
            }
        };
        read.map_err(|detail| StorageError::Corrupt {
            log,
            offset: read_batch_key(key).map_or(range.first, |(_, offset)| offset),
            place: self.payloads.path(range.generation).display().to_string().into(),
            detail: detail.into(),
        })
    }

    /// Verifies that bytes are the batch that a key says; `value` is what the database has under it.
    fn checked(
        &self,
        log: LogId,
        range: Range,
        key: &[u8],
        value: &[u8],
        batch: &[u8],
    ) -> Result<BatchHeader, StorageError> {
        let offset = read_batch_key(key).map_or(range.first, |(_, offset)| offset);
        let corrupt = |detail: String| StorageError::Corrupt {
            log,
            offset,
            place: match Place::read(value) {
                Some(_) => self.payloads.path(range.generation).display().to_string().into(),
                None => self.place(range.generation, key).into(),
            },
            detail: detail.into(),
        };
        match Batches::verified(batch).next() {
            Some(Ok((header, bytes))) if bytes.len() == batch.len() && header.base_offset == offset => Ok(header),
            Some(Ok((header, _))) => Err(corrupt(format!(
                "a batch of {} bytes at offset {} is stored as {} bytes",
                header.len,
                header.base_offset,
                batch.len()
            ))),
            Some(Err(error)) => Err(corrupt(error.to_string())),
            None => Err(corrupt(format!("{} bytes are no whole batch", batch.len()))),
        }
    }

    /// Whether the generation of a range has left: what could not be read there is looked for anew.
    fn has_left(&self, range: Range) -> bool {
        self.generations.get(range.generation).is_none()
    }

    /// The generation, and the files of it that may hold a key.
    fn place(&self, seq: u32, key: &[u8]) -> String {
        let Some(generation) = self.generations.get(seq) else { return format!("generation {seq}") };
        let mut place = format!("generation {}", generation.name);
        let files = self.db.live_files().unwrap_or_default();
        let holds = |file: &rocksdb::LiveFile| {
            file.column_family_name == generation.name
                && file.start_key.as_deref().is_none_or(|first| first <= key)
                && file.end_key.as_deref().is_none_or(|last| key <= last)
        };
        for file in files.iter().filter(|file| holds(file)) {
            place.push_str(", file ");
            place.push_str(file.name.trim_start_matches('/'));
        }
        place
    }

    /// Whether a generation has batches of a log in a stretch, whatever the log's ranges say: what a log has left behind
    /// where it lay before stays there until the generation goes, and must not come to light again.
    pub(super) fn has_batches(
        &self,
        seq: u32,
        log: LogId,
        from: Offset,
        until: Option<Offset>,
    ) -> Result<bool, StorageError> {
        let first = Range { first: from, generation: seq };
        let behind = until.map(|first| Range { first, generation: seq });
        let ranges: Vec<_> = [first].into_iter().chain(behind).collect();
        let Some(mut iterator) = self.range_iterator(log, &ranges, 0, 0) else { return Ok(false) };
        iterator.seek(batch_key(log, from));
        let found = iterator.valid();
        iterator.status().map_err(|error| self.unreadable(&error))?;
        Ok(found)
    }

    /// Whether a batch begins before an offset and ends behind it.
    pub(super) fn lies_across(&self, log: LogId, ranges: &[Range], offset: Offset) -> Result<bool, StorageError> {
        if ranges.is_empty() || offset <= Offset::ZERO {
            return Ok(false);
        }
        let before = Offset(offset.get() - 1);
        for at in (0..=range_of(ranges, before)).rev() {
            let Some(mut iterator) = self.range_iterator(log, ranges, at, 0) else { continue };
            iterator.seek_for_prev(batch_key(log, before));
            if let Some((key, value)) = iterator.item() {
                return Ok(self.opened(log, ranges[at], key, value)?.header.end_offset() > offset);
            }
            iterator.status().map_err(|error| self.unreadable(&error))?;
        }
        Ok(false)
    }

    /// The end of the last batch that ends at or below `offset`, zero if there is none: where a cut at `offset` leaves
    /// the log's end.
    pub(super) fn batch_edge(&self, log: LogId, ranges: &[Range], offset: Offset) -> Result<Offset, StorageError> {
        if ranges.is_empty() {
            return Ok(Offset::ZERO);
        }
        for at in (0..=range_of(ranges, offset)).rev() {
            let Some(mut iterator) = self.range_iterator(log, ranges, at, 0) else { continue };
            iterator.seek_for_prev(batch_key(log, offset));
            while let Some((key, value)) = iterator.item() {
                let end = self.opened(log, ranges[at], key, value)?.header.end_offset();
                if end <= offset {
                    return Ok(end);
                }
                iterator.prev();
            }
            iterator.status().map_err(|error| self.unreadable(&error))?;
        }
        Ok(Offset::ZERO)
    }

    /// Visits batches in order, from the one that holds `from`, as long as they are wanted by base offset and bytes;
    /// only what is wanted is verified. `None` if a generation left meanwhile.
    fn walk(
        &self,
        log: LogId,
        view: &View,
        from: Offset,
        read_ahead: usize,
        mut wanted: impl FnMut(Offset, usize) -> bool,
        mut visit: impl FnMut(&BatchHeader, &[u8]),
    ) -> Result<Option<()>, StorageError> {
        for at in range_of(&view.ranges, from)..view.ranges.len() {
            let range = view.ranges[at];
            if !wanted(range.first, 0) && range.first > from {
                return Ok(Some(()));
            }
            let Some(mut iterator) = self.range_iterator(log, &view.ranges, at, read_ahead) else { return Ok(None) };
            seek_holding(&mut iterator, log, range, from);
            while let Some((key, value)) = iterator.item() {
                let base = read_batch_key(key).map_or(range.first, |(_, offset)| offset);
                // One that begins before `from` may end before it, too, where compaction left a hole: then nobody wants it.
                let before = base < from;
                if !before && !wanted(base, batch_len(value)) {
                    return Ok(Some(()));
                }
                let Opened { header, bytes } = match self.opened(log, range, key, value) {
                    Err(_) if self.has_left(range) => return Ok(None),
                    opened => opened?,
                };
                if header.end_offset() > from {
                    if before && !wanted(base, bytes.len()) {
                        return Ok(Some(()));
                    }
                    visit(&header, &bytes);
                }
                iterator.next();
            }
            iterator.status().map_err(|error| self.unreadable(&error))?;
        }
        Ok(Some(()))
    }

    pub(super) fn read_batches(
        &self,
        id: LogId,
        from: Offset,
        until: Offset,
        max_bytes: usize,
        min_one: bool,
    ) -> Result<ReadSlice, StorageError> {
        let log = self.catalogue.get(id)?;
        let mut empty: Option<View> = None;
        for _ in 0..ATTEMPTS {
            let view = self.view(&log)?;
            if from < view.start || from > view.end {
                return Err(StorageError::OutOfRange { log: id, start: view.start, end: view.end, given: from });
            }
            let until = until.min(view.end);
            if from >= until {
                return Ok(ReadSlice { bytes: bytes::Bytes::new(), next: from });
            }
            if let Some(slice) = self.read_large(id, &view, from, until, max_bytes, min_one)? {
                return Ok(slice);
            }
            let bytes = RefCell::new(BytesMut::with_capacity(max_bytes.min(RESERVE_MAX)));
            let (next, met) = (Cell::new(from), Cell::new(false));
            let wanted = |base: Offset, len: usize| {
                let held = bytes.borrow().len();
                let fits = held + len <= max_bytes || (min_one && held == 0);
                met.set(met.get() || len > 0);
                base < until && next.get() < until && fits
            };
            let walked = self.walk(id, &view, from, max_bytes, wanted, |header, batch| {
                bytes.borrow_mut().extend_from_slice(batch);
                next.set(header.end_offset());
            })?;
            let (bytes, next, met) = (bytes.into_inner(), next.get(), met.get());
            if walked.is_none() {
                continue;
            }
            // Nothing there: moved, truncated or dropped under the reader, who looks again; or a hole that compaction
            // left, if nothing has changed meanwhile.
            if !met {
                if empty.as_ref().is_some_and(|before| before.is_same(&view)) {
                    return Ok(ReadSlice { bytes: bytes::Bytes::new(), next: from });
                }
                empty = Some(view);
                continue;
            }
            // A small answer does not keep a large reservation alive.
            let bytes = match bytes.len() * 2 < bytes.capacity() {
                true => bytes::Bytes::copy_from_slice(&bytes),
                false => bytes.freeze(),
            };
            return Ok(ReadSlice { bytes, next });
        }
        Err(StorageError::Corrupt {
            log: id,
            offset: from,
            place: "the journal".into(),
            detail: "records between its start and its end are missing".into(),
        })
    }

    /// Reads batches of at least [`LARGE`] bytes one by one, each by its key; `None` if the one at `from` is no such
    /// batch. An iterator positions itself in every file of a generation and loads a block of each, which for large
    /// batches means reading many of them in vain.
    fn read_large(
        &self,
        id: LogId,
        view: &View,
        from: Offset,
        until: Offset,
        max_bytes: usize,
        min_one: bool,
    ) -> Result<Option<ReadSlice>, StorageError> {
        if max_bytes < LARGE && !min_one {
            return Ok(None);
        }
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        let (mut bytes, mut next, mut last) = (BytesMut::new(), from, 0);
        while next < until && (bytes.is_empty() || bytes.len() + last <= max_bytes) {
            let range = view.ranges.get(range_of(&view.ranges, next)).copied();
            let Some((range, handle)) = range.and_then(|r| Some((r, self.generation_handle(r.generation)?))) else {
                break;
            };
            let key = batch_key(id, next);
            let value = self.db.get_pinned_cf_opt(&handle, key, &options).map_err(|error| self.unreadable(&error))?;
            let Some(value) = value.filter(|value| batch_len(value) >= LARGE) else { break };
            let (held, len) = (bytes.len(), batch_len(&value));
            if held + len > max_bytes && !(min_one && held == 0) {
                break;
            }
            if held == 0 {
                bytes.reserve(max_bytes.clamp(len, RESERVE_MAX.max(len)));
            }
            let read = match Place::read(&value) {
                None => {
                    bytes.extend_from_slice(&value);
                    Ok(())
                }
                Some(place) => self.read_payload(id, range, &key, place, |len| {
                    bytes.resize(held + len, 0);
                    &mut bytes[held..]
                }),
            };
            match read.and_then(|()| self.checked(id, range, &key, &value, &bytes[held..])) {
                Ok(header) => next = header.end_offset(),
                // What was read before it is whole; the caller looks for the rest anew.
                Err(_) if self.has_left(range) => {
                    bytes.truncate(held);
                    break;
                }
                Err(error) => return Err(error),
            }
            last = len;
        }
        Ok((!bytes.is_empty()).then(|| ReadSlice { bytes: bytes.freeze(), next }))
    }

    pub(super) fn read_headers(&self, id: LogId, from: Offset) -> Result<Vec<BatchHeader>, StorageError> {
        let log = self.catalogue.get(id)?;
        for _ in 0..ATTEMPTS {
            let view = self.view(&log)?;
            let from = from.max(view.start);
            let mut headers = Vec::new();
            let walked = self.walk(id, &view, from, READ_AHEAD, |_, _| true, |header, _| headers.push(*header))?;
            if walked.is_some() {
                return Ok(headers);
            }
        }
        Err(StorageError::Corrupt {
            log: id,
            offset: from,
            place: "the journal".into(),
            detail: "a generation that holds its records is missing".into(),
        })
    }
}

/// Puts an iterator on the batch of a range that holds `from`, or on the first one behind it.
///
/// Most reads begin at a batch's first offset: one forward seek. Only in the middle of a batch is its beginning looked
/// for, backwards; going on from there would seek all files anew by itself, so that is done knowingly. Never from the
/// range's first offset on: below the start there may be much that is dead (rocksdb#5265).
pub(super) fn seek_holding(iterator: &mut DBRawIteratorWithThreadMode<'_, DB>, log: LogId, range: Range, from: Offset) {
    let key = batch_key(log, from.max(range.first));
    iterator.seek(key);
    if from <= range.first || iterator.key() == Some(&key[..]) || iterator.status().is_err() {
        return;
    }
    iterator.seek_for_prev(key);
    match iterator.key().map(<[u8]>::to_vec) {
        Some(before) => iterator.seek(before),
        None => iterator.seek(key),
    }
}
