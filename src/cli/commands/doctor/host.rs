//! What this machine grants: open files, room on the disk.

use std::path::Path;

use super::Finding;
use crate::moment::show_bytes;

/// Open files that a node needs with some hundreds of clients (deploy/README.md).
const FILES_WANTED: u64 = 65_536;
/// Open files without which hardly anything works.
const FILES_LEAST: u64 = 1024;
/// Free space below which it gets tight, in bytes.
const DISK_LOW: u64 = 1024 * 1024 * 1024;

/// How many files a process that is started from here may open.
pub(super) fn limits() -> Vec<Finding> {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    open_files(&text).map(|(soft, hard)| files(soft, hard)).into_iter().collect()
}

/// The soft and the hard limit; `u64::MAX` for none.
fn open_files(limits: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut words = line.split_whitespace();
    let mut next = || match words.next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    Some((next()?, next()?))
}

fn files(soft: u64, hard: u64) -> Finding {
    let shown = |limit: u64| if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() };
    let text = format!("a process started here may open {} files (at most {})", shown(soft), shown(hard));
    let remedy = "for a node: ulimit -n 65536 in the shell, LimitNOFILE=65536 in its systemd unit";
    match soft {
        FILES_WANTED.. => Finding::good("open_files", text),
        // The node raises its own limit as far as it may.
        _ if hard >= FILES_WANTED => Finding::warn("open_files", text, remedy),
        FILES_LEAST.. => Finding::warn("open_files", text, remedy),
        _ => Finding::bad("open_files", text, remedy),
    }
}

/// Room where the data lies.
pub(super) fn disk(folder: Option<&Path>) -> Vec<Finding> {
    let folder = folder.unwrap_or(Path::new("."));
    match crate::disk::space(folder) {
        Ok((free, total)) => vec![room(folder, free, total)],
        Err(error) => vec![Finding::warn(
            "disk",
            format!("the disk of {} cannot be looked at: {error}", folder.display()),
            "--data DIR names the node's data folder",
        )],
    }
}

fn room(folder: &Path, free: u64, total: u64) -> Finding {
    let text = format!("the disk of {} has {} free of {}", folder.display(), show_bytes(free), show_bytes(total));
    let remedy = "delete or shorten topics (callboard topic alter NAME --set retention.ms=…), or give it more room";
    if free < DISK_LOW / 4 {
        Finding::bad("disk", text, remedy)
    } else if free < DISK_LOW || free < total / 20 {
        Finding::warn("disk", text, remedy)
    } else {
        Finding::good("disk", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Mood;

    #[test]
    fn limits_are_read_and_judged() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 unlimited            files     \n";
        assert_eq!(open_files(text), Some((1024, u64::MAX)));
        assert_eq!(files(65_536, 65_536).mood, Mood::Good);
        assert_eq!(files(1024, 1_048_576).mood, Mood::Degraded);
        assert_eq!(files(256, 256).mood, Mood::Bad);
    }

    #[test]
    fn a_full_disk_is_wrong_and_a_nearly_full_one_a_warning() {
        let gib = 1024 * 1024 * 1024;
        assert_eq!(room(Path::new("/d"), gib * 50, gib * 100).mood, Mood::Good);
        assert_eq!(room(Path::new("/d"), gib * 2, gib * 100).mood, Mood::Degraded);
        assert_eq!(room(Path::new("/d"), gib / 8, gib * 100).mood, Mood::Bad);
    }
}
