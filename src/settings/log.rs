//! Section `[log]`: what the node tells about itself on standard error.

use std::fmt;

use crate::key::{Setting, section};
use crate::value::quote;

section! {
    log:
    /// What the node tells about itself on standard error.
    LogSettings {
        /// `human` for a terminal, `json` (one object a line) for a collector.
        format: LogFormat = "human";
        /// How much: error, warn, info, debug or trace; or by part of the program, such as `info,callboard_actors=debug`.
        level: LogLevel = "info";
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

impl Setting for LogFormat {
    const EXPECTS: &'static str = "\"human\" or \"json\"";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "human" => Some(Self::Human),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn to_toml(&self) -> String {
        match self {
            Self::Human => "\"human\"".to_owned(),
            Self::Json => "\"json\"".to_owned(),
        }
    }
}

/// A level, or comma-separated levels by part of the program; of legal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// The text, as the tracing subscriber's filter takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for LogLevel {
    const EXPECTS: &'static str = "error, warn, info, debug, trace or off, or such as \"info,callboard_actors=debug\"";

    fn from_text(text: &str) -> Option<Self> {
        let level = |word: &str| matches!(word, "off" | "error" | "warn" | "info" | "debug" | "trace");
        let target = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
        };
        let directive = |part: &str| match part.split_once('=') {
            Some((name, word)) => target(name) && level(word),
            None => level(part),
        };
        text.split(',').all(|part| directive(part.trim())).then(|| Self(text.to_owned()))
    }

    fn to_toml(&self) -> String {
        quote(&self.0)
    }
}
