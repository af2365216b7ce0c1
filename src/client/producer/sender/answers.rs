//! What an answer, or its absence, means for each batch of a request.

use std::collections::HashMap;

use bytes::Bytes;
use callboard_model::{BrokerId, ErrorCode, LeaderEpoch, Timestamp};
use callboard_wire::ApiKey;
use callboard_wire::messages::client::{self, ProduceResponse, produce_response};
use tokio::time::Instant;

use super::super::accumulator::Slot;
use super::super::batch::Batch;
use super::super::completion::Acknowledged;
use super::super::pipeline::{Effect, Outcome};
use super::{Sender, Sent, expired};
use crate::ClientError;
use crate::net::retry::Backoff;

impl Sender {
    pub(super) fn answered(
        &mut self,
        broker: BrokerId,
        sent: Vec<Sent>,
        version: i16,
        answer: Result<Bytes, ClientError>,
        now: Instant,
    ) {
        self.shared.request_answered();
        if let Some(lane) = self.lanes.get_mut(&broker) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
        }
        let unanswered = self.shared.options.acks.code() == 0;
        let answer = answer.and_then(|frame| if unanswered { Ok(None) } else { read(version, frame).map(Some) });
        let refused: HashMap<(&str, i32), &produce_response::PartitionProduceResponse> = match &answer {
            Ok(Some(answer)) => by_partition(answer),
            _ => HashMap::new(),
        };
        for Sent { number, key } in sent {
            let slot = self.partitions[number].slot.clone();
            let outcome = match &answer {
                Ok(None) => Outcome::Acked(Acknowledged { base_offset: None, log_append_time: None }),
                Ok(Some(_)) => match refused.get(&(&*slot.topic, slot.partition)) {
                    Some(part) => self.outcome(&slot, part),
                    None => {
                        let reason = format!("it says nothing of partition {} of '{}'", slot.partition, slot.topic);
                        let error = ClientError::Illegal(reason.into());
                        Outcome::Retry { error, uncertain: true }
                    }
                },
                Err(error) => {
                    self.cluster.mark_stale(&slot.topic);
                    self.stale.insert(slot.topic.clone());
                    Outcome::Retry { error: error.clone(), uncertain: error.may_have_happened() }
                }
            };
            self.decide(number, key, outcome, now);
        }
    }

    fn outcome(&mut self, slot: &Slot, part: &produce_response::PartitionProduceResponse) -> Outcome {
        if part.error_code == 0 {
            let log_append_time = (part.log_append_time_ms >= 0).then_some(Timestamp(part.log_append_time_ms));
            let base_offset = (part.base_offset >= 0).then_some(part.base_offset);
            return Outcome::Acked(Acknowledged { base_offset, log_append_time });
        }
        let mut said: Vec<&str> = part.error_message.as_deref().into_iter().collect();
        said.extend(part.record_errors.iter().filter_map(|one| one.batch_index_error_message.as_deref()).take(3));
        let said = said.join("; ");
        let about = format!("partition {} of '{}'", slot.partition, slot.topic);
        let message = (!said.is_empty()).then_some(said.as_str());
        let error = ClientError::from_code(part.error_code, about, message).expect("not zero");
        let Some(code) = ErrorCode::from_code(part.error_code) else { return Outcome::Fatal(error) };
        if is_about_leader(code) {
            let (leader, epoch) = (part.current_leader.leader_id, part.current_leader.leader_epoch);
            let known = leader >= 0
                && self.cluster.learn_leader(&slot.topic, slot.partition, BrokerId(leader), LeaderEpoch(epoch));
            if !known {
                self.cluster.mark_stale(&slot.topic);
                self.stale.insert(slot.topic.clone());
            }
        }
        Outcome::of_refusal(code, error)
    }

    fn decide(&mut self, number: usize, key: u64, outcome: Outcome, now: Instant) {
        let options = &self.shared.options.cluster;
        let partition = &mut self.partitions[number];
        let mut backoff = Backoff::after(options, partition.pipeline.attempts(key).saturating_sub(1));
        let retry_at = now + backoff.next(fastrand::f64());
        if let Outcome::Retry { error, .. } | Outcome::OutOfOrder(error) | Outcome::UnknownProducer(error) = &outcome {
            tracing::debug!(topic = &*partition.slot.topic, partition = partition.slot.partition, %error, "to be repeated");
        }
        let effect = partition.pipeline.answered(key, outcome, now, retry_at);
        if partition.pipeline.in_flight() == 0 {
            partition.at = None;
        }
        self.decided.extend(effect.map(|effect| (number, effect)));
        self.look_at(number, now);
    }

    /// Tells what was decided, after the network has got what took the place of it: who is told has work to do, filling
    /// the memory that comes free, and where processors are few the broker would wait for its next request meanwhile.
    pub(super) async fn tell(&mut self, sent: bool) {
        if sent && !self.decided.is_empty() {
            tokio::task::yield_now().await;
        }
        self.perform_decided();
    }

    pub(super) fn perform_decided(&mut self) {
        let mut decided = std::mem::take(&mut self.decided);
        decided.drain(..).for_each(|(number, effect)| self.perform(number, effect));
        self.decided = decided;
    }

    fn perform(&mut self, number: usize, effect: Effect<Batch>) {
        let partition = &self.partitions[number];
        let slot = &partition.slot;
        let (batch, result) = match effect {
            Effect::Acked(batch, done) => (batch, Ok(done)),
            Effect::Failed(batch, error) => (batch, Err(error)),
            Effect::Expired { batch, sent, last } => {
                let last = last.or_else(|| partition.last.clone());
                (batch, Err(expired(slot, self.shared.options.delivery_timeout, sent, last)))
            }
        };
        batch.completion.complete(result);
        slot.intake().forget_decided();
        self.shared.release(slot, batch.charged);
        self.shared.pool.recycle(batch.records);
    }

    /// Gives up everything whose time is up.
    pub(super) fn sweep(&mut self, now: Instant) {
        if now < self.sweep_at || self.shared.used() == 0 {
            return;
        }
        self.sweep_at = now + self.tick();
        let timeout = self.shared.options.delivery_timeout;
        let Some(until) = now.checked_sub(timeout) else { return };
        for number in 0..self.partitions.len() {
            let partition = &mut self.partitions[number];
            let effects = partition.pipeline.expire(until, now);
            let expired_open = partition.slot.intake().expire(until);
            if effects.is_empty() && expired_open.is_empty() {
                continue;
            }
            for effect in effects {
                self.perform(number, effect);
            }
            let partition = &self.partitions[number];
            for open in expired_open {
                open.completion.complete(Err(expired(&partition.slot, timeout, false, partition.last.clone())));
                self.shared.release(&partition.slot, open.charged);
            }
            partition.slot.intake().forget_decided();
            self.look_at(number, now);
        }
    }

    pub(super) fn fail_partition(&mut self, number: usize, error: &ClientError) {
        let partition = &mut self.partitions[number];
        let slot = partition.slot.clone();
        slot.set_expected(false);
        for (batch, _) in partition.pipeline.drain() {
            batch.completion.complete(Err(error.clone()));
            self.shared.release(&slot, batch.charged);
        }
        let untaken = slot.intake().expire(Instant::now());
        for open in untaken {
            open.completion.complete(Err(error.clone()));
            self.shared.release(&slot, open.charged);
        }
        slot.intake().forget_decided();
    }
}

fn read(version: i16, frame: Bytes) -> Result<ProduceResponse, ClientError> {
    let read = client::split_response(ApiKey::Produce, version, frame)
        .and_then(|(_, body)| client::decode_produce(version, body));
    let wrong = |reason: String| ClientError::Decode {
        address: "the leader".into(),
        api: ApiKey::Produce,
        reason: reason.into(),
    };
    read.map_err(|error| wrong(error.to_string()))
}

fn by_partition(answer: &ProduceResponse) -> HashMap<(&str, i32), &produce_response::PartitionProduceResponse> {
    let mut parts = HashMap::new();
    for topic in &answer.responses {
        for part in &topic.partition_responses {
            parts.insert((&*topic.name, part.index), part);
        }
    }
    parts
}

/// Whether a refusal means that someone else leads, or nobody.
fn is_about_leader(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::KafkaStorageError
    )
}
