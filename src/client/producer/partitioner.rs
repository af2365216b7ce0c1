//! Which partition a record goes to that names none itself.

use std::fmt;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use super::murmur2::murmur2;

/// What a partitioner may know of a topic.
#[derive(Clone, Copy)]
pub struct Partitions<'a> {
    count: i32,
    load: &'a dyn Fn(i32) -> Option<u64>,
}

impl<'a> Partitions<'a> {
    /// `count` partitions from 0 on; `load` gives the bytes that wait for one, or `None` if it has no leader.
    pub fn new(count: i32, load: &'a dyn Fn(i32) -> Option<u64>) -> Self {
        Self { count, load }
    }

    /// How many there are; at least one.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Bytes of records that wait to be sent to a partition; `None` while it has no leader.
    pub fn load(&self, partition: i32) -> Option<u64> {
        (self.load)(partition)
    }
}

impl fmt::Debug for Partitions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Chooses a partition for each record that names none.
pub trait Partitioner: fmt::Debug + Send + Sync {
    /// A number from 0 to below `partitions.count()`; any other fails the record.
    fn partition(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, partitions: Partitions<'_>) -> i32;
}

/// The partition of a key, as in the Java client: the positive part of its murmur2 hash modulo the count.
pub fn keyed(key: &[u8], count: i32) -> i32 {
    (murmur2(key) & i32::MAX) % count.max(1)
}

/// One after the other, keys or not.
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: AtomicI32,
}

impl Partitioner for RoundRobin {
    fn partition(&self, _: &str, _: Option<&[u8]>, _: Option<&[u8]>, partitions: Partitions<'_>) -> i32 {
        let count = partitions.count();
        let turn = || (self.next.fetch_add(1, Ordering::Relaxed) & i32::MAX) % count;
        // Partitions without a leader are passed over while there are others.
        (0..count).map(|_| turn()).find(|at| partitions.load(*at).is_some()).unwrap_or_else(turn)
    }
}

/// The uniform sticky partitioner's memory of one topic (KIP-794): a partition, and bytes given to it.
///
/// It stays with one partition for `batch.size` bytes, and while those wait to be sent anyway for up to `batch.size.max`, so
/// that batches fill (librdkafka stays for ten milliseconds): what a broker pays for the first batch of a request to each of
/// many partitions, Kafka above all, is far more than what it pays for the bytes. Then it goes on to another that is chosen
/// at random.
/// Of two random ones the less loaded is taken, so a slow broker gets less; Java weighs all partitions, to the same end.
/// Both numbers are one atomic word: no lock is taken for a record.
#[derive(Debug)]
pub(crate) struct Sticky {
    /// Upper half: partition plus one, 0 while none is chosen. Lower half: bytes so far.
    state: AtomicU64,
}

impl Sticky {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU64::new(0) }
    }

    /// The partition of a record of `size` bytes. It stays for the first of the sizes, and while `waits` says that a batch for
    /// the partition is ready and was not taken, for the second. `random` is asked for when a new partition is chosen.
    pub(crate) fn next(
        &self,
        size: usize,
        (least, most): (usize, usize),
        partitions: Partitions<'_>,
        waits: impl Fn(i32) -> bool,
        mut random: impl FnMut() -> u32,
    ) -> i32 {
        let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let (size, least, most) = (small(size), small(least).max(1), small(most));
        let mut seen = self.state.load(Ordering::Relaxed);
        loop {
            let (current, bytes) = ((seen >> 32) as u32, seen as u32);
            let known = current != 0 && i64::from(current) <= i64::from(partitions.count());
            let stays = known && (bytes < least || (bytes < most && waits((current - 1) as i32)));
            let (partition, before) = if stays { (current - 1, bytes) } else { (choose(partitions, &mut random), 0) };
            let next = (u64::from(partition + 1) << 32) | u64::from(before.saturating_add(size));
            match self.state.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return partition as i32,
                Err(now) => seen = now,
            }
        }
    }
}

fn choose(partitions: Partitions<'_>, random: &mut impl FnMut() -> u32) -> u32 {
    let count = partitions.count().max(1) as u32;
    let (first, second) = (random() % count, random() % count);
    let load = |at: u32| partitions.load(at as i32);
    match (load(first), load(second)) {
        (Some(one), Some(two)) => {
            if one <= two {
                first
            } else {
                second
            }
        }
        (Some(_), None) => first,
        (None, Some(_)) => second,
        (None, None) => (0..count).map(|step| (first + step) % count).find(|at| load(*at).is_some()).unwrap_or(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(_: i32) -> Option<u64> {
        Some(0)
    }

    #[test]
    fn sticky_stays_for_a_batch_and_spreads_evenly_kip_794() {
        let sticky = Sticky::new();
        let mut random = fastrand::Rng::with_seed(1);
        let mut given = [0usize; 4];
        let (mut last, mut switches) = (-1, 0);
        for _ in 0..16_000 {
            let at = sticky.next(100, (1000, 9000), Partitions::new(4, &idle), |_| false, || random.u32(..));
            given[at as usize] += 1;
            switches += usize::from(at != last);
            last = at;
        }
        assert!(switches <= 1600, "a new partition at most every ten records, not {switches}");
        assert!(given.iter().all(|count| (3000..5000).contains(count)), "{given:?}");
    }

    #[test]
    fn sticky_stays_longer_where_a_batch_waits_but_not_for_ever() {
        let sticky = Sticky::new();
        let mut turn = 0;
        let mut next = |waits: bool| {
            sticky.next(
                100,
                (1000, 3000),
                Partitions::new(8, &idle),
                |_| waits,
                || {
                    turn += 1;
                    turn / 2
                },
            )
        };
        let first = next(true);
        assert!((1..30).all(|_| next(true) == first), "up to the largest batch");
        let second = next(true);
        assert_ne!(second, first);
        assert!((1..15).all(|_| next(true) == second));
        assert_ne!(next(false), second, "it was taken");
    }

    #[test]
    fn sticky_prefers_what_is_less_loaded_and_has_a_leader() {
        let mut random = fastrand::Rng::with_seed(2);
        let load = |at| match at {
            0 => Some(1_000_000),
            3 => None,
            _ => Some(0),
        };
        let mut given = [0usize; 4];
        for _ in 0..1000 {
            given[Sticky::new().next(10, (1, 1), Partitions::new(4, &load), |_| false, || random.u32(..)) as usize] +=
                1;
        }
        assert_eq!(given[3], 0);
        assert!(given[0] < given[1] * 3 / 4, "{given:?}");
        let alone = |at| (at == 2).then_some(0);
        assert_eq!(Sticky::new().next(10, (1, 1), Partitions::new(4, &alone), |_| false, || 0), 2);
        let none = |_| None;
        assert_eq!(Sticky::new().next(10, (1, 1), Partitions::new(4, &none), |_| false, || 1), 1);
    }

    #[test]
    fn round_robin_takes_turns_and_passes_over_the_leaderless() {
        let turns = RoundRobin::default();
        let load = |at| (at != 1).then_some(0);
        let given: Vec<_> = (0..6).map(|_| turns.partition("t", None, None, Partitions::new(3, &load))).collect();
        assert_eq!(given, [0, 2, 0, 2, 0, 2]);
        let none = |_| None;
        assert!((0..3).contains(&turns.partition("t", None, None, Partitions::new(3, &none))));
    }
}
