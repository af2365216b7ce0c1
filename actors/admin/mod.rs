//! The admin port: liveness, readiness, metrics, the live actor tree. Plain HTTP/1.1, read-only.
//!
//! Deliberately absent: anything that changes the node, and anything that a Kafka client needs.

mod figures;
mod http;
mod routes;
mod tree;

pub(crate) use http::AdminServer;
pub(crate) use routes::AdminContext;
