//! The structs of the APIs of consumer groups.

pub use kafka_wire::delete_groups_response::DeletableGroupResult;
pub use kafka_wire::describe_groups_response::{DescribedGroup, DescribedGroupMember};
pub use kafka_wire::find_coordinator_response::Coordinator;
pub use kafka_wire::join_group_request::JoinGroupRequestProtocol;
pub use kafka_wire::join_group_response::JoinGroupResponseMember;
pub use kafka_wire::leave_group_request::MemberIdentity;
pub use kafka_wire::leave_group_response::MemberResponse;
pub use kafka_wire::list_groups_response::ListedGroup;
pub use kafka_wire::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
pub use kafka_wire::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
pub use kafka_wire::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
pub use kafka_wire::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
pub use kafka_wire::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
pub use kafka_wire::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
pub use kafka_wire::sync_group_request::SyncGroupRequestAssignment;
pub use kafka_wire::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse,
    SyncGroupRequest, SyncGroupResponse,
};
