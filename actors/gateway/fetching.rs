//! Fetch: asks the leaders of a request's partitions, reads what is not in memory, and makes the answer.

use std::time::Duration;

use bytes::Bytes;
use callboard_model::{ErrorCode, Offset, PartitionIndex, Tick};
use callboard_partition::{FetchError, Fetched, Isolation, Wait};
use callboard_runtime::{ActorRef, TimerKey};
use callboard_storage::{ReadSlice, Storage, StorageError};
use callboard_wire::fetch::{
    self as wire, AbortedTransaction, DivergingEpoch, FetchPartition, FetchRequest, FetchResponse, PartitionFetched,
    TopicFetched,
};
use callboard_wire::{EncodeError, StrBytes};

use super::connection::ConnectionMessage;
use super::fetch_join::{DiskRead, FetchJoin, Next as Join};
use super::produce::unknown;
use super::services::Services;
use crate::broker::LeaderRoute;
use crate::partition::{Fetch, FetchSlot, PartitionMessage};

/// What the connection does next.
pub(super) enum Next {
    /// Nothing: answers are outstanding.
    Wait,
    /// Nothing, but at most this long.
    WaitUntil(Duration),
    /// Read from storage on the pool.
    Read(ReadJob),
    /// Send the answer.
    Answer(Result<Vec<Bytes>, EncodeError>),
}

/// What the pool reads for one request.
pub(super) struct ReadJob(Vec<(callboard_model::LogId, DiskRead)>);

/// One partition of the request.
struct Place {
    partition: FetchPartition,
    route: Option<LeaderRoute>,
    refusal: ErrorCode,
}

/// One fetch request while it is answered.
pub(super) struct Fetching {
    call: (i32, i16),
    number: u64,
    connection: u64,
    isolation: Isolation,
    max_bytes: usize,
    deadline_at: Tick,
    /// The timer of the deadline, for its cancellation.
    pub(super) deadline: Option<TimerKey>,
    /// For each topic its name and how many partitions follow.
    topics: Vec<(StrBytes, usize)>,
    places: Vec<Place>,
    join: Option<FetchJoin<Box<PartitionFetched>>>,
    /// Divided answers that wait for what is read from storage.
    divided: Vec<PartitionFetched>,
}

impl Fetching {
    /// Takes a request, or gives the answer to one that is refused as a whole.
    pub(super) fn begin(
        request: FetchRequest,
        call: (i32, i16),
        number: u64,
        connection: u64,
        services: &Services,
    ) -> Result<Self, Result<Vec<Bytes>, EncodeError>> {
        let refusal = if request.replica_id >= 0 {
            // Replication between our own nodes does not go through this port.
            Some(ErrorCode::InvalidRequest)
        } else if request.session_id != 0 {
            // No session is ever handed out, so none can be known (KIP-227).
            Some(ErrorCode::FetchSessionIdNotFound)
        } else if request.session_epoch > 0 {
            Some(ErrorCode::InvalidFetchSessionEpoch)
        } else {
            None
        };
        if let Some(error) = refusal {
            let response = FetchResponse { throttle_time_ms: 0, error, session_id: 0, topics: Vec::new() };
            return Err(wire::encode_response(call.0, call.1, &response).map(|gathered| gathered.segments));
        }
        let published = services.published.borrow();
        let mut topics = Vec::with_capacity(request.topics.len());
        let mut places = Vec::new();
        for topic in &request.topics {
            let route = published.routes.get(&*topic.name).map(AsRef::as_ref);
            topics.push((topic.name.clone(), topic.partitions.len()));
            for partition in &topic.partitions {
                places.push(Place {
                    partition: *partition,
                    route: route.and_then(|route| route.leader(partition.index)).cloned(),
                    refusal: unknown(route, partition.index),
                });
            }
        }
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
        let max_bytes = usize::try_from(request.max_bytes).unwrap_or(0).min(services.config.fetch_max_bytes);
        Ok(Self {
            call,
            number,
            connection,
            isolation: match request.isolation {
                wire::Isolation::ReadUncommitted => Isolation::ReadUncommitted,
                wire::Isolation::ReadCommitted => Isolation::ReadCommitted,
            },
            max_bytes,
            deadline_at: services.clock.tick().after(wait),
            deadline: None,
            topics,
            join: Some(FetchJoin::new(places.len(), min_bytes.min(max_bytes), !wait.is_zero() && min_bytes > 0)),
            places,
            divided: Vec::new(),
        })
    }

    /// Asks every leader once.
    pub(super) fn start(&mut self, myself: &ActorRef<ConnectionMessage>, services: &Services) -> Next {
        let mut next = self.join.as_ref().map_or(Join::Wait, FetchJoin::next_at_start);
        for index in 0..self.places.len() as u32 {
            if let Err(refusal) = self.ask(index, None, myself)
                && let Some(join) = &mut self.join
            {
                next = join.fill(index, Err(refusal));
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
        let Place { partition, route, refusal } = &self.places[index as usize];
        let Some(route) = route else { return Err(Box::new(PartitionFetched::refused(partition.index, *refusal))) };
        let message = PartitionMessage::Fetch(Fetch {
            slot: FetchSlot::new(myself.clone(), self.number, index, self.connection),
            offset: partition.offset,
            current_leader_epoch: partition.current_leader_epoch.is_known().then_some(partition.current_leader_epoch),
            last_fetched_epoch: partition.last_fetched_epoch.is_known().then_some(partition.last_fetched_epoch),
            isolation: self.isolation,
            max_bytes: usize::try_from(partition.max_bytes).unwrap_or(0).min(self.max_bytes),
            wait: beyond.map(|beyond| Wait { until: self.deadline_at, beyond }),
        });
        route.leader.tell(message).map_err(|error| {
            if let PartitionMessage::Fetch(fetch) = error.into_message() {
                fetch.slot.forget();
            }
            Box::new(PartitionFetched::refused(partition.index, ErrorCode::NotLeaderOrFollower))
        })
    }

    /// A leader has answered.
    pub(super) fn fill(
        &mut self,
        index: u32,
        result: Result<Fetched, FetchError>,
        myself: &ActorRef<ConnectionMessage>,
        services: &Services,
    ) -> Next {
        let Some(join) = &mut self.join else { return Next::Wait };
        let Some(place) = self.places.get(index as usize) else { return Next::Wait };
        let next = join.fill(index, result.map_err(|error| Box::new(refused(place.partition.index, &error))));
        self.follow(next, myself, services)
    }

    fn follow(&mut self, next: Join, myself: &ActorRef<ConnectionMessage>, services: &Services) -> Next {
        match next {
            Join::Wait => Next::Wait,
            Join::Finish => self.divide(services),
            Join::Watch(watched) => {
                let left = self.deadline_at.since(services.clock.tick());
                if left.is_zero() {
                    return self.divide(services);
                }
                for (index, beyond) in watched {
                    if self.ask(index, Some(beyond), myself).is_err() {
                        return self.divide(services);
                    }
                }
                if self.deadline.is_some() { Next::Wait } else { Next::WaitUntil(left) }
            }
        }
    }

    /// The client's patience is over: what is there is the answer.
    pub(super) fn expire(&mut self, services: &Services) -> Next {
        self.deadline = None;
        if self.join.is_some() { self.divide(services) } else { Next::Wait }
    }

    fn divide(&mut self, services: &Services) -> Next {
        let Some(join) = self.join.take() else { return Next::Wait };
        let (answers, reads) = join.finish(self.max_bytes, services.config.fetch_disk_bytes);
        let logs = reads
            .into_iter()
            .filter_map(|read| Some((self.places[read.index as usize].route.as_ref()?.log, read)))
            .collect::<Vec<_>>();
        self.divided = answers
            .into_iter()
            .zip(&self.places)
            .map(|(answer, place)| match answer {
                Some(Ok(fetched)) => row(place.partition.index, fetched, self.isolation),
                Some(Err(refusal)) => *refusal,
                None => PartitionFetched::refused(place.partition.index, ErrorCode::NotLeaderOrFollower),
            })
            .collect();
        if logs.is_empty() { self.encode(services) } else { Next::Read(ReadJob(logs)) }
    }

    /// The pool has read; an error there is that partition's answer.
    pub(super) fn read_done(
        &mut self,
        reads: Vec<(u32, Result<ReadSlice, StorageError>)>,
        services: &Services,
    ) -> Next {
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
        self.encode(services)
    }

    fn encode(&mut self, services: &Services) -> Next {
        let mut rows = std::mem::take(&mut self.divided).into_iter();
        let topics = self
            .topics
            .drain(..)
            .map(|(name, count)| TopicFetched { name, partitions: rows.by_ref().take(count).collect() })
            .collect();
        let response = FetchResponse { throttle_time_ms: 0, error: ErrorCode::None, session_id: 0, topics };
        let gathered = wire::encode_response(self.call.0, self.call.1, &response);
        Next::Answer(gathered.map(|gathered| {
            services.metrics.fetch_bytes.add(gathered.len as u64);
            gathered.segments
        }))
    }
}

/// Reads in the order of the request; blocking.
pub(super) fn read(storage: &dyn Storage, job: ReadJob) -> Vec<(u32, Result<ReadSlice, StorageError>)> {
    let read = |(log, read): (_, DiskRead)| {
        (read.index, storage.read(log, read.from, read.until, read.max_bytes, read.min_one))
    };
    job.0.into_iter().map(read).collect()
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
