//! A network that cuts, truncates, delays and hangs: every record is handed out, and nothing that was committed again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use callboard_client::consumer::{Consumer, ConsumerError};
use callboard_client::{ClientError, Cluster, TopicPartition};
use callboard_client_suite::proxy::{Faults, Proxy};
use callboard_client_suite::stage::chaos_time;
use tokio::time::Instant;

use crate::consumer::rig::*;

const PARTITIONS: i32 = 3;

/// What members have handed out and committed between them.
#[derive(Default)]
struct Book {
    seen: BTreeSet<(i32, i64)>,
    /// One past the last offset that a coordinator confirmed.
    confirmed: BTreeMap<i32, i64>,
    commits: usize,
    /// Why commits failed, and how often.
    commits_failed: BTreeMap<String, usize>,
}

impl Book {
    async fn turn(&mut self, member: &mut Consumer) {
        let records = match member.poll(Duration::from_millis(20)).await {
            Ok(records) => records,
            Err(error) => {
                assert!(error.is_retriable(), "{error}");
                return;
            }
        };
        for record in records {
            let confirmed = self.confirmed.get(&record.partition).copied().unwrap_or(0);
            let at = (record.partition, record.offset);
            assert!(record.offset >= confirmed, "{at:?} was handed out again, {confirmed} was committed");
            self.seen.insert(at);
        }
        let mut positions = BTreeMap::new();
        for partition in member.assignment() {
            if let Ok(Some(position)) = member.known_position(&partition) {
                positions.insert(partition.partition, position);
            }
        }
        match tokio::time::timeout(PATIENCE, member.commit()).await.expect("commits come to an end") {
            Ok(()) => {
                self.commits += 1;
                for (partition, position) in positions {
                    let confirmed = self.confirmed.entry(partition).or_default();
                    *confirmed = position.max(*confirmed);
                }
            }
            Err(error) => *self.commits_failed.entry(reason(&error)).or_default() += 1,
        }
    }
}

/// Which kind of failure a commit met; one that a bad network does not explain is a fault of somebody's.
fn reason(error: &ConsumerError) -> String {
    match error {
        ConsumerError::Rebalancing => "the group is rebalancing".to_owned(),
        // A member that was silent for the session's length, or was dropped, and commits before it hears of it.
        ConsumerError::CommitFailed { code } => format!("no longer a member ({code})"),
        ConsumerError::Client(ClientError::Timeout { last, .. }) => {
            format!("not in time, last {:?}", last.as_deref().and_then(ClientError::kafka_code))
        }
        other => panic!("a commit failed: {other:?}"),
    }
}

fn member(rig: &Rig, proxy: &Proxy, group: &str, assignor: &str) -> Consumer {
    let set = [
        ("enable.auto.commit", "false"),
        ("partition.assignment.strategy", assignor),
        ("request.timeout.ms", "3000"),
        ("default.api.timeout.ms", "10000"),
        ("session.timeout.ms", "30000"),
    ];
    let mut options = rig.options(Some(group), &set);
    options.cluster.bootstrap_servers = vec![proxy.address().to_string()];
    options.cluster.dial_instead = Some(proxy.address().to_string());
    // Not by `new`, which tries each address once: the network may be bad already.
    Consumer::on(Cluster::unconnected(options.cluster.clone()), options).expect("legal options")
}

async fn chaos(assignor: &str, seed: u64) {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("chaos", PARTITIONS, &[]).await;
    let group = rig.stage.name("chaos");
    let proxy = Proxy::start(rig.stage.address(), seed).expect("a free port");
    let mut members = Vec::new();
    for _ in 0..2 {
        let mut one = member(&rig, &proxy, &group, assignor);
        one.subscribe([topic.clone()]).expect("a group");
        members.push(one);
    }
    let delay_max = Duration::from_millis(30);
    proxy.set(Faults { cut: 8, truncate: 8, delay: 30, delay_max, ..Faults::default() });
    let mut book = Book::default();
    let mut written = 0;
    let until = Instant::now() + chaos_time();
    let mut round = 0;
    while Instant::now() < until {
        round += 1;
        for partition in 0..PARTITIONS {
            rig.write(&topic, partition, &values(5)).await;
        }
        written += 5;
        for one in &mut members {
            book.turn(one).await;
        }
        if round % 17 == 0 {
            proxy.cut_all();
        }
        if round % 60 == 0 {
            // One goes without a word, another comes.
            drop(members.remove(0));
            let mut one = member(&rig, &proxy, &group, assignor);
            one.subscribe([topic.clone()]).expect("a group");
            members.push(one);
        }
    }
    proxy.set(Faults::default());
    let all: BTreeSet<_> = (0..PARTITIONS).flat_map(|p| (0..written).map(move |offset| (p, offset))).collect();
    let deadline = Instant::now() + PATIENCE;
    while book.seen != all {
        let missing: Vec<_> = all.difference(&book.seen).take(5).collect();
        assert!(Instant::now() < deadline, "not handed out: {missing:?} of {}", all.len());
        for one in &mut members {
            book.turn(one).await;
        }
    }
    let cuts = proxy.counts().cuts.load(Ordering::Relaxed);
    assert!(cuts > 0, "the network was good");
    eprintln!(
        "{assignor}: {} records through {cuts} cut connections, {} commits; failed: {:?}",
        all.len(),
        book.commits,
        book.commits_failed
    );
    for one in &mut members {
        book.turn(one).await;
    }
    for partition in 0..PARTITIONS {
        let committed = rig.committed(&group, &TopicPartition::new(topic.clone(), partition)).await;
        assert!(committed >= book.confirmed.get(&partition).copied(), "a commit that was confirmed is lost");
    }
}

/// At least once, and never again what was committed: `kafka-compat.md` 5.6, KIP-580.
#[tokio::test]
async fn through_a_bad_network_eager_members_hand_out_every_record_and_none_that_was_committed_again() {
    chaos("range", 21).await;
}

/// The same for members that keep their partitions while they join (KIP-429).
#[tokio::test]
async fn through_a_bad_network_cooperative_members_hand_out_every_record_and_none_that_was_committed_again() {
    chaos("cooperative-sticky", 22).await;
}

/// A fetch, a heartbeat and a commit that nobody answers are given up in time, and everything goes on.
#[tokio::test]
async fn when_the_network_hangs_reading_goes_on_after_it() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("hangs", PARTITIONS, &[]).await;
    let group = rig.stage.name("hangs");
    let proxy = Proxy::start(rig.stage.address(), 23).expect("a free port");
    let mut one = member(&rig, &proxy, &group, "range");
    one.subscribe([topic.clone()]).expect("a group");
    rig.write(&topic, 0, &values(3)).await;
    assert_eq!(take(&mut one, 3).await, ["v0", "v1", "v2"]);
    proxy.set(Faults { hang: true, ..Faults::default() });
    rig.write(&topic, 0, &values(2)).await;
    let later = one.commit_later().expect("a group");
    // What hangs is in pieces of 100 ms or so; some of the fetch may be through already.
    tokio::time::sleep(Duration::from_secs(5)).await;
    proxy.set(Faults::default());
    assert_eq!(take(&mut one, 2).await, ["v0", "v1"]);
    tokio::time::timeout(PATIENCE, later).await.expect("in time").expect("tried again until it was done");
    let (_, generation) = one.group_membership().expect("still a member");
    assert_eq!(generation, 1, "nobody threw it out");
}

/// A coordinator that cannot be reached makes no poll fail: what is fetched is handed out, and the commit tells.
#[tokio::test]
async fn while_nobody_can_be_reached_a_commit_ends_in_time_with_the_reason() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("refused", 1, &[]).await;
    let group = rig.stage.name("refused");
    let proxy = Proxy::start(rig.stage.address(), 24).expect("a free port");
    let mut one = member(&rig, &proxy, &group, "range");
    one.subscribe([topic.clone()]).expect("a group");
    rig.write(&topic, 0, &values(3)).await;
    assert_eq!(take(&mut one, 2).await, ["v0", "v1"]);
    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut_all();
    assert_eq!(take(&mut one, 1).await, ["v2"]);
    let start = Instant::now();
    let told = one.commit().await.expect_err("nobody is there");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(told.is_retriable(), "{told}");
    assert!(told.to_string().contains("committing offsets took longer than"), "{told}");
    proxy.set(Faults::default());
    one.commit().await.expect("now it can be reached");
}
