//! Where replicas go: striped over racks and within them, deterministic in a seed (Kafka: `StripedReplicaPlacer`).
//!
//! Racks come first: two replicas of a partition share a rack only when every rack has one. The leaders of a topic's
//! partitions walk over the racks, and over the brokers of each; followers walk on with every full round, so that the
//! partitions of one leader do not all have the same followers.

use std::collections::BTreeMap;

use callboard_model::{BrokerId, TopicId};

use crate::BrokerImage;

/// Why replicas cannot be placed; in Kafka's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// More replicas than brokers.
    #[error(
        "Unable to replicate the partition {wanted} time(s): The target replication factor of {wanted} cannot be \
         reached because only {brokers} broker(s) are registered."
    )]
    TooFewBrokers {
        /// Replicas wanted.
        wanted: i16,
        /// Brokers there are.
        brokers: usize,
    },
    /// Nobody to lead.
    #[error("Unable to replicate the partition {wanted} time(s): All brokers are currently fenced.")]
    AllFenced {
        /// Replicas wanted.
        wanted: i16,
    },
}

#[derive(Default)]
struct Rack {
    unfenced: Vec<BrokerId>,
    fenced: Vec<BrokerId>,
}

/// Places partitions of one topic.
pub(crate) struct Placer {
    /// Those that can lead first.
    racks: Vec<Rack>,
    /// How many of them can lead.
    live: usize,
    start: usize,
    factor: usize,
}

impl Placer {
    /// A placer for `wanted` replicas of each partition; topics with different ids start at different brokers.
    pub(crate) fn new<'a>(
        brokers: impl Iterator<Item = &'a BrokerImage>,
        wanted: i16,
        topic: TopicId,
    ) -> Result<Self, PlacementError> {
        let mut by_name: BTreeMap<Option<&str>, Rack> = BTreeMap::new();
        let mut count = 0;
        for broker in brokers {
            let rack = by_name.entry(broker.rack.as_deref()).or_default();
            if broker.fenced { &mut rack.fenced } else { &mut rack.unfenced }.push(broker.id);
            count += 1;
        }
        let factor = usize::try_from(wanted).ok().filter(|factor| *factor <= count);
        let factor = factor.ok_or(PlacementError::TooFewBrokers { wanted, brokers: count })?;
        let (live, dead): (Vec<Rack>, Vec<Rack>) = by_name.into_values().partition(|rack| !rack.unfenced.is_empty());
        if live.is_empty() {
            return Err(PlacementError::AllFenced { wanted });
        }
        // Ids are random, so any part of one spreads topics evenly.
        let start = topic.as_bytes()[..4].iter().fold(0, |start, byte| start << 8 | usize::from(*byte));
        Ok(Self { live: live.len(), racks: live.into_iter().chain(dead).collect(), start, factor })
    }

    /// The replicas of one partition; the first is unfenced.
    pub(crate) fn place(&self, partition: i32) -> Vec<BrokerId> {
        let turn = self.start + usize::try_from(partition).expect("partitions count from 0");
        let mut taken = vec![0; self.racks.len()];
        let mut replicas = Vec::with_capacity(self.factor);
        let mut step = 0;
        while replicas.len() < self.factor {
            // Live racks turn; those that only have fenced brokers stand behind them.
            let at = step % self.racks.len();
            let rack = if at < self.live { (turn + at) % self.live } else { at };
            if let Some(broker) = self.racks[rack].pick(turn / self.live, at, taken[rack]) {
                replicas.push(broker);
                taken[rack] += 1;
            }
            step += 1;
        }
        replicas
    }
}

impl Rack {
    /// Its `nth` broker in a turn; `distance` is how many racks lie between this one and the leader's.
    fn pick(&self, turn: usize, distance: usize, nth: usize) -> Option<BrokerId> {
        let count = self.unfenced.len();
        let Some(fenced) = nth.checked_sub(count) else {
            let round = turn / count;
            let first = turn + distance * round;
            let at = if nth == 0 { first } else { first + 1 + (round + nth - 1) % (count - 1) };
            return Some(self.unfenced[at % count]);
        };
        (fenced < self.fenced.len()).then(|| self.fenced[(turn + fenced) % self.fenced.len()])
    }
}

#[cfg(test)]
mod tests;
