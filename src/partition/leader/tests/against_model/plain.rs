//! The plain side: a list of all batches, read from the front, and the numbers that drive the histories.

use bytes::Bytes;

/// Steele's splitmix64: enough to walk through histories, the same on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// A batch as it must be in the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) base: i64,
    pub(super) end: i64,
    pub(super) bytes: Bytes,
    /// Producer, epoch, first sequence number.
    pub(super) sent: Option<(i64, i16, i32)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    New,
    Repeat(i64, i64),
    Gap,
    Fenced,
}

/// All batches ever appended and not lost, from offset 0 on.
#[derive(Default)]
pub(super) struct Model {
    pub(super) log: Vec<Entry>,
    pub(super) start: i64,
}

impl Model {
    pub(super) fn end(&self) -> i64 {
        self.log.last().map_or(0, |entry| entry.end)
    }

    pub(super) fn judge(&self, (id, epoch, sequence): (i64, i16, i32), count: i64) -> Verdict {
        let of_producer = || self.log.iter().rev().filter(|entry| entry.sent.is_some_and(|sent| sent.0 == id));
        let Some(newest) = of_producer().next() else {
            return Verdict::New;
        };
        let known = newest.sent.expect("filtered").1;
        if epoch < known {
            return Verdict::Fenced;
        }
        if epoch > known {
            return if sequence == 0 { Verdict::New } else { Verdict::Gap };
        }
        let last_five = of_producer().take_while(|entry| entry.sent.is_some_and(|sent| sent.1 == epoch)).take(5);
        for entry in last_five {
            if entry.sent == Some((id, epoch, sequence)) && entry.end - entry.base == count {
                return Verdict::Repeat(entry.base, entry.end);
            }
        }
        let next = i64::from(newest.sent.expect("filtered").2) + (newest.end - newest.base);
        if i64::from(sequence) == next % (1 << 31) { Verdict::New } else { Verdict::Gap }
    }

    /// The batches that a fetch must see, by the plain reading of KIP-74.
    pub(super) fn read(&self, from: i64, until: i64, max_bytes: usize, min_one: bool) -> Vec<Bytes> {
        let mut found: Vec<Bytes> = Vec::new();
        let mut total = 0;
        for entry in self.log.iter().filter(|entry| entry.end > from && entry.end <= until) {
            total += entry.bytes.len();
            if total > max_bytes && !(min_one && found.is_empty()) {
                break;
            }
            found.push(entry.bytes.clone());
        }
        found
    }
}
