//! What a producer knows of its batches.

use callboard_model::Offset;
use callboard_test_client::{Acks, ProducerIdentity};

use crate::workload::{PLACES, Place};

/// How a producer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Numbers its batches and sends the very same batch again until it is acknowledged.
    Idempotent,
    /// Sends a batch once; one without an answer may or may not be there.
    Plain(Acks),
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Sequence number of its first record; -1 without idempotence.
    pub(crate) base_sequence: i32,
    /// Where it was acknowledged; none: no good answer came.
    pub(crate) acknowledged: Option<Offset>,
}

/// All batches of one producer.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) kind: Kind,
    /// From the node, of an idempotent producer.
    pub(crate) identity: Option<ProducerIdentity>,
    /// By place, then by the batch's number.
    places: Vec<Vec<Entry>>,
}

impl Ledger {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, identity: None, places: vec![Vec::new(); PLACES] }
    }

    /// The batches of one place, by number.
    pub(crate) fn batches(&self, place: Place) -> &[Entry] {
        &self.places[usize::from(place.0)]
    }

    /// Notes that a batch is about to be sent; gives its number.
    pub(crate) fn sending(&mut self, place: Place, base_sequence: i32) -> u32 {
        let batches = &mut self.places[usize::from(place.0)];
        batches.push(Entry { base_sequence, acknowledged: None });
        batches.len() as u32 - 1
    }

    pub(crate) fn acknowledged(&mut self, place: Place, number: u32, offset: Offset) {
        self.places[usize::from(place.0)][number as usize].acknowledged = Some(offset);
    }
}
