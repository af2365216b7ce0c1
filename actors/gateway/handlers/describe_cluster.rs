//! DescribeCluster (60), 0-1: the brokers and the cluster's id.

use std::net::SocketAddr;

use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse};

use super::metadata::{OPERATIONS_UNKNOWN, address};
use crate::gateway::services::Services;

/// Brokers are the only endpoints on this port (KIP-919).
const BROKERS: i8 = 1;

pub(super) fn answer(
    request: &DescribeClusterRequest,
    local: Option<SocketAddr>,
    services: &Services,
) -> DescribeClusterResponse {
    let mut response = DescribeClusterResponse::default();
    response.endpoint_type = BROKERS;
    response.controller_id = -1;
    response.cluster_authorized_operations = OPERATIONS_UNKNOWN;
    if request.endpoint_type != BROKERS {
        response.error_code = ErrorCode::MismatchedEndpointType.code();
        response.error_message = Some(StrBytes::from("this port is a broker's, not a controller's"));
        return response;
    }
    response.cluster_id = StrBytes::from(&*services.cluster.0);
    let published = services.now();
    for broker in published.image.brokers() {
        let (host, port) = address(broker, local, services);
        let mut row = DescribeClusterBroker::default();
        row.broker_id = broker.id.get();
        row.host = StrBytes::from(host);
        row.port = i32::from(port);
        row.rack = broker.rack.clone().map(StrBytes::from);
        response.controller_id = response.controller_id.max(row.broker_id);
        response.brokers.push(row);
    }
    response
}
