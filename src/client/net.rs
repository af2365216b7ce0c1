//! The way to the brokers: connections with pipelining, the cluster's metadata, who to ask.
//!
//! [`connection`] is one socket, owned by one task; [`cluster`] keeps one per broker and lane and knows the topics.
//! Invariant: every request that is handed in is answered or fails with a typed error, whatever the peer does.

pub mod cluster;
pub mod connection;
pub mod metadata;
pub mod retry;

mod address;
mod greeting;
mod link;

#[cfg(test)]
pub(crate) mod fake;
