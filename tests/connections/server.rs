//! What the server's process uses, read from `/proc` between the parts of a load.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::figures::Figures;

/// Clock ticks per second in `/proc`, which Linux fixes for user space on every platform.
const TICKS_PER_SECOND: f64 = 100.0;

/// The process, if it is known.
#[derive(Debug)]
pub(crate) struct Server {
    folder: Option<PathBuf>,
}

/// A moment from which CPU is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    cpu_seconds: Option<f64>,
    moment: Instant,
}

impl Server {
    pub(crate) fn new(pid: Option<u32>) -> Self {
        Self { folder: pid.map(|pid| PathBuf::from(format!("/proc/{pid}"))) }
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.as_ref()?.join(name)).ok()
    }

    /// Memory that is in RAM, in MiB.
    pub(crate) fn resident_mib(&self) -> Option<f64> {
        status_mib(&self.file("status")?, "VmRSS:")
    }

    /// The largest of it since [`Self::forget_peak`], in MiB.
    pub(crate) fn peak_mib(&self) -> Option<f64> {
        status_mib(&self.file("status")?, "VmHWM:")
    }

    /// Counts the largest size from now on.
    pub(crate) fn forget_peak(&self) {
        if let Some(folder) = &self.folder {
            // Only root may for a process of others; then the peak is that of its whole life.
            let _ = fs::write(folder.join("clear_refs"), "5");
        }
    }

    pub(crate) fn now(&self) -> Since {
        Since { cpu_seconds: self.file("stat").and_then(|stat| cpu_seconds(&stat)), moment: Instant::now() }
    }

    /// CPU used since then, in seconds per second.
    pub(crate) fn cpu_since(&self, since: Since) -> Option<f64> {
        let now = self.now();
        Some((now.cpu_seconds? - since.cpu_seconds?) / (now.moment - since.moment).as_secs_f64())
    }

    /// Adds what `count` of something took of memory between two readings, each, in KiB.
    pub(crate) fn tell_each(figures: &mut Figures, name: &str, before: Option<f64>, after: Option<f64>, count: usize) {
        if let (Some(before), Some(after)) = (before, after)
            && count > 0
        {
            figures.add(name, (after - before) * 1024.0 / count as f64);
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

fn status_mib(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_found_behind_a_name_with_blanks_and_brackets() {
        let stat = "42 (a) b (c) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 1 1 1";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nothing"), None);
    }

    #[test]
    fn memory_is_found_among_its_neighbours() {
        let status = "Name:\tx\nVmHWM:\t  4096 kB\nVmRSS:\t  2048 kB\n";
        assert_eq!((status_mib(status, "VmRSS:"), status_mib(status, "VmHWM:")), (Some(2.0), Some(4.0)));
        assert_eq!(status_mib("VmRSS:", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_memory_and_an_unknown_one_has_none() {
        assert!(Server::new(Some(std::process::id())).resident_mib().is_some_and(|mib| mib > 0.0));
        assert!(Server::new(None).resident_mib().is_none());
    }
}
