//! Stories of the producer; each names the rule or KIP that it holds the client to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use callboard_client::model::{Compression, ErrorCode, Timestamp};
use callboard_client::{Acks, ClientError, Header, Producer, ProducerOptions, ProducerRecord};
use callboard_client_suite::log;
use callboard_client_suite::proxy::{Faults, Proxy};
use callboard_client_suite::stage::{Stage, chaos_time, stage};
use tokio::time::{Instant, sleep, timeout};

fn options(stage: &Stage) -> ProducerOptions {
    let mut options = ProducerOptions::default();
    options.cluster = stage.options();
    options
}

async fn producer(stage: &Stage) -> Producer {
    Producer::connect(options(stage)).await.expect("the cluster answers")
}

fn number(value: &Bytes) -> u64 {
    std::str::from_utf8(&value[..20]).expect("digits").parse().expect("a number")
}

fn numbered(topic: &str, partition: i32, number: u64) -> ProducerRecord {
    ProducerRecord::to(topic).partition(partition).value(format!("{number:020}{}", "x".repeat(80)))
}

/// KafkaProducer: "records sent to a partition are appended in the order they are sent"; KIP-480: each tells its offset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_in_the_log_in_the_order_of_their_sends_at_the_offsets_that_were_told() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "order", 3, &[]).await;
    let producer = producer(&stage).await;
    let mut deliveries = Vec::new();
    for at in 0..3000u64 {
        let partition = (at % 3) as i32;
        deliveries.push((at, producer.send(numbered(&topic, partition, at)).await.expect("taken")));
    }
    let mut told: HashMap<i32, Vec<(i64, u64)>> = HashMap::new();
    for (at, delivery) in deliveries {
        let arrived = delivery.await.expect("acknowledged");
        told.entry(arrived.partition).or_default().push((arrived.offset.expect("known"), at));
    }
    producer.close(Duration::from_secs(10)).await.expect("in time");
    for (partition, told) in told {
        let read: Vec<_> = log::read(&stage, &topic, partition).await;
        let read: Vec<_> = read.iter().map(|one| (one.offset, number(one.value.as_ref().expect("a value")))).collect();
        assert_eq!(read, told, "partition {partition}");
    }
}

/// KIP-82 headers, KIP-32 timestamps, null keys and tombstones: what is sent is what is read.
#[tokio::test]
async fn keys_values_headers_and_times_come_back_as_they_were_sent_with_every_codec() {
    let Some(stage) = stage() else { return };
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let topic = log::create(&stage, &format!("codec-{}", codec.name()), 1, &[]).await;
        let mut options = options(&stage);
        options.compression = codec;
        let producer = Producer::connect(options).await.expect("the cluster answers");
        let long = "long ".repeat(5000);
        let records = [
            ProducerRecord::to(&*topic).key("k").value("v").timestamp(Timestamp(1_700_000_000_123)),
            ProducerRecord::to(&*topic).key("only a key"),
            ProducerRecord::to(&*topic).value(long.clone()).header(Header::new("h", "1")).header(Header::new("h", "2")),
            ProducerRecord::to(&*topic).header(Header { key: "null".into(), value: None }).value(""),
        ];
        for record in &records {
            drop(producer.send(record.clone()).await.expect("taken"));
        }
        producer.flush().await;
        let read = log::read(&stage, &topic, 0).await;
        assert_eq!(read.len(), records.len());
        for (read, sent) in read.iter().zip(&records) {
            assert_eq!((&read.key, &read.value, &read.headers), (&sent.key, &sent.value, &sent.headers), "{codec:?}");
            assert!(sent.timestamp.is_none_or(|sent| sent == read.timestamp));
            assert_eq!(read.codec, codec);
        }
        producer.close(Duration::from_secs(10)).await.expect("in time");
    }
}

/// The same seen by another client: librdkafka, if kcat is installed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kcat_reads_what_was_sent_with_every_codec() {
    let Some(stage) = stage() else { return };
    if std::process::Command::new("kcat").arg("-V").output().is_err() {
        eprintln!("not told: kcat is not installed");
        return;
    }
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let topic = log::create(&stage, &format!("kcat-{}", codec.name()), 1, &[]).await;
        let mut options = options(&stage);
        options.compression = codec;
        let producer = Producer::connect(options).await.expect("the cluster answers");
        for at in 0..500 {
            let record = ProducerRecord::to(&*topic).key(format!("k{at}")).value(format!("value {at}"));
            drop(producer.send(record.header(Header::new("h", format!("{at}")))).await.expect("taken"));
        }
        producer.close(Duration::from_secs(10)).await.expect("in time");
        let words = ["-C", "-b", &stage.bootstrap, "-t", &topic, "-o", "beginning", "-e", "-q", "-f", "%o %k %s %h\\n"];
        let read =
            std::process::Command::new("kcat").args(words).args(["-X", "check.crcs=true"]).output().expect("it runs");
        let expected: String = (0..500).map(|at| format!("{at} k{at} value {at} h={at}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&read.stdout), expected, "{codec:?}: {read:?}");
    }
}

/// DefaultPartitioner and KIP-794: keys by murmur2; without a key every partition gets its share.
#[tokio::test]
async fn keys_go_where_the_java_client_puts_them_and_the_rest_is_spread() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "partitions", 12, &[]).await;
    // Without a key a partition gets a whole batch in a row: small ones, so that there are many turns.
    let mut options = options(&stage);
    options.set("batch.size", "1024").expect("legal");
    options.set("batch.size.max", "16384").expect("legal");
    let producer = Producer::connect(options).await.expect("the cluster answers");
    // As org.apache.kafka.common.utils.Utils of Kafka 4.3.1 computes them.
    for (key, partition) in [("a", 4), ("abc", 3), ("21", 0), ("foobar", 6), ("callboard", 8)] {
        let record = ProducerRecord::to(&*topic).key(key).value("x");
        assert_eq!(
            producer.send(record).await.expect("taken").await.expect("acknowledged").partition,
            partition,
            "{key}"
        );
    }
    let mut given = [0; 12];
    for _ in 0..6000 {
        let delivery = producer.send(ProducerRecord::to(&*topic).value(vec![1; 500])).await.expect("taken");
        given[delivery.partition() as usize] += 1;
    }
    producer.flush().await;
    assert!(given.iter().all(|count| *count > 0), "{given:?}");
}

/// KIP-98 and KIP-360 over a bad network: cuts, truncated requests and answers, delays. What was acknowledged is in the
/// log once, what is in the log is there once and in order, and every send is told. `CALLBOARD_CHAOS_SECONDS`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_bad_network_every_record_is_in_the_log_once_and_in_order() {
    const PARTITIONS: u64 = 3;
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "chaos", PARTITIONS as i32, &[]).await;
    let proxy = Proxy::start(stage.address(), 7).expect("a free port");
    let mut options = options(&stage);
    options.cluster.bootstrap_servers = vec![proxy.address().to_string()];
    options.cluster.request_timeout = Duration::from_secs(2);
    options.linger = Duration::from_millis(1);
    // The broker advertises its own address, so the client is told where to dial instead.
    options.cluster.dial_instead = Some(proxy.address().to_string());
    let producer = Producer::connect(options).await.expect("through the proxy");
    let delay_max = Duration::from_millis(30);
    proxy.set(Faults { cut: 4, truncate: 4, delay: 30, delay_max, ..Faults::default() });

    let (told, mut hear) = tokio::sync::mpsc::channel::<(u64, callback::Told)>(100_000);
    let until = Instant::now() + chaos_time();
    let mut sent = [0u64; PARTITIONS as usize];
    let mut waiting = Vec::new();
    let mut round = 0u64;
    while Instant::now() < until {
        for partition in 0..PARTITIONS {
            let next = &mut sent[partition as usize];
            let record = numbered(&topic, partition as i32, *next);
            waiting.push((partition, *next, producer.send(record).await.expect("taken")));
            *next += 1;
        }
        round += 1;
        if round.is_multiple_of(50) {
            // Some 7,000 records a second: faults count here, not load.
            sleep(Duration::from_millis(20)).await;
        }
        if round.is_multiple_of(10_000) {
            proxy.cut_all();
        }
        if waiting.len() > 60_000 {
            for (partition, at, delivery) in waiting.drain(..30_000) {
                told.try_send((partition, callback::Told::of(at, delivery.await))).expect("room");
            }
            while let Ok((_, told)) = hear.try_recv() {
                told.must_be_delivered();
            }
        }
    }
    proxy.set(Faults::default());
    for (_, at, delivery) in waiting {
        let told = timeout(Duration::from_secs(150), delivery).await.expect("everyone is told");
        callback::Told::of(at, told).must_be_delivered();
    }
    producer.close(Duration::from_secs(10)).await.expect("in time");
    let counts = proxy.counts();
    let (cuts, delays) = (counts.cuts.load(Ordering::Relaxed), counts.delays.load(Ordering::Relaxed));
    println!("{} records, {cuts} cuts, {delays} delays", sent.iter().sum::<u64>());
    assert!(cuts > 0 && delays > 0, "the network was bad");
    for (partition, sent) in (0..).zip(sent) {
        let mut next = 0;
        log::walk(&stage, &topic, partition, |record| {
            let number = number(record.value.as_ref().expect("a value"));
            assert_eq!(number, next, "partition {partition}, offset {}", record.offset);
            next += 1;
        })
        .await;
        assert_eq!(next, sent, "partition {partition}");
    }
}

mod callback {
    use callboard_client::{ClientError, RecordMetadata};

    /// What a send was told.
    #[derive(Debug)]
    pub(super) struct Told {
        at: u64,
        result: Result<RecordMetadata, ClientError>,
    }

    impl Told {
        pub(super) fn of(at: u64, result: Result<RecordMetadata, ClientError>) -> Self {
            Self { at, result }
        }

        /// The delivery timeout is far longer than any fault.
        pub(super) fn must_be_delivered(self) {
            if let Err(error) = self.result {
                panic!("record {}: {error}", self.at);
            }
        }
    }
}

/// delivery.timeout.ms (KIP-91): whatever the broker does, a send is told by then.
#[tokio::test]
async fn when_the_network_hangs_the_delivery_timeout_tells_and_a_restored_one_goes_on() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "hang", 1, &[]).await;
    let proxy = Proxy::start(stage.address(), 9).expect("a free port");
    let mut options = options(&stage);
    options.cluster.bootstrap_servers = vec![proxy.address().to_string()];
    options.cluster.dial_instead = Some(proxy.address().to_string());
    options.cluster.request_timeout = Duration::from_millis(500);
    options.delivery_timeout = Duration::from_millis(1500);
    let producer = Producer::connect(options).await.expect("through the proxy");
    drop(producer.send(numbered(&topic, 0, 0)).await.expect("taken").await.expect("acknowledged"));
    proxy.set(Faults { hang: true, ..Faults::default() });
    let start = Instant::now();
    let mut deliveries = Vec::new();
    for at in 1..100 {
        deliveries.push(producer.send(numbered(&topic, 0, at)).await.expect("taken"));
    }
    for delivery in deliveries {
        let error = timeout(Duration::from_secs(5), delivery).await.expect("told").expect_err("it hangs");
        assert!(matches!(error, ClientError::Timeout { .. }) && error.may_have_happened(), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    proxy.set(Faults::default());
    let mut last = producer.send(numbered(&topic, 0, 1000)).await.expect("taken").await;
    while last.is_err() && start.elapsed() < Duration::from_secs(30) {
        last = producer.send(numbered(&topic, 0, 1000)).await.expect("taken").await;
    }
    last.expect("it goes on");
    let numbers: Vec<u64> =
        log::read(&stage, &topic, 0).await.iter().map(|one| number(one.value.as_ref().expect("a value"))).collect();
    let strictly = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(strictly && numbers.first() == Some(&0) && numbers.last() == Some(&1000), "{numbers:?}");
}

/// delivery.timeout.ms and max.block.ms with nobody at the address: both calls end in time and say what was tried.
#[tokio::test]
async fn when_the_broker_is_gone_records_expire_and_a_new_producer_says_so() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "gone", 1, &[]).await;
    let proxy = Proxy::start(stage.address(), 11).expect("a free port");
    let mut options = options(&stage);
    options.cluster.bootstrap_servers = vec![proxy.address().to_string()];
    options.cluster.dial_instead = Some(proxy.address().to_string());
    options.cluster.request_timeout = Duration::from_millis(400);
    options.cluster.default_api_timeout = Duration::from_secs(1);
    options.delivery_timeout = Duration::from_secs(1);
    let producer = Producer::connect(options.clone()).await.expect("through the proxy");
    drop(producer.send(numbered(&topic, 0, 0)).await.expect("taken").await.expect("acknowledged"));
    drop(proxy);
    sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    let error = producer.send(numbered(&topic, 0, 1)).await.expect("taken").await.expect_err("nobody is there");
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "the reason is told: {error}");
    assert!(start.elapsed() < Duration::from_secs(4));
    let error = Producer::connect(options).await.expect_err("nobody is there").to_string();
    assert!(error.contains("no broker could be reached") && error.contains("refused"), "{error}");
}

/// max.request.size, max.message.bytes and KIP-126: too large a record fails alone, too large a batch is halved.
#[tokio::test]
async fn a_record_that_is_too_large_fails_alone_and_a_batch_that_is_too_large_is_halved() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "large", 1, &[("max.message.bytes", "20000")]).await;
    let mut options = options(&stage);
    options.linger = Duration::from_millis(50);
    options.batch_size = 200_000;
    let producer = Producer::connect(options).await.expect("the cluster answers");
    let too_large = producer.send(ProducerRecord::to(&*topic).value(vec![0; 2_000_000])).await.expect_err("over 1 MiB");
    assert!(matches!(too_large, ClientError::RecordTooLarge { limit_name: "max.request.size", .. }), "{too_large}");
    let mut deliveries = Vec::new();
    for at in 0..100u64 {
        deliveries.push(
            producer.send(numbered(&topic, 0, at).header(Header::new("fill", vec![1; 1000]))).await.expect("taken"),
        );
    }
    for (at, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.expect("halved until it fits").offset, Some(at));
    }
    let alone = ProducerRecord::to(&*topic).value(vec![0; 30_000]);
    let error = producer.send(alone).await.expect("taken").await.expect_err("over max.message.bytes");
    assert_eq!(error.kafka_code(), Some(ErrorCode::MessageTooLarge), "{error}");
    let after = producer.send(numbered(&topic, 0, 100)).await.expect("taken").await.expect("goes on (KIP-360)");
    assert_eq!(after.offset, Some(100));
}

/// kafka-compat: LogValidator, KIP-467: a refused record is told with the broker's reason.
#[tokio::test]
async fn a_record_without_a_key_for_a_compacted_topic_is_refused_with_the_reason() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "compacted", 1, &[("cleanup.policy", "compact")]).await;
    let producer = producer(&stage).await;
    let error = producer.send(ProducerRecord::to(&*topic).value("x")).await.expect("taken").await.expect_err("no key");
    assert_eq!(error.kafka_code(), Some(ErrorCode::InvalidRecord), "{error}");
    let record = ProducerRecord::to(&*topic).key("k").value("x");
    producer.send(record).await.expect("taken").await.expect("with a key it is taken");
}

/// buffer.memory and max.block.ms: memory is bounded while the broker does not answer.
#[tokio::test]
async fn memory_is_bounded_while_nothing_is_acknowledged() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "memory", 1, &[]).await;
    let proxy = Proxy::start(stage.address(), 13).expect("a free port");
    let mut options = options(&stage);
    options.cluster.bootstrap_servers = vec![proxy.address().to_string()];
    options.cluster.dial_instead = Some(proxy.address().to_string());
    options.buffer_memory = 1_000_000;
    options.max_block = Duration::from_millis(200);
    let producer = Producer::connect(options).await.expect("through the proxy");
    drop(producer.send(numbered(&topic, 0, 0)).await.expect("taken").await.expect("acknowledged"));
    proxy.set(Faults { hang: true, ..Faults::default() });
    let mut deliveries = Vec::new();
    let full = loop {
        match producer.send(ProducerRecord::to(&*topic).value(vec![0; 10_000])).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, ClientError::BufferFull { limit: 1_000_000, .. }), "{full}");
    assert!((90..100).contains(&deliveries.len()), "{}", deliveries.len());
    proxy.set(Faults::default());
    for delivery in deliveries {
        delivery.await.expect("acknowledged once it goes on");
    }
    assert_eq!(producer.buffered_bytes(), 0);
}

/// auto.create.topics.enable, Metadata's allow_auto_topic_creation, INVALID_TOPIC_EXCEPTION.
#[tokio::test]
async fn a_topic_that_is_not_there_is_created_or_told() {
    let Some(stage) = stage() else { return };
    let producer = producer(&stage).await;
    let record = ProducerRecord::to(stage.name("created")).value("x");
    producer.send(record).await.expect("taken").await.expect("created");
    let mut options = options(&stage);
    options.cluster.allow_auto_create_topics = false;
    options.max_block = Duration::from_millis(500);
    let strict = Producer::connect(options).await.expect("the cluster answers");
    let error = strict.send(ProducerRecord::to(stage.name("absent")).value("x")).await.expect_err("not created");
    assert_eq!(error.kafka_code(), Some(ErrorCode::UnknownTopicOrPartition), "{error}");
    assert!(matches!(strict.send(ProducerRecord::to("no/name")).await, Err(ClientError::Illegal(_))));
}

/// acks: 0 tells no offset, 1 and all do; without acks=all there is no idempotence (KIP-679).
#[tokio::test]
async fn every_kind_of_acks_delivers() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "acks", 1, &[]).await;
    for (acks, told) in [(Acks::None, None), (Acks::Leader, Some(1)), (Acks::All, Some(2))] {
        let mut options = options(&stage);
        options.acks = acks;
        let producer = Producer::connect(options).await.expect("the cluster answers");
        let arrived = producer.send(numbered(&topic, 0, 0)).await.expect("taken").await.expect("delivered");
        assert_eq!(arrived.offset, told);
        producer.close(Duration::from_secs(5)).await.expect("in time");
        let deadline = Instant::now() + Duration::from_secs(5);
        while log::read(&stage, &topic, 0).await.is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(log::read(&stage, &topic, 0).await.len(), 3);
}

/// message.timestamp.type=LogAppendTime: the broker's time is told.
#[tokio::test]
async fn the_broker_s_time_is_told_where_the_topic_has_log_append_time() {
    let Some(stage) = stage() else { return };
    let topic = log::create(&stage, "append-time", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let producer = producer(&stage).await;
    let record = ProducerRecord::to(&*topic).value("x").timestamp(Timestamp(1000));
    let arrived = producer.send(record).await.expect("taken").await.expect("acknowledged");
    assert!(arrived.timestamp > Timestamp(1_600_000_000_000), "{:?}", arrived.timestamp);
    assert_eq!(log::read(&stage, &topic, 0).await[0].timestamp, arrived.timestamp);
}

/// A peer that is no broker: named, with what to do, in time.
#[tokio::test]
async fn bad_peers_are_told_apart() {
    if stage().is_none() {
        return;
    }
    let peers: [(&'static [u8], &str); 4] = [
        (b"\x15\x03\x03\x00\x02\x02\x46", "TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"\xde\xad\xbe\xef garbage", "negative length"),
        (b"", "no answer within"),
    ];
    for (words, said) in peers {
        let address = peer(words);
        let mut options = ProducerOptions::new(&address.to_string());
        options.cluster.default_api_timeout = Duration::from_millis(700);
        let start = Instant::now();
        let error = Producer::connect(options).await.expect_err("no broker").to_string();
        assert!(error.contains(said) && error.contains(&address.to_string()), "{said}: {error}");
        assert!(start.elapsed() < Duration::from_secs(3), "{said}: {:?}", start.elapsed());
    }
}

/// A peer that answers whatever comes with these words, and is silent afterwards. Its thread ends with its only client.
fn peer(words: &'static [u8]) -> SocketAddr {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut heard = [0; 1024];
        let _ = stream.read(&mut heard);
        let _ = stream.write_all(words);
        while stream.read(&mut heard).is_ok_and(|read| read > 0) {}
    });
    address
}
