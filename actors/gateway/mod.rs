//! The gateway: Kafka clients' connections, and an answer for every API that is served.
//!
//! `connection` keeps the order of answers, `produce` and `fetching` are the hot path without a copy of record data,
//! `handlers` holds one file per other API. Deliberately absent: record decoding, decisions about metadata or offsets.

mod address;
mod answers;
mod budget;
mod connection;
mod fetch_asked;
mod fetch_join;
mod fetch_rows;
mod fetching;
mod handlers;
mod listener;
mod produce;
mod redirect;
mod seat;
mod services;
mod sessions;
mod socket;

pub(crate) use answers::Answers;
pub(crate) use budget::Budget;
pub(crate) use connection::ConnectionMessage;
pub(crate) use listener::Listener;
pub(crate) use services::{GatewayConfig, Services};
pub(crate) use sessions::Sessions;
