//! The admin port: liveness, readiness, metrics, the live actor tree and its last changes. Plain HTTP/1.1.
//!
//! It only reads, unless `admin.allow_control` lets operators restart and kill actors. What is refused is told as JSON with a
//! code, a message and a hint. Deliberately absent: authentication (yet), and anything that a Kafka client needs.

mod control;
mod figures;
mod history;
mod http;
mod refusal;
mod routes;
mod tree;

pub(crate) use history::History;
pub(crate) use http::AdminServer;
pub(crate) use routes::AdminContext;
