//! Fetch: asks the leaders of a request's partitions, reads what is not in memory, and makes the answer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use callboard_gateway::{Asked, Followup, Seen};
use callboard_model::{ErrorCode, Offset, PartitionIndex, Tick};
use callboard_partition::{FetchError, Fetched, Isolation, Wait};
use callboard_runtime::{ActorRef, TimerKey};
use callboard_storage::{ReadSlice, Storage, StorageError};
use callboard_wire::EncodeError;
use callboard_wire::fetch::{
    self as wire, AbortedTransaction, DivergingEpoch, FetchRequest, FetchResponse, PartitionFetched,
};

use super::answers::{AnswerShare, Waiting};
use super::connection::ConnectionMessage;
use super::fetch_asked::{self, Plan};
use super::fetch_join::{DiskRead, FetchJoin, Next as Join};
use super::fetch_rows;
use super::services::Services;
use crate::broker::LeaderRoute;
use crate::partition::{Fetch, FetchSlot, PartitionMessage};

/// What is kept ready for the first batch that is read from storage, whose size is not known: Kafka's default for
/// `message.max.bytes`.
const BATCH_BYTES: usize = 1024 * 1024;

/// What is read on the arbiter's own thread if it is in memory: more would hold up its other connections.
const AT_ONCE_BYTES: usize = 1024 * 1024;

/// What the connection does next.
pub(super) enum Next {
    /// Nothing: answers are outstanding.
    Wait,
    /// Nothing, but at most this long.
    WaitUntil(Duration),
    /// Read from storage on the pool.
    Read(ReadJob),
    /// Wait for memory, then go on with [`Fetching::granted`].
    Queue(Waiting),
    /// Send the answer.
    Answer(Result<Vec<Bytes>, EncodeError>),
}

/// What the pool reads for one request.
pub(super) struct ReadJob(Vec<(callboard_model::LogId, DiskRead)>);

/// Why a partition is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It does not exist: nothing to wait for.
    Unknown(ErrorCode),
    /// The client has to look for it elsewhere.
    Elsewhere(ErrorCode),
}

/// One partition of the request.
pub(super) struct Place {
    pub(super) asked: Asked,
    pub(super) route: Result<LeaderRoute, Absent>,
}

/// What the request is to the client's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// There is none.
    Sessionless,
    /// It wants one.
    Full,
    /// It continues one.
    Incremental(Followup),
}

/// Who asks, and how it is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) correlation_id: i32,
    pub(super) version: i16,
    /// The request's number on its connection.
    pub(super) number: u64,
    /// The connection's number.
    pub(super) connection: u64,
    /// The address that the client came to.
    pub(super) local: Option<SocketAddr>,
}

/// One fetch request while it is answered.
pub(super) struct Fetching {
    caller: Caller,
    role: Role,
    isolation: Isolation,
    max_bytes: usize,
    deadline_at: Tick,
    /// The timer of the deadline, for its cancellation.
    pub(super) deadline: Option<TimerKey>,
    places: Vec<Place>,
    join: Option<FetchJoin<Box<PartitionFetched>>>,
    /// Divided answers that wait for what is read from storage.
    divided: Vec<PartitionFetched>,
    /// The memory that the answer may have, once it is known that there is something to be sent.
    share: Option<AnswerShare>,
    /// How often the leaders were asked anew. From the first time on they are asked for what is sent: nothing waits for the
    /// clock any longer. What a leader says of an earlier round, that it has given up waiting for instance, says nothing.
    round: u32,
}

impl Fetching {
    /// Takes a request, or gives the answer to one that is refused as a whole.
    pub(super) fn begin(
        request: &FetchRequest,
        caller: Caller,
        services: &Services,
    ) -> Result<Self, (ErrorCode, Result<Vec<Bytes>, EncodeError>)> {
        let Plan { role, places } = fetch_asked::plan(request, caller.version, services).map_err(|error| {
            let response = refused_whole(error);
            let gathered = wire::encode_response(caller.correlation_id, caller.version, &response);
            (error, gathered.map(|gathered| gathered.segments))
        })?;
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
        let max_bytes = usize::try_from(request.max_bytes).unwrap_or(0).min(services.config.answer_bytes());
        Ok(Self {
            caller,
            role,
            isolation: match request.isolation {
                wire::Isolation::ReadUncommitted => Isolation::ReadUncommitted,
                wire::Isolation::ReadCommitted => Isolation::ReadCommitted,
            },
            max_bytes,
            deadline_at: services.clock.tick().after(wait),
            deadline: None,
            join: Some(FetchJoin::new(places.len(), min_bytes.min(max_bytes), !wait.is_zero() && min_bytes > 0)),
            places,
            divided: Vec::new(),
            share: None,
            round: 0,
        })
    }

    /// Asks every leader once.
    pub(super) fn start(&mut self, myself: &ActorRef<ConnectionMessage>, services: &Services) -> Next {
        let mut next = self.join.as_ref().map_or(Join::Wait, FetchJoin::next_at_start);
        for index in 0..self.places.len() as u32 {
            if let Err(refusal) = self.ask(index, None, myself)
                && let Some(join) = &mut self.join
            {
                next = match self.places[index as usize].route {
                    Err(Absent::Unknown(_)) => join.fill_unknown(index, refusal),
                    _ => join.fill(index, Err(refusal)),
                };
            }
        }
        self.follow(next, myself, services)
    }

    /// Asks one leader; with `beyond` it tells when its high watermark has passed that offset.
    fn ask(
        &self,
        index: u32,
        beyond: Option<Offset>,
        myself: &ActorRef<ConnectionMessage>,
    ) -> Result<(), Box<PartitionFetched>> {
        let Place { asked, route } = &self.places[index as usize];
        let route = match route {
            Ok(route) => route,
            Err(Absent::Unknown(code)) => {
                // Kafka's row has an empty list here, and none where a leader refuses.
                let aborted_transactions = Some(Vec::new());
                let refused = PartitionFetched::refused(asked.partition, *code);
                return Err(Box::new(PartitionFetched { aborted_transactions, ..refused }));
            }
            Err(Absent::Elsewhere(code)) => {
                return Err(Box::new(PartitionFetched::refused(asked.partition, *code)));
            }
        };
        let message = PartitionMessage::Fetch(Fetch {
            slot: FetchSlot::new(myself.clone(), self.caller.number, index, self.round, self.caller.connection),
            offset: asked.offset,
            current_leader_epoch: asked.current_leader_epoch.is_known().then_some(asked.current_leader_epoch),
            last_fetched_epoch: asked.last_fetched_epoch.is_known().then_some(asked.last_fetched_epoch),
            isolation: self.isolation,
            max_bytes: usize::try_from(asked.max_bytes).unwrap_or(0).min(self.max_bytes),
            wait: beyond.map(|beyond| Wait { until: self.deadline_at, beyond }),
        });
        route.leader.tell(message).map_err(|error| {
            if let PartitionMessage::Fetch(fetch) = error.into_message() {
                fetch.slot.forget();
            }
            Box::new(PartitionFetched::refused(asked.partition, ErrorCode::NotLeaderOrFollower))
        })
    }

    /// A leader has answered.
    pub(super) fn fill(
        &mut self,
        (index, round): (u32, u32),
        result: Result<Fetched, FetchError>,
        myself: &ActorRef<ConnectionMessage>,
        services: &Services,
    ) -> Next {
        if round != self.round {
            return Next::Wait;
        }
        let Some(join) = &mut self.join else { return Next::Wait };
        let Some(place) = self.places.get(index as usize) else { return Next::Wait };
        let next = join.fill(index, result.map_err(|error| Box::new(refused(place.asked.partition, &error))));
        self.follow(next, myself, services)
    }

    fn follow(&mut self, next: Join, myself: &ActorRef<ConnectionMessage>, services: &Services) -> Next {
        match next {
            Join::Wait => Next::Wait,
            Join::Finish => self.conclude(myself, services),
            Join::Watch(watched) => {
                let left = self.deadline_at.since(services.clock.tick());
                if left.is_zero() {
                    return self.conclude(myself, services);
                }
                for (index, beyond) in watched {
                    if self.ask(index, Some(beyond), myself).is_err() {
                        return self.conclude(myself, services);
                    }
                }
                if self.deadline.is_some() { Next::Wait } else { Next::WaitUntil(left) }
            }
        }
    }

    /// The client's patience is over: what is there is the answer.
    pub(super) fn expire(&mut self, myself: &ActorRef<ConnectionMessage>, services: &Services) -> Next {
        self.deadline = None;
        if self.round > 0 { Next::Wait } else { self.conclude(myself, services) }
    }

    /// Nobody is waited for any longer. What was let go meanwhile is asked for anew.
    fn conclude(&mut self, myself: &ActorRef<ConnectionMessage>, services: &Services) -> Next {
        match &self.join {
            Some(join) if join.has_let_go() => self.ask_anew(myself, services),
            _ => self.divide(services),
        }
    }

    fn ask_anew(&mut self, myself: &ActorRef<ConnectionMessage>, services: &Services) -> Next {
        self.round += 1;
        self.join = Some(FetchJoin::new(self.places.len(), 0, false));
        self.start(myself, services)
    }

    /// There is memory for an answer: the leaders are asked anew, what they had shown was let go.
    pub(super) fn granted(
        &mut self,
        share: Option<AnswerShare>,
        myself: &ActorRef<ConnectionMessage>,
        services: &Services,
    ) -> Next {
        self.share = share;
        self.ask_anew(myself, services)
    }

    /// What it waits for, in words for operators.
    pub(super) fn stage(&self) -> String {
        match &self.join {
            Some(join) if join.missing() > 0 => {
                format!("{} of {} leaders have not answered", join.missing(), self.places.len())
            }
            Some(_) => "waits for more".to_owned(),
            None if self.divided.is_empty() => "waits for memory for its answer".to_owned(),
            None => "reads from storage".to_owned(),
        }
    }

    /// The memory that the answer has, for as long as it is held.
    pub(super) fn take_share(&mut self) -> Option<AnswerShare> {
        self.share.take()
    }

    fn divide(&mut self, services: &Services) -> Next {
        let Some(join) = self.join.take() else { return Next::Wait };
        let disk_bytes = services.config.fetch_disk_bytes;
        let planned = join.planned(self.max_bytes, disk_bytes, BATCH_BYTES);
        if planned.most > 0 && self.share.is_none() {
            // In its own time: who wants less is served first, and nothing is held while it waits.
            match services.answers.ask(planned) {
                Ok(share) => self.share = Some(share),
                Err(waiting) => return Next::Queue(waiting),
            }
        }
        let max_bytes = self.share.as_ref().map_or(0, AnswerShare::bytes).min(self.max_bytes);
        let (answers, reads) = join.finish(max_bytes, disk_bytes.min(max_bytes));
        let logs = reads
            .into_iter()
            .filter_map(|read| Some((self.places[read.index as usize].route.as_ref().ok()?.log, read)))
            .collect::<Vec<_>>();
        self.divided = answers
            .into_iter()
            .zip(&self.places)
            .map(|(answer, place)| match answer {
                Some(Ok(fetched)) => row(place.asked.partition, fetched, self.isolation),
                Some(Err(refusal)) => *refusal,
                None => PartitionFetched::refused(place.asked.partition, ErrorCode::NotLeaderOrFollower),
            })
            .collect();
        self.count(logs.iter().map(|(_, read)| read.max_bytes.max(if read.min_one { BATCH_BYTES } else { 0 })).sum());
        if logs.is_empty() { self.encode(services) } else { Next::Read(ReadJob(logs)) }
    }

    /// Makes the share what the rows hold, and what is to be read.
    fn count(&mut self, to_read: usize) {
        let batches = self.divided.iter().flat_map(|row| &row.records);
        let bytes = batches.map(Bytes::len).sum::<usize>() + to_read;
        if let Some(share) = &mut self.share {
            share.set(bytes);
        }
    }

    /// The pool has read; an error there is that partition's answer.
    pub(super) fn read_done(&mut self, reads: Reads, services: &Services) -> Next {
        for (index, result) in reads {
            let Some(row) = self.divided.get_mut(index as usize) else { continue };
            match result {
                Ok(slice) => row.records = vec![slice.bytes],
                Err(error) => {
                    tracing::error!(%error, "a fetch could not read");
                    let code = match error {
                        StorageError::Corrupt { .. } => ErrorCode::CorruptMessage,
                        StorageError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
                        _ => ErrorCode::KafkaStorageError,
                    };
                    *row = PartitionFetched { error: code, records: Vec::new(), ..row.clone() };
                }
            }
        }
        self.count(0);
        self.encode(services)
    }

    fn encode(&mut self, services: &Services) -> Next {
        let rows = std::mem::take(&mut self.divided);
        let places = std::mem::take(&mut self.places);
        let (correlation_id, version) = (self.caller.correlation_id, self.caller.version);
        let response = match fetch_rows::remember(self.role, version, &places, &rows, services) {
            Ok((session_id, told)) => {
                fetch_rows::response(session_id, places, rows, told.as_deref(), self.caller, services)
            }
            Err(error) => refused_whole(error),
        };
        let gathered = wire::encode_response(correlation_id, version, &response);
        Next::Answer(gathered.map(|gathered| {
            services.metrics.fetch_bytes.add(gathered.len as u64);
            gathered.segments
        }))
    }
}

fn refused_whole(error: ErrorCode) -> FetchResponse {
    FetchResponse { throttle_time_ms: 0, error, session_id: 0, topics: Vec::new(), node_endpoints: Vec::new() }
}

/// What a row tells the client's session.
pub(super) fn seen(row: &PartitionFetched) -> Seen {
    Seen {
        high_watermark: row.high_watermark,
        last_stable: row.last_stable_offset,
        log_start: row.log_start_offset,
        data: row.records.iter().any(|batch| !batch.is_empty()),
        error: row.error != ErrorCode::None,
        notice: row.diverging_epoch.is_some() || row.preferred_read_replica.is_some(),
    }
}

/// What was read, by the place of its partition.
pub(super) type Reads = Vec<(u32, Result<ReadSlice, StorageError>)>;

/// Reads in the order of the request; blocking.
pub(super) fn read(storage: &dyn Storage, job: ReadJob) -> Reads {
    let read = |(log, read): (_, DiskRead)| {
        (read.index, storage.read(log, read.from, read.until, read.max_bytes, read.min_one))
    };
    job.0.into_iter().map(read).collect()
}

/// Reads what needs no disk here and now, which saves two changes of threads; otherwise gives the job back.
pub(super) fn read_at_once(storage: &dyn Storage, job: ReadJob) -> Result<Reads, ReadJob> {
    if job.0.iter().map(|(_, read)| read.max_bytes).sum::<usize>() > AT_ONCE_BYTES {
        return Err(job);
    }
    let mut reads = Vec::with_capacity(job.0.len());
    for (log, read) in &job.0 {
        match storage.read_at_once(*log, read.from, read.until, read.max_bytes, read.min_one) {
            Ok(Some(slice)) => reads.push((read.index, Ok(slice))),
            // What is wrong, too, is found out where there is time.
            Ok(None) | Err(_) => return Err(job),
        }
    }
    Ok(reads)
}

/// Clients read the positions in an error's row too.
fn refused(index: PartitionIndex, error: &FetchError) -> PartitionFetched {
    let marks = error.marks();
    PartitionFetched {
        high_watermark: marks.high_watermark,
        last_stable_offset: marks.last_stable,
        log_start_offset: marks.log_start,
        ..PartitionFetched::refused(index, error.code())
    }
}

fn row(index: PartitionIndex, fetched: Fetched, isolation: Isolation) -> PartitionFetched {
    let aborted = || {
        let mut aborted: Vec<_> = fetched
            .aborted
            .iter()
            .map(|a| AbortedTransaction { producer_id: a.producer_id, first_offset: a.first_offset })
            .collect();
        aborted.sort_by_key(|a| a.first_offset);
        aborted
    };
    PartitionFetched {
        error: ErrorCode::None,
        high_watermark: fetched.high_watermark,
        last_stable_offset: fetched.last_stable,
        log_start_offset: fetched.log_start,
        diverging_epoch: fetched.diverging.map(|(epoch, end_offset)| DivergingEpoch { epoch, end_offset }),
        aborted_transactions: (isolation == Isolation::ReadCommitted).then(aborted),
        records: match fetched.data {
            callboard_partition::FetchData::Memory(batches) => batches,
            _ => Vec::new(),
        },
        ..PartitionFetched::refused(index, ErrorCode::None)
    }
}
