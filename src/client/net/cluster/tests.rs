use std::time::Duration;

use callboard_model::ErrorCode;
use callboard_wire::messages::HeartbeatRequest;

use super::*;
use crate::net::fake::{self, Asked, FakeBroker, Reply};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn options(broker: &FakeBroker) -> ClusterOptions {
    let mut options = ClusterOptions::new(&broker.address.to_string());
    options.retry_backoff = Duration::from_millis(5);
    options.reconnect_backoff = Duration::from_millis(5);
    options
}

#[tokio::test]
async fn topics_are_fetched_once_until_they_are_marked_stale() {
    let broker = FakeBroker::start(|_| None).await;
    let cluster = Cluster::connect(options(&broker)).await.expect("a broker");
    assert_eq!(cluster.leader("a", 0), None);
    let (one, two) = tokio::join!(cluster.topics(&["a", "b"], soon()), cluster.topics(&["b", "a"], soon()));
    assert_eq!(one.expect("known").leader("a", 2), Some(BrokerId(1)));
    assert_eq!(two.expect("known").leader("b", 0), Some(BrokerId(1)));
    assert_eq!(broker.count(ApiKey::Metadata), 2, "one to connect, one for both callers");
    cluster.mark_stale("a");
    cluster.topics(&["b"], soon()).await.expect("known");
    assert_eq!(broker.count(ApiKey::Metadata), 2);
    cluster.topics(&["a"], soon()).await.expect("known");
    assert_eq!(broker.count(ApiKey::Metadata), 3);
    assert!(cluster.all_topics(soon()).await.expect("known").topic("a").is_none(), "the fake lists none");
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_told_and_asked_for_again() {
    let mut asked_before = false;
    let broker = FakeBroker::start(move |asked: &Asked| match &asked.request {
        Some(Request::Metadata(request)) if request.topics.iter().flatten().count() > 0 && !asked_before => {
            asked_before = true;
            let absent = fake::absent("a", ErrorCode::UnknownTopicOrPartition);
            Some(Reply::Answer(fake::metadata(&[], vec![absent]).into()))
        }
        _ => None,
    })
    .await;
    let cluster = Cluster::connect(options(&broker)).await.expect("a broker");
    let metadata = cluster.topics(&["a"], soon()).await.expect("an answer");
    assert_eq!(metadata.error("a"), Some(ErrorCode::UnknownTopicOrPartition));
    assert!(cluster.topics(&["a"], soon()).await.expect("an answer").topic("a").is_some());
}

#[tokio::test]
async fn every_bootstrap_address_is_tried_and_named_in_the_error() {
    let silent = FakeBroker::start(|_| Some(Reply::Silence)).await;
    let web = FakeBroker::start(|_| Some(Reply::Last("HTTP/1.1 400 Bad Request\r\n\r\n".into()))).await;
    let mut options = ClusterOptions::new(&format!("127.0.0.1:1,{},{}", silent.address, web.address));
    options.default_api_timeout = Duration::from_millis(600);
    let start = Instant::now();
    let error = Cluster::connect(options.clone()).await.expect_err("no broker").to_string();
    assert!(start.elapsed() < Duration::from_secs(3));
    for part in ["127.0.0.1:1: connecting failed", "no answer within", "speaks HTTP", "check bootstrap.servers"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let good = FakeBroker::start(|_| None).await;
    options.default_api_timeout = Duration::from_secs(3);
    options.bootstrap_servers.push(good.address.to_string());
    Cluster::connect(options).await.expect("one of them is a broker");
}

#[tokio::test]
async fn lanes_are_connections_of_their_own_and_are_kept() {
    let broker = FakeBroker::start(|_| None).await;
    let cluster = Cluster::connect(options(&broker)).await.expect("a broker");
    for _ in 0..3 {
        for lane in [Lane::Ordinary, Lane::Fetch, Lane::Group] {
            cluster.connection(Target::Lane(BrokerId(1), lane), soon()).await.expect("open");
        }
        cluster.connection(Target::Controller, soon()).await.expect("open");
    }
    // The first one led to the bootstrap address.
    assert_eq!(broker.count(ApiKey::ApiVersions), 4);
    let error = cluster.connection(Target::Broker(BrokerId(2)), soon()).await.expect_err("unknown");
    assert!(matches!(error, ClientError::NoBroker(BrokerId(2))), "{error}");
}

#[tokio::test]
async fn a_connection_that_ended_is_dialled_again() {
    let mut hang_up = true;
    let broker = FakeBroker::start(move |asked: &Asked| match asked.key {
        ApiKey::Heartbeat if std::mem::take(&mut hang_up) => Some(Reply::Close),
        ApiKey::Heartbeat => {
            Some(Reply::Answer(Response::Heartbeat(callboard_wire::messages::HeartbeatResponse::default())))
        }
        _ => None,
    })
    .await;
    let cluster = Cluster::connect(options(&broker)).await.expect("a broker");
    let heartbeat = || Request::Heartbeat(HeartbeatRequest::default());
    let to = Target::Lane(BrokerId(1), Lane::Group);
    let error = cluster.ask(to, heartbeat(), soon()).await.expect_err("it hung up");
    assert!(error.is_retriable(), "{error}");
    let (version, answer) = cluster.ask(to, heartbeat(), soon()).await.expect("dialled again");
    assert!(matches!((version, answer), (4, Response::Heartbeat(_))));
}

#[tokio::test]
async fn a_coordinator_is_kept_until_it_is_forgotten() {
    let mut loading = 2;
    let broker = FakeBroker::start(move |asked: &Asked| match asked.key {
        ApiKey::FindCoordinator if loading > 0 => {
            loading -= 1;
            let mut answer = FindCoordinatorResponse::default();
            let mut one = callboard_wire::messages::Coordinator::default();
            (one.key, one.error_code) = ("g".into(), ErrorCode::CoordinatorNotAvailable.code());
            answer.coordinators = vec![one];
            Some(Reply::Answer(answer.into()))
        }
        _ => None,
    })
    .await;
    let cluster = Cluster::connect(options(&broker)).await.expect("a broker");
    assert_eq!(cluster.coordinator("g", soon()).await.expect("found"), BrokerId(1));
    assert_eq!(cluster.coordinator("g", soon()).await.expect("found"), BrokerId(1));
    assert_eq!(broker.count(ApiKey::FindCoordinator), 3);
    cluster.forget_coordinator("g");
    cluster.coordinator("g", soon()).await.expect("found");
    assert_eq!(broker.count(ApiKey::FindCoordinator), 4);
}

#[tokio::test]
async fn a_failed_answer_to_metadata_is_tried_again_until_the_deadline() {
    let mut failures = 2;
    let broker = FakeBroker::start(move |asked: &Asked| match &asked.request {
        Some(Request::Metadata(request)) if request.topics.iter().flatten().count() > 0 && failures > 0 => {
            failures -= 1;
            Some(Reply::Close)
        }
        _ => None,
    })
    .await;
    let cluster = Cluster::connect(options(&broker)).await.expect("a broker");
    assert!(cluster.topics(&["a"], soon()).await.expect("at last").topic("a").is_some());
    drop(broker);
    cluster.mark_stale("a");
    let start = Instant::now();
    let error = cluster.topics(&["a"], start + Duration::from_millis(300)).await.expect_err("gone");
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
}
