//! The table itself, by subject: every broker config of Apache Kafka 4.3.1, those that it does not show too, and one of
//! ours. Names, types, defaults, rules and update modes are Kafka's.

use super::BrokerConfig;

mod cleaner;
mod groups;
mod log;
mod network;
mod node;
mod reasons;
mod replication;
mod row;
mod security;
mod share;
mod tiers;
mod transactions;

/// The parts with their subjects, in the order in which people look for them.
pub(super) const SUBJECTS: &[(&str, &[BrokerConfig])] = &[
    ("The node", node::ROWS),
    ("Listeners, connections, requests", network::ROWS),
    ("The log and the defaults of topics", log::ROWS),
    ("Compaction", cleaner::ROWS),
    ("Replicas", replication::ROWS),
    ("Groups", groups::ROWS),
    ("Share groups", share::ROWS),
    ("Transactions", transactions::ROWS),
    ("Security", security::ROWS),
    ("Tiered storage", tiers::ROWS),
];
