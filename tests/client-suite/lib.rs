//! What the stories of the client stand on: a cluster from outside, topics of their own, a proxy that spoils connections.

pub mod log;
pub mod proxy;
pub mod stage;
