//! Stories of topics: they come, grow, change and go.

use callboard::runtime::Path;
use callboard_model::ErrorCode;
use callboard_wire::messages::{DescribeConfigsRequest, DescribeConfigsResource, Request, Response};

use crate::calls::{
    all, append, batch, configure, connect, create_partitions, delete_topic, describe, fetch_from, large, produce,
    refusal,
};
use crate::rig::Rig;

fn leaders(rig: &Rig, topic: &str) -> Vec<String> {
    let pool = Path::root("node/broker/partitions");
    let tree = rig.node().system().tree().into_iter().filter(|actor| actor.path.parent().as_ref() == Some(&pool));
    tree.map(|actor| actor.path.name().to_owned()).filter(|name| name.starts_with(&format!("{topic}-"))).collect()
}

#[test]
fn a_topic_that_is_deleted_and_made_again_is_another_one_and_empty() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 2, &[]).expect("a topic");
    let again = client.create_topic("orders", 2, &[]).expect_err("it is there");
    assert_eq!(again.code(), Some(ErrorCode::TopicAlreadyExists));
    let first = describe(&mut client, "orders", false);
    assert_eq!((first.error_code, first.partitions.len()), (0, 2));
    assert!(first.partitions.iter().all(|partition| partition.leader_id >= 0 && partition.error_code == 0));
    append(&mut client, "orders", batch(&[b"old"]));
    assert_eq!(leaders(&rig, "orders"), ["orders-0", "orders-1"]);

    assert_eq!(delete_topic(&mut client, "orders"), 0);
    assert_eq!(leaders(&rig, "orders"), [""; 0], "its leaders have stopped");
    assert_eq!(describe(&mut client, "orders", false).error_code, ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(refusal(&mut client, "orders", batch(&[b"x"])), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(fetch_from(&mut client, "orders", 0, 0).error, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(delete_topic(&mut client, "orders"), ErrorCode::UnknownTopicOrPartition.code());

    client.create_topic("orders", 1, &[]).expect("a topic of the same name");
    let second = describe(&mut client, "orders", false);
    assert_eq!(second.partitions.len(), 1);
    assert_eq!(all(&mut client, "orders", 0), []);
    assert_eq!(append(&mut client, "orders", batch(&[b"new"])), 0, "its offsets begin anew");
    assert_eq!(all(&mut client, "orders", 0), [(0, b"new".to_vec())]);
    rig.stop();
}

#[test]
fn what_was_deleted_stays_away_after_a_restart() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("gone", 1, &[]).expect("a topic");
    client.create_topic("kept", 1, &[]).expect("a topic");
    append(&mut client, "gone", batch(&[b"x"]));
    append(&mut client, "kept", batch(&[b"y"]));
    assert_eq!(delete_topic(&mut client, "gone"), 0);
    rig.restart();
    let mut client = connect(&rig);
    assert_eq!(describe(&mut client, "gone", false).error_code, ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(all(&mut client, "kept", 0), [(0, b"y".to_vec())]);
    assert_eq!(leaders(&rig, "gone"), [""; 0]);
    rig.stop();
}

#[test]
fn partitions_are_added_and_never_taken_away() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut client, "orders", batch(&[b"a"]));
    assert_eq!(produce(&mut client, "orders", 1, batch(&[b"b"])).error, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(create_partitions(&mut client, "orders", 3), 0);
    assert_eq!(describe(&mut client, "orders", false).partitions.len(), 3);
    assert_eq!(produce(&mut client, "orders", 2, batch(&[b"b"])).error, ErrorCode::None);
    assert_eq!(all(&mut client, "orders", 0), [(0, b"a".to_vec())]);
    for count in [3, 2, 0, -1] {
        assert_eq!(create_partitions(&mut client, "orders", count), ErrorCode::InvalidPartitions.code(), "{count}");
    }
    assert_eq!(create_partitions(&mut client, "none", 3), ErrorCode::UnknownTopicOrPartition.code());
    rig.restart();
    let mut client = connect(&rig);
    assert_eq!(describe(&mut client, "orders", false).partitions.len(), 3);
    assert_eq!(all(&mut client, "orders", 2), [(0, b"b".to_vec())]);
    rig.stop();
}

#[test]
fn metadata_creates_a_topic_that_can_be_used_at_once_where_that_is_allowed() {
    let rig = Rig::with(|settings| settings.kafka.num_partitions = 3);
    let mut client = connect(&rig);
    assert_eq!(describe(&mut client, "events", false).error_code, ErrorCode::UnknownTopicOrPartition.code());
    let made = describe(&mut client, "events", true);
    assert_eq!((made.error_code, made.partitions.len()), (0, 3));
    assert!(made.partitions.iter().all(|partition| partition.leader_id >= 0 && partition.error_code == 0));
    assert_eq!(produce(&mut client, "events", 2, batch(&[b"x"])).error, ErrorCode::None);
    assert_eq!(describe(&mut client, "a b", true).error_code, ErrorCode::InvalidTopicException.code());
    rig.stop();

    let rig = Rig::with(|settings| settings.kafka.auto_create_topics_enable = false);
    let mut client = connect(&rig);
    assert_eq!(describe(&mut client, "events", true).error_code, ErrorCode::UnknownTopicOrPartition.code());
    rig.stop();
}

#[test]
fn a_setting_takes_effect_on_a_running_leader_and_is_shown() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut client, "orders", large(5_000));
    assert_eq!(configure(&mut client, "orders", "max.message.bytes", Some("2000")), 0);
    assert_eq!(refusal(&mut client, "orders", large(5_000)), ErrorCode::MessageTooLarge);
    append(&mut client, "orders", large(1_000));
    assert_eq!(shown(&mut client, "orders", "max.message.bytes"), "2000");
    assert_eq!(configure(&mut client, "orders", "max.message.bytes", Some("-5")), ErrorCode::InvalidConfig.code());
    assert_eq!(configure(&mut client, "orders", "no.such.thing", Some("1")), ErrorCode::InvalidConfig.code());
    rig.restart();
    let mut client = connect(&rig);
    assert_eq!(refusal(&mut client, "orders", large(5_000)), ErrorCode::MessageTooLarge);
    assert_eq!(configure(&mut client, "orders", "max.message.bytes", None), 0);
    append(&mut client, "orders", large(5_000));
    rig.stop();
}

fn shown(client: &mut callboard_test_client::Client, topic: &str, name: &str) -> String {
    let mut resource = DescribeConfigsResource::default();
    resource.resource_type = 2;
    resource.resource_name = topic.to_owned().into();
    resource.configuration_keys = Some(vec![name.to_owned().into()]);
    let mut request = DescribeConfigsRequest::default();
    request.resources = vec![resource];
    match client.call(4, &Request::DescribeConfigs(request)).expect("an answer") {
        Response::DescribeConfigs(answer) => {
            answer.results[0].configs[0].value.as_ref().map_or_else(String::new, ToString::to_string)
        }
        other => panic!("{other:?}"),
    }
}
