//! JoinGroup (11), 0-9: makes a client a member of the next generation; answered when that begins.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use callboard_coordinator::{Command, GroupProtocol, JoinGroup, JoinGroupReply, MemberId, Reply};
use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use uuid::Uuid;

use super::ask::{mixed_up, wait};
use super::{instance, kept};
use crate::gateway::services::Services;

pub(in super::super) async fn answer(
    request: JoinGroupRequest,
    version: i16,
    client_id: Option<&StrBytes>,
    peer: Option<SocketAddr>,
    services: &Services,
) -> JoinGroupResponse {
    let rebalance_timeout_ms = if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    let command = Command::JoinGroup(JoinGroup {
        group: (&*request.group_id).into(),
        member: (&*request.member_id).into(),
        instance: instance(request.group_instance_id.as_ref()),
        client_id: client_id.map_or_else(|| Arc::from(""), kept),
        client_host: peer.map_or_else(|| Arc::from(""), |peer| host(peer.ip()).into()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: kept(&request.protocol_type),
        protocols: request
            .protocols
            .iter()
            .map(|protocol| GroupProtocol {
                name: kept(&protocol.name),
                // A copy: the group keeps it, and the frame would stay with it.
                metadata: protocol.metadata.to_vec().into(),
            })
            .collect(),
        reason: request.reason.as_ref().map(kept),
        api_version: version,
        fresh: Uuid::new_v4(),
    });
    match wait(services, &request.group_id, command).await {
        Ok(Reply::JoinGroup(reply)) => joined(reply),
        Ok(other) => refused(request.member_id, mixed_up(&other)),
        Err(code) => refused(request.member_id, code),
    }
}

fn joined(reply: JoinGroupReply) -> JoinGroupResponse {
    let mut response = JoinGroupResponse::default();
    response.error_code = reply.error.code();
    response.generation_id = reply.generation;
    response.protocol_type = reply.protocol_type.as_deref().map(StrBytes::from);
    response.protocol_name = reply.protocol.as_deref().map(StrBytes::from);
    response.leader = StrBytes::from(reply.leader.as_str());
    response.skip_assignment = reply.skip_assignment;
    response.member_id = StrBytes::from(reply.member.as_str());
    response.members = reply
        .members
        .into_iter()
        .map(|member| {
            let mut row = JoinGroupResponseMember::default();
            row.member_id = StrBytes::from(member.member.as_str());
            row.group_instance_id = member.instance.map(|instance| StrBytes::from(instance.as_str()));
            row.metadata = member.metadata;
            row
        })
        .collect();
    response
}

fn refused(member: StrBytes, code: ErrorCode) -> JoinGroupResponse {
    joined(JoinGroupReply {
        error: code,
        generation: -1,
        protocol_type: None,
        protocol: None,
        leader: MemberId::from(""),
        skip_assignment: false,
        member: MemberId::from(&*member),
        members: Vec::new(),
    })
}

/// An address as Kafka tells it to operators (Java's `InetAddress`): a slash, and for IPv6 all eight numbers without zeros
/// before them.
fn host(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("/{address}"),
        IpAddr::V6(address) => {
            let [first, rest @ ..] = address.segments();
            rest.iter().fold(format!("/{first:x}"), |text, segment| format!("{text}:{segment:x}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_kafka_s_tools_show_them() {
        let shown = |text: &str| host(text.parse().expect("an address"));
        assert_eq!(shown("127.0.0.1"), "/127.0.0.1");
        assert_eq!(shown("::ffff:10.0.0.7"), "/10.0.0.7");
        assert_eq!(shown("::1"), "/0:0:0:0:0:0:0:1");
        assert_eq!(shown("2001:db8::ff00:42:8329"), "/2001:db8:0:0:0:ff00:42:8329");
    }
}
