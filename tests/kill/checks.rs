//! What must hold, how often it was looked at, and what was found wrong.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    Started,
    UnderLoad,
    Answers,
    ProducerIds,
    LogEnd,
    Seen,
    Recognised,
    AllAcknowledged,
    There,
    Bytes,
    Once,
    Order,
    NothingElse,
    Contiguous,
    Epochs,
}

impl Check {
    pub(crate) const ALL: [Self; 15] = [
        Self::Started,
        Self::UnderLoad,
        Self::Answers,
        Self::ProducerIds,
        Self::LogEnd,
        Self::Seen,
        Self::Recognised,
        Self::AllAcknowledged,
        Self::There,
        Self::Bytes,
        Self::Once,
        Self::Order,
        Self::NothingElse,
        Self::Contiguous,
        Self::Epochs,
    ];

    /// What holds, and in what it is counted.
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Started => ("the node starts on its data after every kill", "starts"),
            Self::UnderLoad => ("kills hit produce requests under way", "kills"),
            Self::Answers => ("a live node answers and does not hang up", "answers"),
            Self::ProducerIds => ("no producer id is given out twice", "ids"),
            Self::LogEnd => ("a log's end is never below what was acknowledged", "looks"),
            Self::Seen => ("what a reader has seen never changes", "records"),
            Self::Recognised => ("batches that lay in the log already were recognised when sent again", "batches"),
            Self::AllAcknowledged => ("every batch of an idempotent producer is acknowledged in the end", "batches"),
            Self::There => ("every acknowledged batch is there, at its acknowledged offset", "batches"),
            Self::Bytes => ("keys, values, times and sequence numbers are those that were sent", "records"),
            Self::Once => ("no batch is there twice", "batches"),
            Self::Order => ("batches are in order per producer and partition", "batches"),
            Self::NothingElse => ("nothing is there that nobody sent", "batches"),
            Self::Contiguous => ("offsets are contiguous from 0 to the log's end", "partitions"),
            Self::Epochs => ("leader epochs never fall along a log", "batches"),
        }
    }
}

/// Findings told in full per promise.
const TOLD_MAX: usize = 8;

#[derive(Clone, Debug, Default)]
struct Tally {
    looked: u64,
    wrong: u64,
    told: Vec<String>,
}

/// The book of all promises; threads share it.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    tallies: Mutex<BTreeMap<Check, Tally>>,
}

impl Checks {
    /// It was looked at that often, whatever was found.
    pub(crate) fn looked(&self, check: Check, times: u64) {
        self.with(check, |tally| tally.looked += times);
    }

    /// It does not hold.
    pub(crate) fn wrong(&self, check: Check, finding: impl Into<String>) {
        self.with(check, |tally| {
            tally.wrong += 1;
            if tally.told.len() < TOLD_MAX {
                tally.told.push(finding.into());
            }
        });
    }

    /// How often it was found wrong.
    #[cfg(test)]
    pub(crate) fn count_wrong(&self, check: Check) -> u64 {
        let mut count = 0;
        self.with(check, |tally| count = tally.wrong);
        count
    }

    fn with(&self, check: Check, change: impl FnOnce(&mut Tally)) {
        change(self.tallies.lock().expect("no holder panics").entry(check).or_default());
    }

    /// Prints every promise and `N passed, N failed`; true if all hold. One that was never looked at does not hold.
    pub(crate) fn report(&self) -> bool {
        let tallies = self.tallies.lock().expect("no holder panics");
        let mut failed = 0;
        for check in Check::ALL {
            let tally = tallies.get(&check).cloned().unwrap_or_default();
            let (text, unit) = check.text();
            if tally.wrong == 0 && tally.looked > 0 {
                println!("  ok      {text} ({} {unit})", tally.looked);
                continue;
            }
            failed += 1;
            println!("  FAILED  {text} ({} {unit}, {} wrong)", tally.looked, tally.wrong);
            for finding in &tally.told {
                println!("            {finding}");
            }
            if tally.wrong > tally.told.len() as u64 {
                println!("            and {} more", tally.wrong - tally.told.len() as u64);
            }
        }
        println!("{} passed, {failed} failed", Check::ALL.len() - failed);
        failed == 0
    }
}
