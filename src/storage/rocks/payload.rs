//! Batches lie in files beside the database, which has their *places*.
//!
//! In the database every byte would be written twice, log and table, and copied some eight times on its way: the group, the
//! log's buffer, the memtable, a block, the table's buffer and so on. A log needs none of that. So batches go from where
//! they were received straight into the file of their generation, and the database gets their places (the separation of
//! keys and values of WiscKey, FAST '16).
//!
//! The file of a large group is synced before the group's places are written: no crash can leave one that points to
//! nothing. For a small group a second sync would cost more than a second copy, so the write-ahead log (wal.rs) has its
//! batches too, from which a crash's victim fills the file again; the file itself is synced before the places that point into it
//! go to tables. What lies behind the last place is nobody's: a crash left it, or the file's earlier life (spare.rs). Only in a
//! file that has a second name no byte is ever changed, so that a copy stays what it was.
//!
//! The smallest batches stay inside, where a place would take nearly as much as they do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::fs::Advice;
use rustix::io::ReadWriteFlags;

use super::leaving::shorten;
use super::spare::Spares;
use super::verified::Verified;
use crate::disk::sync_dir;

const FOLDER: &str = "payload";
/// Slices that one `pwritev` takes (Linux: `IOV_MAX`).
const SLICES_MAX: usize = 1024;
/// Files held open for readers.
const OPEN_MAX: usize = 64;
/// Bytes of which a checksum is taken at once.
const CRC_STEP: usize = 256 << 10;
/// What the operating system writes at least.
const PAGE: u64 = 4096;
static ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];
/// What is fetched ahead of a read that has to wait for the disk, at most.
const AHEAD_MAX: u64 = 4 << 20;

/// Where a batch lies in its generation's file.
///
/// As a value of the database: `position u64 BE | length u32 BE`; shorter than any batch, so that the length tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: u64,
    pub(super) len: u32,
}

impl Place {
    pub(super) const LEN: usize = 12;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.position.to_be_bytes());
        out[8..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    /// `None` if the value is the batch itself.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let value: &[u8; Self::LEN] = value.try_into().ok()?;
        let (position, len) = value.split_first_chunk::<8>()?;
        let len = u32::from_be_bytes(len.try_into().ok()?);
        Some(Self { position: u64::from_be_bytes(*position), len })
    }
}

/// Bytes of the batch that a value is or points to.
pub(super) fn batch_len(value: &[u8]) -> usize {
    Place::read(value).map_or(value.len(), |place| place.len as usize)
}

/// The batches of one generation that go into its file together.
#[derive(Debug, Default)]
pub(super) struct Spill {
    /// Where the first goes.
    pub(super) from: u64,
    /// Bytes in all.
    pub(super) len: u64,
    pub(super) batches: Vec<Bytes>,
}

/// What goes to files of their own, by generation.
pub(super) type Spills = BTreeMap<u32, Spill>;

impl Spill {
    /// Into a file that holds `from` bytes.
    pub(super) fn behind(from: u64) -> Self {
        Self { from, ..Self::default() }
    }

    /// Adds a batch; gives its place.
    pub(super) fn push(&mut self, batch: Bytes) -> Place {
        let place = Place { position: self.end(), len: u32::try_from(batch.len()).unwrap_or(u32::MAX) };
        self.len += batch.len() as u64;
        self.batches.push(batch);
        place
    }

    /// Bytes that the file holds with it.
    pub(super) fn end(&self) -> u64 {
        self.from + self.len
    }
}

/// The generations' files.
#[derive(Debug)]
pub(super) struct Payloads {
    folder: PathBuf,
    spares: Spares,
    /// Generations whose files may be longer than what is in them.
    longer: Mutex<BTreeSet<u32>>,
    /// The last one used in front.
    open: Mutex<VecDeque<Arc<Payload>>>,
    /// Generations with batches that were written and not synced, and about how many bytes.
    unsynced: Mutex<BTreeMap<u32, u64>>,
}

/// Writes all slices, one behind the other.
pub(super) fn write_all_at(file: &File, slices: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
    for slices in slices.chunks_mut(SLICES_MAX) {
        let mut left = slices;
        while !left.is_empty() {
            let written = match rustix::io::pwritev(file, left, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            at += written as u64;
            IoSlice::advance_slices(&mut left, written);
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Payload {
    generation: u32,
    file: File,
    /// Bytes that it had when it was opened.
    len: u64,
    ahead: Ahead,
    verified: Mutex<Verified>,
}

/// What to do where a generation has no file yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Tell,
    Make,
    /// A spare is as good as a new one.
    Reuse,
}

impl Payload {
    fn verified(&self) -> MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, place: Place) -> bool {
        self.verified().holds(place.position, place.position + u64::from(place.len))
    }

    /// Reads what is in memory, from there on: a look that costs nothing where there is none.
    fn read_from_memory(&self, at: u64, into: &mut [u8]) -> usize {
        rustix::io::preadv2(&self.file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT).unwrap_or(0)
    }
}

/// What was last fetched ahead in a file, and how much of that was asked for since.
#[derive(Debug, Default)]
struct Ahead {
    from: AtomicU64,
    len: AtomicU64,
    used: AtomicU64,
}

impl Ahead {
    fn note(&self, place: Place) {
        let from = self.from.load(Ordering::Relaxed);
        if (from..from + self.len.load(Ordering::Relaxed)).contains(&place.position) {
            self.used.fetch_add(u64::from(place.len), Ordering::Relaxed);
        }
    }

    /// How much to fetch for a batch that is not in memory: more if most of it was wanted the last time, less if not.
    /// Who reads all logs reads the file nearly in order; who reads one of many would fetch in vain.
    fn next(&self, place: Place) -> u64 {
        let (len, used) = (self.len.load(Ordering::Relaxed), self.used.swap(0, Ordering::Relaxed));
        let own = u64::from(place.len);
        let next = if used >= len / 2 { (len * 2).max(own * 4) } else { len / 4 };
        let next = next.min(AHEAD_MAX).max(own);
        self.from.store(place.position, Ordering::Relaxed);
        self.len.store(next, Ordering::Relaxed);
        next
    }
}

impl Payloads {
    /// The files of a journal; of those that are not needed any more `spare_bytes` may be kept.
    pub(super) fn of(folder: &Path, spare_bytes: u64) -> Self {
        Self {
            folder: folder.join(FOLDER),
            spares: Spares::of(&folder.join(FOLDER), spare_bytes),
            longer: Mutex::default(),
            open: Mutex::default(),
            unsynced: Mutex::default(),
        }
    }

    pub(super) fn path(&self, generation: u32) -> PathBuf {
        self.folder.join(format!("{generation:08}.batches"))
    }

    /// Bytes that a generation's file has; none if there is no file.
    pub(super) fn len(&self, generation: u32) -> io::Result<u64> {
        match fs::metadata(self.path(generation)) {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The generations that have files.
    pub(super) fn generations(&self) -> io::Result<Vec<u32>> {
        let files = match fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let number = |name: &str| name.strip_suffix(".batches")?.parse().ok();
        Ok(files.flatten().filter_map(|file| number(&file.file_name().to_string_lossy())).collect())
    }

    /// Writes batches to a generation's file; the operating system has them afterwards. One writer at a time.
    pub(super) fn write(&self, generation: u32, spill: &Spill) -> io::Result<()> {
        let payload = self.file(generation, Missing::Reuse)?;
        let mut slices: Vec<_> = spill.batches.iter().map(|batch| IoSlice::new(batch)).collect();
        // To change a part of a page the operating system would have to read it, if it is not in memory.
        let rest = (spill.end().next_multiple_of(PAGE).min(payload.len)).saturating_sub(spill.end());
        // Never an empty slice: alone in a call it would look like a disk that takes nothing.
        if rest > 0 {
            slices.push(IoSlice::new(&ZEROS[..rest as usize]));
        }
        write_all_at(&payload.file, &mut slices, spill.from)?;
        payload.verified().note(spill.from, spill.end());
        Ok(())
    }

    /// What lies there was read, and every batch is whole.
    pub(super) fn note_verified(&self, generation: u32, place: Place) {
        if let Ok(payload) = self.file(generation, Missing::Tell) {
            payload.verified().note(place.position, place.position + u64::from(place.len));
        }
    }

    /// Writes batches where they were before a crash.
    pub(super) fn restore(&self, generation: u32, position: u64, batches: &[u8]) -> io::Result<()> {
        let payload = self.file(generation, Missing::Make)?;
        write_all_at(&payload.file, &mut [IoSlice::new(batches)], position)?;
        self.note_unsynced(generation, batches.len() as u64);
        Ok(())
    }

    /// Syncs a generation's file; one that is gone needs none.
    pub(super) fn sync(&self, generation: u32) -> io::Result<()> {
        match self.file(generation, Missing::Tell) {
            Ok(payload) => payload.file.sync_data(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Notes that a file is to be synced before places in it go to tables.
    pub(super) fn note_unsynced(&self, generation: u32, bytes: u64) {
        *self.unsynced().entry(generation).or_default() += bytes;
    }

    /// Bytes that wait for that, about.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        self.unsynced().values().sum()
    }

    /// Syncs the files that were noted. After an error nothing is known about them.
    pub(super) fn sync_noted(&self) -> Result<(), (PathBuf, io::Error)> {
        let noted = std::mem::take(&mut *self.unsynced());
        noted
            .into_keys()
            .try_for_each(|generation| self.sync(generation).map_err(|error| (self.path(generation), error)))
    }

    /// CRC-32C of a stretch of a file; `None` if it is not all there.
    pub(super) fn crc(&self, generation: u32, position: u64, len: u64) -> io::Result<Option<u32>> {
        let payload = match self.file(generation, Missing::Tell) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let (mut crc, mut at, mut buffer) = (0, position, vec![0; CRC_STEP]);
        let Some(end) = position.checked_add(len).filter(|end| payload.file.metadata().is_ok_and(|m| *end <= m.len()))
        else {
            return Ok(None);
        };
        while at < end {
            let step = &mut buffer[..usize::try_from(end - at).unwrap_or(CRC_STEP).min(CRC_STEP)];
            payload.file.read_exact_at(step, at)?;
            crc = crc32c::crc32c_append(crc, step);
            at += step.len() as u64;
        }
        Ok(Some(crc))
    }

    /// The same, if all of it is in memory.
    pub(super) fn read_at_once(&self, generation: u32, place: Place, into: &mut [u8]) -> Option<bool> {
        let payload = self.file(generation, Missing::Tell).ok()?;
        if payload.read_from_memory(place.position, into) < into.len() {
            return None;
        }
        payload.ahead.note(place);
        Some(payload.knows(place))
    }

    /// Reads a batch, or several side by side. `true`: it was in memory, and verified since the file was opened. The file
    /// ends too early if the generation has left meanwhile, or was damaged.
    pub(super) fn read(&self, generation: u32, place: Place, into: &mut [u8]) -> io::Result<bool> {
        let payload = self.file(generation, Missing::Tell)?;
        payload.ahead.note(place);
        let read = payload.read_from_memory(place.position, into);
        if read >= into.len() {
            return Ok(payload.knows(place));
        }
        let at = place.position + read as u64;
        let ahead = payload.ahead.next(place);
        if let Some(len) = std::num::NonZeroU64::new(ahead) {
            // Only advice: without it the read does the same, more slowly.
            let _ = rustix::fs::fadvise(&payload.file, at, Some(len), Advice::WillNeed);
        }
        payload.file.read_exact_at(&mut into[read..], at)?;
        Ok(false)
    }

    fn file(&self, generation: u32, missing: Missing) -> io::Result<Arc<Payload>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|payload| payload.generation == generation) {
            if at > 0
                && let Some(payload) = open.remove(at)
            {
                open.push_front(payload);
            }
            return Ok(Arc::clone(&open[0]));
        }
        let path = self.path(generation);
        let file = match File::options().read(true).write(true).open(&path) {
            Err(error) if missing != Missing::Tell && error.kind() == io::ErrorKind::NotFound => {
                self.create(generation, &path, missing == Missing::Reuse)?
            }
            opened => opened?,
        };
        let len = file.metadata()?.len();
        // Where the next batch wanted lies, only we know.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Random);
        let payload = Arc::new(Payload { generation, file, len, ahead: Ahead::default(), verified: Mutex::default() });
        open.push_front(Arc::clone(&payload));
        open.truncate(OPEN_MAX);
        Ok(payload)
    }

    fn create(&self, generation: u32, path: &Path, reuse: bool) -> io::Result<File> {
        if !self.folder.exists() {
            fs::create_dir_all(&self.folder)?;
            self.folder.parent().map_or(Ok(()), sync_dir)?;
        }
        if reuse && self.spares.take(path)? {
            self.note_longer(generation);
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        sync_dir(&self.folder)?;
        Ok(file)
    }

    /// Its file may be longer than what is in it.
    pub(super) fn note_longer(&self, generation: u32) {
        self.longer.lock().unwrap_or_else(PoisonError::into_inner).insert(generation);
    }

    /// Those of which that was noted.
    pub(super) fn longer(&self) -> Vec<u32> {
        self.longer.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Cuts away what is behind the end of a generation that takes no more, unless a copy has it, too.
    pub(super) fn trim(&self, generation: u32, end: u64) -> io::Result<()> {
        let path = self.path(generation);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            found => Some(found?),
        };
        if found.is_some_and(|found| found.nlink() == 1 && found.len() > end) {
            shorten(&File::options().write(true).open(&path)?, end)?;
        }
        self.longer.lock().unwrap_or_else(PoisonError::into_inner).remove(&generation);
        Ok(())
    }

    /// Whether a second name makes a file a copy's, too.
    pub(super) fn is_shared(&self, generation: u32) -> io::Result<bool> {
        match fs::symlink_metadata(self.path(generation)) {
            Ok(found) => Ok(found.nlink() > 1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps the file of a generation that is gone as a spare; says whether it did.
    pub(super) fn retire(&self, generation: u32) -> io::Result<bool> {
        let unsynced = self.forget(generation);
        self.spares.keep(&self.path(generation), unsynced)
    }

    /// Gives the spares back to the disk.
    pub(super) fn clear_spares(&self) -> io::Result<()> {
        self.spares.clear()
    }

    /// Bytes that were written and not synced.
    fn forget(&self, generation: u32) -> u64 {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|payload| payload.generation != generation);
        self.longer.lock().unwrap_or_else(PoisonError::into_inner).remove(&generation);
        self.unsynced().remove(&generation).unwrap_or(0)
    }

    fn unsynced(&self) -> MutexGuard<'_, BTreeMap<u32, u64>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a generation's file, if there is one.
    pub(super) fn remove(&self, generation: u32) -> io::Result<()> {
        self.forget(generation);
        match fs::remove_file(self.path(generation)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives every file a second name in another folder, beside a copy of the database.
    pub(super) fn link_all(&self, to: &Path) -> io::Result<()> {
        let generations = self.generations()?;
        if generations.is_empty() {
            return Ok(());
        }
        let copies = Self::of(to, 0);
        fs::create_dir_all(&copies.folder)?;
        for generation in generations {
            fs::hard_link(self.path(generation), copies.path(generation))?;
        }
        sync_dir(&copies.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_read_from_where_they_were_put() {
        let folder = tempfile::tempdir().expect("a folder");
        let payloads = Payloads::of(folder.path(), 0);
        assert_eq!((payloads.len(3).expect("none yet"), payloads.generations().expect("none yet")), (0, vec![]));
        let mut spill = Spill::behind(0);
        // More slices than one call takes.
        let batches: Vec<Bytes> = (0..3000u32).map(|n| Bytes::from(vec![n as u8; 1 + n as usize % 70])).collect();
        let places: Vec<_> = batches.iter().map(|batch| spill.push(batch.clone())).collect();
        payloads.write(3, &spill).expect("writes");
        for (place, batch) in places.iter().zip(&batches) {
            let mut read = vec![0; place.len as usize];
            assert_eq!(payloads.read(3, *place, &mut read).ok(), Some(true), "as it was written");
            assert_eq!(read, *batch);
        }
        let opened = Payloads::of(folder.path(), 0);
        let mut read = vec![0; places[0].len as usize];
        assert_eq!(opened.read(3, places[0], &mut read).ok(), Some(false), "another opening knows nothing");
        opened.note_verified(3, places[0]);
        assert_eq!(opened.read_at_once(3, places[0], &mut read), Some(true));
        assert_eq!(opened.read(3, places[1], &mut vec![0; places[1].len as usize]).ok(), Some(false));
        assert_eq!(payloads.len(3).expect("there"), spill.end());
        let mut again = Spill::behind(spill.end());
        let place = again.push(Bytes::from_static(b"behind"));
        payloads.write(3, &again).expect("writes");
        let mut read = [0; 6];
        payloads.read(3, place, &mut read).expect("reads");
        assert_eq!(&read, b"behind");
        let mut read = [0; 7];
        let beyond = payloads.read(3, Place { len: 7, ..place }, &mut read).expect_err("too long");
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
        payloads.remove(3).expect("removes");
        payloads.remove(3).expect("is gone");
        assert!(payloads.read(3, place, &mut read).is_err());
    }

    #[test]
    fn as_many_batches_as_calls_take_are_written_also_into_a_file_that_was_used_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let payloads = Payloads::of(folder.path(), 8 << 20);
        for (generation, before) in [(1, false), (2, true)] {
            let mut spill = Spill::behind(0);
            for n in 0..2 * SLICES_MAX {
                spill.push(Bytes::from(vec![n as u8; 777]));
            }
            payloads.write(generation, &spill).expect("writes");
            assert_eq!(payloads.longer(), if before { vec![generation] } else { vec![] });
            let mut read = vec![0; 777];
            let last = Place { position: spill.end() - 777, len: 777 };
            assert_eq!(payloads.read(generation, last, &mut read).ok(), Some(true));
            assert_eq!(read, [(2 * SLICES_MAX - 1) as u8; 777]);
            assert!(payloads.retire(generation).expect("is kept"));
        }
    }

    #[test]
    fn a_file_of_which_much_is_unsynced_is_no_spare() {
        let folder = tempfile::tempdir().expect("a folder");
        let payloads = Payloads::of(folder.path(), 8 << 20);
        let mut spill = Spill::behind(0);
        spill.push(Bytes::from(vec![7; 2 << 20]));
        for (generation, unsynced, is_kept) in [(1, 2 << 20, false), (2, 1 << 18, true), (3, 0, true)] {
            payloads.write(generation, &spill).expect("writes");
            payloads.note_unsynced(generation, unsynced);
            assert_eq!(payloads.unsynced_bytes(), unsynced);
            assert_eq!(payloads.retire(generation).expect("looks"), is_kept, "{unsynced}");
            assert_eq!(payloads.unsynced_bytes(), 0, "it is gone");
        }
        payloads.note_unsynced(4, 7);
        payloads.sync_noted().expect("of files that are gone nothing is to be synced");
        assert_eq!(payloads.unsynced_bytes(), 0);
    }

    #[test]
    fn a_place_is_told_from_a_batch_by_its_length() {
        let place = Place { position: 1 << 40, len: 77 };
        assert_eq!(Place::read(&place.to_bytes()), Some(place));
        assert_eq!(batch_len(&place.to_bytes()), 77);
        let batch = [0; callboard_model::HEADER_LEN];
        assert_eq!((Place::read(&batch), batch_len(&batch)), (None, callboard_model::HEADER_LEN));
    }

    #[test]
    fn more_is_fetched_ahead_while_it_is_wanted_and_less_when_it_is_not() {
        let ahead = Ahead::default();
        let place = |position| Place { position, len: 1000 };
        assert_eq!(ahead.next(place(0)), 4000);
        (0..4).for_each(|n| ahead.note(place(n * 1000)));
        assert_eq!(ahead.next(place(4000)), 8000);
        ahead.note(place(90_000));
        assert_eq!(ahead.next(place(90_000)), 2000, "nobody came");
        assert_eq!(ahead.next(place(1 << 30)), 1000);
        for _ in 0..20 {
            let from = ahead.from.load(Ordering::Relaxed);
            (0..4096).for_each(|n| ahead.note(place(from + n * 1000)));
            ahead.next(place(from + AHEAD_MAX));
        }
        assert_eq!(ahead.len.load(Ordering::Relaxed), AHEAD_MAX);
    }
}
