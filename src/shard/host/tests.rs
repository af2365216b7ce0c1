mod against_model;
mod rules;

use std::time::Duration;

use bytes::BytesMut;
use callboard_model::{BatchHeader, LeaderEpoch, Offset, Prefix, Tick, Timestamp};

use super::*;
use crate::counter::{Answer, Ask, Counters};
use crate::stored::decode_slice;
use crate::{Append, Effect, Load, LoadPoint};

/// Bytes of the largest batch in these tests.
const BATCH_MAX: usize = 1000;

fn at(millis: u64) -> Now {
    Now { tick: Tick(Duration::from_millis(millis)), wall: Timestamp(1_000_000 + millis as i64) }
}

/// A log as its leader keeps it, all of it committed.
#[derive(Default)]
struct Log {
    start: i64,
    batches: Vec<(BatchHeader, Vec<u8>)>,
}

impl Log {
    fn end(&self) -> Offset {
        self.batches.last().map_or(Offset(0), |(header, _)| header.end_offset())
    }

    /// A compare-and-append.
    fn append(&mut self, expected_end: Offset, batch: BytesMut) -> Result<Offset, String> {
        let end = self.end();
        if end != expected_end {
            return Err(format!("ends at {end} and not at {expected_end}"));
        }
        let checked = callboard_model::CheckedBatch::new(batch).expect("a legal batch");
        let (header, bytes) = checked.assign(Prefix { base_offset: end, leader_epoch: LeaderEpoch(1) });
        assert!(bytes.len() <= BATCH_MAX, "a batch of {} bytes", bytes.len());
        self.batches.push((header, bytes.to_vec()));
        Ok(end)
    }

    fn load_point(&self) -> LoadPoint {
        LoadPoint { start: Offset(self.start), end: self.end(), epoch: LeaderEpoch(1), max_batch_bytes: BATCH_MAX }
    }

    /// What ends below is gone.
    fn move_start(&mut self, to: Offset) {
        self.start = self.start.max(to.get());
        self.batches.retain(|(header, _)| header.end_offset() > to);
    }

    /// At most `batches` batches from the one that holds `from` on.
    fn read(&self, from: Offset, until: Offset, batches: usize) -> crate::Slice<crate::counter::Fact> {
        let mut bytes = Vec::new();
        let mut next = from;
        let wanted = self.batches.iter().filter(|(header, _)| header.end_offset() > from && header.base_offset < until);
        for (header, batch) in wanted.take(batches) {
            bytes.extend_from_slice(batch);
            next = header.end_offset();
        }
        decode_slice::<Counters>(&bytes, next, |_, _| Err("nothing here is compressed".to_owned()))
    }
}
