//! What a member makes of the coordinator's answers and refusals.

use super::*;

impl Membership {
    fn pause(&mut self, now: Instant, random: f64) {
        let not_before = now + self.backoff.next(random);
        self.phase = Phase::Waiting { not_before };
    }

    fn fail(&mut self, error: ClientError) {
        self.forget_generation();
        self.error = Some(error);
        self.phase = Phase::Failed;
    }

    /// JoinGroup was answered.
    pub(crate) fn joined(
        &mut self,
        ticket: u64,
        answer: Result<JoinGroupResponse, ClientError>,
        now: Instant,
        random: f64,
    ) {
        if ticket != self.ticket || self.phase != Phase::Joining {
            return;
        }
        let answer = answer.and_then(|answer| {
            if answer.error_code == ErrorCode::MemberIdRequired.code() && !answer.member_id.is_empty() {
                // KIP-394: the id is for the next attempt, which follows at once.
                self.member = answer.member_id.as_str().into();
            }
            let about = format!("joining group '{}'", self.settings.group);
            ClientError::from_code(answer.error_code, about, None).map_or(Ok(answer), Err)
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.join_refused(error, now, random),
        };
        let chosen = answer.protocol_name.as_ref().and_then(|name| Assignor::from_name(name.as_str()));
        let Some(protocol) = chosen.filter(|protocol| self.settings.assignors.contains(protocol)) else {
            let name = answer.protocol_name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default();
            let text = format!("group '{}' chose the assignor '{name}', which was not offered", self.settings.group);
            return self.fail(ClientError::Illegal(text.into()));
        };
        self.backoff.reset();
        self.member = answer.member_id.as_str().into();
        self.generation = Some(answer.generation_id);
        self.protocol = Some(protocol);
        self.heartbeat_under_way = false;
        self.next_heartbeat = Some(now + self.settings.heartbeat_interval);
        self.counts = None;
        if answer.leader.as_str() != &*self.member || answer.skip_assignment {
            return self.sync(protocol, Vec::new());
        }
        let mut members = Members::new();
        for member in &answer.members {
            let instance = member.group_instance_id.as_ref().map(|id| id.as_str().into());
            // A member whose metadata cannot be read takes part with nothing, rather than hold up the whole group.
            let subscription = Subscription::decode(&member.metadata).unwrap_or_default();
            members.insert(member.member_id.as_str().into(), subscription.seen_by(protocol, instance));
        }
        let topics = members.values().flat_map(|member| member.topics.iter().cloned()).collect();
        self.phase = Phase::Sharing { members };
        self.effects.push(Effect::Count { ticket: self.ticket, topics });
    }

    fn join_refused(&mut self, error: ClientError, now: Instant, random: f64) {
        match error.kafka_code() {
            Some(ErrorCode::MemberIdRequired) if !self.member.is_empty() => self.join(),
            Some(ErrorCode::UnknownMemberId) => {
                self.member = "".into();
                self.forget_generation();
                self.pause(now, random);
            }
            Some(
                ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress | ErrorCode::CoordinatorLoadInProgress,
            ) => {
                self.pause(now, random);
            }
            Some(code) if !code.is_retriable() => self.fail(error),
            None if !error.is_retriable() => self.fail(error),
            _ => {
                self.effects.push(Effect::ForgetCoordinator);
                self.pause(now, random);
            }
        }
    }

    /// The leader knows how many partitions there are, and shares them out.
    pub(crate) fn counted(&mut self, ticket: u64, counts: PartitionCounts) {
        if ticket != self.ticket {
            return;
        }
        let (Phase::Sharing { members }, Some(protocol)) = (&self.phase, self.protocol) else {
            return;
        };
        let shared = protocol.assign(&counts, members);
        let assignments = shared.into_iter().map(|(id, partitions)| (id, encode_assignment(&partitions))).collect();
        // Topics that nobody has created yet count as empty, so that their creation is news.
        let mut seen: PartitionCounts =
            members.values().flat_map(|member| member.topics.iter()).map(|topic| (topic.clone(), 0)).collect();
        seen.extend(counts);
        self.sync(protocol, assignments);
        self.counts = Some(seen);
    }

    /// The partitions could not be counted.
    pub(crate) fn not_counted(&mut self, ticket: u64, now: Instant, random: f64) {
        if ticket == self.ticket && matches!(self.phase, Phase::Sharing { .. }) {
            self.pause(now, random);
        }
    }

    fn sync(&mut self, protocol: Assignor, assignments: Vec<(Arc<str>, Bytes)>) {
        self.phase = Phase::Syncing;
        self.effects.push(Effect::Sync { ticket: self.ticket, who: self.identity(), protocol, assignments });
    }

    /// SyncGroup was answered.
    pub(crate) fn synced(
        &mut self,
        ticket: u64,
        answer: Result<SyncGroupResponse, ClientError>,
        now: Instant,
        random: f64,
    ) {
        if ticket != self.ticket || self.phase != Phase::Syncing {
            return;
        }
        let answer = answer.and_then(|answer| {
            let about = format!("getting the assignment of group '{}'", self.settings.group);
            ClientError::from_code(answer.error_code, about, None).map_or(Ok(answer), Err)
        });
        match answer {
            Ok(answer) => match decode_assignment(&answer.assignment) {
                Ok(assigned) => {
                    self.before = self.generation.map(|generation| (generation, assigned.clone()));
                    self.phase = Phase::HandingOver { assigned: assigned.into_iter().collect() };
                }
                Err(error) => {
                    let text = format!("the assignment in group '{}' cannot be read: {error}", self.settings.group);
                    self.fail(ClientError::Illegal(text.into()));
                }
            },
            Err(error) => match error.kafka_code() {
                // The coordinator has begun another round: what the user has is still its own.
                Some(ErrorCode::RebalanceInProgress) => self.phase = Phase::Waiting { not_before: now },
                Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                    self.thrown_out(error.kafka_code() == Some(ErrorCode::UnknownMemberId));
                    self.pause(now, random);
                }
                Some(code) if !code.is_retriable() => self.fail(error),
                None if !error.is_retriable() => self.fail(error),
                _ => {
                    self.effects.push(Effect::ForgetCoordinator);
                    self.pause(now, random);
                }
            },
        }
    }

    /// Heartbeat was answered.
    pub(crate) fn heartbeat_answered(&mut self, ticket: u64, answer: Result<(), ClientError>, now: Instant) {
        if ticket != self.ticket || !self.heartbeat_under_way {
            return;
        }
        self.heartbeat_under_way = false;
        let Err(error) = answer else { return };
        match error.kafka_code() {
            Some(ErrorCode::RebalanceInProgress) => self.rejoin = true,
            Some(code) => self.refused(code, now, &error),
            None => self.effects.push(Effect::ForgetCoordinator),
        }
    }

    /// Whether the group has a newer generation than this, or is about to, and the member is in it: what is refused for the
    /// sake of the older one is no loss of membership (Kafka's `RebalanceInProgressException` of stale generations).
    pub(crate) fn has_outgrown(&self, generation: i32) -> bool {
        self.phase == Phase::Joining || self.generation.is_some_and(|now| now != generation)
    }

    /// A commit of generation `generation` was refused: that concerns the membership too.
    pub(crate) fn commit_refused(&mut self, generation: i32, error: &ClientError, now: Instant) {
        if self.generation != Some(generation) {
            return;
        }
        match error.kafka_code() {
            Some(ErrorCode::RebalanceInProgress) => self.rejoin = true,
            Some(code) => self.refused(code, now, error),
            None => {}
        }
    }

    fn refused(&mut self, code: ErrorCode, now: Instant, error: &ClientError) {
        match code {
            // The join that is under way meets the same and tells, or it is what began the new generation.
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration if self.phase == Phase::Joining => {}
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                self.thrown_out(code == ErrorCode::UnknownMemberId);
                if self.phase != Phase::Preparing {
                    self.phase = Phase::Waiting { not_before: now };
                }
            }
            ErrorCode::FencedInstanceId | ErrorCode::GroupAuthorizationFailed => self.fail(error.clone()),
            ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => {
                self.effects.push(Effect::ForgetCoordinator);
            }
            _ => {}
        }
    }

    fn thrown_out(&mut self, id_too: bool) {
        if id_too {
            self.member = "".into();
        }
        self.forget_generation();
    }
}
