//! The other direction, for clients and tests: requests written, answers read.
//!
//! A client gets bytes from a broker that it chose, so the limits here are those of the frame.

use bytes::{Buf, Bytes};
use kafka_wire::KafkaMessage;
use kafka_wire_core::{ApiVersion as Version, DecodeLimits};

use super::{Header, Request, Response};
use crate::{ApiKey, CodecError, DecodeError, EncodeError};

pub use kafka_wire::{FetchRequest, FetchResponse, ProduceRequest, ProduceResponse};
pub use kafka_wire::{fetch_request, fetch_response, produce_request, produce_response};

/// The whole frame of a request of the control plane. A set field that the version lacks is an error.
pub fn encode_request(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &Request,
) -> Result<Bytes, EncodeError> {
    let key = request.key();
    super::encode_request(version, &Header::Request { key, version, correlation_id, client_id }, request)
}

/// The whole frame of a Produce request.
pub fn encode_produce(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &ProduceRequest,
) -> Result<Bytes, EncodeError> {
    let key = ApiKey::Produce;
    super::encode(key, version, &Header::Request { key, version, correlation_id, client_id }, request)
}

/// The whole frame of a Fetch request.
pub fn encode_fetch(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &FetchRequest,
) -> Result<Bytes, EncodeError> {
    let key = ApiKey::Fetch;
    super::encode(key, version, &Header::Request { key, version, correlation_id, client_id }, request)
}

/// Splits a frame, its length cut off, into correlation id and the body after the header.
pub fn split_response(key: ApiKey, version: i16, mut frame: Bytes) -> Result<(i32, Bytes), DecodeError> {
    let tagged = key.response_header_version(version) == 1;
    let needed = 4 + usize::from(tagged);
    if frame.len() < needed {
        return Err(DecodeError::Truncated { what: "response header", needed, left: frame.len() });
    }
    let correlation_id = frame.get_i32();
    if tagged {
        let mut reader = crate::reader::Reader::new(frame.into(), true);
        reader.tags()?;
        frame = reader.into_rest().freeze();
    }
    Ok((correlation_id, frame))
}

/// Reads the body of an answer of the control plane.
pub fn decode_response(key: ApiKey, version: i16, body: Bytes) -> Result<Response, DecodeError> {
    super::decode_response(key, version, body)
}

/// Reads the body of an answer to Produce.
pub fn decode_produce(version: i16, body: Bytes) -> Result<ProduceResponse, DecodeError> {
    super::decode(ApiKey::Produce, version, body, DecodeLimits::default())
}

/// Reads the body of an answer to Fetch.
pub fn decode_fetch(version: i16, body: Bytes) -> Result<FetchResponse, DecodeError> {
    super::decode(ApiKey::Fetch, version, body, DecodeLimits::default())
}

/// Any message of the codec.
pub trait Message: KafkaMessage {}

impl<M: KafkaMessage> Message for M {}

/// The bytes of a message alone, without a frame or a header: to compare encoders with.
pub fn encode_body<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let wrong = |error| EncodeError::Body { api: M::NAME, version, reason: CodecError::new(error) };
    message.encode_to_bytes(Version::new(version)).map_err(wrong)
}
