//! The configs of resources whose feature is not there: groups of the newer protocols, and subscriptions to client
//! metrics. They are shown with their defaults, and anything else is refused.

use callboard_model::ErrorCode;

use crate::config_value::ConfigType::{self, Boolean, Int, List, String};
use crate::config_value::{ConfigError, Valid, Value, parse, unknown};
use crate::controller::ApiError;
use crate::image::Configs;
use crate::status::Status;

/// One such config.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AbsentConfig {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) config_type: ConfigType,
    /// Its value.
    pub(crate) default: &'static str,
    /// The rule for its values.
    valid: Valid,
    /// The broker config that it has its default from, or its own name.
    pub(crate) synonym: Option<&'static str>,
    /// Why nothing else is taken.
    pub(crate) status: Status,
    /// What it is for.
    pub(crate) documentation: &'static str,
}

impl AbsentConfig {
    /// Reads a value that somebody wants to set; only the default is served.
    pub(crate) fn check(&self, raw: &str) -> Result<Value, ConfigError> {
        let value = self.parse(raw)?;
        self.status.check(self.name, &value, Some(&self.parse(self.default)?), false)?;
        Ok(value)
    }

    fn parse(&self, raw: &str) -> Result<Value, ConfigError> {
        parse(self.name, self.config_type, self.valid, raw)
    }
}

/// One kind of such resources.
#[derive(Debug)]
pub(crate) struct Absent {
    of: &'static str,
    configs: &'static [AbsentConfig],
    /// Kafka's code for a name that no config has.
    unknown: ErrorCode,
}

impl Absent {
    /// Groups.
    pub(crate) const GROUP: Self = Self { of: "group", configs: GROUP, unknown: ErrorCode::InvalidConfig };
    /// Subscriptions to client metrics.
    pub(crate) const CLIENT_METRICS: Self =
        Self { of: "client metrics", configs: CLIENT_METRICS, unknown: ErrorCode::InvalidRequest };

    /// The config of this name, or an error that names the nearest.
    pub(crate) fn require(&self, name: &str) -> Result<&'static AbsentConfig, ApiError> {
        let missing = || unknown(self.of, name, self.configs.iter().map(|config| config.name));
        let found = self.configs.iter().find(|config| config.name == name);
        found.ok_or_else(|| ApiError::new(self.unknown, missing().to_string()))
    }

    /// The configs that somebody set.
    pub(crate) fn nothing_set(&self) -> &Configs {
        static NOTHING: Configs = Configs::new();
        &NOTHING
    }
}

const fn row(
    name: &'static str,
    config_type: ConfigType,
    default: &'static str,
    valid: Valid,
    synonym: Option<&'static str>,
    reason: &'static str,
    documentation: &'static str,
) -> AbsentConfig {
    AbsentConfig { name, config_type, default, valid, synonym, status: Status::Refused(reason), documentation }
}

const NO_NEW_GROUPS: &str =
    "the consumer group protocol of KIP-848 is not served yet, and classic groups have no configs";
const NO_SHARE_GROUPS: &str = "share groups are not served";
const NO_STREAMS_GROUPS: &str = "streams groups are not served; Kafka Streams uses the classic protocol";
const NO_TELEMETRY: &str = "clients are not asked for their metrics";

/// What a group can set, ordered by name.
pub(crate) const GROUP: &[AbsentConfig] = &[
    row(
        "consumer.assignment.interval.ms",
        Int,
        "1000",
        Valid::AtLeast(0),
        Some("group.consumer.assignment.interval.ms"),
        NO_NEW_GROUPS,
        "The shortest time between two assignments of the group.",
    ),
    row(
        "consumer.heartbeat.interval.ms",
        Int,
        "5000",
        Valid::AtLeast(1),
        Some("group.consumer.heartbeat.interval.ms"),
        NO_NEW_GROUPS,
        "How often its members report.",
    ),
    row(
        "consumer.session.timeout.ms",
        Int,
        "45000",
        Valid::AtLeast(1),
        Some("group.consumer.session.timeout.ms"),
        NO_NEW_GROUPS,
        "After how many milliseconds of silence a member leaves it.",
    ),
    row(
        "share.assignment.interval.ms",
        Int,
        "1000",
        Valid::AtLeast(0),
        Some("group.share.assignment.interval.ms"),
        NO_SHARE_GROUPS,
        "The shortest time between two assignments of the group.",
    ),
    row(
        "share.auto.offset.reset",
        String,
        "latest",
        Valid::Any,
        Some("share.auto.offset.reset"),
        NO_SHARE_GROUPS,
        "Where a share group begins to read.",
    ),
    row(
        "share.delivery.count.limit",
        Int,
        "5",
        Valid::AtLeast(2),
        Some("group.share.delivery.count.limit"),
        NO_SHARE_GROUPS,
        "How often a record is delivered at most.",
    ),
    row(
        "share.heartbeat.interval.ms",
        Int,
        "5000",
        Valid::AtLeast(1),
        Some("group.share.heartbeat.interval.ms"),
        NO_SHARE_GROUPS,
        "How often its members report.",
    ),
    row(
        "share.isolation.level",
        String,
        "read_uncommitted",
        Valid::OneOf(&["read_committed", "read_uncommitted"]),
        Some("share.isolation.level"),
        NO_SHARE_GROUPS,
        "Whether records of open transactions are delivered.",
    ),
    row(
        "share.partition.max.record.locks",
        Int,
        "2000",
        Valid::AtLeast(100),
        Some("group.share.partition.max.record.locks"),
        NO_SHARE_GROUPS,
        "How many records of one partition may be locked at once.",
    ),
    row(
        "share.record.lock.duration.ms",
        Int,
        "30000",
        Valid::AtLeast(1000),
        Some("group.share.record.lock.duration.ms"),
        NO_SHARE_GROUPS,
        "How long a record stays locked for the member that it was given to.",
    ),
    row(
        "share.renew.acknowledge.enable",
        Boolean,
        "true",
        Valid::Any,
        Some("share.renew.acknowledge.enable"),
        NO_SHARE_GROUPS,
        "Whether a member may prolong a lock.",
    ),
    row(
        "share.session.timeout.ms",
        Int,
        "45000",
        Valid::AtLeast(1),
        Some("group.share.session.timeout.ms"),
        NO_SHARE_GROUPS,
        "After how many milliseconds of silence a member leaves it.",
    ),
    row(
        "streams.assignment.interval.ms",
        Int,
        "1000",
        Valid::AtLeast(0),
        Some("group.streams.assignment.interval.ms"),
        NO_STREAMS_GROUPS,
        "The shortest time between two assignments of the group.",
    ),
    row(
        "streams.heartbeat.interval.ms",
        Int,
        "5000",
        Valid::AtLeast(1),
        Some("group.streams.heartbeat.interval.ms"),
        NO_STREAMS_GROUPS,
        "How often its members report.",
    ),
    row(
        "streams.initial.rebalance.delay.ms",
        Int,
        "3000",
        Valid::AtLeast(0),
        Some("group.streams.initial.rebalance.delay.ms"),
        NO_STREAMS_GROUPS,
        "How long a new group waits for further members.",
    ),
    row(
        "streams.num.standby.replicas",
        Int,
        "0",
        Valid::AtLeast(0),
        Some("group.streams.num.standby.replicas"),
        NO_STREAMS_GROUPS,
        "The standby replicas of each task.",
    ),
    row(
        "streams.session.timeout.ms",
        Int,
        "45000",
        Valid::AtLeast(1),
        Some("group.streams.session.timeout.ms"),
        NO_STREAMS_GROUPS,
        "After how many milliseconds of silence a member leaves it.",
    ),
];

/// What a subscription to client metrics can set, ordered by name.
pub(crate) const CLIENT_METRICS: &[AbsentConfig] = &[
    row(
        "interval.ms",
        Int,
        "300000",
        Valid::Any,
        None,
        NO_TELEMETRY,
        "How often the metrics are pushed, in milliseconds.",
    ),
    row("match", List, "", Valid::Any, None, NO_TELEMETRY, "Which clients the subscription is for."),
    row(
        "metrics",
        List,
        "",
        Valid::Any,
        None,
        NO_TELEMETRY,
        "Which metrics are pushed, by the beginnings of their names.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_defaults_are_taken() {
        for config in GROUP.iter().chain(CLIENT_METRICS) {
            assert_eq!(config.check(config.default).map(|value| value.render()), Ok(config.default.to_owned()));
        }
        assert_eq!((GROUP.len(), CLIENT_METRICS.len()), (17, 3), "as in Apache Kafka 4.3.1");
        let refused = Absent::GROUP.require("consumer.session.timeout.ms").expect("known").check("50000");
        assert!(matches!(refused, Err(ConfigError::Refused { .. })), "{refused:?}");
        let illegal = Absent::GROUP.require("consumer.session.timeout.ms").expect("known").check("0");
        assert!(matches!(illegal, Err(ConfigError::Invalid { .. })), "{illegal:?}");
    }

    #[test]
    fn an_unknown_name_has_the_code_that_kafka_gives_it() {
        let code = |absent: &Absent| absent.require("nope").expect_err("unknown").code;
        assert_eq!(code(&Absent::GROUP), ErrorCode::InvalidConfig);
        assert_eq!(code(&Absent::CLIENT_METRICS), ErrorCode::InvalidRequest);
    }
}
