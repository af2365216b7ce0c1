//! Records in all their forms: codecs, sizes, batches, pauses, memory, cancelled polls.

use std::time::Duration;

use callboard_client::TopicPartition;
use callboard_client::consumer::ConsumerError;
use callboard_client::model::{Compression, Timestamp};

use crate::consumer::rig::*;

#[tokio::test]
async fn records_of_all_codecs_come_in_order_with_everything_they_have() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("codecs", 1, &[]).await;
    let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (at, codec) in codecs.into_iter().enumerate() {
        let first = format!("{}-a", codec.name());
        let second = format!("{}-b", codec.name());
        let time = 1_700_000_000_000 + at as i64;
        rig.append(&topic, 0, batch(&[(&first, time), (&second, time + 10)], codec)).await;
    }
    let mut consumer = rig.reader(&topic, 1, &[]).await;
    for (at, codec) in codecs.into_iter().enumerate() {
        let record = consumer.recv().await.expect("a record");
        assert_eq!(text(record.value.as_ref()), format!("{}-a", codec.name()));
        assert_eq!(text(record.key.as_ref()), format!("{}-a", codec.name()));
        assert_eq!((record.offset, record.timestamp), (2 * at as i64, Timestamp(1_700_000_000_000 + at as i64)));
        assert_eq!(next(&mut consumer).await.0, 2 * at as i64 + 1);
    }
    let partition = TopicPartition::new(topic, 0);
    assert_eq!(consumer.position(&partition).await.expect("known"), 10);
    assert_eq!(consumer.lag(&partition).expect("assigned"), Some(0));
}

/// KIP-74: the first batch comes whole, however small the limits are.
#[tokio::test]
async fn a_record_larger_than_every_fetch_limit_is_read() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("large", 1, &[("max.message.bytes", "10000000")]).await;
    let large = "x".repeat(4_000_000);
    rig.write(&topic, 0, &["before".to_owned()]).await;
    rig.write(&topic, 0, std::slice::from_ref(&large)).await;
    rig.write(&topic, 0, &["after".to_owned()]).await;
    let limits = [("fetch.max.bytes", "1000"), ("max.partition.fetch.bytes", "1000"), ("queued.max.bytes", "2000")];
    let mut consumer = rig.reader(&topic, 1, &limits).await;
    assert_eq!(next(&mut consumer).await.1, "before");
    assert_eq!(next(&mut consumer).await.1.len(), large.len());
    assert_eq!(next(&mut consumer).await.1, "after");
}

#[tokio::test]
async fn what_is_fetched_ahead_stays_within_its_memory_and_nothing_is_lost() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("memory", 4, &[]).await;
    let value = "x".repeat(10_000);
    for partition in 0..4 {
        for _ in 0..20 {
            rig.write(&topic, partition, &vec![value.clone(); 20]).await;
        }
    }
    let limits =
        [("queued.max.bytes", "1000000"), ("max.partition.fetch.bytes", "250000"), ("max.poll.interval.ms", "60000")];
    let mut consumer = rig.reader(&topic, 4, &limits).await;
    for read in 0..4 * 20 * 20 {
        next(&mut consumer).await;
        if read % 400 == 0 {
            // A slow program.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let most = consumer.buffered_bytes_max();
    assert!(most <= 1_000_000 + 250_000, "{most} bytes were fetched ahead");
    assert!(most > 250_000, "{most} bytes: nothing was fetched ahead");
}

#[tokio::test]
async fn batches_and_single_records_can_be_read_in_turn() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("mixed", 1, &[]).await;
    rig.write(&topic, 0, &values(5)).await;
    rig.write(&topic, 0, &values(2)).await;
    let mut consumer = rig.reader(&topic, 1, &[]).await;
    let partition = TopicPartition::new(topic, 0);
    assert_eq!(take(&mut consumer, 2).await, ["v0", "v1"]);
    assert_eq!(consumer.position(&partition).await.expect("known"), 2);
    let rest = consumer.recv_batch().await.expect("the rest");
    assert_eq!((rest.first_offset(), rest.next_offset()), (2, 5));
    let offsets: Vec<_> = rest.iter().map(|record| record.expect("legal").offset.0).collect();
    assert_eq!(offsets, [2, 3, 4]);
    assert_eq!(consumer.position(&partition).await.expect("known"), 5);
    assert_eq!(next(&mut consumer).await, (5, "v0".to_owned()));
}

/// `max.poll.records` bounds a poll; a poll ends when its time is up.
#[tokio::test]
async fn a_poll_gives_as_many_records_as_it_may_and_none_when_there_are_none() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("polls", 1, &[]).await;
    rig.write(&topic, 0, &values(25)).await;
    let mut consumer = rig.reader(&topic, 1, &[("max.poll.records", "10")]).await;
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(consumer.poll(PATIENCE).await.expect("records").len());
    }
    assert_eq!(sizes, [10, 10, 5]);
    let start = std::time::Instant::now();
    assert!(consumer.poll(Duration::from_millis(200)).await.expect("no error").is_empty());
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_poll_that_is_given_up_loses_nothing() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("cancelled", 1, &[]).await;
    let mut consumer = rig.reader(&topic, 1, &[]).await;
    let mut seen = Vec::new();
    for round in 0..50 {
        rig.write(&topic, 0, &values(1)).await;
        let time = Duration::from_micros(200 * round);
        if let Ok(record) = tokio::time::timeout(time, consumer.recv()).await {
            seen.push(record.expect("a record").offset);
        }
    }
    while seen.len() < 50 {
        seen.push(next(&mut consumer).await.0);
    }
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_paused_waits_and_the_others_go_on() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("paused", 2, &[]).await;
    for partition in 0..2 {
        rig.write(&topic, partition, &values(3)).await;
    }
    let mut consumer = rig.reader(&topic, 2, &[]).await;
    // In the middle of a batch.
    let first = consumer.recv().await.expect("a record");
    let begun = TopicPartition::new(topic.clone(), first.partition);
    consumer.pause([&begun]).expect("assigned");
    assert_eq!(consumer.paused(), [begun.clone()].into());
    let others = take(&mut consumer, 3).await;
    assert_eq!(others, ["v0", "v1", "v2"]);
    rig.write(&topic, begun.partition, &values(1)).await;
    silence(&mut consumer, Duration::from_millis(500)).await;
    assert_eq!(consumer.position(&begun).await.expect("known"), 1);
    consumer.resume([&begun]).expect("assigned");
    let rest = take(&mut consumer, 3).await;
    assert_eq!(rest, ["v1", "v2", "v0"]);
}

#[tokio::test]
async fn what_makes_no_sense_is_told_at_once() {
    let Some(rig) = Rig::new().await else { return };
    let mut alone = rig.consumer(None, &[]).await;
    assert!(matches!(alone.subscribe(["t"]), Err(ConsumerError::NoGroup)));
    assert!(matches!(alone.commit().await, Err(ConsumerError::NoGroup)));
    assert!(matches!(error(&mut alone).await, ConsumerError::NotSubscribed));
    let other = TopicPartition::new("t", 0);
    assert!(matches!(alone.seek(&other, 0), Err(ConsumerError::NotAssigned(told)) if told == other));
    alone.assign([("t", 0)]).expect("nothing is subscribed");
    assert!(alone.seek(&other, -1).is_err());
    let group = rig.stage.name("senseless");
    let mut member = rig.consumer(Some(&group), &[]).await;
    assert!(matches!(member.subscribe_matching("("), Err(ConsumerError::Pattern { .. })));
    member.subscribe(["t"]).expect("a group");
    assert!(member.assign([("t", 0)]).is_err());
}
