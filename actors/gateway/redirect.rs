//! Where leaders are now, told beside errors that say that a client is wrong about it (KIP-951).

use std::net::SocketAddr;

use callboard_model::{BrokerId, ErrorCode, PartitionIndex};
use callboard_wire::produce::{CurrentLeader, NodeEndpoint};

use super::address::address;
use super::services::Services;
use crate::broker::Published;

/// Collects the leaders of one answer.
pub(super) struct Redirects<'a> {
    published: &'a Published,
    endpoints: Vec<BrokerId>,
}

impl<'a> Redirects<'a> {
    pub(super) fn new(published: &'a Published) -> Self {
        Self { published, endpoints: Vec::new() }
    }

    /// The leader of a partition that was refused with `error`, if that is a reason to tell, and known.
    pub(super) fn leader(&mut self, error: ErrorCode, topic: &str, partition: PartitionIndex) -> Option<CurrentLeader> {
        if !matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
            return None;
        }
        let partition = self.published.image.topic(topic)?.partition(partition)?;
        let leader_id = partition.leader?;
        if !self.endpoints.contains(&leader_id) {
            self.endpoints.push(leader_id);
        }
        Some(CurrentLeader { leader_id, leader_epoch: partition.leader_epoch })
    }

    /// The addresses of the leaders told.
    pub(super) fn endpoints(self, local: Option<SocketAddr>, services: &Services) -> Vec<NodeEndpoint> {
        let broker = |id: BrokerId| {
            let broker = self.published.image.broker(id)?;
            let (host, port) = address(broker, local, services);
            Some(NodeEndpoint { node_id: id, host, port: i32::from(port), rack: broker.rack.clone() })
        };
        self.endpoints.into_iter().filter_map(broker).collect()
    }
}
