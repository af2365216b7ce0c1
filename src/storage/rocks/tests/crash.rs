//! kill -9 and power cuts: what was synced is there, and groups are there whole or not at all.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use callboard_model::{LogWrite, StateFamily};

use super::*;
use crate::contract::{batch, write};
use callboard_model::Timestamp;

const FOLDER: &str = "CALLBOARD_CRASH_FOLDER";
const LOGS: i32 = 3;

/// A copy of a journal's folder as a killed process would leave it: without what it still had in memory.
pub(super) fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for part in ["", "db", "payload", "wal"] {
        let (from, to) = (folder.join(part), copy.path().join(part));
        let Ok(files) = std::fs::read_dir(&from) else { continue };
        std::fs::create_dir_all(&to).expect("creates");
        for file in files.flatten().filter(|file| file.path().is_file()) {
            if file.file_name() != "LOCK" {
                std::fs::copy(file.path(), to.join(file.file_name())).expect("copies");
            }
        }
    }
    copy
}

fn group(logs: &[LogId], round: i64) -> Vec<JournalWrite> {
    let append = |log: &LogId| {
        let put = LogWrite::Put { family: StateFamily::Producers, key: vec![0], value: round.to_be_bytes().to_vec() };
        write(*log, vec![LogWrite::Append(batch(round, 1, &[round as u8; 700])), put])
    };
    logs.iter().map(append).collect()
}

/// Run by the test below in a process of its own, which is killed: writes groups and says what was synced. On its own it
/// has no folder to write to and ends at once.
#[test]
fn victim() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let storage = open(Path::new(&folder));
    let logs: Vec<_> = (0..LOGS)
        .map(|n| storage.create_log(topic(1), PartitionIndex(n), RetentionClass::UNBOUNDED).expect("creates"))
        .collect();
    let from = storage.end_offset(logs[0]).expect("there").0;
    let mut out = std::io::stdout();
    for round in from.. {
        assert!(storage.apply(&group(&logs, round)).iter().all(Result::is_ok));
        if round % 3 == 0 {
            storage.sync_wal().expect("syncs");
            writeln!(out, "synced {}", round + 1).and_then(|()| out.flush()).expect("the killer reads");
        }
        if round % 50 == 0 {
            let start = LogWrite::SetStart(Offset((round - 100).max(0)));
            let moves: Vec<_> = logs.iter().map(|log| write(*log, vec![start.clone()])).collect();
            assert!(storage.apply(&moves).iter().all(Result::is_ok));
            storage.maintain(Timestamp(round * 10)).expect("maintains");
        }
    }
}

/// The first line may follow the test runner's own words, the last may be cut off in its number: then it says less.
fn synced_end(line: &str) -> Option<i64> {
    line.split_once("synced ")?.1.trim().parse().ok()
}

#[test]
fn a_killed_process_loses_nothing_that_was_synced_and_tears_no_group() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dice = walk::Dice(7);
    let mut synced = 0;
    let (_, here) = module_path!().split_once("::").expect("the test runner leaves the crate's name out");
    for kill in 0..8 {
        let mut victim = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", &format!("{here}::victim"), "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
        let mut wanted = 1 + dice.below(120);
        while wanted > 0 {
            let line = lines.next().expect("the victim writes until it is killed").unwrap_or_default();
            if let Some(end) = synced_end(&line) {
                synced = end;
                wanted -= 1;
            }
        }
        victim.kill().expect("kills");
        victim.wait().expect("dies");
        for end in lines.map_while(Result::ok).filter_map(|line| synced_end(&line)) {
            synced = synced.max(end);
        }
        let storage = RocksStorage::open(folder.path(), Opening::MustExist, &small()).expect("opens");
        assert!(!storage.recovery().clean);
        let logs: Vec<_> = storage.logs().iter().map(|entry| entry.log).collect();
        let ends: Vec<_> = logs.iter().map(|log| storage.end_offset(*log).expect("there").0).collect();
        assert!(ends.iter().all(|end| *end == ends[0]), "kill {kill}: torn groups {ends:?}");
        assert!(ends[0] >= synced, "kill {kill}: {synced} were synced, {} are there", ends[0]);
        for log in logs {
            let last = storage.last_state(log, StateFamily::Producers).expect("reads").expect("written").1;
            assert_eq!(last, (ends[0] - 1).to_be_bytes(), "kill {kill}: state and log agree");
            let start = storage.start_offset(log).expect("there");
            let headers = storage.headers(log, start).expect("reads");
            let bases: Vec<_> = headers.iter().map(|header| header.base_offset.0).collect();
            assert_eq!(bases, (start.0..ends[0]).collect::<Vec<_>>(), "kill {kill}");
        }
    }
    assert!(synced > 50, "{synced}");
}

#[test]
fn what_was_applied_outlives_the_process() {
    let (folder, storage) = fresh();
    let logs: Vec<_> = (0..LOGS)
        .map(|n| storage.create_log(topic(1), PartitionIndex(n), RetentionClass::UNBOUNDED).expect("creates"))
        .collect();
    assert!(storage.apply(&group(&logs, 0)).iter().all(Result::is_ok));
    storage.sync_wal().expect("syncs");
    assert!(storage.apply(&group(&logs, 1)).iter().all(Result::is_ok));
    storage.flush_wal().expect("was handed over");
    let copy = copy_of(folder.path());
    let after = open(copy.path());
    let ends: Vec<_> = logs.iter().map(|log| after.end_offset(*log).expect("there").0).collect();
    assert_eq!(ends, [2; LOGS as usize], "synced or not");
}
