use std::time::Duration;

use callboard_wire::messages::{MetadataRequest, api_versions};
use proptest::prelude::*;
use tokio::net::TcpListener;

use super::*;
use crate::net::fake::{Asked, FakeBroker, Reply};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn options() -> ClusterOptions {
    ClusterOptions::default()
}

async fn connect(broker: &FakeBroker) -> Result<Connection, Attempt> {
    Connection::open(broker.address.to_string().into(), &options(), soon()).await
}

fn metadata() -> Request {
    Request::Metadata(MetadataRequest::default())
}

/// What dialling a peer that answers with these bytes says.
async fn greeted_with(bytes: &'static [u8]) -> String {
    let broker = FakeBroker::start(move |_| Some(Reply::Last(Bytes::from_static(bytes)))).await;
    connect(&broker).await.expect_err("no broker").to_string()
}

#[tokio::test]
async fn requests_are_pipelined_and_answered_in_order() {
    let broker = FakeBroker::start(|_| None).await;
    let connection = connect(&broker).await.expect("a broker");
    let request = metadata();
    let asks = (0..100).map(|_| connection.ask(9, &request, soon()));
    for answer in futures_util::future::join_all(asks).await {
        assert!(matches!(answer, Ok(Response::Metadata(_))), "{answer:?}");
    }
    assert_eq!(broker.count(ApiKey::Metadata), 100);
    assert!(broker.asked().iter().all(|asked| asked.connection == 0));
    assert_eq!(broker.count(ApiKey::ApiVersions), 1);
}

#[tokio::test]
async fn a_broker_that_refuses_the_version_is_asked_in_the_one_it_names_kip_511() {
    let broker = FakeBroker::start(|asked| {
        if asked.version < 4 {
            return None;
        }
        let mut refusal = api_versions::unsupported();
        refusal.api_keys[0].max_version = 1;
        let frame = callboard_wire::messages::encode_response(asked.correlation, 0, refusal.into());
        Some(Reply::Raw(frame.expect("legal")))
    })
    .await;
    let connection = connect(&broker).await.expect("a broker");
    let versions: Vec<_> = broker.asked().iter().map(|asked| asked.version).collect();
    assert_eq!(versions, [4, 1]);
    assert_eq!(connection.version(ApiKey::Produce).expect("listed"), 11);
}

#[tokio::test]
async fn other_peers_are_named_with_what_to_do() {
    let tls = greeted_with(b"\x15\x03\x03\x00\x02\x02\x46").await;
    assert!(tls.contains("speaks TLS") && tls.contains("PLAINTEXT listener"), "{tls}");
    let http = greeted_with(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(http.contains("speaks HTTP") && http.contains("9092"), "{http}");
    let nothing = greeted_with(b"").await;
    assert!(nothing.contains("hung up before its first answer"), "{nothing}");
    let negative = greeted_with(b"\xff\xff\xff\xff").await;
    assert!(negative.contains("negative length of -1"), "{negative}");
    let huge = greeted_with(b"\x7f\xff\xff\xff").await;
    assert!(huge.contains("a frame declares 2147483647 bytes"), "{huge}");
    let other = greeted_with(b"\0\0\0\x04\0\0\0\x63").await;
    assert!(other.contains("answered request 99, request 0 was next"), "{other}");
    let short = greeted_with(b"\0\0\0\x06\0\0\0\0\0\0").await;
    assert!(short.contains("list of versions cannot be used"), "{short}");
    let half = greeted_with(b"\0\0\0\x06\0\0").await;
    assert!(half.contains("hung up before its first answer"), "{half}");
}

#[tokio::test]
async fn a_silent_peer_is_given_up_at_the_deadline() {
    let broker = FakeBroker::start(|_| Some(Reply::Silence)).await;
    let start = Instant::now();
    let deadline = start + Duration::from_millis(200);
    let address: Arc<str> = broker.address.to_string().into();
    let error = Connection::open(address, &options(), deadline).await.expect_err("says nothing");
    assert!(matches!(error.reason, Broken::Silent(_)), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_closed_port_and_a_wrong_name_say_so() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("bound");
    let refused = Connection::open(free.to_string().into(), &options(), soon()).await.expect_err("closed");
    assert!(refused.to_string().contains("refused"), "{refused}");
    let wrong = Connection::open("no:port:here x".into(), &options(), soon()).await.expect_err("no address");
    assert!(matches!(wrong.reason, Broken::Address(_) | Broken::Resolve(_)), "{wrong}");
}

#[tokio::test]
async fn when_the_broker_hangs_up_everyone_who_waits_is_told() {
    let broker = FakeBroker::start(|asked: &Asked| match asked.key {
        ApiKey::Metadata => Some(Reply::Close),
        _ => None,
    })
    .await;
    let connection = connect(&broker).await.expect("a broker");
    let request = metadata();
    let asks = (0..10).map(|_| connection.ask(9, &request, soon()));
    for answer in futures_util::future::join_all(asks).await {
        let error = answer.expect_err("nobody is there");
        assert!(matches!(&error, ClientError::Disconnected { sent: true, .. }), "{error}");
        assert!(error.is_retriable() && error.may_have_happened());
    }
    assert!(!connection.is_open());
    let late = connection.ask(9, &request, soon()).await.expect_err("closed");
    assert!(!late.may_have_happened(), "{late}");
}

#[tokio::test]
async fn a_caller_s_deadline_leaves_the_connection_to_the_others() {
    let mut asked_before = false;
    let broker = FakeBroker::start(move |asked: &Asked| match asked.key {
        ApiKey::Metadata if !asked_before => {
            asked_before = true;
            Some(Reply::Silence)
        }
        _ => None,
    })
    .await;
    let mut options = options();
    options.request_timeout = Duration::from_millis(400);
    let connection = Connection::open(broker.address.to_string().into(), &options, soon()).await.expect("a broker");
    let start = Instant::now();
    let request = metadata();
    let first = connection.ask(9, &request, start + Duration::from_millis(50)).await.expect_err("no answer");
    assert!(matches!(first, ClientError::Timeout { sent: true, .. }), "{first}");
    assert!(connection.is_open());
    // An answer that never comes blocks those behind it, so the connection is given up after request.timeout.ms.
    let second = connection.ask(9, &request, soon()).await.expect_err("out of turn");
    assert!(matches!(second, ClientError::Disconnected { .. }), "{second}");
    assert!(!connection.is_open());
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_error_of_its_request_alone() {
    let broker = FakeBroker::start(|asked: &Asked| match asked.key {
        ApiKey::Metadata if asked.version == 1 => {
            let mut frame = vec![0, 0, 0, 8];
            frame.extend_from_slice(&asked.correlation.to_be_bytes());
            frame.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
            Some(Reply::Raw(frame.into()))
        }
        _ => None,
    })
    .await;
    let connection = connect(&broker).await.expect("a broker");
    let error = connection.ask(1, &metadata(), soon()).await.expect_err("garbage");
    assert!(matches!(error, ClientError::Decode { .. }), "{error}");
    assert!(matches!(connection.ask(9, &metadata(), soon()).await, Ok(Response::Metadata(_))));
}

#[tokio::test]
async fn large_requests_in_pieces_arrive_whole() {
    let broker = FakeBroker::start(|asked: &Asked| match asked.key {
        ApiKey::Produce => {
            let mut frame = vec![0, 0, 0, 8];
            frame.extend_from_slice(&asked.correlation.to_be_bytes());
            frame.extend_from_slice(&(asked.body.len() as u32).to_be_bytes());
            Some(Reply::Raw(frame.into()))
        }
        _ => None,
    })
    .await;
    let connection = connect(&broker).await.expect("a broker");
    let piece = Bytes::from(vec![1u8; 70_000]);
    let mut pending = Vec::new();
    for pieces in [0, 1, 50, 300] {
        let correlation = connection.next_correlation();
        let mut head = Vec::new();
        head.extend_from_slice(&((10 + pieces * piece.len()) as u32).to_be_bytes());
        head.extend_from_slice(&[0, 0, 0, 3]);
        head.extend_from_slice(&correlation.to_be_bytes());
        head.extend_from_slice(&[0xff, 0xff]);
        let mut frame = vec![Bytes::from(head), Bytes::new()];
        frame.extend(std::iter::repeat_n(piece.clone(), pieces));
        pending.push((pieces, connection.enqueue(ApiKey::Produce, correlation, frame, soon())));
    }
    for (pieces, answer) in pending {
        let answer = answer.await.expect("an answer");
        assert_eq!(answer[4..], ((pieces * piece.len()) as u32).to_be_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_a_peer_sends_the_call_ends(first in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let bytes = Bytes::from(bytes);
            let broker = FakeBroker::start(move |asked: &Asked| match asked.key {
                ApiKey::ApiVersions if !first => None,
                _ => Some(Reply::Last(bytes.clone())),
            })
            .await;
            if let Ok(connection) = connect(&broker).await {
                let answer = connection.ask(9, &metadata(), soon()).await;
                prop_assert!(!matches!(answer, Err(ClientError::Timeout { .. })), "{:?}", answer);
            }
            Ok(())
        })?;
    }
}
