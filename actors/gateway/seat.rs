//! Who is let in: a seat for each client, as many as may be connected, and a line in the log about those that found none.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard_telemetry::Refusal;
use tokio::time::Instant;

use super::services::Services;

/// The shortest time between two lines about refused clients.
const QUIET: Duration = Duration::from_secs(5);

/// One client's place, from the moment it is accepted on; free again when dropped.
pub(super) struct Seat(Arc<Services>);

impl Seat {
    /// A seat, or why there is none. Only the listener takes seats, one after another.
    pub(super) fn take(services: &Arc<Services>) -> Result<Self, Refusal> {
        let open = services.open.load(Ordering::Relaxed);
        // Can be changed at any time.
        if open >= services.now().image.max_connections(services.me, &services.settings) {
            return Err(Refusal::Limit);
        }
        if open >= services.config.client_handles {
            return Err(Refusal::Files);
        }
        services.open.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Arc::clone(services)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Refused clients that no line has told of yet.
#[derive(Debug)]
pub(super) struct Refused {
    limit: u64,
    files: u64,
    system: u64,
    last_error: Option<std::io::Error>,
    quiet_until: Instant,
}

impl Refused {
    /// None yet; the first is told of at once.
    pub(super) fn since(now: Instant) -> Self {
        Self { limit: 0, files: 0, system: 0, last_error: None, quiet_until: now }
    }

    /// Notes one.
    pub(super) fn note(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Limit => self.limit += 1,
            Refusal::Files => self.files += 1,
            Refusal::System | Refusal::Stopping => self.system += 1,
        }
    }

    /// Notes that the system gave no connection.
    pub(super) fn failed(&mut self, error: std::io::Error) {
        self.note(Refusal::System);
        self.last_error = Some(error);
    }

    /// When the next line is due; none if there is nothing to tell.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.limit + self.files + self.system > 0).then_some(self.quiet_until)
    }

    /// What is to be told at `now`, if a line is due.
    pub(super) fn tell(&mut self, now: Instant) -> Option<Self> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        Some(std::mem::replace(self, Self::since(now + QUIET)))
    }

    /// Writes the line.
    pub(super) fn log(&self, services: &Services) {
        let Self { limit, files, system, last_error, .. } = self;
        if *limit > 0 {
            let max = services.now().image.max_connections(services.me, &services.settings);
            tracing::warn!(refused = limit, max, "clients were refused: kafka.max_connections is reached");
        }
        if *files > 0 {
            let max = services.config.client_handles;
            tracing::warn!(
                refused = files,
                max,
                "clients were refused: the rest of the open files is for storage; raise the limit (ulimit -n, LimitNOFILE)"
            );
        }
        if *system > 0 {
            let error = last_error.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(times = system, error, "clients could not be accepted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_is_told_at_once_and_those_behind_it_together() {
        let start = Instant::now();
        let mut refused = Refused::since(start);
        assert!(refused.due().is_none() && refused.tell(start).is_none());
        refused.note(Refusal::Files);
        assert_eq!(refused.tell(start).map(|told| told.files), Some(1));
        for _ in 0..1_000 {
            refused.note(Refusal::Files);
            assert!(refused.tell(start).is_none());
        }
        assert_eq!(refused.due(), Some(start + QUIET));
        assert_eq!(refused.tell(start + QUIET).map(|told| told.files), Some(1_000));
        assert!(refused.due().is_none());
    }
}
