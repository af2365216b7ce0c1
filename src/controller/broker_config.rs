//! The broker configs that this release knows: those that give topics their defaults, and those that tools look for.

use crate::config_value::{ConfigError, ConfigType, Valid, Value, parse, unknown};

mod table;

pub use table::ALL;

/// How a broker config can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only in the node's settings, by a restart.
    ReadOnly,
    /// At any time, for one broker or as the default of all (Kafka's update mode "cluster-wide").
    Dynamic,
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
    /// What it is for.
    pub documentation: &'static str,
}

impl BrokerConfig {
    /// Reads a value of this config.
    pub fn parse(&self, raw: &str) -> Result<Value, ConfigError> {
        parse(self.name, self.config_type, self.valid, raw)
    }

    /// Reads a value that somebody wants to set: legal, and served by this release as a topic's default.
    pub fn check(&self, raw: &str) -> Result<Value, ConfigError> {
        let value = self.parse(raw)?;
        if let Some((config, synonym)) = crate::topic_config::of_broker_config(self.name) {
            config.check_served(&synonym.unit.convert(value.clone()))?;
        }
        Ok(value)
    }

    /// Whether its value may not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.config_type == ConfigType::Password
    }
}

/// The config of this name.
pub fn find(name: &str) -> Option<&'static BrokerConfig> {
    ALL.binary_search_by_key(&name, |config| config.name).ok().map(|at| &ALL[at])
}

/// The config of this name, or an error that names the nearest.
pub fn require(name: &str) -> Result<&'static BrokerConfig, ConfigError> {
    find(name).ok_or_else(|| unknown("broker", name, ALL.iter().map(|config| config.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic_config;

    #[test]
    fn the_table_is_ordered_and_its_defaults_are_legal() {
        assert!(ALL.is_sorted_by_key(|config| config.name));
        for config in ALL {
            assert_eq!(find(config.name), Some(config));
            if let Some(default) = config.default {
                assert_eq!(
                    config.check(default).map(|value| value.render()),
                    Ok(default.to_owned()),
                    "{}",
                    config.name
                );
            }
        }
    }

    #[test]
    fn every_synonym_of_a_topic_config_is_a_broker_config_with_the_same_default() {
        for topic in topic_config::ALL {
            for (rank, synonym) in topic.synonyms.iter().enumerate() {
                let broker = find(synonym.name).unwrap_or_else(|| panic!("{} is missing", synonym.name));
                assert_eq!(broker.update == Update::Dynamic, rank == 0, "{}", synonym.name);
                if let Some(default) = broker.default {
                    let value = synonym.unit.convert(broker.parse(default).expect("legal"));
                    assert_eq!(value, topic.default_value(), "{}", synonym.name);
                }
            }
        }
    }

    #[test]
    fn what_a_topic_may_not_have_no_broker_may_give_it() {
        let refused = |name, value| find(name).expect("known").check(value).is_err();
        assert!(refused("log.cleanup.policy", "compact"));
        assert!(refused("compression.type", "zstd"));
        assert!(!refused("log.retention.hours", "-1"));
    }
}
