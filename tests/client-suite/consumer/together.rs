//! One group with members of other clients: what they tell each other is the protocol's, not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::consumer::rig::*;

/// kcat as a member, ended with its owner; every line it writes is `partition offset`.
struct Kcat {
    process: Child,
    seen: Arc<Mutex<BTreeSet<(i32, i64)>>>,
}

impl Kcat {
    fn join(bootstrap: &str, group: &str, topic: &str, assignor: &str) -> Option<Self> {
        let strategy = format!("partition.assignment.strategy={assignor}");
        let options = ["-X", &strategy, "-X", "auto.offset.reset=earliest", "-X", "heartbeat.interval.ms=200"];
        let mut command = Command::new("kcat");
        command.args(["-b", bootstrap, "-G", group]).args(options).args(["-u", "-f", "%p %o\n", topic]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut process) = command.spawn() else {
            eprintln!("not told: there is no kcat");
            return None;
        };
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let lines = BufReader::new(process.stdout.take().expect("piped"));
        std::thread::spawn({
            let seen = seen.clone();
            move || {
                for line in lines.lines().map_while(Result::ok) {
                    let (partition, offset) = line.split_once(' ').expect("two numbers");
                    let at = (partition.parse().expect("a number"), offset.parse().expect("a number"));
                    seen.lock().expect("no panic").insert(at);
                }
            }
        });
        Some(Self { process, seen })
    }

    fn seen(&self) -> BTreeSet<(i32, i64)> {
        self.seen.lock().expect("no panic").clone()
    }
}

impl Drop for Kcat {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn with_kcat(assignor: &str, ours_first: bool) {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("kcat", 4, &[]).await;
    let group = rig.stage.name("kcat");
    let join_ours = async || {
        let set = [("partition.assignment.strategy", assignor), ("auto.commit.interval.ms", "100")];
        let mut ours = rig.consumer(Some(&group), &set).await;
        ours.subscribe([topic.clone()]).expect("a group");
        ours
    };
    let mut seen = BTreeMap::new();
    let mut ours = None;
    if ours_first {
        let ours = ours.insert(join_ours().await);
        poll_until(&mut [ours], &mut seen, |members, _| shared_out(members, 4, 4)).await;
    }
    // Whoever is first is the leader, and shares out for both.
    let Some(kcat) = Kcat::join(&rig.stage.bootstrap, &group, &topic, assignor) else { return };
    if !ours_first {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut warm = 0;
        while kcat.seen().is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "kcat reads nothing");
            rig.write(&topic, warm % 4, &values(1)).await;
            warm += 1;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    let mut ours = match ours {
        Some(ours) => ours,
        None => join_ours().await,
    };
    poll_until(&mut [&mut ours], &mut seen, |members, _| members[0].assignment().len() == 2).await;
    for partition in 0..4 {
        rig.write(&topic, partition, &values(50)).await;
    }
    let mut ends = BTreeMap::new();
    for partition in 0..4 {
        let of = callboard_client::TopicPartition::new(topic.clone(), partition);
        ends.extend(ours.end_offsets(&[of]).await.expect("an answer"));
    }
    let all: BTreeSet<_> =
        ends.iter().flat_map(|(of, end)| (0..*end).map(move |offset| (of.partition, offset))).collect();
    poll_until(&mut [&mut ours], &mut seen, |_, seen| {
        let read: BTreeSet<_> = seen.keys().copied().chain(kcat.seen()).collect();
        read == all
    })
    .await;
    ours.close(PATIENCE).await.expect("closed");
}

#[tokio::test]
async fn ours_leads_a_group_with_librdkafka_range() {
    with_kcat("range", true).await;
}

#[tokio::test]
async fn librdkafka_leads_a_group_with_ours_range() {
    with_kcat("range", false).await;
}

#[tokio::test]
async fn ours_leads_a_group_with_librdkafka_cooperative() {
    with_kcat("cooperative-sticky", true).await;
}

#[tokio::test]
async fn librdkafka_leads_a_group_with_ours_cooperative() {
    with_kcat("cooperative-sticky", false).await;
}
