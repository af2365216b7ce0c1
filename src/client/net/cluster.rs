//! A handle on one cluster: what is known of it, and whom to ask, over one connection per broker and lane.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use callboard_model::{BrokerId, LeaderEpoch};
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataRequestTopic, Request, Response, client,
};
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::metadata::{Broker, Metadata};
use super::retry::{Backoff, retrying};
use crate::ClientError;
use crate::error::Attempt;
use crate::options::ClusterOptions;

/// Requests of one lane wait for each other at the broker, those of different lanes do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Whatever is answered at once.
    Ordinary,
    /// Produce.
    Produce,
    /// Fetch, whose answer may wait for records.
    Fetch,
    /// JoinGroup, SyncGroup, Heartbeat: a join waits for the other members.
    Group,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whichever broker can be reached.
    Any,
    /// The broker that takes changes; any while none is known.
    Controller,
    /// This one.
    Broker(BrokerId),
    /// This one, on a lane of its own.
    Lane(BrokerId, Lane),
}

/// A handle on one cluster. Clones share everything; the last one that is dropped closes the connections.
#[derive(Clone, Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: ClusterOptions,
    metadata: RwLock<Arc<Metadata>>,
    slots: Mutex<HashMap<Place, Arc<Slot>>>,
    coordinators: Mutex<HashMap<String, BrokerId>>,
    /// Held while metadata is fetched: who wants the same waits instead of asking too.
    fetching: tokio::sync::Mutex<()>,
}

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Bootstrap(Arc<str>),
    Broker(BrokerId, Lane),
}

/// Room for one connection. Whoever dials holds the lock, others wait for the result.
#[derive(Debug)]
struct Slot {
    state: tokio::sync::Mutex<SlotState>,
    /// The connection again, to be seen without waiting.
    open: Mutex<Option<Arc<Connection>>>,
}

#[derive(Debug)]
struct SlotState {
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl Cluster {
    /// Asks the addresses in `bootstrap.servers`, one after the other, until one answers. The error tells each of them.
    pub async fn connect(options: ClusterOptions) -> Result<Self, ClientError> {
        let deadline = Instant::now() + options.default_api_timeout;
        let cluster = Self::unconnected(options);
        cluster.fetch_metadata(Wanted::Nothing, deadline).await?;
        Ok(cluster)
    }

    /// A handle that has asked nobody yet: the first call does.
    pub fn unconnected(options: ClusterOptions) -> Self {
        let inner = Inner {
            options,
            metadata: RwLock::default(),
            slots: Mutex::default(),
            coordinators: Mutex::default(),
            fetching: tokio::sync::Mutex::new(()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The options that it was made with.
    pub fn options(&self) -> &ClusterOptions {
        &self.inner.options
    }

    /// `default.api.timeout.ms` from now.
    pub fn default_deadline(&self) -> Instant {
        Instant::now() + self.inner.options.default_api_timeout
    }

    /// `request.timeout.ms` from now, but not after `deadline`.
    pub fn request_deadline(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.inner.options.request_timeout)
    }

    /// What is known now. Never waits.
    pub fn metadata(&self) -> Arc<Metadata> {
        self.inner.metadata.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who leads a partition, as far as is known.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<BrokerId> {
        self.metadata().leader(topic, partition)
    }

    /// Knowledge of these topics, fetched if it is missing, older than `metadata.max.age.ms` or known to be wrong.
    ///
    /// A topic that does not exist is no error of this call: [`Metadata::error`] tells. `allow.auto.create.topics` may create it.
    pub async fn topics(&self, names: &[&str], deadline: Instant) -> Result<Arc<Metadata>, ClientError> {
        let seen = self.metadata();
        if self.are_fresh(&seen, names) {
            return Ok(seen);
        }
        let _alone = self.alone(deadline).await?;
        let seen = self.metadata();
        if self.are_fresh(&seen, names) {
            return Ok(seen);
        }
        let names = names.iter().map(|name| Arc::from(*name)).collect();
        self.retry_metadata(Wanted::Topics(names), deadline).await
    }

    /// Knowledge of brokers and of every topic that was ever asked for, fetched anew.
    pub async fn refresh(&self, deadline: Instant) -> Result<Arc<Metadata>, ClientError> {
        let _alone = self.alone(deadline).await?;
        let names = self.metadata().names();
        let wanted = if names.is_empty() { Wanted::Nothing } else { Wanted::Topics(names) };
        self.retry_metadata(wanted, deadline).await
    }

    /// Knowledge of all topics that there are, fetched anew. Others are forgotten.
    pub async fn all_topics(&self, deadline: Instant) -> Result<Arc<Metadata>, ClientError> {
        let _alone = self.alone(deadline).await?;
        self.retry_metadata(Wanted::All, deadline).await
    }

    /// Says that what is known of a topic has turned out wrong: the next [`Self::topics`] fetches it.
    pub fn mark_stale(&self, topic: &str) {
        self.change_metadata(|metadata| metadata.with_stale(topic));
    }

    /// Takes a leader that a broker named when it refused (KIP-951). Whether that was news.
    pub fn learn_leader(&self, topic: &str, partition: i32, leader: BrokerId, epoch: LeaderEpoch) -> bool {
        self.change_metadata(|metadata| metadata.with_leader(topic, partition, leader, epoch))
    }

    fn change_metadata(&self, change: impl FnOnce(&Metadata) -> Option<Metadata>) -> bool {
        let mut metadata = self.inner.metadata.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&metadata);
        let news = changed.is_some();
        if let Some(changed) = changed {
            *metadata = Arc::new(changed);
        }
        news
    }

    fn are_fresh(&self, metadata: &Metadata, names: &[&str]) -> bool {
        let max_age = self.inner.options.metadata_max_age;
        names.iter().all(|name| {
            let complete = |topic: &super::metadata::Topic| topic.partitions.iter().all(|p| p.leader.is_some());
            let topic = metadata.topic(name).filter(|topic| !topic.stale && complete(topic));
            topic.is_some_and(|topic| topic.learnt_at.elapsed() < max_age)
        })
    }

    async fn retry_metadata(&self, wanted: Wanted, deadline: Instant) -> Result<Arc<Metadata>, ClientError> {
        retrying("fetching metadata", &self.inner.options, deadline, || self.fetch_metadata(wanted.clone(), deadline))
            .await
    }

    async fn fetch_metadata(&self, wanted: Wanted, deadline: Instant) -> Result<Arc<Metadata>, ClientError> {
        let connection = self.connection(Target::Any, deadline).await?;
        let version = connection.version(ApiKey::Metadata)?;
        let request = wanted.request(version, self.inner.options.allow_auto_create_topics);
        let answer = connection.ask(version, &Request::Metadata(request), self.request_deadline(deadline)).await?;
        let Response::Metadata(answer) = answer else {
            return Err(ClientError::Illegal("the answer to Metadata is of another kind".into()));
        };
        if let Some(error) = ClientError::from_code(answer.error_code, "metadata", None) {
            return Err(error);
        }
        // In version 0 an empty list means all topics.
        let complete = matches!(wanted, Wanted::All);
        let now = Instant::now();
        self.change_metadata(|metadata| Some(metadata.with(&answer, complete, now)));
        self.forget_moved_brokers();
        Ok(self.metadata())
    }

    /// Who coordinates a group. Kept until [`Self::forget_coordinator`].
    pub async fn coordinator(&self, group: &str, deadline: Instant) -> Result<BrokerId, ClientError> {
        if let Some(known) = self.coordinators().get(group) {
            return Ok(*known);
        }
        let what = format!("finding the coordinator of group '{group}'");
        let found = retrying(&what, &self.inner.options, deadline, || self.find_coordinator(group, deadline)).await?;
        self.coordinators().insert(group.to_owned(), found);
        Ok(found)
    }

    /// Says that a group's coordinator is no longer where it was.
    pub fn forget_coordinator(&self, group: &str) {
        self.coordinators().remove(group);
    }

    fn coordinators(&self) -> std::sync::MutexGuard<'_, HashMap<String, BrokerId>> {
        self.inner.coordinators.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find_coordinator(&self, group: &str, deadline: Instant) -> Result<BrokerId, ClientError> {
        let build = |version| {
            let mut request = FindCoordinatorRequest::default();
            match version {
                4.. => request.coordinator_keys = vec![group.into()],
                _ => request.key = group.into(),
            }
            Request::FindCoordinator(request)
        };
        let deadline = self.request_deadline(deadline);
        let (_, answer) = self.ask_for(Target::Any, ApiKey::FindCoordinator, build, deadline).await?;
        let Response::FindCoordinator(answer) = answer else {
            return Err(ClientError::Illegal("the answer to FindCoordinator is of another kind".into()));
        };
        let broker = found(&answer, group)?;
        let id = broker.id;
        self.change_metadata(|metadata| {
            (metadata.broker(id).map(Broker::address) != Some(broker.address())).then(|| metadata.with_broker(broker))
        });
        self.forget_moved_brokers();
        Ok(id)
    }

    /// One request to one broker; the version it was sent in, and the answer. A field that is set and that the chosen
    /// version lacks is an error: use [`Self::ask_for`] where requests differ between versions.
    pub async fn ask(&self, to: Target, request: Request, deadline: Instant) -> Result<(i16, Response), ClientError> {
        let connection = self.connection(to, deadline).await?;
        let version = connection.version(request.key())?;
        connection.ask(version, &request, deadline).await.map(|answer| (version, answer))
    }

    /// The same with a request that is made for the version that broker and client have in common.
    pub async fn ask_for(
        &self,
        to: Target,
        key: ApiKey,
        build: impl FnOnce(i16) -> Request,
        deadline: Instant,
    ) -> Result<(i16, Response), ClientError> {
        let connection = self.connection(to, deadline).await?;
        let version = connection.version(key)?;
        connection.ask(version, &build(version), deadline).await.map(|answer| (version, answer))
    }

    /// Fetches batches: as [`Self::ask_for`], with the fetch's own decoder.
    pub async fn fetch(
        &self,
        to: Target,
        build: impl FnOnce(i16) -> client::FetchRequest,
        deadline: Instant,
    ) -> Result<(i16, client::FetchResponse), ClientError> {
        let connection = self.connection(to, deadline).await?;
        let version = connection.version(ApiKey::Fetch)?;
        connection.fetch(version, &build(version), deadline).await.map(|answer| (version, answer))
    }

    /// The connection to a target, dialled if there is none.
    pub async fn connection(&self, to: Target, deadline: Instant) -> Result<Arc<Connection>, ClientError> {
        match to {
            Target::Any => self.any(deadline).await,
            Target::Controller => match self.metadata().controller() {
                Some(id) => self.of_broker(id, Lane::Ordinary, deadline).await,
                None => self.any(deadline).await,
            },
            Target::Broker(id) => self.of_broker(id, Lane::Ordinary, deadline).await,
            Target::Lane(id, lane) => self.of_broker(id, lane, deadline).await,
        }
    }

    /// The connection to a target if it is open now. Never waits.
    pub fn open_connection(&self, id: BrokerId, lane: Lane) -> Option<Arc<Connection>> {
        let slot = self.slots().get(&Place::Broker(id, lane)).cloned()?;
        slot.seen()
    }

    async fn of_broker(&self, id: BrokerId, lane: Lane, deadline: Instant) -> Result<Arc<Connection>, ClientError> {
        let metadata = self.metadata();
        let address = self.dialled(metadata.broker(id).ok_or(ClientError::NoBroker(id))?);
        let opened = self.open(Place::Broker(id, lane), address, deadline).await;
        opened.map_err(ClientError::Unreachable)
    }

    /// Where a broker is dialled.
    fn dialled(&self, broker: &Broker) -> Arc<str> {
        self.inner.options.dial_instead.as_deref().map_or_else(|| broker.address(), Arc::from)
    }

    /// An open connection, or the first broker that can be reached, known ones before the bootstrap addresses.
    async fn any(&self, deadline: Instant) -> Result<Arc<Connection>, ClientError> {
        let mut brokers: Vec<(BrokerId, Arc<str>)> =
            self.metadata().brokers().map(|broker| (broker.id, self.dialled(broker))).collect();
        fastrand::shuffle(&mut brokers);
        let open = brokers.iter().find_map(|(id, _)| self.open_connection(*id, Lane::Ordinary));
        if let Some(connection) = open {
            return Ok(connection);
        }
        let mut places: Vec<(Place, Arc<str>)> =
            brokers.into_iter().map(|(id, address)| (Place::Broker(id, Lane::Ordinary), address)).collect();
        let mut bootstrap: Vec<Arc<str>> =
            self.inner.options.bootstrap_servers.iter().map(|text| Arc::from(text.as_str())).collect();
        fastrand::shuffle(&mut bootstrap);
        places.extend(bootstrap.into_iter().map(|address| (Place::Bootstrap(address.clone()), address)));
        let mut tried: Vec<Attempt> = Vec::new();
        let many = u32::try_from(places.len()).unwrap_or(u32::MAX).max(1);
        for (at, (place, address)) in places.into_iter().enumerate() {
            // Each gets its share of the time that is left, so that one silent peer does not use it all up.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / many.saturating_sub(u32::try_from(at).unwrap_or(u32::MAX)).max(1);
            match self.open(place, address, Instant::now() + share).await {
                Ok(connection) => return Ok(connection),
                Err(attempt) if tried.contains(&attempt) => {}
                Err(attempt) => tried.push(attempt),
            }
        }
        tried.sort_by(|a, b| a.address.cmp(&b.address));
        Err(ClientError::Bootstrap { tried: tried.into() })
    }

    async fn open(&self, place: Place, address: Arc<str>, deadline: Instant) -> Result<Arc<Connection>, Attempt> {
        let slot = {
            let mut slots = self.slots();
            let options = &self.inner.options;
            slots.entry(place).or_insert_with(|| Arc::new(Slot::new(options))).clone()
        };
        slot.open(address, &self.inner.options, deadline).await
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Arc<Slot>>> {
        self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of connections to addresses that brokers no longer have, and to brokers that are gone.
    fn forget_moved_brokers(&self) {
        let metadata = self.metadata();
        self.slots().retain(|place, slot| match place {
            Place::Broker(id, _) => {
                let address = metadata.broker(*id).map(|broker| self.dialled(broker));
                slot.seen().is_none_or(|open| Some(open.address()) == address.as_ref())
            }
            // Served its purpose once the cluster's own addresses are known.
            Place::Bootstrap(_) => metadata.brokers().len() == 0 || slot.seen().is_none(),
        });
    }

    /// The right to fetch metadata.
    async fn alone(&self, deadline: Instant) -> Result<tokio::sync::MutexGuard<'_, ()>, ClientError> {
        let start = Instant::now();
        timeout_at(deadline, self.inner.fetching.lock()).await.map_err(|_| ClientError::Timeout {
            what: "waiting for metadata that is being fetched".into(),
            allowed: start.elapsed(),
            sent: false,
            last: None,
        })
    }
}

impl Slot {
    fn new(options: &ClusterOptions) -> Self {
        let backoff = Backoff::new(options.reconnect_backoff, options.reconnect_backoff_max);
        Self { state: tokio::sync::Mutex::new(SlotState { backoff, not_before: None }), open: Mutex::new(None) }
    }

    /// The connection, if it is open.
    fn seen(&self) -> Option<Arc<Connection>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|connection| connection.is_open()).cloned()
    }

    async fn open(
        &self,
        address: Arc<str>,
        options: &ClusterOptions,
        deadline: Instant,
    ) -> Result<Arc<Connection>, Attempt> {
        if let Some(connection) = self.seen() {
            return Ok(connection);
        }
        let start = Instant::now();
        let late =
            || Attempt { address: address.clone(), reason: crate::error::Broken::ConnectTimeout(start.elapsed()) };
        let mut state = timeout_at(deadline, self.state.lock()).await.map_err(|_| late())?;
        if let Some(connection) = self.seen() {
            return Ok(connection);
        }
        if let Some(not_before) = state.not_before {
            timeout_at(deadline, tokio::time::sleep_until(not_before)).await.map_err(|_| late())?;
        }
        match Connection::open(address.clone(), options, deadline).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                state.backoff.reset();
                state.not_before = None;
                *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
                Ok(connection)
            }
            Err(attempt) => {
                state.not_before = Some(Instant::now() + state.backoff.next(fastrand::f64()));
                Err(attempt)
            }
        }
    }
}

/// Topics that a metadata request names.
#[derive(Clone, Debug)]
enum Wanted {
    /// Brokers alone.
    Nothing,
    Topics(Vec<Arc<str>>),
    All,
}

impl Wanted {
    fn request(&self, version: i16, create: bool) -> MetadataRequest {
        let mut request = MetadataRequest::default();
        let named = |name: &Arc<str>| {
            let mut topic = MetadataRequestTopic::default();
            topic.name = Some((&**name).into());
            topic
        };
        request.topics = match self {
            // Version 0 cannot ask for none: the answer lists all.
            Self::Nothing => Some(Vec::new()),
            Self::Topics(names) => Some(names.iter().map(named).collect()),
            Self::All if version == 0 => Some(Vec::new()),
            Self::All => None,
        };
        // Before version 4 a broker creates as it likes, and the field must have its default.
        request.allow_auto_topic_creation = create || version < 4;
        request
    }
}

fn found(answer: &FindCoordinatorResponse, group: &str) -> Result<Broker, ClientError> {
    let (code, message, id, host, port) = match answer.coordinators.iter().find(|one| *one.key == *group) {
        Some(one) => (one.error_code, &one.error_message, one.node_id, &one.host, one.port),
        None => (answer.error_code, &answer.error_message, answer.node_id, &answer.host, answer.port),
    };
    let about = format!("coordinator of group '{group}'");
    if let Some(error) = ClientError::from_code(code, about.as_str(), message.as_deref()) {
        return Err(error);
    }
    let port = u16::try_from(port).map_err(|_| ClientError::Illegal(format!("{about}: port {port}").into()))?;
    Ok(Broker { id: BrokerId(id), host: host.as_str().into(), port, rack: None })
}

#[cfg(test)]
mod tests;
