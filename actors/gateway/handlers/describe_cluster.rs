//! DescribeCluster (60), 0-2: the brokers and the cluster's id.

use std::net::SocketAddr;

use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse};

use super::operations;
use crate::gateway::address::address;
use crate::gateway::services::Services;

/// Brokers are the only endpoints on this port (KIP-919).
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) fn answer(
    request: &DescribeClusterRequest,
    local: Option<SocketAddr>,
    services: &Services,
) -> DescribeClusterResponse {
    let mut response = DescribeClusterResponse::default();
    response.endpoint_type = BROKERS;
    response.controller_id = -1;
    response.cluster_authorized_operations = operations::UNKNOWN;
    if request.endpoint_type != BROKERS {
        let (code, words) = match request.endpoint_type {
            CONTROLLERS => (
                ErrorCode::MismatchedEndpointType,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                    .to_owned(),
            ),
            other => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}")),
        };
        response.error_code = code.code();
        response.error_message = Some(StrBytes::from(words));
        return response;
    }
    response.cluster_authorized_operations =
        operations::if_asked(request.include_cluster_authorized_operations, operations::CLUSTER);
    response.cluster_id = StrBytes::from(&*services.cluster.0);
    let published = services.now();
    for broker in published.image.brokers() {
        if broker.fenced && !request.include_fenced_brokers {
            continue;
        }
        let (host, port) = address(broker, local, services);
        let mut row = DescribeClusterBroker::default();
        row.broker_id = broker.id.get();
        row.host = StrBytes::from(host);
        row.port = i32::from(port);
        row.rack = broker.rack.clone().map(StrBytes::from);
        row.is_fenced = broker.fenced;
        response.controller_id = response.controller_id.max(row.broker_id);
        response.brokers.push(row);
    }
    response
}
