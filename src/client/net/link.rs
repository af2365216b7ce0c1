//! The task that owns one socket: requests out, answers in, in their order; at its end nobody is left waiting.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use callboard_wire::ApiKey;
use callboard_wire::frame::{FrameDecoder, LENGTH_LEN};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::greeting::other_protocol;
use crate::ClientError;
use crate::error::Broken;

/// Pieces of requests that are taken from the queue before the socket takes them.
const PIECES_MAX: usize = 1024;
/// Pieces that one write offers.
const SLICES: usize = 256;

/// The answer's frame without its length, or why there is none.
pub(crate) type Answer = Result<Bytes, ClientError>;

/// One request on its way to the task.
pub(crate) struct Call {
    pub(crate) api: ApiKey,
    pub(crate) correlation: i32,
    /// The whole frame, in pieces.
    pub(crate) frame: Vec<Bytes>,
    /// When the whole connection is given up if this has no answer.
    pub(crate) overdue_at: Instant,
    pub(crate) reply: oneshot::Sender<Answer>,
    /// Whether the broker answers; if not, `reply` is told as soon as the socket has taken the request.
    pub(crate) answered: bool,
}

/// A request that waits for its answer.
struct Waiting {
    api: ApiKey,
    correlation: i32,
    sent_at: Instant,
    overdue_at: Instant,
    reply: oneshot::Sender<Answer>,
}

/// A part of a request that the socket has not taken yet.
struct Piece {
    bytes: Bytes,
    /// Who is told once it is taken.
    taken: Option<oneshot::Sender<Answer>>,
}

pub(crate) struct Link {
    address: Arc<str>,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    frames: FrameDecoder,
    queue: mpsc::UnboundedReceiver<Call>,
    /// Handed over by the queue, not yet by the socket.
    out: VecDeque<Piece>,
    waiting: VecDeque<Waiting>,
    /// Whether a frame has ever come.
    greeted: bool,
    /// Bytes of the frame before: one announced as large gets so much room at once, what is beyond only as it arrives.
    before: usize,
}

impl Link {
    pub(crate) fn new(
        address: Arc<str>,
        stream: TcpStream,
        answer_max: usize,
        queue: mpsc::UnboundedReceiver<Call>,
    ) -> Self {
        let (reader, writer) = stream.into_split();
        let frames = FrameDecoder::new(answer_max);
        let (out, waiting) = (VecDeque::new(), VecDeque::new());
        Self { address, reader, writer, frames, queue, out, waiting, greeted: false, before: 0 }
    }

    /// Works until the connection ends or nobody holds its queue any more, and then fails what is left.
    pub(crate) async fn run(mut self) {
        let reason = self.work().await;
        tracing::debug!(address = &*self.address, %reason, waiting = self.waiting.len(), "connection ended");
        self.queue.close();
        for waiting in std::mem::take(&mut self.waiting) {
            let _ = waiting.reply.send(Err(self.failed(waiting.api, true, &reason)));
        }
        for reply in std::mem::take(&mut self.out).into_iter().filter_map(|piece| piece.taken) {
            let _ = reply.send(Err(self.failed(ApiKey::Produce, true, &reason)));
        }
        while let Ok(call) = self.queue.try_recv() {
            let _ = call.reply.send(Err(self.failed(call.api, false, &reason)));
        }
    }

    fn failed(&self, api: ApiKey, sent: bool, reason: &Broken) -> ClientError {
        ClientError::Disconnected { address: self.address.clone(), api, sent, reason: reason.clone() }
    }

    async fn work(&mut self) -> Broken {
        let mut queue_open = true;
        loop {
            if !queue_open && self.waiting.is_empty() && self.out.is_empty() {
                return Broken::Gone;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            for (slice, piece) in slices.iter_mut().zip(&self.out) {
                *slice = IoSlice::new(&piece.bytes);
            }
            let offered = &slices[..self.out.len().min(SLICES)];
            let overdue_at = self.waiting.front().map(|waiting| waiting.overdue_at);
            tokio::select! {
                biased;
                read = self.reader.read_buf(room(&mut self.frames, self.before)) => {
                    if let Err(reason) = self.arrived(read) {
                        return reason;
                    }
                }
                written = self.writer.write_vectored(offered), if !offered.is_empty() => match written {
                    Ok(0) => return Broken::Closed,
                    Ok(written) => taken(&mut self.out, written),
                    Err(error) => return broken(&error),
                },
                call = self.queue.recv(), if queue_open && self.out.len() < PIECES_MAX => match call {
                    Some(call) => self.accept(call),
                    None => queue_open = false,
                },
                () = tokio::time::sleep_until(overdue_at.unwrap_or_else(Instant::now)), if overdue_at.is_some() => {
                    if let Some(late) = self.waiting.front() {
                        return Broken::Overdue { api: late.api, waited: late.sent_at.elapsed() };
                    }
                }
            }
        }
    }

    fn accept(&mut self, call: Call) {
        let Call { api, correlation, frame, overdue_at, reply, answered } = call;
        // Whoever gave up before its request went out spares the broker the work.
        if reply.is_closed() {
            return;
        }
        let pieces = frame.into_iter().filter(|bytes| !bytes.is_empty());
        self.out.extend(pieces.map(|bytes| Piece { bytes, taken: None }));
        if answered {
            self.waiting.push_back(Waiting { api, correlation, sent_at: Instant::now(), overdue_at, reply });
        } else if let Some(last) = self.out.back_mut() {
            last.taken = Some(reply);
        }
    }

    fn arrived(&mut self, read: io::Result<usize>) -> Result<(), Broken> {
        match read {
            Ok(0) if self.greeted => return Err(Broken::Closed),
            Ok(0) => return Err(Broken::HungUp),
            Ok(_) => {}
            Err(error) => return Err(broken(&error)),
        }
        loop {
            if !self.greeted
                && let Some(other) = self.frames.buffer().first_chunk().copied().and_then(other_protocol)
            {
                return Err(other);
            }
            let Some(frame) = self.frames.next_frame().map_err(Broken::Frame)? else {
                return Ok(());
            };
            self.greeted = true;
            self.before = frame.len();
            let frame = frame.freeze();
            let given = frame.first_chunk().map_or(-1, |bytes| i32::from_be_bytes(*bytes));
            match self.waiting.pop_front() {
                Some(waiting) if waiting.correlation == given => {
                    // Nobody waits any more if the caller's own deadline has passed: the answer is dropped.
                    let _ = waiting.reply.send(Ok(frame));
                }
                next => {
                    let wanted = next.as_ref().map_or(-1, |waiting| waiting.correlation);
                    self.waiting.extend(next);
                    return Err(Broken::Correlation { given, wanted });
                }
            }
        }
    }
}

/// Where the next bytes go. Growing bit by bit copies what has arrived again and again, and leaves holes of all sizes: a
/// broker whose last frame was large is believed when it announces another.
fn room(frames: &mut FrameDecoder, before: usize) -> &mut BytesMut {
    let announced = frames.announced().and_then(Result::ok).map_or(0, |len| len + LENGTH_LEN);
    let buffer = frames.buffer();
    let wanted = announced.min(before + LENGTH_LEN);
    if wanted > buffer.capacity() {
        buffer.reserve(wanted - buffer.len());
    }
    buffer
}

/// Drops what the socket has taken.
fn taken(out: &mut VecDeque<Piece>, mut written: usize) {
    while let Some(piece) = out.front_mut() {
        if written < piece.bytes.len() {
            piece.bytes.advance(written);
            return;
        }
        written -= piece.bytes.len();
        if let Some(reply) = out.pop_front().and_then(|piece| piece.taken) {
            let _ = reply.send(Ok(Bytes::new()));
        }
    }
}

fn broken(error: &io::Error) -> Broken {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Broken::Closed,
        _ => Broken::Io(error.to_string().into()),
    }
}
