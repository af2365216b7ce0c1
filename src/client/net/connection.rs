//! One connection to one broker: requests are pipelined, each has a deadline, answers come back as bytes or values.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use callboard_wire::messages::{Request, Response, client};
use callboard_wire::{ApiKey, DecodeError, EncodeError};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::address;
use super::greeting::{self, Greeting, Versions};
use super::link::{Answer, Call, Link};
use crate::ClientError;
use crate::error::{Attempt, Broken};
use crate::options::ClusterOptions;

/// A connection that is open, as far as anyone knows. Dropping it ends its task once what was sent is answered.
#[derive(Debug)]
pub struct Connection {
    address: Arc<str>,
    client_id: Arc<str>,
    queue: mpsc::UnboundedSender<Call>,
    correlation: AtomicI32,
    versions: Versions,
    /// How long the whole connection waits for an answer whose caller has given up.
    patience: Duration,
}

/// An answer on its way; ends at the request's deadline at the latest.
#[derive(Debug)]
pub struct Pending {
    api: ApiKey,
    address: Arc<str>,
    allowed: Duration,
    answer: oneshot::Receiver<Answer>,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    /// Dials `host:port` and asks for its versions.
    pub(crate) async fn open(address: Arc<str>, options: &ClusterOptions, deadline: Instant) -> Result<Self, Attempt> {
        let start = Instant::now();
        let deadline = deadline.min(start + options.socket_connection_setup_timeout);
        match Self::dial(address.clone(), options, start, deadline).await {
            Ok(connection) => Ok(connection),
            Err(reason) => Err(Attempt { address, reason }),
        }
    }

    async fn dial(
        address: Arc<str>,
        options: &ClusterOptions,
        start: Instant,
        deadline: Instant,
    ) -> Result<Self, Broken> {
        let (host, port) = address::parse(&address)?;
        let late = || Broken::ConnectTimeout(start.elapsed());
        let resolved = timeout_at(deadline, tokio::net::lookup_host((host.as_str(), port))).await;
        let resolved = resolved.map_err(|_| late())?.map_err(|error| Broken::Resolve(error.to_string().into()))?;
        let mut failed = Broken::Resolve("the name has no address".into());
        for socket in resolved {
            match timeout_at(deadline, TcpStream::connect(socket)).await {
                Ok(Ok(stream)) => return Self::greet(address, stream, options, start, deadline).await,
                Ok(Err(error)) => failed = Broken::Connect(error.to_string().into()),
                Err(_) => return Err(late()),
            }
        }
        Err(failed)
    }

    async fn greet(
        address: Arc<str>,
        stream: TcpStream,
        options: &ClusterOptions,
        start: Instant,
        deadline: Instant,
    ) -> Result<Self, Broken> {
        tune(&stream, options).map_err(|error| Broken::Io(error.to_string().into()))?;
        let (queue, calls) = mpsc::unbounded_channel();
        tokio::spawn(Link::new(address.clone(), stream, options.receive_message_max_bytes, calls).run());
        let mut connection = Self {
            address,
            client_id: options.client_id.as_str().into(),
            queue,
            correlation: AtomicI32::new(0),
            versions: Versions::default(),
            patience: options.request_timeout,
        };
        let key = ApiKey::ApiVersions;
        let mut version = greeting::FIRST_VERSION;
        loop {
            let frame = connection.encode(version, &greeting::question());
            let (correlation, frame) = frame.map_err(|error| Broken::Versions(error.to_string().into()))?;
            let answer = connection.enqueue(key, correlation, vec![frame], deadline).await;
            let answer = answer.map_err(|error| match error {
                ClientError::Disconnected { reason, .. } => reason,
                _ => Broken::Silent(start.elapsed()),
            })?;
            let (_, body) = client::split_response(key, version, answer)
                .map_err(|error| Broken::Versions(error.to_string().into()))?;
            match greeting::read(version, body)? {
                Greeting::Known(versions) => {
                    connection.versions = versions;
                    return Ok(connection);
                }
                Greeting::AskAgain(older) => version = older,
            }
        }
    }

    /// Where it leads to, as it was dialled.
    pub fn address(&self) -> &Arc<str> {
        &self.address
    }

    /// Whether it can still take requests, as far as is known.
    pub fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }

    /// The newest version of an API that the broker and this client have.
    pub fn version(&self, key: ApiKey) -> Result<i16, ClientError> {
        self.versions.common(key).ok_or_else(|| {
            let ours = greeting::ours(key);
            self.unsupported(key, format!("a version from {} to {}", ours.start(), ours.end()))
        })
    }

    /// The same, if it is at least `least`.
    pub fn version_from(&self, key: ApiKey, least: i16) -> Result<i16, ClientError> {
        match self.version(key)? {
            version if version >= least => Ok(version),
            _ => Err(self.unsupported(key, format!("version {least} or later"))),
        }
    }

    fn unsupported(&self, api: ApiKey, ours: String) -> ClientError {
        let broker = self.versions.text(api).into();
        ClientError::UnsupportedVersion { address: self.address.clone(), api, broker, ours: ours.into() }
    }

    /// What the broker says of itself: API keys and their versions.
    pub fn api_versions(&self) -> impl Iterator<Item = (i16, std::ops::RangeInclusive<i16>)> {
        self.versions.ranges()
    }

    /// What this client calls itself.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The number of a request that is about to be written.
    pub fn next_correlation(&self) -> i32 {
        // Wraps below zero after two billion requests, which is legal.
        self.correlation.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends one request of the control plane in a version of the caller's choice and reads the answer.
    pub async fn ask(&self, version: i16, request: &Request, deadline: Instant) -> Result<Response, ClientError> {
        let key = request.key();
        let (correlation, frame) = self.encode(version, request).map_err(|error| unwritten(key, &error))?;
        let answer = self.enqueue(key, correlation, vec![frame], deadline).await?;
        let read = client::split_response(key, version, answer)
            .and_then(|(_, body)| client::decode_response(key, version, body));
        read.map_err(|error| self.unreadable(key, &error))
    }

    fn encode(&self, version: i16, request: &Request) -> Result<(i32, Bytes), EncodeError> {
        let correlation = self.next_correlation();
        let frame = client::encode_request(correlation, Some(&self.client_id), version, request)?;
        Ok((correlation, frame))
    }

    /// Asks for batches. `request` must fit `version`; the records in the answer share the frame that came.
    pub async fn fetch(
        &self,
        version: i16,
        request: &client::FetchRequest,
        deadline: Instant,
    ) -> Result<client::FetchResponse, ClientError> {
        let key = ApiKey::Fetch;
        let correlation = self.next_correlation();
        let frame = client::encode_fetch(correlation, Some(&self.client_id), version, request);
        let frame = frame.map_err(|error| unwritten(key, &error))?;
        let answer = self.enqueue(key, correlation, vec![frame], deadline).await?;
        let read =
            client::split_response(key, version, answer).and_then(|(_, body)| client::decode_fetch(version, body));
        read.map_err(|error| self.unreadable(key, &error))
    }

    /// Puts a whole frame, in pieces, behind those before it, at once: the order of calls is the order on the wire.
    ///
    /// `correlation` is the number in the frame's header, from [`Self::next_correlation`]. What comes back is the answer's
    /// frame without its length: [`client::split_response`] takes it apart.
    pub fn enqueue(&self, api: ApiKey, correlation: i32, frame: Vec<Bytes>, deadline: Instant) -> Pending {
        self.hand_over(api, correlation, frame, deadline, true)
    }

    /// The same for a request that has no answer, Produce with acks=0: ends with no bytes once the socket has taken it.
    pub fn enqueue_unanswered(&self, api: ApiKey, correlation: i32, frame: Vec<Bytes>, deadline: Instant) -> Pending {
        self.hand_over(api, correlation, frame, deadline, false)
    }

    fn hand_over(
        &self,
        api: ApiKey,
        correlation: i32,
        frame: Vec<Bytes>,
        deadline: Instant,
        answered: bool,
    ) -> Pending {
        let now = Instant::now();
        let (reply, answer) = oneshot::channel();
        let overdue_at = deadline.max(now + self.patience);
        let call = Call { api, correlation, frame, overdue_at, reply, answered };
        if let Err(mpsc::error::SendError(call)) = self.queue.send(call) {
            let (address, api) = (self.address.clone(), call.api);
            let error = ClientError::Disconnected { address, api, sent: false, reason: Broken::Closed };
            let _ = call.reply.send(Err(error));
        }
        Pending {
            api,
            address: self.address.clone(),
            allowed: deadline.saturating_duration_since(now),
            answer,
            deadline: Box::pin(sleep_until(deadline)),
        }
    }

    fn unreadable(&self, api: ApiKey, error: &DecodeError) -> ClientError {
        ClientError::Decode { address: self.address.clone(), api, reason: error.to_string().into() }
    }
}

fn unwritten(api: ApiKey, error: &EncodeError) -> ClientError {
    ClientError::Encode { api, reason: error.to_string().into() }
}

impl Future for Pending {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        if let Poll::Ready(answer) = Pin::new(&mut self.answer).poll(context) {
            let gone = |_| {
                let (address, api) = (self.address.clone(), self.api);
                Err(ClientError::Disconnected { address, api, sent: true, reason: Broken::Gone })
            };
            return Poll::Ready(answer.unwrap_or_else(gone));
        }
        ready!(self.deadline.as_mut().poll(context));
        let what = format!("{} at {}", self.api.name(), self.address).into();
        Poll::Ready(Err(ClientError::Timeout { what, allowed: self.allowed, sent: true, last: None }))
    }
}

fn tune(stream: &TcpStream, options: &ClusterOptions) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    // A peer that vanished without a word is found out even where nothing is on its way.
    socket.set_keepalive(true)?;
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
