//! Kafka's broker configs, all of them, and what this release does with each.

use std::sync::LazyLock;

use crate::config_value::{ConfigError, ConfigType, Valid, Value, parse, unknown};
use crate::status::Status;

mod table;

/// How a broker config can be changed (Kafka's update modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only in the node's settings, by a restart.
    ReadOnly,
    /// At any time, for one listener of one broker.
    PerListener,
    /// At any time, for one broker.
    PerBroker,
    /// At any time, for one broker or as the default of all.
    ClusterWide,
}

/// One broker config.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrokerConfig {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub config_type: ConfigType,
    /// Its value where nobody set one, if it has any.
    pub default: Option<&'static str>,
    /// The rule for its values.
    pub valid: Valid,
    /// How it can be changed.
    pub update: Update,
    /// What this release does with it; of one that gives topics their default, [`Self::status`] knows better.
    status: Status,
    /// Whether DescribeConfigs leaves it out where nobody set it.
    pub hidden: bool,
    /// What it is for.
    pub documentation: &'static str,
}

impl BrokerConfig {
    /// Reads a value of this config.
    pub fn parse(&self, raw: &str) -> Result<Value, ConfigError> {
        parse(self.name, self.config_type, self.valid, raw)
    }

    /// Reads a value that somebody wants to set: legal, and served by this release, be it as a topic's default.
    pub fn check(&self, raw: &str) -> Result<Value, ConfigError> {
        let value = self.parse(raw)?;
        match crate::topic_config::of_broker_config(self.name) {
            Some((config, synonym)) => config.check_served(&synonym.unit.convert(value.clone()))?,
            None => self.status.check(self.name, &value, self.default_value().as_ref(), self.is_sensitive())?,
        }
        Ok(value)
    }

    /// What this release does with it: with the default of a topic config, what it does with that.
    pub fn status(&self) -> Status {
        crate::topic_config::of_broker_config(self.name).map_or(self.status, |(config, _)| config.status)
    }

    /// Its value where nobody set one.
    pub fn default_value(&self) -> Option<Value> {
        Some(self.parse(self.default?).expect("the table's defaults are legal, a test parses each"))
    }

    /// Whether its value may not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.config_type == ConfigType::Password
    }
}

/// All broker configs, ordered by name.
pub fn all() -> &'static [&'static BrokerConfig] {
    static ALL: LazyLock<Vec<&BrokerConfig>> = LazyLock::new(|| {
        let mut all: Vec<_> = table::SUBJECTS.iter().flat_map(|(_, rows)| rows.iter()).collect();
        all.sort_by_key(|config| config.name);
        all
    });
    &ALL
}

/// The config of this name.
pub fn find(name: &str) -> Option<&'static BrokerConfig> {
    all().binary_search_by_key(&name, |config| config.name).ok().map(|at| all()[at])
}

/// The config of this name, or an error that names the nearest.
pub fn require(name: &str) -> Result<&'static BrokerConfig, ConfigError> {
    find(name).ok_or_else(|| unknown("broker", name, all().iter().map(|config| config.name)))
}

/// The configs with the subject of each group of them, for a table.
pub(crate) fn by_subject() -> &'static [(&'static str, &'static [BrokerConfig])] {
    table::SUBJECTS
}

#[cfg(test)]
mod tests;
