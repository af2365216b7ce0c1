//! When to try again: pauses that double, with jitter, until a deadline (KIP-580).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::ClientError;
use crate::options::ClusterOptions;

/// The pauses between attempts: from the first they double up to the longest, each between 80 and 120 percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// No failure yet.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// As `retry.backoff.ms` and `retry.backoff.max.ms` say.
    pub fn retries(options: &ClusterOptions) -> Self {
        Self::new(options.retry_backoff, options.retry_backoff_max)
    }

    /// The same after some failures.
    pub fn after(options: &ClusterOptions, failures: u32) -> Self {
        Self { failures, ..Self::retries(options) }
    }

    /// The pause after one more failure. `random` lies from 0 to below 1 and chooses within the jitter.
    pub fn next(&mut self, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.longest.max(self.first)).mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
    }

    /// Failures so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Calls again while the failure is one that passes, until the deadline. Non-retriable errors come back as they are; at the
/// deadline a [`ClientError::Timeout`] that tells the last failure.
pub async fn retrying<T, F>(
    what: &str,
    options: &ClusterOptions,
    deadline: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let start = Instant::now();
    let mut backoff = Backoff::retries(options);
    let mut last: Option<ClientError> = None;
    let late = |sent, last: Option<ClientError>| ClientError::Timeout {
        what: what.into(),
        allowed: deadline.saturating_duration_since(start),
        sent,
        last: last.map(Arc::new),
    };
    loop {
        let Ok(result) = timeout_at(deadline, attempt()).await else {
            // The attempt was under way: how far it came is not known.
            return Err(late(true, last));
        };
        match result {
            Ok(value) => return Ok(value),
            Err(error) if error.is_retriable() => {
                let at = Instant::now() + backoff.next(fastrand::f64());
                if at >= deadline {
                    return Err(late(false, Some(error)));
                }
                tracing::debug!(what, %error, failures = backoff.failures(), "to be tried again");
                last = Some(error);
                sleep_until(at).await;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_model::ErrorCode;
    use std::cell::Cell;

    fn options() -> ClusterOptions {
        ClusterOptions::default()
    }

    fn error(code: ErrorCode) -> ClientError {
        ClientError::from_code(code.code(), "it", None).expect("no success")
    }

    #[test]
    fn pauses_double_from_the_first_to_the_longest_kip_580() {
        let mut backoff = Backoff::retries(&options());
        let pauses: Vec<_> = (0..6).map(|_| backoff.next(0.5).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next(0.0).as_millis(), 80);
        assert_eq!(backoff.next(1.0).as_millis(), 240);
    }

    #[test]
    fn a_first_pause_above_the_longest_stays() {
        let mut backoff = Backoff::new(Duration::from_secs(3), Duration::from_secs(1));
        let pauses: Vec<_> = (0..40).map(|_| backoff.next(0.5).as_millis()).collect();
        assert!(pauses.iter().all(|pause| *pause == 3000), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_again_and_what_does_not_is_told_at_once() {
        let tries = Cell::new(0);
        let flaky = || {
            tries.set(tries.get() + 1);
            let tries = tries.get();
            async move { if tries < 4 { Err(error(ErrorCode::NotController)) } else { Ok(tries) } }
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(retrying("it", &options(), deadline, flaky).await.expect("at last"), 4);
        let refusing = || async { Err::<(), _>(error(ErrorCode::InvalidTopicException)) };
        let refused = retrying("it", &options(), deadline, refusing).await.expect_err("final");
        assert_eq!(refused.kafka_code(), Some(ErrorCode::InvalidTopicException));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_the_last_failure_is_told() {
        let deadline = Instant::now() + Duration::from_secs(5);
        let failing = || async { Err::<(), _>(error(ErrorCode::NotController)) };
        let told = retrying("creating it", &options(), deadline, failing).await.expect_err("never works");
        let text = "creating it took longer than 5000 ms; the last failure before: it: NOT_CONTROLLER";
        assert_eq!(told.to_string(), text);
        assert!(Instant::now() <= deadline);
        let hanging = || std::future::pending::<Result<(), ClientError>>();
        let deadline = Instant::now() + Duration::from_secs(5);
        let told = retrying("it", &options(), deadline, hanging).await.expect_err("never ends");
        assert!(matches!(told, ClientError::Timeout { sent: true, .. }), "{told}");
    }
}
