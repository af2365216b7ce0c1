//! What the machine is asked: one command per group, in plain values.
//!
//! Requests that name several groups (OffsetFetch from version 8, DescribeGroups, DeleteGroups) are as many commands.
//! Numbers and texts stand as the client sent them; the machine judges them. Where Kafka's behaviour depends on the
//! request's version, the command carries the version.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use callboard_model::{LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicId};
use uuid::Uuid;

use crate::{GroupId, InstanceId, MemberId};

/// A request to the groups of one partition. Each is answered by the [`crate::Reply`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// JoinGroup 0-9; answered when the generation that it joins begins, which may take as long as the rebalance timeout
    /// of the slowest member.
    JoinGroup(JoinGroup),
    /// SyncGroup 0-5; a follower is answered when the leader has sent the assignment.
    SyncGroup(SyncGroup),
    /// Heartbeat 0-4; answered by [`crate::Reply::Heartbeat`].
    Heartbeat(Heartbeat),
    /// LeaveGroup 0-5.
    LeaveGroup(LeaveGroup),
    /// OffsetCommit 2-8, fields of 9 and 10 ready.
    OffsetCommit(OffsetCommit),
    /// One group of OffsetFetch 1-8, fields of 9 and 10 ready.
    OffsetFetch(OffsetFetch),
    /// OffsetDelete 0 (KIP-496).
    OffsetDelete(OffsetDelete),
    /// ListGroups 0-5, the part of this partition's groups.
    ListGroups(ListGroups),
    /// One group of DescribeGroups 0-6.
    DescribeGroup(DescribeGroup),
    /// One group of DeleteGroups 0-2.
    DeleteGroup(DeleteGroup),
    /// Topics are gone, and with them what was committed for them. Every partition of `__consumer_offsets` is told.
    TopicsDeleted(TopicsDeleted),
    /// Which topics positions are kept for: asked after a load, to find those that went while nobody listened.
    CommittedTopics,
}

impl Command {
    /// Kafka's name of the request.
    pub fn name(&self) -> &'static str {
        match self {
            Self::JoinGroup(_) => "JoinGroup",
            Self::SyncGroup(_) => "SyncGroup",
            Self::Heartbeat(_) => "Heartbeat",
            Self::LeaveGroup(_) => "LeaveGroup",
            Self::OffsetCommit(_) => "OffsetCommit",
            Self::OffsetFetch(_) => "OffsetFetch",
            Self::OffsetDelete(_) => "OffsetDelete",
            Self::ListGroups(_) => "ListGroups",
            Self::DescribeGroup(_) => "DescribeGroups",
            Self::DeleteGroup(_) => "DeleteGroups",
            Self::TopicsDeleted(_) => "TopicsDeleted",
            Self::CommittedTopics => "CommittedTopics",
        }
    }

    /// The same for a command that is sent again, so without what is random in it.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self {
            Self::JoinGroup(join) => {
                std::mem::discriminant(self).hash(&mut hasher);
                JoinGroup { fresh: Uuid::nil(), ..join.clone() }.hash(&mut hasher);
            }
            other => other.hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// A member wants to be in the next generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JoinGroup {
    /// The group.
    pub group: GroupId,
    /// Empty until the coordinator has given out an id.
    pub member: MemberId,
    /// Set for static members (5+).
    pub instance: Option<InstanceId>,
    /// The header's client id, empty if it has none.
    pub client_id: Arc<str>,
    /// The client's address, written as Kafka does: `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// Milliseconds without a sign of life after which the member counts as gone.
    pub session_timeout_ms: i32,
    /// Milliseconds that a rebalance waits for this member; in version 0 the session timeout.
    pub rebalance_timeout_ms: i32,
    /// `consumer` for consumers, `connect` for Connect's workers.
    pub protocol_type: Arc<str>,
    /// In the order of preference.
    pub protocols: Vec<GroupProtocol>,
    /// Why (8+); for people.
    pub reason: Option<Arc<str>>,
    /// The request's version: from 4 on a first join without an instance id is sent back with a member id (KIP-394), from
    /// 9 on a static leader may be told to skip the assignment (KIP-814).
    pub api_version: i16,
    /// Random; becomes part of the member's id if it gets one.
    pub fresh: Uuid,
}

/// A way to assign partitions that a member knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupProtocol {
    /// `range`, `cooperative-sticky`, ...
    pub name: Arc<str>,
    /// The member's subscription; for consumers the embedded consumer protocol, which passes through untouched.
    pub metadata: Bytes,
}

/// A member of the current generation wants its assignment; the leader brings everybody's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyncGroup {
    /// The group.
    pub group: GroupId,
    /// Its generation as the member knows it.
    pub generation: i32,
    /// The member.
    pub member: MemberId,
    /// Set for static members (3+).
    pub instance: Option<InstanceId>,
    /// Checked if given (5+, KIP-559).
    pub protocol_type: Option<Arc<str>>,
    /// Checked if given (5+, KIP-559).
    pub protocol: Option<Arc<str>>,
    /// From the leader; empty from followers.
    pub assignments: Vec<MemberAssignment>,
}

/// What the leader has worked out for one member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberAssignment {
    /// For whom.
    pub member: MemberId,
    /// Passes through untouched.
    pub assignment: Bytes,
}

/// A member is alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// The group.
    pub group: GroupId,
    /// Its generation as the member knows it.
    pub generation: i32,
    /// The member.
    pub member: MemberId,
    /// Set for static members (3+).
    pub instance: Option<InstanceId>,
}

/// Members leave. Before version 3 there is exactly one, without an instance id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaveGroup {
    /// The group.
    pub group: GroupId,
    /// Who.
    pub members: Vec<LeavingMember>,
}

/// One that leaves, or is removed by an administrator who knows only its instance id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeavingMember {
    /// The member, empty where the instance id says who.
    pub member: MemberId,
    /// Set for static members.
    pub instance: Option<InstanceId>,
    /// Why (5+, KIP-800); for people.
    pub reason: Option<Arc<str>>,
}

/// A position is kept for a group. Topics that do not exist are refused before it gets here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetCommit {
    /// The group.
    pub group: GroupId,
    /// Its generation as the member knows it, negative for a consumer that assigns its partitions itself.
    pub generation: i32,
    /// The member, empty for a consumer that assigns its partitions itself.
    pub member: MemberId,
    /// Set for static members (7+).
    pub instance: Option<InstanceId>,
    /// Milliseconds to keep the positions (2-4), -1 for the node's own setting and in all other versions.
    pub retention_ms: i64,
    /// What to keep, in the order of the answer.
    pub topics: Vec<CommittedTopic>,
    /// Set if it belongs to a transaction (TxnOffsetCommit); refused until there are transactions.
    pub transaction: Option<TransactionIdentity>,
    /// The request's version: from 9 on an unknown group is called so.
    pub api_version: i16,
}

/// The producer of a transactional commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TransactionIdentity {
    /// `transactional.id`.
    pub transactional_id: Arc<str>,
    /// The producer.
    pub producer: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

/// Positions in one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommittedTopic {
    /// The topic.
    pub topic: Arc<str>,
    /// Its id as the metadata has it; kept beside the position, so that a topic made anew does not inherit it.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<CommittingPartition>,
}

/// The position in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommittingPartition {
    /// The partition.
    pub partition: PartitionIndex,
    /// The next offset to read.
    pub offset: Offset,
    /// The epoch of the last record read, if the client knows it (6+).
    pub leader_epoch: Option<LeaderEpoch>,
    /// Any text, `None` and the empty one are the same.
    pub metadata: Option<Arc<str>>,
}

/// Where a group stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetFetch {
    /// The group.
    pub group: GroupId,
    /// The member (9+).
    pub member: Option<MemberId>,
    /// The member's epoch (9+), -1 if none.
    pub member_epoch: i32,
    /// What of it; `None` for all that there is.
    pub topics: Option<Vec<FetchedTopic>>,
    /// Answer UNSTABLE_OFFSET_COMMIT where a transaction may yet commit (7+, KIP-447).
    pub require_stable: bool,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchedTopic {
    /// The topic.
    pub topic: Arc<str>,
    /// Its id as the metadata has it, zero if unknown. A position kept under another id is not told.
    pub topic_id: TopicId,
    /// The partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// Positions are to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetDelete {
    /// The group.
    pub group: GroupId,
    /// Topics and partitions, in the order of the answer.
    pub topics: Vec<(Arc<str>, Vec<PartitionIndex>)>,
}

/// Which groups there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListGroups {
    /// States as the client wrote them (4+), compared without regard to case; empty for all.
    pub states: Vec<Arc<str>>,
    /// Types as the client wrote them (5+, KIP-848), compared without regard to case; empty for all.
    pub types: Vec<Arc<str>>,
}

/// What a group looks like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescribeGroup {
    /// The group.
    pub group: GroupId,
    /// The request's version: from 6 on an unknown group is GROUP_ID_NOT_FOUND, before it is a dead one (KIP-1043).
    pub api_version: i16,
}

/// A group without members is to be forgotten, its positions with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeleteGroup {
    /// The group.
    pub group: GroupId,
}

/// Topics that no longer are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicsDeleted {
    /// Names and ids. A position that was kept under another id of the same name stays.
    pub topics: Vec<(Arc<str>, TopicId)>,
}
