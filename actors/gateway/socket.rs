//! The two tasks that own a client's socket: one reads requests, one writes answers.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use callboard_runtime::ActorRef;
use callboard_telemetry::Metrics;
use callboard_wire::frame::{FrameDecoder, FrameError, LENGTH_LEN};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};

use super::answers::{AnswerShare, Answers};
use super::budget::{Budget, Share, share};
use super::connection::{ConnectionMessage, Unread};

/// Pieces handed to one `writev`; Linux takes 1,024 at most.
const SLICES_MAX: usize = 64;
/// What the smallest request counts for: its place in the queues, and the answer that is made for it.
const REQUEST_MIN: usize = 1024;
/// How long a client may be silent inside a request, while it holds a share of everyone's budget.
const INSIDE: Duration = Duration::from_secs(10);
/// How long a client may take nothing of its answers while others wait for the memory that they take; and over how long
/// it is seen how fast it takes them.
const UNREAD: Duration = Duration::from_secs(10);
/// How long a silent connection keeps its read buffer.
const KEEP_BUFFER: Duration = Duration::from_secs(2);

/// Why a reader ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadEnd {
    /// The client closed its side between two requests.
    #[error("the client closed the connection")]
    Closed,
    /// The client vanished inside a request.
    #[error("the client closed the connection inside a request, after {arrived} bytes")]
    Torn {
        /// Bytes of it that came.
        arrived: usize,
    },
    /// The client sent a part of a request and then nothing more.
    #[error("the client was silent for {0:?} inside a request")]
    Stalled(Duration),
    /// No request came for longer than `connections.max.idle.ms`.
    #[error("the connection was idle for {0:?}")]
    Idle(Duration),
    /// A frame that cannot be one.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The connection's actor has gone.
    #[error("the connection was stopped")]
    Stopped,
}

/// What a reader is held to.
#[derive(Clone, Debug)]
pub(super) struct ReadLimits {
    /// Bytes of the largest request.
    pub(super) frame_max: usize,
    /// This connection's budget.
    pub(super) own: Budget,
    /// Everyone's budget.
    pub(super) all: Budget,
    /// How long a connection without requests in flight may stay silent.
    pub(super) idle: Duration,
}

/// Reads requests and hands them to the connection's actor until something ends it.
pub(super) async fn read(
    mut socket: OwnedReadHalf,
    connection: ActorRef<ConnectionMessage>,
    limits: ReadLimits,
    unanswered: Arc<AtomicUsize>,
    metrics: Metrics,
) -> ReadEnd {
    let mut decoder = FrameDecoder::new(limits.frame_max);
    loop {
        match next_frame(&mut socket, &mut decoder, &limits, &unanswered).await {
            Ok((frame, share)) => {
                metrics.request_bytes.add((frame.len() + LENGTH_LEN) as u64);
                if connection.tell_waiting(ConnectionMessage::Request { frame, share }).await.is_err() {
                    return ReadEnd::Stopped;
                }
            }
            Err(end) => return end,
        }
    }
}

async fn next_frame(
    socket: &mut OwnedReadHalf,
    decoder: &mut FrameDecoder,
    limits: &ReadLimits,
    unanswered: &AtomicUsize,
) -> Result<(BytesMut, Share), ReadEnd> {
    let mut taken = None;
    loop {
        if let Some(len) = decoder.announced().transpose()? {
            // The body is read only against a share of the budgets.
            if taken.is_none() {
                taken = Some(share(&limits.own, &limits.all, len.max(REQUEST_MIN)).await);
            }
            if let Some(frame) = decoder.next_frame()?
                && let Some(share) = taken.take()
            {
                return Ok((frame, share));
            }
        } else if decoder.pending() == 0 {
            if first_bytes(socket, limits, unanswered, decoder).await? == 0 {
                return Err(ReadEnd::Closed);
            }
            continue;
        }
        let silent = |_| ReadEnd::Stalled(INSIDE);
        if timeout(INSIDE, socket.read_buf(decoder.buffer())).await.map_err(silent)?? == 0 {
            return Err(match decoder.pending() {
                0 => ReadEnd::Closed,
                arrived => ReadEnd::Torn { arrived },
            });
        }
    }
}

/// Waits for the next request and reads its first bytes; none when the client has closed. A connection that still waits
/// for an answer is not idle, and one that stays silent for a while holds no buffer.
async fn first_bytes(
    socket: &OwnedReadHalf,
    limits: &ReadLimits,
    unanswered: &AtomicUsize,
    decoder: &mut FrameDecoder,
) -> Result<usize, ReadEnd> {
    if let Ok(read) = timeout(KEEP_BUFFER.min(limits.idle), read_some(socket, decoder, true)).await {
        return Ok(read?);
    }
    loop {
        decoder.release();
        match timeout(limits.idle, read_some(socket, decoder, false)).await {
            Ok(read) => return Ok(read?),
            Err(_) if unanswered.load(Ordering::Relaxed) > 0 => {}
            Err(_) => return Err(ReadEnd::Idle(limits.idle)),
        }
    }
}

/// Reads what is there as soon as something is. That the socket is ready can be left over from a read that took all that
/// was there, so only a read tells. While it waits it keeps its buffer for what comes next, or holds none.
async fn read_some(socket: &OwnedReadHalf, decoder: &mut FrameDecoder, keeps_buffer: bool) -> io::Result<usize> {
    loop {
        socket.readable().await?;
        match socket.try_read_buf(decoder.buffer()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && keeps_buffer => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => decoder.release(),
            read => return read,
        }
    }
}

/// One answer on its way to the client; the request's share of the budgets, and the answer's, are held until it is written.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) pieces: Vec<Bytes>,
    pub(super) share: Share,
    pub(super) memory: Option<AnswerShare>,
    /// What it counts for until it is written.
    pub(super) unread: Unread,
}

/// Why a writer ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteEnd {
    /// The client takes nothing.
    #[error("the client left its answers unread for {0:?}")]
    Unread(Duration),
    /// The client takes too little, and others wait for the memory.
    #[error("the client took {taken} bytes of its answers in {within:?} while others waited for the memory")]
    Slow {
        /// Bytes taken.
        taken: usize,
        /// In how long.
        within: Duration,
    },
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

/// What a writer is held to.
#[derive(Clone, Debug)]
pub(super) struct WriteLimits {
    /// How long a client may take no byte of its answers.
    pub(super) idle: Duration,
    /// Bytes of its answers that a client has to take every second while others wait for memory.
    pub(super) least_per_second: usize,
    /// Everyone's memory for answers: while others wait for it, [`UNREAD`] is the longest.
    pub(super) all: Answers,
}

/// How fast a client takes what is ready for it, from the moment on when it did not take all at once.
#[derive(Debug, Default)]
struct Pace {
    since: Option<Instant>,
    taken: usize,
}

impl Pace {
    /// The client has taken a part of what is ready. Every [`UNREAD`]: the bytes that it took, and in how long.
    fn took(&mut self, bytes: usize, now: Instant) -> Option<(usize, Duration)> {
        let since = *self.since.get_or_insert(now);
        self.taken += bytes;
        let within = now - since;
        (within >= UNREAD).then(|| {
            self.since = Some(now);
            (std::mem::take(&mut self.taken), within)
        })
    }
}

/// Writes answers in order until the channel closes, the socket fails or the client takes nothing for too long.
pub(super) async fn write(
    mut socket: OwnedWriteHalf,
    mut answers: Receiver<Outgoing>,
    connection: ActorRef<ConnectionMessage>,
    limits: WriteLimits,
    metrics: Metrics,
) -> Result<(), WriteEnd> {
    let mut pieces: VecDeque<Bytes> = VecDeque::new();
    let mut shares: Vec<(Share, Option<AnswerShare>)> = Vec::new();
    while let Some(answer) = answers.recv().await {
        let mut unread = Unread::default();
        let mut queue = |answer: Outgoing, pieces: &mut VecDeque<Bytes>| {
            pieces.extend(answer.pieces.into_iter().filter(|piece| !piece.is_empty()));
            shares.push((answer.share, answer.memory));
            unread.add(answer.unread);
        };
        queue(answer, &mut pieces);
        let mut pace = Pace::default();
        // Whatever else is ready leaves in the same system call.
        while pieces.len() < SLICES_MAX
            && let Ok(answer) = answers.try_recv()
        {
            queue(answer, &mut pieces);
        }
        while !pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut used = 0;
            for (slice, piece) in slices.iter_mut().zip(&pieces) {
                *slice = IoSlice::new(piece);
                used += 1;
            }
            let written = write_some(&mut socket, &slices[..used], &limits).await?;
            metrics.response_bytes.add(written as u64);
            advance(&mut pieces, written);
            if !pieces.is_empty() && shares.iter().any(|(_, memory)| memory.is_some()) {
                keeps_pace(&mut pace, written, &limits)?;
            }
        }
        shares.clear();
        if unread != Unread::default() {
            // A connection that has ended needs to know no more.
            drop(connection.tell_answer(ConnectionMessage::Written(unread)));
        }
    }
    Ok(socket.shutdown().await?)
}

/// Writes as much as the client takes: a byte at least.
async fn write_some(
    socket: &mut (impl AsyncWrite + Unpin),
    slices: &[IoSlice<'_>],
    limits: &WriteLimits,
) -> Result<usize, WriteEnd> {
    let step = UNREAD.min(limits.idle);
    let mut unread = Duration::ZERO;
    loop {
        match timeout(step, socket.write_vectored(slices)).await {
            Ok(Ok(0)) => return Err(WriteEnd::Socket(io::ErrorKind::WriteZero.into())),
            Ok(written) => return Ok(written?),
            Err(_) => unread += step,
        }
        if unread >= limits.idle || limits.all.is_short() {
            return Err(WriteEnd::Unread(unread));
        }
    }
}

/// A client that takes a little now and then holds memory as one does that takes nothing.
fn keeps_pace(pace: &mut Pace, written: usize, limits: &WriteLimits) -> Result<(), WriteEnd> {
    let Some((taken, within)) = pace.took(written, Instant::now()) else { return Ok(()) };
    let least = (limits.least_per_second as f64 * within.as_secs_f64()) as usize;
    if taken < least && limits.all.is_short() { Err(WriteEnd::Slow { taken, within }) } else { Ok(()) }
}

fn advance(pieces: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(front) = pieces.front_mut() {
        if written < front.len() {
            front.advance(written);
            return;
        }
        written -= front.len();
        pieces.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_gateway::Wish;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn requests_that_come_one_by_one_share_a_buffer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut client, (server, _)) = (client.expect("connects"), accepted.expect("accepts"));
        let (mut reading, _writing) = server.into_split();
        let limits = ReadLimits {
            frame_max: 1 << 20,
            own: Budget::new(1 << 20),
            all: Budget::new(1 << 20),
            idle: Duration::from_secs(60),
        };
        let (mut decoder, unanswered) = (FrameDecoder::new(limits.frame_max), AtomicUsize::new(0));
        let mut frames = Vec::new();
        for _ in 0..30 {
            let asking = async {
                // Let the reader see that there is nothing first.
                tokio::time::sleep(Duration::from_millis(5)).await;
                client.write_all(&[&100_i32.to_be_bytes()[..], &[7; 100]].concat()).await
            };
            let (frame, sent) = tokio::join!(next_frame(&mut reading, &mut decoder, &limits, &unanswered), asking);
            sent.expect("sends");
            frames.push(frame.expect("arrives").0);
        }
        let end = |frame: &BytesMut| frame.as_ptr_range().end as usize;
        let changes = frames.windows(2).filter(|pair| end(&pair[0]) + LENGTH_LEN != pair[1].as_ptr() as usize);
        assert_eq!(changes.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_little_now_and_then_is_told_from_one_that_is_slow() {
        const ALL: Wish = Wish { most: 100, least: 100 };
        let all = Answers::new(100);
        let _held = all.ask(ALL).expect("all is there");
        // Takes 100 bytes every nine seconds, out of a pipe that holds no more.
        let trickle = async |least_per_second: usize| {
            let limits = WriteLimits { idle: Duration::from_secs(600), least_per_second, all: all.clone() };
            let (mut writing, mut reading) = tokio::io::duplex(100);
            let taking = async {
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_secs(9)).await;
                    reading.read_exact(&mut [0; 100]).await.expect("there is more");
                }
                Ok(())
            };
            let writing = async {
                let mut pace = Pace::default();
                loop {
                    let written = write_some(&mut writing, &[IoSlice::new(&[7; 1000])], &limits).await?;
                    keeps_pace(&mut pace, written, &limits)?;
                }
            };
            tokio::select! { biased; ended = writing => ended, taken = taking => taken }
        };
        let ended: Result<(), WriteEnd> = trickle(50).await;
        assert!(ended.is_ok(), "nobody waits for the memory: {ended:?}");
        let _waits = all.ask(ALL).expect_err("nothing is left");
        let slow: Result<(), WriteEnd> = trickle(50).await;
        assert!(matches!(slow, Err(WriteEnd::Slow { taken: 300, within }) if within.as_secs() == 18), "{slow:?}");
        for enough in [10, 0] {
            let ended: Result<(), WriteEnd> = trickle(enough).await;
            assert!(ended.is_ok(), "{ended:?}");
        }
    }

    #[test]
    fn pieces_are_passed_by_exactly_the_bytes_written() {
        let mut pieces: VecDeque<Bytes> = [&b"abc"[..], b"de", b"f"].map(Bytes::from_static).into();
        advance(&mut pieces, 4);
        assert_eq!(pieces, [&b"e"[..], b"f"].map(Bytes::from_static));
        advance(&mut pieces, 2);
        assert!(pieces.is_empty());
    }
}
