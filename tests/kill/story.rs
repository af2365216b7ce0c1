//! The story: rounds of load and kill -9, then the examination.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use callboard_model::{Batches, ErrorCode, Offset, ProducerId, Timestamp};
use callboard_test_client::{Acks, Client, ClientError, FetchFrom, FetchLimits, Node, NodeError, OffsetAt, StartTimes};

use crate::arguments::Arguments;
use crate::checks::Check;
use crate::examination::{Contents, Examination};
use crate::ledger::{Kind, Ledger};
use crate::producer;
use crate::random::Random;
use crate::reader::{self, Seen};
use crate::stage::{ANSWER_WITHIN, Stage};
use crate::workload::{PLACES, Place, TOPICS, Workload};

const PRODUCERS: [Kind; 7] = [
    Kind::Idempotent,
    Kind::Idempotent,
    Kind::Idempotent,
    Kind::Idempotent,
    Kind::Plain(Acks::All),
    Kind::Plain(Acks::All),
    Kind::Plain(Acks::Leader),
];
/// Load between two kills, in milliseconds.
const LOAD: (u64, u64) = (30, 2000);
/// One in so many restarts is killed before it is ready, after so many milliseconds.
const EARLY_ONE_IN: u64 = 4;
const EARLY: (u64, u64) = (1, 250);
/// How long producers may take to finish what is under way.
const FINISH_WITHIN: Duration = Duration::from_secs(90);
/// Small generations, memtables and a short write-ahead log, so that kills also meet their changes.
const SETTINGS: [&str; 3] =
    ["storage.generation_bytes=32MiB", "storage.wal_bytes=16MiB", "storage.memtables_total_bytes=16MiB"];
const EXAMINED_AT_ONCE: i32 = 8 * 1024 * 1024;
/// What marks the plan of kills.
const PLAN: u64 = 0x6b696c6c;
const LOG_LINES_TOLD: usize = 40;

/// Why the story could not be played to its end.
#[derive(Debug, thiserror::Error)]
enum StoryError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("{what}: {source}")]
    Client { what: &'static str, source: ClientError },
    #[error("{0} did not end in time")]
    Stuck(&'static str),
}

/// Plays it and tells; true if every promise holds.
pub(crate) fn play(arguments: &Arguments) -> bool {
    let started = Instant::now();
    println!("seed {}, {} rounds; to repeat it: --seed {}", arguments.seed, arguments.rounds, arguments.seed);
    let settings = SETTINGS.iter().map(|setting| (*setting).to_owned()).chain(arguments.settings.iter().cloned());
    let mut node = match Node::new(&arguments.binary, &arguments.folder, settings.collect()) {
        Ok(node) => node,
        Err(error) => {
            println!("{error}\n0 passed, 1 failed");
            return false;
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis() as i64);
    let workload = Workload { seed: arguments.seed, start: Timestamp(now) };
    let stage = Arc::new(Stage::new(node.address(), workload));
    let mut story = Story {
        stage: Arc::clone(&stage),
        plan: Random::new(arguments.seed, &[PLAN]),
        starts: Vec::new(),
        kills_under_load: 0,
        early_kills: 0,
        ids: Vec::new(),
    };
    if let Err(error) = story.run(&mut node, arguments.rounds) {
        stage.checks.wrong(Check::Started, format!("the story ends early: {error}"));
        stage.end();
    }
    story.tell_starts();
    println!("checks, after {:.1} s:", started.elapsed().as_secs_f64());
    let holds = stage.checks.report();
    if !holds {
        tell_log(&node);
    }
    holds
}

fn tell_log(node: &Node) {
    let log = fs::read(node.log_path()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    println!("--- the node's log, last lines ---");
    println!("{}", lines[lines.len().saturating_sub(LOG_LINES_TOLD)..].join("\n"));
}

struct Story {
    stage: Arc<Stage>,
    plan: Random,
    /// After a kill, until ready.
    starts: Vec<StartTimes>,
    kills_under_load: u32,
    early_kills: u32,
    /// Producer ids given out between rounds.
    ids: Vec<ProducerId>,
}

impl Story {
    fn run(&mut self, node: &mut Node, rounds: u32) -> Result<(), StoryError> {
        node.spawn()?;
        let first = node.wait_ready(&names(), 0)?;
        println!("first start: answering after {} ms", first.answering.as_millis());
        self.create_topics()?;
        node.wait_ready(&names(), PLACES)?;

        let producers = PRODUCERS.iter().enumerate().map(|(number, kind)| {
            let (stage, kind) = (Arc::clone(&self.stage), *kind);
            thread::spawn(move || producer::run(&stage, number as u16, kind))
        });
        let producers: Vec<JoinHandle<Ledger>> = producers.collect();
        let stage = Arc::clone(&self.stage);
        let reader = thread::spawn(move || reader::run(&stage));

        for round in 1..=rounds {
            self.round(node, round, rounds)?;
        }
        if 2 * self.kills_under_load < rounds {
            let told = format!("only {} of {rounds} kills met requests under way", self.kills_under_load);
            self.stage.checks.wrong(Check::UnderLoad, told);
        }
        self.stage.finish();
        let ledgers = join(producers, "a producer")?;
        // Once more when all is acknowledged and quiet: the last acknowledgements must survive too.
        self.kill(node)?;
        self.start_again(node)?;
        self.check_between_rounds()?;
        self.stage.end();
        let seen = join(vec![reader], "the reader")?.pop().unwrap_or_default();
        self.examine(&ledgers, &seen)
    }

    fn create_topics(&self) -> Result<(), StoryError> {
        let mut client = self.client()?;
        for topic in &TOPICS {
            let created = client.create_topic(topic.name, i32::from(topic.partitions), topic.configs);
            created.map_err(|source| StoryError::Client { what: "create a topic", source })?;
        }
        Ok(())
    }

    fn client(&self) -> Result<Client, StoryError> {
        Client::connect(self.stage.address, ANSWER_WITHIN)
            .map_err(|source| StoryError::Client { what: "connect", source })
    }

    fn round(&mut self, node: &mut Node, round: u32, rounds: u32) -> Result<(), StoryError> {
        let before = self.stage.acknowledged.load(SeqCst);
        thread::sleep(Duration::from_millis(self.plan.between(LOAD.0, LOAD.1)));
        let under_way = self.stage.under_way.load(SeqCst);
        self.kill(node)?;
        self.stage.checks.looked(Check::UnderLoad, u64::from(under_way > 0));
        self.kills_under_load += u32::from(under_way > 0);
        let mut early = 0;
        while early < 3 && self.plan.one_in(EARLY_ONE_IN) {
            node.spawn()?;
            thread::sleep(Duration::from_millis(self.plan.between(EARLY.0, EARLY.1)));
            self.kill(node)?;
            early += 1;
        }
        self.early_kills += early;
        let times = self.start_again(node)?;
        self.check_between_rounds()?;
        println!(
            "round {round:>2}/{rounds}: {under_way:>2} requests under way when killed, {early} early kills, answering after \
             {:>3} ms, all leaders after {:>3} ms, {} batches acknowledged since the last kill",
            times.answering.as_millis(),
            times.leading.as_millis(),
            self.stage.acknowledged.load(SeqCst) - before,
        );
        Ok(())
    }

    fn kill(&self, node: &mut Node) -> Result<(), StoryError> {
        self.stage.death_begins_or_ends();
        let killed = node.kill();
        self.stage.death_begins_or_ends();
        Ok(killed?)
    }

    fn start_again(&mut self, node: &mut Node) -> Result<StartTimes, StoryError> {
        node.spawn()?;
        let times = node.wait_ready(&names(), PLACES)?;
        self.stage.checks.looked(Check::Started, 1);
        self.starts.push(times);
        Ok(times)
    }

    /// What can be checked while producers go on.
    fn check_between_rounds(&mut self) -> Result<(), StoryError> {
        let mut client = self.client()?;
        let id = client
            .init_producer_id()
            .map_err(|source| StoryError::Client { what: "ask for a producer id", source })?
            .producer_id;
        self.stage.checks.looked(Check::ProducerIds, 1);
        if self.ids.contains(&id) {
            self.stage.checks.wrong(Check::ProducerIds, format!("{id} was given out twice"));
        }
        self.ids.push(id);
        // Before the node is asked: whatever is acknowledged by now must be there by then.
        let acknowledged: Vec<_> = Place::all().map(|place| self.stage.acknowledged_end(place)).collect();
        for (place, end) in self.log_ends(&mut client)? {
            self.stage.checks.looked(Check::LogEnd, 1);
            let acknowledged = acknowledged[usize::from(place.0)];
            if end < acknowledged {
                let told = format!(
                    "{place}: the log ends at {end}, acknowledged up to {acknowledged}, after {} kills",
                    self.stage.kills()
                );
                self.stage.checks.wrong(Check::LogEnd, told);
            }
        }
        Ok(())
    }

    fn log_ends(&self, client: &mut Client) -> Result<Vec<(Place, Offset)>, StoryError> {
        let at: Vec<_> = Place::all()
            .map(|place| OffsetAt { topic: place.topic(), partition: place.partition(), timestamp: OffsetAt::LATEST })
            .collect();
        let listed =
            client.list_offsets(&at).map_err(|source| StoryError::Client { what: "list the logs' ends", source })?;
        let mut ends = Vec::new();
        for place in Place::all() {
            let one = listed.iter().find(|one| Place::of(&one.topic, one.partition) == Some(place));
            match one {
                Some(one) if one.error == ErrorCode::None => ends.push((place, one.offset)),
                other => self.stage.checks.wrong(Check::LogEnd, format!("{place}: {other:?}")),
            }
        }
        Ok(ends)
    }

    fn examine(&self, ledgers: &[Ledger], seen: &Seen) -> Result<(), StoryError> {
        let stage = &self.stage;
        println!(
            "killed {} times ({} of them before the node was ready); {} batches acknowledged, {} MiB; {} batches sent again; \
             {} records seen by the reader",
            stage.kills(),
            self.early_kills,
            stage.acknowledged.load(SeqCst),
            stage.acknowledged_bytes.load(SeqCst) >> 20,
            stage.repeated.load(SeqCst),
            stage.seen.load(SeqCst),
        );
        self.check_ids(ledgers);
        let started = Instant::now();
        let mut client = self.client()?;
        let mut all = Contents::default();
        for (place, end) in self.log_ends(&mut client)? {
            let seen = seen.get(usize::from(place.0)).map_or(&[][..], Vec::as_slice);
            let contents = self.examine_place(&mut client, place, end, ledgers, seen)?;
            all.records += contents.records;
            all.unknown_there += contents.unknown_there;
            all.unknown_missing += contents.unknown_missing;
        }
        println!(
            "read back {} records in {:.1} s; of the batches without an answer and without idempotence, {} are there and {} \
             are not",
            all.records,
            started.elapsed().as_secs_f64(),
            all.unknown_there,
            all.unknown_missing,
        );
        Ok(())
    }

    fn check_ids(&self, ledgers: &[Ledger]) {
        let mut ids: Vec<_> = ledgers.iter().filter_map(|ledger| Some(ledger.identity?.producer_id)).collect();
        ids.extend(&self.ids);
        ids.sort();
        for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.stage.checks.wrong(Check::ProducerIds, format!("{} was given out twice", pair[0]));
        }
    }

    fn examine_place(
        &self,
        client: &mut Client,
        place: Place,
        end: Offset,
        ledgers: &[Ledger],
        seen: &[u64],
    ) -> Result<Contents, StoryError> {
        let (stage, what) = (&self.stage, "read everything back");
        let mut examination = Examination::new(&stage.workload, ledgers, &stage.checks, place, seen);
        let limits = FetchLimits { max_wait: ANSWER_WITHIN, min_bytes: 1, max_bytes: EXAMINED_AT_ONCE };
        while examination.next() < end {
            let from = FetchFrom {
                topic: place.topic(),
                partition: place.partition(),
                offset: examination.next(),
                max_bytes: EXAMINED_AT_ONCE,
            };
            let before = examination.next();
            for fetched in client.fetch(&[from], limits).map_err(|source| StoryError::Client { what, source })? {
                if fetched.error != ErrorCode::None || fetched.log_start_offset != Offset::ZERO {
                    let told = format!("{place} at {before}: {}, start {}", fetched.error, fetched.log_start_offset);
                    stage.checks.wrong(Check::Contiguous, told);
                }
                for batch in Batches::verified(&fetched.batches) {
                    match batch {
                        Ok((header, bytes)) => examination.batch(&header, bytes),
                        Err(error) => stage.checks.wrong(Check::Bytes, format!("{place} after {before}: {error}")),
                    }
                }
            }
            if examination.next() <= before {
                stage.checks.wrong(Check::Contiguous, format!("{place}: nothing can be read at {before}"));
                break;
            }
        }
        Ok(examination.finish(end))
    }

    fn tell_starts(&self) {
        let told = |name: &str, mut times: Vec<Duration>| {
            times.sort();
            if let (Some(min), Some(max)) = (times.first(), times.last()) {
                let median = times[times.len() / 2];
                println!(
                    "{name} after kill -9: min {} ms, median {} ms, max {} ms over {} starts",
                    min.as_millis(),
                    median.as_millis(),
                    max.as_millis(),
                    times.len(),
                );
            }
        };
        told("start to first metadata answer", self.starts.iter().map(|times| times.answering).collect());
        told("start to all partitions led", self.starts.iter().map(|times| times.leading).collect());
    }
}

fn join<T>(threads: Vec<JoinHandle<T>>, who: &'static str) -> Result<Vec<T>, StoryError> {
    let started = Instant::now();
    while threads.iter().any(|thread| !thread.is_finished()) {
        if started.elapsed() > FINISH_WITHIN {
            return Err(StoryError::Stuck(who));
        }
        thread::sleep(Duration::from_millis(5));
    }
    threads.into_iter().map(|thread| thread.join().map_err(|_| StoryError::Stuck(who))).collect()
}

/// The story's topics.
fn names() -> [&'static str; TOPICS.len()] {
    TOPICS.each_ref().map(|topic| topic.name)
}
