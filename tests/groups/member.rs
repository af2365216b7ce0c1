//! A member of a group as Kafka's clients are: joins, assigns if it leads, beats, joins again when it is told to.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;
use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, LeaveGroupRequest, MemberIdentity,
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, Request, Response, SyncGroupRequest,
    SyncGroupRequestAssignment,
};
use tokio::time::{sleep, sleep_until};

use crate::board::Board;
use crate::link::Link;

/// The topic that members commit for.
pub(crate) const TOPIC: &str = "work";
const PROTOCOL: &str = "range";
const PROTOCOL_TYPE: &str = "consumer";
/// How long a member may be silent, and how long a rebalance waits for it: Kafka's defaults.
const SESSION_MS: i32 = 45_000;
const REBALANCE_MS: i32 = 300_000;
/// How long anything but a join may take before the member takes the connection for dead (`request.timeout.ms`).
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for joins and syncs, which wait for others.
const REBALANCE_PATIENCE: Duration = Duration::from_secs(305);
/// The pause before something refused is tried again (`retry.backoff.ms`).
const RETRY: Duration = Duration::from_millis(100);

/// What a story makes members of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) group: String,
    /// The partition of [`TOPIC`] that it commits for.
    pub(crate) partition: i32,
    /// How often it beats (`heartbeat.interval.ms`).
    pub(crate) interval: Duration,
    /// Bytes of its subscription and of its assignment.
    pub(crate) bytes: usize,
}

pub(crate) struct Member {
    plan: Plan,
    link: Arc<Link>,
    board: Arc<Board>,
    place: usize,
    id: StrBytes,
    generation: i32,
    joins: usize,
    committed: i64,
}

/// What a member does next.
enum Next {
    /// It has an assignment; the first heartbeat comes after a while.
    Settle,
    Beat,
    Join,
}

impl Member {
    pub(crate) fn new(plan: Plan, link: Arc<Link>, board: Arc<Board>) -> Self {
        let place = board.enter();
        Self { plan, link, board, place, id: StrBytes::default(), generation: -1, joins: 0, committed: 0 }
    }

    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// Lives until the story is over, or until `leaves`.
    pub(crate) async fn live(mut self, mut leaves: tokio::sync::oneshot::Receiver<()>) {
        let mut next = Next::Join;
        while !self.board.is_over() {
            next = match next {
                Next::Join => self.join().await,
                Next::Settle => {
                    // Everyone has a phase of its own, as members that were started apart have.
                    let phase = self.place as u32 * 619 % 1000;
                    sleep(self.plan.interval * phase / 1000).await;
                    Next::Beat
                }
                Next::Beat => {
                    let until = Instant::now() + self.plan.interval;
                    let beaten = self.beat().await;
                    if matches!(beaten, Next::Beat) {
                        tokio::select! {
                            () = sleep_until(until.into()) => {}
                            Ok(()) = &mut leaves => return self.leave().await,
                        }
                    }
                    beaten
                }
            };
        }
    }

    /// One round of join and sync.
    async fn join(&mut self) -> Next {
        self.joins += 1;
        if self.joins > 1 {
            self.board.rejoins.fetch_add(1, SeqCst);
        }
        let mut request = JoinGroupRequest::default();
        request.group_id = text(&self.plan.group);
        request.session_timeout_ms = SESSION_MS;
        request.rebalance_timeout_ms = REBALANCE_MS;
        request.member_id = self.id.clone();
        request.protocol_type = text(PROTOCOL_TYPE);
        let mut protocol = JoinGroupRequestProtocol::default();
        protocol.name = text(PROTOCOL);
        protocol.metadata = Bytes::from(vec![b's'; self.plan.bytes]);
        request.protocols = vec![protocol];
        let Response::JoinGroup(joined) = self.link.insist(&Request::JoinGroup(request), REBALANCE_PATIENCE).await
        else {
            return self.wrong("a join");
        };
        match code(joined.error_code) {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                self.id = joined.member_id;
                self.joins -= 1;
                return Next::Join;
            }
            ErrorCode::UnknownMemberId => {
                self.id = StrBytes::default();
                return Next::Join;
            }
            _ => {
                sleep(RETRY).await;
                return Next::Join;
            }
        }
        self.id = joined.member_id.clone();
        self.sync(joined).await
    }

    async fn sync(&mut self, joined: JoinGroupResponse) -> Next {
        let mut request = SyncGroupRequest::default();
        request.group_id = text(&self.plan.group);
        request.generation_id = joined.generation_id;
        request.member_id = self.id.clone();
        request.protocol_type = Some(text(PROTOCOL_TYPE));
        request.protocol_name = Some(text(PROTOCOL));
        // The leader gives everyone the generation and its own name, so that a mix-up is seen.
        request.assignments = joined
            .members
            .iter()
            .map(|member| {
                let mut one = SyncGroupRequestAssignment::default();
                one.member_id = member.member_id.clone();
                one.assignment = assignment(joined.generation_id, &member.member_id, self.plan.bytes);
                one
            })
            .collect();
        let Response::SyncGroup(synced) = self.link.insist(&Request::SyncGroup(request), REBALANCE_PATIENCE).await
        else {
            return self.wrong("a sync");
        };
        match code(synced.error_code) {
            ErrorCode::None => {
                if synced.assignment != assignment(joined.generation_id, &self.id, self.plan.bytes) {
                    let group = &self.plan.group;
                    self.board.complain(format!("{} of {group} was given somebody else's assignment", &*self.id));
                }
                self.generation = joined.generation_id;
                self.board.change(self.place, |standing| {
                    standing.generation = joined.generation_id;
                    standing.since = Some(Instant::now());
                });
                Next::Settle
            }
            ErrorCode::UnknownMemberId => {
                self.id = StrBytes::default();
                Next::Join
            }
            _ => {
                sleep(RETRY).await;
                Next::Join
            }
        }
    }

    /// A heartbeat, and where the board asks for it a commit: only a coordinator that knows group, member and generation
    /// takes one.
    async fn beat(&mut self) -> Next {
        let epoch = self.board.epoch.load(SeqCst);
        if self.board.standing(self.place).proved < epoch && !self.prove(epoch).await {
            return Next::Join;
        }
        let mut request = HeartbeatRequest::default();
        request.group_id = text(&self.plan.group);
        request.generation_id = self.generation;
        request.member_id = self.id.clone();
        let Response::Heartbeat(beaten) = self.link.insist(&Request::Heartbeat(request), PATIENCE).await else {
            return self.wrong("a heartbeat");
        };
        match code(beaten.error_code) {
            ErrorCode::None => {
                self.board.heartbeats.fetch_add(1, SeqCst);
                Next::Beat
            }
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => Next::Beat,
            ErrorCode::UnknownMemberId => {
                self.id = StrBytes::default();
                self.lost()
            }
            _ => self.lost(),
        }
    }

    fn lost(&self) -> Next {
        self.board.change(self.place, |standing| standing.generation = -1);
        Next::Join
    }

    /// Commits until that is accepted; false if the member has to join again.
    async fn prove(&mut self, epoch: u64) -> bool {
        loop {
            self.committed += 1;
            let mut position = OffsetCommitRequestPartition::default();
            position.partition_index = self.plan.partition;
            position.committed_offset = self.committed;
            let mut topic = OffsetCommitRequestTopic::default();
            topic.name = text(TOPIC);
            topic.partitions = vec![position];
            let mut request = OffsetCommitRequest::default();
            request.group_id = text(&self.plan.group);
            request.generation_id_or_member_epoch = self.generation;
            request.member_id = self.id.clone();
            request.topics = vec![topic];
            let Response::OffsetCommit(done) = self.link.insist(&Request::OffsetCommit(request), PATIENCE).await else {
                self.wrong("a commit");
                return false;
            };
            let codes = done.topics.iter().flat_map(|topic| &topic.partitions).map(|one| code(one.error_code));
            match codes.into_iter().next().unwrap_or(ErrorCode::UnknownServerError) {
                ErrorCode::None => {
                    self.board.change(self.place, |standing| standing.proved = epoch);
                    return true;
                }
                code if code.is_retriable() => sleep(RETRY).await,
                _ => return false,
            }
            if self.board.is_over() {
                return false;
            }
        }
    }

    async fn leave(self) {
        let mut identity = MemberIdentity::default();
        identity.member_id = self.id.clone();
        let mut request = LeaveGroupRequest::default();
        request.group_id = text(&self.plan.group);
        request.members = vec![identity];
        let left = self.link.insist(&Request::LeaveGroup(request), PATIENCE).await;
        let is_out = matches!(&left, Response::LeaveGroup(left) if left.error_code == 0);
        if !is_out {
            self.board.complain(format!("leaving was answered with {left:?}"));
        }
        self.board.change(self.place, |standing| standing.left = true);
    }

    fn wrong(&self, what: &str) -> Next {
        self.board.complain(format!("{what} was answered with something else"));
        Next::Join
    }
}

fn assignment(generation: i32, member: &str, bytes: usize) -> Bytes {
    let mut assignment = format!("{generation} {member} ").into_bytes();
    assignment.resize(bytes.max(assignment.len()), b'a');
    assignment.into()
}

fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
}

fn text(value: &str) -> StrBytes {
    value.to_owned().into()
}
