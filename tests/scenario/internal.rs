//! Stories of the topic that keeps groups: closed to clients, with a coordinator for each partition, gone with them.

use std::time::Duration;

use callboard_model::{
    BatchHead, BatchWriter, Batches, CONSUMER_OFFSETS, ErrorCode, NewRecord, Offset, PartitionIndex, Timestamp,
};
use callboard_test_client::{Acks, Client, OffsetAt, PartitionBatch, Place, Resource};
use serde_json::Value;

use crate::calls::{configure, configure_brokers, connect, delete_records, delete_topic, fetch_from, offset_at};
use crate::rig::{PATIENCE, Rig, eventually};

const PARTITIONS: u32 = 3;

fn rig() -> (Rig, Client) {
    let rig = Rig::with(|settings| settings.groups.offsets_topic_num_partitions = PARTITIONS);
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    (rig, client)
}

/// The coordinators as the tree shows them, by partition.
fn coordinators(rig: &Rig) -> Vec<Value> {
    let (status, body) = rig.get("/api/v1/actors").expect("an answer");
    assert_eq!(status, 200, "{body}");
    let tree: Vec<Value> = serde_json::from_str(&body).expect("JSON");
    let is_one = |actor: &Value| {
        let path = actor["path"].as_str().unwrap_or_default();
        path.strip_prefix("node/broker/coordinators/").is_some()
    };
    tree.into_iter().filter(is_one).collect()
}

/// The partition that keeps a group, and what is shown of the group.
fn shown(rig: &Rig, group: &str) -> Option<(String, Value)> {
    coordinators(rig).into_iter().find_map(|coordinator| {
        let part = coordinator["parts"].as_array()?.iter().find(|part| part["name"] == group)?.clone();
        Some((coordinator["path"].as_str()?.rsplit('/').next()?.to_owned(), part))
    })
}

/// Commits from outside of the group, and insists on it.
fn commit(client: &mut Client, group: &str, offset: i64) {
    let place = Place { group, generation: -1, member: "", instance: None };
    let done = eventually(PATIENCE, || {
        client.find_coordinator(group).expect("an answer").is_ok()
            && match client.commit_offsets(place, &[("orders", 0, offset, "")]).expect("an answer")[..] {
                [ErrorCode::None] => true,
                [code] if code.is_retriable() => false,
                ref other => panic!("{other:?}"),
            }
    });
    assert!(done, "{group} cannot commit");
}

fn committed(client: &mut Client, group: &str) -> Option<i64> {
    let mut found = None;
    let answered =
        eventually(PATIENCE, || match client.fetch_offsets(group, Some(&[("orders", &[0])])).expect("an answer") {
            Ok(positions) => {
                found = positions.first().map(|position| position.offset.get());
                true
            }
            Err(code) => {
                assert!(code.is_retriable(), "{code:?}");
                false
            }
        });
    assert!(answered, "{group} has no coordinator");
    found
}

/// A batch of one record that no coordinator can read, and one that it can.
fn garbage() -> bytes::Bytes {
    let mut writer = BatchWriter::new(BatchHead::new(Timestamp(1)));
    for (place, key) in [&b"\x00\x01\x00\x7f"[..], &b"\x00\x63"[..]].into_iter().enumerate() {
        let (offset_delta, timestamp) = (place as i32, Timestamp(1));
        writer.push(NewRecord { offset_delta, timestamp, key: Some(key), value: Some(b"?"), headers: &[] });
    }
    writer.finish().freeze()
}

#[test]
fn clients_neither_write_nor_cut_what_the_platform_keeps_for_itself() {
    let (rig, mut client) = rig();
    commit(&mut client, "billing", 7);
    let batch = [PartitionBatch { topic: CONSUMER_OFFSETS, partition: PartitionIndex(0), batch: garbage() }];
    let refused = client.produce(Acks::All, &batch).expect("an answer");
    assert_eq!(refused[0].error, ErrorCode::InvalidTopicException);
    assert_eq!(refused[0].message.as_deref(), Some("Cannot append to internal topic __consumer_offsets"));
    assert_eq!(delete_records(&mut client, CONSUMER_OFFSETS, -1).0, ErrorCode::InvalidTopicException.code());
    let topics = client.metadata(Some(&[CONSUMER_OFFSETS, "orders"])).expect("an answer").topics;
    assert_eq!(topics.iter().map(|topic| topic.is_internal).collect::<Vec<_>>(), [true, false]);
    assert_eq!(committed(&mut client, "billing"), Some(7));
    rig.stop();
}

#[test]
fn a_record_that_cannot_be_read_is_counted_and_disturbs_no_group() {
    let (mut rig, mut client) = rig();
    commit(&mut client, "billing", 7);
    let (partition, _) = shown(&rig, "billing").expect("the tree shows the group");
    let at = PartitionIndex(partition.parse().expect("a number"));
    // The name under which Kafka's own tools may write there.
    let mut admin = connect(&rig).called("__admin_client");
    let batch = [PartitionBatch { topic: CONSUMER_OFFSETS, partition: at, batch: garbage() }];
    assert_eq!(admin.produce(Acks::All, &batch).expect("an answer")[0].error, ErrorCode::None);
    // The coordinator finds that somebody else has written, and reads its log again.
    commit(&mut client, "billing", 8);
    let passed_over = |rig: &Rig| {
        let all = coordinators(rig).into_iter();
        let one = all.filter(|one| one["path"].as_str().is_some_and(|path| path.ends_with(&format!("/{partition}"))));
        one.map(|one| one["shows"]["passed_over"].as_str().unwrap_or_default().to_owned()).collect::<String>()
    };
    assert_eq!(passed_over(&rig), "2");
    rig.restart();
    let mut client = connect(&rig);
    assert_eq!(committed(&mut client, "billing"), Some(8));
    assert_eq!(passed_over(&rig), "2");
    rig.stop();
}

#[test]
fn coordinators_come_with_their_topic_and_go_with_it() {
    let (rig, mut client) = rig();
    assert!(coordinators(&rig).is_empty(), "nobody has asked for a group yet");
    commit(&mut client, "billing", 7);
    let running = coordinators(&rig);
    assert_eq!(running.len(), PARTITIONS as usize);
    assert!(running.iter().all(|one| one["shows"]["role"] == "in office" && one["state"] == "running"), "{running:?}");
    let (_, group) = shown(&rig, "billing").expect("the tree shows the group");
    assert_eq!(group["shows"]["offsets"], "1");
    assert_eq!(delete_topic(&mut client, CONSUMER_OFFSETS), ErrorCode::None.code());
    assert!(eventually(Duration::from_secs(5), || coordinators(&rig).is_empty()), "they went with their topic");
    // As Kafka does: the next who asks has it made anew, and nothing is known of what was before.
    commit(&mut client, "fraud", 1);
    assert_eq!(committed(&mut client, "billing"), Some(-1));
    assert_eq!(coordinators(&rig).len(), PARTITIONS as usize);
    rig.stop();
}

#[test]
fn positions_in_a_topic_go_with_it() {
    let (rig, mut client) = rig();
    commit(&mut client, "billing", 7);
    assert_eq!(delete_topic(&mut client, "orders"), ErrorCode::None.code());
    client.create_topic("orders", 1, &[]).expect("a topic");
    let forgotten = eventually(PATIENCE, || committed(&mut client, "billing") == Some(-1));
    assert!(forgotten, "{:?}", committed(&mut client, "billing"));
    rig.stop();
}

/// Everything left of what was written about groups: partition, offset, key, and whether it is a tombstone.
fn left(client: &mut Client) -> Vec<(i32, i64, Vec<u8>, bool)> {
    let mut found = Vec::new();
    for partition in 0..PARTITIONS as i32 {
        let mut next = offset_at(client, CONSUMER_OFFSETS, partition, OffsetAt::EARLIEST).0;
        let end = offset_at(client, CONSUMER_OFFSETS, partition, OffsetAt::LATEST).0;
        while next < end {
            let fetched = fetch_from(client, CONSUMER_OFFSETS, partition, next);
            fetched
                .walk(Offset(next), |_, record| {
                    let key = record.key.unwrap_or_default().to_vec();
                    found.push((partition, record.offset.get(), key, record.value.is_none()));
                })
                .expect("legal batches");
            let batches = Batches::verified(&fetched.batches);
            let read = batches.map(|batch| batch.expect("whole").0.end_offset().get()).max();
            next = read.filter(|read| *read > next).expect("a reader comes on");
        }
    }
    found
}

/// KAFKA: `GroupMetadataManager` reads a log of which compaction has left the newest of each key, with gaps and emptied batches.
#[test]
fn groups_are_read_again_from_what_compaction_has_left() {
    let (mut rig, mut client) = rig();
    commit(&mut client, "first", 1);
    let topics = client.describe_config(Resource::Topic(CONSUMER_OFFSETS), "cleanup.policy").expect("an answer");
    assert_eq!(topics.as_deref(), Some("compact"), "as Kafka makes it");
    let often = [("segment.ms", "100"), ("min.cleanable.dirty.ratio", "0"), ("delete.retention.ms", "0")];
    for (name, value) in often {
        assert_eq!(configure(&mut client, CONSUMER_OFFSETS, name, Some(value)), 0, "{name}");
    }
    assert_eq!(configure_brokers(&mut client, "log.cleaner.backoff.ms", "20"), 0);
    let groups: Vec<String> = (0..12).map(|n| format!("group-{n}")).collect();
    for round in 1..=3i64 {
        for step in 0..25 {
            for group in &groups {
                commit(&mut client, group, round * 1000 + step);
            }
        }
        // Every third goes, with what it had committed.
        let gone: Vec<&str> = groups.iter().step_by(3).map(String::as_str).collect();
        assert!(client.delete_groups(&gone).expect("an answer").iter().all(|code| *code == ErrorCode::None));
        let expected = |at: usize| if at.is_multiple_of(3) { -1 } else { round * 1000 + 24 };
        // One record for each group that is left, and what the newest slice still holds: tombstones go in a later round,
        // and a round takes place where there is something new.
        let few = eventually(PATIENCE, || {
            for partition_group in ["first", "a", "b", "c", "d", "e"] {
                commit(&mut client, partition_group, round);
            }
            left(&mut client).len() < 60
        });
        assert!(few, "{} records are left", left(&mut client).len());
        for crash in [false, true] {
            if crash {
                rig.drop_and_start();
            } else {
                rig.restart();
            }
            client = connect(&rig);
            for (at, group) in groups.iter().enumerate() {
                assert_eq!(committed(&mut client, group), Some(expected(at)), "{group} in round {round}, {crash}");
            }
            assert_eq!(committed(&mut client, "first"), Some(round));
            let passed: Vec<String> = coordinators(&rig)
                .iter()
                .map(|one| one["shows"]["passed_over"].as_str().unwrap_or_default().to_owned())
                .collect();
            assert_eq!(passed, ["0", "0", "0"], "nothing is strange to a coordinator");
        }
    }
    assert!(left(&mut client).iter().any(|(_, offset, ..)| *offset > 200), "offsets never change");
    rig.stop();
}
