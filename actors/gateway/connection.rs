//! One client's connection: takes requests in order, answers them in order, and overlaps what may overlap.
//!
//! Produce and Fetch overlap with each other; any other request waits for those before it and holds up those behind
//! it, so a client that pipelines sees what it would see from a broker that does one thing at a time.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use callboard_model::{ErrorCode, Tick};
use callboard_partition::{FetchError, Fetched, ProduceError, Produced};
use callboard_runtime::{Actor, Context, Failure, Message, Stopping};
use callboard_telemetry::CloseReason;
use callboard_wire::{ApiKey, RequestHeader, api, fetch as fetch_wire, frame, produce as produce_wire};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Sender, channel, error::TrySendError};

use super::answers::AnswerShare;
use super::budget::{Budget, Share};
use super::fetching::{self, Caller, Fetching};
use super::handlers;
use super::produce::{self, ProduceJoin};
use super::seat::Seat;
use super::services::Services;
use super::socket::{self, Outgoing, ReadEnd, ReadLimits, WriteEnd, WriteLimits};

/// Answers that may wait for a slow reader. When they are this many the reader stops reading.
const OUTBOX: usize = 1024;
/// From this many bytes on any answer counts as unread until it is written.
const LARGE: usize = 16 * 1024;
/// Requests read but not answered, at most; bytes are bounded by the budget.
const UNANSWERED_MAX: usize = 512;

/// What a connection's actor hears.
#[derive(Debug)]
pub(crate) enum ConnectionMessage {
    /// The reader has a request.
    Request {
        /// Its bytes, without the length.
        frame: BytesMut,
        /// Its share of the budgets.
        share: Share,
    },
    /// A leader has answered for a partition of a produce request.
    Produced {
        /// Which request.
        request: u64,
        /// The partition's place in it.
        index: u32,
        /// The answer.
        result: Result<Produced, ProduceError>,
    },
    /// A leader has answered for a partition of a fetch request.
    Fetched {
        /// Which request.
        request: u64,
        /// The partition's place in it.
        index: u32,
        /// The round in which it was asked.
        round: u32,
        /// The answer.
        result: Box<Result<Fetched, FetchError>>,
    },
    /// The pool has read what a fetch wanted from storage: per read its place and the bytes.
    FetchRead {
        /// Which request.
        request: u64,
        /// What was read.
        reads: fetching::Reads,
    },
    /// There is memory for a fetch's answer; none when the node ends.
    FetchGranted {
        /// Which request.
        request: u64,
        /// What the answer may have.
        share: Option<AnswerShare>,
    },
    /// The writer has written what counted as unread.
    Written(Unread),
    /// A fetch has waited long enough.
    FetchDeadline {
        /// Which request.
        request: u64,
    },
    /// A handler is done: the answer's bytes, or why there is none.
    Answer {
        /// Which request.
        request: u64,
        /// The answer, or why the connection has to be closed.
        answer: Result<Bytes, String>,
    },
    /// The reader has ended.
    ReadEnded(ReadEnd),
    /// The writer has ended.
    WriteEnded(Result<(), WriteEnd>),
}

impl Message for ConnectionMessage {
    fn name(&self) -> &'static str {
        match self {
            Self::Request { .. } => "Request",
            Self::Produced { .. } => "Produced",
            Self::Fetched { .. } => "Fetched",
            Self::FetchRead { .. } => "FetchRead",
            Self::FetchGranted { .. } => "FetchGranted",
            Self::Written(_) => "Written",
            Self::FetchDeadline { .. } => "FetchDeadline",
            Self::Answer { .. } => "Answer",
            Self::ReadEnded(_) => "ReadEnded",
            Self::WriteEnded(_) => "WriteEnded",
        }
    }
}

/// A request's place in the order of answers.
struct Slot {
    share: Share,
    api: ApiKey,
    since: Tick,
    answer: Option<Ready>,
}

/// An answer that waits for those before it.
struct Ready {
    pieces: Vec<Bytes>,
    error: ErrorCode,
    /// The memory that a fetch's answer takes.
    memory: Option<AnswerShare>,
}

/// Answers that the client has not taken yet, small ones aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(super) bytes: usize,
    pub(super) fetches: usize,
}

/// One client.
pub(super) struct Connection {
    _seat: Seat,
    services: Arc<Services>,
    number: u64,
    socket: Option<StdStream>,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
    /// Requests that wait for their turn.
    backlog: VecDeque<(BytesMut, Share)>,
    /// Requests that are owed an answer, in order; the first has number `first`.
    slots: VecDeque<Slot>,
    first: u64,
    /// Boxed, like the others: a map's first node has room for eleven, which most connections never need.
    produces: BTreeMap<u64, Box<ProduceJoin>>,
    /// Produce requests without answer (acks=0); numbered apart, from the top down, and holding their share.
    silent: BTreeMap<u64, Box<(ProduceJoin, Share)>>,
    next_silent: u64,
    fetches: BTreeMap<u64, Box<Fetching>>,
    /// The request that nothing may overlap and that is being handled.
    exclusive: Option<ApiKey>,
    draining: bool,
    outbox: Option<Sender<Outgoing>>,
    unanswered: Arc<AtomicUsize>,
    unread: Unread,
    client_id: Option<String>,
    served: u64,
    /// Why it would be counted as closed if it were dropped now.
    close_reason: CloseReason,
}

impl Unread {
    pub(super) fn add(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.fetches += more.fetches;
    }

    fn remove(&mut self, written: Self) {
        self.bytes -= written.bytes;
        self.fetches -= written.fetches;
    }
}

/// Why a connection is closed by us.
#[derive(Debug, thiserror::Error)]
enum Close {
    #[error(transparent)]
    Decode(#[from] callboard_wire::DecodeError),
    #[error(transparent)]
    Encode(#[from] callboard_wire::EncodeError),
    #[error("{api} version {version} is not served")]
    Version { api: String, version: i16 },
    #[error("the client does not read its answers")]
    SlowReader,
    #[error("a batch sent with acks=0 was refused")]
    SilentFailure,
    #[error("{0}")]
    Handler(String),
}

impl Connection {
    /// A connection on an accepted socket.
    pub(super) fn new(socket: StdStream, number: u64, seat: Seat, services: Arc<Services>) -> Self {
        services.metrics.connection_opened();
        Self {
            services,
            _seat: seat,
            number,
            peer: socket.peer_addr().ok(),
            local: socket.local_addr().ok(),
            socket: Some(socket),
            backlog: VecDeque::new(),
            slots: VecDeque::new(),
            first: 0,
            produces: BTreeMap::new(),
            silent: BTreeMap::new(),
            next_silent: u64::MAX,
            fetches: BTreeMap::new(),
            exclusive: None,
            draining: false,
            outbox: None,
            unanswered: Arc::new(AtomicUsize::new(0)),
            unread: Unread::default(),
            client_id: None,
            served: 0,
            close_reason: CloseReason::Failure,
        }
    }

    /// Closing the outbox ends the writer once it has written everything; that ends the actor.
    fn end_if_drained(&mut self) {
        if self.draining && self.slots.is_empty() && self.silent.is_empty() {
            self.outbox = None;
        }
    }

    /// Takes requests from the backlog as far as the order permits: nothing for a client that leaves much unread, and one
    /// fetch at a time, until its answer is written (Kafka takes one request of any kind at a time).
    fn pump(&mut self, ctx: &mut Context<Self>) -> Result<(), Close> {
        while self.exclusive.is_none()
            && self.slots.len() < UNANSWERED_MAX
            && self.unread.bytes <= self.services.config.connection_answer_bytes
            && let Some((frame, _)) = self.backlog.front()
        {
            let may_begin = match RequestHeader::peek_api(frame) {
                Some(ApiKey::Produce) => true,
                Some(ApiKey::Fetch) => self.fetches.is_empty() && self.unread.fetches == 0,
                _ => self.slots.is_empty() && self.silent.is_empty(),
            };
            if !may_begin {
                break;
            }
            let Some((frame, share)) = self.backlog.pop_front() else { break };
            self.dispatch(frame, share, ctx)?;
        }
        Ok(())
    }

    fn dispatch(&mut self, frame: BytesMut, share: Share, ctx: &mut Context<Self>) -> Result<(), Close> {
        let frame_len = frame.len();
        let (header, body) = RequestHeader::parse(frame)?;
        if header.client_id.as_deref() != self.client_id.as_deref() {
            self.client_id = header.client_id.as_deref().map(str::to_owned);
        }
        self.served += 1;
        let Some(api) = header.api().filter(|api| *api == ApiKey::ApiVersions || api::served(*api, header.version))
        else {
            let api = header.api().map_or(format!("api key {}", header.api_key), |api| api.name().to_owned());
            return Err(Close::Version { api, version: header.version });
        };
        let number = self.first + self.slots.len() as u64;
        match api {
            ApiKey::Produce => self.produce(&header, body, frame_len, share, ctx),
            ApiKey::Fetch => {
                let request = fetch_wire::decode_request(header.version, body)?;
                let caller = Caller {
                    correlation_id: header.correlation_id,
                    version: header.version,
                    number,
                    connection: self.number,
                    local: self.local,
                };
                let myself = ctx.myself();
                let fetching = Fetching::begin(&request, caller, &self.services);
                self.open(ApiKey::Fetch, share);
                match fetching {
                    Ok(fetching) => {
                        self.fetches.insert(number, Box::new(fetching));
                        self.fetch_next(number, |fetching, services| fetching.start(&myself, services), ctx)
                    }
                    Err((error, answer)) => self.answer(number, answer?, error, None),
                }
            }
            _ => {
                self.open(api, share);
                self.exclusive = Some(api);
                let call = handlers::Call {
                    api,
                    version: header.version,
                    correlation_id: header.correlation_id,
                    // A group remembers parts of it.
                    body: frame::keep(body, frame_len).freeze(),
                    client_id: header.client_id,
                    peer: self.peer,
                    local: self.local,
                };
                let services = Arc::clone(&self.services);
                ctx.pipe(async move {
                    let answer = handlers::handle(call, &services).await;
                    ConnectionMessage::Answer { request: number, answer }
                });
                Ok(())
            }
        }
    }

    fn produce(
        &mut self,
        header: &RequestHeader,
        body: BytesMut,
        frame_len: usize,
        share: Share,
        ctx: &mut Context<Self>,
    ) -> Result<(), Close> {
        let mut request = produce_wire::decode_request(header.version, body)?;
        request.keep_batches(frame_len);
        let silent = request.acks == 0;
        let number = if silent { self.next_silent } else { self.first + self.slots.len() as u64 };
        let call = (header.correlation_id, header.version);
        let client = self.client_id.as_deref();
        let join = produce::begin(request, call, client, number, &ctx.myself(), &self.services);
        if silent {
            self.next_silent -= 1;
            if !join.is_complete() {
                self.silent.insert(number, Box::new((join, share)));
                return Ok(());
            }
            return if join.has_failed() { Err(Close::SilentFailure) } else { Ok(()) };
        }
        self.open(ApiKey::Produce, share);
        if join.is_complete() {
            let error = join.first_error();
            return self.answer(number, vec![join.encode(self.local, &self.services)?], error, None);
        }
        self.produces.insert(number, Box::new(join));
        Ok(())
    }

    fn produced(&mut self, number: u64, index: u32, result: Result<Produced, ProduceError>) -> Result<(), Close> {
        if let Some(join) = self.produces.get_mut(&number) {
            if join.fill(index, result)
                && let Some(join) = self.produces.remove(&number)
            {
                let error = join.first_error();
                return self.answer(number, vec![join.encode(self.local, &self.services)?], error, None);
            }
        } else if let Some(silent) = self.silent.get_mut(&number)
            && silent.0.fill(index, result)
            && let Some(silent) = self.silent.remove(&number)
            && silent.0.has_failed()
        {
            return Err(Close::SilentFailure);
        }
        Ok(())
    }

    /// Moves a fetch on by one step and does what it then wants.
    fn fetch_next(
        &mut self,
        number: u64,
        step: impl FnOnce(&mut Fetching, &Services) -> fetching::Next,
        ctx: &mut Context<Self>,
    ) -> Result<(), Close> {
        let Some(fetching) = self.fetches.get_mut(&number) else { return Ok(()) };
        let mut next = step(fetching, &self.services);
        if let fetching::Next::Read(job) = next {
            next = match fetching::read_at_once(self.services.storage.as_ref(), job) {
                Ok(reads) => fetching.read_done(reads, &self.services),
                Err(job) => fetching::Next::Read(job),
            };
        }
        match next {
            fetching::Next::Wait => Ok(()),
            fetching::Next::WaitUntil(delay) => {
                let timer = ctx.schedule(delay, ConnectionMessage::FetchDeadline { request: number });
                fetching.deadline = Some(timer);
                Ok(())
            }
            fetching::Next::Read(job) => {
                let storage = Arc::clone(&self.services.storage);
                let reading = self.services.pool.run(move || fetching::read(storage.as_ref(), job));
                ctx.pipe(async move {
                    let reads = reading.await.unwrap_or_default();
                    ConnectionMessage::FetchRead { request: number, reads }
                });
                Ok(())
            }
            fetching::Next::Queue(waiting) => {
                if let Some(timer) = fetching.deadline.take() {
                    ctx.cancel(timer);
                }
                ctx.pipe(
                    async move { ConnectionMessage::FetchGranted { request: number, share: waiting.share().await } },
                );
                Ok(())
            }
            fetching::Next::Answer(pieces) => {
                if let Some(timer) = fetching.deadline.take() {
                    ctx.cancel(timer);
                }
                let memory = fetching.take_share();
                self.fetches.remove(&number);
                self.answer(number, pieces?, ErrorCode::None, memory)
            }
        }
    }

    /// Takes a place in the order of answers.
    fn open(&mut self, api: ApiKey, share: Share) {
        self.slots.push_back(Slot { share, api, since: self.services.clock.tick(), answer: None });
    }

    /// Puts an answer in its place and sends whatever is next in order.
    fn answer(
        &mut self,
        number: u64,
        pieces: Vec<Bytes>,
        error: ErrorCode,
        memory: Option<AnswerShare>,
    ) -> Result<(), Close> {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) {
            slot.answer = Some(Ready { pieces, error, memory });
        }
        while self.slots.front().is_some_and(|slot| slot.answer.is_some())
            && let Some(Slot { share, api, since, answer: Some(ready) }) = self.slots.pop_front()
        {
            self.first += 1;
            self.services.metrics.request(api.code(), ready.error, self.services.clock.tick().since(since));
            if let Some(outbox) = &self.outbox {
                let bytes = ready.pieces.iter().map(Bytes::len).sum();
                let fetches = usize::from(ready.memory.is_some());
                let unread = if fetches > 0 || bytes >= LARGE { Unread { bytes, fetches } } else { Unread::default() };
                match outbox.try_send(Outgoing { pieces: ready.pieces, share, memory: ready.memory, unread }) {
                    Ok(()) => self.unread.add(unread),
                    Err(TrySendError::Closed(_)) => {}
                    Err(TrySendError::Full(_)) => return Err(Close::SlowReader),
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, message: ConnectionMessage, ctx: &mut Context<Self>) -> Result<(), Close> {
        match message {
            ConnectionMessage::Request { frame, share } => {
                if !self.draining {
                    self.backlog.push_back((frame, share));
                }
            }
            ConnectionMessage::Produced { request, index, result } => self.produced(request, index, result)?,
            ConnectionMessage::Fetched { request, index, round, result } => {
                let myself = ctx.myself();
                self.fetch_next(request, |fetching, s| fetching.fill((index, round), *result, &myself, s), ctx)?;
            }
            ConnectionMessage::FetchRead { request, reads } => {
                self.fetch_next(request, |fetching, s| fetching.read_done(reads, s), ctx)?;
            }
            ConnectionMessage::FetchGranted { request, share } => {
                let myself = ctx.myself();
                self.fetch_next(request, |fetching, s| fetching.granted(share, &myself, s), ctx)?;
            }
            ConnectionMessage::Written(unread) => self.unread.remove(unread),
            ConnectionMessage::FetchDeadline { request } => {
                let myself = ctx.myself();
                self.fetch_next(request, |fetching, services| fetching.expire(&myself, services), ctx)?;
            }
            ConnectionMessage::Answer { request, answer } => {
                self.exclusive = None;
                self.answer(request, vec![answer.map_err(Close::Handler)?], ErrorCode::None, None)?;
            }
            ConnectionMessage::ReadEnded(end) => {
                self.close_reason = match end {
                    ReadEnd::Frame(_) => CloseReason::BadRequest,
                    ReadEnd::Idle(_) | ReadEnd::Stalled(_) => CloseReason::Idle,
                    _ => CloseReason::Client,
                };
                match end {
                    ReadEnd::Closed | ReadEnd::Idle(_) => tracing::debug!(peer = ?self.peer, %end, "connection closed"),
                    end => tracing::info!(peer = ?self.peer, client = ?self.client_id, %end, "connection closed"),
                }
                ctx.stop();
            }
            ConnectionMessage::WriteEnded(end) => {
                match end {
                    Ok(()) => {}
                    Err(end @ (WriteEnd::Unread(_) | WriteEnd::Slow { .. })) => {
                        self.close_reason = CloseReason::SlowReader;
                        tracing::info!(peer = ?self.peer, client = ?self.client_id, %end, "connection closed");
                    }
                    Err(end) => tracing::debug!(peer = ?self.peer, %end, "connection closed"),
                }
                ctx.stop();
            }
        }
        self.pump(ctx)?;
        self.end_if_drained();
        self.unanswered.store(self.slots.len() + self.backlog.len(), Ordering::Relaxed);
        Ok(())
    }
}

impl Actor for Connection {
    type Message = ConnectionMessage;

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), Failure> {
        let socket = self.socket.take().ok_or("a connection starts once")?;
        let (reading, writing) = TcpStream::from_std(socket)?.into_split();
        let (outbox, answers) = channel(OUTBOX);
        self.outbox = Some(outbox);
        let config = &self.services.config;
        let limits = ReadLimits {
            frame_max: config.request_max_bytes,
            own: Budget::new(config.connection_bytes),
            all: self.services.budget.clone(),
            idle: config.idle_max,
        };
        let (metrics, unanswered) = (self.services.metrics.clone(), Arc::clone(&self.unanswered));
        let myself = ctx.myself();
        ctx.pipe(async move {
            ConnectionMessage::ReadEnded(socket::read(reading, myself, limits, unanswered, metrics).await)
        });
        let (metrics, myself) = (self.services.metrics.clone(), ctx.myself());
        let limits = WriteLimits {
            idle: config.idle_max,
            least_per_second: config.answers_least_per_second,
            all: self.services.answers.clone(),
        };
        ctx.pipe(async move {
            ConnectionMessage::WriteEnded(socket::write(writing, answers, myself, limits, metrics).await)
        });
        Ok(())
    }

    fn handle(&mut self, message: ConnectionMessage, ctx: &mut Context<Self>) -> Result<(), Failure> {
        if let Err(reason) = self.receive(message, ctx) {
            tracing::warn!(peer = ?self.peer, client = ?self.client_id, %reason, "connection closed");
            self.close_reason = match reason {
                Close::SlowReader => CloseReason::SlowReader,
                _ => CloseReason::BadRequest,
            };
            ctx.stop();
        }
        Ok(())
    }

    /// Answers what is under way, takes nothing new, lets the writer finish.
    fn stopping(&mut self, ctx: &mut Context<Self>) -> Stopping {
        self.close_reason = CloseReason::Stopping;
        self.backlog.clear();
        self.draining = true;
        if matches!(self.exclusive, Some(ApiKey::JoinGroup | ApiKey::SyncGroup)) {
            // It waits for other members, for minutes perhaps. The client finds the coordinator anew and joins again.
            self.slots.clear();
        }
        let waiting: Vec<u64> = self.fetches.keys().copied().collect();
        let myself = ctx.myself();
        for request in waiting {
            if self.fetch_next(request, |fetching, services| fetching.expire(&myself, services), ctx).is_err() {
                return Stopping::Now;
            }
        }
        self.end_if_drained();
        Stopping::Draining
    }

    fn snapshot(&self) -> Vec<(&'static str, String)> {
        let mut shown = vec![
            ("peer", self.peer.map_or_else(String::new, |peer| peer.to_string())),
            ("client_id", self.client_id.clone().unwrap_or_default()),
            ("requests", self.served.to_string()),
            ("unanswered", self.slots.len().to_string()),
        ];
        if let Some(Slot { api, since, .. }) = self.slots.front() {
            shown.push(("oldest", format!("{} for {:?}", api.name(), self.services.clock.tick().since(*since))));
        }
        shown.extend(self.fetches.values().next().map(|fetching| ("fetch", fetching.stage())));
        shown
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.services.metrics.connection_closed(self.close_reason);
    }
}
