use std::collections::BTreeMap;

use bytes::Bytes;
use callboard_model::{BatchHeader, ErrorCode, Offset, ProducerId, Records, Timestamp};
use callboard_wire::ApiKey;
use callboard_wire::produce::{self, PartitionProduced, ProduceResponse, TopicProduced};
use futures_util::FutureExt;
use tokio::time::{sleep, timeout};

use super::*;
use crate::ClusterOptions;
use crate::net::fake::{Asked, FakeBroker, Reply};

/// Logs as the fake keeps them: values by topic and partition.
type Logs = Arc<Mutex<BTreeMap<(String, i32), Vec<Bytes>>>>;

/// Appends what a Produce request brings; the answer.
fn append(asked: &Asked, logs: &Logs, refuse: impl Fn(&BatchHeader) -> Option<ErrorCode>) -> Reply {
    let request = produce::decode_request(asked.version, asked.body.clone()).expect("a legal request");
    let mut answer = ProduceResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for part in topic.partitions {
            let batch = callboard_model::CheckedBatch::new(part.records.expect("records")).expect("a legal batch");
            let header = *batch.header();
            let code = refuse(&header);
            let mut produced = PartitionProduced::refused(part.index, code.unwrap_or(ErrorCode::None));
            if code.is_none() {
                let mut logs = logs.lock().expect("no panic");
                let log = logs.entry((topic.name.to_string(), part.index.0)).or_default();
                produced.base_offset = Offset(log.len() as i64);
                let plain =
                    callboard_wire::compression::decompress(header.compression().expect("known"), batch.records())
                        .expect("legal")
                        .into_owned();
                for record in Records::new(header, &plain) {
                    log.push(Bytes::copy_from_slice(record.expect("legal").value.unwrap_or_default()));
                }
            }
            partitions.push(produced);
        }
        answer.topics.push(TopicProduced { name: topic.name, partitions });
    }
    if request.acks == 0 {
        return Reply::Silence;
    }
    Reply::Raw(produce::encode_response(asked.correlation, asked.version, &answer).expect("legal"))
}

async fn broker(logs: &Logs) -> FakeBroker {
    let logs = logs.clone();
    FakeBroker::start(move |asked| (asked.key == ApiKey::Produce).then(|| append(asked, &logs, |_| None))).await
}

fn options(broker: &FakeBroker) -> ProducerOptions {
    let mut options = ProducerOptions::new(&broker.address.to_string());
    options.cluster.retry_backoff = Duration::from_millis(5);
    options.cluster.retry_backoff_max = Duration::from_millis(50);
    options.cluster.reconnect_backoff = Duration::from_millis(5);
    options
}

fn record(value: impl Into<Bytes>) -> ProducerRecord {
    ProducerRecord::to("t").value(value)
}

fn log(logs: &Logs, partition: i32) -> Vec<Bytes> {
    logs.lock().expect("no panic").get(&("t".to_owned(), partition)).cloned().unwrap_or_default()
}

#[tokio::test]
async fn records_arrive_and_each_send_learns_its_offset() {
    let logs = Logs::default();
    let broker = broker(&logs).await;
    let producer = Producer::connect(options(&broker)).await.expect("a broker");
    let mut deliveries = Vec::new();
    for at in 0..100 {
        deliveries.push(producer.send(record(format!("{at}")).partition(at % 3)).await.expect("taken"));
    }
    for (at, delivery) in (0..100).zip(deliveries) {
        let arrived = delivery.await.expect("acknowledged");
        assert_eq!((arrived.partition, arrived.offset), (at % 3, Some(i64::from(at / 3))));
        assert_eq!(log(&logs, at % 3)[at as usize / 3], format!("{at}"));
        assert!(arrived.timestamp > Timestamp(1_600_000_000_000));
    }
    assert_eq!(producer.buffered_bytes(), 0);
    producer.close(Duration::from_secs(5)).await.expect("in time");
    let late = producer.send(record("late")).await.expect_err("closed");
    assert!(matches!(late, ClientError::Closed("producer")), "{late}");
}

#[tokio::test]
async fn after_a_lost_answer_the_batch_is_repeated_with_its_number() {
    let (logs, seen) = (Logs::default(), Arc::new(Mutex::new(Vec::new())));
    let (kept, numbers) = (logs.clone(), seen.clone());
    let broker = FakeBroker::start(move |asked: &Asked| {
        if asked.key != ApiKey::Produce {
            return None;
        }
        let reply = append(asked, &kept, |header| {
            let mut numbers = numbers.lock().expect("no panic");
            numbers.push((header.producer_id, header.base_sequence));
            (numbers.len() > 1).then_some(ErrorCode::DuplicateSequenceNumber)
        });
        Some(if numbers.lock().expect("no panic").len() == 1 { Reply::Close } else { reply })
    })
    .await;
    let producer = Producer::connect(options(&broker)).await.expect("a broker");
    let arrived = producer.send(record("once").partition(0)).await.expect("taken").await.expect("acknowledged");
    assert_eq!(arrived.offset, None, "the broker did not know the offset any more");
    assert_eq!(*seen.lock().expect("no panic"), [(ProducerId(7000), 0), (ProducerId(7000), 0)]);
    assert_eq!(log(&logs, 0), ["once"]);
}

#[tokio::test]
async fn a_refusal_is_told_with_the_broker_s_code_and_the_next_record_goes_on() {
    let logs = Logs::default();
    let kept = logs.clone();
    let broker = FakeBroker::start(move |asked: &Asked| {
        let refuse = |header: &BatchHeader| (header.producer_epoch.0 == 0).then_some(ErrorCode::InvalidRecord);
        (asked.key == ApiKey::Produce).then(|| append(asked, &kept, refuse))
    })
    .await;
    let producer = Producer::connect(options(&broker)).await.expect("a broker");
    let refused = producer.send(record("bad").partition(0)).await.expect("taken").await.expect_err("refused");
    assert_eq!(refused.kafka_code(), Some(ErrorCode::InvalidRecord));
    assert!(!refused.may_have_happened());
    let arrived = producer.send(record("good").partition(0)).await.expect("taken").await.expect("in a new epoch");
    assert_eq!((arrived.offset, log(&logs, 0)), (Some(0), vec![Bytes::from("good")]));
}

#[tokio::test]
async fn when_the_broker_is_silent_the_delivery_timeout_tells_everyone() {
    let broker = FakeBroker::start(|asked: &Asked| (asked.key == ApiKey::Produce).then_some(Reply::Silence)).await;
    let mut options = options(&broker);
    options.cluster.request_timeout = Duration::from_millis(200);
    options.delivery_timeout = Duration::from_millis(300);
    let producer = Producer::connect(options).await.expect("a broker");
    let mut deliveries = Vec::new();
    for at in 0..50 {
        deliveries.push(producer.send(record("x").partition(at % 3)).await.expect("taken"));
    }
    for delivery in deliveries {
        let error = timeout(Duration::from_secs(3), delivery).await.expect("in time").expect_err("nobody answers");
        assert!(matches!(error, ClientError::Timeout { sent: true, .. }), "{error}");
    }
    assert_eq!(producer.buffered_bytes(), 0);
}

#[tokio::test]
async fn memory_is_bounded_and_waited_for() {
    let (logs, open) = (Logs::default(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let (kept, gate) = (logs.clone(), open.clone());
    let broker = FakeBroker::start(move |asked: &Asked| {
        let ready = gate.load(std::sync::atomic::Ordering::Relaxed);
        let refuse = |_: &BatchHeader| (!ready).then_some(ErrorCode::NotEnoughReplicas);
        (asked.key == ApiKey::Produce).then(|| append(asked, &kept, refuse))
    })
    .await;
    let mut options = options(&broker);
    options.buffer_memory = 10_000;
    options.max_block = Duration::from_millis(100);
    let producer = Producer::connect(options).await.expect("a broker");
    let mut deliveries = Vec::new();
    let full = loop {
        match producer.send(record(vec![0; 1000]).partition(0)).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => break error,
        }
    };
    assert_eq!(deliveries.len(), 9);
    assert!(matches!(full, ClientError::BufferFull { limit: 10_000, .. }), "{full}");
    let refused = producer.try_send(record(vec![0; 1000]).partition(0)).expect_err("full");
    assert_eq!(refused.record.value.as_ref().map(Bytes::len), Some(1000));
    open.store(true, std::sync::atomic::Ordering::Relaxed);
    let waiting = (0..20).map(|_| producer.send(record(vec![0; 1000]).partition(0)));
    for delivery in futures_util::future::join_all(waiting).await {
        delivery.expect("room came").await.expect("acknowledged");
    }
    for delivery in deliveries {
        delivery.await.expect("acknowledged");
    }
    assert_eq!((log(&logs, 0).len(), producer.buffered_bytes()), (29, 0));
    let too_large = producer.send(record(vec![0; 11_000])).await.expect_err("never fits");
    assert!(matches!(too_large, ClientError::RecordTooLarge { limit_name: "buffer.memory", .. }), "{too_large}");
}

#[tokio::test]
async fn while_memory_is_waited_for_nothing_lingers() {
    let logs = Logs::default();
    let broker = broker(&logs).await;
    let mut options = options(&broker);
    options.buffer_memory = 10_000;
    options.linger = Duration::from_secs(30);
    options.max_block = Duration::from_secs(10);
    let producer = Producer::connect(options).await.expect("a broker");
    // More than fits, though no batch of any partition is ever large enough to be sent for its size.
    for at in 0..60 {
        let sent = producer.send(record(vec![0; 1000]).partition(at % 3)).await;
        drop(sent.expect("room came long before the linger ended"));
    }
    producer.flush().await;
    assert_eq!((0..3).map(|partition| log(&logs, partition).len()).sum::<usize>(), 60);
}

#[tokio::test]
async fn while_batches_wait_records_without_a_key_fill_one_before_the_next() {
    let logs = Logs::default();
    let broker = broker(&logs).await;
    let producer = Producer::connect(options(&broker)).await.expect("a broker");
    producer.send(record("known").partition(0)).await.expect("taken").await.expect("acknowledged");
    let before = producer.counts();
    let value = Bytes::from(vec![7; 1000]);
    // Nothing else runs meanwhile, so nothing is taken.
    for _ in 0..3500 {
        drop(producer.send(record(value.clone())).await.expect("taken"));
    }
    producer.flush().await;
    let counts = producer.counts();
    let (requests, batches) = (counts.requests - before.requests, counts.batches - before.batches);
    assert!((4..=6).contains(&batches), "{batches} batches of a megabyte at most, for three and a half");
    assert!(requests <= batches && counts.records == 3501 && counts.bytes > 3_500_000, "{counts:?}");
}

#[tokio::test]
async fn dropped_without_close_everything_pending_is_told() {
    let broker = FakeBroker::start(|asked: &Asked| (asked.key == ApiKey::Produce).then_some(Reply::Silence)).await;
    let mut options = options(&broker);
    options.linger = Duration::from_millis(1);
    let producer = Producer::connect(options).await.expect("a broker");
    let sent = producer.send(record("x").partition(0)).await.expect("taken");
    while broker.count(ApiKey::Produce) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let behind = producer.send(record("x").partition(0)).await.expect("taken");
    let flushing = tokio::spawn({
        let producer = producer.clone();
        async move { producer.close(Duration::from_millis(50)).await }
    });
    drop(producer);
    let closed = flushing.await.expect("no panic").expect_err("nobody answers");
    assert!(matches!(closed, ClientError::Timeout { .. }), "{closed}");
    let error = sent.await.expect_err("nobody answers");
    assert!(matches!(error, ClientError::ClosedUnanswered(_)) && error.may_have_happened(), "{error}");
    let error = behind.await.expect_err("never sent");
    assert!(matches!(error, ClientError::Closed(_)) && !error.may_have_happened(), "{error}");
}

#[test]
fn a_runtime_that_ends_tells_everyone_too() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let delivery = runtime.block_on(async {
        let broker = FakeBroker::start(|asked: &Asked| (asked.key == ApiKey::Produce).then_some(Reply::Silence)).await;
        let producer = Producer::connect(options(&broker)).await.expect("a broker");
        let delivery = producer.send(record("x").partition(0)).await.expect("taken");
        std::mem::forget(producer);
        Some(delivery)
    });
    drop(runtime);
    let delivery = delivery.expect("taken");
    assert!(delivery.now_or_never().expect("told").is_err());
}

#[tokio::test]
async fn while_a_record_lingers_its_leader_is_dialled_and_the_id_was_asked_for_before() {
    let logs = Logs::default();
    let broker = broker(&logs).await;
    let mut options = options(&broker);
    options.linger = Duration::from_secs(30);
    let producer = Producer::connect(options).await.expect("a broker");
    let until = |key: ApiKey, count: usize| {
        let broker = &broker;
        timeout(Duration::from_secs(10), async move {
            while broker.count(key) < count {
                sleep(Duration::from_millis(1)).await;
            }
        })
    };
    until(ApiKey::InitProducerId, 1).await.expect("without any record");
    let delivery = producer.send(record("lingers").partition(0)).await.expect("taken");
    let greeted = broker.count(ApiKey::ApiVersions);
    until(ApiKey::ApiVersions, greeted + 1).await.expect("long before the linger ended");
    assert_eq!(broker.count(ApiKey::Produce), 0);
    producer.flush().await;
    delivery.await.expect("acknowledged");
    assert_eq!((broker.count(ApiKey::ApiVersions), broker.count(ApiKey::InitProducerId)), (greeted + 1, 1));
}

#[tokio::test]
async fn flush_does_not_wait_for_the_linger() {
    let logs = Logs::default();
    let broker = broker(&logs).await;
    let mut options = options(&broker);
    (options.linger, options.delivery_timeout) = (Duration::from_secs(60), Duration::from_secs(100));
    let producer = Producer::connect(options).await.expect("a broker");
    for at in 0..30 {
        drop(producer.send(record("x").partition(at % 3)).await.expect("taken"));
    }
    sleep(Duration::from_millis(50)).await;
    assert_eq!(broker.count(ApiKey::Produce), 0);
    timeout(Duration::from_secs(2), producer.flush()).await.expect("at once");
    assert_eq!((0..3).map(|at| log(&logs, at).len()).sum::<usize>(), 30);
}

#[tokio::test]
async fn with_acks_0_a_record_counts_as_sent_once_it_is_written() {
    let logs = Logs::default();
    let broker = broker(&logs).await;
    let mut options = options(&broker);
    options.acks = Acks::None;
    let producer = Producer::connect(options).await.expect("a broker");
    let arrived = producer.send(record("x").partition(0)).await.expect("taken").await.expect("written");
    assert_eq!(arrived.offset, None);
    assert_eq!(broker.count(ApiKey::InitProducerId), 0, "no idempotence without acks=all (KIP-679)");
    while log(&logs, 0).is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_the_broker_is_halved_until_it_fits_kip_126() {
    let logs = Logs::default();
    let kept = logs.clone();
    let broker = FakeBroker::start(move |asked: &Asked| {
        let refuse = |header: &BatchHeader| (header.count > 3).then_some(ErrorCode::MessageTooLarge);
        (asked.key == ApiKey::Produce).then(|| append(asked, &kept, refuse))
    })
    .await;
    let producer = Producer::connect(options(&broker)).await.expect("a broker");
    let mut deliveries = Vec::new();
    for at in 0..40 {
        deliveries.push(producer.send(record(format!("{at}")).partition(1)).await.expect("taken"));
    }
    for (at, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.expect("acknowledged").offset, Some(at));
    }
    assert!(log(&logs, 1).iter().enumerate().all(|(at, value)| *value == format!("{at}")));
}

#[tokio::test]
async fn what_was_known_of_a_topic_is_told_when_a_later_look_runs_out_of_time() {
    let mut looks = 0;
    let broker = FakeBroker::start(move |asked: &Asked| match &asked.request {
        Some(callboard_wire::messages::Request::Metadata(request)) => {
            let topic = request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref()).next()?;
            looks += 1;
            if looks > 1 {
                return Some(Reply::Silence);
            }
            let absent = crate::net::fake::absent(topic, ErrorCode::UnknownTopicOrPartition);
            Some(Reply::Answer(crate::net::fake::metadata(&[], vec![absent]).into()))
        }
        _ => None,
    })
    .await;
    let mut options = options(&broker);
    options.max_block = Duration::from_millis(400);
    let producer = Producer::connect(options).await.expect("a broker");
    let absent = producer.send(ProducerRecord::to("absent").value("x")).await.expect_err("nobody makes it");
    assert_eq!(absent.kafka_code(), Some(ErrorCode::UnknownTopicOrPartition), "{absent}");
}

#[tokio::test]
async fn topics_and_partitions_that_are_not_there_are_told_within_max_block() {
    let mut asked_for = 0;
    let broker = FakeBroker::start(move |asked: &Asked| match &asked.request {
        Some(callboard_wire::messages::Request::Metadata(request)) => {
            let topic = request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref()).next()?;
            asked_for += 1;
            let code = match topic {
                "later" if asked_for > 4 => return None,
                "later" | "never" => ErrorCode::UnknownTopicOrPartition,
                "forbidden" => ErrorCode::TopicAuthorizationFailed,
                _ => return None,
            };
            Some(Reply::Answer(crate::net::fake::metadata(&[], vec![crate::net::fake::absent(topic, code)]).into()))
        }
        _ => None,
    })
    .await;
    let mut options = options(&broker);
    options.max_block = Duration::from_millis(400);
    let producer = Producer::connect(options).await.expect("a broker");
    let to = |topic: &str| ProducerRecord::to(topic).value("x");
    drop(producer.send(to("later")).await.expect("it came to be"));
    let never = producer.send(to("never")).await.expect_err("never comes to be");
    assert!(matches!(never, ClientError::Timeout { .. }), "{never}");
    assert_eq!(never.kafka_code(), Some(ErrorCode::UnknownTopicOrPartition));
    let forbidden = producer.send(to("forbidden")).await.expect_err("at once");
    assert_eq!(forbidden.kafka_code(), Some(ErrorCode::TopicAuthorizationFailed));
    assert!(matches!(producer.send(to("no/name")).await, Err(ClientError::Illegal(_))));
    let partition = producer.send(to("t").partition(9)).await.expect_err("three partitions");
    assert_eq!(partition.to_string(), "'t' has 3 partitions, number 9 is not one of them");
    assert!(producer.try_send(to("new")).is_err(), "not known yet");
    while producer.try_send(to("new")).is_err() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn keys_and_partitioners_choose_the_partition() {
    #[derive(Debug)]
    struct Last;
    impl partitioner::Partitioner for Last {
        fn partition(&self, _: &str, _: Option<&[u8]>, _: Option<&[u8]>, of: partitioner::Partitions<'_>) -> i32 {
            of.count() - 1
        }
    }
    let logs = Logs::default();
    let broker = broker(&logs).await;
    let producer = Producer::connect(options(&broker)).await.expect("a broker");
    for key in ["a", "foobar", "callboard"] {
        let arrived = producer.send(record("x").key(key)).await.expect("taken").await.expect("acknowledged");
        assert_eq!(arrived.partition, partitioner::keyed(key.as_bytes(), 3));
    }
    let mut own = options(&broker);
    own.partitioner = Some(Arc::new(Last));
    let producer = Producer::connect(own).await.expect("a broker");
    assert_eq!(producer.send(record("x").key("a")).await.expect("taken").partition(), 2);
}

#[test]
fn options_that_exclude_each_other_are_told_kip_679() {
    let with = |pairs: &[(&str, &str)]| {
        let mut options = ProducerOptions::default();
        pairs.iter().for_each(|(name, value)| options.set(name, value).expect("legal"));
        options
    };
    assert_eq!(with(&[]).idempotent(), Ok(true));
    assert_eq!(with(&[("acks", "1")]).idempotent(), Ok(false));
    assert_eq!(with(&[("max.in.flight", "6")]).idempotent(), Ok(false));
    for wrong in [("acks", "0"), ("max.in.flight.requests.per.connection", "6"), ("retries", "0")] {
        assert!(with(&[("enable.idempotence", "true"), wrong]).check().is_err(), "{wrong:?}");
    }
    assert!(with(&[("delivery.timeout.ms", "1000")]).check().is_err());
    let error = ProducerOptions::default().set("lingr.ms", "5").expect_err("no option").to_string();
    assert_eq!(error, "there is no option 'lingr.ms'; is 'linger.ms' meant?");
    let options = with(&[("linger.ms", "0.5"), ("compression.type", "zstd"), ("bootstrap.servers", "h:1")]);
    assert_eq!(options.linger, Duration::from_micros(500));
    assert_eq!(options.cluster.bootstrap_servers, ClusterOptions::new("h:1").bootstrap_servers);
}
