//! JoinGroup: who comes, who comes back, who takes a static member's place.

use std::time::Duration;

use callboard_model::ErrorCode;
use callboard_shard::Caller;

use super::{ClassicGroup, count, discount};
use crate::context::Context;
use crate::member::{Alarm, Member, each_once, millis};
use crate::record::TEXT_LEN_MAX;
use crate::{GroupState, JoinGroup, JoinGroupReply, JoinedMember, MemberId, Timer};

/// From here on a first join is sent back with a member id (KIP-394).
const KNOWN_MEMBER_ID: i16 = 4;
/// From here on a static leader can be told to skip the assignment (KIP-814).
const SKIP_ASSIGNMENT: i16 = 9;
/// How long a member that has not been in any generation may wait: it may have gone without our seeing it.
const NEW_MEMBER_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What came with a join, to be put into a member.
struct Joining {
    request: JoinGroup,
    caller: Caller,
}

impl ClassicGroup {
    /// Decides on a join. The answer comes with the generation.
    pub(crate) fn join(&mut self, mut request: JoinGroup, caller: Caller, ctx: &mut Context<'_>) {
        request.protocols = each_once(request.protocols);
        if !self.has_place_for(&request, ctx.config.max_size) {
            let was_member = self.members.contains_key(&request.member);
            self.remove(&request.member, ctx);
            ctx.refuse_join(caller, "".into(), ErrorCode::GroupMaxSizeReached);
            if was_member {
                self.complete_join_if_ready(ctx);
            }
            return;
        }
        if !self.agrees_with(&request.protocol_type, &request.protocols) {
            return ctx.refuse_join(caller, request.member, ErrorCode::InconsistentGroupProtocol);
        }
        let joining = Joining { request, caller };
        if joining.request.member.is_empty() {
            self.join_unknown(joining, ctx);
        } else {
            self.join_known(joining, ctx);
        }
    }

    /// Those in the next generation count while one is prepared, so that the last to rejoin find no place if the bound
    /// was lowered. A static member has its own place, also where its new process does not know the old id (Kafka refuses
    /// it in a full group until the old one's session ends).
    fn has_place_for(&self, request: &JoinGroup, max_size: usize) -> bool {
        let own_place = request.instance.as_ref().filter(|_| request.member.is_empty());
        let id = own_place.and_then(|instance| self.instances.get(instance)).unwrap_or(&request.member);
        let known = self.members.get(id);
        match self.state {
            GroupState::PreparingRebalance => {
                self.joining < max_size || known.is_some_and(|known| known.joining.is_some())
            }
            GroupState::CompletingRebalance | GroupState::Stable => self.members.len() < max_size || known.is_some(),
            GroupState::Empty | GroupState::Dead => true,
        }
    }

    fn join_unknown(&mut self, joining: Joining, ctx: &mut Context<'_>) {
        let id = fresh_id(&joining.request);
        if let Some(instance) = &joining.request.instance {
            match self.instances.get(instance).cloned() {
                Some(old) => self.take_place(&old, id, joining, ctx),
                None => self.add(id, joining, ctx),
            }
        } else if joining.request.api_version >= KNOWN_MEMBER_ID {
            let mut session = Alarm::default();
            session.set(ctx.now.tick, millis(joining.request.session_timeout_ms));
            ctx.start(Timer::Session(self.id.clone(), id.clone()), millis(joining.request.session_timeout_ms));
            self.pending.insert(id.clone(), session);
            ctx.refuse_join(joining.caller, id, ErrorCode::MemberIdRequired);
        } else {
            self.add(id, joining, ctx);
        }
    }

    fn join_known(&mut self, joining: Joining, ctx: &mut Context<'_>) {
        let id = joining.request.member.clone();
        let refuse = |error, ctx: &mut Context<'_>| ctx.refuse_join(joining.caller, id.clone(), error);
        if self.pending.contains_key(&id) {
            return match joining.request.instance {
                // Ids are given out to dynamic members alone.
                Some(_) => refuse(ErrorCode::UnknownServerError, ctx),
                None => self.add(id, joining, ctx),
            };
        }
        if let Err(error) = self.check_member(&id, joining.request.instance.as_ref()) {
            return refuse(error, ctx);
        }
        let is_same = self.members.get(&id).is_some_and(|member| member.protocols == joining.request.protocols);
        match self.state {
            GroupState::PreparingRebalance => self.update_then_rebalance("a member joined", &id, joining, ctx),
            // It may not have got our answer.
            GroupState::CompletingRebalance if is_same => ctx.joined(joining.caller, self.place_of(&id)),
            GroupState::Stable if is_same && !self.is_leader(&id) => {
                let place = JoinGroupReply { members: Vec::new(), ..self.place_of(&id) };
                ctx.joined(joining.caller, place);
            }
            // That is how a leader asks for another assignment, when the topics have changed.
            GroupState::Stable if is_same => self.update_then_rebalance("the leader joined again", &id, joining, ctx),
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.update_then_rebalance("a member's subscription changed", &id, joining, ctx);
            }
            GroupState::Empty | GroupState::Dead => refuse(ErrorCode::UnknownMemberId, ctx),
        }
    }

    fn add(&mut self, id: MemberId, joining: Joining, ctx: &mut Context<'_>) {
        let Joining { request, caller } = joining;
        if let Some(initial) = &mut self.initial {
            initial.grown = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type);
        }
        self.leader.get_or_insert_with(|| id.clone());
        let member = Member {
            instance: request.instance,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            protocols: request.protocols,
            assignment: bytes::Bytes::new(),
            joining: Some(caller),
            syncing: None,
            is_new: true,
            session: Alarm::default(),
        };
        self.insert(id.clone(), member);
        self.touch(&id, NEW_MEMBER_TIMEOUT, ctx);
        self.rebalance_or_complete("a member joined", ctx);
    }

    fn update_then_rebalance(&mut self, cause: &'static str, id: &MemberId, joining: Joining, ctx: &mut Context<'_>) {
        self.update(id, joining.request);
        self.supersede_join(id, Some(joining.caller), ctx);
        self.rebalance_or_complete(cause, ctx);
    }

    fn update(&mut self, id: &MemberId, request: JoinGroup) {
        let Some(member) = self.members.get_mut(id) else { return };
        discount(&mut self.supported, &member.protocols);
        member.protocols = request.protocols;
        count(&mut self.supported, &member.protocols);
        member.session_timeout_ms = request.session_timeout_ms;
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.client_id = request.client_id;
        member.client_host = request.client_host;
    }

    /// A static member's new process: it gets a new id, everything else stays, the old process is fenced (KIP-345).
    fn take_place(&mut self, old: &MemberId, id: MemberId, joining: Joining, ctx: &mut Context<'_>) {
        let Some(before) = self.members.get(old).cloned() else { return };
        let was_leader = self.is_leader(old);
        let leader_before = self.leader.clone();
        if self.state == GroupState::Stable && !self.rename_fits(old, &id, &joining.request, ctx) {
            return ctx.refuse_join(joining.caller, "".into(), ErrorCode::UnknownServerError);
        }
        self.fence(old, &before, ctx);
        let (api_version, caller) = (joining.request.api_version, joining.caller);
        let member = Member { joining: None, syncing: None, session: Alarm::default(), is_new: false, ..before };
        self.insert(id.clone(), member);
        if was_leader {
            self.leader = Some(id.clone());
        }
        self.update(&id, joining.request);
        self.keep_alive(&id, ctx);
        match self.state {
            GroupState::Stable if self.protocol == self.select_protocol() => {
                ctx.record(self.record());
                let place = self.place_of(&id);
                ctx.joined(
                    caller,
                    if api_version >= SKIP_ASSIGNMENT {
                        JoinGroupReply { skip_assignment: was_leader, ..place }
                    } else {
                        // A client that cannot skip would assign once more if it knew that it leads.
                        let leader = leader_before.unwrap_or_else(|| "".into());
                        JoinGroupReply { leader, members: Vec::new(), ..place }
                    },
                );
            }
            GroupState::Stable | GroupState::CompletingRebalance => {
                // The leader may have assigned to the old id, or by another protocol.
                self.supersede_join(&id, Some(caller), ctx);
                self.prepare_rebalance("a static member came back", ctx);
            }
            GroupState::PreparingRebalance | GroupState::Empty | GroupState::Dead => {
                self.supersede_join(&id, Some(caller), ctx);
                self.complete_join_if_ready(ctx);
            }
        }
    }

    /// Takes the old process's id out; its requests that wait are told.
    fn fence(&mut self, old: &MemberId, before: &Member, ctx: &mut Context<'_>) {
        self.members.remove(old);
        self.unsynced.remove(old);
        discount(&mut self.supported, &before.protocols);
        ctx.cancel(Timer::Session(self.id.clone(), old.clone()));
        if let Some(caller) = before.joining {
            self.joining -= 1;
            ctx.refuse_join(caller, old.clone(), ErrorCode::FencedInstanceId);
        }
        if let Some(caller) = before.syncing {
            ctx.refuse_sync(caller, ErrorCode::FencedInstanceId);
        }
    }

    /// Whether the group with a member's new id and subscription fits into a record.
    fn rename_fits(&self, old: &MemberId, id: &MemberId, request: &JoinGroup, ctx: &Context<'_>) -> bool {
        let mut metadata = self.metadata();
        if let Some(member) = metadata.members.iter_mut().find(|member| member.member == *old) {
            member.member = id.clone();
            member.client_id = request.client_id.clone();
            member.client_host = request.client_host.clone();
            let chosen = |protocol: &&crate::GroupProtocol| Some(&protocol.name) == self.protocol.as_ref();
            let subscription = request.protocols.iter().find(chosen).map(|protocol| protocol.metadata.clone());
            member.subscription = subscription.unwrap_or_default();
        }
        // The leader's id is no longer than a member's.
        metadata.leader = Some(id.clone());
        ctx.has_room_for([&crate::Record::Group { group: self.id.clone(), value: Some(metadata) }])
    }

    /// A member's place in this generation; the leader learns of all members.
    pub(super) fn place_of(&self, id: &MemberId) -> JoinGroupReply {
        let joined = |(id, member): (&MemberId, &Member)| JoinedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: member.subscription(self.protocol.as_deref()),
        };
        JoinGroupReply {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            skip_assignment: false,
            member: id.clone(),
            members: if self.is_leader(id) { self.members.iter().map(joined).collect() } else { Vec::new() },
        }
    }
}

/// `<instance or client id>-<uuid>`, which must fit into a record.
fn fresh_id(request: &JoinGroup) -> MemberId {
    let name = request.instance.as_ref().map_or(&*request.client_id, |instance| instance.as_str());
    let mut end = name.len().min(TEXT_LEN_MAX - 37);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{}", &name[..end], request.fresh.hyphenated()).into()
}
