//! The idempotent producers that a partition remembers, as operators see them (DescribeProducers).

use callboard_model::{ProducerEpoch, ProducerId, Timestamp};

use crate::leader::Leader;

/// One producer and the newest batch that is remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Who.
    pub id: ProducerId,
    /// In which life.
    pub epoch: ProducerEpoch,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// The largest time in its last batch.
    pub last_timestamp: Timestamp,
}

impl<W> Leader<W> {
    /// All producers remembered, by id.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let newest = |(id, state): (&ProducerId, &crate::producer_state::ProducerState)| {
            let batch = state.batches().last()?;
            let last_sequence =
                ((i64::from(batch.base_sequence) + i64::from(batch.last_delta)) & i64::from(i32::MAX)) as i32;
            Some(ActiveProducer { id: *id, epoch: state.epoch, last_sequence, last_timestamp: batch.timestamp })
        };
        self.producers.by_id().iter().filter_map(newest).collect()
    }
}
