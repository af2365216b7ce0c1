//! Reading a log across its generations, every batch verified.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use callboard_model::{BatchHeader, Batches, LogId, Offset};
use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions, ReadTier};

use super::RocksStorage;
use super::catalogue::{Log, Range, range_of};
use super::keys::{batch_key, log_limit, read_batch_key};
use super::payload::Place;
use crate::StorageError;

/// How often a read begins again because a generation left while it was looking for it. Evacuation moves a log's
/// records on at most once per call of maintenance, so more than a few is no race.
pub(super) const ATTEMPTS: usize = 8;

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
    pub(super) fn is_same(&self, other: &Self) -> bool {
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
            let Some(mut iterator) = self.range_iterator(log, ranges, at) else { continue };
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
    ) -> Option<DBRawIteratorWithThreadMode<'_, DB>> {
        self.range_iterator_of(ReadTier::All, log, ranges, at)
    }

    /// The same, as far as a tier of the database goes.
    pub(super) fn range_iterator_of(
        &self,
        tier: ReadTier,
        log: LogId,
        ranges: &[Range],
        at: usize,
    ) -> Option<DBRawIteratorWithThreadMode<'_, DB>> {
        let handle = self.generation_handle(ranges[at].generation)?;
        let mut options = ReadOptions::default();
        options.set_read_tier(tier);
        options.set_iterate_lower_bound(batch_key(log, ranges[at].first));
        options.set_iterate_upper_bound(match ranges.get(at + 1) {
            Some(next) => batch_key(log, next.first),
            None => log_limit(log),
        });
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
        let header = self.checked(log, range, key, Place::read(value).is_some(), &bytes, false)?;
        Ok(Opened { header, bytes })
    }

    /// Reads what lies at a place into the room that it is given for it. `true`: it was verified before, and in memory since.
    pub(super) fn read_payload<'a>(
        &self,
        log: LogId,
        range: Range,
        key: &[u8],
        place: Place,
        room: impl FnOnce(usize) -> &'a mut [u8],
    ) -> Result<bool, StorageError> {
        let held = self.generations.get(range.generation).map_or(0, |generation| generation.payload());
        let end = place.position.checked_add(u64::from(place.len));
        let read = match end.filter(|end| *end <= held) {
            None => Err(format!("{place:?} is not within its {held} bytes")),
            Some(_) => {
                let read = self.payloads.read(range.generation, place, room(place.len as usize));
                // Its file may be another's by now.
                let read = read.and_then(|known| if self.has_left(range) { Err(gone()) } else { Ok(known) });
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

    /// The same if all of it is in memory. Whatever is wrong is for the other one to tell.
    pub(super) fn read_payload_at_once(&self, range: Range, place: Place, into: &mut [u8]) -> Option<bool> {
        let held = self.generations.get(range.generation)?.payload();
        place.position.checked_add(u64::from(place.len)).filter(|end| *end <= held)?;
        self.payloads.read_at_once(range.generation, place, into).filter(|_| !self.has_left(range))
    }

    /// Verifies that bytes are the batch that a key says, from a file `beside` the database or out of it. Of what is
    /// `known` to be whole the checksum is not computed again.
    pub(super) fn checked(
        &self,
        log: LogId,
        range: Range,
        key: &[u8],
        beside: bool,
        batch: &[u8],
        known: bool,
    ) -> Result<BatchHeader, StorageError> {
        let offset = read_batch_key(key).map_or(range.first, |(_, offset)| offset);
        let corrupt = |detail: String| StorageError::Corrupt {
            log,
            offset,
            place: match beside {
                true => self.payloads.path(range.generation).display().to_string().into(),
                false => self.place(range.generation, key).into(),
            },
            detail: detail.into(),
        };
        let mut batches = if known { Batches::new(batch) } else { Batches::verified(batch) };
        match batches.next() {
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
    pub(super) fn has_left(&self, range: Range) -> bool {
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
        let Some(mut iterator) = self.range_iterator(log, &ranges, 0) else { return Ok(false) };
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
            let Some(mut iterator) = self.range_iterator(log, ranges, at) else { continue };
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
            let Some(mut iterator) = self.range_iterator(log, ranges, at) else { continue };
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

    /// Visits all batches in order, from the one that holds `from`, verified. `None` if a generation left meanwhile.
    fn walk(
        &self,
        log: LogId,
        view: &View,
        from: Offset,
        mut visit: impl FnMut(&BatchHeader),
    ) -> Result<Option<()>, StorageError> {
        for at in range_of(&view.ranges, from)..view.ranges.len() {
            let range = view.ranges[at];
            let Some(mut iterator) = self.range_iterator(log, &view.ranges, at) else { return Ok(None) };
            seek_holding(&mut iterator, log, range, from);
            while let Some((key, value)) = iterator.item() {
                let header = match self.opened(log, range, key, value) {
                    Err(_) if self.has_left(range) => return Ok(None),
                    opened => opened?.header,
                };
                // One that begins before `from` may end before it, too, where compaction left a hole.
                if header.end_offset() > from {
                    visit(&header);
                }
                iterator.next();
            }
            iterator.status().map_err(|error| self.unreadable(&error))?;
        }
        Ok(Some(()))
    }

    pub(super) fn read_headers(&self, id: LogId, from: Offset) -> Result<Vec<BatchHeader>, StorageError> {
        let log = self.catalogue.get(id)?;
        for _ in 0..ATTEMPTS {
            let view = self.view(&log)?;
            let from = from.max(view.start);
            let mut headers = Vec::new();
            let walked = self.walk(id, &view, from, |header| headers.push(*header))?;
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

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "its generation was dropped meanwhile")
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
