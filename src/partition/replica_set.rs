//! How far each replica has the log durably, and what follows from it: the high watermark.

use callboard_model::{BrokerId, Offset};

/// One follower as its leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Follower {
    id: BrokerId,
    /// One past what it has synced (R2b); lowest until it is heard of in this leadership (R25).
    durable_end: Offset,
    in_sync: bool,
}

/// The replicas of one partition, seen from the leader. Only synced positions count (D2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSet {
    own_durable_end: Offset,
    followers: Vec<Follower>,
}

impl ReplicaSet {
    /// A partition without followers.
    pub fn alone(durable_end: Offset) -> Self {
        Self { own_durable_end: durable_end, followers: Vec::new() }
    }

    /// A partition with followers, each with whether it is in sync. Their positions are unknown and count as 0.
    pub fn with_followers(durable_end: Offset, followers: impl IntoIterator<Item = (BrokerId, bool)>) -> Self {
        let unheard = |(id, in_sync)| Follower { id, durable_end: Offset::ZERO, in_sync };
        Self { own_durable_end: durable_end, followers: followers.into_iter().map(unheard).collect() }
    }

    /// Our own durable end.
    pub fn own_durable_end(&self) -> Offset {
        self.own_durable_end
    }

    /// Notes that our own log is durable up to `end`.
    pub fn advance_own(&mut self, end: Offset) {
        self.own_durable_end = self.own_durable_end.max(end);
    }

    /// Notes a follower's durable end. False if there is no such follower.
    pub fn acknowledge(&mut self, from: BrokerId, durable_end: Offset) -> bool {
        let follower = self.followers.iter_mut().find(|follower| follower.id == from);
        follower.map(|follower| follower.durable_end = durable_end).is_some()
    }

    /// Replicas in sync, the leader included.
    pub fn in_sync(&self) -> usize {
        1 + self.followers.iter().filter(|follower| follower.in_sync).count()
    }

    /// `min.insync.replicas`, but never more than there are replicas (R2, KAFKA-15583).
    pub fn effective_min_in_sync(&self, min_insync_replicas: usize) -> usize {
        min_insync_replicas.min(1 + self.followers.len())
    }

    /// What every in-sync replica has, or `None` while too few are in sync for it to count (R2).
    pub fn committed_end(&self, min_insync_replicas: usize) -> Option<Offset> {
        if self.in_sync() < self.effective_min_in_sync(min_insync_replicas) {
            return None;
        }
        let in_sync = self.followers.iter().filter(|follower| follower.in_sync);
        Some(in_sync.map(|follower| follower.durable_end).fold(self.own_durable_end, Offset::min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: BrokerId = BrokerId(1);
    const TWO: BrokerId = BrokerId(2);

    #[test]
    fn the_slowest_in_sync_replica_sets_what_is_committed() {
        let mut set = ReplicaSet::with_followers(Offset(10), [(ONE, true), (TWO, true)]);
        assert_eq!(set.committed_end(2), Some(Offset(0)), "nobody was heard of yet");
        assert!(set.acknowledge(ONE, Offset(7)));
        assert!(set.acknowledge(TWO, Offset(12)));
        assert_eq!(set.committed_end(2), Some(Offset(7)));
        assert!(!set.acknowledge(BrokerId(9), Offset(99)));
    }

    #[test]
    fn a_replica_that_is_ahead_does_not_commit_what_the_leader_has_not_synced() {
        let mut set = ReplicaSet::with_followers(Offset(3), [(ONE, true)]);
        set.acknowledge(ONE, Offset(8));
        assert_eq!(set.committed_end(1), Some(Offset(3)));
        set.advance_own(Offset(5));
        assert_eq!(set.committed_end(1), Some(Offset(5)));
    }

    #[test]
    fn a_replica_out_of_sync_holds_nothing_back() {
        let set = ReplicaSet::with_followers(Offset(3), [(ONE, false)]);
        assert_eq!((set.in_sync(), set.committed_end(1)), (1, Some(Offset(3))));
    }

    #[test]
    fn below_the_minimum_nothing_is_committed() {
        let set = ReplicaSet::with_followers(Offset(3), [(ONE, false), (TWO, false)]);
        assert_eq!(set.committed_end(2), None);
    }

    #[test]
    fn a_minimum_above_the_replica_count_is_lowered_to_it() {
        let set = ReplicaSet::alone(Offset(3));
        assert_eq!((set.effective_min_in_sync(2), set.committed_end(2)), (1, Some(Offset(3))));
    }
}
