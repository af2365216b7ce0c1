//! The broker: applies committed metadata, keeps a leader running for each partition led here, publishes who leads.
//!
//! Deliberately absent: decisions about the metadata (the controller's) and about records (the leaders').

mod applier;
mod coordinators;
mod published;
mod reconcile;

pub(crate) use applier::{Broker, BrokerContext, BrokerMessage};
pub(crate) use published::{GroupCoordinator, LeaderRoute, Published, PublishedReceiver, TopicRoute};
