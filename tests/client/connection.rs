//! One TCP connection: frames out, frames in, answers in the order of requests.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use callboard_wire::ApiKey;
use callboard_wire::frame::FrameDecoder;
use callboard_wire::messages::client;

use crate::ClientError;

/// Bytes that an answer may have.
const ANSWER_MAX: usize = 256 * 1024 * 1024;
/// Bytes read at once.
const READ_LEN: usize = 64 * 1024;

/// A request that was sent and not answered yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    key: ApiKey,
    version: i16,
    correlation_id: i32,
}

/// One connection; requests may be pipelined.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    frames: FrameDecoder,
    asked: VecDeque<Asked>,
    next_correlation_id: i32,
    deadline: Duration,
    read: Vec<u8>,
}

impl Connection {
    /// Connects; `deadline` holds for this and for every later call.
    pub fn open(address: SocketAddr, deadline: Duration) -> Result<Self, ClientError> {
        let stream = TcpStream::connect_timeout(&address, deadline).map_err(|source| match source.kind() {
            ErrorKind::TimedOut => ClientError::Deadline { what: "connect", deadline },
            _ => ClientError::Connect { address, source },
        })?;
        stream.set_nodelay(true).map_err(|source| ClientError::Io { what: "set TCP_NODELAY", source })?;
        Ok(Self {
            stream,
            frames: FrameDecoder::new(ANSWER_MAX),
            asked: VecDeque::new(),
            next_correlation_id: 1,
            deadline,
            read: vec![0; READ_LEN],
        })
    }

    /// How long a call may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Changes how long a call may take.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// Requests sent and not answered.
    pub fn unanswered(&self) -> usize {
        self.asked.len()
    }

    /// The number of the next request.
    pub fn next_correlation_id(&self) -> i32 {
        self.next_correlation_id
    }

    /// Sends a whole frame whose header bears [`Self::next_correlation_id`]. `answered` is false for Produce with acks=0.
    pub fn send(&mut self, key: ApiKey, version: i16, frame: &[u8], answered: bool) -> Result<(), ClientError> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        self.send_raw(frame)?;
        if answered {
            self.asked.push_back(Asked { key, version, correlation_id });
        }
        Ok(())
    }

    /// Sends any bytes at all, for which no answer is expected.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let until = Instant::now() + self.deadline;
        let mut rest = bytes;
        while !rest.is_empty() {
            let left = self.left(until, "send")?;
            let wrong = |source| ClientError::Io { what: "send", source };
            self.stream.set_write_timeout(Some(left)).map_err(wrong)?;
            match self.stream.write(rest) {
                Ok(0) => return Err(ClientError::Closed { unanswered: self.asked.len() }),
                Ok(written) => rest = &rest[written..],
                Err(error) if waits(error.kind()) => {}
                Err(source) => return Err(wrong(source)),
            }
        }
        Ok(())
    }

    /// The body of the answer to the oldest unanswered request, with the version that was asked in.
    pub fn receive(&mut self, key: ApiKey) -> Result<(i16, Bytes), ClientError> {
        let asked = *self.asked.front().ok_or(ClientError::NothingAsked(key.name()))?;
        if asked.key != key {
            return Err(ClientError::OtherAsked { wanted: key.name(), asked: asked.key.name() });
        }
        let frame = self.receive_frame()?;
        let (given, body) = client::split_response(key, asked.version, frame)?;
        if given != asked.correlation_id {
            return Err(ClientError::Correlation { expected: asked.correlation_id, given });
        }
        self.asked.pop_front();
        Ok((asked.version, body))
    }

    /// The next frame, its length cut off.
    pub fn receive_frame(&mut self) -> Result<Bytes, ClientError> {
        let until = Instant::now() + self.deadline;
        loop {
            if let Some(frame) = self.frames.next_frame()? {
                return Ok(frame.freeze());
            }
            let left = self.left(until, "receive")?;
            let wrong = |source| ClientError::Io { what: "receive", source };
            self.stream.set_read_timeout(Some(left)).map_err(wrong)?;
            match self.stream.read(&mut self.read) {
                Ok(0) => return Err(ClientError::Closed { unanswered: self.asked.len() }),
                Ok(read) => self.frames.buffer().extend_from_slice(&self.read[..read]),
                Err(error) if waits(error.kind()) => {}
                Err(source) => return Err(wrong(source)),
            }
        }
    }

    fn left(&self, until: Instant, what: &'static str) -> Result<Duration, ClientError> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ClientError::Deadline { what, deadline: self.deadline }) } else { Ok(left) }
    }
}

/// Whether the system says "not now" rather than "no".
fn waits(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
