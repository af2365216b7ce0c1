//! Options by Kafka's names: `set("linger.ms", "5")`, with the nearest right name for a wrong one.
//!
//! A struct of options has public fields named as Kafka's with `_` for `.`, Kafka's defaults, and a table of [`Entry`] that
//! says which text sets which field; librdkafka's well-known names are aliases.

use std::time::Duration;

mod cluster;
mod nearest;

pub use cluster::{ClusterOptions, DEFAULT_PORT};

/// Why an option cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No option has this name.
    #[error("there is no option '{name}'{}", Hint(.nearest))]
    Unknown {
        /// As it was given.
        name: String,
        /// The option that was most likely meant.
        nearest: Option<&'static str>,
    },
    /// The value is none for this option.
    #[error("option {name} cannot be '{value}': {reason}")]
    Value {
        /// The option.
        name: String,
        /// As it was given.
        value: String,
        /// What is expected.
        reason: String,
    },
    /// Options that exclude each other.
    #[error("{0}")]
    Conflict(String),
}

struct Hint<'a>(&'a Option<&'static str>);

impl std::fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |nearest| write!(f, "; is '{nearest}' meant?"))
    }
}

/// One option: its names, Kafka's first, and what sets it. The error says what is expected.
pub(crate) struct Entry<T> {
    pub(crate) names: &'static [&'static str],
    pub(crate) set: fn(&mut T, &str) -> Result<(), String>,
}

/// Sets an option if the table has it; whether it has.
pub(crate) fn try_set<T>(table: &[Entry<T>], target: &mut T, name: &str, value: &str) -> Result<bool, OptionError> {
    let Some(entry) = table.iter().find(|entry| entry.names.contains(&name)) else {
        return Ok(false);
    };
    let wrong = |reason| OptionError::Value { name: name.to_owned(), value: value.to_owned(), reason };
    (entry.set)(target, value.trim()).map_err(wrong).map(|()| true)
}

/// The names of a table, aliases included.
pub(crate) fn names<T>(table: &'static [Entry<T>]) -> impl Iterator<Item = &'static str> {
    table.iter().flat_map(|entry| entry.names.iter().copied())
}

/// The error for a name that no table has.
pub(crate) fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> OptionError {
    OptionError::Unknown { name: name.to_owned(), nearest: nearest::nearest(name, known) }
}

/// Milliseconds, not below zero.
pub(crate) fn millis(value: &str) -> Result<Duration, String> {
    let wrong = |_| "a number of milliseconds, 0 or more, is expected".to_owned();
    value.parse::<u64>().map(Duration::from_millis).map_err(wrong)
}

/// Milliseconds, not below zero; librdkafka takes fractions.
pub(crate) fn fractional_millis(value: &str) -> Result<Duration, String> {
    let wrong = || "a number of milliseconds, 0 or more, is expected".to_owned();
    let millis: f64 = value.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(millis / 1000.0).map_err(|_| wrong())
}

/// A whole number within bounds.
pub(crate) fn within<N: std::str::FromStr + PartialOrd + std::fmt::Display>(
    value: &str,
    least: N,
    most: N,
) -> Result<N, String> {
    let wrong = || format!("a number from {least} to {most} is expected");
    let number = value.parse().map_err(|_| wrong())?;
    if number < least || number > most { Err(wrong()) } else { Ok(number) }
}

/// A yes or no.
pub(crate) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests;
