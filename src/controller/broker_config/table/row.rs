//! How a row of the table is written, and the rules that many rows share.

use crate::broker_config::{BrokerConfig, Update};
use crate::config_value::{ConfigType, Valid};
use crate::status::Status;

/// Kafka's "no bound" for numbers of 64 bits.
pub(super) const NO_BOUND: &str = "9223372036854775807";

pub(super) const ANY: Valid = Valid::Any;
pub(super) const NATURAL: Valid = Valid::AtLeast(0);
pub(super) const POSITIVE: Valid = Valid::AtLeast(1);

type Default = Option<&'static str>;

const fn row(
    name: &'static str,
    config_type: ConfigType,
    default: Default,
    valid: Valid,
    update: Update,
) -> BrokerConfig {
    BrokerConfig {
        name,
        config_type,
        default,
        valid,
        update,
        status: Status::Honoured,
        hidden: false,
        documentation: "",
    }
}

/// A config that only a restart changes.
pub(super) const fn fixed(name: &'static str, of: ConfigType, default: Default, valid: Valid) -> BrokerConfig {
    row(name, of, default, valid, Update::ReadOnly)
}

/// A config that can be changed at any time, for single listeners of a broker.
pub(super) const fn per_listener(name: &'static str, of: ConfigType, default: Default, valid: Valid) -> BrokerConfig {
    row(name, of, default, valid, Update::PerListener)
}

/// A config that can be changed at any time, for single brokers.
pub(super) const fn per_broker(name: &'static str, of: ConfigType, default: Default, valid: Valid) -> BrokerConfig {
    row(name, of, default, valid, Update::PerBroker)
}

/// A config that can be changed at any time, for single brokers and for all.
pub(super) const fn cluster_wide(name: &'static str, of: ConfigType, default: Default, valid: Valid) -> BrokerConfig {
    row(name, of, default, valid, Update::ClusterWide)
}

impl BrokerConfig {
    /// Served, and set by a key of the node's own settings.
    pub(super) const fn set_by(self, key: &'static str) -> Self {
        Self { status: Status::Setting(key), ..self }
    }

    /// Only the default is taken.
    pub(super) const fn refused(self, reason: &'static str) -> Self {
        Self { status: Status::Refused(reason), ..self }
    }

    /// Not shown by DescribeConfigs, as in Kafka.
    pub(super) const fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    pub(super) const fn doc(self, documentation: &'static str) -> Self {
        Self { documentation, ..self }
    }
}
