//! Tells what happens in the tree: the runtime's events become log lines and counters.

use callboard_runtime::{DeadLetterReason, Event, EventsError, Path, Placement, System};
use callboard_telemetry::Metrics;

/// Listens until the system ends.
pub(crate) fn spawn(system: &System, metrics: &Metrics) {
    let mut events = system.events();
    let metrics = metrics.clone();
    // The task ends with the system; its handle is not needed.
    drop(system.spawn_on(Placement::System, move || async move {
        loop {
            match events.next().await {
                Ok(event) => tell(&event, &metrics),
                Err(EventsError::Missed { missed }) => tracing::warn!(missed, "events of the actor tree were missed"),
                Err(_) => return,
            }
        }
    }));
}

/// What an actor does, as a label: the pool of one of many, else its own name.
pub(crate) fn class(path: &Path) -> String {
    let mut segments = path.segments().skip(1);
    match (segments.next(), segments.next(), segments.next()) {
        (_, Some(crowd @ ("partitions" | "coordinators" | "connections")), Some(_)) => {
            crowd.trim_end_matches('s').to_owned()
        }
        (_, Some(own), _) => own.to_owned(),
        (Some(own), None, _) => own.to_owned(),
        (None, ..) => path.as_str().to_owned(),
    }
}

fn tell(event: &Event, metrics: &Metrics) {
    match event {
        Event::Failed { path, message, reason, .. } => {
            metrics.actor_failures.increment(&class(path));
            tracing::warn!(%path, message, reason, "an actor failed");
        }
        Event::Restarted { path, restarts, .. } => {
            metrics.actor_restarts.increment(&class(path));
            tracing::info!(%path, restarts, "an actor was restarted");
        }
        Event::Escalated { path, reason } => {
            metrics.escalations.increment(&class(path));
            tracing::error!(%path, reason, "a supervisor gave up on its children");
        }
        Event::DeadLetter { path, message, reason, count } => {
            let label = match reason {
                DeadLetterReason::Gone => "gone",
                DeadLetterReason::Stopped => "stopped",
                DeadLetterReason::Poison => "poison",
            };
            metrics.dead_letters.increment(label);
            tracing::debug!(%path, message, label, count, "a message reached nobody");
        }
        Event::Overload { path, refused } => tracing::warn!(%path, refused, "a mailbox is full"),
        Event::Frozen { path, message, for_ms } => {
            tracing::error!(%path, message, for_ms, "a handler holds its thread");
        }
        Event::PoisonMessage { path, message, failures, .. } => {
            tracing::error!(%path, message, failures, "a message that keeps failing its receiver is refused");
        }
        Event::Started { .. } | Event::Stopped { .. } => {}
        other => tracing::debug!(event = ?other, "the actor tree changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_are_counted_by_what_they_do() {
        let class_of = |text| class(&Path::parse(text).expect("legal"));
        assert_eq!(class_of("node"), "node");
        assert_eq!(class_of("node/storage/keeper"), "keeper");
        assert_eq!(class_of("node/broker"), "broker");
        assert_eq!(class_of("node/broker/partitions"), "partitions");
        assert_eq!(class_of("node/broker/partitions/orders-3"), "partition");
        assert_eq!(class_of("node/broker/coordinators/17"), "coordinator");
        assert_eq!(class_of("node/gateway/connections/17"), "connection");
    }
}
