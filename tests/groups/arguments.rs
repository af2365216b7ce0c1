//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

/// How it is called.
pub(crate) const USAGE: &str = "usage: callboard-groups --binary PATH --folder DIR [--short] [--set KEY=VALUE]...
  --binary PATH    the callboard binary
  --folder DIR     an empty folder for its data and its log
  --short          few groups, and no limits of time
  --set KEY=VALUE  a further setting of the node; may be repeated";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The binary under test.
    pub(crate) binary: PathBuf,
    /// Where data and log go.
    pub(crate) folder: PathBuf,
    /// Whether only the answers count, not the times.
    pub(crate) short: bool,
    /// Further settings of the node, `KEY=VALUE`.
    pub(crate) settings: Vec<String>,
}

/// Why a command line is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} needs a value")]
    Value(String),
    #[error("'{0}' is unknown")]
    Unknown(String),
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Self, ArgumentError> {
        let (mut binary, mut folder, mut short, mut settings) = (None, None, false, Vec::new());
        while let Some(word) = words.next() {
            let name = word.to_string_lossy().into_owned();
            let mut value = || words.next().ok_or_else(|| ArgumentError::Value(name.clone()));
            match name.as_str() {
                "--binary" => binary = Some(PathBuf::from(value()?)),
                "--folder" => folder = Some(PathBuf::from(value()?)),
                "--set" => settings.push(value()?.to_string_lossy().into_owned()),
                "--short" => short = true,
                _ => return Err(ArgumentError::Unknown(name)),
            }
        }
        Ok(Self {
            binary: binary.ok_or(ArgumentError::Missing("--binary"))?,
            folder: folder.ok_or(ArgumentError::Missing("--folder"))?,
            short,
            settings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, ArgumentError> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_command_line_says_what_is_to_be_done() {
        let arguments = parsed("--binary b --folder f --short --set a=1 --set b=2").expect("legal");
        assert!(arguments.short);
        assert_eq!(arguments.settings, ["a=1", "b=2"]);
        assert!(!parsed("--binary b --folder f").expect("legal").short);
    }

    #[test]
    fn a_wrong_command_line_is_named() {
        assert_eq!(parsed("--folder f"), Err(ArgumentError::Missing("--binary")));
        assert_eq!(parsed("--binary"), Err(ArgumentError::Value("--binary".to_owned())));
        assert_eq!(parsed("--shirt"), Err(ArgumentError::Unknown("--shirt".to_owned())));
    }
}
