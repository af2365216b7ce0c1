//! Batches that their topic wants in another codec: the pool packs them anew, and what comes later for the same
//! partition waits in line behind them, so that everything is appended in the order in which it came.

use std::collections::VecDeque;

use bytes::Bytes;
use callboard_model::{CheckedBatch, Compression, CompressionType, LogConfig};
use callboard_partition::{Now, Unpacked, needs_records};
use callboard_wire::compression;

use super::message::Append;

/// An append whose batch is in the forms that it takes.
#[derive(Debug)]
pub(crate) struct Ready {
    /// What is to be appended.
    pub append: Append,
    /// Its records in other forms.
    pub unpacked: Unpacked,
    /// The codec that it was packed in, or could not be.
    pub tried: Option<Compression>,
}

impl Ready {
    /// A batch that is appended as it came.
    pub(super) fn as_it_came(append: Append) -> Self {
        Self { append, unpacked: Unpacked::default(), tried: None }
    }
}

/// Packs the records of a batch anew. Blocking: a large batch at a high level takes a second. What is no legal stream of
/// its codec is left out, and the machine refuses the batch for it.
pub(super) fn pack(append: Append, to: CompressionType) -> Ready {
    let mut ready = Ready::as_it_came(append);
    let Some(codec) = to.codec() else { return ready };
    ready.tried = Some(codec);
    let batch = &ready.append.batch;
    let Ok(from) = batch.header().compression() else { return ready };
    let Ok(plain) = compression::decompress(from, batch.records()) else { return ready };
    let packed = compression::compress_at(codec, to.level(), &plain).ok().map(|packed| (codec, Bytes::from(packed)));
    let records = (from != Compression::None).then(|| Bytes::from(plain.into_owned()));
    ready.unpacked = Unpacked { records, packed };
    ready
}

/// The records of a compressed batch, where the topic's settings make the leader look at them. What cannot be
/// decompressed is left out, and refused by the machine.
pub(super) fn decompressed(batch: &CheckedBatch, config: &LogConfig, now: Now) -> Option<Bytes> {
    match batch.header().compression() {
        Ok(codec) if codec != Compression::None && needs_records(batch, config, now.wall) => {
            compression::decompress(codec, batch.records()).ok().map(|records| Bytes::from(records.into_owned()))
        }
        _ => None,
    }
}

/// The appends of one partition that wait for one that is being packed, itself included, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Line {
    entered: u64,
    waiting: VecDeque<(u64, Place)>,
}

#[derive(Debug)]
enum Place {
    /// It is being packed.
    Packing,
    /// It can be appended when it is first.
    Ready(Box<Ready>),
    /// Its packing ended without a result; its producer has been told.
    Lost,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps a place for an append that is being packed; gives its number.
    pub(super) fn enter(&mut self) -> u64 {
        self.entered += 1;
        self.waiting.push_back((self.entered, Place::Packing));
        self.entered
    }

    /// The same at the head of the line.
    pub(super) fn enter_first(&mut self) -> u64 {
        self.entered += 1;
        self.waiting.push_front((self.entered, Place::Packing));
        self.entered
    }

    /// Lets an append wait that needs no packing.
    pub(super) fn queue(&mut self, ready: Ready) {
        self.entered += 1;
        self.waiting.push_back((self.entered, Place::Ready(Box::new(ready))));
    }

    /// Takes back what was packed. Of a line that was given up meanwhile it is dropped, which answers its producer.
    pub(super) fn packed(&mut self, number: u64, result: Option<Box<Ready>>) {
        if let Some((_, place)) = self.waiting.iter_mut().find(|(entered, _)| *entered == number) {
            *place = result.map_or(Place::Lost, Place::Ready);
        }
    }

    /// The append whose turn it is, if it is ready.
    pub(super) fn next(&mut self) -> Option<Ready> {
        loop {
            match self.waiting.front()? {
                (_, Place::Packing) => return None,
                (_, Place::Ready(_) | Place::Lost) => {}
            }
            if let Some((_, Place::Ready(ready))) = self.waiting.pop_front() {
                return Some(*ready);
            }
        }
    }

    /// Gives up: everyone who waits is told to ask for the leader again.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use callboard_model::{BatchHead, BatchWriter, CheckedBatch, NewRecord, Tick, Timestamp};
    use callboard_partition::Acks;

    use super::*;

    fn append(codec: Compression, value: &[u8]) -> Append {
        let mut writer = BatchWriter::new(BatchHead::new(Timestamp(1)));
        let record =
            NewRecord { offset_delta: 0, timestamp: Timestamp(1), key: None, value: Some(value), headers: &[] };
        writer.push(record);
        let bytes: BytesMut =
            writer.finish_compressed(codec, |plain| compression::compress(codec, plain)).expect("packs");
        let batch = CheckedBatch::new(bytes).expect("legal");
        Append { slot: None, acks: Acks::None, batch, deadline: Tick::default(), zstd_allowed: true }
    }

    fn value(ready: &Ready) -> usize {
        ready.append.batch.len()
    }

    #[test]
    fn every_codec_becomes_every_other_with_the_same_records() {
        let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
        let wanted = [
            CompressionType::Uncompressed,
            CompressionType::Gzip { level: -1 },
            CompressionType::Snappy,
            CompressionType::Lz4,
            CompressionType::Zstd { level: 3 },
        ];
        let plain = append(Compression::None, b"value of a record").batch.records().to_vec();
        for from in codecs {
            for to in wanted {
                let ready = pack(append(from, b"value of a record"), to);
                let (codec, packed) = ready.unpacked.packed.expect("packed");
                assert_eq!(Some(codec), to.codec());
                assert_eq!(compression::decompress(codec, &packed).as_deref(), Ok(&plain[..]), "{from:?} to {to:?}");
                assert_eq!(ready.unpacked.records.is_some(), from != Compression::None);
            }
        }
    }

    #[test]
    fn what_is_no_stream_of_its_codec_is_left_out() {
        let mut batch = append(Compression::None, b"v").batch;
        batch.replace_records(Compression::Gzip, b"no gzip");
        let ready = pack(Append { batch, ..append(Compression::None, b"v") }, CompressionType::Snappy);
        assert_eq!((ready.unpacked, ready.tried), (Unpacked::default(), Some(Compression::Snappy)));
    }

    #[test]
    fn the_line_moves_in_the_order_in_which_it_formed() {
        let ready = |len: usize| Ready::as_it_came(append(Compression::None, &vec![0; len]));
        let mut line = Line::default();
        let (first, second) = (line.enter(), line.enter());
        line.queue(ready(3));
        line.packed(second, Some(Box::new(ready(2))));
        assert!(line.next().is_none(), "the first is still being packed");
        line.packed(first, Some(Box::new(ready(1))));
        let lens: Vec<usize> = std::iter::from_fn(|| line.next()).map(|ready| value(&ready)).collect();
        assert_eq!(lens, [1, 2, 3].map(|len| value(&ready(len))));
        assert!(line.is_empty());
    }

    #[test]
    fn a_lost_packing_holds_nobody_up_and_a_late_one_is_not_taken() {
        let ready = || Ready::as_it_came(append(Compression::None, b"v"));
        let mut line = Line::default();
        let lost = line.enter();
        line.queue(ready());
        line.packed(lost, None);
        assert!(line.next().is_some() && line.next().is_none());
        let late = line.enter();
        line.clear();
        line.packed(late, Some(Box::new(ready())));
        assert!(line.next().is_none() && line.is_empty());
        let (again, behind) = (line.enter(), line.enter_first());
        line.packed(again, Some(Box::new(ready())));
        assert!(line.next().is_none(), "{behind} is first");
    }
}
