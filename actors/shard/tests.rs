//! A shard on a real partition leader, committer and blocking pool; storage in memory, and in files where it is damaged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use callboard_model::{
    BatchHead, BatchWriter, CheckedBatch, LeaderEpoch, LogConfig, LogId, NewRecord, Offset, PartitionIndex, Tick,
    Timestamp, TopicId, TopicName,
};
use callboard_runtime::{
    ActorRef, AskError, Backoff, ChildSpec, Intensity, Options, Path, Placement, Reply, Strategy, SupervisorSpec,
    System,
};
use callboard_shard::{Refusal, Shard, SnapshotPolicy};
use callboard_storage::{Committer, CommitterOptions, MemoryStorage, RetentionClass, Storage};

use super::counter::{Answer, Ask, Counters, Fact};
use super::{ShardContext, ShardHost, ShardMessage, ShardPlace};
use crate::clock::Clock;
use crate::partition::{AppendInternal, Identity, LeaderContext, PartitionLeader, PartitionMessage, Role};
use crate::storage::{LeaderDirectory, Pool};

const PATIENCE: Duration = Duration::from_secs(60);

struct Rig {
    system: System,
    committer: Option<Committer>,
    pool: Pool,
    shard: ActorRef<ShardMessage<Counters>>,
    leader: ActorRef<PartitionMessage>,
    storage: Arc<dyn Storage>,
    log: LogId,
}

fn rig(policy: SnapshotPolicy) -> Rig {
    rig_on(Arc::new(MemoryStorage::new()), policy)
}

fn rig_on(storage: Arc<dyn Storage>, policy: SnapshotPolicy) -> Rig {
    let config = LogConfig::default();
    let topic = TopicId(uuid::Uuid::from_u128(7));
    let log = storage.create_log(topic, PartitionIndex(3), RetentionClass::of(&config)).expect("a log");
    let (directory, clock, pool) = (LeaderDirectory::default(), Clock::start(), Pool::start(2).expect("threads"));
    let committer = Committer::start(
        Arc::clone(&storage),
        Arc::new(directory.clone()),
        Box::new(|error| panic!("{error}")),
        CommitterOptions::default(),
    )
    .expect("threads");
    let leaders = Arc::new(LeaderContext {
        storage: Arc::clone(&storage),
        commit: committer.handle(),
        pool: pool.clone(),
        directory,
        role: Box::new(move |_| Some(Role { epoch: LeaderEpoch(4), config: config.clone() })),
        clock,
        lives: AtomicU64::new(0),
        tail_bytes: AtomicUsize::new(0),
        tail_limit: 1 << 20,
    });
    let shards = Arc::new(ShardContext {
        storage: Arc::clone(&storage),
        pool: pool.clone(),
        clock,
        append_deadline: Duration::from_secs(5),
    });
    let name = TopicName::new("counters").expect("legal");
    let identity = Identity { topic: name.clone(), topic_id: topic, partition: PartitionIndex(3), log };
    let leader = Path::parse("node/leader").expect("legal");
    let host = ChildSpec::worker("shard", move |env| {
        let leader = env.system().resolve(&leader).ok_or("no leader")?;
        let place = ShardPlace { topic: name.clone(), partition: PartitionIndex(3), log, leader };
        Ok(ShardHost::new(Arc::clone(&shards), place, policy, Counters::default))
    });
    let root = SupervisorSpec::new("node", Strategy::OneForOne)
        .intensity(Intensity { restarts: 100_000, period: Duration::from_secs(10) })
        .backoff(Backoff::none())
        .child(
            ChildSpec::worker("leader", move |_| Ok(PartitionLeader::new(Arc::clone(&leaders), identity.clone())))
                .placement(Placement::Data(0)),
        )
        .child(host.placement(Placement::Data(0)));
    let options = Options { data_arbiters: 1, quiet_panics: true, ..Options::default() };
    let system = System::start("test", options, root).expect("starts");
    let resolve = |path: &str| Path::parse(path).expect("legal");
    let shard = system.resolve(&resolve("node/shard")).expect("is up");
    let leader = system.resolve(&resolve("node/leader")).expect("is up");
    Rig { system, committer: Some(committer), pool, shard, leader, storage, log }
}

impl Rig {
    fn path(name: &str) -> Path {
        Path::parse(&format!("node/{name}")).expect("legal")
    }

    async fn once(&self, command: Ask) -> Result<Result<Answer, Refusal>, AskError> {
        self.shard.ask(PATIENCE, |reply| ShardMessage::Command { command, reply }).await
    }

    /// Asks until there is an answer; gives how often it took a refusal.
    async fn ask(&self, command: Ask) -> (Answer, u32) {
        let began = Instant::now();
        for refused in 0.. {
            match self.once(command.clone()).await {
                Ok(Ok(answer)) => return (answer, refused),
                Ok(Err(Refusal::Loading | Refusal::NotAppended(_))) | Err(AskError::Unanswered { .. }) => {}
                other => panic!("{command:?} is answered with {other:?}"),
            }
            assert!(began.elapsed() < PATIENCE, "{command:?} gets no answer");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        unreachable!("it goes on for ever")
    }

    async fn state(&self) -> (u64, i64) {
        match self.ask(Ask::Get).await.0 {
            Answer::State { version, sum } => (version, sum),
            other => panic!("{other:?}"),
        }
    }

    /// What the shard shows under a name; nothing while it starts anew.
    async fn shows(&self, name: &str) -> String {
        let shows = self.system.snapshot(&Self::path("shard")).await;
        shows.into_iter().flatten().find(|(shown, _)| *shown == name).map(|(_, value)| value).unwrap_or_default()
    }

    async fn end(mut self) {
        self.system.stop(Duration::from_secs(10)).await.expect("stops");
        if let Some(committer) = self.committer.take() {
            committer.stop();
        }
        self.pool.close(Duration::from_secs(60));
    }
}

fn run<F: Future<Output = ()>>(body: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(body());
}

fn add(by: i64) -> Ask {
    Ask::Add { name: 1, by }
}

#[test]
fn a_shard_decides_appends_and_answers_and_its_timers_fire() {
    run(|| async {
        let rig = rig(SnapshotPolicy::ByKey);
        assert_eq!(rig.ask(add(5)).await.0, Answer::State { version: 1, sum: 5 });
        let parked = rig.ask(Ask::Park { key: 2, after: Duration::from_millis(30) }).await.0;
        assert_eq!(parked, Answer::Fired { version: 2, sum: 1005 });
        assert_eq!(rig.storage.end_offset(rig.log), Ok(Offset(2)));
        assert_eq!((rig.shows("role").await, rig.shows("epoch").await), ("in office".to_owned(), "4".to_owned()));
        rig.end().await;
    });
}

#[test]
fn a_panic_while_deciding_costs_a_refusal_and_no_acknowledged_command() {
    run(|| async {
        let rig = rig(SnapshotPolicy::ByKey);
        rig.ask(add(5)).await;
        let parked = rig.shard.ask(PATIENCE, |reply| {
            let command = Ask::Park { key: 2, after: Duration::from_secs(3600) };
            ShardMessage::Command { command, reply }
        });
        // Deferred by the mailbox behind the parked one.
        assert!(matches!(rig.once(Ask::Panic).await, Err(AskError::Unanswered { .. })));
        assert!(matches!(parked.await, Err(AskError::Unanswered { .. })), "whoever was kept hears that it is over");
        assert_eq!(rig.state().await, (1, 5));
        assert_eq!((rig.shows("replayed").await, rig.shows("waiting").await), ("1".to_owned(), "0".to_owned()));
        rig.end().await;
    });
}

#[test]
fn a_command_that_keeps_killing_its_shard_does_not_keep_others_from_it() {
    run(|| async {
        let rig = rig(SnapshotPolicy::ByKey);
        for by in 1..=10 {
            // The same kind of command in a row would be taken for the culprit; any answer clears it.
            assert!(matches!(rig.once(Ask::Panic).await, Ok(Err(Refusal::Loading)) | Err(AskError::Unanswered { .. })));
            rig.ask(add(by)).await;
        }
        assert_eq!(rig.state().await, (10, 55));
        rig.end().await;
    });
}

#[test]
fn nothing_acknowledged_is_lost_while_shard_and_leader_fail_at_random() {
    run(|| async {
        let rig = rig(SnapshotPolicy::After { records: 50 });
        let (mut sum, mut refusals) = (0, 0);
        let began = Instant::now();
        let mut panics = 0;
        for round in 0..400_u64 {
            // No two panics of one actor fall together: each has to have come back.
            if round % 4 == 0 {
                let path = Rig::path(if round % 8 == 0 { "shard" } else { "leader" });
                panics += u64::from(rig.system.inject_panic(&path));
            }
            // A repeated add may count twice: those refused are the ones that nobody knows of.
            let before = rig.state().await.1;
            let (Answer::State { sum: after, .. }, refused) = rig.ask(add(1)).await else { panic!("no state") };
            assert!(after > before && after <= before + 1 + i64::from(refused), "{before}, {after}, {refused}");
            assert!(after > sum, "an acknowledged add is lost");
            (sum, refusals) = (after, refusals + refused);
        }
        assert_eq!(panics, 100);
        println!("sum {sum} of 400 adds, {refusals} refusals, {:?}", began.elapsed());
        assert!(rig.storage.start_offset(rig.log).expect("a log").get() > 0, "snapshots have cut the log");
        rig.end().await;
    });
}

#[test]
fn an_append_of_somebody_else_is_noticed_and_read() {
    run(|| async {
        let rig = rig(SnapshotPolicy::ByKey);
        rig.ask(add(5)).await;
        let encoded = Counters::encode(&Fact::Added { name: 9, by: 70 });
        let mut writer = BatchWriter::new(BatchHead::new(Timestamp(1)));
        writer.push(NewRecord {
            offset_delta: 0,
            timestamp: Timestamp(1),
            key: encoded.key.as_deref(),
            value: encoded.value.as_deref(),
            headers: &[],
        });
        let batch = CheckedBatch::new(writer.finish()).expect("legal");
        let appended = rig.leader.ask(PATIENCE, |reply| {
            PartitionMessage::AppendInternal(AppendInternal {
                batch,
                expected_end: None,
                deadline: Tick(PATIENCE),
                reply,
            })
        });
        appended.await.expect("an answer").expect("appended");
        let (answer, refused) = rig.ask(add(1)).await;
        assert_eq!((answer, refused > 0), (Answer::State { version: 3, sum: 76 }, true));
        rig.end().await;
    });
}

#[test]
fn a_long_log_is_loaded_in_slices() {
    run(|| async {
        let rig = rig(SnapshotPolicy::ByKey);
        for _ in 0..40 {
            rig.ask(Ask::Pad { bytes: 100_000 }).await;
        }
        rig.system.inject_panic(&Rig::path("shard"));
        while rig.shows("replayed").await != "40" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(rig.state().await, (40, 0));
        rig.end().await;
    });
}

#[test]
fn callers_that_have_gone_are_forgotten() {
    run(|| async {
        let rig = rig(SnapshotPolicy::ByKey);
        rig.state().await;
        let command = Ask::Park { key: 2, after: Duration::from_secs(3600) };
        let (reply, answer) = Reply::channel();
        rig.shard.tell(ShardMessage::Command { command, reply }).expect("has room");
        while rig.shows("waiting").await != "1" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(answer);
        while rig.shows("waiting").await != "0" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Its own timer, and the shard's that it always has: the parked one's is cancelled.
        assert_eq!(rig.shows("timers").await, "1");
        rig.end().await;
    });
}

#[test]
fn whoever_waits_is_sent_elsewhere_when_the_actor_is_stopped() {
    run(|| async {
        let rig = rig(SnapshotPolicy::ByKey);
        rig.state().await;
        let parked = rig.shard.ask(PATIENCE, |reply| {
            let command = Ask::Park { key: 2, after: Duration::from_secs(3600) };
            ShardMessage::Command { command, reply }
        });
        while rig.shows("waiting").await != "1" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rig.end().await;
        assert_eq!(parked.await, Ok(Err(Refusal::NotHosted)));
    });
}
