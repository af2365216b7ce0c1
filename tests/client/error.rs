//! Why a call failed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use callboard_model::{BatchError, ErrorCode, RecordError};
use callboard_wire::frame::FrameError;
use callboard_wire::{DecodeError, EncodeError};

/// Why a call failed. After any of these but [`ClientError::Refused`] and [`ClientError::Records`] the connection is of
/// no more use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The connection broke.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The peer closed the connection before it answered.
    #[error("the connection was closed with {unanswered} requests unanswered")]
    Closed {
        /// Requests sent and not answered.
        unanswered: usize,
    },
    /// No answer in time.
    #[error("{what}: nothing within {deadline:?}")]
    Deadline {
        /// What was being done.
        what: &'static str,
        /// How long was waited.
        deadline: Duration,
    },
    /// The answer is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// The request cannot be written.
    #[error("the request cannot be written: {0}")]
    Encode(#[from] EncodeError),
    /// The answer belongs to another request: answers must come in the order of requests.
    #[error("the answer to request {expected} was expected, that to {given} came")]
    Correlation {
        /// The oldest unanswered request's.
        expected: i32,
        /// The answer's.
        given: i32,
    },
    /// An answer was to be received, but nothing was asked.
    #[error("no request of {0} is unanswered")]
    NothingAsked(&'static str),
    /// The oldest unanswered request belongs to another API.
    #[error("an answer to {wanted} was expected, {asked} was asked before")]
    OtherAsked {
        /// What the caller wants to receive.
        wanted: &'static str,
        /// What is to be received first.
        asked: &'static str,
    },
    /// The answer does not name what was asked for.
    #[error("the answer to {api} lacks {what}")]
    Incomplete {
        /// The API's name.
        api: &'static str,
        /// What is missing.
        what: String,
    },
    /// An error code that Kafka does not define.
    #[error("{api} answers the unknown error code {code}")]
    UnknownCode {
        /// The API's name.
        api: &'static str,
        /// The number.
        code: i16,
    },
    /// The node answered with an error code.
    #[error("{api} is refused: {code}{}", message.as_ref().map(|text| format!(", {text}")).unwrap_or_default())]
    Refused {
        /// The API's name.
        api: &'static str,
        /// Kafka's code.
        code: ErrorCode,
        /// The reason for people.
        message: Option<String>,
    },
    /// A fetched batch is illegal.
    #[error("a fetched batch is illegal: {0}")]
    Batch(#[from] BatchError),
    /// The records of a fetched batch cannot be read.
    #[error("a fetched batch's records cannot be read: {0}")]
    Records(#[from] RecordError),
}

impl ClientError {
    /// Kafka's code, if the node answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the node is gone or busy: the connection broke, was refused or closed, or nothing came in time.
    pub fn is_disconnect(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Io { .. } | Self::Closed { .. } | Self::Deadline { .. })
    }
}
