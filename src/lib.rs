//! Callboard: a Kafka-compatible event streaming platform made of supervised actors.
//!
//! This façade is what embedders, examples and scenario tests use: a [`Node`] from [`settings::Settings`], and [`client`] for
//! programs that produce, consume and administer.

pub use callboard_actors::{Node, NodeError, runtime};
pub use callboard_client as client;
pub use callboard_settings as settings;
pub use callboard_telemetry as telemetry;
