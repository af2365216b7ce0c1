//! The last look: a whole log, batch by batch, against what all producers know.

use callboard_model::{BatchHeader, HEADER_LEN, LeaderEpoch, Offset, Records};

use crate::checks::{Check, Checks};
use crate::ledger::{Kind, Ledger};
use crate::reader::digest;
use crate::workload::{BatchId, Place, Workload};

/// The log of one place under examination.
pub(crate) struct Examination<'a> {
    workload: &'a Workload,
    ledgers: &'a [Ledger],
    checks: &'a Checks,
    place: Place,
    /// What the reader saw, by offset.
    seen: &'a [u64],
    next: Offset,
    epoch: LeaderEpoch,
    /// Which batches were found, by producer and number.
    found: Vec<Vec<bool>>,
    /// The last batch found, by producer.
    last: Vec<Option<u32>>,
    records: u64,
}

/// What was in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) records: u64,
    /// Batches that were never acknowledged and are there.
    pub(crate) unknown_there: u64,
    /// Batches that were never acknowledged and are not there.
    pub(crate) unknown_missing: u64,
}

impl<'a> Examination<'a> {
    pub(crate) fn new(
        workload: &'a Workload,
        ledgers: &'a [Ledger],
        checks: &'a Checks,
        place: Place,
        seen: &'a [u64],
    ) -> Self {
        Self {
            workload,
            ledgers,
            checks,
            place,
            seen,
            next: Offset::ZERO,
            epoch: LeaderEpoch::NONE,
            found: ledgers.iter().map(|ledger| vec![false; ledger.batches(place).len()]).collect(),
            last: vec![None; ledgers.len()],
            records: 0,
        }
    }

    /// Where to read on.
    pub(crate) fn next(&self) -> Offset {
        self.next
    }

    /// The next batch of the log, its checksum verified.
    pub(crate) fn batch(&mut self, header: &BatchHeader, bytes: &[u8]) {
        let (place, base) = (self.place, header.base_offset);
        if base != self.next {
            self.checks.wrong(Check::Contiguous, format!("{place}: a batch at {base}, {} was expected", self.next));
        }
        if header.count != header.last_offset_delta + 1 {
            let told = format!("{place}: {} records at {base} up to delta {}", header.count, header.last_offset_delta);
            self.checks.wrong(Check::Contiguous, told);
        }
        self.next = header.end_offset();
        self.checks.looked(Check::Epochs, 1);
        if header.leader_epoch < self.epoch {
            let told = format!("{place}: epoch {} at {base} after {}", header.leader_epoch, self.epoch);
            self.checks.wrong(Check::Epochs, told);
        }
        self.epoch = header.leader_epoch;
        self.records += u64::try_from(header.count).unwrap_or(0);
        self.seen(header, bytes);

        self.checks.looked(Check::NothingElse, 1);
        let Some(id) = self.whose(header, bytes) else {
            self.checks.wrong(Check::NothingElse, format!("{place}: nobody sent the batch at {base}"));
            return;
        };
        self.content(id, header, bytes);
        self.position(id, base);
    }

    /// The reader must have seen the same.
    fn seen(&self, header: &BatchHeader, bytes: &[u8]) {
        for record in Records::new(*header, &bytes[HEADER_LEN..]).map_while(Result::ok) {
            let Some(seen) = self.seen.get(record.offset.get() as usize) else {
                break;
            };
            self.checks.looked(Check::Seen, 1);
            if *seen != digest(&record) {
                self.checks.wrong(Check::Seen, format!("{}: {} is not what was seen", self.place, record.offset));
            }
        }
    }

    fn whose(&self, header: &BatchHeader, bytes: &[u8]) -> Option<BatchId> {
        let first = Records::new(*header, &bytes[HEADER_LEN..]).next()?.ok()?;
        let (id, _) = BatchId::parse(first.key?)?;
        let sent = self.ledgers.get(usize::from(id.producer))?.batches(self.place).len();
        (id.place == self.place && (id.number as usize) < sent).then_some(id)
    }

    fn content(&self, id: BatchId, header: &BatchHeader, bytes: &[u8]) {
        let sent = self.workload.records(id);
        let ledger = &self.ledgers[usize::from(id.producer)];
        let entry = ledger.batches(self.place)[id.number as usize];
        let stamp = ledger.identity.map_or((-1, -1), |one| (one.producer_id.get(), one.producer_epoch.get()));
        let found = (header.producer_id.get(), header.producer_epoch.get());
        self.checks.looked(Check::Bytes, sent.len() as u64);
        if (found, header.base_sequence) != (stamp, entry.base_sequence) {
            let told = format!("{id}: producer {found:?} and sequence {}", header.base_sequence);
            self.checks.wrong(Check::Bytes, told);
        }
        let mut count = 0;
        for (at, record) in Records::new(*header, &bytes[HEADER_LEN..]).enumerate() {
            let same = at < sent.len()
                && record.is_ok_and(|record| {
                    record.key == Some(&sent.key(at)[..])
                        && record.value == Some(sent.value(at))
                        && record.timestamp == sent.timestamp(at)
                        && record.offset == header.base_offset.plus(at as i64)
                        && record.headers.is_empty()
                });
            if !same {
                self.checks.wrong(Check::Bytes, format!("{id}: record {at} is not what was sent"));
                return;
            }
            count += 1;
        }
        if count != sent.len() {
            self.checks.wrong(Check::Bytes, format!("{id}: {count} records, {} were sent", sent.len()));
        }
    }

    fn position(&mut self, id: BatchId, base: Offset) {
        let producer = usize::from(id.producer);
        self.checks.looked(Check::Once, 1);
        self.checks.looked(Check::Order, 1);
        if std::mem::replace(&mut self.found[producer][id.number as usize], true) {
            self.checks.wrong(Check::Once, format!("{id} is at {base} once more"));
            return;
        }
        if self.last[producer].is_some_and(|last| last >= id.number) {
            self.checks.wrong(Check::Order, format!("{id} is at {base}, after batch {:?}", self.last[producer]));
        }
        self.last[producer] = Some(id.number);
        let acknowledged = self.ledgers[producer].batches(self.place)[id.number as usize].acknowledged;
        if acknowledged.is_some_and(|acknowledged| acknowledged != base) {
            self.checks.wrong(Check::There, format!("{id} is at {base}, acknowledged was {acknowledged:?}"));
        }
    }

    /// The log has been read up to its end, which the node says is `end`.
    pub(crate) fn finish(self, end: Offset) -> Contents {
        let place = self.place;
        self.checks.looked(Check::Contiguous, 1);
        if self.next != end {
            self.checks.wrong(Check::Contiguous, format!("{place}: read up to {}, the log's end is {end}", self.next));
        }
        if self.seen.len() as i64 > self.next.get() {
            let told = format!("{place}: {} were seen, {} are there", self.seen.len(), self.next);
            self.checks.wrong(Check::Seen, told);
        }
        let mut contents = Contents { records: self.records, ..Contents::default() };
        for (producer, (ledger, found)) in self.ledgers.iter().zip(&self.found).enumerate() {
            for (number, (entry, found)) in ledger.batches(place).iter().zip(found).enumerate() {
                let id = BatchId { producer: producer as u16, place, number: number as u32 };
                self.checks.looked(Check::There, u64::from(entry.acknowledged.is_some()));
                self.checks.looked(Check::AllAcknowledged, u64::from(ledger.kind == Kind::Idempotent));
                match (entry.acknowledged, found) {
                    (Some(base), false) => {
                        self.checks.wrong(Check::There, format!("LOST: {id}, acknowledged at {base}"));
                    }
                    (Some(_), true) => {}
                    (None, _) if ledger.kind == Kind::Idempotent => {
                        self.checks.wrong(Check::AllAcknowledged, format!("{id} was never acknowledged"));
                    }
                    (None, true) => contents.unknown_there += 1,
                    (None, false) => contents.unknown_missing += 1,
                }
            }
        }
        contents
    }
}

#[cfg(test)]
mod tests;
