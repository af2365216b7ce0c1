//! The calls of consumer groups: joining, syncing, staying, leaving, looking. Error codes are unjudged.

use std::time::Duration;

use bytes::Bytes;
use callboard_model::ErrorCode;
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest,
    JoinGroupRequestProtocol, LeaveGroupRequest, ListGroupsRequest, MemberIdentity, Request, Response,
    SyncGroupRequest, SyncGroupRequestAssignment, client,
};

use crate::client::{code, incomplete, millis, newest, text};
use crate::{Client, ClientError};

/// What every member of these tests says its protocol type is.
const PROTOCOL_TYPE: &str = "consumer";

/// What a member says when it joins.
#[derive(Clone, Debug)]
pub struct Joining<'a> {
    /// The group.
    pub group: &'a str,
    /// The member's id, empty at first.
    pub member: &'a str,
    /// Set for a static member.
    pub instance: Option<&'a str>,
    /// How long it may be silent.
    pub session_timeout: Duration,
    /// How long a rebalance waits for it.
    pub rebalance_timeout: Duration,
    /// Names of protocols and subscriptions, the best first.
    pub protocols: &'a [(&'a str, &'a [u8])],
}

/// A place in a generation, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// [`ErrorCode::None`] for a place.
    pub error: ErrorCode,
    /// The generation.
    pub generation: i32,
    /// The chosen protocol.
    pub protocol: Option<String>,
    /// Who assigns.
    pub leader: String,
    /// The member's id from now on; also given with [`ErrorCode::MemberIdRequired`].
    pub member: String,
    /// For the leader: everyone.
    pub members: Vec<JoinedMember>,
    /// The leader must not assign (KIP-814).
    pub skip_assignment: bool,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member: String,
    /// Set for a static member.
    pub instance: Option<String>,
    /// Its subscription.
    pub metadata: Bytes,
}

/// Who speaks: a member of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The group.
    pub group: &'a str,
    /// The generation.
    pub generation: i32,
    /// The member.
    pub member: &'a str,
    /// Set for a static member.
    pub instance: Option<&'a str>,
}

/// An assignment, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// [`ErrorCode::None`] for an assignment.
    pub error: ErrorCode,
    /// As the leader sent it.
    pub assignment: Bytes,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its name.
    pub group: String,
    /// What its members are.
    pub protocol_type: String,
    /// Kafka's name of its state.
    pub state: String,
    /// `classic` or `consumer`.
    pub group_type: String,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// [`ErrorCode::None`] for a group that is.
    pub error: ErrorCode,
    /// Kafka's name of its state.
    pub state: String,
    /// What its members are.
    pub protocol_type: String,
    /// The chosen protocol.
    pub protocol: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member: String,
    /// Set for a static member.
    pub instance: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// Where its client is.
    pub client_host: String,
    /// Its subscription.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

impl Client {
    /// Who coordinates a group: an error, or a node's id, host and port.
    pub fn find_coordinator(&mut self, group: &str) -> Result<Result<(i32, String, i32), ErrorCode>, ClientError> {
        let key = ApiKey::FindCoordinator;
        let mut request = FindCoordinatorRequest::default();
        request.coordinator_keys = vec![text(group)];
        let Response::FindCoordinator(answer) = self.call_newest(&Request::FindCoordinator(request))? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        let found = answer.coordinators.first().ok_or_else(|| incomplete(key, group))?;
        Ok(match code(key, found.error_code)? {
            ErrorCode::None => Ok((found.node_id, found.host.to_string(), found.port)),
            refused => Err(refused),
        })
    }

    /// Joins, and waits for the generation to begin.
    pub fn join_group(&mut self, joining: &Joining<'_>) -> Result<Joined, ClientError> {
        self.send_join_group(joining)?;
        self.receive_join_group()
    }

    /// Joins as a new dynamic member does: is sent back with its id, and joins with that.
    pub fn join_anew(&mut self, joining: &Joining<'_>) -> Result<Joined, ClientError> {
        let first = self.join_group(joining)?;
        if first.error != ErrorCode::MemberIdRequired {
            return Ok(first);
        }
        self.join_group(&Joining { member: &first.member, ..joining.clone() })
    }

    /// Sends a join without waiting; the answer is to be taken with [`Self::receive_join_group`].
    pub fn send_join_group(&mut self, joining: &Joining<'_>) -> Result<(), ClientError> {
        let mut request = JoinGroupRequest::default();
        request.group_id = text(joining.group);
        request.session_timeout_ms = millis(joining.session_timeout);
        request.rebalance_timeout_ms = millis(joining.rebalance_timeout);
        request.member_id = text(joining.member);
        request.group_instance_id = joining.instance.map(text);
        request.protocol_type = text(PROTOCOL_TYPE);
        request.protocols = joining
            .protocols
            .iter()
            .map(|(name, metadata)| {
                let mut protocol = JoinGroupRequestProtocol::default();
                protocol.name = text(name);
                protocol.metadata = Bytes::copy_from_slice(metadata);
                protocol
            })
            .collect();
        self.send(&Request::JoinGroup(request))
    }

    /// The answer to the oldest unanswered request, which was a join.
    pub fn receive_join_group(&mut self) -> Result<Joined, ClientError> {
        let key = ApiKey::JoinGroup;
        let Response::JoinGroup(answer) = self.receive(key)? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        let members = answer.members.into_iter().map(|member| JoinedMember {
            member: member.member_id.to_string(),
            instance: member.group_instance_id.map(|id| id.to_string()),
            metadata: member.metadata,
        });
        Ok(Joined {
            error: code(key, answer.error_code)?,
            generation: answer.generation_id,
            protocol: answer.protocol_name.map(|name| name.to_string()),
            leader: answer.leader.to_string(),
            member: answer.member_id.to_string(),
            members: members.collect(),
            skip_assignment: answer.skip_assignment,
        })
    }

    /// Asks for the assignment; the leader brings everyone's.
    pub fn sync_group(
        &mut self,
        place: Place<'_>,
        protocol: &str,
        assignments: &[(&str, &[u8])],
    ) -> Result<Synced, ClientError> {
        self.send_sync_group(place, protocol, assignments)?;
        self.receive_sync_group()
    }

    /// Asks for the assignment without waiting; the answer is to be taken with [`Self::receive_sync_group`].
    pub fn send_sync_group(
        &mut self,
        place: Place<'_>,
        protocol: &str,
        assignments: &[(&str, &[u8])],
    ) -> Result<(), ClientError> {
        let mut request = SyncGroupRequest::default();
        request.group_id = text(place.group);
        request.generation_id = place.generation;
        request.member_id = text(place.member);
        request.group_instance_id = place.instance.map(text);
        request.protocol_type = Some(text(PROTOCOL_TYPE));
        request.protocol_name = Some(text(protocol));
        request.assignments = assignments
            .iter()
            .map(|(member, assignment)| {
                let mut one = SyncGroupRequestAssignment::default();
                one.member_id = text(member);
                one.assignment = Bytes::copy_from_slice(assignment);
                one
            })
            .collect();
        self.send(&Request::SyncGroup(request))
    }

    /// The answer to the oldest unanswered request, which was a sync.
    pub fn receive_sync_group(&mut self) -> Result<Synced, ClientError> {
        let key = ApiKey::SyncGroup;
        match self.receive(key)? {
            Response::SyncGroup(answer) => {
                Ok(Synced { error: code(key, answer.error_code)?, assignment: answer.assignment })
            }
            _ => Err(incomplete(key, "its own kind of answer")),
        }
    }

    /// Says that a member is alive.
    pub fn heartbeat(&mut self, place: Place<'_>) -> Result<ErrorCode, ClientError> {
        let key = ApiKey::Heartbeat;
        let mut request = HeartbeatRequest::default();
        request.group_id = text(place.group);
        request.generation_id = place.generation;
        request.member_id = text(place.member);
        request.group_instance_id = place.instance.map(text);
        match self.call_newest(&Request::Heartbeat(request))? {
            Response::Heartbeat(answer) => code(key, answer.error_code),
            _ => Err(incomplete(key, "its own kind of answer")),
        }
    }

    /// Takes members out of their group, by id or, with an empty id, by instance: the error of the whole, or of each.
    pub fn leave_group(
        &mut self,
        group: &str,
        members: &[(&str, Option<&str>)],
    ) -> Result<Result<Vec<ErrorCode>, ErrorCode>, ClientError> {
        let key = ApiKey::LeaveGroup;
        let mut request = LeaveGroupRequest::default();
        request.group_id = text(group);
        request.members = members
            .iter()
            .map(|(member, instance)| {
                let mut identity = MemberIdentity::default();
                identity.member_id = text(member);
                identity.group_instance_id = instance.map(text);
                identity
            })
            .collect();
        let Response::LeaveGroup(answer) = self.call_newest(&Request::LeaveGroup(request))? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        Ok(match code(key, answer.error_code)? {
            ErrorCode::None => {
                let each = answer.members.iter().map(|member| code(key, member.error_code));
                Ok(each.collect::<Result<_, _>>()?)
            }
            refused => Err(refused),
        })
    }

    /// The groups that this node coordinates, of some states or of all.
    pub fn list_groups(&mut self, states: &[&str]) -> Result<Result<Vec<ListedGroup>, ErrorCode>, ClientError> {
        let key = ApiKey::ListGroups;
        let mut request = ListGroupsRequest::default();
        request.states_filter = states.iter().map(|state| text(state)).collect();
        let Response::ListGroups(answer) = self.call_newest(&Request::ListGroups(request))? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        let groups = answer.groups.into_iter().map(|group| ListedGroup {
            group: group.group_id.to_string(),
            protocol_type: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
            group_type: group.group_type.to_string(),
        });
        Ok(match code(key, answer.error_code)? {
            ErrorCode::None => Ok(groups.collect()),
            refused => Err(refused),
        })
    }

    /// Groups with their members, in the order of the question.
    pub fn describe_groups(&mut self, groups: &[&str]) -> Result<Vec<GroupDescription>, ClientError> {
        let key = ApiKey::DescribeGroups;
        let mut request = DescribeGroupsRequest::default();
        request.groups = groups.iter().map(|group| text(group)).collect();
        let Response::DescribeGroups(answer) = self.call_newest(&Request::DescribeGroups(request))? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        let described = answer.groups.into_iter().map(|group| {
            let members = group.members.into_iter().map(|member| DescribedMember {
                member: member.member_id.to_string(),
                instance: member.group_instance_id.map(|id| id.to_string()),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                metadata: member.member_metadata,
                assignment: member.member_assignment,
            });
            Ok(GroupDescription {
                error: code(key, group.error_code)?,
                state: group.group_state.to_string(),
                protocol_type: group.protocol_type.to_string(),
                protocol: group.protocol_data.to_string(),
                members: members.collect(),
            })
        });
        described.collect()
    }

    /// Deletes groups; what became of each.
    pub fn delete_groups(&mut self, groups: &[&str]) -> Result<Vec<ErrorCode>, ClientError> {
        let key = ApiKey::DeleteGroups;
        let mut request = DeleteGroupsRequest::default();
        request.groups_names = groups.iter().map(|group| text(group)).collect();
        match self.call_newest(&Request::DeleteGroups(request))? {
            Response::DeleteGroups(answer) => answer.results.iter().map(|one| code(key, one.error_code)).collect(),
            _ => Err(incomplete(key, "its own kind of answer")),
        }
    }

    /// Sends a request in its newest version without waiting.
    fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let (key, version) = (request.key(), newest(request.key()));
        let correlation_id = self.connection().next_correlation_id();
        let frame = client::encode_request(correlation_id, Some(self.name()), version, request)?;
        self.connection().send(key, version, &frame, true)
    }

    /// The answer to the oldest unanswered request.
    fn receive(&mut self, key: ApiKey) -> Result<Response, ClientError> {
        let (version, body) = self.connection().receive(key)?;
        Ok(client::decode_response(key, version, body)?)
    }
}
