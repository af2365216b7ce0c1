//! InitProducerId (22), 0-4: an id for an idempotent producer (KIP-98), or a higher epoch for one it has (KIP-360).

use std::time::Duration;

use callboard_model::ErrorCode;
use callboard_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::controller::ControllerMessage;
use crate::gateway::services::Services;

const DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn answer(request: InitProducerIdRequest, services: &Services) -> InitProducerIdResponse {
    let mut response = InitProducerIdResponse::default();
    response.producer_id = -1;
    response.producer_epoch = -1;
    match request.transactional_id {
        // Kafka refuses the empty id too.
        Some(id) if id.is_empty() => response.error_code = ErrorCode::InvalidRequest.code(),
        // No coordinator serves transactions yet, and none is advertised; a client that asks all the same is told so.
        Some(_) => response.error_code = ErrorCode::UnsupportedVersion.code(),
        // Without a transactional id Kafka hands out a new id, whatever id the producer had before.
        None => match services.control(DEADLINE, |reply| ControllerMessage::ProducerId { reply }).await {
            Ok(id) => {
                response.producer_id = id.get();
                response.producer_epoch = 0;
            }
            Err(error) => response.error_code = error.code().code(),
        },
    }
    response
}
