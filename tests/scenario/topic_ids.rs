//! Stories of topics named by their ids (KIP-516): a topic made anew is another one.

use callboard_model::ErrorCode;
use callboard_test_client::Client;
use callboard_wire::messages::client::{FetchRequest, FetchResponse, fetch_request};
use callboard_wire::messages::{
    CreatableTopic, CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse, MetadataRequest,
    MetadataRequestTopic, MetadataResponse, Request, Response, Uuid,
};

use crate::calls::{append, batch, connect, delete_topic};
use crate::rig::Rig;

const NOBODY: Uuid = Uuid::from_bytes([0xaa; 16]);

fn named(name: Option<&str>, id: Uuid) -> MetadataRequestTopic {
    let mut topic = MetadataRequestTopic::default();
    topic.name = name.map(|name| name.to_owned().into());
    topic.topic_id = id;
    topic
}

fn metadata(client: &mut Client, version: i16, topics: Vec<MetadataRequestTopic>) -> MetadataResponse {
    let mut request = MetadataRequest::default();
    request.topics = Some(topics);
    request.allow_auto_topic_creation = false;
    match client.call(version, &Request::Metadata(request)).expect("an answer") {
        Response::Metadata(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn told(answer: &MetadataResponse) -> Vec<(i16, Option<&str>, Uuid)> {
    answer.topics.iter().map(|topic| (topic.error_code, topic.name.as_deref(), topic.topic_id)).collect()
}

fn id_of(client: &mut Client, name: &str) -> Uuid {
    let answer = metadata(client, 13, vec![named(Some(name), Uuid::ZERO)]);
    assert_eq!((answer.error_code, answer.topics[0].error_code), (0, 0), "{name}");
    answer.topics[0].topic_id
}

fn fetch(client: &mut Client, id: Uuid, session: (i32, i32)) -> FetchResponse {
    let mut place = fetch_request::FetchPartition::default();
    place.current_leader_epoch = -1;
    place.partition_max_bytes = 1 << 20;
    let mut topic = fetch_request::FetchTopic::default();
    topic.topic_id = id;
    topic.partitions = vec![place];
    let mut request = FetchRequest::default();
    request.max_bytes = 1 << 20;
    (request.session_id, request.session_epoch) = session;
    request.topics = if session.1 > 0 { vec![] } else { vec![topic] };
    client.call_fetch(17, &request).expect("an answer")
}

fn delete(client: &mut Client, topics: Vec<DeleteTopicState>) -> DeleteTopicsResponse {
    let mut request = DeleteTopicsRequest::default();
    request.topics = topics;
    request.timeout_ms = 10_000;
    match client.call(6, &Request::DeleteTopics(request)).expect("an answer") {
        Response::DeleteTopics(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn state(name: Option<&str>, id: Uuid) -> DeleteTopicState {
    let mut state = DeleteTopicState::default();
    state.name = name.map(|name| name.to_owned().into());
    state.topic_id = id;
    state
}

#[test]
fn metadata_finds_topics_by_name_or_by_id_and_not_by_both() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    client.create_topic("payments", 1, &[]).expect("a topic");
    let orders = id_of(&mut client, "orders");
    assert_ne!(orders, Uuid::ZERO);
    let unknown = (ErrorCode::UnknownTopicId.code(), None, NOBODY);
    let answer = metadata(&mut client, 12, vec![named(None, orders), named(None, NOBODY), named(None, orders)]);
    assert_eq!(told(&answer), [(0, Some("orders"), orders), unknown]);
    // Where an id stands, names do not count.
    let answer = metadata(&mut client, 12, vec![named(Some("payments"), Uuid::ZERO), named(None, orders)]);
    assert_eq!(told(&answer), [(0, Some("orders"), orders)]);
    let all = metadata(&mut client, 13, vec![]);
    assert_eq!(told(&all), [], "an empty list is none");

    // Before version 12 ids and missing names are refused, for the whole request.
    let refused = ErrorCode::InvalidRequest.code();
    let answer = metadata(&mut client, 11, vec![named(None, orders), named(Some("payments"), Uuid::ZERO)]);
    assert_eq!(told(&answer), [(refused, Some(""), orders), (refused, Some("payments"), Uuid::ZERO)]);
    assert!(answer.brokers.is_empty());
    let answer = metadata(&mut client, 10, vec![named(Some("orders"), orders)]);
    assert_eq!(told(&answer), [(refused, Some("orders"), orders)]);
    let answer = metadata(&mut client, 13, vec![named(None, Uuid::ZERO)]);
    assert_eq!((answer.error_code, told(&answer)), (refused, vec![(refused, Some(""), Uuid::ZERO)]));
    assert_eq!(
        told(&metadata(&mut client, 10, vec![named(Some("orders"), Uuid::ZERO)])),
        [(0, Some("orders"), orders)]
    );
    rig.stop();
}

#[test]
fn a_created_topic_s_id_is_told_at_once() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    let mut topic = CreatableTopic::default();
    topic.name = "orders".into();
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    let mut request = CreateTopicsRequest::default();
    request.topics = vec![topic];
    request.timeout_ms = 10_000;
    let Response::CreateTopics(answer) = client.call(7, &Request::CreateTopics(request)).expect("an answer") else {
        panic!("another answer");
    };
    assert_eq!(answer.topics[0].error_code, 0);
    assert_eq!(answer.topics[0].topic_id, id_of(&mut client, "orders"));
    rig.stop();
}

#[test]
fn topics_are_deleted_by_id_and_never_by_a_doubtful_request() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    client.create_topic("payments", 1, &[]).expect("a topic");
    let (orders, payments) = (id_of(&mut client, "orders"), id_of(&mut client, "payments"));
    let codes = |answer: &DeleteTopicsResponse| answer.responses.iter().map(|row| row.error_code).collect::<Vec<_>>();
    let refused = ErrorCode::InvalidRequest.code();
    let doubtful = [
        vec![state(Some("orders"), orders)],
        vec![state(None, Uuid::ZERO)],
        vec![state(None, orders), state(None, orders)],
        vec![state(Some("orders"), Uuid::ZERO), state(Some("orders"), Uuid::ZERO)],
        vec![state(None, orders), state(Some("orders"), Uuid::ZERO)],
    ];
    for topics in doubtful {
        let answer = delete(&mut client, topics.clone());
        assert_eq!(codes(&answer), [refused], "{topics:?}");
    }
    assert_eq!(id_of(&mut client, "orders"), orders, "it is still there");
    let answer =
        delete(&mut client, vec![state(None, NOBODY), state(None, orders), state(Some("payments"), Uuid::ZERO)]);
    assert_eq!(codes(&answer), [ErrorCode::UnknownTopicId.code(), 0, 0]);
    let row = &answer.responses[1];
    assert_eq!((row.name.as_deref(), row.topic_id), (Some("orders"), orders));
    assert_eq!(answer.responses[2].topic_id, payments);
    rig.stop();
}

#[test]
fn a_reader_by_id_notices_that_its_topic_was_made_anew() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut client, "orders", batch(&[b"old"]));
    let old = id_of(&mut client, "orders");
    let first = fetch(&mut client, old, (0, 0));
    assert_eq!(first.responses[0].topic_id, old);
    assert!(first.responses[0].partitions[0].records.as_ref().is_some_and(|records| !records.is_empty()));
    let session = first.session_id;

    let error = |answer: &FetchResponse| {
        assert_eq!(answer.error_code, 0);
        ErrorCode::from_code(answer.responses[0].partitions[0].error_code)
    };
    assert_eq!(delete_topic(&mut client, "orders"), 0);
    // The session knows the name, a new request has only the id.
    assert_eq!(error(&fetch(&mut client, old, (session, 1))), Some(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(error(&fetch(&mut client, old, (0, -1))), Some(ErrorCode::UnknownTopicId));
    client.create_topic("orders", 1, &[]).expect("a topic of the same name");
    append(&mut client, "orders", batch(&[b"new"]));
    let new = id_of(&mut client, "orders");
    assert_ne!(new, old);
    let stale = fetch(&mut client, old, (session, 2));
    assert_eq!(error(&stale), Some(ErrorCode::InconsistentTopicId));
    assert_eq!(stale.responses[0].partitions[0].records.as_deref(), Some(&[][..]), "nothing of the new topic");
    assert_eq!(error(&fetch(&mut client, old, (0, -1))), Some(ErrorCode::UnknownTopicId));
    assert_eq!(error(&fetch(&mut client, new, (0, -1))), Some(ErrorCode::None));
    rig.stop();
}

#[test]
fn a_reader_with_an_old_epoch_is_told_who_leads_now() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut client, "orders", batch(&[b"a"]));
    let id = id_of(&mut client, "orders");
    // A restart is a new leadership.
    rig.restart();
    let mut client = connect(&rig);
    let mut ask = |version: i16, current: i32, last: i32| {
        let mut place = fetch_request::FetchPartition::default();
        place.current_leader_epoch = current;
        place.last_fetched_epoch = last;
        place.fetch_offset = 1;
        place.partition_max_bytes = 1 << 20;
        let mut topic = fetch_request::FetchTopic::default();
        topic.topic_id = id;
        topic.partitions = vec![place];
        let mut request = FetchRequest::default();
        request.max_bytes = 1 << 20;
        request.session_epoch = -1;
        request.topics = vec![topic];
        client.call_fetch(version, &request).expect("an answer")
    };
    let fenced = ask(16, 0, -1);
    let row = &fenced.responses[0].partitions[0];
    assert_eq!(row.error_code, ErrorCode::FencedLeaderEpoch.code());
    let node = rig.kafka();
    let leader = fenced.node_endpoints.first().map(|node| (node.node_id, node.host.to_string(), node.port));
    assert_eq!(leader, Some((row.current_leader.leader_id, node.ip().to_string(), i32::from(node.port()))));
    let current = row.current_leader.leader_epoch;
    assert!(current > 0, "{current}");
    let older = ask(15, 0, -1);
    assert_eq!(older.responses[0].partitions[0].current_leader.leader_id, -1, "before version 16 nobody looks for it");
    let right = ask(17, current, 0);
    assert_eq!(right.responses[0].partitions[0].error_code, 0);
    // An epoch that this log never had: the reader has to begin anew.
    let unknown = ask(17, current, current + 7);
    assert_eq!(unknown.responses[0].partitions[0].error_code, ErrorCode::OffsetOutOfRange.code());
    rig.stop();
}
