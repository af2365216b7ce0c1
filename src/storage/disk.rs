//! Free space, and files that are replaced whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Space of the disk that holds a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that this process may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

impl DiskSpace {
    /// Asks the file system.
    pub fn of(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        let block = stat.f_frsize;
        Ok(Self { free: stat.f_bavail.saturating_mul(block), total: stat.f_blocks.saturating_mul(block) })
    }
}

/// Syncs a folder, so that created, renamed and removed names in it last.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Replaces a file: its readers see the old text or the new, also after a power cut.
pub(crate) fn write_atomically(path: &Path, text: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_dir(parent)
}
