//! Panics in every kind of actor under load: clients see at most what they try again by themselves, nothing acknowledged
//! is lost or doubled, and in the end the tree is whole.
//!
//! `CALLBOARD_PANICS` says how often each kind is hit (1000 for the long form), `CALLBOARD_SEED` repeats a run's dice.

mod churn;
mod consumer;
mod dice;
mod hits;
mod members;
mod nemesis;
mod producer;
#[path = "../scenario/rig.rs"]
mod rig;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard::runtime::{ActorInfo, ActorState, Path, System};
use callboard_test_client::Client;

use consumer::{Until, consume};
use dice::Dice;
use hits::Hits;
use members::{Reading, attend};
use producer::{Ledger, Seen, bear, produce};
use rig::{Rig, eventually};

/// Topics under load and their partitions.
const TOPICS: [(&str, i32); 3] = [("orders", 4), ("events", 3), ("audit", 1)];
/// Groups that read the first of them, and their members.
const GROUPS: [(&str, usize); 3] = [("billing", 3), ("fraud", 2), ("audit", 4)];
/// Few, so that each keeps a group as likely as not.
const OFFSETS_PARTITIONS: u32 = 4;
/// How long groups may take to read what is left once nothing fails any more.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(60);
/// How often groups are looked at, and how long one that has not committed since may take when nothing fails.
const RESPITE_EVERY: Duration = Duration::from_secs(5);
const COMMITS_WITHIN: Duration = Duration::from_secs(30);
/// Hits of each kind when nothing else is said.
const SHORT: u64 = 20;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Every actor but the connections, with its state.
fn tree(system: &System) -> BTreeMap<String, ActorState> {
    let lasting = |path: &str| !path.starts_with("node/gateway/connections/");
    system.tree().into_iter().map(|a| (a.path.to_string(), a.state)).filter(|(path, _)| lasting(path)).collect()
}

/// Who has something in hand or waiting: where to look when somebody is not answered.
fn busy(system: &System) -> String {
    let is_busy = |actor: &ActorInfo| actor.mailbox_messages > 0 || actor.current.is_some();
    let line = |actor: ActorInfo| {
        let shown = rig::block_on(async {
            tokio::time::timeout(Duration::from_secs(1), system.snapshot(&actor.path)).await.ok().flatten()
        });
        format!(
            "{} {:?}: {} messages, the oldest for {:?} ms, in hand {:?}, shows {shown:?}",
            actor.path, actor.state, actor.mailbox_messages, actor.oldest_message_age_ms, actor.current
        )
    };
    // A connection that owes an answer shows whose.
    let may_owe = |actor: &ActorInfo| ["/partitions/", "/connections/"].iter().any(|p| actor.path.as_str().contains(p));
    let lines: Vec<String> =
        system.tree().into_iter().filter(|actor| is_busy(actor) || may_owe(actor)).map(line).collect();
    format!("busy, the leaders and the connections:\n{}", lines.join("\n"))
}

/// The threads that put the node under load.
struct Load {
    seen: Arc<Seen>,
    stop_writing: Arc<AtomicBool>,
    stop_reading: Arc<AtomicBool>,
    producers: Vec<JoinHandle<Result<Ledger, String>>>,
    others: Vec<JoinHandle<Result<(), String>>>,
    readings: Vec<Arc<Reading>>,
}

impl Load {
    fn start(rig: &Rig, dice: &mut Dice) -> Self {
        let (kafka, admin) = (rig.kafka(), rig.node().admin_address());
        let mut load = Self {
            seen: Arc::default(),
            stop_writing: Arc::default(),
            stop_reading: Arc::default(),
            producers: Vec::new(),
            others: Vec::new(),
            readings: Vec::new(),
        };
        for (group, members) in GROUPS {
            let reading = Arc::new(Reading::new(group.to_owned(), TOPICS[0].0, TOPICS[0].1));
            load.readings.push(Arc::clone(&reading));
            for _ in 0..members {
                let (seen, stop, reading) = (load.seen.clone(), load.stop_reading.clone(), Arc::clone(&reading));
                let dice = Dice(dice.below(usize::MAX) as u64);
                load.others.push(std::thread::spawn(move || attend(kafka, &reading, &seen, &stop, dice)));
            }
        }
        for (topic, partitions) in TOPICS {
            let (seen, stop, dice) =
                (load.seen.clone(), load.stop_writing.clone(), Dice(dice.below(usize::MAX) as u64));
            load.producers.push(std::thread::spawn(move || produce(kafka, topic, partitions, &seen, &stop, dice)));
            let (seen, stop) = (load.seen.clone(), load.stop_reading.clone());
            load.others.push(std::thread::spawn(move || {
                consume(kafka, topic, partitions, &seen, &Until::Told(&stop)).map(|_| ())
            }));
        }
        let (seen, stop, dice) = (load.seen.clone(), load.stop_writing.clone(), Dice(dice.below(usize::MAX) as u64));
        load.others.push(std::thread::spawn(move || churn::churn(kafka, &seen, &stop, dice)));
        let (seen, stop) = (load.seen.clone(), load.stop_reading.clone());
        load.others.push(std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for path in ["/metrics", "/api/v1/actors", "/livez"] {
                    match rig::get(admin, path) {
                        Ok((200, _)) => seen.admin.fetch_add(1, Ordering::Relaxed),
                        Ok((503, _)) | Err(_) => seen.admin_away.fetch_add(1, Ordering::Relaxed),
                        Ok((status, body)) => return Err(format!("{path} answers {status}: {body}")),
                    };
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }));
        load
    }

    /// Lets groups come to themselves, every few seconds: under failures without an end none gets through a rebalance that
    /// waits for members who have gone, here as in Kafka. A group that does not commit even when all is calm is stuck.
    fn respite(&self) -> impl FnMut() -> Option<String> + use<> {
        let (readings, mut last, mut before) = (self.readings.clone(), Instant::now(), None::<Vec<u64>>);
        move || {
            if last.elapsed() < RESPITE_EVERY {
                return None;
            }
            let commits = || readings.iter().map(|reading| reading.commits.load(Ordering::Relaxed)).collect::<Vec<_>>();
            let before = before.get_or_insert_with(|| vec![0; readings.len()]);
            let idle = || commits().iter().zip(&*before).position(|(now, before)| now <= before);
            eventually(COMMITS_WITHIN, || idle().is_none());
            let stuck =
                idle().map(|at| format!("{} does not commit in {COMMITS_WITHIN:?} of calm", readings[at].group));
            (last, *before) = (Instant::now(), commits());
            stuck
        }
    }

    /// The first thread that gave up, if any.
    fn has_failed(&self) -> bool {
        self.producers.iter().any(JoinHandle::is_finished) || self.others.iter().any(JoinHandle::is_finished)
    }

    /// Ends writing, then reading; gives the ledgers and what went wrong.
    fn end(self) -> (Vec<Ledger>, Vec<String>) {
        self.stop_writing.store(true, Ordering::Relaxed);
        let mut faults = Vec::new();
        let mut ledgers = Vec::new();
        for thread in self.producers {
            match thread.join().expect("a producer does not panic") {
                Ok(ledger) => ledgers.push(ledger),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            let is_over = || self.others.iter().any(JoinHandle::is_finished);
            for reading in &self.readings {
                let wanted = &ledgers[0];
                let has_all = || reading.missing().iter().zip(wanted).all(|(missing, wanted)| missing >= wanted);
                if !eventually(CAUGHT_UP_WITHIN, || has_all() || is_over()) {
                    let (group, missing) = (&reading.group, reading.missing());
                    faults.push(format!("{group} was given all before {missing:?} only, {wanted:?} was acknowledged"));
                }
            }
        }
        self.stop_reading.store(true, Ordering::Relaxed);
        for thread in self.others {
            faults.extend(thread.join().expect("a client does not panic").err());
        }
        (ledgers, faults)
    }
}

#[test]
fn panics_in_every_kind_of_actor_cost_nothing_but_a_retry() {
    let times = setting("CALLBOARD_PANICS", SHORT);
    let seed = setting("CALLBOARD_SEED", std::process::id().into());
    let mut dice = Dice(seed);
    let mut rig = Rig::with(|settings| {
        settings.groups.offsets_topic_num_partitions = OFFSETS_PARTITIONS;
        settings.groups.initial_rebalance_delay = Duration::from_millis(50);
    });
    let kafka = rig.kafka();
    let mut client = Some(Client::connect(kafka, producer::CALL).expect("a connection"));
    let found = client.as_mut().expect("connected").find_coordinator("any").expect("an answer");
    found.expect("the topic of groups is made");
    members::compact_groups_all_the_time(client.as_mut().expect("connected"));
    for (topic, partitions) in TOPICS {
        client.as_mut().expect("connected").create_topic(topic, partitions, &[]).expect("a topic");
    }
    let whole = tree(rig.node().system());
    assert_eq!(whole.len(), 15 + 8 + 2 * OFFSETS_PARTITIONS as usize, "the test knows the tree: {whole:?}");

    let (hits, listener) = Hits::listen(rig.node().system());
    let load = Load::start(&rig, &mut dice);
    let began = Instant::now();
    let deadline = began + Duration::from_secs(30 + times * 6);
    let paths: Vec<Path> = whole.keys().map(|path| Path::root(path)).collect();
    let (system, over) = (rig.node().system(), || load.has_failed());
    let tally = nemesis::rage(system, &paths, &hits, times, deadline, &mut dice, load.respite(), over);
    let raged = began.elapsed();
    let (seen, readings) = (load.seen.clone(), load.readings.clone());
    let (ledgers, mut faults) = load.end();
    faults.extend(tally.faults);
    hits.end();
    listener.join().expect("the listener does not panic");

    let (longest, who) = hits.longest_away();
    println!("seed {seed}, {raged:?}, longest away {longest:?} ({who})");
    for (kind, count) in &tally.hits {
        println!("{count:6} x {kind}");
    }
    let n = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} records acknowledged, {} consumed, {} topics churned; {} retriable errors, {} closed connections; \
         admin answered {} times, was away {} times",
        n(&seen.acknowledged),
        n(&seen.consumed),
        n(&seen.topics),
        n(&seen.retriable),
        n(&seen.closed),
        n(&seen.admin),
        n(&seen.admin_away),
    );
    for reading in &readings {
        let (generations, commits, leaves) = (n(&reading.generations), n(&reading.commits), n(&reading.leaves));
        println!("{}: {generations} places in generations, {commits} commits, {leaves} leaves", reading.group);
    }
    for other in hits.others() {
        println!("{other}");
    }
    let (rounds, dropped) =
        (rig.node().metrics().compaction_rounds.get(), rig.node().metrics().compaction_dropped.get());
    println!("{rounds} rounds of compaction dropped {dropped} records of groups");
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), busy(rig.node().system()));
    assert!(tally.hits.iter().all(|(_, count)| *count == times));
    assert!(dropped > 0, "the topic of groups was compacted meanwhile");

    let back = eventually(rig::PATIENCE, || tree(rig.node().system()) == whole);
    assert!(back, "the tree is whole again: {:#?}", tree(rig.node().system()));
    assert!(whole.values().all(|state| *state == ActorState::Running), "{whole:?}");
    serves(&rig, &ledgers, &readings, &seen);

    // What was acknowledged is on disk, not only in some actor's memory.
    rig.restart();
    serves(&rig, &ledgers, &readings, &seen);
    rig.stop();
}

/// Whether the node does all that it did before, and holds every acknowledged record once and in order.
fn serves(rig: &Rig, ledgers: &[Ledger], readings: &[Arc<Reading>], seen: &Seen) {
    for path in ["/metrics", "/api/v1/actors", "/livez", "/readyz"] {
        let (status, body) = rig.get(path).expect("the admin port answers");
        assert_eq!(status, 200, "{path}: {body}");
    }
    let kafka = rig.kafka();
    for ((topic, partitions), ledger) in TOPICS.into_iter().zip(ledgers) {
        let read = consume(kafka, topic, partitions, seen, &Until::Reached(ledger))
            .unwrap_or_else(|fault| panic!("every record, in order: {fault}\n{}", busy(rig.node().system())));
        assert_eq!(&read, ledger, "{topic} holds what was acknowledged and nothing more");
    }
    let mut client = None;
    for reading in readings {
        let all: Vec<i32> = (0..TOPICS[0].1).collect();
        reading.look(&mut client, kafka, seen, &all).expect("no committed offset has gone back");
    }
    churn::story(&mut client, kafka, "afterwards", 5, 0, seen).expect("topics are created, filled, read, deleted");
    bear(&mut client, kafka, seen, rig::PATIENCE, |client| client.metadata(None)).expect("metadata");
}
