//! Reads a partition's log back from storage, for a leader that begins.

use callboard_model::{LogId, StateFamily};
use callboard_partition::{Recovered, scan_from};
use callboard_storage::Storage;

/// Everything that [`callboard_partition::Leader::begin`] needs. Blocking; the error says what could not be read.
pub(super) fn recover(storage: &dyn Storage, log: LogId) -> Result<Recovered, String> {
    read(storage, log).map_err(|error| error.to_string())
}

fn read(storage: &dyn Storage, log: LogId) -> Result<Recovered, Box<dyn std::error::Error>> {
    let start = storage.start_offset(log)?;
    let index_first = storage.first_state(log, StateFamily::Index)?;
    let index_last = storage.last_state(log, StateFamily::Index)?;
    let from = scan_from(start, index_last.as_ref())?;
    let compaction = storage.first_state(log, StateFamily::Compaction)?;
    // Of a log that was never compacted the first and the last entry say all.
    let index = if compaction.is_some() { storage.state(log, StateFamily::Index)? } else { Vec::new() };
    Ok(Recovered {
        start,
        end: storage.end_offset(log)?,
        epochs: storage.state(log, StateFamily::Epochs)?,
        producers: storage.state(log, StateFamily::Producers)?,
        index_first,
        index_last,
        compaction,
        index,
        headers: storage.headers(log, from)?,
    })
}
