//! Consumer groups: listed, described, deleted.

use bytes::Bytes;
use callboard_model::{BrokerId, ErrorCode};
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, DescribedGroup, ListGroupsRequest, Request, Response,
};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::asking::{Again, Outcomes, other_kind, outcome};
use super::{Admin, Each, member_partitions};
use crate::{ClientError, Target, TopicPartition};

/// Groups that the brokers coordinate.
#[derive(Clone, Debug, Default)]
pub struct GroupListing {
    /// By name.
    pub groups: Vec<ListedGroup>,
    /// Brokers that could not say which groups they coordinate, and why.
    pub failures: Vec<(BrokerId, ClientError)>,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its name.
    pub group: String,
    /// What its members agree on: `consumer`, `connect`; empty if it only keeps offsets.
    pub protocol_type: String,
    /// Kafka's name of its state, `Stable` for example; empty from brokers before Kafka 2.6.
    pub state: String,
    /// `Classic`, `Consumer`, `Share`; empty from brokers before Kafka 3.8.
    pub group_type: String,
    /// Who coordinates it.
    pub coordinator: BrokerId,
}

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub group: String,
    /// Kafka's name of its state.
    pub state: String,
    /// What its members agree on.
    pub protocol_type: String,
    /// How partitions are shared out: the assignor's name.
    pub protocol: String,
    /// Who coordinates it.
    pub coordinator: BrokerId,
    /// Its members, by member id.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// The id that its owner gave it, if it is a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// What it reads; `None` if its assignment is not one of a consumer.
    pub partitions: Option<Vec<TopicPartition>>,
    /// Its assignment as the members' leader wrote it.
    pub assignment: Bytes,
}

impl Admin {
    /// The groups of all brokers. Brokers that cannot be asked are told of, and hide no others.
    pub async fn list_groups(&self) -> Result<GroupListing, ClientError> {
        let deadline = self.deadline();
        let metadata = self.cluster().refresh(deadline).await?;
        let brokers: Vec<BrokerId> = metadata.brokers().map(|broker| broker.id).collect();
        let listed = self.rounds(brokers, Again::Always, deadline, |open| async move {
            let asked = open.into_iter().map(|broker| async move { (broker, self.list_at(broker, deadline).await) });
            join_all(asked).await
        });
        let mut listing = GroupListing::default();
        for (broker, outcome) in listed.await {
            match outcome {
                Ok(groups) => listing.groups.extend(groups),
                Err(error) => listing.failures.push((broker, error)),
            }
        }
        listing.groups.sort_by(|a, b| a.group.cmp(&b.group));
        // While a group moves, two brokers may name it.
        listing.groups.dedup_by(|a, b| a.group == b.group);
        Ok(listing)
    }

    async fn list_at(&self, broker: BrokerId, deadline: Instant) -> Result<Vec<ListedGroup>, ClientError> {
        let key = ApiKey::ListGroups;
        let build = |_| Request::ListGroups(ListGroupsRequest::default());
        let Response::ListGroups(answer) = self.ask_one(Target::Broker(broker), key, deadline, build).await? else {
            return Err(other_kind(key));
        };
        outcome(answer.error_code, format!("groups of broker {}", broker.0), None)?;
        let group = |listed: &callboard_wire::messages::ListedGroup| ListedGroup {
            group: listed.group_id.to_string(),
            protocol_type: listed.protocol_type.to_string(),
            state: listed.group_state.to_string(),
            group_type: listed.group_type.to_string(),
            coordinator: broker,
        };
        Ok(answer.groups.iter().map(group).collect())
    }

    /// Groups with their members. A group that does not exist is an error with the code GROUP_ID_NOT_FOUND.
    pub async fn describe_groups(&self, groups: &[&str]) -> Each<String, GroupDescription> {
        let deadline = self.deadline();
        let items = groups.iter().map(|group| (*group).to_owned()).collect();
        self.rounds(items, Again::Always, deadline, |open| async move {
            let (led, mut outcomes) = self.by_coordinator(open, deadline).await;
            let asked = led.into_iter().map(|(broker, groups)| self.describe_groups_at(broker, groups, deadline));
            outcomes.extend(join_all(asked).await.into_iter().flatten());
            outcomes.iter().for_each(|(group, outcome)| self.heed(group, outcome));
            outcomes
        })
        .await
    }

    async fn describe_groups_at(
        &self,
        broker: BrokerId,
        groups: Vec<String>,
        deadline: Instant,
    ) -> Outcomes<String, GroupDescription> {
        let key = ApiKey::DescribeGroups;
        let build = |_| {
            let mut request = DescribeGroupsRequest::default();
            request.groups = groups.iter().map(|group| group.as_str().into()).collect();
            Request::DescribeGroups(request)
        };
        let answer = match self.ask_one(Target::Broker(broker), key, deadline, build).await {
            Ok(Response::DescribeGroups(answer)) => answer,
            Ok(_) => return Self::all_failed(groups, &other_kind(key)),
            Err(error) => return Self::all_failed(groups, &error),
        };
        let outcomes = answer.groups.iter().map(|group| (group.group_id.to_string(), description(group, broker)));
        outcomes.collect()
    }

    /// Deletes groups with their offsets; a group that has members is refused with NON_EMPTY_GROUP.
    pub async fn delete_groups(&self, groups: &[&str]) -> Each<String, ()> {
        let deadline = self.deadline();
        let items = groups.iter().map(|group| (*group).to_owned()).collect();
        self.rounds(items, Again::IfNothingHappened, deadline, |open| async move {
            let (led, mut outcomes) = self.by_coordinator(open, deadline).await;
            let asked = led.into_iter().map(|(broker, groups)| self.delete_groups_at(broker, groups, deadline));
            outcomes.extend(join_all(asked).await.into_iter().flatten());
            outcomes.iter().for_each(|(group, outcome)| self.heed(group, outcome));
            outcomes
        })
        .await
    }

    async fn delete_groups_at(&self, broker: BrokerId, groups: Vec<String>, deadline: Instant) -> Outcomes<String, ()> {
        let key = ApiKey::DeleteGroups;
        let build = |_| {
            let mut request = DeleteGroupsRequest::default();
            request.groups_names = groups.iter().map(|group| group.as_str().into()).collect();
            Request::DeleteGroups(request)
        };
        let answer = match self.ask_one(Target::Broker(broker), key, deadline, build).await {
            Ok(Response::DeleteGroups(answer)) => answer,
            Ok(_) => return Self::all_failed(groups, &other_kind(key)),
            Err(error) => return Self::all_failed(groups, &error),
        };
        let outcomes = answer.results.iter().map(|result| {
            let about = format!("group '{}'", result.group_id);
            (result.group_id.to_string(), outcome(result.error_code, about, result.error_message.as_deref()))
        });
        outcomes.collect()
    }
}

fn description(group: &DescribedGroup, coordinator: BrokerId) -> Result<GroupDescription, ClientError> {
    let about = format!("group '{}'", group.group_id);
    outcome(group.error_code, about.as_str(), group.error_message.as_deref())?;
    // Before version 6 (KIP-1043) a group that does not exist is described as dead.
    if group.group_state.as_str() == "Dead" {
        let message = None;
        return Err(ClientError::Kafka { code: ErrorCode::GroupIdNotFound, about: about.into(), message });
    }
    let is_consumer = group.protocol_type.as_str() == "consumer";
    let member = |member: &callboard_wire::messages::DescribedGroupMember| GroupMember {
        member_id: member.member_id.to_string(),
        group_instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        partitions: is_consumer.then(|| member_partitions(&member.member_assignment)).flatten(),
        assignment: member.member_assignment.clone(),
    };
    let mut members: Vec<GroupMember> = group.members.iter().map(member).collect();
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    Ok(GroupDescription {
        group: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        coordinator,
        members,
    })
}
