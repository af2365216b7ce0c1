//! What the sending task has to ask for itself: a producer id, and who leads.

use std::sync::Arc;

use callboard_model::{ProducerEpoch, ProducerId};
use callboard_wire::messages::{InitProducerIdRequest, Request, Response};
use tokio::time::Instant;

use super::super::pipeline::Identity;
use super::{Event, Sender};
use crate::ClientError;
use crate::net::cluster::{Cluster, Target};

impl Sender {
    pub(super) fn ask_identity(&mut self) {
        if std::mem::replace(&mut self.asking_identity, true) {
            return;
        }
        let cluster = self.cluster.clone();
        self.events.push(Box::pin(async move {
            let deadline = cluster.request_deadline(cluster.default_deadline());
            let asked = || ask_identity(&cluster, deadline);
            let what = "getting a producer id";
            Event::Identity(crate::net::retry::retrying(what, cluster.options(), deadline, asked).await)
        }));
    }

    pub(super) fn identified(&mut self, result: Result<Identity, ClientError>, now: Instant) {
        self.asking_identity = false;
        match result {
            Ok(identity) => self.identity = Some(identity),
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, "no producer id yet");
                self.partitions.iter_mut().for_each(|partition| partition.last = Some(error.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "no producer id: everything that waits for it fails");
                for number in 0..self.partitions.len() {
                    if self.partitions[number].pipeline.lacks_identity() {
                        self.fail_partition(number, &error);
                    }
                }
            }
        }
        (0..self.partitions.len()).for_each(|number| self.look_at(number, now));
    }

    pub(super) fn ask_metadata(&mut self, now: Instant) {
        if now >= self.refresh_at {
            self.refresh_at = now + self.shared.options.cluster.metadata_max_age;
            self.stale.extend(self.shared.topic_names());
        }
        self.stale.extend(self.shared.take_wanted());
        if self.asking_metadata || self.stale.is_empty() {
            return;
        }
        self.asking_metadata = true;
        let topics: Vec<Arc<str>> = self.stale.drain().collect();
        let cluster = self.cluster.clone();
        self.events.push(Box::pin(async move {
            let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
            let deadline = cluster.request_deadline(cluster.default_deadline());
            let result = cluster.topics(&names, deadline).await.map(drop);
            Event::Metadata { topics, result }
        }));
    }

    pub(super) fn learnt(&mut self, topics: Vec<Arc<str>>, result: Result<(), ClientError>, now: Instant) {
        self.asking_metadata = false;
        if let Err(error) = result {
            tracing::debug!(%error, "no metadata");
            return;
        }
        let metadata = self.cluster.metadata();
        for topic in &topics {
            self.shared.learn(&metadata, topic);
        }
        self.meet_partitions();
        for number in 0..self.partitions.len() {
            if topics.contains(&self.partitions[number].slot.topic) {
                self.look_at(number, now);
            }
        }
    }
}

async fn ask_identity(cluster: &Cluster, deadline: Instant) -> Result<Identity, ClientError> {
    let mut request = InitProducerIdRequest::default();
    (request.transactional_id, request.transaction_timeout_ms) = (None, 60_000);
    (request.producer_id, request.producer_epoch) = (-1, -1);
    let (_, answer) = cluster.ask(Target::Any, Request::InitProducerId(request), deadline).await?;
    let Response::InitProducerId(answer) = answer else {
        return Err(ClientError::Illegal("the answer to InitProducerId is of another kind".into()));
    };
    match ClientError::from_code(answer.error_code, "producer id", None) {
        Some(error) => Err(error),
        None if answer.producer_id < 0 || answer.producer_epoch < 0 => {
            Err(ClientError::Illegal(format!("the broker gave producer id {}", answer.producer_id).into()))
        }
        None => Ok(Identity { id: ProducerId(answer.producer_id), epoch: ProducerEpoch(answer.producer_epoch) }),
    }
}
