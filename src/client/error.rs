//! What can go wrong, and the two questions a caller has: may I try again, and may it have happened already?

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use callboard_model::{BrokerId, ErrorCode};
use callboard_wire::ApiKey;
use callboard_wire::frame::FrameError;

use crate::options::OptionError;

/// Why a call of the client failed. Cheap to clone, as one failure often ends many calls.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// None of the addresses in `bootstrap.servers` could be used.
    #[error(
        "no broker could be reached: {}; check bootstrap.servers, and that the broker runs and listens there",
        Listed(.tried)
    )]
    Bootstrap {
        /// Each address with what went wrong there.
        tried: Arc<[Attempt]>,
    },
    /// A broker that could not be connected to; nothing was sent.
    #[error("{0}")]
    Unreachable(Attempt),
    /// The connection ended before the answer came.
    #[error("{address} did not answer {}: {reason}", .api.name())]
    Disconnected {
        /// Where it led to.
        address: Arc<str>,
        /// What was asked.
        api: ApiKey,
        /// Whether the request, or a part of it, was handed to the network.
        sent: bool,
        /// Why it ended.
        reason: Broken,
    },
    /// The answer did not come in time.
    #[error("{what} took longer than {} ms{}", .allowed.as_millis(), After(.last))]
    Timeout {
        /// What was waited for.
        what: Arc<str>,
        /// How long.
        allowed: Duration,
        /// Whether a request was on its way when time was up.
        sent: bool,
        /// The last failure before that, if there was one.
        last: Option<Arc<ClientError>>,
    },
    /// The broker refused.
    #[error("{about}: {}{}", .code.name(), Said(.message))]
    Kafka {
        /// Its error code.
        code: ErrorCode,
        /// What was refused.
        about: Arc<str>,
        /// What the broker says to people.
        message: Option<Arc<str>>,
    },
    /// The broker refused with a code that is in no table.
    #[error("{about}: the broker answered with the unknown error code {code}")]
    UnknownCode {
        /// The code.
        code: i16,
        /// What was refused.
        about: Arc<str>,
    },
    /// Broker and client have no version of this API in common, or the broker lacks what the call needs.
    #[error("{address} serves {} {broker}, this call needs {ours}", .api.name())]
    UnsupportedVersion {
        /// The broker.
        address: Arc<str>,
        /// The API.
        api: ApiKey,
        /// Versions that the broker serves, for people.
        broker: Arc<str>,
        /// Versions that the client has, for people.
        ours: Arc<str>,
    },
    /// An answer that cannot be read.
    #[error("the answer of {address} to {} cannot be read: {reason}", .api.name())]
    Decode {
        /// The broker.
        address: Arc<str>,
        /// What was asked.
        api: ApiKey,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// A request that cannot be written.
    #[error("{} cannot be written: {reason}", .api.name())]
    Encode {
        /// What was to be asked.
        api: ApiKey,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// A broker that the cluster's metadata does not name.
    #[error("broker {0} is not in the cluster's metadata")]
    NoBroker(BrokerId),
    /// A partition without a leader, as far as is known.
    #[error("partition {partition} of '{topic}' has no leader")]
    NoLeader {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
    },
    /// A partition that its topic does not have.
    #[error("'{topic}' has {count} partitions, number {partition} is not one of them")]
    NoPartition {
        /// The topic.
        topic: Arc<str>,
        /// The partition asked for.
        partition: i32,
        /// Partitions that there are.
        count: usize,
    },
    /// A record that is larger than the producer may send; it was not sent.
    #[error("the record takes {size} bytes, {limit_name} allows {limit}")]
    RecordTooLarge {
        /// Bytes that it takes in a batch.
        size: usize,
        /// Bytes allowed.
        limit: usize,
        /// The option that says so.
        limit_name: &'static str,
    },
    /// The memory for waiting records is full, and stayed so for as long as the caller allowed.
    #[error("records of {used} bytes wait to be sent, buffer.memory allows {limit}")]
    BufferFull {
        /// Bytes that wait.
        used: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Records could not be compressed.
    #[error("{codec} cannot compress the records: {reason}")]
    Compress {
        /// The codec's name.
        codec: &'static str,
        /// What it says.
        reason: Arc<str>,
    },
    /// What was asked for cannot be done in this state or with these arguments.
    #[error("{0}")]
    Illegal(Arc<str>),
    /// The client was closed, or dropped, before this was done.
    #[error("the {0} was closed before this was done")]
    Closed(&'static str),
    /// The client was closed, or dropped, while this was on its way.
    #[error("the {0} was closed before the broker answered")]
    ClosedUnanswered(&'static str),
    /// A wrong option.
    #[error(transparent)]
    Option(#[from] OptionError),
}

impl ClientError {
    /// A broker's code as an error; `None` if it stands for success.
    pub fn from_code(code: i16, about: impl Into<Arc<str>>, message: Option<&str>) -> Option<Self> {
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None) => None,
            Some(code) => Some(Self::Kafka { code, about: about.into(), message: message.map(Arc::from) }),
            None => Some(Self::UnknownCode { code, about: about.into() }),
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Bootstrap { tried } => tried.iter().all(|attempt| attempt.reason.is_passing()),
            Self::Unreachable(attempt) => attempt.reason.is_passing(),
            Self::Disconnected { reason, .. } => reason.is_passing(),
            Self::Kafka { code, .. } => code.is_retriable(),
            Self::Timeout { .. } | Self::NoBroker(_) | Self::NoLeader { .. } | Self::BufferFull { .. } => true,
            _ => false,
        }
    }

    /// Whether the broker may have done what was asked in spite of the error.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Disconnected { sent, .. } => *sent,
            Self::Timeout { sent, last, .. } => *sent || last.as_ref().is_some_and(|last| last.may_have_happened()),
            Self::Decode { .. } | Self::UnknownCode { .. } | Self::ClosedUnanswered(_) => true,
            Self::Kafka { code, .. } => matches!(
                code,
                ErrorCode::RequestTimedOut
                    | ErrorCode::NotEnoughReplicasAfterAppend
                    | ErrorCode::UnknownServerError
                    | ErrorCode::NetworkException
                    | ErrorCode::DuplicateSequenceNumber
            ),
            _ => false,
        }
    }

    /// The broker's error code, if it is what went wrong, now or before time was up.
    pub fn kafka_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Kafka { code, .. } => Some(*code),
            Self::Timeout { last, .. } => last.as_ref().and_then(|last| last.kafka_code()),
            _ => None,
        }
    }
}

/// One address and why it could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `host:port` as it was given.
    pub address: Arc<str>,
    /// Why not.
    pub reason: Broken,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.reason)
    }
}

/// Why a connection could not be made or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The text is no address.
    #[error("is no address: {0}")]
    Address(Arc<str>),
    /// The name could not be resolved.
    #[error("the name does not resolve: {0}")]
    Resolve(Arc<str>),
    /// Nothing accepted the connection.
    #[error("connecting failed: {0}")]
    Connect(Arc<str>),
    /// Nothing accepted the connection in time.
    #[error("no connection within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    /// The peer accepted and then said nothing.
    #[error("connected, but no answer within {} ms: a firewall or a process that hangs?", .0.as_millis())]
    Silent(Duration),
    /// The peer closed before its first answer.
    #[error("connected, but the peer hung up before its first answer: not Kafka, or a listener that wants TLS?")]
    HungUp,
    /// The peer closed.
    #[error("the broker closed the connection")]
    Closed,
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(Arc<str>),
    /// The peer speaks something else.
    #[error("the peer speaks {what}, not Kafka's protocol (first bytes {first:02x?}); {hint}")]
    OtherProtocol {
        /// What it seems to be.
        what: &'static str,
        /// The first four bytes that it sent.
        first: [u8; 4],
        /// What to do.
        hint: &'static str,
    },
    /// What came is no frame.
    #[error("the peer sent no frame of Kafka's protocol: {0}")]
    Frame(FrameError),
    /// An answer to something that was not asked.
    #[error("the peer answered request {given}, request {wanted} was next")]
    Correlation {
        /// The number that came.
        given: i32,
        /// The number that was due; -1 if none was.
        wanted: i32,
    },
    /// The first answer, the list of versions, cannot be used.
    #[error("the peer's list of versions cannot be used: {0}")]
    Versions(Arc<str>),
    /// A request before this one was not answered in time, so the connection was given up.
    #[error("{} was not answered within {} ms, so the connection was given up", .api.name(), .waited.as_millis())]
    Overdue {
        /// What was asked.
        api: ApiKey,
        /// How long ago.
        waited: Duration,
    },
    /// The client or its runtime went away.
    #[error("the client went away")]
    Gone,
}

impl Broken {
    /// Whether it may be over by itself, unlike a peer that is no broker.
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Address(_) | Self::OtherProtocol { .. } | Self::Versions(_))
    }
}

struct Listed<'a>(&'a [Attempt]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, attempt) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "; " })?;
            attempt.fmt(f)?;
        }
        Ok(())
    }
}

struct Said<'a>(&'a Option<Arc<str>>);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |message| write!(f, " ({message})"))
    }
}

struct After<'a>(&'a Option<Arc<ClientError>>);

impl fmt::Display for After<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |last| write!(f, "; the last failure before: {last}"))
    }
}

#[cfg(test)]
mod tests;
