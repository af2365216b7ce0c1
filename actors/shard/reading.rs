//! Reads a shard's log in bounded pieces, on the blocking pool.

use callboard_model::{LogId, Offset};
use callboard_shard::{Entry, RecordFault, Shard, Slice, What, decode_slice};
use callboard_storage::{Storage, StorageError};
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
    let slice = match storage.read(log, from, until, SLICE_BYTES, true) {
        Err(StorageError::Corrupt { offset, detail, .. }) if offset > from => {
            // What stands before the damage comes first.
            tracing::debug!(%log, %offset, %detail, "a damaged batch lies ahead");
            storage.read(log, from, offset, SLICE_BYTES, true)
        }
        other => other,
    };
    match slice {
        Ok(slice) => Ok(decode_slice::<S>(&slice.bytes, slice.next, |codec, bytes| {
            decompress(codec, bytes).map(|bytes| bytes.into_owned()).map_err(|error| error.to_string())
        })),
        Err(error @ StorageError::Corrupt { .. }) => Ok(Slice {
            entries: vec![Entry {
                offset: from,
                written: callboard_model::Timestamp::NONE,
                of_snapshot: false,
                what: What::Fault(RecordFault::Corrupt(error.to_string())),
            }],
            next: behind(storage, log, from, until)?,
        }),
        Err(error) => Err(error.to_string()),
    }
}

/// The first offset behind a damaged batch that can be read again. Reading at an offset inside the batch meets the
/// damage again, so this ends exactly where the next batch begins.
fn behind(storage: &dyn Storage, log: LogId, from: Offset, until: Offset) -> Result<Offset, String> {
    for step in 1..=PROBES_MAX {
        let at = from.plus(step);
        if at >= until {
            return Ok(until);
        }
        match storage.read(log, at, at.plus(1), 1, true) {
            Ok(_) => return Ok(at),
            Err(StorageError::Corrupt { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(from.plus(PROBES_MAX))
}
