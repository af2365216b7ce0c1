//! What the machine answers, in plain values with Kafka's error codes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use callboard_model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId};

use crate::{GroupId, InstanceId, MemberId};

/// The answer to the [`crate::Command`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To JoinGroup.
    JoinGroup(JoinGroupReply),
    /// To SyncGroup.
    SyncGroup(SyncGroupReply),
    /// To Heartbeat.
    Heartbeat(ErrorCode),
    /// To LeaveGroup.
    LeaveGroup(LeaveGroupReply),
    /// To OffsetCommit: every partition that was asked, in that order. An error of the whole stands at each of them.
    OffsetCommit(Vec<TopicErrors>),
    /// To OffsetFetch.
    OffsetFetch(OffsetFetchReply),
    /// To OffsetDelete.
    OffsetDelete(OffsetDeleteReply),
    /// To ListGroups, by name.
    ListGroups(Vec<ListedGroup>),
    /// To DescribeGroup.
    DescribeGroup(DescribeGroupReply),
    /// To DeleteGroup.
    DeleteGroup(ErrorCode),
    /// To TopicsDeleted: it is written down, or will be, as far as it does not fit into one batch.
    TopicsDeleted,
    /// To CommittedTopics: names and ids, each once; the id is zero where it was not known.
    CommittedTopics(Vec<(Arc<str>, TopicId)>),
}

/// A member's place in a generation, or why it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupReply {
    /// NONE for a place.
    pub error: ErrorCode,
    /// The generation, -1 with most errors.
    pub generation: i32,
    /// The group's protocol type (7+).
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that all members know. Before version 7 "none" is written as the empty text.
    pub protocol: Option<Arc<str>>,
    /// The member that assigns; empty with errors.
    pub leader: MemberId,
    /// The leader is not to assign again, only to know its members (9+, KIP-814).
    pub skip_assignment: bool,
    /// The member's id, to be used from now on.
    pub member: MemberId,
    /// For the leader: all members.
    pub members: Vec<JoinedMember>,
}

impl JoinGroupReply {
    /// No place.
    pub fn refused(member: MemberId, error: ErrorCode) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skip_assignment: false,
            member,
            members: Vec::new(),
        }
    }
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member.
    pub member: MemberId,
    /// Set for static members (5+).
    pub instance: Option<InstanceId>,
    /// Its subscription under the chosen protocol.
    pub metadata: Bytes,
}

/// A member's assignment, or why it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroupReply {
    /// NONE for an assignment.
    pub error: ErrorCode,
    /// The group's protocol type (5+).
    pub protocol_type: Option<Arc<str>>,
    /// The generation's protocol (5+).
    pub protocol: Option<Arc<str>>,
    /// As the leader sent it.
    pub assignment: Bytes,
}

impl SyncGroupReply {
    /// No assignment.
    pub fn refused(error: ErrorCode) -> Self {
        Self { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

/// Who has left. Before version 3 the only member's error is the answer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroupReply {
    /// An error of the whole.
    pub error: ErrorCode,
    /// One for each that was asked, in that order.
    pub members: Vec<LeftMember>,
}

/// Whether one member has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As it was asked.
    pub member: MemberId,
    /// As it was asked.
    pub instance: Option<InstanceId>,
    /// NONE if it has left.
    pub error: ErrorCode,
}

/// Results for partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicErrors {
    /// The topic.
    pub topic: Arc<str>,
    /// Its partitions, in the order of the request.
    pub partitions: Vec<PartitionError>,
}

/// The result for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionError {
    /// The partition.
    pub partition: PartitionIndex,
    /// NONE if it is done.
    pub error: ErrorCode,
}

/// Where a group stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchReply {
    /// An error of the whole group; before version 8 it is the answer's, and before version 2 each partition's.
    pub error: ErrorCode,
    /// What was asked in that order, or all that there is, by name.
    pub topics: Vec<FetchedOffsets>,
}

/// Positions in one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffsets {
    /// The topic.
    pub topic: Arc<str>,
    /// Its partitions.
    pub partitions: Vec<FetchedOffset>,
}

/// The position in one partition; offset -1 and no error if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    /// The partition.
    pub partition: PartitionIndex,
    /// As it was committed, or -1.
    pub offset: Offset,
    /// As it was committed (5+).
    pub leader_epoch: Option<LeaderEpoch>,
    /// As it was committed, or empty.
    pub metadata: Arc<str>,
    /// NONE, or UNSTABLE_OFFSET_COMMIT.
    pub error: ErrorCode,
}

/// What has been forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDeleteReply {
    /// An error of the whole; there are no topics then.
    pub error: ErrorCode,
    /// What was asked, in that order.
    pub topics: Vec<TopicErrors>,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group: GroupId,
    /// Its protocol type, empty for a group that only commits.
    pub protocol_type: Arc<str>,
    /// Its state (4+).
    pub state: GroupState,
    /// Its type (5+).
    pub group_type: GroupType,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeGroupReply {
    /// NONE for a group that is, and before version 6 for any.
    pub error: ErrorCode,
    /// What is wrong, for people (6+).
    pub error_message: Option<String>,
    /// The group.
    pub group: GroupId,
    /// Its state, `Dead` if there is none.
    pub state: GroupState,
    /// Its protocol type, or empty.
    pub protocol_type: Arc<str>,
    /// The chosen protocol of a stable group, or empty.
    pub protocol: Arc<str>,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member.
    pub member: MemberId,
    /// Set for static members (4+).
    pub instance: Option<InstanceId>,
    /// Its client's id.
    pub client_id: Arc<str>,
    /// Its client's address.
    pub client_host: Arc<str>,
    /// Its subscription, empty unless the group is stable.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// What a group does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// It has no members.
    Empty,
    /// It waits for its members to join the next generation.
    PreparingRebalance,
    /// It waits for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// There is no such group.
    Dead,
}

impl GroupState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Empty, Self::PreparingRebalance, Self::CompletingRebalance, Self::Stable, Self::Dead];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A group at a glance, for the tree and for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// The group.
    pub group: GroupId,
    /// Its type.
    pub group_type: GroupType,
    /// Its state.
    pub state: GroupState,
    /// What its members agreed on.
    pub protocol: Option<Arc<str>>,
    /// Its generation, 0 before the first.
    pub generation: i32,
    /// Its members.
    pub members: usize,
    /// Those of them that wait for the next generation.
    pub joining: usize,
    /// Partitions with a position.
    pub offsets: usize,
    /// Why the last rebalance began; empty if there was none since it was loaded.
    pub cause: &'static str,
}

/// Which protocol a group's members speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupType {
    /// Members join and sync; one of them assigns.
    Classic,
    /// The coordinator assigns (KIP-848).
    Consumer,
}

impl GroupType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Classic, Self::Consumer];

    /// Kafka's name in lists (`classic`, `consumer`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
