//! ListConfigResources (74), 0-1: whose configs can be asked for.

use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    ListConfigResourcesRequest, ListConfigResourcesResponse, list_config_resources_response::ConfigResource,
};

use crate::gateway::services::Services;

/// Kafka's numbers of resource types. Loggers, client metrics and groups have no configs here, so none are listed.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
const KNOWN: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

pub(super) fn answer(
    request: &ListConfigResourcesRequest,
    version: i16,
    services: &Services,
) -> ListConfigResourcesResponse {
    let mut response = ListConfigResourcesResponse::default();
    // Version 0 was for client metrics alone; later ones mean everything by an empty list (KIP-1142).
    let wanted = match (version, &request.resource_types[..]) {
        (0, _) => &[CLIENT_METRICS][..],
        (_, []) => &KNOWN,
        (_, some) => some,
    };
    if wanted.iter().any(|kind| !KNOWN.contains(kind)) {
        response.error_code = ErrorCode::UnsupportedVersion.code();
        return response;
    }
    let published = services.now();
    let mut list = |resource_type, name: String| {
        let mut row = ConfigResource::default();
        row.resource_type = resource_type;
        row.resource_name = StrBytes::from(name);
        response.config_resources.push(row);
    };
    if wanted.contains(&BROKER) {
        published.image.brokers().for_each(|broker| list(BROKER, broker.id.to_string()));
    }
    if wanted.contains(&TOPIC) {
        published.image.topics().for_each(|topic| list(TOPIC, topic.name.to_string()));
    }
    response
}
