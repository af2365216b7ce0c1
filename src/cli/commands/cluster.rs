//! `callboard cluster`.

mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_client::model::BrokerId;
use callboard_client::{Admin, ClusterDescription, Topic};

use crate::arguments::{ClusterCommand, ClusterNoun, HealthGoal, Span, Watching};
use crate::connection::Place;
use crate::fault::{Exit, Fault};
use crate::run::{Outcome, watch};

pub(crate) async fn run(noun: ClusterNoun) -> Result<Outcome, Fault> {
    let place = Place::find(&noun.link, None)?;
    let admin = place.admin().await?;
    let (place, admin, shown) = (&place, &admin, &noun.shown);
    match noun.command {
        ClusterCommand::Status { watching } => {
            watch(shown, &watching, || async move { status(place, admin).await }, |_| false).await
        }
        ClusterCommand::Nodes { watching } => {
            watch(shown, &watching, || async move { nodes(place, admin).await }, |_| false).await
        }
        ClusterCommand::Quorum { watching } => {
            watch(shown, &watching, || async move { quorum(place, admin).await }, |_| false).await
        }
        ClusterCommand::Health { watching, until } => {
            let every = watching.watch.or(until.map(|_| Span(std::time::Duration::from_secs(2))));
            let reached = |outcome: &Outcome| {
                until == Some(HealthGoal::Healthy) && outcome.condition.is_none() && outcome.faults.is_empty()
            };
            let watching = Watching { watch: every };
            watch(shown, &watching, || async move { health(place, admin).await }, reached).await
        }
    }
}

/// The cluster, its topics, and the groups' states.
pub(super) struct Picture {
    pub(super) cluster: ClusterDescription,
    pub(super) topics: Vec<Arc<Topic>>,
    /// State -> how many groups.
    pub(super) groups: BTreeMap<String, usize>,
    pub(super) nodes: Vec<NodeFacts>,
}

/// What a node leads and stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeFacts {
    pub(super) id: BrokerId,
    pub(super) address: String,
    pub(super) rack: Option<String>,
    pub(super) fenced: bool,
    pub(super) controller: bool,
    pub(super) leaders: usize,
    pub(super) replicas: usize,
    /// Bytes of all logs; `None` if it could not be asked.
    pub(super) log_bytes: Option<u64>,
    pub(super) disk_total: Option<u64>,
    pub(super) disk_free: Option<u64>,
}

/// The word on the whole.
pub(super) fn health_word(picture: &Picture) -> &'static str {
    show::health_word(picture)
}

pub(super) async fn picture(place: &Place, admin: &Admin) -> Result<(Picture, Vec<Fault>), Fault> {
    let fault = |error| place.fault(&error);
    let (cluster, metadata, groups) = tokio::join!(admin.describe_cluster(), admin.list_topics(), admin.list_groups());
    let (cluster, metadata) = (cluster.map_err(fault)?, metadata.map_err(fault)?);
    let mut faults = Vec::new();
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    match groups {
        Ok(listing) => {
            listing.groups.iter().for_each(|group| *states.entry(group.state.clone()).or_default() += 1);
            faults.extend(listing.failures.iter().map(|(_, error)| place.fault(error)));
        }
        Err(error) => faults.push(place.fault(&error)),
    }
    let topics: Vec<Arc<Topic>> = metadata.topics().cloned().collect();
    let serving: Vec<BrokerId> =
        cluster.brokers.iter().filter(|broker| !broker.fenced).map(|broker| broker.id).collect();
    let dirs = admin.describe_log_dirs(&serving).await;
    let nodes = cluster.brokers.iter().map(|broker| {
        let partitions = || topics.iter().flat_map(|topic| &topic.partitions);
        let found = dirs.get(&broker.id).and_then(|found| found.as_ref().ok());
        let sum = |of: fn(&callboard_client::LogDir) -> Option<i64>| {
            let sums: Option<Vec<u64>> =
                found?.iter().map(|dir| of(dir).and_then(|bytes| u64::try_from(bytes).ok())).collect();
            sums.filter(|all| !all.is_empty()).map(|all| all.into_iter().sum())
        };
        NodeFacts {
            id: broker.id,
            address: format!("{}:{}", broker.host, broker.port),
            rack: broker.rack.clone(),
            fenced: broker.fenced,
            controller: cluster.controller == Some(broker.id),
            leaders: partitions().filter(|partition| partition.leader == Some(broker.id)).count(),
            replicas: partitions().filter(|partition| partition.replicas.contains(&broker.id)).count(),
            log_bytes: sum(|dir| Some(dir.replicas.iter().map(|replica| replica.bytes.max(0)).sum())),
            disk_total: sum(|dir| dir.total_bytes),
            disk_free: sum(|dir| dir.usable_bytes),
        }
    });
    let nodes = nodes.collect();
    faults.extend(dirs.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).map(|error| place.fault(error)));
    Ok((Picture { cluster, topics, groups: states, nodes }, faults))
}

async fn status(place: &Place, admin: &Admin) -> Result<Outcome, Fault> {
    let (picture, faults) = picture(place, admin).await?;
    Ok(Outcome::answer(show::status(&picture)).faults(faults))
}

async fn nodes(place: &Place, admin: &Admin) -> Result<Outcome, Fault> {
    let (picture, faults) = picture(place, admin).await?;
    Ok(Outcome::answer(show::nodes(&picture.nodes)).faults(faults))
}

async fn health(place: &Place, admin: &Admin) -> Result<Outcome, Fault> {
    let (picture, faults) = picture(place, admin).await?;
    let (answer, healthy) = show::health(&picture);
    let condition = (!healthy).then_some(Exit::ConditionNotMet);
    Ok(Outcome { condition, ..Outcome::answer(answer) }.faults(faults))
}

async fn quorum(place: &Place, admin: &Admin) -> Result<Outcome, Fault> {
    let quorum = admin.describe_quorum().await.map_err(|error| place.fault(&error))?;
    Ok(Outcome::answer(show::quorum(&quorum, super::topic::now_ms())))
}
