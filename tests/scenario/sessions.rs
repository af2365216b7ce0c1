//! Stories of fetch sessions (KIP-227): what is said once is not repeated, by either side.

use std::time::{Duration, Instant};

use callboard_model::ErrorCode;
use callboard_test_client::Client;
use callboard_wire::messages::client::{FetchRequest, FetchResponse, fetch_request};

use crate::calls::{append, batch, connect, delete_records, delete_topic, produce};
use crate::rig::Rig;

/// The last version that names topics.
const VERSION: i16 = 12;

/// What a client remembers of its session.
#[derive(Clone, Copy)]
struct Session {
    id: i32,
    epoch: i32,
}

const NEW: Session = Session { id: 0, epoch: 0 };

fn wanted(topic: &str, partition: i32, offset: i64) -> fetch_request::FetchTopic {
    let mut place = fetch_request::FetchPartition::default();
    place.partition = partition;
    place.fetch_offset = offset;
    place.current_leader_epoch = -1;
    place.partition_max_bytes = 1 << 20;
    let mut row = fetch_request::FetchTopic::default();
    row.topic = topic.to_owned().into();
    row.partitions = vec![place];
    row
}

fn request(session: Session, topics: Vec<fetch_request::FetchTopic>) -> FetchRequest {
    let mut request = FetchRequest::default();
    request.replica_id = -1;
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.session_id = session.id;
    request.session_epoch = session.epoch;
    request.topics = topics;
    request
}

fn ask(client: &mut Client, session: Session, topics: Vec<fetch_request::FetchTopic>) -> FetchResponse {
    client.call_fetch(VERSION, &request(session, topics)).expect("an answer")
}

/// Topic, partition, error and whether there is data, of every row.
fn rows(answer: &FetchResponse) -> Vec<(String, i32, i16, bool)> {
    let topics = answer.responses.iter();
    let rows = topics.flat_map(|topic| topic.partitions.iter().map(|row| (topic.topic.to_string(), row)));
    let data = |records: &Option<bytes::Bytes>| records.as_ref().is_some_and(|records| !records.is_empty());
    rows.map(|(topic, row)| (topic, row.partition_index, row.error_code, data(&row.records))).collect()
}

fn row(topic: &str, partition: i32, error: i16, data: bool) -> (String, i32, i16, bool) {
    (topic.to_owned(), partition, error, data)
}

#[test]
fn a_session_answers_only_with_what_has_changed() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 3, &[]).expect("a topic");
    append(&mut client, "orders", batch(&[b"a"]));
    let topics = (0..3).map(|partition| wanted("orders", partition, 0)).collect();
    let first = ask(&mut client, NEW, topics);
    assert!(first.session_id > 0);
    let all = [row("orders", 0, 0, true), row("orders", 1, 0, false), row("orders", 2, 0, false)];
    assert_eq!(rows(&first), all);

    let mut session = Session { id: first.session_id, epoch: 1 };
    let second = ask(&mut client, session, vec![wanted("orders", 0, 1)]);
    assert_eq!((second.session_id, rows(&second)), (session.id, vec![]), "nothing is new");

    produce(&mut client, "orders", 2, batch(&[b"b"]));
    session.epoch = 2;
    assert_eq!(rows(&ask(&mut client, session, vec![])), [row("orders", 2, 0, true)]);
    // It was not read on from there, so the same comes again: data is always told.
    session.epoch = 3;
    assert_eq!(rows(&ask(&mut client, session, vec![])), [row("orders", 2, 0, true)]);
    session.epoch = 4;
    assert_eq!(rows(&ask(&mut client, session, vec![wanted("orders", 2, 1)])), []);

    // The start of a log has moved, and that alone.
    assert_eq!(delete_records(&mut client, "orders", 1), (0, 1));
    session.epoch = 5;
    let moved = ask(&mut client, session, vec![]);
    assert_eq!(rows(&moved), [row("orders", 0, 0, false)]);
    assert_eq!(moved.responses[0].partitions[0].log_start_offset, 1);

    // Partitions come and go.
    session.epoch = 6;
    let mut leaving = request(session, vec![wanted("orders", 9, 0)]);
    let mut forgotten = fetch_request::ForgottenTopic::default();
    forgotten.topic = "orders".into();
    forgotten.partitions = vec![2];
    leaving.forgotten_topics_data = vec![forgotten];
    let answer = client.call_fetch(VERSION, &leaving).expect("an answer");
    assert_eq!(rows(&answer), [row("orders", 9, ErrorCode::UnknownTopicOrPartition.code(), false)]);
    let aborted = answer.responses[0].partitions[0].aborted_transactions.as_ref();
    assert_eq!(aborted.map(Vec::len), Some(0), "a list, if an empty one, as in Kafka");
    produce(&mut client, "orders", 2, batch(&[b"c"]));
    session.epoch = 7;
    let unknown = [row("orders", 9, ErrorCode::UnknownTopicOrPartition.code(), false)];
    assert_eq!(
        rows(&ask(&mut client, session, vec![])),
        unknown,
        "an error is told each time, what was forgotten never"
    );
    rig.stop();
}

#[test]
fn a_session_goes_on_over_another_connection() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let first = ask(&mut client, NEW, vec![wanted("orders", 0, 0)]);
    drop(client);
    let mut client = connect(&rig);
    append(&mut client, "orders", batch(&[b"a"]));
    let answer = ask(&mut client, Session { id: first.session_id, epoch: 1 }, vec![]);
    assert_eq!((answer.error_code, rows(&answer)), (0, vec![row("orders", 0, 0, true)]));
    rig.stop();
}

#[test]
fn an_empty_request_waits_on_all_partitions_of_its_session() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 2, &[]).expect("a topic");
    let first = ask(&mut client, NEW, vec![wanted("orders", 0, 0), wanted("orders", 1, 0)]);
    let mut session = Session { id: first.session_id, epoch: 1 };
    let mut waiting = request(session, vec![]);
    waiting.max_wait_ms = 300;
    let since = Instant::now();
    let answer = client.call_fetch(VERSION, &waiting).expect("an answer");
    assert_eq!((answer.session_id, rows(&answer)), (session.id, vec![]));
    assert!(since.elapsed() >= Duration::from_millis(290), "{:?}", since.elapsed());

    session.epoch = 2;
    let mut waiting = request(session, vec![]);
    waiting.max_wait_ms = 20_000;
    let since = Instant::now();
    let mut other = connect(&rig);
    let producer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        produce(&mut other, "orders", 1, batch(&[b"late"]));
    });
    let answer = client.call_fetch(VERSION, &waiting).expect("an answer");
    producer.join().expect("it produced");
    assert_eq!(rows(&answer), [row("orders", 1, 0, true)]);
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    rig.stop();
}

#[test]
fn wrong_epochs_and_unknown_sessions_are_refused_and_change_nothing() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let id = ask(&mut client, NEW, vec![wanted("orders", 0, 0)]).session_id;
    let error = |client: &mut Client, id, epoch| {
        let answer = ask(client, Session { id, epoch }, vec![]);
        assert_eq!((answer.session_id, rows(&answer)), (0, vec![]));
        ErrorCode::from_code(answer.error_code)
    };
    assert_eq!(error(&mut client, id, 2), Some(ErrorCode::InvalidFetchSessionEpoch));
    let unknown = id.checked_add(1).unwrap_or(1);
    assert_eq!(error(&mut client, unknown, 1), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(error(&mut client, 0, 1), Some(ErrorCode::FetchSessionIdNotFound));
    let by_id = client.call_fetch(13, &request(Session { id, epoch: 1 }, vec![])).expect("an answer");
    assert_eq!(by_id.error_code, ErrorCode::FetchSessionTopicIdError.code());
    assert_eq!(ask(&mut client, Session { id, epoch: 1 }, vec![]).error_code, 0, "the right epoch still counts");
    assert_eq!(error(&mut client, id, 1), Some(ErrorCode::InvalidFetchSessionEpoch), "but once only");

    // A client that starts anew closes what it had.
    assert!(ask(&mut client, Session { id, epoch: 0 }, vec![wanted("orders", 0, 0)]).session_id > 0);
    assert_eq!(error(&mut client, id, 2), Some(ErrorCode::FetchSessionIdNotFound));
    // And so does one that says good-bye, without partitions or with some.
    let id = ask(&mut client, NEW, vec![wanted("orders", 0, 0)]).session_id;
    let bye = ask(&mut client, Session { id, epoch: -1 }, vec![wanted("orders", 0, 0)]);
    assert_eq!((bye.session_id, rows(&bye)), (0, vec![row("orders", 0, 0, false)]));
    assert_eq!(error(&mut client, id, 1), Some(ErrorCode::FetchSessionIdNotFound));
    rig.stop();
}

#[test]
fn a_node_without_room_gives_no_session_and_answers_all_the_same() {
    let rig = Rig::with(|settings| settings.kafka.max_incremental_fetch_session_cache_slots = 1);
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut client, "orders", batch(&[b"a"]));
    let first = ask(&mut client, NEW, vec![wanted("orders", 0, 0)]);
    assert!(first.session_id > 0);
    for _ in 0..3 {
        let second = ask(&mut client, NEW, vec![wanted("orders", 0, 0)]);
        assert_eq!((second.error_code, second.session_id), (0, 0));
        assert_eq!(rows(&second), [row("orders", 0, 0, true)]);
    }
    assert_eq!(ask(&mut client, Session { id: first.session_id, epoch: 1 }, vec![]).error_code, 0);
    rig.stop();
}

#[test]
fn under_a_byte_limit_every_partition_of_a_session_gets_its_turn() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("orders", 4, &[]).expect("a topic");
    for partition in 0..4 {
        for _ in 0..4 {
            produce(&mut client, "orders", partition, batch(&[&[b'x'; 1000]]));
        }
    }
    let mut next = [0i64; 4];
    let mut session = NEW;
    let mut gave = Vec::new();
    for _ in 0..16 {
        let topics = match session.epoch {
            0 => (0..4).map(|partition| wanted("orders", partition, 0)).collect(),
            _ => gave.last().map(|at: &usize| vec![wanted("orders", *at as i32, next[*at])]).unwrap_or_default(),
        };
        let mut small = request(session, topics);
        small.max_bytes = 1; // one batch, whatever its size
        let answer = client.call_fetch(VERSION, &small).expect("an answer");
        let data: Vec<i32> = rows(&answer).into_iter().filter(|row| row.3).map(|row| row.1).collect();
        assert_eq!(data.len(), 1, "one batch fits");
        next[data[0] as usize] += 1;
        gave.push(data[0] as usize);
        session = Session { id: answer.session_id, epoch: session.epoch + 1 };
    }
    // The first answer was a full one, which moves nothing; from then on they take turns.
    assert_eq!(&gave[1..13], [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3], "{gave:?}");
    rig.stop();
}

#[test]
fn a_reader_of_a_deleted_topic_waits_as_long_as_it_said() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("kept", 1, &[]).expect("a topic");
    client.create_topic("gone", 1, &[]).expect("a topic");
    let first = ask(&mut client, NEW, vec![wanted("gone", 0, 0), wanted("kept", 0, 0)]);
    assert_eq!(delete_topic(&mut client, "gone"), 0);
    let mut waiting = request(Session { id: first.session_id, epoch: 1 }, vec![]);
    waiting.max_wait_ms = 300;
    let since = Instant::now();
    let answer = client.call_fetch(VERSION, &waiting).expect("an answer");
    assert_eq!(rows(&answer), [row("gone", 0, ErrorCode::UnknownTopicOrPartition.code(), false)]);
    assert!(since.elapsed() >= Duration::from_millis(290), "{:?}", since.elapsed());
    rig.stop();
}
