//! The groups of one partition as a shard: who is asked, who decides, what survives.

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_model::{ErrorCode, GroupConfig, Timestamp};
use callboard_shard::{Caller, KeyValue, Now, Outcome, Part, RecordFault, Shard};

use crate::context::Context;
use crate::group::{Group, Members};
use crate::record::{self, TEXT_LEN_MAX};
use crate::sweep::{Purge, Sweep};
use crate::{
    Command, DeleteGroup, DescribeGroup, DescribeGroupReply, GroupId, GroupRow, GroupState, GroupType, Heartbeat,
    JoinGroup, LeaveGroup, LeaveGroupReply, LeftMember, ListGroups, Record, Reply, SyncGroup, Timer,
};

/// From here on an unknown group is an error to DescribeGroups (KIP-1043).
const DESCRIBE_NOT_FOUND: i16 = 6;

/// The groups of one partition of `__consumer_offsets`.
///
/// Durable is what [`Record`]s say: each group's last written generation, and its positions. Everything else (who waits,
/// sessions, a rebalance under way) begins anew with [`Shard::loaded`].
#[derive(Debug)]
pub struct Groups {
    pub(crate) config: GroupConfig,
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) sweep: Sweep,
    pub(crate) purge: Purge,
}

impl Groups {
    /// No groups yet.
    pub fn new(config: GroupConfig) -> Self {
        Self { config, groups: BTreeMap::new(), sweep: Sweep::default(), purge: Purge::default() }
    }

    /// All groups at a glance, by name.
    pub fn list(&self) -> impl Iterator<Item = GroupRow> {
        self.groups.values().map(Group::row)
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn join(&mut self, request: JoinGroup, caller: Caller, ctx: &mut Context<'_>) {
        if let Err(error) = check_join(&request, ctx.config) {
            return ctx.refuse_join(caller, request.member, error);
        }
        let id = request.group.clone();
        if !self.groups.contains_key(&id) {
            if !request.member.is_empty() {
                return ctx.refuse_join(caller, request.member, ErrorCode::UnknownMemberId);
            }
            // Written down at once, as everything that is told of a group is.
            let group = Group::new(id.clone(), Some(ctx.now.wall));
            let Members::Classic(classic) = &group.members;
            ctx.record(classic.record());
            self.groups.insert(id.clone(), group);
        }
        if let Some(Group { members: Members::Classic(group), .. }) = self.groups.get_mut(&id) {
            group.join(request, caller, ctx);
        }
    }

    fn sync(&mut self, request: SyncGroup, caller: Caller, ctx: &mut Context<'_>) {
        if request.group.is_empty() {
            return ctx.refuse_sync(caller, ErrorCode::InvalidGroupId);
        }
        match self.groups.get_mut(&request.group) {
            Some(Group { members: Members::Classic(group), .. }) => group.sync(request, caller, ctx),
            None => ctx.refuse_sync(caller, ErrorCode::UnknownMemberId),
        }
    }

    fn heartbeat(&mut self, request: &Heartbeat, ctx: &mut Context<'_>) -> ErrorCode {
        if request.group.is_empty() {
            return ErrorCode::InvalidGroupId;
        }
        match self.groups.get_mut(&request.group) {
            Some(Group { members: Members::Classic(group), .. }) => group.heartbeat(request, ctx),
            None => ErrorCode::UnknownMemberId,
        }
    }

    fn leave(&mut self, request: LeaveGroup, ctx: &mut Context<'_>) -> LeaveGroupReply {
        if request.group.is_empty() {
            return LeaveGroupReply { error: ErrorCode::InvalidGroupId, members: Vec::new() };
        }
        let members = match self.groups.get_mut(&request.group) {
            Some(Group { members: Members::Classic(group), .. }) => group.leave(request, ctx),
            None => {
                let unknown = ErrorCode::UnknownMemberId;
                let members = request.members.into_iter();
                members
                    .map(|leaving| LeftMember { member: leaving.member, instance: leaving.instance, error: unknown })
                    .collect()
            }
        };
        LeaveGroupReply { error: ErrorCode::None, members }
    }

    fn list_groups(&self, request: &ListGroups) -> Reply {
        // Judged once for each state and type, not for each group: a client may send very long lists.
        let is_asked = |filter: &[Arc<str>], name: &str| {
            filter.is_empty() || filter.iter().any(|asked| asked.trim().eq_ignore_ascii_case(name))
        };
        let states = GroupState::ALL.map(|state| (state, is_asked(&request.states, state.name())));
        let types = GroupType::ALL.map(|kind| (kind, is_asked(&request.types, kind.name())));
        let asked = self
            .groups
            .values()
            .filter(|group| states.contains(&(group.state(), true)) && types.contains(&(group.group_type(), true)));
        Reply::ListGroups(asked.map(|Group { members: Members::Classic(group), .. }| group.listed()).collect())
    }

    fn describe(&self, request: DescribeGroup) -> DescribeGroupReply {
        if let Some(Group { members: Members::Classic(group), .. }) = self.groups.get(&request.group) {
            return group.describe();
        }
        let is_error = request.api_version >= DESCRIBE_NOT_FOUND;
        DescribeGroupReply {
            error: if is_error { ErrorCode::GroupIdNotFound } else { ErrorCode::None },
            error_message: is_error.then(|| format!("Group {} not found.", request.group)),
            group: request.group,
            state: GroupState::Dead,
            protocol_type: "".into(),
            protocol: "".into(),
            members: Vec::new(),
        }
    }

    fn delete(&mut self, request: &DeleteGroup, ctx: &mut Context<'_>) -> ErrorCode {
        let Some(group) = self.groups.get(&request.group) else { return ErrorCode::GroupIdNotFound };
        if group.state() != GroupState::Empty {
            return ErrorCode::NonEmptyGroup;
        }
        let mut records: Vec<_> =
            group.offsets.iter().map(|(topic, at, _)| forget(&request.group, topic, at)).collect();
        records.push(Record::Group { group: request.group.clone(), value: None });
        if !ctx.has_room_for(&records) {
            return ErrorCode::UnknownServerError;
        }
        records.into_iter().for_each(|record| ctx.record(record));
        ErrorCode::None
    }
}

/// The tombstone of a position.
pub(crate) fn forget(group: &GroupId, topic: &Arc<str>, partition: callboard_model::PartitionIndex) -> Record {
    Record::Offset { group: group.clone(), topic: topic.clone(), partition, value: None }
}

fn check_join(request: &JoinGroup, config: &GroupConfig) -> Result<(), ErrorCode> {
    if request.group.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let session = u64::try_from(request.session_timeout_ms).map(std::time::Duration::from_millis);
    if !session.is_ok_and(|session| (config.min_session_timeout..=config.max_session_timeout).contains(&session)) {
        return Err(ErrorCode::InvalidSessionTimeout);
    }
    // A record has two bytes for the length of each.
    let names = request.protocols.iter().map(|protocol| protocol.name.len());
    let instance = request.instance.as_ref().map_or(0, |instance| instance.as_str().len());
    let texts = [
        request.group.as_str().len(),
        request.client_id.len(),
        request.client_host.len(),
        request.protocol_type.len(),
        instance,
    ];
    if texts.into_iter().chain(names).max().is_some_and(|longest| longest > TEXT_LEN_MAX) {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(())
}

fn part(row: GroupRow) -> Part {
    let fields = vec![
        ("type", row.group_type.to_string()),
        ("state", row.state.to_string()),
        ("members", row.members.to_string()),
        ("joining", row.joining.to_string()),
        ("generation", row.generation.to_string()),
        ("protocol", row.protocol.as_deref().unwrap_or_default().to_owned()),
        ("offsets", row.offsets.to_string()),
        ("cause", row.cause.to_owned()),
    ];
    Part { name: row.group.to_string(), fields }
}

impl Shard for Groups {
    type Command = Command;
    type Reply = Reply;
    type Record = Record;
    type Timer = Timer;

    fn decide(&mut self, command: Command, caller: Caller, now: Now, outcome: &mut Outcome<Self>) {
        // The settings are lent to the decision while it changes the groups.
        let config = self.config.clone();
        let ctx = &mut Context::new(&config, now, outcome);
        let reply = match command {
            Command::JoinGroup(request) => return self.join(request, caller, ctx),
            Command::SyncGroup(request) => return self.sync(request, caller, ctx),
            Command::Heartbeat(request) => Reply::Heartbeat(self.heartbeat(&request, ctx)),
            Command::LeaveGroup(request) => Reply::LeaveGroup(self.leave(request, ctx)),
            Command::OffsetCommit(request) => Reply::OffsetCommit(self.commit(request, ctx)),
            Command::OffsetFetch(request) => Reply::OffsetFetch(self.fetch(request)),
            Command::OffsetDelete(request) => Reply::OffsetDelete(self.delete_offsets(request, ctx)),
            Command::ListGroups(request) => self.list_groups(&request),
            Command::DescribeGroup(request) => Reply::DescribeGroup(self.describe(request)),
            Command::DeleteGroup(request) => Reply::DeleteGroup(self.delete(&request, ctx)),
            Command::TopicsDeleted(request) => {
                self.forget_topics(request, ctx);
                Reply::TopicsDeleted
            }
            Command::CommittedTopics => Reply::CommittedTopics(self.committed_topics()),
        };
        ctx.reply(caller, reply);
    }

    fn expired(&mut self, timer: Timer, now: Now, outcome: &mut Outcome<Self>) {
        let config = self.config.clone();
        let ctx = &mut Context::new(&config, now, outcome);
        let group = match &timer {
            Timer::Session(group, _) | Timer::Join(group) | Timer::Sync(group) => group,
            Timer::Retention => return self.sweep_positions(ctx),
            Timer::Purge => return self.purge_topics(ctx),
        };
        let Some(Group { members: Members::Classic(group), .. }) = self.groups.get_mut(group) else { return };
        match timer {
            Timer::Session(_, member) => group.session_time_is_up(&member, ctx),
            Timer::Join(_) => group.join_time_is_up(ctx),
            Timer::Sync(_) => group.sync_time_is_up(ctx),
            Timer::Retention | Timer::Purge => {}
        }
    }

    fn replay(&mut self, record: &Record, _written: Timestamp) {
        match record {
            Record::Group { group, value: Some(value) } => {
                let found = self.groups.entry(group.clone()).or_insert_with(|| Group::new(group.clone(), None));
                let Members::Classic(classic) = &mut found.members;
                classic.set_recorded(Some(value.clone()));
            }
            Record::Group { group, value: None } => {
                if let Some(Group { offsets, .. }) = self.groups.remove(group)
                    && !offsets.is_empty()
                {
                    // Its positions go by records of their own.
                    self.groups.insert(group.clone(), Group { offsets, ..Group::new(group.clone(), None) });
                }
            }
            Record::Offset { group, topic, partition, value: Some(value) } => {
                let found = self.groups.entry(group.clone()).or_insert_with(|| Group::new(group.clone(), None));
                found.offsets.set(topic, *partition, Some(value.clone()));
            }
            Record::Offset { group, topic, partition, value: None } => {
                if let Some(found) = self.groups.get_mut(group) {
                    found.offsets.set(topic, *partition, None);
                }
            }
        }
    }

    fn loaded(&mut self, now: Now, outcome: &mut Outcome<Self>) {
        // What the log no longer says anything of was never told to anybody.
        self.groups.retain(|_, group| group.recorded().is_some() || !group.offsets.is_empty());
        let config = self.config.clone();
        let ctx = &mut Context::new(&config, now, outcome);
        for Group { members: Members::Classic(group), .. } in self.groups.values_mut() {
            group.begin(ctx);
        }
        ctx.start(Timer::Retention, ctx.config.offsets_retention_check_interval);
    }

    fn snapshot(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (id, group) in &self.groups {
            if let Some(recorded) = group.recorded() {
                records.push(Record::Group { group: id.clone(), value: Some(recorded.clone()) });
            }
            records.extend(group.offsets.iter().map(|(topic, partition, position)| Record::Offset {
                group: id.clone(),
                topic: topic.clone(),
                partition,
                value: Some(position.clone()),
            }));
        }
        records
    }

    fn name(command: &Command) -> &'static str {
        command.name()
    }

    fn fingerprint(command: &Command) -> Option<u64> {
        Some(command.fingerprint())
    }

    fn parts(&self) -> Vec<Part> {
        self.list().map(part).collect()
    }

    fn encode(record: &Record) -> KeyValue {
        record::encode(record)
    }

    fn decode(stored: &KeyValue) -> Result<Option<Record>, RecordFault> {
        record::decode(stored)
    }
}
