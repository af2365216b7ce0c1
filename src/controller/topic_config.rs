//! Kafka's topic configs, all of them, and what this release does with each.

use std::fmt::Write as _;

use crate::config_value::{ConfigError, ConfigType, Valid, Value, parse, printable, unknown};

mod table;

pub use table::ALL;

/// What this release does with a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has Kafka's effect.
    Honoured,
    /// It has Kafka's effect, but for these values, which are refused.
    HonouredBut {
        /// The values that are refused; in a list, each element.
        refused: &'static [&'static str],
        /// Why.
        reason: &'static str,
    },
    /// It is stored and shown and has no effect, and this is why that harms nobody.
    Accepted(&'static str),
    /// Only the default is taken, and this is why.
    Refused(&'static str),
}

/// How the value of a broker config becomes that of a topic config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Same,
    /// Minutes to milliseconds.
    Minutes,
    /// Hours to milliseconds.
    Hours,
}

impl Unit {
    /// Converts a value; negative times, which mean "no bound", become -1.
    pub fn convert(self, value: Value) -> Value {
        let factor = match self {
            Self::Same => return value,
            Self::Minutes => 60 * 1000,
            Self::Hours => 60 * 60 * 1000,
        };
        match value {
            Value::Number(number) if number < 0 => Value::Number(-1),
            Value::Number(number) => Value::Number(number.saturating_mul(factor)),
            other => other,
        }
    }
}

/// A broker config that gives a topic config its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The broker config.
    pub name: &'static str,
    /// How its value is converted.
    pub unit: Unit,
}

/// One topic config.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopicConfig {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub config_type: ConfigType,
    /// Its value where nobody set one.
    pub default: &'static str,
    /// The rule for its values.
    pub valid: Valid,
    /// What this release does with it.
    pub status: Status,
    /// The broker configs that set its default, the strongest first.
    pub synonyms: &'static [Synonym],
    /// What it is for.
    pub documentation: &'static str,
}

impl TopicConfig {
    /// Reads a value of this config, whether this release serves it or not.
    pub fn parse(&self, raw: &str) -> Result<Value, ConfigError> {
        parse(self.name, self.config_type, self.valid, raw)
    }

    /// Reads a value that somebody wants to set: legal, and served by this release.
    pub fn check(&self, raw: &str) -> Result<Value, ConfigError> {
        let value = self.parse(raw)?;
        self.check_served(&value)?;
        Ok(value)
    }

    /// Errors if this release does not serve a legal value.
    pub fn check_served(&self, value: &Value) -> Result<(), ConfigError> {
        let (served, reason) = match self.status {
            Status::Honoured | Status::Accepted(_) => return Ok(()),
            Status::HonouredBut { refused, reason } => {
                let hit = match value {
                    Value::List(list) => list.iter().any(|element| refused.contains(&element.as_str())),
                    other => refused.contains(&other.render().as_str()),
                };
                (!hit, reason)
            }
            Status::Refused(reason) => (*value == self.default_value(), reason),
        };
        if served {
            return Ok(());
        }
        Err(ConfigError::Refused { name: self.name, value: printable(&value.render()), reason })
    }

    /// Its value where nobody set one.
    pub fn default_value(&self) -> Value {
        self.parse(self.default).expect("the table's defaults are legal, a test parses each")
    }
}

/// The config of this name.
pub fn find(name: &str) -> Option<&'static TopicConfig> {
    ALL.binary_search_by_key(&name, |config| config.name).ok().map(|at| &ALL[at])
}

/// The config of this name, or an error that names the nearest.
pub fn require(name: &str) -> Result<&'static TopicConfig, ConfigError> {
    find(name).ok_or_else(|| unknown("topic", name, ALL.iter().map(|config| config.name)))
}

/// The topic config that a broker config sets the default of.
pub fn of_broker_config(name: &str) -> Option<(&'static TopicConfig, &'static Synonym)> {
    ALL.iter().find_map(|config| Some((config, config.synonyms.iter().find(|synonym| synonym.name == name)?)))
}

/// The whole table as Markdown: name, default, status and reason.
pub fn markdown() -> String {
    let mut text = String::from("| Config | Default | Here | Why |\n|---|---|---|---|\n");
    for config in ALL {
        let (status, reason) = match config.status {
            Status::Honoured => ("honoured".to_owned(), ""),
            Status::HonouredBut { refused, reason } => {
                let refused: Vec<String> = refused.iter().map(|value| format!("`{value}`")).collect();
                (format!("honoured; {} refused", refused.join(", ")), reason)
            }
            Status::Accepted(reason) => ("stored, no effect".to_owned(), reason),
            Status::Refused(reason) => ("only the default".to_owned(), reason),
        };
        let default = if config.default.is_empty() { "(empty)".to_owned() } else { format!("`{}`", config.default) };
        writeln!(text, "| `{}` | {default} | {status} | {reason} |", config.name).expect("memory takes all text");
    }
    text
}

#[cfg(test)]
mod tests;
