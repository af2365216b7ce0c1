//! Changing configs, one by one (KIP-339) or all of a resource at once.

use std::collections::BTreeMap;

use callboard_model::{BrokerId, ErrorCode, TopicName};

use super::{ApiError, ConfigResource, Controller, Intent, Outcome, occurrences, resource_type};
use crate::absent_config::Absent;
use crate::broker_config::{self, BrokerConfig, Update};
use crate::config_value::{ConfigError, ConfigType, split};
use crate::effective::Layers;
use crate::image::{Configs, TopicImage};
use crate::record::Record;
use crate::status::Status;
use crate::topic_config;

/// All dynamic configs that a resource is to have; what is not in it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterConfigs {
    /// Whose.
    pub resource: ConfigResource,
    /// Names and values.
    pub configs: Vec<(String, Option<String>)>,
}

/// One change of one config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigOp {
    /// The config's name.
    pub key: String,
    /// 0 sets, 1 deletes, 2 appends to a list, 3 takes out of a list.
    pub operation: i8,
    /// The value; ignored by a deletion.
    pub value: Option<String>,
}

/// Changes of some configs of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncrementalAlterConfigs {
    /// Whose.
    pub resource: ConfigResource,
    /// The changes.
    pub ops: Vec<ConfigOp>,
}

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// A resource whose dynamic configs can be changed.
enum Target<'a> {
    Topic(&'a TopicImage),
    Broker(Option<BrokerId>),
    /// One whose feature is not there: only defaults are taken, and nothing is written down.
    Absent(&'static Absent),
}

impl Controller {
    /// Replaces the dynamic configs of resources. One result per request, in order.
    pub fn alter_configs(&self, requests: &[AlterConfigs], intent: Intent) -> Outcome<Vec<Result<(), ApiError>>> {
        let resources = requests.iter().map(|request| &request.resource);
        self.alter(resources, intent, |at, _, _| {
            let given = &requests[at].configs;
            check_keys(given.iter().map(|(key, value)| (key, value.is_none())))?;
            Ok(given.iter().map(|(key, value)| (key.clone(), value.clone().unwrap_or_default())).collect())
        })
    }

    /// Changes some dynamic configs of resources. One result per request, in order.
    pub fn incremental_alter_configs(
        &self,
        requests: &[IncrementalAlterConfigs],
        intent: Intent,
    ) -> Outcome<Vec<Result<(), ApiError>>> {
        let resources = requests.iter().map(|request| &request.resource);
        self.alter(resources, intent, |at, target, current| {
            let ops = &requests[at].ops;
            check_keys(ops.iter().map(|op| (&op.key, op.value.is_none() && op.operation != DELETE)))?;
            let mut wanted = current.clone();
            for op in ops {
                match target.changed(op, current.get(&op.key))? {
                    Some(value) => wanted.insert(op.key.clone(), value),
                    None => wanted.remove(&op.key),
                };
            }
            Ok(wanted)
        })
    }

    /// Finds each resource, asks for the configs that it is to have, checks those that change, and records them.
    fn alter<'a>(
        &self,
        resources: impl Iterator<Item = &'a ConfigResource> + Clone,
        intent: Intent,
        wanted: impl Fn(usize, &Target<'_>, &Configs) -> Result<Configs, ApiError>,
    ) -> Outcome<Vec<Result<(), ApiError>>> {
        let counts = occurrences(resources.clone());
        let mut records = Vec::new();
        let reply = resources.enumerate().map(|(at, resource)| {
            if counts[resource] > 1 {
                let message = "Each resource must appear at most once.";
                return Err(ApiError::new(ErrorCode::InvalidRequest, message));
            }
            let target = self.target(resource)?;
            let current = target.configs(self);
            let wanted = wanted(at, &target, current)?;
            self.check_change(&target, current, &wanted)?;
            records.extend(target.records(current, &wanted));
            Ok(())
        });
        let reply = reply.collect();
        intent.outcome(records, reply)
    }

    fn target(&self, resource: &ConfigResource) -> Result<Target<'_>, ApiError> {
        let invalid = |message: String| ApiError::new(ErrorCode::InvalidRequest, message);
        match resource.resource_type {
            resource_type::TOPIC if resource.name.is_empty() => {
                Err(invalid("Default topic resources are not allowed.".to_owned()))
            }
            resource_type::TOPIC => {
                let name = TopicName::new(&resource.name)
                    .map_err(|error| ApiError::new(ErrorCode::InvalidTopicException, error.to_string()))?;
                let unknown = || {
                    let message = format!("The topic '{name}' does not exist.");
                    ApiError::new(ErrorCode::UnknownTopicOrPartition, message)
                };
                self.image.topic(name.as_str()).map(|topic| Target::Topic(topic)).ok_or_else(unknown)
            }
            resource_type::BROKER if resource.name.is_empty() => Ok(Target::Broker(None)),
            resource_type::BROKER => {
                let id = broker_id(&resource.name)?;
                match self.image.broker(id) {
                    Some(_) => Ok(Target::Broker(Some(id))),
                    None => Err(invalid(format!("Broker {id} is not registered."))),
                }
            }
            resource_type::GROUP if resource.name.is_empty() => {
                Err(invalid("Default group resources are not allowed.".to_owned()))
            }
            resource_type::GROUP => Ok(Target::Absent(&Absent::GROUP)),
            resource_type::CLIENT_METRICS if resource.name.is_empty() => {
                Err(invalid("Subscription name can't be empty".to_owned()))
            }
            resource_type::CLIENT_METRICS => Ok(Target::Absent(&Absent::CLIENT_METRICS)),
            resource_type::BROKER_LOGGER => Err(no_loggers()),
            other => Err(invalid(format!("Unknown resource type {other}"))),
        }
    }

    fn check_change(&self, target: &Target<'_>, current: &Configs, wanted: &Configs) -> Result<(), ApiError> {
        let changed = || wanted.iter().filter(|(key, value)| current.get(*key) != Some(value));
        match target {
            Target::Topic(_) => {
                for (key, value) in changed() {
                    topic_config::require(key)?.check(value)?;
                }
                self.image.layers(self.node, &self.settings).with_topic(wanted).check_together()?;
            }
            Target::Absent(absent) => {
                for (key, value) in changed() {
                    absent.require(key)?.check(value)?;
                }
            }
            Target::Broker(id) => {
                let mut configs = Vec::new();
                for (key, value) in changed() {
                    configs.push((broker_config::require(key)?, value));
                }
                check_update(&configs, id.is_none())?;
                for (config, value) in configs {
                    config.check(value).map_err(broker_error)?;
                    if let Status::Setting(setting) = config.status()
                        && config.update != Update::ClusterWide
                    {
                        let message = format!("{} is set by {setting} in the node's settings", config.name);
                        return Err(ApiError::new(ErrorCode::InvalidConfig, message));
                    }
                }
                let layers = match id {
                    Some(_) => Layers::new(wanted, self.image.broker_configs(None), &self.settings),
                    None => Layers::new(self.image.broker_configs(Some(self.node)), wanted, &self.settings),
                };
                layers.check_together().map_err(broker_error)?;
            }
        }
        Ok(())
    }
}

impl Target<'_> {
    fn configs<'a>(&'a self, controller: &'a Controller) -> &'a Configs {
        match self {
            Self::Topic(topic) => topic.configs(),
            Self::Broker(id) => controller.image.broker_configs(*id),
            Self::Absent(absent) => absent.nothing_set(),
        }
    }

    /// The type and the default of a config of such a resource.
    fn config(&self, key: &str) -> Result<(ConfigType, &'static str), ApiError> {
        Ok(match self {
            Self::Topic(_) => topic_config::require(key).map(|config| (config.config_type, config.default))?,
            Self::Broker(_) => {
                broker_config::require(key).map(|config| (config.config_type, config.default.unwrap_or_default()))?
            }
            Self::Absent(absent) => absent.require(key).map(|config| (config.config_type, config.default))?,
        })
    }

    /// The value after one change; none if it is to go.
    fn changed(&self, op: &ConfigOp, current: Option<&String>) -> Result<Option<String>, ApiError> {
        let value = op.value.as_deref().unwrap_or_default();
        let name = match op.operation {
            SET => return Ok(Some(value.to_owned())),
            DELETE => return Ok(None),
            APPEND => "APPEND",
            SUBTRACT => "SUBTRACT",
            other => {
                let message = format!("Unknown operations type {other}");
                return Err(ApiError::new(ErrorCode::InvalidRequest, message));
            }
        };
        let (config_type, default) = self.config(&op.key)?;
        if config_type != ConfigType::List {
            let message = format!("Can't {name} to key {} because its type is not LIST.", op.key);
            return Err(ApiError::new(ErrorCode::InvalidConfig, message));
        }
        // A list that nobody set starts from its default, as in Kafka.
        let mut list = split(current.map_or(default, String::as_str));
        for element in split(value) {
            if op.operation == SUBTRACT {
                list.retain(|known| *known != element);
            } else if !list.contains(&element) {
                list.push(element);
            }
        }
        Ok(Some(list.join(",")))
    }

    /// The records that lead from one set of configs to another.
    fn records(&self, current: &Configs, wanted: &Configs) -> Vec<Record> {
        let mut changes: BTreeMap<&String, Option<&String>> = BTreeMap::new();
        changes.extend(current.keys().filter(|key| !wanted.contains_key(*key)).map(|key| (key, None)));
        changes.extend(
            wanted
                .iter()
                .filter(|(key, value)| current.get(*key) != Some(value))
                .map(|(key, value)| (key, Some(value))),
        );
        let record = |(key, value): (&String, Option<&String>)| match self {
            Self::Topic(topic) => {
                Some(Record::TopicConfig { topic: topic.id, key: key.clone(), value: value.cloned() })
            }
            Self::Broker(broker) => {
                Some(Record::BrokerConfig { broker: *broker, key: key.clone(), value: value.cloned() })
            }
            // A default that was asked for is what holds already.
            Self::Absent(_) => None,
        };
        changes.into_iter().filter_map(record).collect()
    }
}

/// Errors if a key comes twice, or without the value that it needs.
fn check_keys<'a>(keys: impl Iterator<Item = (&'a String, bool)> + Clone) -> Result<(), ApiError> {
    let counts = occurrences(keys.clone().map(|(key, _)| key));
    if counts.values().any(|count| *count > 1) {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "Error due to duplicate config keys"));
    }
    let nulls: Vec<&str> = keys.filter(|(_, null)| *null).map(|(key, _)| key.as_str()).collect();
    if nulls.is_empty() {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::InvalidRequest, format!("Null value not supported for : {}", nulls.join(", "))))
}

/// Errors if one of them cannot be changed while the broker runs, or not for all brokers at once.
fn check_update(configs: &[(&'static BrokerConfig, &String)], for_all: bool) -> Result<(), ApiError> {
    let refused = |why: &str, hit: &dyn Fn(Update) -> bool| {
        let names: Vec<&str> =
            configs.iter().filter(|(config, _)| hit(config.update)).map(|(config, _)| config.name).collect();
        match names.is_empty() {
            true => Ok(()),
            false => Err(ApiError::new(ErrorCode::InvalidRequest, format!("{why}: [{}]", names.join(", ")))),
        }
    };
    refused("Cannot update these configs dynamically", &|update| update == Update::ReadOnly)?;
    let why = "These security configs can be dynamically updated only per-listener using the listener prefix";
    refused(why, &|update| update == Update::PerListener)?;
    let why = "Cannot update these configs at default cluster level, broker id must be specified";
    refused(why, &|update| for_all && update == Update::PerBroker)
}

/// Kafka answers an illegal broker value with INVALID_REQUEST, a topic's with INVALID_CONFIG (KAFKA-13609).
fn broker_error(error: ConfigError) -> ApiError {
    let code = match error {
        ConfigError::Invalid { .. } | ConfigError::Conflict(_) => ErrorCode::InvalidRequest,
        _ => ErrorCode::InvalidConfig,
    };
    ApiError::new(code, error.to_string())
}

pub(super) fn broker_id(name: &str) -> Result<BrokerId, ApiError> {
    let wrong = || {
        let message = format!("Node id must be an integer, but it is: {}", crate::config_value::printable(name));
        ApiError::new(ErrorCode::InvalidRequest, message)
    };
    name.parse().map(BrokerId).map_err(|_| wrong())
}

pub(super) fn no_loggers() -> ApiError {
    let message = "Log levels are not configs of this broker; they are set where it is started.";
    ApiError::new(ErrorCode::InvalidRequest, message)
}
