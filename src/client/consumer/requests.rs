//! Requests of the group: written for the version that the coordinator serves, answers read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::{BrokerId, ErrorCode};
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, LeaveGroupRequest, MemberIdentity,
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetFetchRequest,
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, Request, Response, SyncGroupRequest,
    SyncGroupRequestAssignment, SyncGroupResponse,
};
use tokio::time::Instant;

use super::TopicPartition;
use super::assign::Assignor;
use super::membership::{GroupSettings, Identity};
use super::positions::Position;
use super::protocol::PROTOCOL_TYPE;
use crate::{ClientError, Cluster, Lane, Target};

pub(crate) mod logs;

/// What Java adds to the rebalance timeout before it gives a join up.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// A committed offset (KIP-211: kept while the group is alive).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to be read.
    pub offset: i64,
    /// The epoch of the record before it, if it was known.
    pub leader_epoch: Option<i32>,
    /// What the program wrote beside it.
    pub metadata: String,
}

impl CommittedOffset {
    /// An offset without anything beside it.
    pub fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: String::new() }
    }
}

pub(crate) fn unexpected(api: ApiKey) -> ClientError {
    ClientError::Illegal(format!("the answer to {} is of another kind", api.name()).into())
}

/// A cluster, and the group at its coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Coordinator {
    pub(crate) cluster: Cluster,
    pub(crate) group: Arc<str>,
}

impl Coordinator {
    fn soon(&self) -> Instant {
        Instant::now() + self.cluster.options().request_timeout
    }

    async fn ask(
        &self,
        lane: Lane,
        key: ApiKey,
        build: impl FnOnce(i16) -> Request,
        deadline: Instant,
    ) -> Result<Response, ClientError> {
        let broker: BrokerId = self.cluster.coordinator(&self.group, deadline.min(self.soon())).await?;
        let (_, answer) = self.cluster.ask_for(Target::Lane(broker, lane), key, build, deadline).await?;
        Ok(answer)
    }

    pub(crate) async fn join(
        &self,
        settings: &GroupSettings,
        who: &Identity,
        protocols: Vec<(Assignor, Bytes)>,
    ) -> Result<JoinGroupResponse, ClientError> {
        let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let build = |version| {
            let mut request = JoinGroupRequest::default();
            request.group_id = (&*self.group).into();
            request.session_timeout_ms = millis(settings.session_timeout);
            if version >= 1 {
                request.rebalance_timeout_ms = millis(settings.max_poll_interval);
            }
            request.member_id = (&*who.member).into();
            if version >= 5 {
                request.group_instance_id = who.instance.as_deref().map(Into::into);
            }
            request.protocol_type = PROTOCOL_TYPE.into();
            for (assignor, metadata) in protocols {
                let mut protocol = JoinGroupRequestProtocol::default();
                protocol.name = assignor.name().into();
                protocol.metadata = metadata;
                request.protocols.push(protocol);
            }
            Request::JoinGroup(request)
        };
        let allowed = self.cluster.options().request_timeout.max(settings.max_poll_interval + JOIN_GRACE);
        match self.ask(Lane::Group, ApiKey::JoinGroup, build, Instant::now() + allowed).await? {
            Response::JoinGroup(answer) => Ok(answer),
            _ => Err(unexpected(ApiKey::JoinGroup)),
        }
    }

    pub(crate) async fn sync(
        &self,
        who: &Identity,
        protocol: Assignor,
        assignments: Vec<(Arc<str>, Bytes)>,
        allowed: Duration,
    ) -> Result<SyncGroupResponse, ClientError> {
        let build = |version| {
            let mut request = SyncGroupRequest::default();
            request.group_id = (&*self.group).into();
            request.generation_id = who.generation;
            request.member_id = (&*who.member).into();
            if version >= 3 {
                request.group_instance_id = who.instance.as_deref().map(Into::into);
            }
            if version >= 5 {
                request.protocol_type = Some(PROTOCOL_TYPE.into());
                request.protocol_name = Some(protocol.name().into());
            }
            for (member, assignment) in assignments {
                let mut one = SyncGroupRequestAssignment::default();
                one.member_id = (&*member).into();
                one.assignment = assignment;
                request.assignments.push(one);
            }
            Request::SyncGroup(request)
        };
        let allowed = self.cluster.options().request_timeout.max(allowed + JOIN_GRACE);
        match self.ask(Lane::Group, ApiKey::SyncGroup, build, Instant::now() + allowed).await? {
            Response::SyncGroup(answer) => Ok(answer),
            _ => Err(unexpected(ApiKey::SyncGroup)),
        }
    }

    pub(crate) async fn heartbeat(&self, who: &Identity, allowed: Duration) -> Result<(), ClientError> {
        let build = |version| {
            let mut request = HeartbeatRequest::default();
            request.group_id = (&*self.group).into();
            request.generation_id = who.generation;
            request.member_id = (&*who.member).into();
            if version >= 3 {
                request.group_instance_id = who.instance.as_deref().map(Into::into);
            }
            Request::Heartbeat(request)
        };
        let deadline = self.soon().min(Instant::now() + allowed);
        match self.ask(Lane::Ordinary, ApiKey::Heartbeat, build, deadline).await? {
            Response::Heartbeat(answer) => self.checked(answer.error_code, "staying in"),
            _ => Err(unexpected(ApiKey::Heartbeat)),
        }
    }

    fn checked(&self, code: i16, doing: &str) -> Result<(), ClientError> {
        let about = || format!("{doing} group '{}'", self.group);
        if code == 0 { Ok(()) } else { ClientError::from_code(code, about(), None).map_or(Ok(()), Err) }
    }

    pub(crate) async fn leave(&self, who: &Identity, deadline: Instant) -> Result<(), ClientError> {
        let build = |version| {
            let mut request = LeaveGroupRequest::default();
            request.group_id = (&*self.group).into();
            if version >= 3 {
                let mut member = MemberIdentity::default();
                member.member_id = (&*who.member).into();
                member.group_instance_id = who.instance.as_deref().map(Into::into);
                request.members.push(member);
            } else {
                request.member_id = (&*who.member).into();
            }
            Request::LeaveGroup(request)
        };
        match self.ask(Lane::Ordinary, ApiKey::LeaveGroup, build, deadline).await? {
            Response::LeaveGroup(answer) => self.checked(answer.error_code, "leaving"),
            _ => Err(unexpected(ApiKey::LeaveGroup)),
        }
    }

    /// One attempt to commit. Of several refusals the first one is told.
    pub(crate) async fn commit(
        &self,
        who: &Identity,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let build = |version| {
            let mut request = OffsetCommitRequest::default();
            request.group_id = (&*self.group).into();
            request.generation_id_or_member_epoch = who.generation;
            request.member_id = (&*who.member).into();
            if version >= 7 {
                request.group_instance_id = who.instance.as_deref().map(Into::into);
            }
            for (partition, committed) in offsets {
                let mut one = OffsetCommitRequestPartition::default();
                one.partition_index = partition.partition;
                one.committed_offset = committed.offset;
                if version >= 6 {
                    one.committed_leader_epoch = committed.leader_epoch.unwrap_or(-1);
                }
                one.committed_metadata = Some(committed.metadata.as_str().into());
                match request.topics.last_mut() {
                    Some(topic) if topic.name.as_str() == &*partition.topic => topic.partitions.push(one),
                    _ => {
                        let mut topic = OffsetCommitRequestTopic::default();
                        topic.name = (&*partition.topic).into();
                        topic.partitions.push(one);
                        request.topics.push(topic);
                    }
                }
            }
            Request::OffsetCommit(request)
        };
        let Response::OffsetCommit(answer) =
            self.ask(Lane::Ordinary, ApiKey::OffsetCommit, build, deadline.min(self.soon())).await?
        else {
            return Err(unexpected(ApiKey::OffsetCommit));
        };
        for topic in &answer.topics {
            for partition in topic.partitions.iter().filter(|partition| partition.error_code != 0) {
                let name = topic.name.as_str();
                let about = format!("committing {name}-{} in group '{}'", partition.partition_index, self.group);
                if let Some(error) = ClientError::from_code(partition.error_code, about, None) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// One attempt to ask what is committed. Partitions without a commit are not in the answer.
    pub(crate) async fn committed(
        &self,
        partitions: &[TopicPartition],
        require_stable: bool,
        deadline: Instant,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let mut by_topic: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
        for one in partitions {
            by_topic.entry(&one.topic).or_default().push(one.partition);
        }
        let build = |version: i16| Request::OffsetFetch(self.offset_fetch(version, by_topic, require_stable));
        let Response::OffsetFetch(answer) =
            self.ask(Lane::Ordinary, ApiKey::OffsetFetch, build, deadline.min(self.soon())).await?
        else {
            return Err(unexpected(ApiKey::OffsetFetch));
        };
        let mut found = BTreeMap::new();
        let mut note = |topic: &str, index: i32, code: i16, offset: i64, epoch: i32, metadata: Option<&str>| {
            self.checked(code, "asking what is committed in")?;
            if offset >= 0 {
                let leader_epoch = Some(epoch).filter(|epoch| *epoch >= 0);
                let metadata = metadata.unwrap_or_default().to_owned();
                found.insert(TopicPartition::new(topic, index), CommittedOffset { offset, leader_epoch, metadata });
            }
            Ok::<(), ClientError>(())
        };
        self.checked(answer.error_code, "asking what is committed in")?;
        for topic in &answer.topics {
            for p in &topic.partitions {
                let metadata = p.metadata.as_ref().map(|text| text.as_str());
                let (offset, epoch) = (p.committed_offset, p.committed_leader_epoch);
                note(topic.name.as_str(), p.partition_index, p.error_code, offset, epoch, metadata)?;
            }
        }
        for group in &answer.groups {
            self.checked(group.error_code, "asking what is committed in")?;
            for topic in &group.topics {
                for p in &topic.partitions {
                    let metadata = p.metadata.as_ref().map(|text| text.as_str());
                    let (offset, epoch) = (p.committed_offset, p.committed_leader_epoch);
                    note(topic.name.as_str(), p.partition_index, p.error_code, offset, epoch, metadata)?;
                }
            }
        }
        Ok(found)
    }

    fn offset_fetch(
        &self,
        version: i16,
        by_topic: BTreeMap<&Arc<str>, Vec<i32>>,
        require_stable: bool,
    ) -> OffsetFetchRequest {
        let mut request = OffsetFetchRequest::default();
        if version >= 7 {
            request.require_stable = require_stable;
        }
        if version >= 8 {
            let mut group = OffsetFetchRequestGroup::default();
            group.group_id = (&*self.group).into();
            let topics = by_topic.into_iter().map(|(name, numbers)| {
                let mut topic = OffsetFetchRequestTopics::default();
                topic.name = (&**name).into();
                topic.partition_indexes = numbers;
                topic
            });
            group.topics = Some(topics.collect());
            request.groups.push(group);
            return request;
        }
        request.group_id = (&*self.group).into();
        let topics = by_topic.into_iter().map(|(name, numbers)| {
            let mut topic = OffsetFetchRequestTopic::default();
            topic.name = (&**name).into();
            topic.partition_indexes = numbers;
            topic
        });
        request.topics = Some(topics.collect());
        request
    }

    /// Whether the same question has to go elsewhere.
    pub(crate) fn note_error(&self, error: &ClientError) {
        let moved = match error.kafka_code() {
            Some(code) => matches!(
                code,
                ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable | ErrorCode::RequestTimedOut
            ),
            None => error.is_retriable(),
        };
        if moved {
            self.cluster.forget_coordinator(&self.group);
        }
    }
}

impl From<&CommittedOffset> for Position {
    fn from(committed: &CommittedOffset) -> Self {
        Self { offset: committed.offset, epoch: committed.leader_epoch }
    }
}
