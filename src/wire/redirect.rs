//! Where a partition's leader is now, told beside an error so that a client need not ask (KIP-951).

use callboard_model::{BrokerId, LeaderEpoch};

use crate::EncodeError;
use crate::writer::Writer;

/// The leader of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    /// Its broker.
    pub leader_id: BrokerId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
}

/// The address of a leader named in the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The broker.
    pub node_id: BrokerId,
    /// Its advertised host.
    pub host: String,
    /// Its advertised port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

impl CurrentLeader {
    pub(crate) fn write(&self, to: &mut Writer<'_>) {
        to.i32(self.leader_id.0);
        to.i32(self.leader_epoch.0);
        to.no_tags();
    }
}

impl NodeEndpoint {
    pub(crate) fn write(&self, to: &mut Writer<'_>) -> Result<(), EncodeError> {
        to.i32(self.node_id.0);
        to.string("host", &self.host)?;
        to.i32(self.port);
        to.nullable_string("rack", self.rack.as_deref())?;
        to.no_tags();
        Ok(())
    }
}
