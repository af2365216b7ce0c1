//! What a client is told when the host answers in the machine's place.

use callboard_model::ErrorCode;
use callboard_shard::Refusal;

/// The code of a refusal (Kafka: `CoordinatorOperationExceptionHelper`). Two answers differ: a heartbeat is answered
/// NONE while the shard is loading, so that nobody rejoins for that; and LeaveGroup's members carry no code of their own.
pub fn refusal_code(refusal: &Refusal) -> ErrorCode {
    match refusal {
        Refusal::NotHosted => ErrorCode::NotCoordinator,
        Refusal::Loading => ErrorCode::CoordinatorLoadInProgress,
        Refusal::NotAppended(_) => ErrorCode::CoordinatorNotAvailable,
        Refusal::TooLarge { .. } => ErrorCode::UnknownServerError,
    }
}
