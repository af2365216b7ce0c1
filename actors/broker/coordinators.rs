//! Keeps a coordinator running for each partition of `__consumer_offsets` that is led here.

use std::sync::Arc;
use std::time::Duration;

use callboard_controller::Image;
use callboard_coordinator::{Command, Groups, Reply, TopicsDeleted};
use callboard_model::{CONSUMER_OFFSETS, PartitionIndex, TopicId, TopicName};
use callboard_runtime::{ChildSpec, Limits, Path, Placement, Restart, StartError, StopError, SupervisorRef};
use callboard_shard::SnapshotPolicy;

use super::applier::Work;
use super::published::{Coordinators, GroupCoordinator, LeaderRoute, Published, PublishedSender};
use crate::shard::{ShardHost, ShardMessage, ShardPlace, ShardReply};

/// Messages in a coordinator's mailbox; their bytes are bounded by the gateway's budget.
const MAILBOX: Limits = Limits { messages: 65_536, bytes: usize::MAX };
/// How long a coordinator may take to stop.
const STOP: Duration = Duration::from_secs(5);

impl Work {
    fn coordinators(&self) -> Result<SupervisorRef, String> {
        let pool = self.system.supervisor(&self.context.coordinators);
        pool.ok_or_else(|| "the pool of group coordinators is not there".to_owned())
    }

    /// Ends all coordinators if their topic is gone, or another one of that name has come: before the leaders that they
    /// write to end.
    pub(super) async fn end_coordinators(&self, published: &mut Published) -> Result<(), String> {
        let wanted = published.image.topic(CONSUMER_OFFSETS).map_or(TopicId::ZERO, |topic| topic.id);
        if published.coordinators.topic == wanted {
            return Ok(());
        }
        published.coordinators = Arc::default();
        // Nobody finds them any more from here on.
        self.context.published.send_modify(|current| current.coordinators = Arc::default());
        let pool = self.coordinators()?;
        let children: Vec<Path> = self.system.tree().into_iter().map(|actor| actor.path).collect();
        for child in children.iter().filter(|path| path.parent().as_ref() == Some(&self.context.coordinators)) {
            match pool.stop_child(child.name()).await {
                Ok(()) | Err(StopError::Unknown { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Starts those that are missing: each needs its partition's leader, which is there by now.
    pub(super) async fn begin_coordinators(&self, published: &mut Published) -> Result<(), String> {
        let Some(route) = published.routes.get(CONSUMER_OFFSETS).cloned() else { return Ok(()) };
        let Ok(topic) = TopicName::new(CONSUMER_OFFSETS) else { return Ok(()) };
        let mut running = Vec::with_capacity(route.leaders.len());
        for (partition, leader) in (0..).map(PartitionIndex).zip(&route.leaders) {
            running.push(match leader {
                Some(leader) => Some(self.start_coordinator(&topic, partition, leader).await?),
                None => None,
            });
        }
        published.coordinators = Arc::new(Coordinators { topic: route.id, running });
        Ok(())
    }

    async fn start_coordinator(
        &self,
        topic: &TopicName,
        partition: PartitionIndex,
        leader: &LeaderRoute,
    ) -> Result<GroupCoordinator, String> {
        let LeaderRoute { log, leader } = leader.clone();
        let place = ShardPlace { topic: topic.clone(), partition, log, leader };
        let (shards, groups) = (Arc::clone(&self.context.shards), self.context.groups.clone());
        let metadata = Arc::clone(&self.context.published);
        let name = partition.to_string();
        let make = move |_: &_| {
            let groups = groups.clone();
            let fresh = move || Groups::new(groups.clone());
            // The topic keeps the newest record of each key.
            let host = ShardHost::new(Arc::clone(&shards), place.clone(), SnapshotPolicy::ByKey, fresh);
            let metadata = Arc::clone(&metadata);
            Ok(host.when_loaded(move |coordinator| look_for_deleted(coordinator, Arc::clone(&metadata))))
        };
        let spec = ChildSpec::worker(&name, make)
            .restart(Restart::Permanent)
            .limits(MAILBOX)
            .stop_timeout(STOP)
            // Beside its partition's leader: an append then crosses no thread.
            .placement(Placement::Data(log.0 as usize % self.context.arbiters.max(1)));
        match self.coordinators()?.start_child(spec).await {
            // One of an earlier incarnation of this actor goes on: its topic is the same, else it would have been ended.
            Ok(_) | Err(StartError::Exists { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
        let path = self.context.coordinators.join(&name);
        self.system.resolve(&path).ok_or_else(|| format!("coordinator {name} is not there after its start"))
    }

    /// Positions in topics that are gone mean nothing any more. A coordinator that is loading just now looks for itself
    /// when it has loaded, in metadata that the topics are no longer in.
    pub(super) fn tell_deleted(&self, topics: &[(TopicId, TopicName)], published: &Published) {
        if topics.is_empty() {
            return;
        }
        self.context.published.send_modify(|current| current.image = published.image.clone());
        for coordinator in published.coordinators.all() {
            forget(coordinator, topics.iter().map(|(id, name)| (name.as_str().into(), *id)).collect());
        }
    }
}

/// Has a coordinator forget the positions in topics that are gone.
fn forget(coordinator: &GroupCoordinator, topics: Vec<(Arc<str>, TopicId)>) {
    let command = Command::TopicsDeleted(TopicsDeleted { topics });
    // Nobody waits for the answer, and the command counts all the same.
    let reply = ShardReply::<Groups>::from_fn(Box::new(|_| {}));
    drop(coordinator.tell(ShardMessage::Command { command, reply }));
}

/// Has a coordinator that has just loaded forget the positions in topics that went while nobody told it: the node stopped
/// in between, or it was loading.
fn look_for_deleted(coordinator: GroupCoordinator, metadata: Arc<PublishedSender>) {
    let asked = coordinator.clone();
    let reply = ShardReply::<Groups>::from_fn(Box::new(move |answer| {
        let Some(Ok(Reply::CommittedTopics(topics))) = answer else { return };
        let image = metadata.borrow().image.clone();
        let is_gone = |(name, id): &(Arc<str>, TopicId)| {
            image.topic(name).is_none_or(|topic| *id != TopicId::ZERO && topic.id != *id)
        };
        let gone: Vec<_> = topics.into_iter().filter(is_gone).collect();
        if !gone.is_empty() {
            tracing::info!(coordinator = %coordinator.path(), topics = gone.len(), "positions in deleted topics go");
            forget(&coordinator, gone);
        }
    }));
    drop(asked.tell(ShardMessage::Command { command: Command::CommittedTopics, reply }));
}

/// Whether a change concerns the coordinators at all.
pub(super) fn concerns(image: &Image, begun: &[TopicId]) -> bool {
    image.topic(CONSUMER_OFFSETS).is_some_and(|topic| begun.contains(&topic.id))
}
