//! What each command does: gather values from the cluster or a node, and turn them into an answer.
//!
//! Gathering and showing are apart, so that what is shown is tested with fixed values.

pub(crate) mod actor;
pub(crate) mod bench;
pub(crate) mod cluster;
pub(crate) mod complete;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod consume;
pub(crate) mod context;
pub(crate) mod doctor;
pub(crate) mod group;
pub(crate) mod man;
mod pattern;
pub(crate) mod produce;
pub(crate) mod top;
pub(crate) mod topic;
pub(crate) mod version;
