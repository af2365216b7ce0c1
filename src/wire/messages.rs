//! Every API but Produce and Fetch: requests and answers by the codec crate, whose structs are re-exported here.
//!
//! The structs come with `Default` and public fields and may gain fields, so they are made as
//! `let mut answer = MetadataResponse::default();` and filled in. Leave `unknown_tagged_fields` alone.

use bytes::{Bytes, BytesMut};
use callboard_model::limits::CONTROL_ARRAY_MAX;
use kafka_wire::{KafkaMessage, RetainedSize};
use kafka_wire_core::{ApiVersion as Version, DecodeLimits, Decoder, KafkaDecode};

use crate::frame::LENGTH_LEN;
use crate::{ApiKey, CodecError, DecodeError, EncodeError, api};

pub mod api_versions;
pub mod client;
mod fit;
mod groups;

pub use groups::*;

pub use kafka_wire::alter_configs_request::{AlterConfigsResource, AlterableConfig};
pub use kafka_wire::alter_configs_response::AlterConfigsResourceResponse;
pub use kafka_wire::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
pub use kafka_wire::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
pub use kafka_wire::create_partitions_response::CreatePartitionsTopicResult;
pub use kafka_wire::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
pub use kafka_wire::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
pub use kafka_wire::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
pub use kafka_wire::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
pub use kafka_wire::delete_topics_request::DeleteTopicState;
pub use kafka_wire::delete_topics_response::DeletableTopicResult;
pub use kafka_wire::describe_cluster_response::DescribeClusterBroker;
pub use kafka_wire::describe_configs_request::DescribeConfigsResource;
pub use kafka_wire::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
pub use kafka_wire::incremental_alter_configs_request::{
    AlterConfigsResource as IncrementalAlterConfigsResource, AlterableConfig as IncrementalAlterableConfig,
};
pub use kafka_wire::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalAlterConfigsResourceResponse;
pub use kafka_wire::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
pub use kafka_wire::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
pub use kafka_wire::metadata_request::MetadataRequestTopic;
pub use kafka_wire::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
pub use kafka_wire::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
pub use kafka_wire::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
pub use kafka_wire::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterConfigsRequest, AlterConfigsResponse,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse, ApiVersionsRequest, ApiVersionsResponse, CreateAclsRequest, CreateAclsResponse,
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteAclsRequest,
    DeleteAclsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeAclsRequest, DescribeAclsResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeQuorumRequest, DescribeQuorumResponse, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, ElectLeadersRequest,
    ElectLeadersResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, InitProducerIdRequest,
    InitProducerIdResponse, ListConfigResourcesRequest, ListConfigResourcesResponse, ListOffsetsRequest,
    ListOffsetsResponse, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, MetadataRequest,
    MetadataResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
/// Structures whose names several APIs share are reached through their message's module.
pub use kafka_wire::{
    alter_client_quotas_request, alter_client_quotas_response, alter_partition_reassignments_request,
    alter_partition_reassignments_response, alter_replica_log_dirs_request, alter_replica_log_dirs_response,
    create_acls_request, create_acls_response, delete_acls_request, delete_acls_response, describe_acls_request,
    describe_acls_response, describe_client_quotas_request, describe_client_quotas_response, describe_log_dirs_request,
    describe_log_dirs_response, describe_producers_request, describe_producers_response, describe_quorum_request,
    describe_quorum_response, describe_topic_partitions_request, describe_topic_partitions_response,
    describe_user_scram_credentials_request, describe_user_scram_credentials_response, elect_leaders_request,
    elect_leaders_response, list_config_resources_request, list_config_resources_response,
    list_partition_reassignments_request, list_partition_reassignments_response,
};
pub use kafka_wire_core::Uuid;

macro_rules! control_plane {
    ($($name:ident, $request:ident, $response:ident;)*) => {
        /// A request of the control plane.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = stringify!($name)] $name($request),)*
            /// ApiVersions in a version that is not served: answered with [`api_versions::unsupported`].
            UnsupportedApiVersions,
        }

        /// An answer of the control plane.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Response {
            $(#[doc = stringify!($name)] $name($response),)*
        }

        impl Request {
            /// Whose request it is.
            pub fn key(&self) -> ApiKey {
                match self {
                    $(Self::$name(_) => ApiKey::$name,)*
                    Self::UnsupportedApiVersions => ApiKey::ApiVersions,
                }
            }

            /// Bytes that it holds in memory, text and elements, for accounting.
            pub fn retained_bytes(&self) -> usize {
                match self {
                    $(Self::$name(request) => request.retained_size().heap_bytes(),)*
                    Self::UnsupportedApiVersions => 0,
                }
            }
        }

        impl Response {
            /// Whose answer it is.
            pub fn key(&self) -> ApiKey {
                match self {
                    $(Self::$name(_) => ApiKey::$name,)*
                }
            }
        }

        $(impl From<$response> for Response {
            fn from(response: $response) -> Self {
                Self::$name(response)
            }
        })*

        /// Reads the body of a request, what [`crate::RequestHeader::parse`] leaves. Bytes after its end are ignored, as
        /// Kafka does. Text in the result shares the frame.
        pub fn decode_request(key: ApiKey, version: i16, body: Bytes) -> Result<Request, DecodeError> {
            if !api::served(key, version) {
                return match key {
                    ApiKey::ApiVersions => Ok(Request::UnsupportedApiVersions),
                    _ => Err(DecodeError::NotServed { api_key: key.code(), version }),
                };
            }
            let max = key.body_max();
            if body.len() > max {
                return Err(DecodeError::TooLarge { api: key.name(), given: body.len(), max });
            }
            match key {
                ApiKey::Produce | ApiKey::Fetch => Err(DecodeError::OwnDecoder(key.name())),
                $(ApiKey::$name => decode(key, version, body, request_limits()).map(Request::$name),)*
            }
        }

        /// The whole frame of an answer, its length and header included.
        ///
        /// Fields that the version lacks are dropped. ApiVersions in a version that is not served is written in version 0,
        /// which every client reads.
        pub fn encode_response(correlation_id: i32, version: i16, response: Response) -> Result<Bytes, EncodeError> {
            let key = response.key();
            let version = if key == ApiKey::ApiVersions && !api::served(key, version) { 0 } else { version };
            let header = Header::Response { correlation_id, tagged: key.response_header_version(version) == 1 };
            match response {
                $(Response::$name(mut response) => {
                    fit::Fit::fit(&mut response, version);
                    encode(key, version, &header, &response)
                })*
            }
        }

        /// Reads the body of an answer, for clients and tests.
        fn decode_response(key: ApiKey, version: i16, body: Bytes) -> Result<Response, DecodeError> {
            match key {
                ApiKey::Produce | ApiKey::Fetch => Err(DecodeError::OwnDecoder(key.name())),
                $(ApiKey::$name => decode(key, version, body, DecodeLimits::default()).map(Response::$name),)*
            }
        }

        /// The whole frame of a request, for clients and tests.
        fn encode_request(version: i16, header: &Header<'_>, request: &Request) -> Result<Bytes, EncodeError> {
            let key = request.key();
            match request {
                $(Request::$name(request) => encode(key, version, header, request),)*
                Request::UnsupportedApiVersions => Err(EncodeError::Version { api: key.name(), version }),
            }
        }
    };
}

control_plane! {
    ListOffsets, ListOffsetsRequest, ListOffsetsResponse;
    Metadata, MetadataRequest, MetadataResponse;
    OffsetCommit, OffsetCommitRequest, OffsetCommitResponse;
    OffsetFetch, OffsetFetchRequest, OffsetFetchResponse;
    FindCoordinator, FindCoordinatorRequest, FindCoordinatorResponse;
    JoinGroup, JoinGroupRequest, JoinGroupResponse;
    Heartbeat, HeartbeatRequest, HeartbeatResponse;
    LeaveGroup, LeaveGroupRequest, LeaveGroupResponse;
    SyncGroup, SyncGroupRequest, SyncGroupResponse;
    DescribeGroups, DescribeGroupsRequest, DescribeGroupsResponse;
    ListGroups, ListGroupsRequest, ListGroupsResponse;
    ApiVersions, ApiVersionsRequest, ApiVersionsResponse;
    CreateTopics, CreateTopicsRequest, CreateTopicsResponse;
    DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse;
    DeleteRecords, DeleteRecordsRequest, DeleteRecordsResponse;
    InitProducerId, InitProducerIdRequest, InitProducerIdResponse;
    OffsetForLeaderEpoch, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    DescribeAcls, DescribeAclsRequest, DescribeAclsResponse;
    CreateAcls, CreateAclsRequest, CreateAclsResponse;
    DeleteAcls, DeleteAclsRequest, DeleteAclsResponse;
    DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResponse;
    AlterConfigs, AlterConfigsRequest, AlterConfigsResponse;
    AlterReplicaLogDirs, AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse;
    DescribeLogDirs, DescribeLogDirsRequest, DescribeLogDirsResponse;
    CreatePartitions, CreatePartitionsRequest, CreatePartitionsResponse;
    DeleteGroups, DeleteGroupsRequest, DeleteGroupsResponse;
    ElectLeaders, ElectLeadersRequest, ElectLeadersResponse;
    IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    AlterPartitionReassignments, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse;
    ListPartitionReassignments, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse;
    OffsetDelete, OffsetDeleteRequest, OffsetDeleteResponse;
    DescribeClientQuotas, DescribeClientQuotasRequest, DescribeClientQuotasResponse;
    AlterClientQuotas, AlterClientQuotasRequest, AlterClientQuotasResponse;
    DescribeUserScramCredentials, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse;
    DescribeQuorum, DescribeQuorumRequest, DescribeQuorumResponse;
    DescribeCluster, DescribeClusterRequest, DescribeClusterResponse;
    DescribeProducers, DescribeProducersRequest, DescribeProducersResponse;
    ListConfigResources, ListConfigResourcesRequest, ListConfigResourcesResponse;
    DescribeTopicPartitions, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
}

fn request_limits() -> DecodeLimits {
    let mut limits = DecodeLimits::default();
    limits.max_array_elements = CONTROL_ARRAY_MAX;
    limits.max_tagged_fields = 64;
    limits
}

fn decode<M: KafkaDecode>(key: ApiKey, version: i16, body: Bytes, limits: DecodeLimits) -> Result<M, DecodeError> {
    let wrong = |error| DecodeError::Body { api: key.name(), version, reason: CodecError::new(error) };
    let mut decoder = Decoder::new(body, limits).map_err(wrong)?;
    M::decode(&mut decoder, Version::new(version)).map_err(wrong)
}

/// What stands before a body.
enum Header<'a> {
    Response { correlation_id: i32, tagged: bool },
    Request { key: ApiKey, version: i16, correlation_id: i32, client_id: Option<&'a str> },
}

impl Header<'_> {
    fn write(&self, to: &mut BytesMut) -> Result<(), EncodeError> {
        match *self {
            Self::Response { correlation_id, tagged } => {
                to.extend_from_slice(&correlation_id.to_be_bytes());
                to.extend_from_slice(if tagged { &[0] } else { &[] });
            }
            Self::Request { key, version, correlation_id, client_id } => {
                to.extend_from_slice(&key.code().to_be_bytes());
                to.extend_from_slice(&version.to_be_bytes());
                to.extend_from_slice(&correlation_id.to_be_bytes());
                let given = client_id.map_or(0, str::len);
                let len = client_id.map_or(Ok(-1), |id| i16::try_from(id.len()));
                let len = len.map_err(|_| EncodeError::Text { what: "client id", given })?;
                to.extend_from_slice(&len.to_be_bytes());
                to.extend_from_slice(client_id.unwrap_or_default().as_bytes());
                to.extend_from_slice(if key.is_flexible(version) { &[0] } else { &[] });
            }
        }
        Ok(())
    }
}

fn encode<M: KafkaMessage>(key: ApiKey, version: i16, header: &Header<'_>, body: &M) -> Result<Bytes, EncodeError> {
    let api = key.name();
    let wrong = |error| EncodeError::Body { api, version, reason: CodecError::new(error) };
    if !M::supports(Version::new(version)) {
        return Err(EncodeError::Version { api, version });
    }
    let mut frame = BytesMut::new();
    frame.extend_from_slice(&[0; LENGTH_LEN]);
    header.write(&mut frame)?;
    body.encode_into(&mut frame, Version::new(version)).map_err(wrong)?;
    let len = frame.len() - LENGTH_LEN;
    let declared = i32::try_from(len).map_err(|_| EncodeError::TooLarge(len))?;
    frame[..LENGTH_LEN].copy_from_slice(&declared.to_be_bytes());
    Ok(frame.freeze())
}

#[cfg(test)]
mod tests;
