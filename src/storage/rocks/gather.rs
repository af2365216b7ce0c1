//! Reading batches: first where they are, then the bytes of those that lie side by side at once, which are verified unless
//! they were before and are still in memory.

use bytes::{Bytes, BytesMut};
use callboard_model::{LogId, Offset};
use rocksdb::{ErrorKind, ReadTier};

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
    /// Whether only what is in memory is wanted.
    pub(super) at_once: bool,
}

/// How far a read came.
enum Reached<T> {
    Done(T),
    /// A generation left meanwhile: it begins anew.
    Left,
    /// Where only the disk helps.
    Disk,
}

/// A batch that was found.
#[derive(Debug)]
struct Found {
    range: Range,
    key: BatchKey,
    /// Where it lies; `None` if it is among those that came from the database.
    place: Option<Place>,
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
    /// Reads batches; `None` if only what is in memory is wanted and some is not.
    pub(super) fn read_batches(&self, id: LogId, wish: Wish) -> Result<Option<ReadSlice>, StorageError> {
        let log = self.catalogue.get(id)?;
        let from = wish.from;
        let nothing = ReadSlice { bytes: Bytes::new(), next: from };
        let mut empty: Option<View> = None;
        for _ in 0..ATTEMPTS {
            if wish.at_once && log.lock().end.is_none() {
                return Ok(None);
            }
            let view = self.view(&log)?;
            if from < view.start || from > view.end {
                return Err(StorageError::OutOfRange { log: id, start: view.start, end: view.end, given: from });
            }
            let wish = Wish { until: wish.until.min(view.end), ..wish };
            if from >= wish.until {
                return Ok(Some(nothing));
            }
            let gathered = match self.gather(id, &view, wish)? {
                Reached::Done(gathered) => gathered,
                Reached::Left => continue,
                Reached::Disk => return Ok(None),
            };
            // Nothing there: moved, truncated or dropped under the reader, who looks again; or a hole that compaction
            // left, if nothing has changed meanwhile.
            if !gathered.met {
                if empty.as_ref().is_some_and(|before| before.is_same(&view)) {
                    return Ok(Some(nothing));
                }
                empty = Some(view);
                continue;
            }
            match self.fetched(id, wish, gathered)? {
                Reached::Done(slice) => return Ok(Some(slice)),
                Reached::Left => {}
                Reached::Disk => return Ok(None),
            }
        }
        Err(StorageError::Corrupt {
            log: id,
            offset: from,
            place: "the journal".into(),
            detail: "records between its start and its end are missing".into(),
        })
    }

    /// Finds the batches of an answer.
    fn gather(&self, log: LogId, view: &View, wish: Wish) -> Result<Reached<Gathered>, StorageError> {
        let mut gathered = Gathered::default();
        for at in range_of(&view.ranges, wish.from)..view.ranges.len() {
            let range = view.ranges[at];
            if range.first > wish.from && range.first >= wish.until {
                break;
            }
            let tier = if wish.at_once { ReadTier::BlockCache } else { ReadTier::All };
            let Some(mut iterator) = self.range_iterator_of(tier, log, &view.ranges, at) else {
                return Ok(Reached::Left);
            };
            seek_holding(&mut iterator, log, range, wish.from);
            while let Some((key, value)) = iterator.item() {
                let base = read_batch_key(key).map_or(range.first, |(_, offset)| offset);
                if base < wish.from && wish.at_once {
                    return Ok(Reached::Disk);
                }
                if base < wish.from {
                    // It may end before, too, where compaction left a hole: then nobody wants it.
                    let end = match self.opened(log, range, key, value) {
                        Err(_) if self.has_left(range) => return Ok(Reached::Left),
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
                    return Ok(Reached::Done(gathered));
                }
                let place = Place::read(value);
                if place.is_none() {
                    gathered.inside.extend_from_slice(value);
                }
                let key = batch_key(log, base);
                gathered.found.push(Found { range, key, place, len });
                gathered.len += len;
                iterator.next();
            }
            match iterator.status() {
                Err(error) if wish.at_once && error.kind() == ErrorKind::Incomplete => return Ok(Reached::Disk),
                status => status.map_err(|error| self.unreadable(&error))?,
            }
        }
        Ok(Reached::Done(gathered))
    }

    /// Reads and verifies what was found; where something is damaged, what is before it.
    fn fetched(&self, log: LogId, wish: Wish, gathered: Gathered) -> Result<Reached<ReadSlice>, StorageError> {
        let Gathered { found, inside, len, .. } = gathered;
        let mut bytes = BytesMut::zeroed(len);
        let mut inside = &inside[..];
        let (mut whole, mut next) = (0, wish.from);
        'runs: for run in found.chunk_by(lie_side_by_side) {
            let (range, key, len) = (run[0].range, &run[0].key, run.iter().map(|found| found.len).sum());
            let into = &mut bytes[whole..whole + len];
            let (place, known) = match run[0].place {
                None => {
                    let (own, rest) = inside.split_at(len);
                    into.copy_from_slice(own);
                    inside = rest;
                    (None, false)
                }
                Some(place) => {
                    let place = Place { len: u32::try_from(len).unwrap_or(u32::MAX), ..place };
                    let read = match wish.at_once {
                        true => Ok(self.read_payload_at_once(range, place, into)),
                        false => self.read_payload(log, range, key, place, |_| into).map(Some),
                    };
                    match read {
                        Err(_) if self.has_left(range) => return Ok(Reached::Left),
                        Err(error) if whole == 0 => return Err(error),
                        Err(_) => break,
                        Ok(None) => return Ok(Reached::Disk),
                        Ok(Some(known)) => (Some(place), known),
                    }
                }
            };
            for Found { range, key, len, .. } in run {
                match self.checked(log, *range, key, place.is_some(), &bytes[whole..whole + len], known) {
                    Ok(header) => (whole, next) = (whole + len, header.end_offset()),
                    Err(_) if self.has_left(*range) => return Ok(Reached::Left),
                    Err(error) if whole == 0 => return Err(error),
                    Err(_) => break 'runs,
                }
            }
            if let Some(place) = place.filter(|_| !known) {
                self.payloads.note_verified(range.generation, place);
            }
        }
        bytes.truncate(whole);
        Ok(Reached::Done(ReadSlice { bytes: bytes.freeze(), next }))
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
