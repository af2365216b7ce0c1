//! Reading batches: first where they are, then the bytes of those that lie side by side at once, then all are verified.

use bytes::{Bytes, BytesMut};
use callboard_model::{LogId, Offset};

use super::RocksStorage;
use super::catalogue::{Range, range_of};
use super::keys::{BatchKey, batch_key, read_batch_key};
use super::payload::{Place, batch_len};
use super::read::{ATTEMPTS, View, seek_holding};
use crate::{ReadSlice, StorageError};

/// What a read may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) from: Offset,
    pub(super) until: Offset,
    pub(super) max_bytes: usize,
    /// Whether the first batch comes even if it is larger.
    pub(super) min_one: bool,
}

/// A batch that was found, and where it goes in the answer.
#[derive(Debug)]
struct Found {
    range: Range,
    key: BatchKey,
    /// Where it lies; `None` if it is among those that came from the database.
    place: Option<Place>,
    at: usize,
    len: usize,
}

/// The batches of an answer before they are read.
#[derive(Debug, Default)]
struct Gathered {
    found: Vec<Found>,
    /// The batches from the database, one after another.
    inside: Vec<u8>,
    /// Bytes of all.
    len: usize,
    /// Whether there was a batch at all, wanted or not.
    met: bool,
}

impl RocksStorage {
    pub(super) fn read_batches(&self, id: LogId, wish: Wish) -> Result<ReadSlice, StorageError> {
        let log = self.catalogue.get(id)?;
        let from = wish.from;
        let nothing = ReadSlice { bytes: Bytes::new(), next: from };
        let mut empty: Option<View> = None;
        for _ in 0..ATTEMPTS {
            let view = self.view(&log)?;
            if from < view.start || from > view.end {
                return Err(StorageError::OutOfRange { log: id, start: view.start, end: view.end, given: from });
            }
            let wish = Wish { until: wish.until.min(view.end), ..wish };
            if from >= wish.until {
                return Ok(nothing);
            }
            let Some(gathered) = self.gather(id, &view, wish)? else { continue };
            // Nothing there: moved, truncated or dropped under the reader, who looks again; or a hole that compaction
            // left, if nothing has changed meanwhile.
            if !gathered.met {
                if empty.as_ref().is_some_and(|before| before.is_same(&view)) {
                    return Ok(nothing);
                }
                empty = Some(view);
                continue;
            }
            if let Some(slice) = self.fetched(id, from, gathered)? {
                return Ok(slice);
            }
        }
        Err(StorageError::Corrupt {
            log: id,
            offset: from,
            place: "the journal".into(),
            detail: "records between its start and its end are missing".into(),
        })
    }

    /// Finds the batches of an answer. `None` if a generation left meanwhile.
    fn gather(&self, log: LogId, view: &View, wish: Wish) -> Result<Option<Gathered>, StorageError> {
        let mut gathered = Gathered::default();
        for at in range_of(&view.ranges, wish.from)..view.ranges.len() {
            let range = view.ranges[at];
            if range.first > wish.from && range.first >= wish.until {
                break;
            }
            let Some(mut iterator) = self.range_iterator(log, &view.ranges, at) else {
                return Ok(None);
            };
            seek_holding(&mut iterator, log, range, wish.from);
            while let Some((key, value)) = iterator.item() {
                let base = read_batch_key(key).map_or(range.first, |(_, offset)| offset);
                if base < wish.from {
                    // It may end before, too, where compaction left a hole: then nobody wants it.
                    let end = match self.opened(log, range, key, value) {
                        Err(_) if self.has_left(range) => return Ok(None),
                        opened => opened?.header.end_offset(),
                    };
                    if end <= wish.from {
                        iterator.next();
                        continue;
                    }
                }
                gathered.met = true;
                let len = batch_len(value);
                let fits = gathered.len + len <= wish.max_bytes || (wish.min_one && gathered.found.is_empty());
                if base >= wish.until || !fits {
                    return Ok(Some(gathered));
                }
                let place = Place::read(value);
                if place.is_none() {
                    gathered.inside.extend_from_slice(value);
                }
                let key = batch_key(log, base);
                gathered.found.push(Found { range, key, place, at: gathered.len, len });
                gathered.len += len;
                iterator.next();
            }
            iterator.status().map_err(|error| self.unreadable(&error))?;
        }
        Ok(Some(gathered))
    }

    /// Reads and verifies what was found; where something is damaged, what is before it. `None` if a generation left
    /// meanwhile.
    fn fetched(&self, log: LogId, from: Offset, gathered: Gathered) -> Result<Option<ReadSlice>, StorageError> {
        let Gathered { found, inside, len, .. } = gathered;
        let mut bytes = BytesMut::zeroed(len);
        let mut inside = &inside[..];
        for run in found.chunk_by(lie_side_by_side) {
            let len = run.iter().map(|found| found.len).sum();
            let into = &mut bytes[run[0].at..run[0].at + len];
            match run[0].place {
                None => {
                    let (own, rest) = inside.split_at(len);
                    into.copy_from_slice(own);
                    inside = rest;
                }
                Some(place) => {
                    let all = Place { len: u32::try_from(len).unwrap_or(u32::MAX), ..place };
                    match self.read_payload(log, run[0].range, &run[0].key, all, |_| into) {
                        Err(_) if self.has_left(run[0].range) => return Ok(None),
                        read => read?,
                    }
                }
            }
        }
        let (mut whole, mut next) = (0, from);
        for Found { range, key, place, at, len } in &found {
            match self.checked(log, *range, key, place.is_some(), &bytes[*at..at + len]) {
                Ok(header) => (whole, next) = (at + len, header.end_offset()),
                Err(_) if self.has_left(*range) => return Ok(None),
                Err(error) if whole == 0 => return Err(error),
                Err(_) => break,
            }
        }
        bytes.truncate(whole);
        Ok(Some(ReadSlice { bytes: bytes.freeze(), next }))
    }
}

/// Whether two batches that follow each other in an answer do so where they are, too, and are read together.
fn lie_side_by_side(one: &Found, next: &Found) -> bool {
    let follows = match (one.place, next.place) {
        (None, None) => true,
        (Some(one), Some(next)) => one.position + u64::from(one.len) == next.position,
        _ => false,
    };
    follows && one.range.generation == next.range.generation
}
