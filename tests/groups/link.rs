//! A connection that several members may share: one request at a time, as a node treats it anyway.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callboard_wire::frame::{FrameDecoder, FrameError};
use callboard_wire::messages::{Request, Response, client};
use callboard_wire::{DecodeError, EncodeError, api};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// What every member calls itself.
const CLIENT_ID: &str = "callboard-groups";
/// Bytes that an answer may have.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// The pause before a connection is tried again; doubled up to the second, as Java's clients do (`reconnect.backoff.ms`).
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("the node closed the connection")]
    Closed,
    #[error("the answer belongs to another request")]
    MixedUp,
}

/// One connection to the node, opened when it is needed.
#[derive(Debug)]
pub(crate) struct Link {
    node: SocketAddr,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    stream: TcpStream,
    frames: FrameDecoder,
    correlation_id: i32,
}

impl Link {
    pub(crate) fn new(node: SocketAddr) -> Self {
        Self { node, open: Mutex::new(None) }
    }

    /// Asks once, in the newest version. An error closes the connection.
    pub(crate) async fn ask(&self, request: &Request, patience: Duration) -> Result<Response, LinkError> {
        let mut open = self.open.lock().await;
        let connection = match open.as_mut() {
            Some(connection) => connection,
            None => open.insert(Open::connect(self.node).await?),
        };
        let asked = timeout(patience, connection.ask(request)).await.unwrap_or(Err(LinkError::Late(patience)));
        if asked.is_err() {
            *open = None;
        }
        asked
    }

    /// Asks until there is an answer, however often the connection breaks.
    pub(crate) async fn insist(&self, request: &Request, patience: Duration) -> Response {
        let mut pause = BACKOFF.0;
        loop {
            match self.ask(request, patience).await {
                Ok(response) => return response,
                Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(BACKOFF.1);
        }
    }
}

impl Open {
    async fn connect(node: SocketAddr) -> Result<Self, LinkError> {
        let stream = TcpStream::connect(node).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, frames: FrameDecoder::new(ANSWER_MAX), correlation_id: 0 })
    }

    async fn ask(&mut self, request: &Request) -> Result<Response, LinkError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let key = request.key();
        let version = *api::served_range(key).end();
        let frame = client::encode_request(self.correlation_id, Some(CLIENT_ID), version, request)?;
        self.stream.write_all(&frame).await?;
        let frame = self.frame().await?;
        let (correlation_id, body) = client::split_response(key, version, frame)?;
        if correlation_id != self.correlation_id {
            return Err(LinkError::MixedUp);
        }
        Ok(client::decode_response(key, version, body)?)
    }

    async fn frame(&mut self) -> Result<Bytes, LinkError> {
        loop {
            if let Some(frame) = self.frames.next_frame()? {
                return Ok(frame.freeze());
            }
            let buffer: &mut BytesMut = self.frames.buffer();
            if self.stream.read_buf(buffer).await? == 0 {
                return Err(LinkError::Closed);
            }
        }
    }
}
