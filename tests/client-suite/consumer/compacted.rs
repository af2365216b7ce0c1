//! A compacted topic: offsets with gaps, batches that lost their records.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_client::TopicPartition;
use callboard_client::model::{BatchHead, BatchWriter, NewRecord, Timestamp};
use tokio::time::Instant;

use crate::consumer::rig::*;

/// One batch of a large value for each key.
fn puts(keys: &[String], value: &str) -> bytes::Bytes {
    let mut writer = BatchWriter::new(BatchHead::new(Timestamp(1000)));
    for (delta, key) in keys.iter().enumerate() {
        writer.push(NewRecord {
            offset_delta: i32::try_from(delta).expect("few"),
            timestamp: Timestamp(1000),
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    writer.finish().freeze()
}

/// Compaction never renumbers: a reader passes over the gaps and comes to the end (`kafka-compat.md` 5.4, 5.8).
#[tokio::test]
async fn gaps_that_compaction_left_are_passed_over() {
    let Some(rig) = Rig::new().await else { return };
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.message.bytes", "2000000"),
    ];
    let topic = rig.topic("compacted", 1, &configs).await;
    let partition = TopicPartition::new(topic.clone(), 0);
    let keys: Vec<String> = (0..10).map(|key| format!("key-{key}")).collect();
    for round in 0..60 {
        let value = format!("{round:04}-{}", "x".repeat(10_000));
        rig.append(&topic, 0, puts(&keys, &value)).await;
    }
    let end = 600;
    let deadline = Instant::now() + Duration::from_secs(100);
    loop {
        let mut consumer = rig.reader(&topic, 1, &[]).await;
        let mut newest = BTreeMap::new();
        let (mut last, mut gaps, mut passed) = (-1, 0, None);
        while last < end - 1 {
            let record = consumer.recv().await.expect("a record");
            assert!(record.offset > last, "{} after {last}", record.offset);
            if record.offset > last + 1 {
                gaps += 1;
                passed = Some(last + 1);
            }
            last = record.offset;
            newest.insert(text(record.key.as_ref()), text(record.value.as_ref())[..4].to_owned());
        }
        assert_eq!(consumer.position(&partition).await.expect("known"), end);
        assert!(newest.values().all(|value| value == "0059") && newest.len() == 10, "{newest:?}");
        if let Some(gap) = passed {
            // A position in a gap is legal: the next record is what comes after it.
            consumer.seek(&partition, gap).expect("assigned");
            assert!(next(&mut consumer).await.0 > gap);
            eprintln!("{gaps} gaps");
            return;
        }
        assert!(Instant::now() < deadline, "the topic was never compacted");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
