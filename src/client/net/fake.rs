//! A broker for tests: a listener on loopback that answers as its script says, and with the usual where it says nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use callboard_model::ErrorCode;
use callboard_wire::frame::FrameDecoder;
use callboard_wire::messages::{
    FindCoordinatorResponse, InitProducerIdResponse, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic, Request, Response, api_versions, decode_request, encode_response,
};
use callboard_wire::{ApiKey, RequestHeader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the fake is asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Which connection, from 0.
    pub(crate) connection: usize,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    /// Of the control plane; `None` for Produce and Fetch.
    pub(crate) request: Option<Request>,
    /// What follows the header.
    pub(crate) body: BytesMut,
}

/// What it does about it.
pub(crate) enum Reply {
    /// An answer of the control plane.
    Answer(Response),
    /// Bytes as they are.
    Raw(Bytes),
    /// Nothing.
    Silence,
    /// Hangs up.
    Close,
    /// Bytes as they are, then hangs up.
    Last(Bytes),
}

type Script = Box<dyn FnMut(&Asked) -> Option<Reply> + Send>;

/// A listener that runs until it is dropped.
pub(crate) struct FakeBroker {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl FakeBroker {
    /// `script` answers or, with `None`, leaves it to the usual: itself as broker 1, every topic with three partitions.
    pub(crate) async fn start(script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, number, address, script.clone(), seen.clone()));
                number += 1;
            }
        });
        Self { address, asked, task }
    }

    /// Everything that it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// How often it was asked this.
    pub(crate) fn count(&self, key: ApiKey) -> usize {
        self.asked().iter().filter(|asked| asked.key == key).count()
    }
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<Asked>>>,
) {
    let mut frames = FrameDecoder::new(64 * 1024 * 1024);
    loop {
        while let Ok(Some(frame)) = frames.next_frame() {
            let (header, body) = RequestHeader::parse(frame).expect("a request");
            let key = header.api().expect("served");
            let request = match key {
                ApiKey::Produce | ApiKey::Fetch => None,
                _ => Some(decode_request(key, header.version, body.clone().freeze()).expect("a legal request")),
            };
            let (version, correlation) = (header.version, header.correlation_id);
            let asked = Asked { connection, key, version, correlation, request, body };
            seen.lock().expect("no panic").push(asked.clone());
            let reply = script.lock().expect("no panic")(&asked);
            let (bytes, close) = match reply.unwrap_or_else(|| usual(&asked, address)) {
                Reply::Answer(answer) => {
                    (encode_response(asked.correlation, asked.version, answer).expect("legal"), false)
                }
                Reply::Raw(bytes) => (bytes, false),
                Reply::Silence => (Bytes::new(), false),
                Reply::Close => return,
                Reply::Last(bytes) => (bytes, true),
            };
            if stream.write_all(&bytes).await.is_err() || close {
                return;
            }
        }
        if stream.read_buf(frames.buffer()).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// What a single broker that has every topic would say.
pub(crate) fn usual(asked: &Asked, address: SocketAddr) -> Reply {
    match &asked.request {
        Some(Request::ApiVersions(request)) => {
            Reply::Answer(Response::ApiVersions(api_versions::answer(asked.version, request)))
        }
        Some(Request::UnsupportedApiVersions) => Reply::Answer(Response::ApiVersions(api_versions::unsupported())),
        Some(Request::Metadata(request)) => {
            let names = request.topics.iter().flatten().filter_map(|topic| topic.name.clone());
            let topics: Vec<_> = names.map(|name| topic(&name, 3, 1)).collect();
            Reply::Answer(Response::Metadata(metadata(&[(1, address)], topics)))
        }
        Some(Request::FindCoordinator(request)) => {
            let mut answer = FindCoordinatorResponse::default();
            let coordinator = |key: &str| {
                let mut one = callboard_wire::messages::Coordinator::default();
                (one.key, one.node_id, one.port) = (key.into(), 1, i32::from(address.port()));
                one.host = address.ip().to_string().as_str().into();
                one
            };
            if asked.version >= 4 {
                answer.coordinators = request.coordinator_keys.iter().map(|key| coordinator(key)).collect();
            } else {
                let one = coordinator(&request.key);
                (answer.node_id, answer.host, answer.port) = (one.node_id, one.host, one.port);
            }
            Reply::Answer(answer.into())
        }
        Some(Request::InitProducerId(_)) => {
            let mut answer = InitProducerIdResponse::default();
            (answer.producer_id, answer.producer_epoch) = (7000, 0);
            Reply::Answer(answer.into())
        }
        _ => Reply::Silence,
    }
}

/// An answer to Metadata.
pub(crate) fn metadata(brokers: &[(i32, SocketAddr)], topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
    let mut answer = MetadataResponse::default();
    let broker = |(id, address): &(i32, SocketAddr)| {
        let mut broker = MetadataResponseBroker::default();
        (broker.node_id, broker.port) = (*id, i32::from(address.port()));
        broker.host = address.ip().to_string().as_str().into();
        broker
    };
    answer.brokers = brokers.iter().map(broker).collect();
    answer.controller_id = brokers.first().map_or(-1, |(id, _)| *id);
    answer.cluster_id = Some("fake".into());
    answer.topics = topics;
    answer
}

/// A topic whose partitions are led by one broker in epoch 0.
pub(crate) fn topic(name: &str, partitions: i32, leader: i32) -> MetadataResponseTopic {
    let mut topic = MetadataResponseTopic::default();
    topic.name = Some(name.into());
    topic.topic_id = callboard_wire::messages::Uuid::from_bytes([7; 16]);
    let partition = |index| {
        let mut partition = MetadataResponsePartition::default();
        (partition.partition_index, partition.leader_id, partition.leader_epoch) = (index, leader, 0);
        (partition.replica_nodes, partition.isr_nodes) = (vec![leader], vec![leader]);
        partition
    };
    topic.partitions = (0..partitions).map(partition).collect();
    topic
}

/// A topic that is not there.
pub(crate) fn absent(name: &str, error: ErrorCode) -> MetadataResponseTopic {
    let mut topic = topic(name, 0, -1);
    topic.error_code = error.code();
    topic
}
