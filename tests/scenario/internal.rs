//! Stories of the topic that keeps groups: closed to clients, with a coordinator for each partition, gone with them.

use std::time::Duration;

use callboard_model::{BatchHead, BatchWriter, CONSUMER_OFFSETS, ErrorCode, NewRecord, PartitionIndex, Timestamp};
use callboard_test_client::{Acks, Client, PartitionBatch, Place};
use serde_json::Value;

use crate::calls::{connect, delete_records, delete_topic};
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
