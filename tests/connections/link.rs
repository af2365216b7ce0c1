//! One connection that takes as little memory as it can: no buffer while it waits, frames shared with its neighbours.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callboard_wire::messages::client;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::error::LinkError;
use crate::requests::{self, Frame};

/// Bytes of a frame up to the end of its correlation id, and where that begins.
const HEAD: usize = 12;
const CORRELATION: usize = 8;
/// Bytes read at once, on the stack.
const READ_LEN: usize = 4096;
/// Bytes of the largest answer.
const ANSWER_MAX: i32 = 256 << 20;

/// One connection. Several requests may be sent before the first answer is read.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Arc<TcpStream>,
    sent: i32,
    answered: i32,
    /// What has arrived of later answers.
    arrived: BytesMut,
}

impl Link {
    pub(crate) async fn connect(server: SocketAddr) -> io::Result<Self> {
        Self::with(TcpStream::connect(server).await?)
    }

    /// With a receive buffer so small that a reader's pace is felt at the other end.
    pub(crate) async fn connect_narrow(server: SocketAddr) -> io::Result<Self> {
        let socket = if server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_recv_buffer_size(8 * 1024)?;
        Self::with(socket.connect(server).await?)
    }

    fn with(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream: Arc::new(stream), sent: 0, answered: 0, arrived: BytesMut::new() })
    }

    /// The same connection twice, one to send over and one to take answers from.
    pub(crate) fn halves(self) -> (Self, Self) {
        let sending = Self { stream: Arc::clone(&self.stream), sent: self.sent, answered: 0, arrived: BytesMut::new() };
        (sending, self)
    }

    /// Sends a request.
    pub(crate) async fn send(&mut self, frame: &Frame) -> Result<(), LinkError> {
        self.send_until(frame, frame.bytes.len()).await
    }

    /// Sends a request up to its byte `until`; [`Self::send_rest`] sends the others.
    pub(crate) async fn send_until(&mut self, frame: &Frame, until: usize) -> Result<(), LinkError> {
        let mut head = [0; HEAD];
        head.copy_from_slice(&frame.bytes[..HEAD]);
        self.sent = self.sent.wrapping_add(1);
        head[CORRELATION..].copy_from_slice(&self.sent.to_be_bytes());
        self.write(&head, &frame.bytes[HEAD..until]).await
    }

    pub(crate) async fn send_rest(&mut self, frame: &Frame, from: usize) -> Result<(), LinkError> {
        self.write(&[], &frame.bytes[from..]).await
    }

    async fn write(&mut self, mut head: &[u8], mut rest: &[u8]) -> Result<(), LinkError> {
        while !(head.is_empty() && rest.is_empty()) {
            match self.stream.try_write_vectored(&[IoSlice::new(head), IoSlice::new(rest)]) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(written) => {
                    let of_head = written.min(head.len());
                    head = &head[of_head..];
                    rest = &rest[written - of_head..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The body of the next answer, which must be to `frame`.
    pub(crate) async fn answer(&mut self, frame: &Frame) -> Result<Bytes, LinkError> {
        let whole = loop {
            if let Some(whole) = self.take_frame()? {
                break whole;
            }
            if self.read().await? == 0 {
                return Err(LinkError::Closed);
            }
        };
        self.answered = self.answered.wrapping_add(1);
        let (given, body) = client::split_response(frame.key, frame.version, whole)?;
        if given != self.answered {
            return Err(LinkError::MixedUp { given, expected: self.answered });
        }
        Ok(body)
    }

    fn take_frame(&mut self) -> Result<Option<Bytes>, LinkError> {
        let Some(length) = self.arrived.first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        if !(4..=ANSWER_MAX).contains(&length) {
            return Err(LinkError::Length(length));
        }
        let end = 4 + length as usize;
        if self.arrived.len() < end {
            return Ok(None);
        }
        let whole = self.arrived.split_to(end).freeze().slice(4..);
        if self.arrived.is_empty() {
            // The answer owns the buffer now; nothing is kept while nothing comes.
            self.arrived = BytesMut::new();
        }
        Ok(Some(whole))
    }

    async fn read(&mut self) -> Result<usize, LinkError> {
        loop {
            self.stream.readable().await?;
            // On the stack, and not across a wait: thousands of links wait at once.
            let mut buffer = [0; READ_LEN];
            match self.stream.try_read(&mut buffer) {
                Ok(read) => {
                    self.arrived.extend_from_slice(&buffer[..read]);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads at most so many bytes and forgets them.
    pub(crate) async fn swallow(&mut self, most: usize) -> Result<usize, LinkError> {
        loop {
            self.stream.readable().await?;
            let mut buffer = [0; READ_LEN];
            match self.stream.try_read(&mut buffer[..most.clamp(1, READ_LEN)]) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks, and judges the answer.
    pub(crate) async fn ask(&mut self, frame: &Frame, patience: Duration) -> Result<u64, LinkError> {
        let asking = async {
            self.send(frame).await?;
            let body = self.answer(frame).await?;
            requests::judge(frame, body)
        };
        timeout(patience, asking).await.unwrap_or(Err(LinkError::Late(patience)))
    }
}
