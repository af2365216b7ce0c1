//! Reads a shard's log in bounded pieces, on the blocking pool.

use std::borrow::Cow;

use callboard_model::{LogId, Offset, Timestamp};
use callboard_shard::{Entry, RecordFault, Shard, Slice, What, decode_slice};
use callboard_storage::{ReadSlice, Storage, StorageError};
use callboard_wire::compression::decompress;

/// Bytes of one piece. Replaying it keeps the shard's arbiter for a few milliseconds.
const SLICE_BYTES: usize = 256 * 1024;
/// Offsets tried at once for the batch behind a damaged one: more than a batch of small records has.
const PROBES_MAX: i64 = 100_000;

/// Reads and decodes the piece that begins at `from`. Blocking.
///
/// A batch that storage cannot verify is passed over as one fault: what it says is gone, and to refuse all groups for it
/// would help nobody. Everything else that keeps storage from reading is an error, tried again later.
pub(super) fn read_slice<S: Shard>(
    storage: &dyn Storage,
    log: LogId,
    from: Offset,
    until: Offset,
) -> Result<Slice<S::Record>, String> {
    slice_of::<S>(from, until, |from, until, max_bytes| storage.read(log, from, until, max_bytes, true))
}

fn slice_of<S: Shard>(
    from: Offset,
    until: Offset,
    read: impl Fn(Offset, Offset, usize) -> Result<ReadSlice, StorageError>,
) -> Result<Slice<S::Record>, String> {
    let slice = match read(from, until, SLICE_BYTES) {
        // What stands before the damage comes first.
        Err(StorageError::Corrupt { offset, .. }) if offset > from => read(from, offset, SLICE_BYTES),
        other => other,
    };
    match slice {
        Ok(slice) => Ok(decode_slice::<S>(&slice.bytes, slice.next, |codec, bytes| {
            decompress(codec, bytes).map(Cow::into_owned).map_err(|error| error.to_string())
        })),
        Err(error @ StorageError::Corrupt { .. }) => {
            let what = What::Fault(RecordFault::Corrupt(error.to_string()));
            let fault = Entry { offset: from, written: Timestamp::NONE, of_snapshot: false, what };
            Ok(Slice { entries: vec![fault], next: behind(from, until, read)? })
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The first offset behind a damaged batch that can be read again. Reading at an offset inside the batch meets the
/// damage again, so this ends exactly where the next batch begins.
fn behind(
    from: Offset,
    until: Offset,
    read: impl Fn(Offset, Offset, usize) -> Result<ReadSlice, StorageError>,
) -> Result<Offset, String> {
    for step in 1..=PROBES_MAX {
        let at = from.plus(step);
        if at >= until {
            return Ok(until);
        }
        match read(at, at.plus(1), 1) {
            // The offset at which the next one is damaged, too.
            Err(StorageError::Corrupt { offset, .. }) if offset == at => return Ok(at),
            Err(StorageError::Corrupt { .. }) => {}
            Ok(_) => return Ok(at),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(from.plus(PROBES_MAX))
}

#[cfg(test)]
mod tests {
    use callboard_model::{BatchHead, BatchWriter, CheckedBatch, LeaderEpoch, NewRecord, Prefix};

    use super::super::counter::{Counters, Fact};
    use super::*;

    /// Batches of three records each from offset 0 on; those that begin at the given offsets are damaged.
    fn read(damaged: &'static [i64]) -> impl Fn(Offset, Offset, usize) -> Result<ReadSlice, StorageError> + Copy {
        move |from, until, max_bytes| {
            let mut bytes = Vec::new();
            let mut base = from.get() / 3 * 3;
            while base < until.get().min(30) && bytes.len() < max_bytes {
                if damaged.contains(&base) {
                    let (place, detail) = ("a file".into(), "checksum".into());
                    return Err(StorageError::Corrupt { log: LogId(1), offset: Offset(base), place, detail });
                }
                bytes.extend(batch(base));
                base += 3;
            }
            Ok(ReadSlice { bytes: bytes.into(), next: Offset(base) })
        }
    }

    fn batch(base: i64) -> Vec<u8> {
        let mut writer = BatchWriter::new(BatchHead::new(Timestamp(1)));
        for place in 0..3 {
            let stored = Counters::encode(&Fact::Added { name: 1, by: base + i64::from(place) });
            let (key, value) = (stored.key.as_deref(), stored.value.as_deref());
            writer.push(NewRecord { offset_delta: place, timestamp: Timestamp(1), key, value, headers: &[] });
        }
        let batch = CheckedBatch::new(writer.finish()).expect("legal");
        batch.assign(Prefix { base_offset: Offset(base), leader_epoch: LeaderEpoch(1) }).1.to_vec()
    }

    /// Offsets of the records read, and of the faults.
    fn load(damaged: &'static [i64]) -> (Vec<i64>, Vec<i64>) {
        let (mut at, mut records, mut faults) = (Offset(0), Vec::new(), Vec::new());
        while at < Offset(30) {
            let slice = slice_of::<Counters>(at, Offset(30), read(damaged)).expect("readable but for damage");
            assert!(slice.next > at, "it comes on");
            at = slice.next;
            for entry in slice.entries {
                match entry.what {
                    What::Record(_) => records.push(entry.offset.get()),
                    _ => faults.push(entry.offset.get()),
                }
            }
        }
        (records, faults)
    }

    #[test]
    fn a_damaged_batch_is_passed_over_and_nothing_else() {
        let all = |without: &[i64]| (0..30).filter(|at| !without.contains(&(at / 3 * 3))).collect::<Vec<i64>>();
        assert_eq!(load(&[]), (all(&[]), vec![]));
        assert_eq!(load(&[12]), (all(&[12]), vec![12]));
        assert_eq!(load(&[0, 12, 15, 27]), (all(&[0, 12, 15, 27]), vec![0, 12, 15, 27]));
    }

    #[test]
    fn storage_that_cannot_be_read_is_no_damage() {
        let gone = |_, _, _| Err(StorageError::UnknownLog(LogId(1)));
        assert!(slice_of::<Counters>(Offset(0), Offset(3), gone).is_err());
    }
}
