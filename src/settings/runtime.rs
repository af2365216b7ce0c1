//! Section `[runtime]`: how the work is spread over threads.

use std::num::NonZeroUsize;

use crate::key::{Setting, section};

section! {
    runtime:
    /// How the work is spread over threads.
    RuntimeSettings {
        /// Threads (arbiters) that run partition leaders and connections. `auto` takes one for every two cores: journal and
        /// storage have threads of their own.
        data_arbiters: DataArbiters = "auto", unit "threads", from "1" to "1024";
    }
}

/// How many threads run partitions and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataArbiters {
    /// One for every two cores that the process may use. More change places with the journal's threads more often than
    /// they work: a batch that has to cross from one to the other costs two wake-ups more.
    Auto,
    /// Exactly so many.
    Count(NonZeroUsize),
}

impl DataArbiters {
    /// The number of threads, on a machine with `cores` of them.
    pub fn count(self, cores: NonZeroUsize) -> NonZeroUsize {
        match self {
            Self::Auto => NonZeroUsize::new(cores.get().div_ceil(2)).unwrap_or(cores),
            Self::Count(count) => count,
        }
    }
}

impl Setting for DataArbiters {
    const EXPECTS: &'static str = "\"auto\" or a whole number from 1";

    fn from_text(text: &str) -> Option<Self> {
        if text == "auto" { Some(Self::Auto) } else { text.parse().ok().map(Self::Count) }
    }

    fn from_number(number: i64) -> Option<Self> {
        NonZeroUsize::new(usize::try_from(number).ok()?).map(Self::Count)
    }

    fn amount(&self) -> Option<i128> {
        match self {
            Self::Auto => None,
            Self::Count(count) => Some(count.get() as i128),
        }
    }

    fn to_toml(&self) -> String {
        match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Count(count) => count.to_string(),
        }
    }
}
