//! `callboard topic create|alter|delete|add-partitions|trim`.

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_client::model::ErrorCode;
use callboard_client::{Admin, ConfigChange, ConfigResource, NewTopic, OffsetSpec, Topic, TopicPartition};

use super::{ends, find_topic, find_topics, now_ms};
use crate::arguments::{TopicAddPartitions, TopicAlter, TopicCreate, TopicDelete, TopicTrim};
use crate::commands::config::{nearest_config, preview};
use crate::connection::{Place, unknown_name};
use crate::fault::Fault;
use crate::output::{Answer, Cell, Column, Doc, Mood, Table};
use crate::run::{Outcome, confirm};

pub(super) async fn create(place: &Place, asked: &TopicCreate) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let new = |name: &String| {
        let mut topic = NewTopic::new(name);
        (topic.partitions, topic.replicas) = (asked.partitions, asked.replicas);
        topic.configs = asked.configs.iter().cloned().collect();
        topic
    };
    let topics: Vec<NewTopic> = asked.topics.iter().map(new).collect();
    let columns = [
        Column::text("TOPIC"),
        Column::text("RESULT"),
        Column::number("PARTITIONS"),
        Column::number("REPLICAS"),
        Column::text("ID").wide(),
    ];
    let mut table = Table::new(columns, "");
    let mut faults = Vec::new();
    for (name, outcome) in admin.create_topics(&topics, asked.dry_run).await {
        let result = if asked.dry_run { "would be created" } else { "created" };
        match outcome {
            Ok(made) => {
                let doc = Doc::map([
                    ("name", Doc::from(name.as_str())),
                    ("result", Doc::from(if asked.dry_run { "valid" } else { "created" })),
                    ("partitions", Doc::from(made.partitions)),
                    ("replicas", Doc::from(made.replicas.map(i32::from))),
                    ("id", Doc::from(made.id.to_string())),
                ]);
                let partitions = made.partitions.or(asked.partitions);
                let replicas = made.replicas.or(asked.replicas);
                let cells = [
                    Cell::from(&name),
                    Cell::mood(result, Mood::Good),
                    partitions.map_or_else(String::new, |count| count.to_string()).into(),
                    replicas.map_or_else(String::new, |count| count.to_string()).into(),
                    made.id.into(),
                ];
                table.push(name, cells, doc);
            }
            Err(error) if asked.if_not_exists && error.kafka_code() == Some(ErrorCode::TopicAlreadyExists) => {
                let doc = Doc::map([("name", Doc::from(name.as_str())), ("result", Doc::from("exists"))]);
                table.push(
                    name.clone(),
                    [Cell::from(&name), "exists already".into(), "".into(), "".into(), "".into()],
                    doc,
                );
            }
            Err(error) => {
                let mut fault = place.fault(&error);
                if error.kafka_code() == Some(ErrorCode::InvalidConfig)
                    && let Some(hint) = nearest_config(&admin, asked.configs.iter().map(|(key, _)| key.as_str())).await
                {
                    fault = fault.hint(hint);
                }
                faults.push(fault);
            }
        }
    }
    Ok(done(table, faults))
}

pub(super) async fn alter(place: &Place, asked: &TopicAlter) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let (topics, faults) = find_topics(place, &admin, &asked.topics).await;
    let changes = |_: &Arc<Topic>| {
        let set = asked.set.iter().map(|(key, value)| ConfigChange::Set(key.clone(), value.clone()));
        let unset = asked.unset.iter().map(|key| ConfigChange::Delete(key.clone()));
        set.chain(unset).collect::<Vec<_>>()
    };
    let changes: Vec<_> =
        topics.iter().map(|topic| (ConfigResource::Topic(topic.name.to_string()), changes(topic))).collect();
    let outcome = preview(place, &admin, &changes, asked.dry_run).await?;
    Ok(outcome.faults(faults))
}

pub(super) async fn delete(place: &Place, asked: &TopicDelete) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let what = match asked.topics.as_slice() {
        [one] => (format!("Deleting topic '{one}' with all of its records"), one.clone()),
        many => (format!("Deleting {} topics with all of their records", many.len()), many.len().to_string()),
    };
    confirm(asked.danger.yes, &what.0, &what.1)?;
    let names: Vec<&str> = asked.topics.iter().map(String::as_str).collect();
    let mut table = Table::new([Column::text("TOPIC"), Column::text("RESULT")], "");
    let mut faults = Vec::new();
    for (name, outcome) in admin.delete_topics(&names).await {
        let unknown =
            |error: &callboard_client::ClientError| error.kafka_code() == Some(ErrorCode::UnknownTopicOrPartition);
        match outcome {
            Ok(()) => row(&mut table, &name, Cell::mood("deleted", Mood::Good), "deleted"),
            Err(error) if unknown(&error) && asked.if_exists => {
                row(&mut table, &name, "did not exist".into(), "absent")
            }
            Err(error) if unknown(&error) => {
                let known = admin.list_topics().await.map(|listed| super::names(&listed)).unwrap_or_default();
                let fault = unknown_name("topic", &name, &known, "callboard topic list");
                faults.push(fault.kafka("UNKNOWN_TOPIC_OR_PARTITION"));
            }
            Err(error) => faults.push(place.fault(&error)),
        }
    }
    Ok(done(table, faults))
}

pub(super) async fn add_partitions(place: &Place, asked: &TopicAddPartitions) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let topic = find_topic(place, &admin, &asked.topic).await?;
    let now = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let total = match (asked.add, asked.total) {
        (Some(more), _) => now.saturating_add(more),
        (None, Some(total)) => total,
        (None, None) => return Err(Fault::usage("--add N or --total N says how many")),
    };
    if total <= now {
        return Err(Fault::failed(format!("topic '{}' has {now} partitions already", asked.topic))
            .kafka(ErrorCode::InvalidPartitions.name())
            .hint("partitions can be added, not taken away"));
    }
    let grown = admin.create_partitions(&[(&asked.topic, total)], asked.dry_run).await;
    grown.only().map_err(|error| place.fault(&error))?;
    let columns = [Column::text("TOPIC"), Column::text("RESULT"), Column::number("BEFORE"), Column::number("NOW")];
    let mut table = Table::new(columns, "");
    let doc = Doc::map([
        ("name", Doc::from(asked.topic.as_str())),
        ("result", Doc::from(if asked.dry_run { "valid" } else { "added" })),
        ("partitions_before", Doc::from(now)),
        ("partitions", Doc::from(total)),
    ]);
    let result = Cell::mood(if asked.dry_run { "would be added" } else { "added" }, Mood::Good);
    table.push(asked.topic.clone(), [Cell::from(&asked.topic), result, now.into(), total.into()], doc);
    Ok(done(table, Vec::new()))
}

/// What a partition loses.
struct Cut {
    place: TopicPartition,
    start: i64,
    before: i64,
}

pub(super) async fn trim(place: &Place, asked: &TopicTrim) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let topic = find_topic(place, &admin, &asked.topic).await?;
    let (cuts, mut faults) = plan(place, &admin, &topic, asked).await?;
    if !asked.dry_run {
        let lost: i64 = cuts.iter().map(|cut| cut.before - cut.start).sum();
        if lost > 0 {
            let what = format!("Deleting {lost} records of topic '{}'", asked.topic);
            confirm(asked.danger.yes, &what, &asked.topic)?;
        }
    }
    let mut starts: BTreeMap<TopicPartition, i64> = cuts.iter().map(|cut| (cut.place.clone(), cut.before)).collect();
    if !asked.dry_run {
        let before: Vec<_> = cuts.iter().map(|cut| (cut.place.clone(), cut.before)).collect();
        for (partition, outcome) in admin.delete_records(&before).await {
            match outcome {
                Ok(start) => drop(starts.insert(partition, start)),
                Err(error) => {
                    starts.remove(&partition);
                    faults.push(place.fault(&error));
                }
            }
        }
    }
    let columns = [
        Column::text("TOPIC"),
        Column::number("PARTITION"),
        Column::number("START"),
        Column::number("NEW START"),
        Column::number("RECORDS"),
        Column::text("RESULT"),
    ];
    let mut table = Table::new(columns, "no partitions");
    for cut in &cuts {
        let Some(start) = starts.get(&cut.place) else { continue };
        let result = match (asked.dry_run, start - cut.start) {
            (_, 0) => Cell::from("nothing to delete"),
            (true, _) => "would be deleted".into(),
            (false, _) => Cell::mood("deleted", Mood::Good),
        };
        let doc = Doc::map([
            ("topic", Doc::from(&*cut.place.topic)),
            ("partition", Doc::from(cut.place.partition)),
            ("start_offset_before", Doc::from(cut.start)),
            ("start_offset", Doc::from(*start)),
            ("dry_run", Doc::from(asked.dry_run)),
        ]);
        let cells = [
            Cell::from(&cut.place.topic),
            cut.place.partition.into(),
            cut.start.into(),
            start.into(),
            (start - cut.start).into(),
            result,
        ];
        table.push(format!("{}:{}", cut.place.topic, cut.place.partition), cells, doc);
    }
    Ok(done(table, faults))
}

async fn plan(
    place: &Place,
    admin: &Admin,
    topic: &Arc<Topic>,
    asked: &TopicTrim,
) -> Result<(Vec<Cut>, Vec<Fault>), Fault> {
    let wanted: Vec<i32> = match &asked.partitions {
        Some(partitions) => partitions.0.clone(),
        None => topic.partitions.iter().map(|partition| partition.index).collect(),
    };
    if let Some(none) = wanted.iter().find(|index| topic.partition(**index).is_none()) {
        let count = topic.partitions.len();
        return Err(Fault::not_found(format!(
            "topic '{}' has {count} partitions, number {none} is not one of them",
            topic.name
        )));
    }
    let (ends, failed) = ends(admin, std::slice::from_ref(topic)).await;
    let mut faults: Vec<Fault> = failed.iter().map(|error| place.fault(error)).collect();
    let of_topic = ends.get(&*topic.name).cloned().unwrap_or_default();
    let moment = match (asked.before_time, asked.older_than) {
        (Some(when), _) => Some(when.millis(now_ms())),
        (None, Some(span)) => Some(crate::arguments::When::Ago(span.0).millis(now_ms())),
        (None, None) => None,
    };
    let mut at: BTreeMap<i32, Option<i64>> = BTreeMap::new();
    if let Some(millis) = moment {
        let questions: Vec<_> = wanted
            .iter()
            .map(|index| (TopicPartition::new(topic.name.clone(), *index), OffsetSpec::Timestamp(millis)))
            .collect();
        for (partition, outcome) in admin.list_offsets(&questions, false).await {
            match outcome {
                Ok(listed) => drop(at.insert(partition.partition, listed.offset)),
                Err(error) => faults.push(place.fault(&error)),
            }
        }
    }
    let mut cuts = Vec::new();
    for index in wanted {
        let Some((Some(start), Some(end))) = of_topic.get(&index).copied() else { continue };
        let before = match (moment, asked.before_offset) {
            // No record is that new: all of them are older.
            (Some(_), _) => match at.get(&index) {
                Some(found) => found.unwrap_or(end),
                None => continue,
            },
            (None, Some(offset)) => offset,
            (None, None) => end,
        };
        if before > end {
            return Err(Fault::failed(format!(
                "partition {index} of topic '{}' ends at {end}, before {before}",
                topic.name
            ))
            .kafka(ErrorCode::OffsetOutOfRange.name())
            .hint("callboard topic offsets shows where each partition begins and ends"));
        }
        cuts.push(Cut { place: TopicPartition::new(topic.name.clone(), index), start, before: before.max(start) });
    }
    Ok((cuts, faults))
}

fn row(table: &mut Table, name: &str, result: Cell, word: &str) {
    let doc = Doc::map([("name", Doc::from(name)), ("result", Doc::from(word))]);
    table.push(name, [Cell::from(name), result], doc);
}

/// What was done, and what was not.
fn done(table: Table, faults: Vec<Fault>) -> Outcome {
    if table.rows.is_empty() && !faults.is_empty() {
        return Outcome { faults, ..Outcome::default() };
    }
    Outcome::answer(Answer::Rows(table)).faults(faults)
}
