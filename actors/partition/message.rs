//! What a partition leader is told, and who waits for its answers.

use callboard_model::{CheckedBatch, LeaderEpoch, LogConfig, Offset, Tick};
use callboard_partition::compaction::{Candidate, Chunk, Compacted, Dirtiness, ReplaceError};
use callboard_partition::{
    Acks, ActiveProducer, DeleteError, EpochError, FetchError, Fetched, Isolation, LeaderSnapshot, ListOffset,
    ProduceError, Produced, Recovered, RetentionQuery, SettleError, Settled, Wait, Watermarks,
};
use callboard_runtime::{ActorRef, Message, Reply};
use callboard_storage::CommitError;

use crate::gateway::ConnectionMessage;
use crate::partition::lookup::{Found, LookupError};
use crate::partition::packing::Ready;

/// One message to a partition leader.
#[derive(Debug)]
pub(crate) enum PartitionMessage {
    /// Appends one batch.
    Append(Append),
    /// An append whose batch was packed anew; `None` if that came to nothing.
    Packed {
        /// Its number in the line.
        number: u64,
        /// What is to be appended.
        ready: Option<Box<Ready>>,
    },
    /// Reads from an offset on.
    Fetch(Fetch),
    /// Asks for an offset by time or place.
    ListOffset {
        /// What is asked.
        query: ListOffset,
        /// Where the answer goes.
        reply: Reply<Result<Found, LookupError>>,
    },
    /// Where an epoch ended (KIP-320).
    EpochEnd {
        /// The epoch that the client believes in.
        current: Option<LeaderEpoch>,
        /// The epoch asked for.
        wanted: LeaderEpoch,
        /// Where the answer goes.
        reply: Reply<Result<(LeaderEpoch, Offset), EpochError>>,
    },
    /// Moves the log start up to an offset, `-1` for the high watermark.
    DeleteRecords {
        /// First offset to keep.
        before: Offset,
        /// Where the answer goes: the new log start.
        reply: Reply<Result<Offset, DeleteError>>,
    },
    /// Appends a batch of the platform's own: the rules for clients do not hold.
    AppendInternal(AppendInternal),
    /// Asks where the log stands, once everything appended by now is committed.
    Settle(Reply<Result<Settled, SettleError>>),
    /// The topic's settings have changed.
    Configure(Box<LogConfig>),
    /// The journal has done, or refused, a write.
    Committed {
        /// Which, with the incarnation that asked for it.
        seq: u64,
        /// How it went.
        result: Result<(), CommitError>,
    },
    /// What the reading of the log found.
    Recovered(Result<Box<Recovered>, String>),
    /// Index entries for retention, oldest first, and what they were asked for with.
    IndexEntries(RetentionQuery, Vec<(Vec<u8>, Vec<u8>)>),
    /// How much waits for compaction; none if the topic is not compacted.
    Dirtiness(Reply<Option<Dirtiness>>),
    /// What a round of compaction may go by; none if the topic is not compacted.
    Candidate(Reply<Option<Candidate>>),
    /// Survivors to be put in the place of what is stored.
    Replace {
        /// The survivors.
        chunk: Box<Chunk>,
        /// Told when they are durable.
        reply: Reply<Result<(), ReplaceError>>,
    },
    /// A round of compaction has ended.
    Compacted(Compacted),
    /// Time to look at retention, expiry and the tail cache. `tail_share` are the bytes that the tail may keep.
    Tick {
        /// Bytes of tail cache that this partition may keep while idle.
        tail_share: usize,
    },
    /// A deadline in the machine has come.
    Expire,
    /// Time to try a log again that could not be read.
    Retry,
    /// Asks for the numbers that operators see.
    Inspect(Reply<LeaderSnapshot>),
    /// Asks for the idempotent producers that are remembered.
    Producers(Reply<Vec<ActiveProducer>>),
}

impl Message for PartitionMessage {
    /// What clients ask for may be; the rest is this node's own.
    fn may_be_poison(&self) -> bool {
        matches!(
            self,
            Self::Append(_)
                | Self::Packed { .. }
                | Self::Fetch(_)
                | Self::ListOffset { .. }
                | Self::EpochEnd { .. }
                | Self::DeleteRecords { .. }
                | Self::AppendInternal(_)
        )
    }

    fn weight(&self) -> usize {
        match self {
            Self::Append(append) => append.batch.len(),
            Self::AppendInternal(append) => append.batch.len(),
            _ => 0,
        }
    }

    /// A batch that kills its leader is refused when its producer sends it again, other batches are not.
    fn fingerprint(&self) -> Option<u64> {
        match self {
            Self::Append(append) => Some(u64::from(append.batch.header().crc)),
            Self::Packed { ready: Some(ready), .. } => Some(u64::from(ready.append.batch.header().crc)),
            Self::AppendInternal(append) => Some(u64::from(append.batch.header().crc)),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Append(_) => "Append",
            Self::Packed { .. } => "Packed",
            Self::Fetch(_) => "Fetch",
            Self::ListOffset { .. } => "ListOffset",
            Self::EpochEnd { .. } => "EpochEnd",
            Self::DeleteRecords { .. } => "DeleteRecords",
            Self::AppendInternal(_) => "AppendInternal",
            Self::Settle(_) => "Settle",
            Self::Configure(_) => "Configure",
            Self::Committed { .. } => "Committed",
            Self::Recovered(_) => "Recovered",
            Self::IndexEntries(..) => "IndexEntries",
            Self::Dirtiness(_) => "Dirtiness",
            Self::Candidate(_) => "Candidate",
            Self::Replace { .. } => "Replace",
            Self::Compacted(_) => "Compacted",
            Self::Tick { .. } => "Tick",
            Self::Expire => "Expire",
            Self::Retry => "Retry",
            Self::Inspect(_) => "Inspect",
            Self::Producers(_) => "Producers",
        }
    }
}

/// A batch to append, and who waits for it.
#[derive(Debug)]
pub(crate) struct Append {
    /// Who waits; nobody with acks=0.
    pub slot: Option<ProduceSlot>,
    /// What must hold before the answer.
    pub acks: Acks,
    /// The batch, verified.
    pub batch: CheckedBatch,
    /// When the client stops waiting.
    pub deadline: Tick,
    /// Whether the request's version permits zstd (KIP-110).
    pub zstd_allowed: bool,
}

/// A batch of the platform's own to append with acks=all, and who waits for it. Dropped without an answer, nobody knows
/// whether it was appended.
#[derive(Debug)]
pub(crate) struct AppendInternal {
    /// The batch.
    pub batch: CheckedBatch,
    /// Where the log has to end, if its writer cares.
    pub expected_end: Option<Offset>,
    /// When its writer stops waiting.
    pub deadline: Tick,
    /// Where the answer goes.
    pub reply: Reply<Result<Produced, ProduceError>>,
}

/// A read, and who waits for it.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// Who waits.
    pub slot: FetchSlot,
    /// First offset wanted.
    pub offset: Offset,
    /// The epoch that the client believes in.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the client's last record.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Which records may be seen.
    pub isolation: Isolation,
    /// Bytes wanted at most.
    pub max_bytes: usize,
    /// Until when and beyond which offset to wait for more.
    pub wait: Option<Wait>,
}

/// One partition's place in a produce request. Dropped without an answer, it answers that the leader is gone, which
/// makes clients ask for the metadata and try again.
#[derive(Debug)]
pub(crate) struct ProduceSlot(Option<Place>);

/// One partition's place in a fetch request; see [`ProduceSlot`].
#[derive(Debug)]
pub(crate) struct FetchSlot {
    place: Option<Place>,
    round: u32,
    connection: u64,
}

#[derive(Debug)]
struct Place {
    connection: ActorRef<ConnectionMessage>,
    request: u64,
    index: u32,
}

impl ProduceSlot {
    /// A place in request `request` of a connection.
    pub(crate) fn new(connection: ActorRef<ConnectionMessage>, request: u64, index: u32) -> Self {
        Self(Some(Place { connection, request, index }))
    }

    /// Gives the answer.
    pub(crate) fn answer(mut self, result: Result<Produced, ProduceError>) {
        self.send(result);
    }

    /// The gateway answers in the leader's place.
    pub(crate) fn forget(mut self) {
        self.0 = None;
    }

    fn send(&mut self, result: Result<Produced, ProduceError>) {
        if let Some(Place { connection, request, index }) = self.0.take() {
            // A closed connection needs no answer.
            drop(connection.tell_answer(ConnectionMessage::Produced { request, index, result }));
        }
    }
}

impl Drop for ProduceSlot {
    fn drop(&mut self) {
        self.send(Err(ProduceError::NotLeader));
    }
}

impl FetchSlot {
    /// A place in request `request` of connection number `number`, that its leaders are asked for in this round.
    pub(crate) fn new(
        connection: ActorRef<ConnectionMessage>,
        request: u64,
        index: u32,
        round: u32,
        number: u64,
    ) -> Self {
        Self { place: Some(Place { connection, request, index }), round, connection: number }
    }

    /// What a waiting fetch is replaced by: a connection waits for a partition once at most.
    pub(crate) fn key(&self) -> u64 {
        self.connection
    }

    /// Gives the answer.
    pub(crate) fn answer(mut self, result: Result<Fetched, FetchError>) {
        self.send(result);
    }

    /// The gateway answers in the leader's place.
    pub(crate) fn forget(mut self) {
        self.place = None;
    }

    fn send(&mut self, result: Result<Fetched, FetchError>) {
        if let Some(Place { connection, request, index }) = self.place.take() {
            let (round, result) = (self.round, Box::new(result));
            drop(connection.tell_answer(ConnectionMessage::Fetched { request, index, round, result }));
        }
    }
}

impl Drop for FetchSlot {
    fn drop(&mut self) {
        self.send(Err(FetchError::Epoch { error: EpochError::NotLeader, marks: UNKNOWN }));
    }
}

/// Positions of a log that nobody can be asked about.
const UNKNOWN: Watermarks =
    Watermarks { high_watermark: Offset::NONE, last_stable: Offset::NONE, log_start: Offset::NONE };

/// Who waits for something that the machine decides.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A produce request's partition.
    Produce(ProduceSlot),
    /// A fetch request's partition.
    Fetch(FetchSlot),
    /// A part of the platform that appends.
    Internal(Reply<Result<Produced, ProduceError>>),
    /// A part of the platform that waits for what is under way.
    Settle(Reply<Result<Settled, SettleError>>),
    /// A DeleteRecords request's partition.
    Delete(Reply<Result<Offset, DeleteError>>),
    /// A round of compaction.
    Replace(Reply<Result<(), ReplaceError>>),
}
