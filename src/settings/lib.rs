//! Typed configuration: defaults, then a TOML file, then `CALLBOARD__SECTION__KEY` variables, then flags; validated once.
//!
//! Invariant: a [`Settings`] that exists is legal, and for each of its values it is known who set it.
//! Deliberately absent: reading the process's environment or arguments (the caller hands them in), reloading, and what
//! the per-topic settings mean (the controller's room knows those).
//!
//! One declaration per section ([`NodeSettings`], [`StorageSettings`], …) is the single truth on its keys: from it come the
//! struct, the defaults, the legal range, the text of `explain`, and the commented `deploy/config/node.toml`.

mod admin;
mod document;
mod error;
mod explain;
mod groups;
mod kafka;
mod key;
mod layers;
mod log;
mod nearest;
mod node;
mod runtime;
mod storage;
mod validate;
mod value;

pub use admin::AdminSettings;
pub use document::render_node_toml;
pub use error::{Problem, SettingsError};
pub use explain::{check, explain, print, values};
pub use groups::GroupsSettings;
pub use kafka::KafkaSettings;
pub use key::Key;
pub(crate) use key::Setting;
pub use layers::{Loaded, Mode, Origin, Sources, process_environment};
pub use log::{LogFormat, LogLevel, LogSettings};
pub use node::NodeSettings;
pub use runtime::{DataArbiters, RuntimeSettings};
pub use storage::StorageSettings;
pub use value::{ByteSize, HostPort};

/// Everything that an operator may set for one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Who this node is.
    pub node: NodeSettings,
    /// Where and how the data lies.
    pub storage: StorageSettings,
    /// The port that Kafka clients speak to, and what clients may ask for.
    pub kafka: KafkaSettings,
    /// Consumer groups of the classic protocol, and the topic that keeps them and their offsets.
    pub groups: GroupsSettings,
    /// The HTTP port for health, metrics and inspection.
    pub admin: AdminSettings,
    /// How the work is spread over threads.
    pub runtime: RuntimeSettings,
    /// What the node tells about itself on standard error.
    pub log: LogSettings,
}

/// The sections in the order in which they are shown: name, purpose, keys.
pub(crate) const SECTIONS: &[(&str, &str, &[Key])] = &[
    ("node", NodeSettings::PURPOSE, NodeSettings::KEYS),
    ("storage", StorageSettings::PURPOSE, StorageSettings::KEYS),
    ("kafka", KafkaSettings::PURPOSE, KafkaSettings::KEYS),
    ("groups", GroupsSettings::PURPOSE, GroupsSettings::KEYS),
    ("admin", AdminSettings::PURPOSE, AdminSettings::KEYS),
    ("runtime", RuntimeSettings::PURPOSE, RuntimeSettings::KEYS),
    ("log", LogSettings::PURPOSE, LogSettings::KEYS),
];

/// Every key there is, in the order in which they are shown.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|(_, _, keys)| keys.iter())
}

/// The key of that full name, such as `kafka.num_partitions`.
pub fn key(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

#[cfg(test)]
mod tests;
