//! What this release does with a config.

use std::fmt::Write as _;

use crate::config_value::{ConfigError, Value, printable};

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
    /// It has Kafka's effect, and this key of the node's own settings sets it.
    Setting(&'static str),
    /// It is stored and shown and has no effect, and this is why that harms nobody.
    Accepted(&'static str),
    /// Only the default is taken, and this is why.
    Refused(&'static str),
}

impl Status {
    /// Errors if a legal value of a config of this status is not served. `default` is the config's, if it has one;
    /// `secret` values are not repeated in the error.
    pub(crate) fn check(
        self,
        name: &'static str,
        value: &Value,
        default: Option<&Value>,
        secret: bool,
    ) -> Result<(), ConfigError> {
        let (served, reason) = match self {
            Self::Honoured | Self::Setting(_) | Self::Accepted(_) => return Ok(()),
            Self::HonouredBut { refused, reason } => {
                let hit = match value {
                    Value::List(list) => list.iter().any(|element| refused.contains(&element.as_str())),
                    other => refused.contains(&other.render().as_str()),
                };
                (!hit, reason)
            }
            Self::Refused(reason) => (Some(value) == default, reason),
        };
        if served {
            return Ok(());
        }
        let value = if secret { "[hidden]".to_owned() } else { printable(&value.render()) };
        Err(ConfigError::Refused { name, value, reason })
    }

    /// For a table: what is done, and why.
    pub(crate) fn told(self) -> (String, &'static str) {
        match self {
            Self::Honoured => ("honoured".to_owned(), ""),
            Self::HonouredBut { refused, reason } => {
                let mut text = "honoured; refused:".to_owned();
                for value in refused {
                    write!(text, " `{value}`").expect("memory takes all text");
                }
                (text, reason)
            }
            Self::Setting(key) => (format!("honoured; set by `{key}`"), ""),
            Self::Accepted(reason) => ("taken, no effect".to_owned(), reason),
            Self::Refused(reason) => ("only the default".to_owned(), reason),
        }
    }
}
