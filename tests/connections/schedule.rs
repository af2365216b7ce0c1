//! When a load by schedule sends: at even distances, whatever became of earlier requests. Latency counts from the moment
//! that was meant, so a server that stalls is charged for everyone who would have come meanwhile.

use std::time::Duration;

/// Sends at an even rate, connections taking turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    per_second: f64,
    connections: usize,
}

impl Schedule {
    /// `per_second` requests over all connections; at least one in 1,000 seconds.
    pub(crate) fn new(per_second: f64, connections: usize) -> Self {
        Self { per_second: per_second.max(0.001), connections: connections.max(1) }
    }

    /// When request `number` is due, from the start on.
    pub(crate) fn due_at(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.per_second)
    }

    /// How many requests are due after so long: those numbered below it.
    pub(crate) fn due(&self, elapsed: Duration) -> u64 {
        let guess = (elapsed.as_secs_f64() * self.per_second) as u64;
        // Rounding may be off by one either way.
        let mut due = guess.saturating_sub(1);
        while self.due_at(due) <= elapsed {
            due += 1;
        }
        due
    }

    /// Whose turn it is.
    pub(crate) fn connection(&self, number: u64) -> usize {
        (number % self.connections as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_even_distances() {
        let schedule = Schedule::new(1000.0, 3);
        assert_eq!(schedule.due_at(0), Duration::ZERO);
        assert_eq!(schedule.due_at(1), Duration::from_millis(1));
        assert_eq!(schedule.due_at(5000), Duration::from_secs(5));
    }

    #[test]
    fn what_is_due_agrees_with_when_it_is_due_at_every_rate() {
        for rate in [0.5, 3.0, 7.0, 999.9, 12_345.6, 1e6] {
            let schedule = Schedule::new(rate, 1);
            for number in [0, 1, 2, 3, 10, 999, 1000, 54_321] {
                let at = schedule.due_at(number);
                assert_eq!(schedule.due(at), number + 1, "rate {rate}, request {number}");
                if number > 0 {
                    assert_eq!(schedule.due(at - Duration::from_nanos(1)), number, "just before, rate {rate}");
                }
            }
        }
    }

    #[test]
    fn connections_take_turns() {
        let schedule = Schedule::new(10.0, 3);
        let turns: Vec<_> = (0..7).map(|number| schedule.connection(number)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
    }
}
