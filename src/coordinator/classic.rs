//! A classic group: its members agree on a protocol, one of them assigns.
//!
//! ```text
//!            first member                    all joined, or time is up
//!   Empty ──────────────▶ PreparingRebalance ─────────────────────────▶ CompletingRebalance
//!     ▲                    ▲      │      ▲                                 │            │
//!     └────────────────────┼──────┘      └── somebody joins or leaves ─────┘            │ the leader's assignment
//!       nobody has joined  │                                                            ▼
//!                          └────────────── somebody joins, leaves or is silent ────── Stable
//! ```
//! All of it is volatile but what `recorded` says: the generation that the members were last told of is written down when
//! its assignment is known, when the group becomes empty, and when a static member takes its own place again. A group that
//! is read from its log begins there, its members with a fresh session each, so that they go on without a rebalance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use callboard_model::{ErrorCode, Tick, Timestamp};
use callboard_shard::Caller;

use crate::context::Context;
use crate::member::{Alarm, Member, millis};
use crate::record::{GroupMetadata, Record};
use crate::subscription::add_topics;
use crate::{GroupId, GroupProtocol, GroupState, InstanceId, MemberId, Timer};

mod describe;
mod join;
mod leave;
mod offsets;
mod rebalance;
mod sync;

/// What a consumer's members call their protocol type.
pub(crate) const CONSUMER: &str = "consumer";

/// A group and who is in it.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    id: GroupId,
    /// Never `Dead`: such a group is not there.
    state: GroupState,
    /// It prepares a rebalance and was empty before.
    was_empty: bool,
    since: Option<Timestamp>,
    generation: i32,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    instances: BTreeMap<InstanceId, MemberId>,
    /// Ids that were given out and have not come back yet (KIP-394).
    pending: BTreeMap<MemberId, Alarm>,
    /// Members of this generation that have not asked for their assignment yet.
    unsynced: BTreeSet<MemberId>,
    /// How many members know each protocol.
    supported: BTreeMap<Arc<str>, usize>,
    /// Members that wait for the next generation.
    joining: usize,
    /// Topics of the generation's subscriptions, if they can be read.
    subscribed: Option<BTreeSet<Arc<str>>>,
    /// While the initial delay runs.
    initial: Option<InitialDelay>,
    /// When the join timer, and the sync timer, is due.
    join_due: Option<Tick>,
    sync_due: Option<Tick>,
    /// Why the last rebalance began; for people.
    cause: &'static str,
    recorded: Option<GroupMetadata>,
}

/// An empty group waits for more members after the first, and longer while they come (KIP-134).
#[derive(Clone, Copy, Debug)]
struct InitialDelay {
    delay: Duration,
    remaining: Duration,
    grown: bool,
}

impl ClassicGroup {
    /// A group without members.
    pub(crate) fn new(id: GroupId, since: Option<Timestamp>) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            was_empty: false,
            since,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            supported: BTreeMap::new(),
            joining: 0,
            subscribed: None,
            initial: None,
            join_due: None,
            sync_due: None,
            cause: "",
            recorded: None,
        }
    }

    pub(crate) fn recorded(&self) -> Option<&GroupMetadata> {
        self.recorded.as_ref()
    }

    /// Notes what is written down now.
    pub(crate) fn set_recorded(&mut self, metadata: Option<GroupMetadata>) {
        self.recorded = metadata;
    }

    /// Begins where the record says.
    pub(crate) fn begin(&mut self, ctx: &mut Context<'_>) {
        let Some(recorded) = self.recorded.take() else { return };
        self.generation = recorded.generation;
        self.protocol_type = (!recorded.protocol_type.is_empty()).then(|| recorded.protocol_type.clone());
        self.protocol = recorded.protocol.clone();
        self.since = recorded.state_since;
        self.state = if recorded.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        for record in &recorded.members {
            let protocol = self.protocol.clone().unwrap_or_else(|| "".into());
            self.insert(record.member.clone(), Member::recorded(record, &protocol));
            self.touch(&record.member, millis(record.session_timeout_ms), ctx);
        }
        let leader = recorded.leader.clone().filter(|leader| self.members.contains_key(leader));
        self.leader = leader.or_else(|| self.members.keys().next().cloned());
        self.read_subscriptions();
        self.recorded = Some(recorded);
        if self.members.len() > ctx.config.max_size {
            // Everybody may commit first; those that rejoin last find no place.
            self.prepare_rebalance("the group is larger than it may be", ctx);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state == GroupState::Empty
    }

    /// Whether it may be forgotten: nobody is in it nor about to be.
    pub(crate) fn is_deserted(&self) -> bool {
        self.is_empty() && self.pending.is_empty()
    }

    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether members read a topic, as far as that can be known.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed.as_ref().map_or_else(|| self.is_of_consumers(), |topics| topics.contains(topic))
    }

    /// Checks who speaks (KIP-345): another process may have taken a static member's place.
    pub(crate) fn check_member(&self, member: &MemberId, instance: Option<&InstanceId>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current != member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    fn check_generation(&self, generation: i32) -> Result<(), ErrorCode> {
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) }
    }

    fn is_leader(&self, member: &MemberId) -> bool {
        self.leader.as_ref() == Some(member)
    }

    /// The longest that a rebalance waits for any member.
    fn rebalance_timeout(&self) -> Duration {
        millis(self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0))
    }

    fn all_joined(&self) -> bool {
        self.joining == self.members.len() && self.pending.is_empty()
    }

    /// Puts a member's death off.
    fn touch(&mut self, id: &MemberId, after: Duration, ctx: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        if let Some(after) = member.session.set(ctx.now.tick, after) {
            ctx.start(Timer::Session(self.id.clone(), id.clone()), after);
        }
    }

    /// Puts a member's death off by its own session timeout.
    pub(crate) fn keep_alive(&mut self, id: &MemberId, ctx: &mut Context<'_>) {
        if let Some(timeout) = self.members.get(id).map(|member| millis(member.session_timeout_ms)) {
            self.touch(id, timeout, ctx);
        }
    }

    fn insert(&mut self, id: MemberId, member: Member) {
        count(&mut self.supported, &member.protocols);
        self.joining += usize::from(member.joining.is_some());
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.pending.remove(&id);
        self.members.insert(id, member);
    }

    /// Takes a member out; who waited is told that nobody knows it. The leader's place goes to the first that is left.
    fn remove(&mut self, id: &MemberId, ctx: &mut Context<'_>) {
        self.pending.remove(id);
        self.unsynced.remove(id);
        ctx.cancel(Timer::Session(self.id.clone(), id.clone()));
        let Some(member) = self.members.remove(id) else { return };
        discount(&mut self.supported, &member.protocols);
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if let Some(caller) = member.joining {
            self.joining -= 1;
            ctx.refuse_join(caller, "".into(), ErrorCode::UnknownMemberId);
        }
        if let Some(caller) = member.syncing {
            ctx.refuse_sync(caller, ErrorCode::UnknownMemberId);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Whether one who knows these protocols can be a member.
    fn agrees_with(&self, protocol_type: &str, protocols: &[GroupProtocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let known_to_all =
            |protocol: &GroupProtocol| self.supported.get(&protocol.name).copied().unwrap_or(0) == self.members.len();
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(known_to_all)
    }

    /// The protocol that all know and most prefer; of several the first by name.
    fn select_protocol(&self) -> Option<Arc<str>> {
        let known_to_all = |name: &Arc<str>| self.supported.get(name) == Some(&self.members.len());
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(vote) = member.protocols.iter().map(|protocol| &protocol.name).find(|name| known_to_all(name)) {
                *votes.entry(vote).or_default() += 1;
            }
        }
        votes.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.clone())
    }

    /// Reads what the members of this generation subscribe to; nothing is known of other protocols than consumers'.
    fn read_subscriptions(&mut self) {
        self.subscribed = None;
        if !self.is_of_consumers() {
            return;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            if add_topics(&member.subscription(self.protocol.as_deref()), &mut topics).is_none() {
                return;
            }
        }
        self.subscribed = Some(topics);
    }

    /// What would be written down now.
    fn metadata(&self) -> GroupMetadata {
        GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since: self.since,
            members: self.members.iter().map(|(id, member)| member.metadata(id, self.protocol.as_deref())).collect(),
        }
    }

    /// The record of this moment.
    pub(crate) fn record(&self) -> Record {
        Record::Group { group: self.id.clone(), value: Some(self.metadata()) }
    }

    fn enter(&mut self, state: GroupState, ctx: &Context<'_>) {
        self.state = state;
        self.since = Some(ctx.now.wall);
    }

    /// Who waited for an answer that another request has taken over.
    fn supersede_join(&mut self, id: &MemberId, caller: Option<Caller>, ctx: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        let before = std::mem::replace(&mut member.joining, caller);
        self.joining = self.joining + usize::from(caller.is_some()) - usize::from(before.is_some());
        if let Some(before) = before {
            ctx.refuse_join(before, id.clone(), ErrorCode::RebalanceInProgress);
        }
    }
}

fn count(supported: &mut BTreeMap<Arc<str>, usize>, protocols: &[GroupProtocol]) {
    for protocol in protocols {
        *supported.entry(protocol.name.clone()).or_default() += 1;
    }
}

fn discount(supported: &mut BTreeMap<Arc<str>, usize>, protocols: &[GroupProtocol]) {
    for protocol in protocols {
        if let Some(members) = supported.get_mut(&protocol.name) {
            *members -= 1;
            if *members == 0 {
                supported.remove(&protocol.name);
            }
        }
    }
}
