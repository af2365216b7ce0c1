//! What survives, one record each, in the layout that Kafka gives them on `__consumer_offsets`.
//!
//! A group's record says who was in its latest generation that everybody knew of; an offset's record says where a group
//! stands in one partition. Both go by tombstones.

use std::sync::Arc;

use bytes::Bytes;
use callboard_model::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

use crate::{GroupId, InstanceId, MemberId};

mod decode;
mod encode;
mod fields;

pub(crate) use decode::decode;
pub(crate) use encode::{encode, stored_size};

/// Bytes that a text of a key or value may have: its length is two bytes with a sign.
pub(crate) const TEXT_LEN_MAX: usize = i16::MAX as usize;

/// A change of what survives.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A group's generation (`GroupMetadata`); `None` when the group is gone.
    Group {
        /// The group.
        group: GroupId,
        /// What holds from now on.
        value: Option<GroupMetadata>,
    },
    /// A position (`OffsetCommit`); `None` when it is forgotten.
    Offset {
        /// The group.
        group: GroupId,
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: PartitionIndex,
        /// What holds from now on.
        value: Option<CommittedOffset>,
    },
}

/// A classic group's generation as it is written down.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMetadata {
    /// Empty for a group that nobody has joined yet.
    pub protocol_type: Arc<str>,
    /// 0 before the first generation.
    pub generation: i32,
    /// What the members agreed on; `None` without members.
    pub protocol: Option<Arc<str>>,
    /// Who assigns; `None` without members.
    pub leader: Option<MemberId>,
    /// When the group got into its state; `None` in records of old versions.
    pub state_since: Option<Timestamp>,
    /// Each id and each instance id once.
    pub members: Vec<MemberMetadata>,
}

/// A member as it is written down.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberMetadata {
    /// The member.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// Its client's id.
    pub client_id: Arc<str>,
    /// Its client's address.
    pub client_host: Arc<str>,
    /// Milliseconds that a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// Milliseconds without a sign of life after which it counts as gone.
    pub session_timeout_ms: i32,
    /// What it said under the group's protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

/// A position as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// The epoch of the last record read. Lost where `expires` is set, there is no place for both.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own text.
    pub metadata: Arc<str>,
    /// When it was committed.
    pub committed: Timestamp,
    /// When it goes, if the client asked for a time of its own (OffsetCommit 2-4).
    pub expires: Option<Timestamp>,
    /// The topic that was meant; zero if unknown. Lost where `expires` is set.
    pub topic_id: TopicId,
}

#[cfg(test)]
mod tests;
