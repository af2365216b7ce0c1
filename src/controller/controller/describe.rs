//! Showing configs: every one of a resource, with where its value comes from (KIP-226, KIP-569).

use callboard_model::{ErrorCode, TopicName};

use super::alter::{broker_id, no_loggers};
use super::topics::unknown_topic;
use super::{ApiError, ConfigResource, Controller, resource_type};
use crate::absent_config::{self, AbsentConfig};
use crate::broker_config::{self, BrokerConfig, Update};
use crate::config_value::ConfigType;
use crate::effective::{ConfigSource, Found, Layers};
use crate::topic_config::{self, TopicConfig};

/// A resource that somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeConfigs {
    /// Whose configs.
    pub resource: ConfigResource,
    /// Which of them; none, or an empty list, is all.
    pub keys: Option<Vec<String>>,
}

/// One config as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: &'static str,
    /// Its value; none if it has none, or may not be shown.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it can only be changed in the settings.
    pub read_only: bool,
    /// Whether the value may not be shown.
    pub sensitive: bool,
    /// Its type.
    pub config_type: ConfigType,
    /// What it is for.
    pub documentation: &'static str,
    /// Everything that was said about it, the strongest first; empty in the answer to a creation, which has no room.
    pub synonyms: Vec<ConfigSynonym>,
}

/// A value at one level, under the name that it has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The name.
    pub name: &'static str,
    /// The value; none if it may not be shown.
    pub value: Option<String>,
    /// The level.
    pub source: ConfigSource,
}

impl Controller {
    /// Shows configs. One result per request, in order; entries are ordered by name.
    pub fn describe_configs(&self, requests: &[DescribeConfigs]) -> Vec<Result<Vec<ConfigEntry>, ApiError>> {
        requests.iter().map(|request| self.describe(request)).collect()
    }

    fn describe(&self, request: &DescribeConfigs) -> Result<Vec<ConfigEntry>, ApiError> {
        let invalid = |message: String| ApiError::new(ErrorCode::InvalidRequest, message);
        let name = &request.resource.name;
        let keys = request.keys.as_ref().filter(|keys| !keys.is_empty());
        let asked = |name: &str| keys.is_none_or(|keys| keys.iter().any(|key| key == name));
        let layers = self.image.layers(self.node, &self.settings);
        match request.resource.resource_type {
            resource_type::TOPIC => {
                TopicName::new(name)
                    .map_err(|error| ApiError::new(ErrorCode::InvalidTopicException, error.to_string()))?;
                let topic = self.image.topic(name).ok_or_else(unknown_topic)?;
                let layers = layers.with_topic(topic.configs());
                let asked = topic_config::ALL.iter().filter(|config| asked(config.name));
                Ok(asked.map(|config| ConfigEntry::of_topic(config, &layers).with_synonyms(config, &layers)).collect())
            }
            resource_type::BROKER if name.is_empty() => {
                let set = self.image.broker_configs(None);
                let asked = broker_config::all().iter().filter(|config| asked(config.name));
                let set = asked.filter(|config| set.contains_key(config.name));
                Ok(set.map(|config| ConfigEntry::of_broker(config, &layers, Scope::Cluster)).collect())
            }
            resource_type::BROKER => {
                if broker_id(name)? != self.node {
                    let (node, name) = (self.node, crate::config_value::printable(name));
                    return Err(invalid(format!(
                        "Unexpected broker id, expected {node} or empty string, but received {name}"
                    )));
                }
                let asked = broker_config::all().iter().filter(|config| asked(config.name) && !config.hidden);
                Ok(asked.map(|config| ConfigEntry::of_broker(config, &layers, Scope::Broker)).collect())
            }
            resource_type::GROUP if name.is_empty() => Err(invalid("Group name must not be empty".to_owned())),
            resource_type::GROUP => {
                let asked = absent_config::GROUP.iter().filter(|config| asked(config.name));
                Ok(asked.map(ConfigEntry::of_absent).collect())
            }
            resource_type::CLIENT_METRICS if name.is_empty() => {
                Err(invalid("Client metrics subscription name must not be empty".to_owned()))
            }
            resource_type::CLIENT_METRICS => {
                let asked = absent_config::CLIENT_METRICS.iter().filter(|config| asked(config.name));
                Ok(asked.map(ConfigEntry::of_absent).collect())
            }
            resource_type::BROKER_LOGGER => Err(no_loggers()),
            other => Err(invalid(format!("Unsupported resource type: {other}"))),
        }
    }
}

/// Which levels are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Those that count for one broker.
    Broker,
    /// The default of all brokers alone.
    Cluster,
}

impl ConfigEntry {
    /// The config without its synonyms.
    pub(super) fn of_topic(config: &'static TopicConfig, layers: &Layers<'_>) -> Self {
        let (value, source) = match layers.set(config) {
            Some((value, source)) => (value.render(), source),
            None => (config.default.to_owned(), ConfigSource::Default),
        };
        Self {
            name: config.name,
            value: Some(value),
            source,
            read_only: false,
            sensitive: false,
            config_type: config.config_type,
            documentation: config.documentation,
            synonyms: Vec::new(),
        }
    }

    fn with_synonyms(self, config: &'static TopicConfig, layers: &Layers<'_>) -> Self {
        let found = layers.found(config);
        // Kafka names the source of what it shows: a default in hours is "default", whoever set the hours.
        let source = found.first().map_or(ConfigSource::Default, |found| found.source);
        let synonyms = found.into_iter().map(|found| ConfigSynonym::of(found, false)).collect();
        Self { source, synonyms, ..self }
    }

    fn of_absent(config: &'static AbsentConfig) -> Self {
        let value = || Some(config.default.to_owned());
        let synonyms = config.synonym.map(|name| ConfigSynonym { name, value: value(), source: ConfigSource::Default });
        Self {
            name: config.name,
            value: value(),
            source: ConfigSource::Default,
            read_only: false,
            sensitive: false,
            config_type: config.config_type,
            documentation: config.documentation,
            synonyms: synonyms.into_iter().collect(),
        }
    }

    fn of_broker(config: &'static BrokerConfig, layers: &Layers<'_>, scope: Scope) -> Self {
        let mut found = layers.found_for_broker(config);
        if scope == Scope::Cluster {
            found.retain(|found| found.source == ConfigSource::DynamicDefaultBroker);
        }
        let sensitive = config.is_sensitive();
        Self {
            name: config.name,
            value: found.first().map(|found| found.value.render()).filter(|_| !sensitive),
            source: found.first().map_or(ConfigSource::Default, |found| found.source),
            read_only: config.update == Update::ReadOnly,
            sensitive,
            config_type: config.config_type,
            documentation: config.documentation,
            synonyms: found.into_iter().map(|found| ConfigSynonym::of(found, sensitive)).collect(),
        }
    }
}

impl ConfigSynonym {
    fn of(found: Found, sensitive: bool) -> Self {
        let value = Some(found.value.render()).filter(|_| !sensitive);
        Self { name: found.name, value, source: found.source }
    }
}
