//! What comes back, handed to the machines.

use std::collections::{BTreeMap, HashMap};

use callboard_model::{BatchError, BrokerId, ErrorCode, LeaderEpoch};
use callboard_wire::messages::client::fetch_response::PartitionData;

use super::super::batch::{Chunk, CorruptBatch, Whole, whole_batches};
use super::super::fetching::Part;
use super::super::positions::{LogEnds, Place};
use super::*;

/// The timestamp that a place is asked for with; `wall` is now.
pub(crate) fn timestamp_of(place: Place, wall: i64) -> i64 {
    match place {
        Place::Earliest => logs::EARLIEST,
        Place::Latest => logs::LATEST,
        Place::At(time) => time.0,
        Place::Ago(age) => wall.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)).max(0),
    }
}

impl Driver {
    pub(super) fn take(&mut self, done: Done, now: Instant) {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        let state = &mut *state;
        let random = fastrand::f64();
        match done {
            Done::Topics(answer) => self.take_topics(state, answer, now),
            Done::Left => self.leaving = self.leaving.saturating_sub(1),
            Done::CommittedFound { asked, answer } => self.take_committed(state, asked, answer, now),
            Done::PlacesFound { asked, answers } => self.take_places(state, asked, answers, now),
            Done::EpochsFound { asked, answers } => self.take_epochs(state, asked, answers, now),
            Done::Fetched { plan, answer } => self.take_fetched(state, plan, answer, now),
            Done::CommitEnded { job, generation, result } => self.take_commit(state, job, generation, result, now),
            Done::Joined { ticket, answer } => {
                if let Err(error) = &answer {
                    tracing::debug!(%error, "joining failed");
                }
                if let Some(membership) = &mut state.membership {
                    membership.joined(ticket, answer, now, random);
                }
            }
            Done::Counted { ticket, counts } => {
                if let Some(membership) = &mut state.membership {
                    match counts {
                        Ok(counts) => membership.counted(ticket, counts),
                        Err(_) => membership.not_counted(ticket, now, random),
                    }
                }
            }
            Done::Synced { ticket, answer } => {
                if let Some(membership) = &mut state.membership {
                    membership.synced(ticket, answer, now, random);
                }
            }
            Done::HeartbeatAnswered { ticket, answer } => {
                if let Some(membership) = &mut state.membership {
                    membership.heartbeat_answered(ticket, answer, now);
                }
            }
        }
    }

    fn take_topics(&mut self, state: &mut State, answer: Result<Arc<Metadata>, ClientError>, now: Instant) {
        self.topics_under_way = false;
        let metadata = match answer {
            Ok(metadata) => metadata,
            Err(error) => {
                tracing::debug!(%error, "metadata could not be fetched");
                self.topics_due = None;
                self.topics_wrong(now);
                return;
            }
        };
        let mut complete = true;
        match &state.interest {
            Interest::Matching(pattern) => {
                let shown = metadata.topics().filter(|topic| !(self.exclude_internal && topic.internal));
                let names = shown.map(|topic| topic.name.clone()).filter(|name| pattern.matches(name)).collect();
                if let Some(membership) = &mut state.membership {
                    membership.subscribe(names, now);
                }
            }
            Interest::Topics(topics) => complete = topics.iter().all(|name| metadata.topic(name).is_some()),
            Interest::Nothing | Interest::Partitions => {}
        }
        if let Some(membership) = &mut state.membership {
            membership.topics_changed(|name| partitions_of(&metadata, name));
        }
        complete &= state.positions.iter().all(|(one, _)| metadata.leader(&one.topic, one.partition).is_some());
        self.topics_due = None;
        if complete {
            self.topics_backoff.reset();
            // A little later, so that what is known is too old by then.
            let max_age = self.cluster.options().metadata_max_age + Duration::from_millis(10);
            self.topics_due = Some(now + max_age);
        } else {
            self.topics_wrong(now);
        }
    }

    fn pause(&self, now: Instant) -> Instant {
        now + self.cluster.options().retry_backoff.mul_f64(0.8 + 0.4 * fastrand::f64())
    }

    fn take_committed(
        &mut self,
        state: &mut State,
        asked: Vec<(TopicPartition, u64)>,
        answer: Result<Committed, ClientError>,
        now: Instant,
    ) {
        match answer {
            Ok(found) => {
                for (partition, ticket) in asked {
                    let committed = found.get(&partition);
                    if let Some(committed) = committed {
                        state.committed.insert(partition.clone(), committed.offset);
                    }
                    let at = committed.map(Position::from);
                    if let Err(error) = state.positions.found_committed(&partition, ticket, at) {
                        self.tell(state, Some((partition, ticket)), error);
                    }
                }
            }
            Err(error) => {
                if let Some(coordinator) = &self.coordinator {
                    coordinator.note_error(&error);
                }
                let pause = self.pause(now);
                for (partition, ticket) in &asked {
                    state.positions.failed(partition, *ticket, pause);
                }
                let unstable = error.kafka_code() == Some(ErrorCode::UnstableOffsetCommit);
                if !error.is_retriable() && !unstable {
                    self.tell(state, None, error.into());
                }
            }
        }
    }

    /// A question about a partition was answered with an error, or not at all: it is asked again, and what no repetition
    /// mends is told.
    fn not_answered(
        &mut self,
        state: &mut State,
        partition: TopicPartition,
        ticket: u64,
        error: Option<ClientError>,
        now: Instant,
    ) {
        state.positions.failed(&partition, ticket, self.pause(now));
        match error {
            Some(error) if !error.is_retriable() => self.tell(state, Some((partition, ticket)), error.into()),
            _ => self.topics_wrong(now),
        }
    }

    fn take_places(&mut self, state: &mut State, asked: Vec<Lookup>, answers: Answers<Option<Found>>, now: Instant) {
        let mut answers: BTreeMap<_, _> = answers.into_iter().collect();
        for Lookup { partition, ticket, .. } in asked {
            match answers.remove(&partition) {
                Some(Ok(found)) => state.positions.found_place(&partition, ticket, found.map(|found| found.position)),
                other => self.not_answered(state, partition, ticket, other.and_then(Result::err), now),
            }
        }
    }

    fn take_epochs(
        &mut self,
        state: &mut State,
        asked: Vec<Validation>,
        answers: Answers<Option<Position>>,
        now: Instant,
    ) {
        let mut answers: BTreeMap<_, _> = answers.into_iter().collect();
        for Validation { partition, ticket, .. } in asked {
            match answers.remove(&partition) {
                Some(Ok(end)) => {
                    if let Err(error) = state.positions.validated(&partition, ticket, end) {
                        self.tell(state, Some((partition, ticket)), error);
                    }
                }
                // A broker that cannot tell is believed, as Kafka does.
                Some(Err(ClientError::UnsupportedVersion { .. })) => {
                    let far = Some(Position { offset: i64::MAX, epoch: None });
                    let _ = state.positions.validated(&partition, ticket, far);
                }
                other => self.not_answered(state, partition, ticket, other.and_then(Result::err), now),
            }
        }
    }

    fn take_fetched(
        &mut self,
        state: &mut State,
        plan: Plan,
        answer: Result<FetchResponse, ClientError>,
        now: Instant,
    ) {
        self.reserved.release(plan.broker);
        let answer = answer.and_then(|answer| {
            let about = format!("fetching from broker {}", plan.broker);
            ClientError::from_code(answer.error_code, about, None).map_or(Ok(answer), Err)
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(broker = plan.broker.0, %error, "fetching failed");
                let pause = now + self.fetch_backoff.next(fastrand::f64());
                for part in &plan.parts {
                    state.positions.failed(&part.partition, part.ticket, pause);
                    self.cluster.mark_stale(&part.partition.topic);
                }
                self.topics_wrong(now);
                if !error.is_retriable() {
                    self.tell(state, None, error.into());
                }
                return;
            }
        };
        self.fetch_backoff.reset();
        let mut parts: HashMap<&str, HashMap<i32, &Part>> = HashMap::new();
        for part in &plan.parts {
            parts.entry(&part.partition.topic).or_default().insert(part.partition.partition, part);
        }
        let mut brought = false;
        for topic in answer.responses {
            let Some(of_topic) = parts.get_mut(topic.topic.as_str()) else { continue };
            for partition in topic.partitions {
                if let Some(part) = of_topic.remove(&partition.partition_index) {
                    brought |= self.take_partition(state, part, partition, now);
                }
            }
        }
        // Partitions that the answer leaves out are asked for again, but not at once.
        let pause = self.pause(now);
        for part in parts.into_values().flat_map(HashMap::into_values) {
            state.positions.failed(&part.partition, part.ticket, pause);
        }
        if brought {
            self.shared.arrived.notify_one();
        }
    }

    /// Whether there is something for the user.
    fn take_partition(&mut self, state: &mut State, part: &Part, data: PartitionData, now: Instant) -> bool {
        let Part { partition, ticket, offset, .. } = part;
        let (ticket, offset) = (*ticket, *offset);
        let code = ErrorCode::from_code(data.error_code).unwrap_or(ErrorCode::UnknownServerError);
        match code {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                if let Err(error) = state.positions.out_of_range(partition, ticket, offset) {
                    self.tell(state, Some((partition.clone(), ticket)), error);
                }
                return false;
            }
            _ => {
                self.fetch_refused(state, part, code, &data, now);
                return false;
            }
        }
        let ends = LogEnds {
            high_watermark: data.high_watermark,
            last_stable: data.last_stable_offset,
            log_start: data.log_start_offset,
        };
        state.positions.observed(partition, ticket, ends);
        let Some(records) = data.records.filter(|records| !records.is_empty()) else { return false };
        let stuck = |source: CorruptBatch| ConsumerError::Corrupt { partition: partition.clone(), offset, source };
        let Whole { end: to, len } = match whole_batches(&records) {
            Ok(Some(found)) => found,
            Ok(None) => {
                // KIP-74: the first batch comes whole, however large; a broker that cuts it has nothing better to give.
                let error = BatchError::Length { declared: 0, given: records.len() };
                state.positions.stuck(partition, ticket);
                self.tell(state, Some((partition.clone(), ticket)), stuck(error.into()));
                return false;
            }
            Err(error) => {
                state.positions.stuck(partition, ticket);
                self.tell(state, Some((partition.clone(), ticket)), stuck(error.into()));
                return false;
            }
        };
        if to.offset <= offset || !state.positions.fetched(partition, ticket, offset, to, len) {
            return false;
        }
        let aborted = data.aborted_transactions.unwrap_or_default();
        let aborted = aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect();
        state.push(ticket, Chunk::new(partition.clone(), offset, records.slice(..len), aborted, self.reading));
        true
    }

    fn fetch_refused(&mut self, state: &mut State, part: &Part, code: ErrorCode, data: &PartitionData, now: Instant) {
        let Part { partition, ticket, .. } = part;
        if logs::is_stale(code) || code.is_retriable() {
            // KIP-951: the broker may say who leads now.
            let leader = data.current_leader.leader_id;
            let epoch = LeaderEpoch(data.current_leader.leader_epoch);
            let news = leader >= 0
                && self.cluster.learn_leader(&partition.topic, partition.partition, BrokerId(leader), epoch);
            if !news {
                self.cluster.mark_stale(&partition.topic);
                state.positions.failed(partition, *ticket, self.pause(now));
                self.topics_wrong(now);
            }
            return;
        }
        state.positions.failed(partition, *ticket, now + Duration::from_secs(1));
        if code == ErrorCode::CorruptMessage {
            state.positions.stuck(partition, *ticket);
        }
        let error = ConsumerError::Refused { partition: partition.clone(), code };
        self.tell(state, Some((partition.clone(), *ticket)), error);
    }
}
