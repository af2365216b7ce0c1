//! The write-ahead log: every write of the journal, in order, before the database has it.
//!
//! ```text
//! <folder>/wal/checkpoint     where to begin: everything before it is in the database's tables
//! <folder>/wal/<number>.wal   segments, in use; free-<number>.wal: to be used again
//! ```
//! RocksDB's own log is switched off: it would copy every batch once more, and its files grow, so that each sync commits
//! the file system's journal too. Segments are written over again and again instead; nothing but data changes then, which
//! halves the time of a sync. A record carries the change to the database as RocksDB writes it, and the batches of small
//! groups, whose files (payload.rs) need no sync of their own then. So a group costs one write, one sync, and what the
//! operating system does later.
//!
//! A record that does not fit into the rest of a page that was synced begins on the next: a page less to write again.
//!
//! Records are numbered without holes. Whatever lay in a segment before has a lower number, or, where a crash threw the
//! end of the log away, a lower *epoch*: each opening begins one, noted before it writes anything.
//!
//! It deliberately does not know what a change means: that is the database's business.

mod files;
mod record;
mod replay;

use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use callboard_model::checksum_with;

use super::payload::{Spills, write_all_at};
use crate::StorageError;
pub(super) use files::copy;
use files::{Checkpoint, Folder};
use record::Origin;
pub(super) use record::{Kind, Piece};
pub(super) use replay::{Replayed, replay};

/// What the operating system writes at least.
const PAGE: u64 = 4096;
/// Segments in which the bytes between two checkpoints lie.
const SEGMENTS: u64 = 4;

/// The log while it is written to.
#[derive(Debug)]
pub(super) struct Wal {
    folder: Folder,
    segment_bytes: u64,
    state: Mutex<State>,
    /// Held by who syncs: a second one has to wait, what it would vouch for may be in the first one's hands.
    syncing: Mutex<()>,
    /// Held by who takes segments or sets them free: of those that are free each is taken, or removed, once.
    segments: Mutex<()>,
}

/// The log's end.
#[derive(Debug)]
pub(super) struct State {
    /// Of the last record.
    sequence: u64,
    number: u64,
    file: Arc<File>,
    position: u64,
    /// Whether a sync began behind the last record, and whether one is under way: then its page may be clean already.
    tail_synced: bool,
    syncing: bool,
    /// Whether the segment has bytes that are not synced, and earlier ones that do.
    unsynced: bool,
    unsynced_before: Vec<Arc<File>>,
    /// Generations whose files have unsynced batches that no record has within.
    beside: BTreeSet<u32>,
    checkpoint: Checkpoint,
    /// Bytes since then.
    pending: u64,
    /// What the changes since then take in memory, about.
    memory: u64,
    failed: Option<StorageError>,
}

/// Where a record was put, to take it back.
#[derive(Debug)]
pub(super) struct Appended {
    position: u64,
    memory: u64,
}

/// What a sync has to do.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) sequence: u64,
    pub(super) full: Vec<Arc<File>>,
    pub(super) segment: Option<Arc<File>>,
    pub(super) beside: BTreeSet<u32>,
}

/// Where the page of a position ends; the position itself if a page begins there.
fn next_page(position: u64) -> u64 {
    position.next_multiple_of(PAGE)
}

/// The checkpoint's file of a journal.
pub(super) fn checkpoint_path(folder: &Path) -> PathBuf {
    Folder::of(folder).checkpoint_path()
}

/// What a change takes in memtables, about.
pub(super) fn memory_of(change: &rocksdb::WriteBatch) -> u64 {
    change.size_in_bytes() as u64 + change.len() as u64 * ENTRY_OVERHEAD
}

/// What a change takes in a memtable beside its own bytes, by entry.
const ENTRY_OVERHEAD: u64 = 64;

impl Wal {
    /// Begins to write behind what was replayed, which it syncs: a process that was killed left it to the operating system,
    /// and what comes now must not be safer than what it follows. Notes the new epoch first.
    pub(super) fn begin(folder: &Path, wal_bytes: u64, from: &Replayed) -> Result<Self, StorageError> {
        let folder = Folder::of(folder);
        let segment_bytes = (wal_bytes / SEGMENTS).max(1);
        let checkpoint = Checkpoint { epoch: from.epoch + 1, ..from.checkpoint };
        // Chosen once, when there is nothing yet.
        let salt = if from.found { checkpoint.salt } else { RandomState::new().hash_one(()) as u32 };
        let checkpoint = Checkpoint { salt, ..checkpoint };
        let io = |doing, path: PathBuf| move |error| StorageError::io(doing, path, error);
        folder.release_behind(from.number).map_err(io("set free what is behind the end in", folder.path()))?;
        folder.note(&checkpoint).map_err(io("write", folder.checkpoint_path()))?;
        for number in from.checkpoint.number..from.number {
            let path = folder.segment(number);
            File::open(&path).and_then(|file| file.sync_data()).map_err(io("sync", path))?;
        }
        let path = folder.segment(from.number);
        let file = folder.take(from.number, segment_bytes).map_err(io("open", path.clone()))?;
        file.sync_data().map_err(io("sync", path))?;
        let state = State {
            sequence: from.sequence,
            number: from.number,
            file: Arc::new(file),
            position: from.position,
            tail_synced: true,
            syncing: false,
            unsynced: false,
            unsynced_before: Vec::new(),
            beside: BTreeSet::new(),
            checkpoint,
            pending: from.bytes,
            memory: from.memory,
            failed: None,
        };
        Ok(Self {
            folder,
            segment_bytes,
            state: Mutex::new(state),
            syncing: Mutex::default(),
            segments: Mutex::default(),
        })
    }

    /// The log's end; who holds it writes.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to sync; taken before the log's end.
    pub(super) fn sync_turn(&self) -> MutexGuard<'_, ()> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a record; the operating system has it afterwards. What fails changes nothing.
    pub(super) fn append(
        &self,
        state: &mut State,
        change: &rocksdb::WriteBatch,
        spills: &Spills,
        kind: Kind,
    ) -> io::Result<Appended> {
        let within = spills.values().filter(|_| kind == Kind::Within).flat_map(|spill| &spill.batches);
        let pieces = spills.iter().map(|(generation, spill)| {
            let crc = match kind {
                Kind::Written => spill.batches.iter().fold(0, |crc, batch| checksum_with(crc, batch)),
                Kind::Within | Kind::Synced => 0,
            };
            Piece { generation: *generation, kind, crc, position: spill.from, len: spill.len }
        });
        if kind == Kind::Written {
            state.beside.extend(spills.keys());
        }
        let data = change.data();
        let origin = Origin { salt: state.checkpoint.salt, epoch: state.checkpoint.epoch };
        let front = record::front(origin, state.sequence + 1, pieces, data, within.clone())
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "one write has over 4 GiB"))?;
        let len = (front.len() + data.len() + within.clone().map(Bytes::len).sum::<usize>()) as u64;
        let clean = state.tail_synced || state.syncing;
        let mut position = match clean && state.position % PAGE + len > PAGE {
            true => next_page(state.position),
            false => state.position,
        };
        if position > 0 && position + len > self.segment_bytes {
            self.roll(state)?;
            position = 0;
        }
        let taken = position + len - state.position;
        let own = [IoSlice::new(&front), IoSlice::new(data)];
        let mut slices: Vec<_> = own.into_iter().chain(within.map(|batch| IoSlice::new(batch))).collect();
        state.unsynced = true;
        write_all_at(&state.file, &mut slices, position)?;
        let memory = memory_of(change);
        let appended = Appended { position, memory };
        state.tail_synced = false;
        state.sequence += 1;
        state.position = position + len;
        state.pending += taken;
        state.memory += memory;
        Ok(appended)
    }

    /// Goes on in the next segment.
    fn roll(&self, state: &mut State) -> io::Result<()> {
        let file = {
            let _segments = self.segments();
            Arc::new(self.folder.take(state.number + 1, self.segment_bytes)?)
        };
        state.number += 1;
        let full = std::mem::replace(&mut state.file, file);
        if std::mem::take(&mut state.unsynced) {
            state.unsynced_before.push(full);
        }
        state.position = 0;
        Ok(())
    }

    /// Takes back the record that was just appended: the database did not take its change. Where it was stands nothing
    /// that could be read as a record.
    pub(super) fn take_back(&self, state: &mut State, appended: &Appended) -> io::Result<()> {
        write_all_at(&state.file, &mut [IoSlice::new(&[0; record::HEADER_LEN])], appended.position)?;
        state.sequence -= 1;
        state.pending -= (state.position - appended.position).min(state.pending);
        state.position = appended.position;
        state.memory -= appended.memory;
        Ok(())
    }

    /// Whether tables should be written: so much would have to be replayed, or is in memory. `part` of the bounds.
    pub(super) fn is_due(&self, wal_bytes: u64, memory_bytes: u64, part: u64) -> bool {
        let state = self.lock();
        state.pending >= wal_bytes / part || state.memory >= memory_bytes / part
    }

    /// Moves the checkpoint to where the log ended when the tables were begun, and frees what is before it.
    pub(super) fn checkpoint(&self, at: &Reached) -> io::Result<()> {
        let checkpoint = {
            let Reached { number, position, sequence, .. } = *at;
            Checkpoint { number, position, sequence, ..self.lock().checkpoint }
        };
        self.folder.note(&checkpoint)?;
        {
            let mut state = self.lock();
            state.checkpoint = checkpoint;
            state.pending = state.pending.saturating_sub(at.pending);
            state.memory = state.memory.saturating_sub(at.memory);
        }
        let _segments = self.segments();
        self.folder.release_before(at.number, SEGMENTS as usize)
    }

    fn segments(&self) -> MutexGuard<'_, ()> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log's end when tables were begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    number: u64,
    position: u64,
    sequence: u64,
    pending: u64,
    memory: u64,
}

impl State {
    /// Of the last record.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Bytes that an opening would replay.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    /// Where the log ends now.
    pub(super) fn reached(&self) -> Reached {
        let Self { number, position, sequence, pending, memory, .. } = *self;
        Reached { number, position, sequence, pending, memory }
    }

    /// What is to be synced now; whoever takes it has to do so.
    pub(super) fn unsynced(&mut self) -> Unsynced {
        self.tail_synced = true;
        self.syncing = true;
        Unsynced {
            sequence: self.sequence,
            full: std::mem::take(&mut self.unsynced_before),
            segment: std::mem::take(&mut self.unsynced).then(|| Arc::clone(&self.file)),
            beside: std::mem::take(&mut self.beside),
        }
    }

    /// What was taken is synced.
    pub(super) fn synced(&mut self) {
        self.syncing = false;
    }

    /// A sync failed: what it was to vouch for may be gone, whatever a second one says.
    pub(super) fn fail(&mut self, error: StorageError) -> StorageError {
        self.failed.get_or_insert(error).clone()
    }

    /// The error that ended it, if one did.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        self.failed.clone().map_or(Ok(()), Err)
    }
}
