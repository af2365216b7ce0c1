//! Topics for stories, and what is in their logs, read by plain requests: no part of the consumer is trusted for it.

use std::time::Duration;

use bytes::Bytes;
use callboard_client::model::{Batches, Compression, Records, Timestamp};
use callboard_client::{Header, Target};
use callboard_wire::compression::decompress;
use callboard_wire::messages::client::{FetchRequest, fetch_request};
use callboard_wire::messages::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, Request, Response};
use tokio::time::{Instant, sleep};

use crate::stage::Stage;

/// A record as it is in the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its offset.
    pub offset: i64,
    /// Its time.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<Header>,
    /// The codec of its batch.
    pub codec: Compression,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A topic of its own for a story, ready to be written to; its name.
pub async fn create(stage: &Stage, story: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
    let (name, cluster) = (stage.name(story), stage.cluster().await);
    let mut topic = CreatableTopic::default();
    (topic.name, topic.num_partitions, topic.replication_factor) = (name.as_str().into(), partitions, 1);
    let config = |(key, value): &(&str, &str)| {
        let mut config = CreatableTopicConfig::default();
        (config.name, config.value) = ((*key).into(), Some((*value).into()));
        config
    };
    topic.configs = configs.iter().map(config).collect();
    let mut request = CreateTopicsRequest::default();
    (request.topics, request.timeout_ms) = (vec![topic], 10_000);
    let (_, answer) = cluster.ask(Target::Controller, Request::CreateTopics(request), soon()).await.expect("an answer");
    let Response::CreateTopics(answer) = answer else { panic!("another answer") };
    let code = answer.topics.first().map(|topic| topic.error_code);
    assert_eq!(code, Some(0), "topic {name}: {answer:?}");
    let deadline = soon();
    loop {
        cluster.mark_stale(&name);
        let metadata = cluster.topics(&[&name], deadline).await.expect("an answer");
        let whole = metadata.topic(&name).is_some_and(|topic| {
            topic.partitions.len() == partitions as usize && topic.partitions.iter().all(|one| one.leader.is_some())
        });
        if whole {
            return name;
        }
        assert!(Instant::now() < deadline, "topic {name} has no leaders");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Everything in a partition's log.
pub async fn read(stage: &Stage, topic: &str, partition: i32) -> Vec<Logged> {
    let mut read = Vec::new();
    walk(stage, topic, partition, |record| read.push(record)).await;
    read
}

/// Shows every record of a partition's log, in order.
pub async fn walk(stage: &Stage, topic: &str, partition: i32, mut show: impl FnMut(Logged)) {
    let cluster = stage.cluster().await;
    let metadata = cluster.topics(&[topic], soon()).await.expect("an answer");
    let leader = metadata.leader(topic, partition).expect("a leader");
    let id = *metadata.topic(topic).expect("known").id.as_bytes();
    let mut next = 0;
    loop {
        let from = next;
        let build = |version| {
            let mut part = fetch_request::FetchPartition::default();
            (part.partition, part.fetch_offset, part.partition_max_bytes) = (partition, from, 16 * 1024 * 1024);
            let mut of_topic = fetch_request::FetchTopic::default();
            of_topic.partitions = vec![part];
            if version >= 13 {
                of_topic.topic_id = callboard_wire::messages::Uuid::from_bytes(id);
            } else {
                of_topic.topic = topic.into();
            }
            let mut request = FetchRequest::default();
            (request.max_wait_ms, request.min_bytes, request.max_bytes) = (0, 0, 32 * 1024 * 1024);
            request.topics = vec![of_topic];
            request
        };
        let (_, answer) = cluster.fetch(Target::Broker(leader), build, soon()).await.expect("an answer");
        assert_eq!(answer.error_code, 0);
        let part = answer.responses.first().and_then(|topic| topic.partitions.first()).expect("the partition");
        assert_eq!(part.error_code, 0, "reading partition {partition} of {topic} at {next}");
        let batches = part.records.clone().unwrap_or_default();
        for batch in Batches::new(&batches) {
            let Ok((header, bytes)) = batch else { break };
            let codec = header.compression().expect("known");
            let plain = decompress(codec, &bytes[callboard_client::model::HEADER_LEN..]).expect("legal");
            for record in Records::new(header, &plain).map(|record| record.expect("legal")) {
                if record.offset.0 < from {
                    continue;
                }
                let bytes = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
                let header = |one: &callboard_client::model::RecordHeader<'_>| Header {
                    key: String::from_utf8_lossy(one.key).as_ref().into(),
                    value: bytes(one.value),
                };
                next = record.offset.0 + 1;
                show(Logged {
                    offset: record.offset.0,
                    timestamp: record.timestamp,
                    key: bytes(record.key),
                    value: bytes(record.value),
                    headers: record.headers.iter().map(header).collect(),
                    codec,
                });
            }
        }
        if next == from {
            return;
        }
    }
}
