//! The calls.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp};
use callboard_wire::messages::client::{
    self, FetchRequest, FetchResponse, ProduceRequest, fetch_request, produce_request,
};
use callboard_wire::messages::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, InitProducerIdRequest, ListOffsetsPartition,
    ListOffsetsRequest, ListOffsetsTopic, MetadataRequest, MetadataRequestTopic, MetadataResponse, Request, Response,
};
use callboard_wire::{ApiKey, StrBytes, api};

use crate::{ClientError, Connection, Fetched, ListedOffset, Produced, ProducerIdentity};

/// What the client calls itself.
const CLIENT_ID: &str = "callboard-tests";

/// Whose acknowledgement a producer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Acks {
    /// Nobody's: no answer comes.
    None = 0,
    /// The leader's.
    Leader = 1,
    /// That of all in-sync replicas.
    All = -1,
}

/// One batch for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionBatch<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: PartitionIndex,
    /// The bytes of one batch, see [`crate::encode_batch`].
    pub batch: Bytes,
}

/// Where to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchFrom<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: PartitionIndex,
    /// The first offset wanted.
    pub offset: Offset,
    /// Bytes of this partition; one batch may exceed it.
    pub max_bytes: i32,
}

/// How much to read and how long to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// How long to wait for `min_bytes`; the client's own deadline comes on top.
    pub max_wait: Duration,
    /// Bytes worth answering for.
    pub min_bytes: i32,
    /// Bytes of all partitions together.
    pub max_bytes: i32,
}

/// Which offset to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAt<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: PartitionIndex,
    /// A time in milliseconds, or [`OffsetAt::EARLIEST`], [`OffsetAt::LATEST`], [`OffsetAt::MAX_TIMESTAMP`].
    pub timestamp: Timestamp,
}

impl OffsetAt<'_> {
    /// The end of the log.
    pub const LATEST: Timestamp = Timestamp(-1);
    /// The start of the log.
    pub const EARLIEST: Timestamp = Timestamp(-2);
    /// The record with the largest time (KIP-734).
    pub const MAX_TIMESTAMP: Timestamp = Timestamp(-3);
}

/// A client on one connection, speaking the newest version of every API that the node serves, Fetch by names.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    name: &'static str,
}

impl Client {
    /// Connects; `deadline` holds for this and for every later call.
    pub fn connect(address: SocketAddr, deadline: Duration) -> Result<Self, ClientError> {
        Ok(Self { connection: Connection::open(address, deadline)?, name: CLIENT_ID })
    }

    /// Says this name with every request from now on.
    pub fn called(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The connection below, for what the calls here do not say.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Requests sent and not answered.
    pub fn unanswered(&self) -> usize {
        self.connection.unanswered()
    }

    /// Changes how long a call may take.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.connection.set_deadline(deadline);
    }

    /// Any request of the control plane in any version, and its answer, error codes unjudged.
    pub fn call(&mut self, version: i16, request: &Request) -> Result<Response, ClientError> {
        let key = request.key();
        let frame = client::encode_request(self.connection.next_correlation_id(), Some(self.name), version, request)?;
        self.connection.send(key, version, &frame, true)?;
        let (version, body) = self.connection.receive(key)?;
        Ok(client::decode_response(key, version, body)?)
    }

    pub(crate) fn call_newest(&mut self, request: &Request) -> Result<Response, ClientError> {
        self.call(newest(request.key()), request)
    }

    /// Metadata of some topics, `None` for all; error codes unjudged. Topics that are missing are not created.
    pub fn metadata(&mut self, topics: Option<&[&str]>) -> Result<MetadataResponse, ClientError> {
        let mut request = MetadataRequest::default();
        request.allow_auto_topic_creation = false;
        request.topics = topics.map(|topics| {
            let named = |name: &&str| {
                let mut topic = MetadataRequestTopic::default();
                topic.name = Some(text(name));
                topic
            };
            topics.iter().map(named).collect()
        });
        match self.call_newest(&Request::Metadata(request))? {
            Response::Metadata(answer) => Ok(answer),
            _ => Err(incomplete(ApiKey::Metadata, "its own kind of answer")),
        }
    }

    /// Creates a topic with one replica; `configs` are names and values. [`ClientError::Refused`] if the node refuses.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<(), ClientError> {
        let api = ApiKey::CreateTopics;
        let mut topic = CreatableTopic::default();
        topic.name = text(name);
        topic.num_partitions = partitions;
        topic.replication_factor = 1;
        topic.configs = configs
            .iter()
            .map(|(name, value)| {
                let mut config = CreatableTopicConfig::default();
                config.name = text(name);
                config.value = Some(text(value));
                config
            })
            .collect();
        let mut request = CreateTopicsRequest::default();
        request.timeout_ms = millis(self.connection.deadline());
        request.topics = vec![topic];
        let Response::CreateTopics(answer) = self.call_newest(&Request::CreateTopics(request))? else {
            return Err(incomplete(api, "its own kind of answer"));
        };
        let result = answer.topics.iter().find(|topic| &*topic.name == name).ok_or_else(|| incomplete(api, name))?;
        judge(api, result.error_code, result.error_message.as_deref())
    }

    /// An id for an idempotent producer. [`ClientError::Refused`] if the node refuses.
    pub fn init_producer_id(&mut self) -> Result<ProducerIdentity, ClientError> {
        let api = ApiKey::InitProducerId;
        let mut request = InitProducerIdRequest::default();
        // The codec's default is the empty id, which no broker takes.
        request.transactional_id = None;
        request.transactional_id = None; // By default it is empty, which is illegal.
        request.transaction_timeout_ms = 60_000;
        let Response::InitProducerId(answer) = self.call_newest(&Request::InitProducerId(request))? else {
            return Err(incomplete(api, "its own kind of answer"));
        };
        judge(api, answer.error_code, None)?;
        Ok(ProducerIdentity {
            producer_id: ProducerId(answer.producer_id),
            producer_epoch: ProducerEpoch(answer.producer_epoch),
        })
    }

    /// Sends batches and waits for what became of each; error codes unjudged. Without answers for [`Acks::None`].
    pub fn produce(&mut self, acks: Acks, batches: &[PartitionBatch<'_>]) -> Result<Vec<Produced>, ClientError> {
        self.send_produce(acks, batches)?;
        if acks == Acks::None { Ok(Vec::new()) } else { self.receive_produce() }
    }

    /// Sends batches without waiting; the answer is to be taken with [`Self::receive_produce`], oldest first.
    pub fn send_produce(&mut self, acks: Acks, batches: &[PartitionBatch<'_>]) -> Result<(), ClientError> {
        let key = ApiKey::Produce;
        let mut request = ProduceRequest::default();
        request.transactional_id = None;
        request.acks = acks as i16;
        request.timeout_ms = millis(self.connection.deadline());
        for batch in batches {
            let mut partition = produce_request::PartitionProduceData::default();
            partition.index = batch.partition.get();
            partition.records = Some(batch.batch.clone());
            match request.topic_data.iter_mut().find(|topic| &*topic.name == batch.topic) {
                Some(topic) => topic.partition_data.push(partition),
                None => {
                    let mut topic = produce_request::TopicProduceData::default();
                    topic.name = text(batch.topic);
                    topic.partition_data = vec![partition];
                    request.topic_data.push(topic);
                }
            }
        }
        let version = newest(key);
        let frame = client::encode_produce(self.connection.next_correlation_id(), Some(self.name), version, &request)?;
        self.connection.send(key, version, &frame, acks != Acks::None)
    }

    /// The answer to the oldest unanswered produce request.
    pub fn receive_produce(&mut self) -> Result<Vec<Produced>, ClientError> {
        let key = ApiKey::Produce;
        let (version, body) = self.connection.receive(key)?;
        let answer = client::decode_produce(version, body)?;
        let mut produced = Vec::new();
        for topic in answer.responses {
            for partition in topic.partition_responses {
                produced.push(Produced {
                    topic: topic.name.to_string(),
                    partition: PartitionIndex(partition.index),
                    error: code(key, partition.error_code)?,
                    base_offset: Offset(partition.base_offset),
                    log_append_time: Timestamp(partition.log_append_time_ms),
                    log_start_offset: Offset(partition.log_start_offset),
                    message: partition.error_message.map(|text| text.to_string()),
                });
            }
        }
        Ok(produced)
    }

    /// Reads from several partitions; the error codes of partitions unjudged, that of the whole judged.
    pub fn fetch(&mut self, from: &[FetchFrom<'_>], limits: FetchLimits) -> Result<Vec<Fetched>, ClientError> {
        let key = ApiKey::Fetch;
        let mut request = FetchRequest::default();
        request.replica_id = -1;
        request.max_wait_ms = millis(limits.max_wait);
        request.min_bytes = limits.min_bytes;
        request.max_bytes = limits.max_bytes;
        request.session_id = 0;
        request.session_epoch = -1;
        for place in from {
            let mut partition = fetch_request::FetchPartition::default();
            partition.partition = place.partition.get();
            partition.current_leader_epoch = LeaderEpoch::NONE.get();
            partition.fetch_offset = place.offset.get();
            partition.log_start_offset = -1;
            partition.partition_max_bytes = place.max_bytes;
            match request.topics.iter_mut().find(|topic| &*topic.topic == place.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => {
                    let mut topic = fetch_request::FetchTopic::default();
                    topic.topic = text(place.topic);
                    topic.partitions = vec![partition];
                    request.topics.push(topic);
                }
            }
        }
        let answer = self.call_fetch(FETCH_BY_NAME, &request)?;
        judge(key, answer.error_code, None)?;
        let mut fetched = Vec::new();
        for topic in answer.responses {
            for partition in topic.partitions {
                fetched.push(Fetched {
                    topic: topic.topic.to_string(),
                    partition: PartitionIndex(partition.partition_index),
                    error: code(key, partition.error_code)?,
                    high_watermark: Offset(partition.high_watermark),
                    log_start_offset: Offset(partition.log_start_offset),
                    batches: partition.records.unwrap_or_default(),
                });
            }
        }
        Ok(fetched)
    }

    /// Any Fetch request in any version, and its answer, error codes unjudged.
    pub fn call_fetch(&mut self, version: i16, request: &FetchRequest) -> Result<FetchResponse, ClientError> {
        let key = ApiKey::Fetch;
        let frame = client::encode_fetch(self.connection.next_correlation_id(), Some(CLIENT_ID), version, request)?;
        self.connection.send(key, version, &frame, true)?;
        let usual = self.connection.deadline();
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        self.connection.set_deadline(usual + wait);
        let received = self.connection.receive(key);
        self.connection.set_deadline(usual);
        let (version, body) = received?;
        Ok(client::decode_fetch(version, body)?)
    }

    /// Looks offsets up; error codes unjudged.
    pub fn list_offsets(&mut self, at: &[OffsetAt<'_>]) -> Result<Vec<ListedOffset>, ClientError> {
        let key = ApiKey::ListOffsets;
        let mut request = ListOffsetsRequest::default();
        request.replica_id = -1;
        for place in at {
            let mut partition = ListOffsetsPartition::default();
            partition.partition_index = place.partition.get();
            partition.current_leader_epoch = LeaderEpoch::NONE.get();
            partition.timestamp = place.timestamp.0;
            match request.topics.iter_mut().find(|topic| &*topic.name == place.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => {
                    let mut topic = ListOffsetsTopic::default();
                    topic.name = text(place.topic);
                    topic.partitions = vec![partition];
                    request.topics.push(topic);
                }
            }
        }
        let Response::ListOffsets(answer) = self.call_newest(&Request::ListOffsets(request))? else {
            return Err(incomplete(key, "its own kind of answer"));
        };
        let mut listed = Vec::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                listed.push(ListedOffset {
                    topic: topic.name.to_string(),
                    partition: PartitionIndex(partition.partition_index),
                    error: code(key, partition.error_code)?,
                    offset: Offset(partition.offset),
                    timestamp: Timestamp(partition.timestamp),
                    leader_epoch: LeaderEpoch(partition.leader_epoch),
                });
            }
        }
        Ok(listed)
    }
}

/// The last version of Fetch that names topics; later ones want their ids.
const FETCH_BY_NAME: i16 = 12;

pub(crate) fn newest(key: ApiKey) -> i16 {
    *api::served_range(key).end()
}

pub(crate) fn text(value: &str) -> StrBytes {
    value.to_owned().into()
}

pub(crate) fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

pub(crate) fn incomplete(api: ApiKey, what: &str) -> ClientError {
    ClientError::Incomplete { api: api.name(), what: what.to_owned() }
}

pub(crate) fn code(api: ApiKey, code: i16) -> Result<ErrorCode, ClientError> {
    ErrorCode::from_code(code).ok_or(ClientError::UnknownCode { api: api.name(), code })
}

pub(crate) fn judge(api: ApiKey, number: i16, message: Option<&str>) -> Result<(), ClientError> {
    match code(api, number)? {
        ErrorCode::None => Ok(()),
        code => Err(ClientError::Refused { api: api.name(), code, message: message.map(str::to_owned) }),
    }
}
