//! How RocksDB is set up: the database, its generations, its state families.

use callboard_model::StateFamily;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, LogLevel,
    Options as RocksOptions,
};

use super::keys::read_generation_name;
use crate::Options;

pub(super) const DEFAULT: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;
pub(super) const LOGS: &str = "logs";
pub(super) const RANGES: &str = "ranges";

/// More than memory has.
const NEVER_FULL: usize = 1 << 36;

/// The families that are always there.
pub(super) fn fixed() -> impl Iterator<Item = &'static str> {
    [DEFAULT, LOGS, RANGES].into_iter().chain(StateFamily::ALL.map(StateFamily::name))
}

/// Options that both databases of a node share: quiet, careful.
pub(crate) fn quiet_options() -> RocksOptions {
    let mut options = RocksOptions::default();
    options.set_paranoid_checks(true);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(3);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// The options of the database as a whole. It has no log of its own: ours is wal.rs.
pub(super) fn database(options: &Options) -> RocksOptions {
    let mut db = quiet_options();
    // It sets aside space for its own log, as much as all memtables take, unless told that the log is short.
    db.set_max_total_wal_size(1 << 20);
    // The number of open files bounds both file handles and the memory of open tables.
    db.set_max_open_files(i32::try_from(options.open_files).unwrap_or(i32::MAX));
    db.set_skip_stats_update_on_db_open(true);
    db.set_allow_concurrent_memtable_write(false);
    db.set_max_background_jobs(2);
    // Table files are written out as they grow, so that a flush does not fall on the write-ahead log's sync at once.
    db.set_bytes_per_sync(1 << 20);
    db
}

/// Memtables that end when checkpoints say so, never by their size (checkpoint.rs).
fn memtables() -> RocksOptions {
    let mut family = RocksOptions::default();
    family.set_write_buffer_size(NEVER_FULL);
    // By itself it would be a megabyte, and most families have little.
    family.set_arena_block_size(64 << 10);
    family.set_max_write_buffer_number(4);
    family
}

/// The options of families, which share one cache.
#[derive(Clone)]
pub(super) struct Families {
    cache: Cache,
}

impl Families {
    pub(super) fn new(options: &Options) -> Self {
        Self { cache: Cache::new_lru_cache(options.block_cache_bytes) }
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The options of a family by its name.
    pub(super) fn of(&self, name: &str) -> RocksOptions {
        if read_generation_name(name).is_some() { self.generation() } else { self.state() }
    }

    pub(super) fn descriptor(&self, name: &str) -> ColumnFamilyDescriptor {
        ColumnFamilyDescriptor::new(name, self.of(name))
    }

    /// Appended in key order per log, never compacted, dropped whole.
    fn generation(&self) -> RocksOptions {
        let mut family = memtables();
        family.set_disable_auto_compactions(true);
        family.set_compression_type(DBCompressionType::None);
        // Files are never merged, so their number must never slow a write down; a generation's size bounds it.
        family.set_level_zero_file_num_compaction_trigger(1 << 30);
        family.set_level_zero_slowdown_writes_trigger(1 << 30);
        family.set_level_zero_stop_writes_trigger(1 << 30);
        family.set_soft_pending_compaction_bytes_limit(0);
        family.set_hard_pending_compaction_bytes_limit(0);
        let mut table = self.table();
        // Reads are of neighbours, and the index of a terabyte must stay small; but a seek reads a block of each file.
        table.set_block_size(16 << 10);
        table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        family.set_block_based_table_factory(&table);
        family
    }

    /// Small, overwritten, compacted as usual.
    fn state(&self) -> RocksOptions {
        let mut family = memtables();
        family.set_compression_type(DBCompressionType::Lz4);
        family.set_target_file_size_base(16 << 20);
        family.set_max_bytes_for_level_base(64 << 20);
        family.set_level_compaction_dynamic_level_bytes(true);
        family.set_block_based_table_factory(&self.table());
        family
    }

    fn table(&self) -> BlockBasedOptions {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_cache_index_and_filter_blocks_with_high_priority(true);
        table.set_format_version(6);
        table
    }
}
