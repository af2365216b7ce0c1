//! Topics, records written byte by byte, members of groups that tell what they see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use callboard_client::admin::NewTopic;
use callboard_client::consumer::{Consumer, ConsumerError, ConsumerOptions, RebalanceListener};
use callboard_client::model::{BatchHead, BatchWriter, Compression, ErrorCode, NewRecord, Timestamp};
use callboard_client::{Admin, Cluster, Target, TopicPartition};
use callboard_client_suite::stage::{Stage, stage};
use callboard_wire::ApiKey;
use callboard_wire::compression::compress;
use callboard_wire::messages::client::{
    ProduceRequest, decode_produce, encode_produce, produce_request, split_response,
};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster with one client of each kind.
pub(crate) struct Rig {
    pub(crate) stage: Stage,
    pub(crate) cluster: Cluster,
    pub(crate) admin: Admin,
}

impl Rig {
    /// `None` without a cluster: the story is not told.
    pub(crate) async fn new() -> Option<Self> {
        let stage = stage()?;
        let cluster = stage.cluster().await;
        let admin = Admin::new(cluster.clone());
        Some(Self { stage, cluster, admin })
    }

    /// A new topic, once its partitions have leaders. Its records stay, however old stories make them.
    pub(crate) async fn topic(&self, story: &str, partitions: i32, configs: &[(&str, &str)]) -> Arc<str> {
        let name = self.stage.name(story);
        let mut topic = NewTopic::new(&*name).partitions(partitions).replicas(1).config("retention.ms", "-1");
        for (key, value) in configs {
            topic = topic.config(*key, *value);
        }
        self.admin.create_topics(&[topic], false).await.all().expect("a new topic");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let known = self.cluster.topics(&[&name], deadline).await.expect("metadata");
            let led = |index| known.leader(&name, index).is_some();
            if (0..partitions).all(led) {
                return name.into();
            }
            assert!(Instant::now() < deadline, "{name} gets no leaders");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn options(&self, group: Option<&str>, set: &[(&str, &str)]) -> ConsumerOptions {
        let mut options = ConsumerOptions::default();
        options.cluster = self.stage.options();
        options.group_id = group.map(str::to_owned);
        options.set("auto.offset.reset", "earliest").expect("legal");
        options.set("heartbeat.interval.ms", "200").expect("legal");
        options.set("fetch.max.wait.ms", "100").expect("legal");
        for (name, value) in set {
            options.set(name, value).expect("legal");
        }
        options
    }

    pub(crate) async fn consumer(&self, group: Option<&str>, set: &[(&str, &str)]) -> Consumer {
        Consumer::new(self.options(group, set)).await.expect("the cluster answers")
    }

    /// Reads all partitions of a topic by hand.
    pub(crate) async fn reader(&self, topic: &Arc<str>, partitions: i32, set: &[(&str, &str)]) -> Consumer {
        let mut consumer = self.consumer(None, set).await;
        consumer.assign((0..partitions).map(|index| (topic.clone(), index))).expect("nothing is subscribed");
        consumer
    }

    /// Writes values into one partition as one batch; the offset of the first.
    pub(crate) async fn write(&self, topic: &str, partition: i32, values: &[String]) -> i64 {
        let records: Vec<_> = values.iter().map(|value| (value.as_str(), 1000)).collect();
        self.append(topic, partition, batch(&records, Compression::None)).await
    }

    /// Appends a batch as it is; the offset of its first record.
    pub(crate) async fn append(&self, topic: &str, partition: i32, batch: Bytes) -> i64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // A new topic is known before its leader has heard of it.
            match self.try_append(topic, partition, batch.clone(), deadline).await {
                Ok(offset) => return offset,
                Err(code) => {
                    let told = ErrorCode::from_code(code).filter(|code| code.is_retriable());
                    assert!(told.is_some() && Instant::now() < deadline, "appending to {topic}-{partition}: {code}");
                    self.cluster.mark_stale(topic);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    async fn try_append(&self, topic: &str, partition: i32, batch: Bytes, deadline: Instant) -> Result<i64, i16> {
        let leader = self.cluster.topics(&[topic], deadline).await.expect("metadata").leader(topic, partition);
        let target = Target::Broker(leader.expect("a leader"));
        let connection = self.cluster.connection(target, deadline).await.expect("the leader answers");
        let version = connection.version(ApiKey::Produce).expect("served");
        let mut of_partition = produce_request::PartitionProduceData::default();
        (of_partition.index, of_partition.records) = (partition, Some(batch));
        let mut of_topic = produce_request::TopicProduceData::default();
        (of_topic.name, of_topic.partition_data) = (topic.into(), vec![of_partition]);
        let mut request = ProduceRequest::default();
        (request.acks, request.timeout_ms, request.topic_data) = (-1, 30_000, vec![of_topic]);
        let correlation = connection.next_correlation();
        let frame = encode_produce(correlation, Some("rig"), version, &request).expect("legal");
        let answer = connection.enqueue(ApiKey::Produce, correlation, vec![frame], deadline).await.expect("an answer");
        let (_, body) = split_response(ApiKey::Produce, version, answer).expect("legal");
        let answer = decode_produce(version, body).expect("legal");
        let told = &answer.responses[0].partition_responses[0];
        if told.error_code == 0 { Ok(told.base_offset) } else { Err(told.error_code) }
    }

    /// What the group has committed, asked by someone who is not in it.
    pub(crate) async fn committed(&self, group: &str, partition: &TopicPartition) -> Option<i64> {
        let outsider = self.consumer(Some(group), &[]).await;
        let found = outsider.committed(std::slice::from_ref(partition)).await.expect("an answer");
        found.get(partition).map(|committed| committed.offset)
    }
}

/// A batch of (value, time in milliseconds); keys are the values.
pub(crate) fn batch(records: &[(&str, i64)], codec: Compression) -> Bytes {
    let mut writer = BatchWriter::new(BatchHead::new(Timestamp(records[0].1)));
    for (delta, (value, time)) in records.iter().enumerate() {
        writer.push(NewRecord {
            offset_delta: i32::try_from(delta).expect("few"),
            timestamp: Timestamp(*time),
            key: Some(value.as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    writer.finish_compressed(codec, |plain| compress(codec, plain)).expect("codecs take anything").freeze()
}

/// `v0` to before `v{count}`.
pub(crate) fn values(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("v{at}")).collect()
}

/// The next record in time, as offset and value.
pub(crate) async fn next(consumer: &mut Consumer) -> (i64, String) {
    let record = tokio::time::timeout(PATIENCE, consumer.recv()).await.expect("in time").expect("a record");
    (record.offset, text(record.value.as_ref()))
}

/// The next so many values.
pub(crate) async fn take(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..count {
        seen.push(next(consumer).await.1);
    }
    seen
}

/// The next error.
pub(crate) async fn error(consumer: &mut Consumer) -> ConsumerError {
    tokio::time::timeout(PATIENCE, consumer.recv()).await.expect("in time").expect_err("an error")
}

pub(crate) fn text(bytes: Option<&Bytes>) -> String {
    String::from_utf8(bytes.expect("a value").to_vec()).expect("text")
}

/// Nothing comes for a while.
pub(crate) async fn silence(consumer: &mut Consumer, time: Duration) {
    if let Ok(told) = tokio::time::timeout(time, consumer.recv()).await {
        panic!("nothing was to come, but {told:?}");
    }
}

/// What a listener heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Assigned(BTreeSet<TopicPartition>),
    Revoked(BTreeSet<TopicPartition>),
    Lost(BTreeSet<TopicPartition>),
}

/// Writes down what it hears.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear(pub(crate) Arc<Mutex<Vec<Heard>>>);

impl Ear {
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.0.lock().expect("no panic").clone()
    }

    fn note(&self, heard: Heard) -> BoxFuture<'static, ()> {
        self.0.lock().expect("no panic").push(heard);
        Box::pin(std::future::ready(()))
    }
}

fn set(partitions: &[TopicPartition]) -> BTreeSet<TopicPartition> {
    partitions.iter().cloned().collect()
}

impl RebalanceListener for Ear {
    fn revoked<'a>(&'a mut self, _: &'a mut Consumer, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.note(Heard::Revoked(set(partitions)))
    }

    fn assigned<'a>(&'a mut self, _: &'a mut Consumer, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.note(Heard::Assigned(set(partitions)))
    }

    fn lost<'a>(&'a mut self, _: &'a mut Consumer, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.note(Heard::Lost(set(partitions)))
    }
}

/// Polls all members until `done`, which is shown them after every round; records go into `seen`.
pub(crate) async fn poll_until(
    members: &mut [&mut Consumer],
    seen: &mut BTreeMap<(i32, i64), usize>,
    mut done: impl FnMut(&mut [&mut Consumer], &BTreeMap<(i32, i64), usize>) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(members, seen) {
        assert!(Instant::now() < deadline, "it never came to pass; assignments: {:?}", assignments(members));
        for member in members.iter_mut() {
            let records = member.poll(Duration::from_millis(30)).await.expect("no error");
            for record in records {
                *seen.entry((record.partition, record.offset)).or_default() += 1;
            }
        }
    }
}

pub(crate) fn assignments(members: &[&mut Consumer]) -> Vec<BTreeSet<TopicPartition>> {
    members.iter().map(|member| member.assignment()).collect()
}

/// Whether all partitions are assigned, each once, and every member has at least `least`.
pub(crate) fn shared_out(members: &[&mut Consumer], partitions: usize, least: usize) -> bool {
    let assigned = assignments(members);
    let all: BTreeSet<_> = assigned.iter().flatten().collect();
    let sum: usize = assigned.iter().map(BTreeSet::len).sum();
    all.len() == partitions && sum == partitions && assigned.iter().all(|own| own.len() >= least)
}
