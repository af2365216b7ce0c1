//! What a node with many groups is held to.

use std::fs;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use callboard_model::{CONSUMER_OFFSETS, ErrorCode};
use callboard_test_client::{Client, ClientError, Node, NodeError};
use tokio::time::sleep;

use crate::arguments::Arguments;
use crate::crowd::{Crowd, PARTITIONS, names};
use crate::member::{Plan, TOPIC};

/// How long anything may take before it counts as stuck, whatever the limits.
const STUCK: Duration = Duration::from_secs(180);
/// `heartbeat.interval.ms` of Kafka's clients, unless they are told otherwise.
const INTERVAL: Duration = Duration::from_secs(3);
/// Members of an ordinary group.
const SIZE: usize = 10;
/// Bytes of a subscription and of an assignment: a few topics, a few partitions.
const BYTES: usize = 120;

/// Why a story has no good end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoryError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{what}: {reached} of {wanted} after {STUCK:?}")]
    Stuck { what: &'static str, reached: usize, wanted: usize },
    #[error("does not hold: {0}")]
    Broken(String),
}

/// How large the stories are, and whether their times count.
pub(crate) struct Scale {
    /// Groups that live through a kill.
    groups: usize,
    /// Members of the large group.
    large: usize,
    /// Groups that only beat.
    beating: usize,
    /// For how long their beats are measured.
    measured: Duration,
    timed: bool,
}

impl Scale {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        if arguments.short {
            Self { groups: 30, large: 60, beating: 50, measured: Duration::from_secs(6), timed: false }
        } else {
            Self { groups: 1000, large: 500, beating: 2000, measured: Duration::from_secs(30), timed: true }
        }
    }

    fn judge(&self, holds: bool, told: String) -> Result<(), StoryError> {
        match (holds, self.timed) {
            (true, _) => println!("  ok    {told}"),
            (false, false) => println!("  slow  {told}; times do not count here"),
            (false, true) => return Err(StoryError::Broken(told)),
        }
        Ok(())
    }
}

/// A node with the topic that members commit for.
pub(crate) fn start(arguments: &Arguments) -> Result<Node, StoryError> {
    let mut settings = vec!["kafka.max_connections=15000".to_owned()];
    settings.extend(arguments.settings.iter().cloned());
    let mut node = Node::new(&arguments.binary, &arguments.folder, settings)?;
    node.spawn()?;
    node.wait_ready(&[], 0)?;
    let mut client = ask(&node)?;
    client.create_topic(TOPIC, PARTITIONS, &[])?;
    client.find_coordinator("any")?.map_err(|code| StoryError::Broken(format!("no coordinator: {}", code.name())))?;
    Ok(node)
}

fn ask(node: &Node) -> Result<Client, ClientError> {
    Client::connect(node.address(), Duration::from_secs(60))
}

/// Many groups; the node is killed and started again; everyone is a member as before, and the positions are there.
pub(crate) async fn recovery(node: &mut Node, scale: &Scale) -> Result<(), StoryError> {
    let members = scale.groups * SIZE;
    println!("{} groups of {SIZE}: kill -9 and restart", scale.groups);
    let groups = names("recovery", scale.groups);
    let mut crowd = Crowd::new(node.address());
    let started = Instant::now();
    crowd.start_groups(&groups, SIZE, INTERVAL, BYTES);
    let board = std::sync::Arc::clone(&crowd.board);
    board.epoch.store(1, SeqCst);
    settled(&board, members, 1).await?;
    let (took, used) = (started.elapsed().as_secs_f64(), processor_time(node)?.as_secs_f64());
    println!("  all stable {took:.1} s after they came; the node has used {used:.1} s of processor time");
    let before = committed(node, &groups)?;

    let rejoins = board.rejoins.load(SeqCst);
    let killed = Instant::now();
    node.kill()?;
    board.epoch.store(2, SeqCst);
    let restarted = Instant::now();
    node.spawn()?;
    node.wait_ready(&[CONSUMER_OFFSETS], 50)?;
    println!("  leaders back {:.2} s after the restart", restarted.elapsed().as_secs_f64());
    settled(&board, members, 2).await?;
    let (took, used) = (killed.elapsed(), processor_time(node)?);
    println!("  the new life has used {:.1} s of processor time", used.as_secs_f64());
    let rejoined = board.rejoins.load(SeqCst) - rejoins;
    all_stable(node, &groups)?;
    let after = committed(node, &groups)?;
    let back = before.iter().zip(&after).filter(|(before, after)| after < before).count();
    if back > 0 {
        return Err(StoryError::Broken(format!("{back} committed offsets went back")));
    }
    println!("  no committed offset of {} went back; {rejoined} members had to join again", before.len());
    content(crowd)?;
    let told = format!("all {members} members commit again {:.2} s after the kill (limit 10 s)", took.as_secs_f64());
    scale.judge(took <= Duration::from_secs(10), told)
}

/// Everyone has an assignment, and has committed with it in this epoch.
async fn settled(board: &crate::board::Board, members: usize, epoch: u64) -> Result<(), StoryError> {
    let waited = board.wait(STUCK, members, |one| one.generation > 0 && one.proved >= epoch).await;
    let stuck = |reached| StoryError::Stuck { what: "members that are settled", reached, wanted: members };
    waited.map(|_| ()).map_err(stuck)
}

fn all_stable(node: &Node, groups: &[String]) -> Result<(), StoryError> {
    let mut client = ask(node)?;
    let asked: Vec<&str> = groups.iter().map(String::as_str).collect();
    for (group, described) in groups.iter().zip(client.describe_groups(&asked)?) {
        if described.error != ErrorCode::None || described.state != "Stable" || described.members.len() != SIZE {
            let (state, members) = (described.state, described.members.len());
            return Err(StoryError::Broken(format!("{group} is {state} with {members} members")));
        }
    }
    Ok(())
}

/// The committed offset of every partition of every group.
fn committed(node: &Node, groups: &[String]) -> Result<Vec<i64>, StoryError> {
    let mut client = ask(node)?;
    let partitions: Vec<i32> = (0..SIZE as i32).collect();
    let mut offsets = Vec::with_capacity(groups.len() * SIZE);
    for group in groups {
        let found = client.fetch_offsets(group, Some(&[(TOPIC, &partitions)]))?;
        let found = found.map_err(|code| StoryError::Broken(format!("offsets of {group}: {}", code.name())))?;
        offsets.extend(found.iter().map(|one| one.offset.get()));
    }
    if let Some(none) = offsets.iter().position(|offset| *offset < 1) {
        return Err(StoryError::Broken(format!("nothing is committed at {none}")));
    }
    Ok(offsets)
}

/// One large group: a member leaves, a member comes; each time everyone else has the next assignment soon.
pub(crate) async fn rebalance(node: &Node, scale: &Scale) -> Result<(), StoryError> {
    println!("a group of {}: one leaves, one comes", scale.large);
    // Members learn of a rebalance by their next heartbeat: this interval is a part of what is measured.
    let interval = Duration::from_millis(500);
    let mut crowd = Crowd::new(node.address());
    crowd.start_groups(&names("large", 1), scale.large, interval, BYTES);
    let board = std::sync::Arc::clone(&crowd.board);
    board.epoch.store(1, SeqCst);
    settled(&board, scale.large, 1).await?;
    let first = same_generation(&board, scale.large, 0).await?;

    let started = Instant::now();
    crowd.leave(0);
    let second = same_generation(&board, scale.large - 1, first).await?;
    let left = board.last_since().map_or(Duration::ZERO, |last| last.saturating_duration_since(started));

    let plan = Plan { group: "large-0".to_owned(), partition: 0, interval, bytes: BYTES };
    let link = crowd.links(1).remove(0);
    let started = Instant::now();
    crowd.start(plan, link);
    same_generation(&board, scale.large, second).await?;
    let came = board.last_since().map_or(Duration::ZERO, |last| last.saturating_duration_since(started));
    content(crowd)?;
    let limit = Duration::from_secs(2);
    for (what, took) in [("left", left), ("came", came)] {
        let told = format!(
            "after one {what}, everyone has the next assignment {:.2} s later (limit 2 s, heartbeats every 0.5 s)",
            took.as_secs_f64()
        );
        scale.judge(took <= limit, told)?;
    }
    Ok(())
}

/// Waits until so many members have the assignment of one generation above `after`.
async fn same_generation(board: &crate::board::Board, members: usize, after: i32) -> Result<i32, StoryError> {
    let started = Instant::now();
    loop {
        let newest = board.newest_generation();
        let reached = board.count(|one| one.generation == newest);
        if newest > after && reached == members {
            return Ok(newest);
        }
        if started.elapsed() > STUCK {
            return Err(StoryError::Stuck { what: "members of one generation", reached, wanted: members });
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// Many members that do nothing but beat: the processor time that this costs the node.
pub(crate) async fn heartbeats(node: &Node, scale: &Scale) -> Result<(), StoryError> {
    let members = scale.beating * SIZE;
    // Not every system lets one process have 20,000 connections.
    let shared_by = 4;
    println!("{members} members of {} groups beat every {INTERVAL:?}, {shared_by} on a connection", scale.beating);
    let mut crowd = Crowd::new(node.address());
    let groups = names("beating", scale.beating);
    let links = crowd.links(members.div_ceil(shared_by));
    // Groups that share connections come one after the other: a join waits for the members on all of them.
    let at_once = links.len() / SIZE;
    let mut started = 0;
    for wave in groups.chunks(at_once) {
        for (number, group) in wave.iter().enumerate() {
            for partition in 0..SIZE {
                let plan = Plan { group: group.clone(), partition: partition as i32, interval: INTERVAL, bytes: BYTES };
                crowd.start(plan, std::sync::Arc::clone(&links[number * SIZE + partition]));
                started += 1;
            }
        }
        let stuck = |reached| StoryError::Stuck { what: "members with an assignment", reached, wanted: started };
        crowd.board.wait(STUCK, started, |one| one.generation > 0).await.map_err(stuck)?;
    }
    sleep(INTERVAL).await;
    let (before, beats) = (processor_time(node)?, crowd.board.heartbeats.load(SeqCst));
    let rejoins = crowd.board.rejoins.load(SeqCst);
    let began = Instant::now();
    sleep(scale.measured).await;
    let (used, passed) = (processor_time(node)? - before, began.elapsed());
    let beats = crowd.board.heartbeats.load(SeqCst) - beats;
    let rejoined = crowd.board.rejoins.load(SeqCst) - rejoins;
    let lost = members - crowd.board.count(|one| one.generation > 0);
    content(crowd)?;
    let cores = used.as_secs_f64() / passed.as_secs_f64();
    let per_second = beats as f64 / passed.as_secs_f64();
    let each = used.as_secs_f64() * 1e6 / beats.max(1) as f64;
    println!("  {per_second:.0} heartbeats a second, {each:.0} µs of processor time each");
    if lost > 0 || rejoined > 0 {
        return Err(StoryError::Broken(format!("{lost} members lost their place, {rejoined} joined again")));
    }
    if (beats as usize) < members / 2 {
        return Err(StoryError::Broken(format!("only {beats} heartbeats were answered")));
    }
    // Where members get less of the machine than they need they beat too seldom; what is missing counts too.
    let wanted = members as f64 / INTERVAL.as_secs_f64();
    let whole = cores.max(each / 1e6 * wanted);
    let told = format!(
        "heartbeats of {members} members use {cores:.3} cores, {whole:.3} at the full {wanted:.0} a second (limit 0.5)"
    );
    scale.judge(whole < 0.5, told)
}

fn content(crowd: Crowd) -> Result<(), StoryError> {
    let complaints = crowd.end();
    if complaints.is_empty() { Ok(()) } else { Err(StoryError::Broken(complaints.join("; "))) }
}

/// What the node has used of processors so far, as the system counts it.
fn processor_time(node: &Node) -> Result<Duration, StoryError> {
    let broken = |what: &str| StoryError::Broken(format!("the node's processor time: {what}"));
    let process = node.process_id().ok_or_else(|| broken("it does not run"))?;
    let text = fs::read_to_string(format!("/proc/{process}/stat")).map_err(|error| broken(&error.to_string()))?;
    // The fields after the name, which is in brackets and may hold anything: the 12th and 13th are ticks.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).ok_or_else(|| broken("no name"))?;
    let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    if ticks.len() != 2 {
        return Err(broken("no numbers"));
    }
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / TICKS_PER_SECOND))
}

/// `sysconf(_SC_CLK_TCK)`, which Linux has kept at this number for all of its life.
const TICKS_PER_SECOND: u64 = 100;
