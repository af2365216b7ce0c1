//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// How it is called.
pub(crate) const USAGE: &str =
    "usage: callboard-kill --binary PATH --folder DIR [--short] [--seed N] [--rounds N] [--set KEY=VALUE]...
  --binary PATH    the callboard binary to be killed
  --folder DIR     an empty folder for its data and its log
  --short          6 rounds instead of 50
  --rounds N       that many rounds
  --seed N         the seed of an earlier run: the same records and the same plan of kills
  --set KEY=VALUE  a further setting of the node; may be repeated";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The binary under test.
    pub(crate) binary: PathBuf,
    /// Where data and log go.
    pub(crate) folder: PathBuf,
    /// How often to kill under load.
    pub(crate) rounds: u32,
    /// Of all that is random.
    pub(crate) seed: u64,
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
    #[error("{0} needs a number, '{1}' is none")]
    Number(String, String),
    #[error("'{0}' is unknown")]
    Unknown(String),
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Self, ArgumentError> {
        let (mut binary, mut folder, mut seed, mut rounds, mut settings) = (None, None, None, 50, Vec::new());
        let mut words = words;
        while let Some(word) = words.next() {
            let name = word.to_string_lossy().into_owned();
            let mut value = || words.next().ok_or_else(|| ArgumentError::Value(name.clone()));
            match name.as_str() {
                "--binary" => binary = Some(PathBuf::from(value()?)),
                "--folder" => folder = Some(PathBuf::from(value()?)),
                "--set" => settings.push(value()?.to_string_lossy().into_owned()),
                "--seed" => seed = Some(number(&name, &value()?)?),
                "--rounds" => rounds = u32::try_from(number(&name, &value()?)?).unwrap_or(u32::MAX),
                "--short" => rounds = 6,
                _ => return Err(ArgumentError::Unknown(name)),
            }
        }
        Ok(Self {
            binary: binary.ok_or(ArgumentError::Missing("--binary"))?,
            folder: folder.ok_or(ArgumentError::Missing("--folder"))?,
            rounds: rounds.max(1),
            seed: seed.unwrap_or_else(fresh_seed),
            settings,
        })
    }
}

fn number(name: &str, value: &OsString) -> Result<u64, ArgumentError> {
    let text = value.to_string_lossy();
    text.parse().map_err(|_| ArgumentError::Number(name.to_owned(), text.into_owned()))
}

fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |passed| passed.as_micros() as u64 % 1_000_000_007)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, ArgumentError> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_command_line_says_what_is_to_be_done() {
        let arguments = parsed("--binary b --folder f --short --seed 7 --set a=1 --set b=2").expect("legal");
        assert_eq!((arguments.rounds, arguments.seed), (6, 7));
        assert_eq!(arguments.settings, ["a=1", "b=2"]);
        assert_eq!(parsed("--binary b --folder f").expect("legal").rounds, 50);
    }

    #[test]
    fn a_wrong_command_line_is_named() {
        assert_eq!(parsed("--folder f"), Err(ArgumentError::Missing("--binary")));
        assert_eq!(parsed("--binary"), Err(ArgumentError::Value("--binary".to_owned())));
        assert_eq!(parsed("--seed x"), Err(ArgumentError::Number("--seed".to_owned(), "x".to_owned())));
        assert_eq!(parsed("--sead 1"), Err(ArgumentError::Unknown("--sead".to_owned())));
    }
}
