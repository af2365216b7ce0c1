//! Gathers what the metrics page shows beside the counters: brokers, actors by class, partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use callboard_runtime::{ActorInfo, ActorState};
use callboard_telemetry::{ActorClass, ActorState as ShownState, BrokerSnapshot, PartitionSnapshot, Snapshot};
use futures_util::future::join_all;

use super::routes::AdminContext;
use crate::partition::PartitionMessage;
use crate::telling::class;

/// Partitions that are asked for their positions; the page lists no more.
const PARTITIONS_MAX: usize = 2_000;
/// How long a leader may take to say its positions.
const DEADLINE: Duration = Duration::from_millis(500);

/// The state of the node now.
pub(super) async fn snapshot(context: &AdminContext) -> Snapshot {
    let published = context.published.borrow().clone();
    let brokers = published.image.brokers().map(|broker| BrokerSnapshot {
        id: broker.id.get(),
        address: broker.endpoints.first().map_or_else(String::new, |at| format!("{}:{}", at.host, at.port)),
    });
    let mut partitions = Vec::new();
    let mut asking = Vec::new();
    for topic in published.image.topics() {
        let name: Arc<str> = topic.name.as_str().into();
        let config = published.image.log_config(topic, context.me, &context.settings);
        let route = published.routes.get(&topic.name);
        for (index, partition) in topic.partitions() {
            let leader = route.and_then(|route| route.leader(index));
            if let Some(leader) = leader.filter(|_| asking.len() < PARTITIONS_MAX) {
                let answer = leader.leader.ask(DEADLINE, PartitionMessage::Inspect);
                let at = partitions.len();
                asking.push(async move { (at, answer.await) });
            }
            partitions.push(PartitionSnapshot {
                topic: Arc::clone(&name),
                partition: index.get(),
                leader: partition.leader.map_or(-1, |leader| leader.get()),
                leads_here: partition.leader == Some(context.me),
                online: leader.is_some(),
                replicas: partition.replicas.iter().map(|broker| broker.get()).collect(),
                in_sync: partition.isr.len(),
                min_in_sync: config.min_insync_replicas,
                log_start: 0,
                high_watermark: 0,
                log_bytes: None,
            });
        }
    }
    for (at, answer) in join_all(asking).await {
        let shown = &mut partitions[at];
        match answer {
            Ok(leader) => {
                shown.log_start = leader.start.get();
                shown.high_watermark = leader.high_watermark.get();
                shown.log_bytes = Some(leader.size_bytes);
            }
            Err(_) => shown.online = false,
        }
    }
    let actors = context.system.get().map_or_else(Vec::new, |system| classes(&system.tree()));
    Snapshot { brokers: brokers.collect(), partitions, actors }
}

fn classes(tree: &[ActorInfo]) -> Vec<ActorClass> {
    let mut classes: BTreeMap<(String, ShownState), ActorClass> = BTreeMap::new();
    for actor in tree {
        let state = match actor.state {
            ActorState::Starting => ShownState::Starting,
            ActorState::Running => ShownState::Running,
            ActorState::Stopping => ShownState::Stopping,
            ActorState::Parked => ShownState::Restarting,
            ActorState::Gone => ShownState::Failed,
        };
        let class = class(&actor.path);
        let waiting = actor.mailbox_messages as u64;
        let entry = classes.entry((class.clone(), state)).or_insert(ActorClass {
            class,
            state,
            count: 0,
            mailbox_sum: 0,
            mailbox_max: 0,
        });
        entry.count += 1;
        entry.mailbox_sum += waiting;
        entry.mailbox_max = entry.mailbox_max.max(waiting);
    }
    classes.into_values().collect()
}
