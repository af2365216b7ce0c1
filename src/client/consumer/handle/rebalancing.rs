//! The user's part of a rebalance, of commits and of the end.

use super::super::membership::Task;
use super::*;

/// How long a commit may hold up a rebalance.
const COMMIT_BEFORE_REBALANCE: Duration = Duration::from_secs(30);

impl Consumer {
    /// Does what the membership wants of the user. Cut short, it begins again with the next poll.
    pub(super) async fn attend(&mut self) -> Result<(), ConsumerError> {
        loop {
            if let Some(partitions) = &self.arrived {
                let partitions = partitions.clone();
                self.tell_listener(Change::Assigned, &partitions).await;
                self.arrived = None;
            }
            let task = {
                let state = self.shared.lock();
                let task = state.task();
                if task.is_none() {
                    self.shared.attention.store(false, Ordering::Release);
                }
                task
            };
            match task {
                None => return Ok(()),
                Some(Task::Fail(error)) => return Err(error.into()),
                Some(Task::GiveUp { leaving, lost }) => self.give_up(leaving, lost).await,
                Some(Task::Take { assigned }) => self.take_over(assigned).await,
            }
        }
    }

    async fn give_up(&mut self, leaving: BTreeSet<TopicPartition>, lost: bool) {
        if !lost {
            self.commit_before_rebalance().await;
        }
        let leaving: Vec<_> = leaving.into_iter().collect();
        if !leaving.is_empty() {
            self.tell_listener(if lost { Change::Lost } else { Change::Revoked }, &leaving).await;
        }
        self.flush();
        self.change(|state| {
            let mut kept = state.positions.assigned();
            kept.retain(|partition| !leaving.contains(partition));
            state.assign(&kept);
            if let Some(membership) = &mut state.membership {
                membership.prepared(kept);
            }
        });
        self.drop_unwanted();
    }

    async fn take_over(&mut self, assigned: BTreeSet<TopicPartition>) {
        let before = self.assignment();
        let leaving: Vec<_> = before.difference(&assigned).cloned().collect();
        if !leaving.is_empty() {
            // The generation is the new one already, and nobody gets these before the next.
            self.commit_before_rebalance().await;
            self.tell_listener(Change::Revoked, &leaving).await;
        }
        self.arrived = Some(assigned.difference(&before).cloned().collect());
        self.flush();
        self.change(|state| {
            state.assign(&assigned);
            if let Some(membership) = &mut state.membership {
                membership.accepted(assigned, !leaving.is_empty());
            }
        });
        self.drop_unwanted();
    }

    async fn tell_listener(&mut self, change: Change, partitions: &[TopicPartition]) {
        let Some(listener) = self.listener.clone() else { return };
        let mut listener = listener.lock_owned().await;
        match change {
            Change::Revoked => listener.revoked(self, partitions).await,
            Change::Assigned => listener.assigned(self, partitions).await,
            Change::Lost => listener.lost(self, partitions).await,
        }
    }

    async fn commit_before_rebalance(&mut self) {
        let allowed = COMMIT_BEFORE_REBALANCE.min(self.options.max_poll_interval);
        if let Some(ended) = self.commit_by_itself(Some(Instant::now() + allowed))
            && let Ok(Err(error)) = ended.await
        {
            tracing::warn!(%error, "the commit before a rebalance failed: some records will be read again");
        }
    }

    /// Commits what was handed out, if that is done by itself and there is anything new. With a deadline the result can be
    /// waited for.
    pub(super) fn commit_by_itself(
        &mut self,
        deadline: Option<Instant>,
    ) -> Option<oneshot::Receiver<Result<(), ConsumerError>>> {
        if !self.options.enable_auto_commit || self.coordinator.is_none() {
            return None;
        }
        self.flush();
        let default = self.cluster.default_deadline();
        self.change(|state| {
            let offsets = state.uncommitted();
            if offsets.is_empty() && state.commits.is_empty() {
                return None;
            }
            let Some(deadline) = deadline else {
                // While a coordinator cannot be reached, one commit waits, not one for every interval.
                match state.commits.back_mut().filter(|job| job.reply.is_none()) {
                    Some(waiting) => {
                        waiting.offsets.extend(offsets);
                        waiting.deadline = default;
                    }
                    None => state.commits.push_back(CommitJob { offsets, deadline: default, reply: None }),
                }
                return None;
            };
            let (reply, ended) = oneshot::channel();
            state.commits.push_back(CommitJob { offsets, deadline, reply: Some(reply) });
            Some(ended)
        })
    }

    /// Commits everything that was handed out, and waits until the group has it.
    pub async fn commit(&mut self) -> Result<(), ConsumerError> {
        self.flush();
        let offsets = self.shared.lock().uncommitted();
        self.commit_offsets(offsets).await
    }

    /// Commits these offsets, each that of the next record to be read, and waits until the group has them.
    pub async fn commit_offsets(
        &mut self,
        offsets: BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<(), ConsumerError> {
        if self.coordinator.is_none() {
            return Err(ConsumerError::NoGroup);
        }
        match self.enqueue_commit(offsets).await {
            Ok(result) => result,
            Err(_) => Err(crate::ClientError::Closed("consumer").into()),
        }
    }

    /// Commits everything that was handed out, in order with other commits, without waiting. What it gives can be waited
    /// for, or dropped.
    pub fn commit_later(
        &mut self,
    ) -> Result<impl Future<Output = Result<(), ConsumerError>> + Send + 'static, ConsumerError> {
        if self.coordinator.is_none() {
            return Err(ConsumerError::NoGroup);
        }
        self.flush();
        let offsets = self.shared.lock().uncommitted();
        let ended = self.enqueue_commit(offsets);
        Ok(async move { ended.await.unwrap_or_else(|_| Err(crate::ClientError::Closed("consumer").into())) })
    }

    fn enqueue_commit(
        &mut self,
        offsets: BTreeMap<TopicPartition, CommittedOffset>,
    ) -> oneshot::Receiver<Result<(), ConsumerError>> {
        let (reply, ended) = oneshot::channel();
        let deadline = self.cluster.default_deadline();
        self.change(|state| state.commits.push_back(CommitJob { offsets, deadline, reply: Some(reply) }));
        ended
    }

    /// Ends the subscription or the assignment: commits if that is done by itself, leaves the group.
    pub async fn unsubscribe(&mut self) {
        self.let_go(self.cluster.default_deadline()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the commit before leaving failed: some records will be read again");
        });
        self.change(|state| {
            state.interest = Interest::Nothing;
            state.assign(&BTreeSet::new());
            state.ready.clear();
            state.buffered = 0;
            if let Some(membership) = &mut state.membership {
                membership.leave();
            }
        });
        self.drop_unwanted();
    }

    async fn let_go(&mut self, deadline: Instant) -> Result<(), ConsumerError> {
        let (assigned, lost) = {
            let state = self.shared.lock();
            let grouped = !matches!(state.interest, Interest::Partitions | Interest::Nothing);
            let lost = grouped && state.membership.as_ref().is_some_and(|member| member.identity().generation < 0);
            (state.positions.assigned(), lost)
        };
        let mut committed = Ok(());
        if !lost && let Some(ended) = self.commit_by_itself(Some(deadline)) {
            let late = || ConsumerError::illegal("the commit at the end came to no end in time");
            committed = match timeout_at(deadline, ended).await {
                Ok(Ok(result)) => result,
                _ => Err(late()),
            };
        }
        let assigned: Vec<_> = assigned.into_iter().collect();
        if !assigned.is_empty() {
            let change = if lost { Change::Lost } else { Change::Revoked };
            let _ = timeout_at(deadline, self.tell_listener(change, &assigned)).await;
        }
        committed
    }

    /// Commits if that is done by itself, leaves the group, ends the connections. Takes `timeout` at most; the error is that
    /// of the commit.
    pub async fn close(mut self, timeout: Duration) -> Result<(), ConsumerError> {
        let deadline = Instant::now() + timeout;
        let committed = self.let_go(deadline).await;
        self.change(|state| {
            state.closing = Some(deadline);
            if let Some(membership) = &mut state.membership {
                membership.leave();
            }
        });
        if let Some(mut driver) = self.driver.take()
            && timeout_at(deadline, &mut driver).await.is_err()
        {
            driver.abort();
        }
        committed
    }
}

#[derive(Clone, Copy)]
enum Change {
    Revoked,
    Assigned,
    Lost,
}
