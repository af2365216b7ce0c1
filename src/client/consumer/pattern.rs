//! Topics by a regular expression that has to match the whole name, as Java's `Pattern.matches` does.

use std::sync::Arc;

use regex_lite::Regex;

use super::error::ConsumerError;

/// A regular expression for names of topics.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Arc<Regex>);

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Self, ConsumerError> {
        let whole = Regex::new(&format!("^(?:{pattern})$"));
        let wrong = |error: regex_lite::Error| ConsumerError::Pattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        };
        whole.map(|regex| Self(Arc::new(regex))).map_err(wrong)
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}
