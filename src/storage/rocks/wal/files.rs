//! The log's files: segments by number, those to be used again, and the checkpoint.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::StorageError;
use crate::disk::{sync_dir, write_atomically};

const FOLDER: &str = "wal";
const CHECKPOINT: &str = "checkpoint";
const SEGMENT: &str = ".wal";
const FREE: &str = "free-";
/// `epoch u32 | number u64 | position u64 | sequence u64 | salt u32`, big-endian, and the CRC-32C of it.
const CHECKPOINT_LEN: usize = 4 + 8 + 8 + 8 + 4 + 4;

/// Where a replay begins: everything before it is in tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::rocks) struct Checkpoint {
    /// Of the opening that may write now.
    pub(super) epoch: u32,
    /// The segment.
    pub(super) number: u64,
    /// Byte in it.
    pub(super) position: u64,
    /// Of the last record before it.
    pub(super) sequence: u64,
    /// What all checksums begin with.
    pub(super) salt: u32,
}

impl Checkpoint {
    fn to_bytes(self) -> [u8; CHECKPOINT_LEN] {
        let mut out = [0; CHECKPOINT_LEN];
        out[..4].copy_from_slice(&self.epoch.to_be_bytes());
        out[4..12].copy_from_slice(&self.number.to_be_bytes());
        out[12..20].copy_from_slice(&self.position.to_be_bytes());
        out[20..28].copy_from_slice(&self.sequence.to_be_bytes());
        out[28..32].copy_from_slice(&self.salt.to_be_bytes());
        let crc = crc32c::crc32c(&out[..32]);
        out[32..].copy_from_slice(&crc.to_be_bytes());
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; CHECKPOINT_LEN] = bytes.try_into().ok()?;
        let long = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let whole = crc32c::crc32c(&bytes[..32]) == word(32)?;
        let (epoch, number, position, sequence) = (word(0)?, long(4)?, long(12)?, long(20)?);
        whole.then_some(Self { epoch, number, position, sequence, salt: word(28)? })
    }
}

/// The folder of one log.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn of(folder: &Path) -> Self {
        Self(folder.join(FOLDER))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.clone()
    }

    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number:010}{SEGMENT}"))
    }

    pub(super) fn checkpoint_path(&self) -> PathBuf {
        self.0.join(CHECKPOINT)
    }

    /// The checkpoint; `None` if there never was one.
    pub(super) fn checkpoint(&self) -> Result<Option<Checkpoint>, StorageError> {
        let path = self.checkpoint_path();
        match fs::read(&path) {
            Ok(bytes) => match Checkpoint::read(&bytes) {
                None => Err(StorageError::Damaged { file: path, detail: "its checksum is wrong".into() }),
                read => Ok(read),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("read", path, error)),
        }
    }

    /// Replaces the checkpoint, durably.
    pub(super) fn note(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let made = match self.0.exists() {
            true => Ok(()),
            false => fs::create_dir_all(&self.0).and_then(|()| self.0.parent().map_or(Ok(()), sync_dir)),
        };
        made.and_then(|()| write_atomically(&self.checkpoint_path(), &checkpoint.to_bytes()))
    }

    /// The numbers of the segments in use, in order.
    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers: Vec<u64> = self.names()?.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let files = match fs::read_dir(&self.0) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect())
    }

    fn free(&self) -> io::Result<Vec<String>> {
        let free = |name: &String| name.strip_prefix(FREE).is_some_and(|rest| number_of(rest).is_some());
        Ok(self.names()?.into_iter().filter(free).collect())
    }

    /// A segment: the one that is there, else a free one under a new name, else a new one. Its name lasts.
    pub(super) fn take(&self, number: u64, segment_bytes: u64) -> io::Result<File> {
        let path = self.segment(number);
        let fresh = !path.exists();
        if fresh && let Some(free) = self.free()?.pop() {
            fs::rename(self.0.join(free), &path)?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        // One write may have been longer than a segment is.
        if fresh && file.metadata()?.len() > segment_bytes * 2 {
            file.set_len(segment_bytes)?;
        }
        // Also of one that is there: whoever made it may have failed before this.
        sync_dir(&self.0)?;
        Ok(file)
    }

    /// Segments before this one are free; so many are kept.
    pub(super) fn release_before(&self, number: u64, keep: usize) -> io::Result<()> {
        self.release(|of| of < number)?;
        for name in self.free()?.into_iter().skip(keep) {
            fs::remove_file(self.0.join(name))?;
        }
        Ok(())
    }

    /// Segments behind this one are free: the log ends before them. That has to last before anything is written.
    pub(super) fn release_behind(&self, number: u64) -> io::Result<()> {
        if self.release(|of| of > number)? { sync_dir(&self.0) } else { Ok(()) }
    }

    fn release(&self, which: impl Fn(u64) -> bool) -> io::Result<bool> {
        let numbers: Vec<u64> = self.numbers()?.into_iter().filter(|number| which(*number)).collect();
        for number in &numbers {
            let path = self.segment(*number);
            fs::rename(&path, self.0.join(format!("{FREE}{number:010}{SEGMENT}")))?;
        }
        Ok(!numbers.is_empty())
    }
}

/// The number in a segment's name.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Copies what a log consists of to another journal's folder.
pub(in crate::rocks) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (Folder::of(from), Folder::of(to));
    fs::create_dir_all(&to.0)?;
    for name in from.names()? {
        fs::copy(from.0.join(&name), to.0.join(&name))?;
    }
    sync_dir(&to.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Folder::of(folder.path());
        assert_eq!(files.checkpoint(), Ok(None));
        let checkpoint = Checkpoint { epoch: 3, number: 4, position: 5, sequence: 6, salt: 7 };
        files.note(&checkpoint).expect("writes");
        assert_eq!(files.checkpoint(), Ok(Some(checkpoint)));
        let mut bytes = fs::read(files.checkpoint_path()).expect("there");
        bytes[9] ^= 1;
        fs::write(files.checkpoint_path(), bytes).expect("writes");
        assert!(matches!(files.checkpoint(), Err(StorageError::Damaged { .. })));
    }

    #[test]
    fn segments_are_used_again_and_not_too_many_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Folder::of(folder.path());
        files.note(&Checkpoint::default()).expect("writes");
        for number in 1..=6 {
            files.take(number, 100).expect("makes").set_len(50 * number).expect("its size");
        }
        files.release_before(5, 2).expect("frees");
        assert_eq!(files.numbers().expect("looks"), [5, 6]);
        assert_eq!(files.free().expect("looks").len(), 2);
        let used = files.take(7, 100).expect("uses one again").metadata().expect("there").len();
        assert!((50..=200).contains(&used), "{used}: as it was");
        assert_eq!(files.free().expect("looks").len(), 1);
        files.release_behind(5).expect("frees");
        assert_eq!((files.numbers().expect("looks"), files.free().expect("looks").len()), (vec![5], 3));
        assert!(files.take(8, 10).expect("uses one again").metadata().expect("there").len() <= 20, "cut to its size");
    }
}
