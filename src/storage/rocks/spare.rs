//! Files of dropped generations are written over again.
//!
//! A file that grows costs the file system more than its bytes: each new block is reserved, mapped and noted, and a sync has to
//! write that down too. Over old data a synced megabyte takes half of the time, and its copy a third of the processor's
//! (wal.rs lives of the same). So as much as a log takes, retention gives back; some files are kept for that.
//!
//! What a spare holds is nobody's: a generation's file is read only below its end, which begins at zero. A file that has a
//! second name is a copy's too and is never kept. Readers that still have one open look, after reading, whether its
//! generation is there.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Advice, fadvise};

use crate::DiskSpace;

const SPARE: &str = ".spare";
/// The part of the disk's free space that spares may take, together.
const FREE_PART: u64 = 16;
/// The part of a file that may be unsynced.
const UNSYNCED_PART: u64 = 4;
/// Smaller ones are not worth a name.
const LEAST: u64 = 1 << 20;

/// The spares of one folder.
#[derive(Debug)]
pub(super) struct Spares {
    folder: PathBuf,
    /// Bytes of all at most.
    most: u64,
    /// Held by who changes which there are.
    turn: Mutex<()>,
}

impl Spares {
    pub(super) fn of(folder: &Path, most: u64) -> Self {
        Self { folder: folder.to_owned(), most, turn: Mutex::default() }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spares and their bytes.
    fn all(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let files = match fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let spares = files.flatten().filter(|file| file.file_name().to_string_lossy().ends_with(SPARE));
        spares.map(|file| Ok((file.path(), file.metadata()?.len()))).collect()
    }

    /// Makes a file a spare, if there is room for it and few of its bytes are unsynced. Says whether it did; if not, the file
    /// is as it was.
    pub(super) fn keep(&self, file: &Path, unsynced: u64) -> io::Result<bool> {
        let _turn = self.turn();
        let found = match fs::symlink_metadata(file) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        // What is not written yet would be, for nobody, if the file stayed.
        if !found.is_file() || found.nlink() > 1 || found.len() < LEAST || unsynced > found.len() / UNSYNCED_PART {
            return Ok(false);
        }
        let room = self.most.min(DiskSpace::of(&self.folder)?.free / FREE_PART);
        let there: u64 = self.all()?.iter().map(|(_, len)| len).sum();
        if there + found.len() > room {
            return Ok(false);
        }
        if unsynced == 0 {
            // Nobody reads it any more, and memory that was used just now is faster than what has lain about. (Of unsynced
            // bytes this would begin to write them.)
            fadvise(fs::File::open(file)?, 0, None, Advice::DontNeed)?;
        }
        fs::rename(file, file.with_extension(&SPARE[1..]))?;
        Ok(true)
    }

    /// Gives the longest spare another name, if there is one. The name lasts once the folder is synced.
    pub(super) fn take(&self, to: &Path) -> io::Result<bool> {
        let _turn = self.turn();
        match self.all()?.into_iter().max_by_key(|(_, len)| *len) {
            Some((spare, _)) => fs::rename(spare, to).map(|()| true),
            None => Ok(false),
        }
    }

    /// Gives them all back to the disk.
    pub(super) fn clear(&self) -> io::Result<()> {
        let _turn = self.turn();
        self.all()?.into_iter().try_for_each(|(spare, _)| fs::remove_file(spare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_kept_as_there_is_room_for_and_the_longest_is_taken_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let spares = Spares::of(folder.path(), 5 * LEAST);
        let file = |name: &str, len: u64| {
            let path = folder.path().join(name);
            fs::File::create(&path).and_then(|file| file.set_len(len)).expect("a file");
            path
        };
        assert!(!spares.keep(&folder.path().join("missing.batches"), 0).expect("nothing to keep"));
        assert!(!spares.take(&folder.path().join("9.batches")).expect("none yet"));
        assert!(!spares.keep(&file("1.batches", LEAST - 1), 0).expect("too short"));
        let linked = file("2.batches", LEAST);
        fs::hard_link(&linked, folder.path().join("copy")).expect("links");
        assert!(!spares.keep(&linked, 0).expect("a copy has it, too") && linked.exists());
        assert!(!spares.keep(&file("2b.batches", LEAST), LEAST / 2).expect("too much would be written"));
        let kept = [("3.batches", 2), ("4.batches", 1), ("5.batches", 3), ("6.batches", 2)];
        let kept = kept.map(|(name, times)| spares.keep(&file(name, times * LEAST), 1).expect("looks"));
        assert_eq!(kept, [true, true, false, true]);
        let taken = folder.path().join("7.batches");
        assert!(spares.take(&taken).expect("takes"));
        assert_eq!(fs::metadata(&taken).expect("there").len(), 2 * LEAST);
        assert_eq!(spares.all().expect("looks").len(), 2);
        spares.clear().expect("removes");
        assert_eq!(spares.all().expect("looks").len(), 0);
        assert!(taken.exists() && folder.path().join("5.batches").exists());
    }
}
