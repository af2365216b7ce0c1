//! The group coordinator: the machine of the groups that live on one partition of `__consumer_offsets`.
//!
//! Kafka's classic group protocol (KIP-62, 134, 211, 345, 394, 429, 496, 559, 800, 814), and the offsets that groups
//! commit. Its records have Kafka's own layout, so tools that read the topic work.
//!
//! Deliberately absent: finding the coordinator of a group and everything that needs the cluster's metadata (whether a
//! topic exists, authorization), which is the gateway's; the log and the timers, which are the host's; KIP-848's groups
//! and transactional commits, for which there is a place and no machine yet.

mod classic;
mod command;
mod context;
mod group;
mod groups;
mod ids;
mod member;
mod offsets;
mod placement;
mod positions;
mod record;
mod refusal;
mod reply;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod stories;
mod subscription;
mod sweep;
mod timer;

pub use command::{
    Command, CommittedTopic, CommittingPartition, DeleteGroup, DescribeGroup, FetchedTopic, GroupProtocol, Heartbeat,
    JoinGroup, LeaveGroup, LeavingMember, ListGroups, MemberAssignment, OffsetCommit, OffsetDelete, OffsetFetch,
    SyncGroup, TopicsDeleted, TransactionIdentity,
};
pub use groups::Groups;
pub use ids::{GroupId, InstanceId, MemberId};
pub use placement::partition_of;
pub use record::{CommittedOffset, GroupMetadata, MemberMetadata, Record};
pub use refusal::refusal_code;
pub use reply::{
    DescribeGroupReply, DescribedMember, FetchedOffset, FetchedOffsets, GroupRow, GroupState, GroupType,
    JoinGroupReply, JoinedMember, LeaveGroupReply, LeftMember, ListedGroup, OffsetDeleteReply, OffsetFetchReply,
    PartitionError, Reply, SyncGroupReply, TopicErrors,
};
pub use timer::Timer;
