//! kill -9 of a real node while groups join, read, commit and leave: no committed offset goes back, no group stays stuck,
//! every acknowledged record reaches every group at least once.
//!
//! `CALLBOARD_KILLS` says how often (100 for the long form), `CALLBOARD_SEED` repeats a run's dice.

#[path = "../panics/dice.rs"]
mod dice;
#[path = "../panics/members.rs"]
mod members;
#[path = "../panics/producer.rs"]
mod producer;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard_model::{Batches, CONSUMER_OFFSETS, PartitionIndex};
use callboard_test_client::{Client, FetchFrom, FetchLimits, Node, OffsetAt};

use dice::Dice;
use members::{Reading, attend, compact_groups_all_the_time};
use producer::{Seen, produce};

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 4;
/// Groups and their members.
const GROUPS: [(&str, usize); 3] = [("billing", 3), ("fraud", 2), ("audit", 4)];
/// As the settings say.
const OFFSETS_PARTITIONS: i32 = 4;
const SETTINGS: [&str; 3] = [
    "groups.offsets_topic_num_partitions=4",
    "groups.initial_rebalance_delay=50ms",
    "storage.disk_reserve_bytes=16MiB",
];
const LOG_LINES_TOLD: usize = 60;
/// Kills when nothing else is said.
const SHORT: u64 = 8;
/// Load between two kills, in milliseconds: shorter than a rebalance that waits for members who will not come back.
const LOAD: (usize, usize) = (50, 1500);
/// After so many kills every group has to come to itself: a member that left and is in the log again is waited for, for
/// the time of a rebalance.
const RESPITE_EVERY: u64 = 4;
/// How long that may take.
const COMMITS_WITHIN: Duration = Duration::from_secs(30);
/// How long groups may take to read what is left once nothing fails any more.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(60);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn groups_outlive_every_kill_of_their_node() {
    let kills = setting("CALLBOARD_KILLS", SHORT);
    let seed = setting("CALLBOARD_SEED", std::process::id().into());
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let folder = tempfile::tempdir().expect("a temp folder");
    let settings = SETTINGS.iter().map(|setting| (*setting).to_owned()).collect();
    let mut node = Node::new(Path::new(env!("CARGO_BIN_EXE_callboard")), folder.path(), settings).expect("a place");
    node.spawn().expect("the node starts");
    node.wait_ready(&[], 0).expect("the node serves");
    let address = node.address();
    let mut client = Client::connect(address, producer::CALL).expect("a connection");
    client.create_topic(TOPIC, PARTITIONS, &[]).expect("a topic");
    client.find_coordinator("any").expect("an answer").expect("the topic of groups is made");
    compact_groups_all_the_time(&mut client);

    let seen = Arc::new(Seen::default());
    let (stop_writing, stop_reading) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let writing = {
        let (seen, stop, dice) = (Arc::clone(&seen), Arc::clone(&stop_writing), Dice(dice.below(usize::MAX) as u64));
        std::thread::spawn(move || produce(address, TOPIC, PARTITIONS, &seen, &stop, dice))
    };
    let mut readings = Vec::new();
    let mut members: Vec<JoinHandle<Result<(), String>>> = Vec::new();
    for (group, count) in GROUPS {
        let reading = Arc::new(Reading::new(group.to_owned(), TOPIC, PARTITIONS));
        readings.push(Arc::clone(&reading));
        for _ in 0..count {
            let (seen, stop, reading) = (Arc::clone(&seen), Arc::clone(&stop_reading), Arc::clone(&reading));
            let dice = Dice(dice.below(usize::MAX) as u64);
            members.push(std::thread::spawn(move || attend(address, &reading, &seen, &stop, dice)));
        }
    }

    let began = Instant::now();
    let (mut killed, mut longest, mut faults) = (0, Duration::ZERO, Vec::new());
    while faults.is_empty() && killed < kills && !writing.is_finished() && !members.iter().any(JoinHandle::is_finished)
    {
        std::thread::sleep(Duration::from_millis((LOAD.0 + dice.below(LOAD.1 - LOAD.0)) as u64));
        node.kill().expect("the node runs");
        node.spawn().expect("the node starts again");
        node.wait_ready(&[TOPIC], PARTITIONS as usize).expect("the node serves again");
        killed += 1;
        if killed % RESPITE_EVERY == 0 {
            let restarted = Instant::now();
            let before: Vec<u64> = readings.iter().map(|reading| reading.commits.load(Ordering::Relaxed)).collect();
            let stuck = || {
                let now = readings.iter().map(|reading| reading.commits.load(Ordering::Relaxed));
                now.zip(&before).position(|(now, before)| now <= *before)
            };
            while let Some(group) = stuck() {
                if restarted.elapsed() > COMMITS_WITHIN {
                    faults.push(format!("{} does not commit {COMMITS_WITHIN:?} after a kill", readings[group].group));
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            longest = longest.max(restarted.elapsed());
        }
    }
    let raged = began.elapsed();
    stop_writing.store(true, Ordering::Relaxed);
    let ledger = writing.join().expect("the producer does not panic").unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    let until = Instant::now() + CAUGHT_UP_WITHIN;
    for reading in &readings {
        let has_all = || reading.missing().iter().zip(&ledger).all(|(missing, wanted)| missing >= wanted);
        while !has_all() && Instant::now() < until && !members.iter().any(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !has_all() {
            let (group, missing) = (&reading.group, reading.missing());
            faults.push(format!("{group} was given all before {missing:?} only, {ledger:?} was acknowledged"));
        }
    }
    stop_reading.store(true, Ordering::Relaxed);
    for member in members {
        faults.extend(member.join().expect("a member does not panic").err());
    }
    let n = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{killed} kills in {raged:?}; all groups commit again {longest:?} after one at the latest; {} records acknowledged; {} retriable errors, {} closed connections",
        n(&seen.acknowledged),
        n(&seen.retriable),
        n(&seen.closed)
    );
    for reading in &readings {
        let (generations, commits, leaves) = (n(&reading.generations), n(&reading.commits), n(&reading.leaves));
        println!("{}: {generations} places in generations, {commits} commits, {leaves} leaves", reading.group);
    }
    let (end, records) = kept_of_groups(address);
    println!("{records} records about groups are left of {end}");
    if !faults.is_empty() {
        let log = std::fs::read_to_string(node.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        println!("the node's last words:\n{}", lines[lines.len().saturating_sub(LOG_LINES_TOLD)..].join("\n"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(killed, kills);
    assert!(records < end, "the topic of groups was compacted meanwhile");

    node.kill().expect("the node runs");
    node.spawn().expect("the node starts again");
    node.wait_ready(&[TOPIC], PARTITIONS as usize).expect("the node serves again");
    let (mut client, all) = (None, (0..PARTITIONS).collect::<Vec<i32>>());
    for reading in &readings {
        let offsets = reading.look(&mut client, address, &seen, &all).expect("no committed offset has gone back");
        assert!(offsets.iter().sum::<i64>() > 0, "{} has committed", reading.group);
    }
    node.kill().expect("the node runs");
}

/// How many records were ever written about groups, and how many of them are left.
fn kept_of_groups(address: SocketAddr) -> (i64, i64) {
    let mut client = Client::connect(address, producer::CALL).expect("a connection");
    let (mut ends, mut records) = (0, 0);
    for partition in (0..OFFSETS_PARTITIONS).map(PartitionIndex) {
        let mut at = |timestamp| {
            let at = OffsetAt { topic: CONSUMER_OFFSETS, partition, timestamp };
            client.list_offsets(&[at]).expect("an answer").remove(0).offset
        };
        let (mut next, end) = (at(OffsetAt::EARLIEST), at(OffsetAt::LATEST));
        ends += end.get();
        while next < end {
            let limits = FetchLimits { max_wait: Duration::ZERO, min_bytes: 0, max_bytes: 1 << 20 };
            let from = FetchFrom { topic: CONSUMER_OFFSETS, partition, offset: next, max_bytes: 1 << 20 };
            let fetched = client.fetch(&[from], limits).expect("an answer").remove(0);
            fetched.walk(next, |_, _| records += 1).expect("legal batches");
            let batches = Batches::verified(&fetched.batches);
            let read = batches.map(|batch| batch.expect("whole").0.end_offset()).max();
            next = read.filter(|read| *read > next).expect("a reader comes on");
        }
    }
    (ends, records)
}
