//! What a new image means for this node's partitions: which to begin, which to end, which to tell of new settings.
//!
//! Pure: compares the image with what runs here.

use std::collections::BTreeSet;

use callboard_controller::{Delta, Image, StaticConfig, TopicIdPartition, TopicImage};
use callboard_model::{BrokerId, LogConfig, PartitionIndex, TopicId, TopicName};
use callboard_storage::{NewLog, RetentionClass};

/// A partition that this node begins to lead.
#[derive(Clone, Debug)]
pub(super) struct Begin {
    pub(super) topic: TopicName,
    pub(super) log: NewLog,
}

/// What to do, in this order.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Topics whose partitions end here, with their data.
    pub(super) end: Vec<(TopicId, TopicName)>,
    /// Partitions that begin here.
    pub(super) begin: Vec<Begin>,
    /// Partitions that go on with other settings.
    pub(super) configure: Vec<(TopicName, PartitionIndex, LogConfig)>,
}

/// What a delta asks of broker `me`.
pub(super) fn plan(image: &Image, delta: &Delta, me: BrokerId, settings: &StaticConfig) -> Plan {
    let mut plan = Plan {
        end: delta.topics_removed.iter().map(|(id, topic)| (*id, topic.name.clone())).collect(),
        ..Plan::default()
    };
    for at in &delta.partitions_added {
        let Some(topic) = image.topic_by_id(at.topic) else { continue };
        if leads(topic, at.partition, me) {
            let class = RetentionClass::of(&image.log_config(topic, me, settings));
            let log = NewLog { topic: at.topic, partition: at.partition, class };
            plan.begin.push(Begin { topic: topic.name.clone(), log });
        }
    }
    for topic in reconfigured(image, delta) {
        let Some(topic) = image.topic_by_id(topic) else { continue };
        let config = image.log_config(topic, me, settings);
        for (partition, _) in topic.partitions() {
            let at = TopicIdPartition { topic: topic.id, partition };
            if !delta.partitions_added.contains(&at) && leads(topic, partition, me) {
                plan.configure.push((topic.name.clone(), partition, config.clone()));
            }
        }
    }
    plan
}

/// Topics whose effective settings may differ; a broker's dynamic config concerns all of them.
fn reconfigured(image: &Image, delta: &Delta) -> BTreeSet<TopicId> {
    if delta.broker_configs_changed.is_empty() {
        delta.topic_configs_changed.keys().copied().collect()
    } else {
        image.topics().map(|topic| topic.id).collect()
    }
}

fn leads(topic: &TopicImage, partition: PartitionIndex, me: BrokerId) -> bool {
    topic.partition(partition).is_some_and(|partition| partition.leader == Some(me))
}
