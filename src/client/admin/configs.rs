//! Configs of topics, brokers and groups: described with their sources, changed one by one.

use std::fmt;

use callboard_model::BrokerId;
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterableConfig, Request, Response,
};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::asking::{Again, Outcomes, other_kind, outcome};
use super::{Admin, Each};
use crate::Target;

/// What has configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigResource {
    /// A topic.
    Topic(String),
    /// One broker.
    Broker(BrokerId),
    /// What brokers have that have none of their own.
    AllBrokers,
    /// A group.
    Group(String),
}

impl ConfigResource {
    fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => 2,
            Self::Broker(_) | Self::AllBrokers => 4,
            Self::Group(_) => 32,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Topic(name) | Self::Group(name) => name.clone(),
            Self::Broker(id) => id.0.to_string(),
            Self::AllBrokers => String::new(),
        }
    }

    fn is(&self, kind: i8, name: &str) -> bool {
        self.kind() == kind && self.name() == name
    }

    /// A broker says itself what it has; anyone can say the rest.
    fn target(&self) -> Target {
        match self {
            Self::Broker(id) => Target::Broker(*id),
            _ => Target::Any,
        }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic/{name}"),
            Self::Broker(id) => write!(f, "broker/{}", id.0),
            Self::AllBrokers => f.write_str("brokers"),
            Self::Group(name) => write!(f, "group/{name}"),
        }
    }
}

/// Who set a config's value (Kafka: `DescribeConfigsResponse.ConfigSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigSource {
    /// The topic's own.
    Topic,
    /// One broker's own, changed while it runs.
    Broker,
    /// All brokers', changed while they run.
    AllBrokers,
    /// The broker's file or start.
    StaticBroker,
    /// Nobody: the built-in default.
    Default,
    /// A broker's logger.
    BrokerLogger,
    /// A client metrics subscription.
    ClientMetrics,
    /// The group's own.
    Group,
    /// A source that this client does not know.
    Unknown(i8),
}

impl ConfigSource {
    fn from_wire(code: i8) -> Self {
        match code {
            1 => Self::Topic,
            2 => Self::Broker,
            3 => Self::AllBrokers,
            4 => Self::StaticBroker,
            5 => Self::Default,
            6 => Self::BrokerLogger,
            7 => Self::ClientMetrics,
            8 => Self::Group,
            other => Self::Unknown(other),
        }
    }

    /// Kafka's name, as `kafka-configs.sh` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "DYNAMIC_TOPIC_CONFIG",
            Self::Broker => "DYNAMIC_BROKER_CONFIG",
            Self::AllBrokers => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBroker => "STATIC_BROKER_CONFIG",
            Self::Default => "DEFAULT_CONFIG",
            Self::BrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            Self::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            Self::Group => "DYNAMIC_GROUP_CONFIG",
            Self::Unknown(_) => "UNKNOWN",
        }
    }
}

/// One config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name of it.
    pub name: String,
    /// Its value; `None` if it has none or is a secret.
    pub value: Option<String>,
    /// Who set it.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Whether it is a secret.
    pub sensitive: bool,
    /// What it is for, if that was asked for and the broker says it.
    pub documentation: Option<String>,
}

impl ConfigEntry {
    /// Whether this resource itself has the value, rather than a default of all brokers or of the program.
    pub fn is_own_of(&self, resource: &ConfigResource) -> bool {
        matches!(
            (resource, self.source),
            (ConfigResource::Topic(_), ConfigSource::Topic)
                | (ConfigResource::Broker(_), ConfigSource::Broker | ConfigSource::StaticBroker)
                | (ConfigResource::AllBrokers, ConfigSource::AllBrokers)
                | (ConfigResource::Group(_), ConfigSource::Group)
        )
    }
}

/// One change of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Gives it a value.
    Set(String, String),
    /// Takes its own value away, so that the default counts.
    Delete(String),
    /// Adds to a list.
    Append(String, String),
    /// Takes from a list.
    Subtract(String, String),
}

impl ConfigChange {
    fn to_wire(&self) -> IncrementalAlterableConfig {
        let (name, operation, value) = match self {
            Self::Set(name, value) => (name, 0, Some(value)),
            Self::Delete(name) => (name, 1, None),
            Self::Append(name, value) => (name, 2, Some(value)),
            Self::Subtract(name, value) => (name, 3, Some(value)),
        };
        let mut change = IncrementalAlterableConfig::default();
        change.name = name.as_str().into();
        change.config_operation = operation;
        change.value = value.map(|value| value.as_str().into());
        change
    }
}

impl Admin {
    /// Configs of resources, all of each or those of the given names.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        names: Option<&[&str]>,
    ) -> Each<ConfigResource, Vec<ConfigEntry>> {
        let deadline = self.deadline();
        self.rounds(resources.to_vec(), Again::Always, deadline, |open| async move {
            let asked = by_target(open)
                .into_iter()
                .map(|(target, resources)| async move { self.describe_at(target, resources, names, deadline).await });
            join_all(asked).await.into_iter().flatten().collect()
        })
        .await
    }

    async fn describe_at(
        &self,
        target: Target,
        resources: Vec<ConfigResource>,
        names: Option<&[&str]>,
        deadline: Instant,
    ) -> Outcomes<ConfigResource, Vec<ConfigEntry>> {
        let build = |_| {
            let mut request = DescribeConfigsRequest::default();
            let asked = resources.iter().map(|resource| {
                let mut asked = DescribeConfigsResource::default();
                asked.resource_type = resource.kind();
                asked.resource_name = resource.name().into();
                asked.configuration_keys = names.map(|names| names.iter().map(|name| (*name).into()).collect());
                asked
            });
            request.resources = asked.collect();
            Request::DescribeConfigs(request)
        };
        let answer = match self.ask_one(target, ApiKey::DescribeConfigs, deadline, build).await {
            Ok(Response::DescribeConfigs(answer)) => answer,
            Ok(_) => return Self::all_failed(resources, &other_kind(ApiKey::DescribeConfigs)),
            Err(error) => return Self::all_failed(resources, &error),
        };
        let outcomes = answer.results.iter().filter_map(|result| {
            let is = |resource: &&ConfigResource| resource.is(result.resource_type, &result.resource_name);
            let resource = resources.iter().find(is)?.clone();
            let outcome = outcome(result.error_code, resource.to_string(), result.error_message.as_deref());
            Some((resource, outcome.map(|()| result.configs.iter().map(entry).collect())))
        });
        outcomes.collect()
    }

    /// Changes configs; other configs of the same resources stay as they are (KIP-339). All changes of one resource are made,
    /// or none. `validate_only` has the cluster check them and changes nothing.
    pub async fn alter_configs(
        &self,
        changes: &[(ConfigResource, Vec<ConfigChange>)],
        validate_only: bool,
    ) -> Each<ConfigResource, ()> {
        let deadline = self.deadline();
        let resources = changes.iter().map(|(resource, _)| resource.clone()).collect();
        self.rounds(resources, Again::Always, deadline, |open| async move {
            let asked = by_target(open).into_iter().map(|(target, resources)| async move {
                self.alter_at(target, resources, changes, validate_only, deadline).await
            });
            join_all(asked).await.into_iter().flatten().collect()
        })
        .await
    }

    async fn alter_at(
        &self,
        target: Target,
        resources: Vec<ConfigResource>,
        changes: &[(ConfigResource, Vec<ConfigChange>)],
        validate_only: bool,
        deadline: Instant,
    ) -> Outcomes<ConfigResource, ()> {
        let build = |_| {
            let mut request = IncrementalAlterConfigsRequest::default();
            let asked = resources.iter().map(|resource| {
                let mut asked = IncrementalAlterConfigsResource::default();
                asked.resource_type = resource.kind();
                asked.resource_name = resource.name().into();
                let own = changes.iter().filter(|(of, _)| of == resource).flat_map(|(_, changes)| changes);
                asked.configs = own.map(ConfigChange::to_wire).collect();
                asked
            });
            request.resources = asked.collect();
            request.validate_only = validate_only;
            Request::IncrementalAlterConfigs(request)
        };
        let key = ApiKey::IncrementalAlterConfigs;
        let target = if target == Target::Any { Target::Controller } else { target };
        let answer = match self.ask_one(target, key, deadline, build).await {
            Ok(Response::IncrementalAlterConfigs(answer)) => answer,
            Ok(_) => return Self::all_failed(resources, &other_kind(key)),
            Err(error) => return Self::all_failed(resources, &error),
        };
        let outcomes = answer.responses.iter().filter_map(|result| {
            let is = |resource: &&ConfigResource| resource.is(result.resource_type, &result.resource_name);
            let resource = resources.iter().find(is)?.clone();
            let outcome = outcome(result.error_code, resource.to_string(), result.error_message.as_deref());
            Some((resource, outcome))
        });
        outcomes.collect()
    }
}

/// One question for all that anyone can answer, and one for each broker.
fn by_target(resources: Vec<ConfigResource>) -> Vec<(Target, Vec<ConfigResource>)> {
    let mut targets: Vec<(Target, Vec<ConfigResource>)> = Vec::new();
    for resource in resources {
        let target = resource.target();
        match targets.iter_mut().find(|(of, _)| *of == target) {
            Some((_, resources)) => resources.push(resource),
            None => targets.push((target, vec![resource])),
        }
    }
    targets
}

fn entry(config: &DescribeConfigsResourceResult) -> ConfigEntry {
    ConfigEntry {
        name: config.name.to_string(),
        value: config.value.as_ref().map(ToString::to_string),
        source: ConfigSource::from_wire(config.config_source),
        read_only: config.read_only,
        sensitive: config.is_sensitive,
        documentation: config.documentation.as_ref().map(ToString::to_string),
    }
}
