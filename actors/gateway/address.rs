//! Where clients reach a broker.

use std::net::SocketAddr;

use callboard_controller::BrokerImage;

use super::services::Services;

/// Where clients of this listener reach a broker: the advertised address, else for this node the address that the
/// client itself has reached it by.
pub(super) fn address(broker: &BrokerImage, local: Option<SocketAddr>, services: &Services) -> (String, u16) {
    if broker.id == services.me {
        match (&services.config.advertised, local) {
            (Some((host, port)), _) => return (host.clone(), *port),
            // An IPv4 client of a dual-stack socket shows as a mapped address, which nobody would dial.
            (None, Some(local)) => return (local.ip().to_canonical().to_string(), local.port()),
            (None, None) => {}
        }
    }
    broker.endpoints.first().map_or((String::new(), 0), |endpoint| (endpoint.host.clone(), endpoint.port))
}
