use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use bytes::Bytes;
use callboard_model::{BatchHeader, Durability, LogWrite, Offset, PartitionIndex, StateFamily, Timestamp};

use super::*;
use crate::contract::{batch, topic};
use crate::{LogEntry, MaintenanceReport, MemoryStorage, NewLog, ReadSlice, RetentionClass, StateEntry, Usage};

/// A journal in memory whose syncs are counted, held back, or fail.
#[derive(Debug, Default)]
struct Slow {
    inner: MemoryStorage,
    /// Syncs wait while this is locked.
    gate: Mutex<()>,
    syncs: AtomicUsize,
    applies: AtomicUsize,
    /// Groups and syncs as they happen.
    story: Mutex<Vec<String>>,
    fail_sync: AtomicBool,
    fail_apply: AtomicBool,
}

fn broken() -> StorageError {
    StorageError::Engine { doing: "sync the write-ahead log", detail: "the disk is gone".into() }
}

impl Storage for Slow {
    fn apply(&self, group: &[JournalWrite]) -> Vec<Result<(), StorageError>> {
        if self.fail_apply.load(Ordering::Relaxed) {
            return vec![Err(broken()); group.len()];
        }
        self.applies.fetch_add(1, Ordering::Relaxed);
        lock(&self.story).push(format!("apply {}", group.len()));
        self.inner.apply(group)
    }
    fn sync_wal(&self) -> Result<(), StorageError> {
        lock(&self.story).push("sync begins".to_owned());
        let _open = lock(&self.gate);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        lock(&self.story).push("sync ends".to_owned());
        if self.fail_sync.load(Ordering::Relaxed) { Err(broken()) } else { self.inner.sync_wal() }
    }
    fn flush_wal(&self) -> Result<(), StorageError> {
        self.inner.flush_wal()
    }
    fn logs(&self) -> Vec<LogEntry> {
        self.inner.logs()
    }
    fn create_logs(&self, new: &[NewLog]) -> Result<Vec<LogId>, StorageError> {
        self.inner.create_logs(new)
    }
    fn set_class(&self, log: LogId, class: RetentionClass) -> Result<(), StorageError> {
        self.inner.set_class(log, class)
    }
    fn drop_logs(&self, logs: &[LogId]) -> Result<(), StorageError> {
        self.inner.drop_logs(logs)
    }
    fn start_offset(&self, log: LogId) -> Result<Offset, StorageError> {
        self.inner.start_offset(log)
    }
    fn end_offset(&self, log: LogId) -> Result<Offset, StorageError> {
        self.inner.end_offset(log)
    }
    fn read(&self, log: LogId, from: Offset, to: Offset, max: usize, one: bool) -> Result<ReadSlice, StorageError> {
        self.inner.read(log, from, to, max, one)
    }
    fn headers(&self, log: LogId, from: Offset) -> Result<Vec<BatchHeader>, StorageError> {
        self.inner.headers(log, from)
    }
    fn state_range(
        &self,
        log: LogId,
        family: StateFamily,
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<StateEntry>, StorageError> {
        self.inner.state_range(log, family, from, limit)
    }
    fn last_state(&self, log: LogId, family: StateFamily) -> Result<Option<StateEntry>, StorageError> {
        self.inner.last_state(log, family)
    }
    fn state_before(&self, log: LogId, family: StateFamily, at: &[u8]) -> Result<Option<StateEntry>, StorageError> {
        self.inner.state_before(log, family, at)
    }
    fn usage(&self) -> Result<Usage, StorageError> {
        self.inner.usage()
    }
    fn maintain(&self, now: Timestamp) -> Result<MaintenanceReport, StorageError> {
        self.inner.maintain(now)
    }
    fn close(&self) -> Result<(), StorageError> {
        self.inner.close()
    }
}

struct Channel(Mutex<Sender<(u32, Vec<Done>)>>);

impl CommitSink for Channel {
    fn committed(&self, route: u32, done: Vec<Done>) {
        // A test that has seen enough has dropped its end.
        let _ = lock(&self.0).send((route, done));
    }
}

struct Bench {
    storage: Arc<Slow>,
    committer: Committer,
    done: Receiver<(u32, Vec<Done>)>,
    fatal: Arc<Mutex<Vec<StorageError>>>,
    logs: Vec<LogId>,
}

fn bench(options: CommitterOptions) -> Bench {
    let storage = Arc::new(Slow::default());
    let class = RetentionClass::UNBOUNDED;
    let new: Vec<_> = (0..4).map(|n| NewLog { topic: topic(1), partition: PartitionIndex(n), class }).collect();
    let logs = storage.create_logs(&new).expect("creates");
    let (sender, done) = channel();
    let fatal = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&fatal);
    let on_fatal: OnFatal = Box::new(move |error| lock(&seen).push(error.clone()));
    let sink = Arc::new(Channel(Mutex::new(sender)));
    let committer = Committer::start(Arc::clone(&storage) as _, sink, on_fatal, options).expect("starts");
    Bench { storage, committer, done, fatal, logs }
}

impl Bench {
    fn write(&self, log: usize, base: i64, durability: Durability) -> (JournalWrite, Ticket) {
        let log = self.logs[log];
        let writes = vec![LogWrite::Append(batch(base, 1, &Bytes::from(vec![1; 1000])))];
        (JournalWrite { log, durability, writes }, Ticket { route: log.0 % 2, log, seq: base as u64 })
    }

    fn next(&self) -> (u32, Vec<Done>) {
        self.done.recv_timeout(Duration::from_secs(10)).expect("an answer comes")
    }

    fn quiet(&self) -> bool {
        self.done.recv_timeout(Duration::from_millis(150)).is_err()
    }

    fn wait_for(&self, what: &str) {
        let begun = Instant::now();
        while !lock(&self.storage.story).iter().any(|line| line == what) {
            assert!(begun.elapsed() < Duration::from_secs(10), "{what} never happens");
            std::thread::yield_now();
        }
    }
}

fn both(run: impl Fn(CommitterOptions)) {
    for pipelined in [true, false] {
        run(CommitterOptions { pipelined, ..CommitterOptions::default() });
    }
}

#[test]
fn every_write_is_answered_once_in_order_and_after_its_sync() {
    both(|options| {
        let bench = bench(options);
        let handle = bench.committer.handle();
        const WRITES: i64 = 2000;
        for base in 0..WRITES {
            handle.submit_many((0..4).map(|log| bench.write(log, base, Durability::Synced)));
        }
        let mut seen = vec![Vec::new(); 4];
        while seen.iter().map(Vec::len).sum::<usize>() < 4 * WRITES as usize {
            let (route, done) = bench.next();
            for Done { ticket, result } in done {
                assert_eq!((ticket.route, result), (route, Ok(())));
                let at = bench.logs.iter().position(|log| *log == ticket.log).expect("one of ours");
                seen[at].push(ticket.seq as i64);
            }
        }
        for seen in seen {
            assert_eq!(seen, (0..WRITES).collect::<Vec<_>>());
        }
        assert_eq!(handle.stats().in_flight_bytes(), 0);
        assert_eq!(handle.stats().in_flight_writes(), 0);
        assert_eq!(handle.stats().writes(), 4 * WRITES as u64);
        assert!(handle.stats().groups() <= 4 * WRITES as u64 && handle.stats().syncs() > 0);
        assert!(bench.done.try_recv().is_err(), "and never twice");
    });
}

#[test]
fn nothing_is_answered_before_its_own_sync_ended() {
    both(|options| {
        let bench = bench(options);
        let handle = bench.committer.handle();
        let gate = lock(&bench.storage.gate);
        let (write, ticket) = bench.write(0, 0, Durability::Synced);
        handle.submit(write, ticket);
        bench.wait_for("sync begins");
        let (write, ticket) = bench.write(1, 0, Durability::Synced);
        handle.submit(write, ticket);
        assert!(bench.quiet(), "the sync has not ended");
        drop(gate);
        assert_eq!(bench.next().1[0].ticket.log, bench.logs[0]);
        assert_eq!(bench.next().1[0].ticket.log, bench.logs[1]);
        assert_eq!(bench.storage.syncs.load(Ordering::Relaxed), 2, "the second came too late for the first sync");
    });
}

#[test]
fn what_gathers_during_a_sync_becomes_one_group_and_one_sync() {
    both(|options| {
        let bench = bench(options);
        let handle = bench.committer.handle();
        let gate = lock(&bench.storage.gate);
        let (write, ticket) = bench.write(0, 0, Durability::Synced);
        handle.submit(write, ticket);
        bench.wait_for("sync begins");
        for base in 0..100 {
            let (write, ticket) = bench.write(1, base, Durability::Synced);
            handle.submit(write, ticket);
        }
        std::thread::sleep(Duration::from_millis(50));
        drop(gate);
        let mut answered = 0;
        while answered < 101 {
            answered += bench.next().1.len();
        }
        assert_eq!(bench.storage.syncs.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn the_next_group_is_applied_while_one_syncs_if_it_waits_already() {
    // Each write is a group of its own.
    let bench = bench(CommitterOptions { group_bytes: 1, ..CommitterOptions::default() });
    let handle = bench.committer.handle();
    let gate = lock(&bench.storage.gate);
    handle.submit_many((0..3).map(|log| bench.write(log, 0, Durability::Synced)));
    let applied = || lock(&bench.storage.story).iter().filter(|line| *line == "apply 1").count();
    let begun = Instant::now();
    while applied() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(10), "all are applied: {:?}", lock(&bench.storage.story));
        std::thread::yield_now();
    }
    assert!(bench.quiet(), "the first sync has not ended");
    drop(gate);
    let answered: usize = (0..2).map(|_| bench.next().1.len()).sum();
    assert!(answered >= 2);
}

#[test]
fn a_group_is_bounded_by_its_bytes_and_one_large_write_passes() {
    let bench = bench(CommitterOptions { group_bytes: 10_000, ..CommitterOptions::default() });
    let handle = bench.committer.handle();
    let mut writes: Vec<_> = (0..50).map(|base| bench.write(0, base, Durability::Synced)).collect();
    let (mut large, ticket) = bench.write(1, 0, Durability::Synced);
    large.writes = vec![LogWrite::Append(batch(0, 1, &[0; 50_000]))];
    writes.push((large, ticket));
    handle.submit_many(writes);
    let mut answered = 0;
    while answered < 51 {
        answered += bench.next().1.iter().filter(|done| done.result.is_ok()).count();
    }
    let story = lock(&bench.storage.story).clone();
    let sizes = story.iter().filter_map(|line| line.strip_prefix("apply ")?.parse::<usize>().ok());
    assert!(sizes.clone().all(|size| size <= 8), "{story:?}");
    assert_eq!(sizes.sum::<usize>(), 51);
}

#[test]
fn what_need_only_be_written_does_not_wait_for_a_sync_and_is_synced_soon() {
    both(|options| {
        let bench = bench(options);
        let handle = bench.committer.handle();
        {
            let _gate = lock(&bench.storage.gate);
            for base in 0..3 {
                let (write, ticket) = bench.write(0, base, Durability::Written);
                handle.submit(write, ticket);
                assert_eq!(bench.next().1[0].ticket.seq, base as u64);
            }
        }
        let begun = Instant::now();
        while bench.storage.syncs.load(Ordering::Relaxed) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(5), "never synced");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(bench.storage.inner.crash().end_offset(bench.logs[0]), Ok(Offset(3)));
    });
}

#[test]
fn a_refused_write_is_told_and_the_others_go_on() {
    both(|options| {
        let bench = bench(options);
        let handle = bench.committer.handle();
        handle.submit_many([bench.write(0, 0, Durability::Synced), bench.write(0, 5, Durability::Synced)]);
        handle.submit_many([bench.write(0, 1, Durability::Synced)]);
        let mut results = Vec::new();
        while results.len() < 3 {
            results.extend(bench.next().1.into_iter().map(|done| done.result));
        }
        let refused = StorageError::NotContiguous { log: bench.logs[0], expected: Offset(1), given: Offset(5) };
        assert_eq!(results, [Ok(()), Err(CommitError::Refused(refused)), Ok(())]);
        assert_eq!(lock(&bench.fatal).len(), 0);
    });
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    both(|options| {
        let bench = bench(options);
        let handle = bench.committer.handle();
        bench.storage.fail_sync.store(true, Ordering::Relaxed);
        let (write, ticket) = bench.write(0, 0, Durability::Synced);
        handle.submit(write, ticket);
        assert_eq!(bench.next().1[0].result, Err(CommitError::Failed(broken())));
        bench.storage.fail_sync.store(false, Ordering::Relaxed);
        for (base, durability) in [(1, Durability::Synced), (2, Durability::Written)] {
            let (write, ticket) = bench.write(0, base, durability);
            handle.submit(write, ticket);
            assert_eq!(bench.next().1[0].result, Err(CommitError::Failed(broken())));
        }
        assert_eq!(*lock(&bench.fatal), [broken()], "told once");
        assert_eq!(handle.stats().in_flight_writes(), 0);
    });
}

#[test]
fn a_failed_write_is_fatal_for_its_whole_group() {
    both(|options| {
        let bench = bench(options);
        let handle = bench.committer.handle();
        bench.storage.fail_apply.store(true, Ordering::Relaxed);
        handle.submit_many([bench.write(0, 0, Durability::Written), bench.write(0, 1, Durability::Synced)]);
        let mut results = Vec::new();
        while results.len() < 2 {
            results.extend(bench.next().1.into_iter().map(|done| done.result));
        }
        assert!(results.iter().all(|result| *result == Err(CommitError::Failed(broken()))), "{results:?}");
        assert_eq!(lock(&bench.fatal).len(), 1);
    });
}

#[test]
fn stopping_ends_what_was_submitted_and_refuses_what_comes_after() {
    both(|options| {
        let bench = bench(options);
        let handle = bench.committer.handle();
        handle.submit_many((0..500).map(|base| bench.write(0, base, Durability::Synced)));
        handle.submit_many((0..500).map(|base| bench.write(1, base, Durability::Written)));
        let late = bench.write(2, 0, Durability::Synced);
        bench.committer.stop();
        handle.submit(late.0, late.1);
        let mut results: Vec<_> = bench.done.try_iter().flat_map(|(_, done)| done).map(|done| done.result).collect();
        assert_eq!(results.pop(), Some(Err(CommitError::Stopped)));
        assert_eq!(results, vec![Ok(()); 1000]);
        assert_eq!(bench.storage.inner.crash().end_offset(bench.logs[1]), Ok(Offset(500)), "synced at the end");
    });
}

#[test]
fn room_ends_at_the_bound_and_comes_back() {
    let bench = bench(CommitterOptions { in_flight_bytes: 10_000, ..CommitterOptions::default() });
    let handle = bench.committer.handle();
    let gate = lock(&bench.storage.gate);
    assert!(handle.has_room());
    let mut submitted = 0;
    while handle.has_room() {
        let (write, ticket) = bench.write(0, submitted, Durability::Synced);
        handle.submit(write, ticket);
        submitted += 1;
    }
    assert!((7..=10).contains(&submitted), "{submitted}");
    drop(gate);
    let mut answered = 0;
    while answered < submitted as usize {
        answered += bench.next().1.len();
    }
    assert!(handle.has_room());
}
