//! Kafka's topic configs, all of them, and what this release does with each.

use crate::config_value::{ConfigError, ConfigType, Valid, Value, parse, unknown};

mod table;

pub use crate::status::Status;
pub use table::ALL;

/// How the value of a broker config becomes that of a topic config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Same,
    /// As it is, but that every negative number is "no bound".
    Milliseconds,
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
            Self::Milliseconds => 1,
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
        self.status.check(self.name, value, Some(&self.default_value()), false)
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

#[cfg(test)]
mod tests;
