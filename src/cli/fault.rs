//! What went wrong: said on standard error as what, why and what to do next, and as an exit code.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::output::{Doc, Mood, paint};

/// What the process ends with. The numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It was tried and failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A topic, group, actor or context of that name does not exist.
    NotFound = 3,
    /// Nobody answered, or not in time.
    Unreachable = 4,
    /// The cluster does not allow it.
    Unauthorised = 5,
    /// What was asked for is not so: `health`, `lag --fail-above`, `doctor`.
    ConditionNotMet = 6,
    /// Settings or contexts are illegal.
    BadConfig = 78,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// How the JSON form of an error calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Unreachable => "unreachable",
            Self::Unauthorised => "unauthorised",
            Self::ConditionNotMet => "condition_not_met",
            Self::BadConfig => "bad_configuration",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What the process ends with.
    pub(crate) exit: Exit,
    /// Kafka's name of the error, if a broker said one: `TOPIC_ALREADY_EXISTS`.
    pub(crate) kafka_code: Option<String>,
    /// What.
    pub(crate) message: String,
    /// Why, if it is known.
    pub(crate) why: Option<String>,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, kafka_code: None, message: message.into(), why: None, hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }

    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn kafka(mut self, code: impl Into<String>) -> Self {
        self.kafka_code = Some(code.into());
        self
    }

    /// For a person.
    pub(crate) fn text(&self, colour: bool) -> String {
        let mut text = format!("{} {}\n", paint("✗ error:", Mood::Bad, colour), self.message);
        for (label, part) in [("why", &self.why), ("try", &self.hint)] {
            if let Some(part) = part {
                for (at, line) in part.lines().enumerate() {
                    let label = if at == 0 { format!("{label}:") } else { String::new() };
                    writeln!(text, "  {label:<5} {line}").expect("a string takes every write");
                }
            }
        }
        text
    }

    /// For a program: `{"code","kafka_code","message","hint"}`.
    pub(crate) fn doc(&self) -> Doc {
        let message = match &self.why {
            Some(why) => format!("{}: {why}", self.message),
            None => self.message.clone(),
        };
        Doc::map([
            ("code", Doc::from(self.exit.word())),
            ("kafka_code", Doc::from(self.kafka_code.clone())),
            ("message", Doc::from(message)),
            ("hint", Doc::from(self.hint.clone())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_why_and_what_to_do() {
        let fault = Fault::not_found("topic 'ordres' does not exist")
            .because("the cluster has\nthree topics")
            .hint("did you mean 'orders'?")
            .kafka("UNKNOWN_TOPIC_OR_PARTITION");
        let both = format!("{}\n{}\n", fault.text(false), fault.doc().json_pretty());
        crate::snapshot::check("fault", &both);
        assert!(fault.text(true).starts_with("\u{1b}[31m✗ error:\u{1b}[0m topic"));
    }

    #[test]
    fn exit_codes_are_a_promise() {
        let codes = [
            (Exit::Ok, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::NotFound, 3),
            (Exit::Unreachable, 4),
            (Exit::Unauthorised, 5),
            (Exit::ConditionNotMet, 6),
            (Exit::BadConfig, 78),
            (Exit::Interrupted, 130),
        ];
        for (exit, code) in codes {
            assert_eq!(exit as u8, code, "{}", exit.word());
        }
    }
}
