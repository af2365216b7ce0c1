//! The cluster as a whole: its brokers, what lies on their disks, the metadata quorum.

use std::sync::Arc;

use callboard_model::BrokerId;
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    DescribeClusterRequest, DescribeLogDirsRequest, DescribeQuorumRequest, Request, Response, describe_quorum_request,
};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::asking::{Again, other_kind, outcome};
use super::{Admin, Each};
use crate::{ClientError, Target, TopicPartition, retrying};

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: String,
    /// The broker that takes changes, if there is one.
    pub controller: Option<BrokerId>,
    /// By id.
    pub brokers: Vec<DescribedBroker>,
}

/// A broker as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedBroker {
    /// Its id.
    pub id: BrokerId,
    /// Its host as advertised.
    pub host: String,
    /// Its port as advertised.
    pub port: i32,
    /// Its rack, if it has one.
    pub rack: Option<String>,
    /// Whether it is registered but may not serve yet or any more (KIP-1073).
    pub fenced: bool,
}

/// A folder of a broker's logs.
#[derive(Clone, Debug)]
pub struct LogDir {
    /// Where it is, on the broker.
    pub path: String,
    /// Why it cannot be used, if it cannot.
    pub error: Option<ClientError>,
    /// Size of its disk in bytes, if the broker tells (KIP-827).
    pub total_bytes: Option<i64>,
    /// What is free there in bytes, if the broker tells.
    pub usable_bytes: Option<i64>,
    /// What lies in it.
    pub replicas: Vec<ReplicaSize>,
}

/// A replica on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSize {
    /// The partition.
    pub partition: TopicPartition,
    /// Bytes of its log.
    pub bytes: i64,
    /// Records that it is behind its leader, or behind the replica that it will replace.
    pub lag: i64,
    /// Whether it is being moved here from another folder.
    pub is_future: bool,
}

/// The metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Who leads it.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub epoch: i32,
    /// How far its log is committed.
    pub high_watermark: i64,
    /// Who decides.
    pub voters: Vec<QuorumReplica>,
    /// Who follows.
    pub observers: Vec<QuorumReplica>,
}

/// A member of the metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its id.
    pub id: BrokerId,
    /// The end of its log.
    pub log_end_offset: i64,
    /// When it last fetched, in milliseconds since 1970, if the broker tells.
    pub last_fetch_ms: Option<i64>,
    /// When it last had everything, in milliseconds since 1970, if the broker tells.
    pub last_caught_up_ms: Option<i64>,
}

impl Admin {
    /// The cluster and its brokers.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        let deadline = self.deadline();
        let options = self.cluster().options();
        retrying("describing the cluster", options, deadline, || self.cluster_now(deadline)).await
    }

    async fn cluster_now(&self, deadline: Instant) -> Result<ClusterDescription, ClientError> {
        let key = ApiKey::DescribeCluster;
        let build = |version: i16| {
            let mut request = DescribeClusterRequest::default();
            if version >= 1 {
                request.endpoint_type = 1;
            }
            request.include_fenced_brokers = version >= 2;
            Request::DescribeCluster(request)
        };
        let Response::DescribeCluster(answer) = self.ask_one(Target::Any, key, deadline, build).await? else {
            return Err(other_kind(key));
        };
        outcome(answer.error_code, "the cluster", answer.error_message.as_deref())?;
        let broker = |broker: &callboard_wire::messages::DescribeClusterBroker| DescribedBroker {
            id: BrokerId(broker.broker_id),
            host: broker.host.to_string(),
            port: broker.port,
            rack: broker.rack.as_ref().map(ToString::to_string),
            fenced: broker.is_fenced,
        };
        let mut brokers: Vec<DescribedBroker> = answer.brokers.iter().map(broker).collect();
        brokers.sort_by_key(|broker| broker.id);
        let controller = (answer.controller_id >= 0).then_some(BrokerId(answer.controller_id));
        Ok(ClusterDescription { cluster_id: answer.cluster_id.to_string(), controller, brokers })
    }

    /// What lies on the disks of brokers.
    pub async fn describe_log_dirs(&self, brokers: &[BrokerId]) -> Each<BrokerId, Vec<LogDir>> {
        let deadline = self.deadline();
        self.rounds(brokers.to_vec(), Again::Always, deadline, |open| async move {
            let asked =
                open.into_iter().map(|broker| async move { (broker, self.log_dirs_at(broker, deadline).await) });
            join_all(asked).await
        })
        .await
    }

    async fn log_dirs_at(&self, broker: BrokerId, deadline: Instant) -> Result<Vec<LogDir>, ClientError> {
        let key = ApiKey::DescribeLogDirs;
        let build = |_| {
            let mut request = DescribeLogDirsRequest::default();
            request.topics = None;
            Request::DescribeLogDirs(request)
        };
        let Response::DescribeLogDirs(answer) = self.ask_one(Target::Broker(broker), key, deadline, build).await?
        else {
            return Err(other_kind(key));
        };
        outcome(answer.error_code, format!("log folders of broker {}", broker.0), None)?;
        let folders = answer.results.iter().map(|folder| {
            let replicas = folder.topics.iter().flat_map(|topic| {
                let name: Arc<str> = topic.name.as_str().into();
                topic.partitions.iter().map(move |one| ReplicaSize {
                    partition: TopicPartition { topic: name.clone(), partition: one.partition_index },
                    bytes: one.partition_size,
                    lag: one.offset_lag,
                    is_future: one.is_future_key,
                })
            });
            LogDir {
                path: folder.log_dir.to_string(),
                error: outcome(folder.error_code, format!("folder {}", folder.log_dir), None).err(),
                total_bytes: Some(folder.total_bytes).filter(|bytes| *bytes >= 0),
                usable_bytes: Some(folder.usable_bytes).filter(|bytes| *bytes >= 0),
                replicas: replicas.collect(),
            }
        });
        Ok(folders.collect())
    }

    /// The metadata quorum (KIP-595).
    pub async fn describe_quorum(&self) -> Result<Quorum, ClientError> {
        let deadline = self.deadline();
        let options = self.cluster().options();
        retrying("describing the quorum", options, deadline, || self.quorum_now(deadline)).await
    }

    async fn quorum_now(&self, deadline: Instant) -> Result<Quorum, ClientError> {
        let key = ApiKey::DescribeQuorum;
        let build = |_| {
            let mut partition = describe_quorum_request::PartitionData::default();
            partition.partition_index = 0;
            let mut topic = describe_quorum_request::TopicData::default();
            topic.topic_name = "__cluster_metadata".into();
            topic.partitions = vec![partition];
            let mut request = DescribeQuorumRequest::default();
            request.topics = vec![topic];
            Request::DescribeQuorum(request)
        };
        let Response::DescribeQuorum(answer) = self.ask_one(Target::Any, key, deadline, build).await? else {
            return Err(other_kind(key));
        };
        outcome(answer.error_code, "the quorum", answer.error_message.as_deref())?;
        let found = answer.topics.first().and_then(|topic| topic.partitions.first());
        let found = found.ok_or_else(|| ClientError::Illegal("the answer leaves the quorum out".into()))?;
        outcome(found.error_code, "the quorum", found.error_message.as_deref())?;
        let replica = |replica: &callboard_wire::messages::describe_quorum_response::ReplicaState| QuorumReplica {
            id: BrokerId(replica.replica_id),
            log_end_offset: replica.log_end_offset,
            last_fetch_ms: Some(replica.last_fetch_timestamp).filter(|millis| *millis >= 0),
            last_caught_up_ms: Some(replica.last_caught_up_timestamp).filter(|millis| *millis >= 0),
        };
        Ok(Quorum {
            leader: (found.leader_id >= 0).then_some(BrokerId(found.leader_id)),
            epoch: found.leader_epoch,
            high_watermark: found.high_watermark,
            voters: found.current_voters.iter().map(replica).collect(),
            observers: found.observers.iter().map(replica).collect(),
        })
    }
}
