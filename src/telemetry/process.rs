//! The process as the system sees it, from `/proc/self`; what cannot be read is left out.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the system counts of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessFacts {
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) open_fds: Option<u64>,
    pub(crate) max_fds: Option<u64>,
    pub(crate) resident_bytes: Option<u64>,
}

/// Clock ticks per second in `/proc`, which Linux fixes for user space on every platform.
const TICKS_PER_SECOND: f64 = 100.0;

impl ProcessFacts {
    /// Reads them now.
    pub(crate) fn read() -> Self {
        Self {
            cpu_seconds: fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat)),
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
            max_fds: fs::read_to_string("/proc/self/limits").ok().and_then(|limits| max_fds(&limits)),
            resident_bytes: fs::read_to_string("/proc/self/status").ok().and_then(|status| resident_bytes(&status)),
        }
    }
}

/// Fields 14 and 15; the second field is a name in brackets that may itself hold blanks.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Seconds since 1970-01-01 UTC.
pub(crate) fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |passed| passed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_name_has_blanks_and_brackets_is_read() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 100";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("12 (cut"), None);
    }

    #[test]
    fn limits_and_memory_are_found_among_their_neighbours() {
        assert_eq!(max_fds("Max processes 1 2 x\nMax open files            1024     4096     files\n"), Some(1024));
        assert_eq!(max_fds("Max open files            unlimited     unlimited     files\n"), None);
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t  2048 kB\n"), Some(2048 * 1024));
    }
}
