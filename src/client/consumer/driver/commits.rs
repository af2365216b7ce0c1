//! Commits, one after the other: an older one that is tried again must not overtake a newer one.

use callboard_model::ErrorCode;

use super::super::membership::Identity;
use super::*;

impl Driver {
    /// Sends the next commit if none is under way.
    pub(super) fn send_commit(&mut self, state: &mut State) {
        let Some(coordinator) = self.coordinator.clone() else { return };
        while !self.commit_under_way {
            let Some(job) = state.commits.pop_front() else { return };
            let alone = Identity { member: "".into(), generation: -1, instance: None };
            // Partitions chosen by hand are committed outside of any generation.
            let who = match &state.membership {
                Some(membership) if state.interest.is_shared() => membership.identity(),
                _ => alone,
            };
            if job.offsets.is_empty() {
                job.tell(Ok(()));
                continue;
            }
            if state.interest.is_shared() && who.generation < 0 {
                // While a group is empty its coordinator believes anyone without a generation, late ones too.
                job.tell(Err(ConsumerError::CommitFailed { code: ErrorCode::IllegalGeneration }));
                continue;
            }
            self.commit_under_way = true;
            let coordinator = coordinator.clone();
            self.wait_for(async move {
                let generation = who.generation;
                let result = commit(&coordinator, &who, &job).await;
                Done::CommitEnded { job, generation, result }
            });
        }
    }

    pub(super) fn take_commit(
        &mut self,
        state: &mut State,
        job: CommitJob,
        generation: i32,
        result: Result<(), ClientError>,
        now: Instant,
    ) {
        self.commit_under_way = false;
        let told = match result {
            Ok(()) => {
                let assigned = job.offsets.iter().filter(|(partition, _)| state.positions.slot(partition).is_some());
                let news: Vec<_> = assigned.map(|(partition, one)| (partition.clone(), one.offset)).collect();
                state.committed.extend(news);
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "a commit failed");
                let mut outgrown = false;
                if let Some(membership) = &mut state.membership {
                    outgrown = generation >= 0 && membership.has_outgrown(generation);
                    membership.commit_refused(generation, &error, now);
                }
                match error.kafka_code() {
                    Some(ErrorCode::IllegalGeneration) if outgrown => Err(ConsumerError::Rebalancing),
                    _ => Err(meaning(error)),
                }
            }
        };
        job.tell(told);
    }
}

fn meaning(error: ClientError) -> ConsumerError {
    match &error {
        ClientError::Kafka { code: ErrorCode::RebalanceInProgress, .. } => ConsumerError::Rebalancing,
        ClientError::Kafka {
            code: code @ (ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId),
            ..
        } => ConsumerError::CommitFailed { code: *code },
        _ => error.into(),
    }
}

/// Tries until it is done, refused for good, or late. The same offsets twice do no harm.
async fn commit(coordinator: &Coordinator, who: &Identity, job: &CommitJob) -> Result<(), ClientError> {
    let options = coordinator.cluster.options();
    crate::retrying("committing offsets", options, job.deadline, || async {
        let result = coordinator.commit(who, &job.offsets, job.deadline).await;
        if let Err(error) = &result {
            coordinator.note_error(error);
        }
        result
    })
    .await
}
