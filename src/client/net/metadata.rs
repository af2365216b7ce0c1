//! What is known of the cluster: brokers, topics, leaders. A value; a newer answer makes a newer one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use callboard_model::{BrokerId, ErrorCode, LeaderEpoch, TopicId};
use callboard_wire::messages::{MetadataResponse, MetadataResponsePartition, MetadataResponseTopic};
use tokio::time::Instant;

use super::address;

/// A picture of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    cluster_id: Option<Arc<str>>,
    controller: Option<BrokerId>,
    brokers: BTreeMap<BrokerId, Broker>,
    topics: HashMap<Arc<str>, Arc<Topic>>,
    errors: HashMap<Arc<str>, ErrorCode>,
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: BrokerId,
    /// Its host as advertised.
    pub host: Arc<str>,
    /// Its port as advertised.
    pub port: u16,
    /// Its rack, if it has one.
    pub rack: Option<Arc<str>>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; [`TopicId::ZERO`] from brokers that have none.
    pub id: TopicId,
    /// Whether the brokers keep their own state in it.
    pub internal: bool,
    /// In the order of their numbers, each once.
    pub partitions: Vec<Partition>,
    /// When this was learnt.
    pub(crate) learnt_at: Instant,
    /// Whether something since has shown that it is no longer so.
    pub(crate) stale: bool,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// Who leads it, if anyone does.
    pub leader: Option<BrokerId>,
    /// The leader's epoch, if the broker tells.
    pub leader_epoch: LeaderEpoch,
    /// Brokers that have a replica; the first is preferred as leader.
    pub replicas: Vec<BrokerId>,
    /// Replicas in sync.
    pub isr: Vec<BrokerId>,
    /// Replicas that are down.
    pub offline: Vec<BrokerId>,
    /// What the broker says of it, [`ErrorCode::None`] if all is well.
    pub error: ErrorCode,
}

impl Broker {
    /// `host:port`.
    pub fn address(&self) -> Arc<str> {
        address::format(&self.host, self.port)
    }
}

impl Topic {
    /// A topic that was just learnt of, for programs that show topics and test how they do.
    pub fn new(name: impl Into<Arc<str>>, id: TopicId, internal: bool, partitions: Vec<Partition>) -> Self {
        Self { name: name.into(), id, internal, partitions, learnt_at: Instant::now(), stale: false }
    }

    /// A partition by its number.
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        // Numbers nearly always start at 0 without gaps.
        match usize::try_from(index).ok().and_then(|at| self.partitions.get(at)) {
            Some(partition) if partition.index == index => Some(partition),
            _ => {
                let at = self.partitions.binary_search_by_key(&index, |partition| partition.index).ok()?;
                self.partitions.get(at)
            }
        }
    }
}

impl Metadata {
    /// The cluster's own id, if it has one.
    pub fn cluster_id(&self) -> Option<&Arc<str>> {
        self.cluster_id.as_ref()
    }

    /// The broker to ask for changes, if one is known.
    pub fn controller(&self) -> Option<BrokerId> {
        self.controller
    }

    /// All brokers, by id.
    pub fn brokers(&self) -> impl ExactSizeIterator<Item = &Broker> {
        self.brokers.values()
    }

    /// A broker by its id.
    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.get(&id)
    }

    /// Topics that were asked for and exist, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        let mut names: Vec<_> = self.topics.keys().collect();
        names.sort_unstable();
        names.into_iter().filter_map(|name| self.topics.get(name))
    }

    /// A topic by its name, if it was asked for and exists.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// A topic by its id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.values().find(|topic| topic.id == id && id != TopicId::ZERO)
    }

    /// Why a topic that was asked for is not there.
    pub fn error(&self, name: &str) -> Option<ErrorCode> {
        self.errors.get(name).copied()
    }

    /// Who leads a partition, as far as is known.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<BrokerId> {
        self.topics.get(topic)?.partition(partition)?.leader
    }

    /// Names of everything that was asked for.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.topics.keys().chain(self.errors.keys()).cloned().collect();
        names.sort_unstable();
        names
    }

    /// This with what an answer says. `complete`: the answer lists every topic, others are gone.
    pub(crate) fn with(&self, answer: &MetadataResponse, complete: bool, now: Instant) -> Self {
        let mut next = self.clone();
        if let Some(id) = &answer.cluster_id {
            next.cluster_id = Some(id.as_str().into());
        }
        next.controller = known(answer.controller_id);
        if !answer.brokers.is_empty() {
            next.brokers.clear();
        }
        for broker in &answer.brokers {
            let (Some(id), Ok(port)) = (known(broker.node_id), u16::try_from(broker.port)) else { continue };
            let rack = broker.rack.as_ref().map(|rack| rack.as_str().into());
            next.brokers.insert(id, Broker { id, host: broker.host.as_str().into(), port, rack });
        }
        if complete {
            next.topics.clear();
            next.errors.clear();
        }
        for topic in &answer.topics {
            let Some(name) = &topic.name else { continue };
            let name: Arc<str> = name.as_str().into();
            let error = code(topic.error_code);
            // While a topic is being created its partitions may be listed already.
            if error == ErrorCode::None {
                next.errors.remove(&name);
                let read = learnt(name.clone(), topic, self.topics.get(&name), now);
                next.topics.insert(name, Arc::new(read));
            } else {
                next.topics.remove(&name);
                next.errors.insert(name, error);
            }
        }
        next
    }

    /// This with a topic marked as no longer right; `None` if there is nothing to mark.
    pub(crate) fn with_stale(&self, name: &str) -> Option<Self> {
        let topic = self.topics.get(name).filter(|topic| !topic.stale)?;
        let mut next = self.clone();
        next.topics.insert(topic.name.clone(), Arc::new(Topic { stale: true, ..(**topic).clone() }));
        Some(next)
    }

    /// This with a partition's leader as another answer named it (KIP-951), if that is newer.
    pub(crate) fn with_leader(&self, name: &str, index: i32, leader: BrokerId, epoch: LeaderEpoch) -> Option<Self> {
        let topic = self.topics.get(name)?;
        let at = topic.partitions.iter().position(|partition| partition.index == index)?;
        if topic.partitions[at].leader_epoch >= epoch || !self.brokers.contains_key(&leader) {
            return None;
        }
        let mut changed = (**topic).clone();
        changed.partitions[at].leader = Some(leader);
        changed.partitions[at].leader_epoch = epoch;
        let mut next = self.clone();
        next.topics.insert(topic.name.clone(), Arc::new(changed));
        Some(next)
    }

    /// This with a broker that another answer named.
    pub(crate) fn with_broker(&self, broker: Broker) -> Self {
        let mut next = self.clone();
        next.brokers.insert(broker.id, broker);
        next
    }
}

fn learnt(name: Arc<str>, topic: &MetadataResponseTopic, before: Option<&Arc<Topic>>, now: Instant) -> Topic {
    let id = TopicId::from_bytes(topic.topic_id.to_bytes());
    let before = before.filter(|before| before.id == id);
    let mut partitions: Vec<_> = topic
        .partitions
        .iter()
        .filter(|partition| partition.partition_index >= 0)
        .map(|partition| {
            let read = read_partition(partition);
            // Brokers learn of a new leader one after the other: what one of them says may be older than what is known.
            match before.and_then(|before| before.partition(read.index)) {
                Some(newer) if read.leader_epoch.is_known() && newer.leader_epoch > read.leader_epoch => newer.clone(),
                _ => read,
            }
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    partitions.dedup_by_key(|partition| partition.index);
    Topic { name, id, internal: topic.is_internal, partitions, learnt_at: now, stale: false }
}

fn read_partition(partition: &MetadataResponsePartition) -> Partition {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    Partition {
        index: partition.partition_index,
        leader: known(partition.leader_id),
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        replicas: ids(&partition.replica_nodes),
        isr: ids(&partition.isr_nodes),
        offline: ids(&partition.offline_replicas),
        error: code(partition.error_code),
    }
}

fn known(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}

fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
}

#[cfg(test)]
mod tests;
