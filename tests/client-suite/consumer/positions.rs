//! Where reading begins and where it can be sent.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use callboard_client::TopicPartition;
use callboard_client::consumer::{CommittedOffset, ConsumerError};
use callboard_client::model::{Compression, Timestamp};

use crate::consumer::rig::*;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// `auto.offset.reset`: earliest and latest.
#[tokio::test]
async fn without_a_commit_reading_begins_where_the_policy_says() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("reset", 1, &[]).await;
    rig.write(&topic, 0, &values(3)).await;
    let partition = TopicPartition::new(topic.clone(), 0);
    let mut earliest = rig.reader(&topic, 1, &[("auto.offset.reset", "earliest")]).await;
    assert_eq!(next(&mut earliest).await, (0, "v0".to_owned()));
    let mut latest = rig.reader(&topic, 1, &[("auto.offset.reset", "latest")]).await;
    assert_eq!(latest.position(&partition).await.expect("looked up"), 3);
    rig.write(&topic, 0, &["new".to_owned()]).await;
    assert_eq!(next(&mut latest).await, (3, "new".to_owned()));
}

/// `auto.offset.reset=none`: the program decides.
#[tokio::test]
async fn with_the_policy_none_the_program_is_asked() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("none", 1, &[]).await;
    rig.write(&topic, 0, &values(3)).await;
    let partition = TopicPartition::new(topic.clone(), 0);
    let mut consumer = rig.reader(&topic, 1, &[("auto.offset.reset", "none")]).await;
    let told = error(&mut consumer).await;
    assert!(matches!(&told, ConsumerError::NoOffset(told) if *told == partition), "{told}");
    consumer.seek(&partition, 1).expect("assigned");
    assert_eq!(next(&mut consumer).await, (1, "v1".to_owned()));
    consumer.seek(&partition, 77).expect("assigned");
    let told = error(&mut consumer).await;
    assert!(matches!(&told, ConsumerError::OffsetOutOfRange { offset: 77, .. }), "{told}");
    consumer.seek_to_beginning([&partition]).expect("assigned");
    assert_eq!(next(&mut consumer).await.0, 0);
}

/// KIP-1106: `by_duration` begins at the first record that is young enough, at the end if there is none.
#[tokio::test]
async fn a_policy_by_duration_begins_at_the_first_record_that_is_young_enough() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("duration", 1, &[]).await;
    let hour = 3_600_000;
    let old = now() - 3 * hour;
    rig.append(&topic, 0, batch(&[("old", old), ("older", old - hour)], Compression::Lz4)).await;
    rig.append(&topic, 0, batch(&[("less old", old + hour), ("young", now())], Compression::None)).await;
    let mut consumer = rig.reader(&topic, 1, &[("auto.offset.reset", "by_duration:PT1H")]).await;
    assert_eq!(next(&mut consumer).await, (3, "young".to_owned()));
    let empty = rig.topic("duration-empty", 1, &[]).await;
    rig.append(&empty, 0, batch(&[("old", old)], Compression::None)).await;
    let partition = TopicPartition::new(empty.clone(), 0);
    let mut consumer = rig.reader(&empty, 1, &[("auto.offset.reset", "by_duration:PT1H")]).await;
    assert_eq!(consumer.position(&partition).await.expect("looked up"), 1);
}

/// Records that were deleted below the position: OFFSET_OUT_OF_RANGE and the policy (`kafka-compat.md` 5.4, 5.8).
#[tokio::test]
async fn a_position_below_the_log_s_start_is_reset_by_the_policy() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("deleted", 1, &[]).await;
    for _ in 0..10 {
        rig.write(&topic, 0, &values(1)).await;
    }
    let partition = TopicPartition::new(topic.clone(), 0);
    rig.admin.delete_records(&[(partition.clone(), 6)]).await.all().expect("deleted");
    let mut consumer = rig.reader(&topic, 1, &[]).await;
    consumer.seek(&partition, 2).expect("assigned");
    assert_eq!(next(&mut consumer).await.0, 6);
    let first = consumer.beginning_offsets(std::slice::from_ref(&partition)).await.expect("an answer");
    let last = consumer.end_offsets(std::slice::from_ref(&partition)).await.expect("an answer");
    assert_eq!((first[&partition], last[&partition]), (6, 10));
}

/// ListOffsets by time: the first record at or after it, looked up within batches (`kafka-compat.md` 5.5).
#[tokio::test]
async fn offsets_are_found_by_time_within_batches_and_reading_goes_there() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("times", 1, &[]).await;
    rig.append(&topic, 0, batch(&[("a", 1_000), ("b", 2_000), ("c", 3_000)], Compression::Zstd)).await;
    rig.append(&topic, 0, batch(&[("d", 2_500), ("e", 5_000)], Compression::None)).await;
    let partition = TopicPartition::new(topic.clone(), 0);
    let mut consumer = rig.reader(&topic, 1, &[]).await;
    for (time, expected) in [
        (0, Some((0, 1_000))),
        (1_001, Some((1, 2_000))),
        (2_400, Some((2, 3_000))),
        (4_000, Some((4, 5_000))),
        (5_001, None),
    ] {
        let asked = BTreeMap::from([(partition.clone(), Timestamp(time))]);
        let found = consumer.offsets_for_times(&asked).await.expect("an answer");
        assert_eq!(found[&partition], expected.map(|(offset, time)| (offset, Timestamp(time))), "at {time}");
    }
    consumer.seek_to_time([&partition], Timestamp(2_400)).expect("assigned");
    assert_eq!(next(&mut consumer).await.1, "c");
    consumer.seek_to_end([&partition]).expect("assigned");
    assert_eq!(consumer.position(&partition).await.expect("looked up"), 5);
    consumer.seek_to_beginning([&partition]).expect("assigned");
    assert_eq!(take(&mut consumer, 5).await, ["a", "b", "c", "d", "e"]);
    consumer.seek(&partition, 3).expect("assigned");
    assert_eq!(next(&mut consumer).await.1, "d");
}

/// Offsets of a group without a membership: generation -1 (`kafka-compat.md` 5.6).
#[tokio::test]
async fn partitions_assigned_by_hand_commit_and_go_on_there() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("by-hand", 1, &[]).await;
    rig.write(&topic, 0, &values(6)).await;
    let partition = TopicPartition::new(topic.clone(), 0);
    let group = rig.stage.name("by-hand");
    let mut first = rig.consumer(Some(&group), &[("enable.auto.commit", "false")]).await;
    first.assign([partition.clone()]).expect("nothing is subscribed");
    assert_eq!(take(&mut first, 2).await, ["v0", "v1"]);
    first.commit().await.expect("committed");
    first.close(PATIENCE).await.expect("closed");
    let mut second = rig.consumer(Some(&group), &[("enable.auto.commit", "false")]).await;
    second.assign([partition.clone()]).expect("nothing is subscribed");
    assert_eq!(take(&mut second, 2).await, ["v2", "v3"]);
    second.close(PATIENCE).await.expect("closed");
    assert_eq!(rig.committed(&group, &partition).await, Some(2), "nothing was committed by itself");
}

/// Metadata and leader epoch come back as they were committed.
#[tokio::test]
async fn a_commit_comes_back_with_what_was_written_beside_it() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("beside", 2, &[]).await;
    rig.write(&topic, 0, &values(6)).await;
    let group = rig.stage.name("beside");
    let (first, second) = (TopicPartition::new(topic.clone(), 0), TopicPartition::new(topic.clone(), 1));
    let mut consumer = rig.consumer(Some(&group), &[]).await;
    let committed = CommittedOffset { offset: 4, leader_epoch: Some(0), metadata: "who, when".to_owned() };
    consumer.commit_offsets([(first.clone(), committed.clone())].into()).await.expect("committed");
    let found = consumer.committed(&[first.clone(), second]).await.expect("an answer");
    assert_eq!(found, [(first.clone(), committed.clone())].into());
    consumer.assign([first.clone()]).expect("nothing is subscribed");
    assert_eq!(next(&mut consumer).await.0, 4);
    consumer.seek_committed(&first, &found[&first]).expect("assigned");
    assert_eq!(next(&mut consumer).await.0, 4);
}

/// `enable.auto.commit`: what was handed out before the latest poll, every interval and at the close.
#[tokio::test]
async fn what_was_handed_out_is_committed_by_itself() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("by-itself", 1, &[]).await;
    rig.write(&topic, 0, &values(9)).await;
    let partition = TopicPartition::new(topic.clone(), 0);
    let group = rig.stage.name("by-itself");
    let mut consumer = rig.consumer(Some(&group), &[("auto.commit.interval.ms", "100")]).await;
    consumer.subscribe([topic.clone()]).expect("a group");
    take(&mut consumer, 4).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    // The program's fifth poll says that the fourth record is handled.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(next(&mut consumer).await.0, 4);
    while rig.committed(&group, &partition).await != Some(4) {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", rig.committed(&group, &partition).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    consumer.close(PATIENCE).await.expect("closed");
    assert_eq!(rig.committed(&group, &partition).await, Some(5));
}
