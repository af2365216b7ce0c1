//! One line on standard error that is written over and over: how many, how fast, and how long still.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::moment::{show_bytes, show_count, show_duration};
use crate::terminal::progress_wanted;

/// Nothing is shown of what is done sooner.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the line changes.
const EVERY: Duration = Duration::from_millis(250);

/// How far it is.
pub(super) struct Progress {
    shown: bool,
    wanted: bool,
    start: Instant,
    next: Instant,
    total: Option<u64>,
    /// Bytes of each record, where all are alike.
    size: u64,
}

impl Progress {
    pub(super) fn new(total: Option<u64>, size: u64) -> Self {
        let start = Instant::now();
        Self { shown: false, wanted: progress_wanted(), start, next: start + PATIENCE, total, size }
    }

    pub(super) fn tell(&mut self, records: u64) {
        self.tell_bytes(records, records * self.size);
    }

    pub(super) fn tell_bytes(&mut self, records: u64, bytes: u64) {
        let now = Instant::now();
        if !self.wanted || now < self.next {
            return;
        }
        self.next = now + EVERY;
        self.shown = true;
        let line = line(records, bytes, self.total, self.start.elapsed());
        write!(std::io::stderr().lock(), "\r\u{1b}[2K{line}").ok();
        std::io::stderr().flush().ok();
    }

    /// Takes the line away.
    pub(super) fn end(&mut self) {
        if self.shown {
            write!(std::io::stderr().lock(), "\r\u{1b}[2K").ok();
        }
    }
}

fn line(records: u64, bytes: u64, total: Option<u64>, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    let rate = records as f64 / seconds;
    let throughput = show_bytes((bytes as f64 / seconds) as u64);
    let count = show_count(records);
    let speed = format!("{} records/s, {throughput}/s", show_count(rate as u64));
    match total.filter(|total| *total > 0) {
        Some(total) if rate > 0.0 => {
            let left = Duration::from_secs_f64(total.saturating_sub(records) as f64 / rate);
            format!(
                "{count} of {} ({} %), {speed}, {} left",
                show_count(total),
                records * 100 / total,
                show_duration(left)
            )
        }
        _ => format!("{count} records, {speed}, {}", show_duration(took)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is() {
        let two = Duration::from_secs(2);
        assert_eq!(line(500, 512_000, Some(1000), two), "500 of 1 000 (50 %), 250 records/s, 250.0 KiB/s, 2.0s left");
        assert_eq!(line(500, 512_000, None, two), "500 records, 250 records/s, 250.0 KiB/s, 2.0s");
        assert_eq!(line(0, 0, Some(10), Duration::ZERO), "0 records, 0 records/s, 0 B/s, 0ms");
    }
}
