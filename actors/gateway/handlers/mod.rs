//! Every API but Produce and Fetch, one file each: a decoded request in, an answer out.

mod acls;
mod api_versions;
mod client_quotas;
mod configs;
mod delete_records;
mod describe_cluster;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod elect_leaders;
mod groups;
mod init_producer_id;
mod internal_topics;
mod leaders;
mod list_config_resources;
mod list_offsets;
mod log_dirs;
mod metadata;
mod offset_for_leader_epoch;
mod operations;
mod partition_reassignments;
mod scram_credentials;
mod topics;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use callboard_wire::messages::{Request, Response, decode_request, encode_response};
use callboard_wire::{ApiKey, StrBytes};

use super::services::Services;

/// How long an operator's request may take when it does not say.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request of the control plane.
pub(super) struct Call {
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) body: Bytes,
    /// What the client calls itself.
    pub(super) client_id: Option<StrBytes>,
    /// Where the client is.
    pub(super) peer: Option<SocketAddr>,
    /// Where it has reached us.
    pub(super) local: Option<SocketAddr>,
}

/// The answer's bytes, or why the connection has to be closed.
pub(super) async fn handle(call: Call, services: &Services) -> Result<Bytes, String> {
    let Call { api, version, correlation_id, body, client_id, peer, local } = call;
    let request = decode_request(api, version, body).map_err(|error| error.to_string())?;
    let (version, response): (i16, Response) = match request {
        // Kafka answers a version that it does not know in the oldest one, so that the client can choose (KIP-511).
        Request::UnsupportedApiVersions => (0, api_versions::unsupported().into()),
        Request::ApiVersions(request) => (version, api_versions::answer(version, &request).into()),
        Request::Metadata(request) => (version, metadata::answer(request, version, local, services).await.into()),
        Request::ListOffsets(request) => (version, list_offsets::answer(request, version, services).await.into()),
        Request::InitProducerId(request) => (version, init_producer_id::answer(request, services).await.into()),
        Request::OffsetForLeaderEpoch(request) => {
            (version, offset_for_leader_epoch::answer(request, services).await.into())
        }
        Request::CreateTopics(request) => (version, topics::create(request, services).await.into()),
        Request::DeleteTopics(request) => (version, topics::delete(request, services).await.into()),
        Request::CreatePartitions(request) => (version, topics::create_partitions(request, services).await.into()),
        Request::DeleteRecords(request) => (version, delete_records::answer(request, services).await.into()),
        Request::DescribeConfigs(request) => (version, configs::describe(&request, services).into()),
        Request::AlterConfigs(request) => (version, configs::alter(request, services).await.into()),
        Request::IncrementalAlterConfigs(request) => {
            (version, configs::alter_incrementally(request, services).await.into())
        }
        Request::DescribeAcls(_) => (version, acls::describe().into()),
        Request::CreateAcls(request) => (version, acls::create(&request).into()),
        Request::DeleteAcls(request) => (version, acls::delete(&request).into()),
        Request::AlterReplicaLogDirs(request) => (version, log_dirs::alter(&request, services).into()),
        Request::DescribeLogDirs(request) => (version, log_dirs::describe(request, services).await.into()),
        Request::ElectLeaders(request) => (version, elect_leaders::answer(request, services).into()),
        Request::AlterPartitionReassignments(request) => {
            (version, partition_reassignments::alter(request, services).into())
        }
        Request::ListPartitionReassignments(_) => (version, partition_reassignments::list().into()),
        Request::DescribeClientQuotas(request) => (version, client_quotas::describe(&request).into()),
        Request::AlterClientQuotas(request) => (version, client_quotas::alter(request).into()),
        Request::DescribeUserScramCredentials(request) => (version, scram_credentials::describe(request).into()),
        Request::DescribeQuorum(request) => (version, describe_quorum::answer(request, services).into()),
        Request::DescribeProducers(request) => (version, describe_producers::answer(request, services).await.into()),
        Request::ListConfigResources(request) => {
            (version, list_config_resources::answer(&request, version, services).into())
        }
        Request::DescribeTopicPartitions(request) => {
            (version, describe_topic_partitions::answer(request, services).into())
        }
        Request::DescribeCluster(request) => (version, describe_cluster::answer(&request, local, services).into()),
        Request::FindCoordinator(request) => {
            (version, groups::find_coordinator::answer(request, version, local, services).await.into())
        }
        Request::JoinGroup(request) => {
            (version, groups::join::answer(request, version, client_id.as_ref(), peer, services).await.into())
        }
        Request::SyncGroup(request) => (version, groups::sync::answer(request, version, services).await.into()),
        Request::Heartbeat(request) => (version, groups::heartbeat::answer(request, services).await.into()),
        Request::LeaveGroup(request) => (version, groups::leave::answer(request, version, services).await.into()),
        Request::OffsetCommit(request) => {
            (version, groups::offset_commit::answer(request, version, services).await.into())
        }
        Request::OffsetFetch(request) => {
            (version, groups::offset_fetch::answer(request, version, services).await.into())
        }
        Request::OffsetDelete(request) => (version, groups::offset_delete::answer(request, services).await.into()),
        Request::ListGroups(request) => (version, groups::list::answer(request, services).await.into()),
        Request::DescribeGroups(request) => {
            (version, groups::describe::answer(request, version, services).await.into())
        }
        Request::DeleteGroups(request) => (version, groups::delete::answer(request, services).await.into()),
    };
    encode_response(correlation_id, version, response).map_err(|error| error.to_string())
}

/// A client's timeout in milliseconds; what is not positive means at once, which for us is a moment.
fn patience(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0)).clamp(Duration::from_millis(1), PATIENCE * 4)
}
