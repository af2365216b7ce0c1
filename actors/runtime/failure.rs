//! Why an actor failed: a reason in words, made from anything that can explain itself.

use std::{error::Error, fmt};

use serde::Serialize;

/// A reason for which an actor gives up its present incarnation.
///
/// Made by `?` from any error, or by `.into()` from text. Like other catch-all errors it is not itself an [`Error`], so that the conversion can be general.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    reason: String,
}

impl Failure {
    pub fn new(reason: impl Into<String>) -> Failure {
        Failure { reason: reason.into() }
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl<E> From<E> for Failure
where
    E: Into<Box<dyn Error>>,
{
    fn from(error: E) -> Failure {
        let error = error.into();
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many errors already end with the text of their cause.
            if !reason.ends_with(&text) {
                reason.push_str(": ");
                reason.push_str(&text);
            }
            source = cause.source();
        }
        Failure { reason }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The last failure of an actor, as the inspector and the events show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureInfo {
    pub reason: String,
    /// name of the message (or hook) that was being handled
    pub message: &'static str,
    /// since the start of the system, in milliseconds
    pub at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse() -> Result<u32, Failure> {
        Ok("x".parse::<u32>()?)
    }

    #[test]
    fn text_and_errors_become_failures() {
        assert_eq!(Failure::from("disk").reason(), "disk");
        assert_eq!(Failure::from(String::from("disk")).reason(), "disk");
        assert_eq!(parse().expect_err("not a number").reason(), "invalid digit found in string");
    }
}
