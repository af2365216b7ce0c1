//! What the journal does on this disk: appends through the committer at several partition counts, reads, seeks.
//!
//! `cargo bench -p callboard-storage --bench journal -- [--gib N] [--partitions 8,1000,5000] [--batch 16384,4096]
//! [--folder DIR] [--rounds N] [--sync-delay-ms N] [--one-thread] [--retention]`
//!
//! Prints medians of the rounds. Bytes written come from the system's own count for this process, so they include
//! table files, write-ahead log and everything else.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use callboard_model::{
    BatchHeader, CheckedBatch, Durability, HEADER_LEN, JournalWrite, LeaderEpoch, LogId, LogWrite, Offset,
    PartitionIndex, Prefix, StateFamily, StoredBatch, Timestamp, TopicId,
};
use callboard_storage::{
    CommitSink, Committer, CommitterOptions, Done, LogEntry, MaintenanceReport, NewLog, Opening, Options, ReadSlice,
    RetentionClass, RocksStorage, StateEntry, Storage, StorageError, Ticket, Usage,
};

#[derive(Clone)]
struct Arguments {
    gib: f64,
    partitions: Vec<usize>,
    batches: Vec<usize>,
    folder: PathBuf,
    rounds: usize,
    sync_delay: Duration,
    pipelined: bool,
    retention: bool,
}

fn arguments() -> Arguments {
    let mut arguments = Arguments {
        gib: 1.0,
        partitions: vec![8, 1000, 5000],
        batches: vec![16 << 10, 4 << 10],
        folder: std::env::temp_dir(),
        rounds: 1,
        sync_delay: Duration::ZERO,
        pipelined: true,
        retention: false,
    };
    let list = |text: &str| text.split(',').filter_map(|number| number.parse().ok()).collect::<Vec<usize>>();
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().unwrap_or_default();
        match name.as_str() {
            "--gib" => arguments.gib = value().parse().unwrap_or(arguments.gib),
            "--partitions" => arguments.partitions = list(&value()),
            "--batch" => arguments.batches = list(&value()),
            "--folder" => arguments.folder = value().into(),
            "--rounds" => arguments.rounds = value().parse().unwrap_or(1).max(1),
            "--sync-delay-ms" => arguments.sync_delay = Duration::from_millis(value().parse().unwrap_or(0)),
            "--one-thread" => arguments.pipelined = false,
            "--retention" => arguments.retention = true,
            // Cargo's own.
            "--bench" => {}
            other => println!("not known: {other}"),
        }
    }
    arguments
}

/// A journal on a disk that is slower at syncing.
#[derive(Debug)]
struct SlowSync(Arc<RocksStorage>, Duration);

impl Storage for SlowSync {
    fn apply(&self, group: &[JournalWrite]) -> Vec<Result<(), StorageError>> {
        self.0.apply(group)
    }
    fn sync_wal(&self) -> Result<(), StorageError> {
        std::thread::sleep(self.1);
        self.0.sync_wal()
    }
    fn flush_wal(&self) -> Result<(), StorageError> {
        self.0.flush_wal()
    }
    fn logs(&self) -> Vec<LogEntry> {
        self.0.logs()
    }
    fn create_logs(&self, new: &[NewLog]) -> Result<Vec<LogId>, StorageError> {
        self.0.create_logs(new)
    }
    fn set_class(&self, log: LogId, class: RetentionClass) -> Result<(), StorageError> {
        self.0.set_class(log, class)
    }
    fn drop_logs(&self, logs: &[LogId]) -> Result<(), StorageError> {
        self.0.drop_logs(logs)
    }
    fn start_offset(&self, log: LogId) -> Result<Offset, StorageError> {
        self.0.start_offset(log)
    }
    fn end_offset(&self, log: LogId) -> Result<Offset, StorageError> {
        self.0.end_offset(log)
    }
    fn read(&self, log: LogId, from: Offset, to: Offset, max: usize, one: bool) -> Result<ReadSlice, StorageError> {
        self.0.read(log, from, to, max, one)
    }
    fn headers(&self, log: LogId, from: Offset) -> Result<Vec<BatchHeader>, StorageError> {
        self.0.headers(log, from)
    }
    fn state_range(
        &self,
        log: LogId,
        family: StateFamily,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<StateEntry>, StorageError> {
        self.0.state_range(log, family, from, limit)
    }
    fn last_state(&self, log: LogId, family: StateFamily) -> Result<Option<StateEntry>, StorageError> {
        self.0.last_state(log, family)
    }
    fn state_before(&self, log: LogId, family: StateFamily, at: &[u8]) -> Result<Option<StateEntry>, StorageError> {
        self.0.state_before(log, family, at)
    }
    fn usage(&self) -> Result<Usage, StorageError> {
        self.0.usage()
    }
    fn maintain(&self, now: Timestamp) -> Result<MaintenanceReport, StorageError> {
        self.0.maintain(now)
    }
    fn close(&self) -> Result<(), StorageError> {
        self.0.close()
    }
}

/// Counts what was committed and wakes the producer.
#[derive(Default)]
struct Committed {
    count: Mutex<u64>,
    changed: Condvar,
    refused: AtomicU64,
}

impl CommitSink for Committed {
    fn committed(&self, _route: u32, done: Vec<Done>) {
        let refused = done.iter().filter(|done| done.result.is_err()).count() as u64;
        self.refused.fetch_add(refused, Ordering::Relaxed);
        *self.count.lock().expect("no holder panics") += done.len() as u64;
        self.changed.notify_one();
    }
}

impl Committed {
    fn wait_for(&self, count: u64) {
        let mut seen = self.count.lock().expect("no holder panics");
        while *seen < count {
            seen = self.changed.wait(seen).expect("no holder panics");
        }
    }
}

/// Bytes that do not compress, from a counter.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

const RECORDS: i32 = 10;

/// The batches that the load is made of; each append takes a copy and writes offset and epoch into it, as a leader does.
fn templates(len: usize) -> Vec<Bytes> {
    (0..64)
        .map(|seed| {
            let mut bytes = vec![0; HEADER_LEN];
            bytes.extend(noise(len - HEADER_LEN, seed));
            bytes[8..12].copy_from_slice(&((len - 12) as i32).to_be_bytes());
            bytes[16] = 2;
            bytes[21..61].fill(0);
            bytes[23..27].copy_from_slice(&(RECORDS - 1).to_be_bytes());
            bytes[43..51].copy_from_slice(&(-1i64).to_be_bytes());
            bytes[57..61].copy_from_slice(&RECORDS.to_be_bytes());
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            Bytes::from(bytes)
        })
        .collect()
}

fn stored(template: &Bytes, base: i64) -> StoredBatch {
    let checked = CheckedBatch::new(BytesMut::from(&template[..])).expect("made legal");
    let (header, bytes) = checked.assign(Prefix { base_offset: Offset(base), leader_epoch: LeaderEpoch(0) });
    StoredBatch { header, bytes }
}

/// Bytes that this process has had written to disk.
fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Processor time of this thread: reading from the page cache costs nothing else, and neighbours do not count.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

#[derive(Clone, Copy, Default)]
struct Round {
    append: f64,
    read: f64,
    seek_micros: f64,
    reopen_millis: f64,
    amplification: f64,
    group_kib: f64,
    sync_micros: f64,
    sync_max_micros: f64,
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn options() -> Options {
    Options { disk_reserve_bytes: 256 << 20, ..Options::default() }
}

fn open(folder: &Path) -> Arc<RocksStorage> {
    Arc::new(RocksStorage::open(folder, Opening::CreateIfMissing, &options()).expect("opens"))
}

fn create(storage: &RocksStorage, partitions: usize) -> Vec<LogId> {
    let topic = TopicId::from_bytes([1; 16]);
    let class = RetentionClass::UNBOUNDED;
    let new = (0..partitions).map(|n| NewLog { topic, partition: PartitionIndex(n as i32), class });
    storage.create_logs(&new.collect::<Vec<_>>()).expect("creates")
}

fn round(arguments: &Arguments, partitions: usize, batch: usize) -> Round {
    let folder = arguments.folder.join(format!("callboard-bench-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let storage = open(&folder);
    let logs = create(&storage, partitions);
    let batches = ((arguments.gib * (1u64 << 30) as f64) / batch as f64) as u64;
    let templates = templates(batch);
    let sink = Arc::new(Committed::default());
    let slow: Arc<dyn Storage> = match arguments.sync_delay {
        Duration::ZERO => Arc::clone(&storage) as _,
        delay => Arc::new(SlowSync(Arc::clone(&storage), delay)),
    };
    let options = CommitterOptions { pipelined: arguments.pipelined, ..CommitterOptions::default() };
    let in_flight = options.in_flight_bytes / batch as u64;
    let fatal = Box::new(|error: &StorageError| panic!("{error}"));
    let committer = Committer::start(slow, Arc::clone(&sink) as _, fatal, options).expect("starts");
    let handle = committer.handle();
    let before = written_bytes();
    let begun = Instant::now();
    for number in 0..batches {
        // No more outstanding than the bound, as clients with bounded requests in flight would have it.
        if number >= in_flight {
            sink.wait_for(number - in_flight);
        }
        let log = logs[(number % partitions as u64) as usize];
        let base = (number / partitions as u64) as i64 * i64::from(RECORDS);
        let write = JournalWrite {
            log,
            durability: Durability::Synced,
            writes: vec![LogWrite::Append(stored(&templates[number as usize % templates.len()], base))],
        };
        handle.submit(write, Ticket { route: log.0 % 2, log, seq: number });
    }
    sink.wait_for(batches);
    let append = begun.elapsed();
    let stats = Arc::clone(handle.stats());
    committer.stop();
    drop(handle);
    assert_eq!(sink.refused.load(Ordering::Relaxed), 0, "nothing is refused");
    storage.close().expect("closes");
    drop(storage);
    // Including everything that closing writes out: nothing is left in memory.
    let amplification = (written_bytes() - before) as f64 / (batches * batch as u64) as f64;
    let begun = Instant::now();
    let storage = open(&folder);
    let reopen = begun.elapsed();
    let read = read_all(&storage, &logs);
    let seek = seeks(&storage, &logs, batch);
    drop(storage);
    std::fs::remove_dir_all(&folder).expect("removes");
    let mib = (batches * batch as u64) as f64 / (1 << 20) as f64;
    Round {
        append: mib / append.as_secs_f64(),
        read,
        seek_micros: seek,
        reopen_millis: reopen.as_secs_f64() * 1e3,
        amplification,
        group_kib: mib * 1024.0 / stats.syncs().max(1) as f64,
        sync_micros: stats.sync_time().as_secs_f64() * 1e6 / stats.syncs().max(1) as f64,
        sync_max_micros: stats.sync_time_max().as_secs_f64() * 1e6,
    }
}

fn read_all(storage: &RocksStorage, logs: &[LogId]) -> f64 {
    let begun = processor_time();
    let mut bytes = 0;
    for log in logs {
        let mut from = Offset(0);
        loop {
            let read = storage.read(*log, from, Offset(i64::MAX), 1 << 20, true).expect("reads");
            if read.bytes.is_empty() {
                break;
            }
            bytes += read.bytes.len();
            from = read.next;
        }
    }
    bytes as f64 / f64::from(1 << 20) / (processor_time() - begun).as_secs_f64()
}

/// Microseconds of a read of four batches at a random place.
fn seeks(storage: &RocksStorage, logs: &[LogId], batch: usize) -> f64 {
    const SEEKS: u64 = 5000;
    let begun = processor_time();
    let mut state = 7u64;
    for _ in 0..SEEKS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let log = logs[(state >> 33) as usize % logs.len()];
        let end = storage.end_offset(log).expect("there").0.max(1);
        // Where a batch begins, as a consumer goes on.
        let from = Offset((state >> 20) as i64 % end / i64::from(RECORDS) * i64::from(RECORDS));
        storage.read(log, from, Offset(i64::MAX), 4 * batch, true).expect("reads");
    }
    (processor_time() - begun).as_secs_f64() * 1e6 / SEEKS as f64
}

/// Time from the moment when retention has passed a generation until its bytes are back on the disk.
fn retention(arguments: &Arguments) {
    let folder = arguments.folder.join(format!("callboard-bench-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let storage = open(&folder);
    let logs = create(&storage, 1000);
    let templates = templates(16 << 10);
    let batches = ((arguments.gib * (1u64 << 30) as f64) / (16 << 10) as f64) as i64;
    for number in 0..batches {
        let log = logs[(number % 1000) as usize];
        let batch = stored(&templates[number as usize % 64], number / 1000 * i64::from(RECORDS));
        let write = JournalWrite { log, durability: Durability::Written, writes: vec![LogWrite::Append(batch)] };
        assert!(storage.apply(&[write])[0].is_ok());
    }
    storage.sync_wal().expect("syncs");
    let used = |folder: &Path| -> u64 {
        let files = std::fs::read_dir(folder.join("db")).expect("there").flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    };
    storage.maintain(Timestamp(0)).expect("maintains");
    let before = used(&folder);
    for log in &logs {
        let end = storage.end_offset(*log).expect("there");
        let write = JournalWrite { log: *log, durability: Durability::Written, writes: vec![LogWrite::SetStart(end)] };
        assert!(storage.apply(&[write])[0].is_ok());
    }
    let begun = Instant::now();
    let mut now = 0;
    while used(&folder) > before / 10 && begun.elapsed() < Duration::from_secs(120) {
        now += 1000;
        let report = storage.maintain(Timestamp(now)).expect("maintains");
        println!("  {:>5.1} s: {} MiB used, {report:?}", begun.elapsed().as_secs_f64(), used(&folder) >> 20);
        std::thread::sleep(Duration::from_millis(1000));
    }
    println!(
        "retention: {} of {} MiB were back after {:?}",
        (before - used(&folder)) >> 20,
        before >> 20,
        begun.elapsed()
    );
    drop(storage);
    std::fs::remove_dir_all(&folder).expect("removes");
}

fn main() {
    let arguments = arguments();
    if arguments.retention {
        return retention(&arguments);
    }
    let mode = if arguments.pipelined { "two threads" } else { "one thread" };
    println!("{} GiB, {} rounds, synced, {mode}, sync + {:?}", arguments.gib, arguments.rounds, arguments.sync_delay);
    println!(
        "partitions  batch  append MB/s  read MB/s  seek us  written/produced  group KiB  sync us  max  reopen ms"
    );
    for batch in &arguments.batches {
        // Rounds of all partition counts in turn, so that a disturbance of the machine does not fall on one of them.
        let mut rounds = vec![Vec::new(); arguments.partitions.len()];
        for _ in 0..arguments.rounds {
            for (at, partitions) in arguments.partitions.iter().enumerate() {
                rounds[at].push(round(&arguments, *partitions, *batch));
            }
        }
        for (partitions, rounds) in arguments.partitions.iter().zip(&rounds) {
            println!(
                "{partitions:>10} {batch:>6} {:>12.0} {:>10.0} {:>8.1} {:>17.2} {:>10.0} {:>8.0} {:>6.0} {:>8.1}",
                median(rounds, |round| round.append),
                median(rounds, |round| round.read),
                median(rounds, |round| round.seek_micros),
                median(rounds, |round| round.amplification),
                median(rounds, |round| round.group_kib),
                median(rounds, |round| round.sync_micros),
                median(rounds, |round| round.sync_max_micros),
                median(rounds, |round| round.reopen_millis),
            );
        }
        let of = |at: usize| median(&rounds[at], |round| round.append);
        println!("{batch} bytes: last/first throughput {:.2}", of(rounds.len() - 1) / of(0));
    }
}
