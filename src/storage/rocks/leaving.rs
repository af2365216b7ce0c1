//! Files of dropped generations leave the disk bit by bit.
//!
//! To delete half a gigabyte at once keeps the file system's journal busy for 100 ms and more, and every sync waits for it.
//! So each file gets a second name before RocksDB removes its own, and what then has only ours is cut shorter in steps. All
//! that is known is in the folder: after a crash it goes on, and a name too many of a file in use costs nothing.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FOLDER: &str = "leaving";
/// Bytes that are cut off at once, and the pause after it: a gigabyte per second at most.
const STEP: u64 = 4 << 20;
const PAUSE: Duration = Duration::from_millis(4);

/// The folder of second names, beside the database's.
#[derive(Debug)]
pub(super) struct Leaving(PathBuf);

impl Leaving {
    pub(super) fn of(folder: &Path) -> Self {
        Self(folder.join(FOLDER))
    }

    /// Gives files a second name. Where that cannot be done they go at once, as they would without it.
    pub(super) fn name(&self, files: impl IntoIterator<Item = PathBuf>) {
        if fs::create_dir_all(&self.0).is_err() {
            return;
        }
        for file in files {
            if let Some(name) = file.file_name() {
                drop(fs::hard_link(&file, self.0.join(name)));
            }
        }
    }

    /// Cuts away what nobody else has a name for; files that RocksDB still reads keep theirs, and wait. Blocking.
    pub(super) fn cut(&self) -> io::Result<()> {
        let names = match fs::read_dir(&self.0) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for name in names {
            let path = name?.path();
            let found = fs::symlink_metadata(&path)?;
            if !found.is_file() || found.nlink() > 1 {
                continue;
            }
            shorten(&File::options().write(true).open(&path)?, 0)?;
            fs::remove_file(&path)?;
        }
        Ok(())
    }
}

/// Cuts a file down to a length, bit by bit. Blocking.
pub(super) fn shorten(file: &File, to: u64) -> io::Result<()> {
    let mut left = file.metadata()?.len();
    while left > to.saturating_add(STEP) {
        left -= STEP;
        file.set_len(left)?;
        std::thread::sleep(PAUSE);
    }
    if left > to { file.set_len(to) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder.join(FOLDER)).map(|names| {
            names.flatten().map(|name| name.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        });
        let mut names = names.unwrap_or_default();
        names.sort();
        names
    }

    #[test]
    fn a_file_goes_when_nobody_else_names_it_and_not_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let leaving = Leaving::of(folder.path());
        leaving.cut().expect("nothing to do");
        let file = |name: &str, len: u64| {
            let path = folder.path().join(name);
            File::create(&path).expect("a file").set_len(len).expect("its size");
            path
        };
        let (large, used) = (file("1.sst", 3 * STEP + 1), file("2.sst", 10));
        leaving.name([large.clone(), used.clone(), folder.path().join("missing.sst")]);
        leaving.name([used.clone()]);
        assert_eq!(names(folder.path()), ["1.sst", "2.sst"]);
        leaving.cut().expect("both are in use");
        assert_eq!((names(folder.path()).len(), fs::metadata(&large).expect("whole").len()), (2, 3 * STEP + 1));
        fs::remove_file(&large).expect("dropped");
        leaving.cut().expect("one is free");
        assert_eq!((names(folder.path()), fs::metadata(&used).expect("whole").len()), (vec!["2.sst".to_owned()], 10));
        fs::remove_file(&used).expect("dropped");
        leaving.cut().expect("the other too");
        assert!(names(folder.path()).is_empty());
    }
}
