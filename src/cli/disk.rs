//! How much room a disk has.

use std::io;
use std::path::Path;

/// Free and total bytes of the disk that a folder lies on, as `df` sees it for an ordinary user.
pub(crate) fn space(folder: &Path) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
}
