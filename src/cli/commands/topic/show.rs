//! What `callboard topic list|describe|offsets` shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_client::model::BrokerId;
use callboard_client::{ConfigEntry, ConfigResource, ListedOffset, Partition, Topic, TopicPartition};

use super::{Described, Ends};
use crate::moment;
use crate::output::{Answer, Cell, Column, Doc, Mood, Sheet, Table};

/// How a topic is: every partition led, every replica in sync?
pub(in crate::commands) fn state(topic: &Topic) -> (Mood, String) {
    let leaderless = topic.partitions.iter().filter(|partition| partition.leader.is_none()).count();
    let behind = topic.partitions.iter().filter(|partition| partition.isr.len() < partition.replicas.len()).count();
    match (leaderless, behind) {
        (0, 0) => (Mood::Good, "ok".to_owned()),
        (0, behind) => (Mood::Degraded, format!("{behind} under-replicated")),
        (leaderless, _) => (Mood::Bad, format!("{leaderless} without leader")),
    }
}

fn ids(ids: &[BrokerId]) -> String {
    ids.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(",")
}

fn ids_doc(ids: &[BrokerId]) -> Doc {
    Doc::list(ids.iter().map(|id| id.0))
}

pub(super) fn list(topics: &[Arc<Topic>]) -> Answer {
    let columns = [
        Column::text("TOPIC"),
        Column::number("PARTITIONS"),
        Column::number("REPLICAS"),
        Column::text("STATE"),
        Column::text("INTERNAL").wide(),
        Column::text("ID").wide(),
    ];
    let mut table = Table::new(columns, "no topics; callboard topic create NAME makes one");
    for topic in topics {
        let replicas = topic.partitions.iter().map(|partition| partition.replicas.len()).max().unwrap_or(0);
        let (mood, text) = state(topic);
        let doc = Doc::map([
            ("name", Doc::from(&*topic.name)),
            ("id", Doc::from(topic.id.to_string())),
            ("partitions", Doc::from(topic.partitions.len())),
            ("replicas", Doc::from(replicas)),
            ("internal", Doc::from(topic.internal)),
            ("state", Doc::from(text.as_str())),
        ]);
        let cells = [
            Cell::from(&topic.name),
            topic.partitions.len().into(),
            replicas.into(),
            Cell::mood(text, mood),
            if topic.internal { "yes" } else { "no" }.into(),
            topic.id.into(),
        ];
        table.push(&*topic.name, cells, doc);
    }
    Answer::Rows(table)
}

pub(super) fn describe(described: &Described, all_configs: bool) -> Sheet {
    let topic = &described.topic;
    let replicas = topic.partitions.iter().map(|partition| partition.replicas.len()).max().unwrap_or(0);
    let (mood, text) = state(topic);
    let mut partitions = Table::new(
        [
            Column::number("PARTITION"),
            Column::text("LEADER"),
            Column::text("REPLICAS"),
            Column::text("IN SYNC"),
            Column::number("START"),
            Column::number("END"),
            Column::number("EPOCH").wide(),
            Column::text("OFFLINE").wide(),
        ],
        "",
    );
    for partition in &topic.partitions {
        let (start, end) = described.offsets.get(&partition.index).copied().unwrap_or_default();
        let cells = [
            Cell::from(partition.index),
            leader(partition),
            ids(&partition.replicas).into(),
            in_sync(partition),
            number(start),
            number(end),
            partition.leader_epoch.0.into(),
            ids(&partition.offline).into(),
        ];
        partitions.push(partition.index.to_string(), cells, Doc::Null);
    }
    let this = ConfigResource::Topic(topic.name.to_string());
    let shown: Vec<&ConfigEntry> =
        described.configs.iter().filter(|config| all_configs || config.is_own_of(&this)).collect();
    let mut configs = Table::new([Column::text("CONFIG"), Column::text("VALUE"), Column::text("SOURCE")], "");
    for config in &shown {
        let cells = [Cell::from(&config.name), value(config).into(), config.source.name().into()];
        configs.push(config.name.clone(), cells, Doc::Null);
    }
    let doc = Doc::map([
        ("name", Doc::from(&*topic.name)),
        ("id", Doc::from(topic.id.to_string())),
        ("internal", Doc::from(topic.internal)),
        ("state", Doc::from(text.as_str())),
        ("partitions", Doc::list(topic.partitions.iter().map(|partition| partition_doc(partition, described)))),
        ("configs", Doc::list(shown.iter().map(|config| config_doc(config)))),
    ]);
    Sheet::new(&*topic.name, doc)
        .fact("topic", &topic.name)
        .fact("id", topic.id)
        .fact("partitions", topic.partitions.len())
        .fact("replicas", replicas)
        .fact("state", Cell::mood(text, mood))
        .table("", partitions)
        .table("", configs)
}

fn leader(partition: &Partition) -> Cell {
    match partition.leader {
        Some(leader) => leader.0.into(),
        None => Cell::mood("none", Mood::Bad),
    }
}

fn in_sync(partition: &Partition) -> Cell {
    let mood = if partition.isr.len() < partition.replicas.len() { Mood::Degraded } else { Mood::Plain };
    Cell::mood(ids(&partition.isr), mood)
}

fn number(offset: Option<i64>) -> Cell {
    offset.map_or_else(|| "?".into(), Cell::from)
}

fn partition_doc(partition: &Partition, described: &Described) -> Doc {
    let (start, end) = described.offsets.get(&partition.index).copied().unwrap_or_default();
    Doc::map([
        ("partition", Doc::from(partition.index)),
        ("leader", Doc::from(partition.leader.map(|leader| leader.0))),
        ("leader_epoch", Doc::from(partition.leader_epoch.0)),
        ("replicas", ids_doc(&partition.replicas)),
        ("in_sync", ids_doc(&partition.isr)),
        ("offline", ids_doc(&partition.offline)),
        ("start_offset", Doc::from(start)),
        ("end_offset", Doc::from(end)),
    ])
}

/// A config's value, masked if it is a secret.
pub(in crate::commands) fn value(config: &ConfigEntry) -> String {
    match (&config.value, config.sensitive) {
        (_, true) => "(secret)".to_owned(),
        (Some(value), _) => value.clone(),
        (None, _) => "(none)".to_owned(),
    }
}

pub(in crate::commands) fn config_doc(config: &ConfigEntry) -> Doc {
    Doc::map([
        ("name", Doc::from(config.name.as_str())),
        ("value", Doc::from(config.value.clone().filter(|_| !config.sensitive))),
        ("source", Doc::from(config.source.name())),
        ("read_only", Doc::from(config.read_only)),
        ("sensitive", Doc::from(config.sensitive)),
    ])
}

pub(super) fn offsets(
    topics: &[Arc<Topic>],
    ends: &Ends,
    at: Option<&BTreeMap<TopicPartition, ListedOffset>>,
) -> Answer {
    let mut columns = vec![
        Column::text("TOPIC"),
        Column::number("PARTITION"),
        Column::number("START"),
        Column::number("END"),
        Column::number("RECORDS"),
    ];
    if at.is_some() {
        columns.extend([Column::number("AT"), Column::text("TIME")]);
    }
    let mut table = Table::new(columns, "no partitions");
    for topic in topics {
        for partition in &topic.partitions {
            let known = ends.get(&*topic.name).and_then(|ends| ends.get(&partition.index)).copied();
            let (start, end) = known.unwrap_or_default();
            // Offsets that compaction has taken out count too: this is how many there have been.
            let records = end.zip(start).map(|(end, start)| end - start);
            let mut cells =
                vec![Cell::from(&topic.name), partition.index.into(), number(start), number(end), number(records)];
            let mut doc = vec![
                ("topic", Doc::from(&*topic.name)),
                ("partition", Doc::from(partition.index)),
                ("start_offset", Doc::from(start)),
                ("end_offset", Doc::from(end)),
            ];
            if let Some(at) = at {
                let found = at.get(&TopicPartition::new(topic.name.clone(), partition.index));
                let offset = found.and_then(|found| found.offset);
                let time = found.and_then(|found| found.timestamp);
                cells.push(offset.map_or_else(|| "end".into(), Cell::from));
                cells.push(time.map(moment::show_time).unwrap_or_default().into());
                doc.push(("at_offset", Doc::from(offset)));
                doc.push(("at_timestamp", Doc::from(time)));
            }
            table.push(format!("{}:{}", topic.name, partition.index), cells, Doc::map(doc));
        }
    }
    Answer::Rows(table)
}
