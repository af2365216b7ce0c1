//! Section `[storage]`: where and how the data lies.

use std::path::PathBuf;

use crate::key::section;
use crate::value::ByteSize;

section! {
    storage:
    /// Where and how the data lies.
    StorageSettings {
        /// The folder that holds everything this node stores. One node per folder; it is made when it is missing.
        /// `callboard dev` puts it into the user's data folder instead.
        data_dir: PathBuf = "/var/lib/callboard", kafka "log.dirs";
        /// Keep everything in memory and forget it at the end of the process; `data_dir` is then not touched. For trying
        /// things out and for tests only.
        memory: bool = "false";
        /// Bytes of records that a node with `storage.memory` holds at most; beyond, produce requests are refused as on a
        /// full disk, until retention or deleted topics make room.
        memory_max_bytes: ByteSize = "2GiB", unit "bytes", from "1MiB" to "16TiB";
        /// Size at which a generation of the log is sealed and the next one opened. Retention gives disk back in whole
        /// generations: smaller ones return it sooner, larger ones keep fewer files open. The files of two, if they are at
        /// most a sixteenth of what is free, are kept to be written over, which takes half the time.
        generation_bytes: ByteSize = "512MiB", unit "bytes", from "1MiB" to "64GiB";
        /// Size of the write-ahead log beyond which producers wait until what it holds is written to tables, which begins
        /// at a quarter of it. After a crash at most so much is replayed.
        wal_bytes: ByteSize = "256MiB", unit "bytes", from "1MiB" to "64GiB";
        /// Memory that changes not yet in tables may take, about; producers wait beyond it, and tables are begun at a
        /// quarter of it.
        memtables_total_bytes: ByteSize = "96MiB", unit "bytes", from "1MiB" to "64GiB";
        /// Free disk space below which produce requests are refused (reads go on, and produce comes back by itself when
        /// there is space again). Leave room for compaction and for an operator to work in.
        disk_reserve_bytes: ByteSize = "1GiB", unit "bytes", from "0" to "16TiB";
        /// Memory for the newest batches of all partitions, so that readers at the end of a log never touch the disk.
        tail_cache_bytes: ByteSize = "64MiB", unit "bytes", from "0" to "1TiB";
        /// Start even though the data folder has lost records that were acknowledged, and go on with what is left; a copy of
        /// what was damaged is kept. For one start, after a start-up error named it as a choice; then take it away again.
        accept_data_loss: bool = "false";
    }
}
