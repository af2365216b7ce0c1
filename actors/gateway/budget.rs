//! Byte budgets: what requests in flight may hold, for one connection and for all of them.
//!
//! A reader takes its share before it reads a request's body. While there is none it does not read, so TCP slows the
//! client down (Kafka: muting, `queued.max.request.bytes`).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bound in bytes, shared by clones.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    semaphore: Arc<Semaphore>,
    bytes: u32,
}

/// A share of both budgets, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of `bytes`, 4 GiB at most.
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = u32::try_from(bytes.max(1)).unwrap_or(u32::MAX);
        Self { semaphore: Arc::new(Semaphore::new(bytes as usize)), bytes }
    }

    /// Waits for `bytes`. More than the whole budget is granted once the budget is wholly free, else such a request
    /// could never be read.
    async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes);
        let permit = Arc::clone(&self.semaphore).acquire_many_owned(bytes).await;
        permit.expect("the semaphore of a budget is never closed")
    }

    /// Bytes not taken.
    #[cfg(test)]
    fn free(&self) -> usize {
        self.semaphore.available_permits()
    }
}

/// Waits for a share of a connection's own budget first, then of everyone's: a greedy connection waits for itself.
pub(super) async fn share(own: &Budget, all: &Budget, bytes: usize) -> Share {
    let _own = own.take(bytes).await;
    let _all = all.take(bytes).await;
    Share { _all, _own }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_full_budget_makes_wait_until_a_share_is_given_back() {
        let (own, all) = (Budget::new(100), Budget::new(150));
        let first = share(&own, &all, 100).await;
        let other = Budget::new(100);
        assert!(timeout(Duration::from_millis(20), share(&other, &all, 60)).await.is_err());
        drop(first);
        assert!(timeout(Duration::from_secs(5), share(&other, &all, 60)).await.is_ok());
    }

    #[tokio::test]
    async fn a_request_beyond_the_whole_budget_is_read_alone() {
        let (own, all) = (Budget::new(10), Budget::new(10));
        let big = share(&own, &all, 1_000_000).await;
        assert_eq!((own.free(), all.free()), (0, 0));
        drop(big);
        assert_eq!((own.free(), all.free()), (10, 10));
    }
}
