//! A server that keeps nothing: it takes records, says that it has them, and forgets them. What a client reaches with it is
//! what the client can; no server makes it faster.
//!
//! `callboard-sink`: listens on a free port of loopback, prints it, and answers until it is ended. Topics can be created and
//! deleted, producers can begin; everything else is refused by hanging up. Several connections share one thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::process::ExitCode;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use callboard_model::{ErrorCode, HEADER_LEN, Offset};
use callboard_wire::frame::{FrameDecoder, FrameError};
use callboard_wire::messages::{
    CreatableTopicResult, CreateTopicsResponse, DeletableTopicResult, DeleteTopicsResponse, InitProducerIdResponse,
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    Request, Response, Uuid, api_versions, decode_request, encode_response,
};
use callboard_wire::produce::{self, PartitionProduced, ProduceResponse, TopicProduced};
use callboard_wire::{ApiKey, DecodeError, EncodeError, RequestHeader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Bytes of a request; a client's largest is far below.
const FRAME_MAX: usize = 64 << 20;
const PARTITIONS_MAX: i32 = 100_000;
const BROKER: i32 = 1;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum SinkError {
    #[error(transparent)]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a request cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("an answer cannot be written: {0}")]
    Encode(#[from] EncodeError),
    #[error("{0} is not answered here")]
    Unanswered(String),
}

/// What it knows: how many partitions each topic has, and how many records each of them was sent.
#[derive(Debug, Default)]
struct Topics {
    partitions: HashMap<String, Vec<i64>>,
    port: u16,
}

fn main() -> ExitCode {
    let served = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        let local = LocalSet::new();
        local.block_on(&runtime, listen())
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("callboard-sink: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn listen() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    println!("{port}");
    let topics = Rc::new(RefCell::new(Topics { port, ..Topics::default() }));
    loop {
        let (stream, _) = listener.accept().await?;
        let topics = Rc::clone(&topics);
        tokio::task::spawn_local(async move {
            if let Err(error) = serve(stream, &topics).await {
                eprintln!("callboard-sink: {error}");
            }
        });
    }
}

async fn serve(mut stream: TcpStream, topics: &RefCell<Topics>) -> Result<(), SinkError> {
    stream.set_nodelay(true)?;
    let mut frames = FrameDecoder::new(FRAME_MAX);
    loop {
        while let Some(frame) = frames.next_frame()? {
            let answer = answer(&mut topics.borrow_mut(), frame)?;
            stream.write_all(&answer).await?;
        }
        if stream.read_buf(frames.buffer()).await? == 0 {
            return Ok(());
        }
    }
}

fn answer(topics: &mut Topics, frame: BytesMut) -> Result<Bytes, SinkError> {
    let (header, body) = RequestHeader::parse(frame)?;
    let key = header.api().ok_or_else(|| SinkError::Unanswered(format!("API {}", header.api_key)))?;
    if key == ApiKey::Produce {
        let answer = topics.take(&produce::decode_request(header.version, body)?);
        return Ok(produce::encode_response(header.correlation_id, header.version, &answer)?);
    }
    let answer = match decode_request(key, header.version, body.freeze())? {
        Request::ApiVersions(request) => Response::ApiVersions(api_versions::answer(header.version, &request)),
        Request::UnsupportedApiVersions => Response::ApiVersions(api_versions::unsupported()),
        Request::Metadata(request) => topics.describe(&request).into(),
        Request::CreateTopics(request) => {
            let mut answer = CreateTopicsResponse::default();
            for topic in request.topics {
                let mut row = CreatableTopicResult::default();
                row.name = topic.name.clone();
                answer.topics.push(row);
                topics
                    .partitions
                    .insert(topic.name.to_string(), vec![0; topic.num_partitions.clamp(1, PARTITIONS_MAX) as usize]);
            }
            answer.into()
        }
        Request::DeleteTopics(request) => {
            let mut answer = DeleteTopicsResponse::default();
            for name in request.topic_names {
                topics.partitions.remove(&*name);
                let mut row = DeletableTopicResult::default();
                row.name = Some(name);
                answer.responses.push(row);
            }
            answer.into()
        }
        Request::InitProducerId(_) => {
            let mut answer = InitProducerIdResponse::default();
            (answer.producer_id, answer.producer_epoch) = (1, 0);
            answer.into()
        }
        other => return Err(SinkError::Unanswered(format!("{:?}", other.key()))),
    };
    Ok(encode_response(header.correlation_id, header.version, answer)?)
}

impl Topics {
    /// Counts the records and lets go of them.
    fn take(&mut self, request: &produce::ProduceRequest) -> ProduceResponse {
        let mut answer = ProduceResponse::default();
        for topic in &request.topics {
            let mut known = self.partitions.get_mut(&*topic.name);
            let partitions = topic.partitions.iter().map(|part| {
                let end = known.as_mut().and_then(|ends| ends.get_mut(usize::try_from(part.index.0).ok()?));
                let Some(end) = end else {
                    return PartitionProduced::refused(part.index, ErrorCode::UnknownTopicOrPartition);
                };
                let mut row = PartitionProduced::refused(part.index, ErrorCode::None);
                (row.base_offset, row.log_start_offset) = (Offset(*end), Offset(0));
                *end += part.records.as_ref().map_or(0, |records| counted(records));
                row
            });
            let partitions = partitions.collect();
            answer.topics.push(TopicProduced { name: topic.name.clone(), partitions });
        }
        answer
    }

    fn describe(&self, request: &MetadataRequest) -> MetadataResponse {
        let mut answer = MetadataResponse::default();
        let mut broker = MetadataResponseBroker::default();
        (broker.node_id, broker.host, broker.port) = (BROKER, "127.0.0.1".into(), i32::from(self.port));
        (answer.brokers, answer.controller_id, answer.cluster_id) = (vec![broker], BROKER, Some("sink".into()));
        for name in request.topics.iter().flatten().filter_map(|topic| topic.name.clone()) {
            let mut topic = MetadataResponseTopic::default();
            match self.partitions.get(&*name) {
                None => topic.error_code = ErrorCode::UnknownTopicOrPartition.code(),
                Some(partitions) => {
                    topic.topic_id = Uuid::from_bytes([7; 16]);
                    topic.partitions = (0..partitions.len() as i32).map(led).collect();
                }
            }
            topic.name = Some(name);
            answer.topics.push(topic);
        }
        answer
    }
}

fn led(index: i32) -> MetadataResponsePartition {
    let mut partition = MetadataResponsePartition::default();
    (partition.partition_index, partition.leader_id, partition.leader_epoch) = (index, BROKER, 0);
    (partition.replica_nodes, partition.isr_nodes) = (vec![BROKER], vec![BROKER]);
    partition
}

/// The records of one batch, by its header.
fn counted(batch: &[u8]) -> i64 {
    let count = batch.get(HEADER_LEN - 4..HEADER_LEN).and_then(|count| count.first_chunk::<4>());
    count.map_or(0, |count| i64::from(u32::from_be_bytes(*count)))
}
