//! How the journal is laid out and bounded; every field has a default that suits a small machine.

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// Whether a folder must hold data already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Take what is there, begin anew where nothing is.
    CreateIfMissing,
    /// Data was here before: finding none is an error and never a new beginning.
    MustExist,
}

/// The journal's layout and bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Bytes after which a generation takes no more appends. Smaller: space comes back sooner. Larger: fewer files.
    pub generation_bytes: u64,
    /// How long a generation takes appends; `None` follows its class.
    pub generation_age: Option<Duration>,
    /// Bytes of changes kept in memory, about: appends wait beyond it. From a quarter on tables are written.
    pub memtables_bytes: usize,
    /// Bytes of write-ahead log, bounding the time of recovery: appends wait beyond it. From a quarter on tables are written.
    pub wal_bytes: u64,
    /// Bytes of blocks and indexes kept in memory.
    pub block_cache_bytes: usize,
    /// Table files held open.
    pub open_files: u32,
    /// Bytes that must stay free on the disk: below it appends are refused, reads and retention go on.
    pub disk_reserve_bytes: u64,
    /// Percent of a sealed generation's bytes that may still be alive for it to be evacuated.
    pub evacuate_below_percent: u8,
    /// How long a generation has to stay below that before it is evacuated; `None` is its class's generation age, or a
    /// minute if its logs are compacted.
    /// Retention alone empties most generations soon after; copying those would be a waste.
    pub evacuate_after: Option<Duration>,
    /// Bytes that one call of maintenance copies at most.
    pub evacuate_bytes: u64,
    /// Bytes of batches from which on a group's batches go to their files only; those of smaller groups pass through the
    /// write-ahead log.
    pub spill_group_bytes: usize,
    /// Bytes from which on a batch lies in a file beside the database; smaller ones cost less inside.
    pub spill_batch_bytes: usize,
    /// Go on after losing data: what cannot be read is given up, a copy of the damaged folder is kept.
    pub accept_data_loss: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            generation_bytes: 512 * MIB as u64,
            generation_age: None,
            memtables_bytes: 96 * MIB,
            wal_bytes: 256 * MIB as u64,
            block_cache_bytes: 32 * MIB,
            open_files: 512,
            disk_reserve_bytes: 1024 * MIB as u64,
            evacuate_below_percent: 35,
            evacuate_after: None,
            evacuate_bytes: 64 * MIB as u64,
            spill_group_bytes: MIB / 4,
            spill_batch_bytes: 1 << 10,
            accept_data_loss: false,
        }
    }
}
