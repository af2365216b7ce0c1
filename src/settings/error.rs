//! What may be wrong with settings, each with where it stands.

use std::fmt;
use std::path::PathBuf;

use crate::Origin;

/// Everything that is wrong with the settings, found in one pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    /// At least one; in the order of the layers, then of the keys.
    pub problems: Vec<Problem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl From<Problem> for SettingsError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read at all.
    #[error("cannot read settings from {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: {reason}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A key that does not exist.
    #[error("unknown key {key} {}{}", place(.origin), suggestion(.nearest))]
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The key or section that was most likely meant.
        nearest: Option<String>,
    },
    /// A section's name with a value instead of a table.
    #[error("{section} {} is a section: write its keys below [{section}]", place(.origin))]
    NotATable {
        /// The section.
        section: String,
        /// Where it stands.
        origin: Origin,
    },
    /// A value that is not of the form that its key expects.
    #[error("{key} is {value} {}, expected {expects}", place(.origin))]
    WrongForm {
        /// The key.
        key: &'static str,
        /// What stands there.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What a legal value looks like.
        expects: &'static str,
    },
    /// A value outside its bounds.
    #[error("{key} is {value} {}, legal are {low} to {high}", place(.origin))]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What stands there.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// The smallest legal value.
        low: &'static str,
        /// The largest legal value.
        high: &'static str,
    },
    /// Two values that cannot both hold.
    #[error("{key} is {value} ({origin}) but {other_key} is {other_value} ({other_origin}): {rule}")]
    Contradiction {
        /// The first key.
        key: &'static str,
        /// Its value.
        value: String,
        /// Who set it.
        origin: Origin,
        /// The second key.
        other_key: &'static str,
        /// Its value.
        other_value: String,
        /// Who set it.
        other_origin: Origin,
        /// What must hold.
        rule: &'static str,
    },
    /// An advertised address that no client can connect to.
    #[error(
        "{key} is {value} {}, which no client can connect to: name a host and a port that clients reach",
        place(.origin)
    )]
    NotReachable {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// Who set it.
        origin: Origin,
    },
    /// There is no place for a user's data.
    #[error(
        "no folder for the data: neither XDG_DATA_HOME nor HOME is set to an absolute path; name one with --data DIR"
    )]
    NoDataFolder,
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// An origin as it stands in a sentence.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::Flag => "on the command line".to_owned(),
        Origin::Default | Origin::DevDefault => format!("by {origin}"),
        Origin::File(_) | Origin::Variable(_) => format!("in {origin}"),
    }
}
