//! `callboard group seek`: a plan, shown first, then made so.

use std::collections::BTreeMap;

use callboard_client::model::ErrorCode;
use callboard_client::{Admin, ListedOffset, OffsetSpec, TopicPartition};

use crate::arguments::{GroupSeek, Shown, When, partitions};
use crate::commands::topic::{find_topic, now_ms};
use crate::connection::Place;
use crate::fault::Fault;
use crate::moment;
use crate::output::{Answer, Cell, Column, Doc, Mood, Table};
use crate::run::{Outcome, confirm};
use crate::terminal::Look;

/// One line of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) partition: TopicPartition,
    pub(super) from: Option<i64>,
    pub(super) to: i64,
    pub(super) end: i64,
}

pub(super) async fn run(place: &Place, shown: &Shown, asked: &GroupSeek) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    refuse_members(place, &admin, &asked.group).await?;
    let fetched = admin.list_group_offsets(&asked.group, None).await.map_err(|error| place.fault(&error))?;
    let committed: BTreeMap<TopicPartition, i64> = fetched
        .all()
        .map_err(|error| place.fault(&error))?
        .into_iter()
        .map(|(partition, offset)| (partition, offset.offset))
        .collect();
    let wanted = wanted(place, &admin, asked, &committed).await?;
    let plan = plan(place, &admin, asked, &wanted, &committed).await?;
    if asked.dry_run {
        return Ok(Outcome::answer(show(&asked.group, &plan, Stage::Planned))
            .note("nothing was changed; the same without --dry-run does it"));
    }
    if !asked.danger.yes {
        // The plan is what the question is about.
        let preview = show(&asked.group, &plan, Stage::Planned)
            .render(crate::arguments::Format::Table, Look::of_stderr(shown.color));
        eprint!("{preview}");
    }
    let what = format!("Setting {} offsets of group '{}'", plan.len(), asked.group);
    confirm(asked.danger.yes, &what, &asked.group)?;
    let offsets: Vec<(TopicPartition, i64)> = plan.iter().map(|step| (step.partition.clone(), step.to)).collect();
    let mut faults = Vec::new();
    let mut done = Vec::new();
    let outcomes = admin.alter_group_offsets(&asked.group, &offsets).await;
    for step in plan {
        match outcomes.get(&step.partition) {
            Some(Ok(())) => done.push(step),
            Some(Err(error)) => faults.push(place.fault(error)),
            None => faults.push(Fault::failed(format!("nothing is known of {}", step.partition))),
        }
    }
    // The same refusal for every partition is said once.
    faults.dedup_by(|a, b| a.kafka_code == b.kafka_code && a.kafka_code.is_some());
    if done.is_empty() && !faults.is_empty() {
        return Ok(Outcome::default().faults(faults));
    }
    Ok(Outcome::answer(show(&asked.group, &done, Stage::Done)).faults(faults))
}

/// As Kafka does: a group whose members are at work would go back to what they know.
async fn refuse_members(place: &Place, admin: &Admin, group: &str) -> Result<(), Fault> {
    match admin.describe_groups(&[group]).await.only() {
        Ok(described) if !described.members.is_empty() => {
            let count = described.members.len();
            Err(Fault::failed(format!("group '{group}' has {count} members, so its offsets cannot be set"))
                .kafka(ErrorCode::NonEmptyGroup.name())
                .because(format!("it is {}; members would overwrite what is set", described.state))
                .hint("stop its consumers first; callboard group describe shows them"))
        }
        Ok(_) => Ok(()),
        // A new group may be given offsets before its first member comes.
        Err(error) if error.kafka_code() == Some(ErrorCode::GroupIdNotFound) => Ok(()),
        Err(error) => Err(place.fault(&error)),
    }
}

/// The partitions that are meant: those of `--topic`, or all that the group has offsets for.
async fn wanted(
    place: &Place,
    admin: &Admin,
    asked: &GroupSeek,
    committed: &BTreeMap<TopicPartition, i64>,
) -> Result<Vec<TopicPartition>, Fault> {
    if asked.topics.is_empty() {
        if committed.is_empty() {
            let fault = super::unknown_group(admin, &asked.group).await;
            let message = format!("group '{}' has no offsets", asked.group);
            return Err(Fault { message, ..fault }
                .because("without --topic, seek sets the offsets that are there")
                .hint("--topic TOPIC says what the group is to read"));
        }
        return Ok(committed.keys().cloned().collect());
    }
    let mut wanted = Vec::new();
    for text in &asked.topics {
        let (name, indexes) = match text.rsplit_once(':') {
            Some((name, list)) => (name, Some(partitions(list).map_err(Fault::usage)?)),
            None => (text.as_str(), None),
        };
        let topic = find_topic(place, admin, name).await?;
        let all: Vec<i32> = topic.partitions.iter().map(|partition| partition.index).collect();
        let indexes = indexes.unwrap_or_else(|| all.clone());
        if let Some(none) = indexes.iter().find(|index| !all.contains(index)) {
            let count = all.len();
            return Err(Fault::not_found(format!(
                "topic '{name}' has {count} partitions, number {none} is not one of them"
            )));
        }
        wanted.extend(indexes.into_iter().map(|index| TopicPartition::new(name, index)));
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted)
}

async fn listed(
    place: &Place,
    admin: &Admin,
    wanted: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, ListedOffset>, Fault> {
    let questions: Vec<_> = wanted.iter().map(|partition| (partition.clone(), spec)).collect();
    let found = admin.list_offsets(&questions, false).await.all().map_err(|error| place.fault(&error))?;
    Ok(found.into_iter().collect())
}

async fn plan(
    place: &Place,
    admin: &Admin,
    asked: &GroupSeek,
    wanted: &[TopicPartition],
    committed: &BTreeMap<TopicPartition, i64>,
) -> Result<Vec<Step>, Fault> {
    let moment = match (asked.to_time, asked.by_duration) {
        (Some(when), _) => Some(when),
        (None, Some(span)) => Some(When::Ago(span.0)),
        (None, None) => None,
    };
    let starts = listed(place, admin, wanted, OffsetSpec::Earliest).await?;
    let ends = listed(place, admin, wanted, OffsetSpec::Latest).await?;
    let at = match moment {
        Some(when) => listed(place, admin, wanted, OffsetSpec::Timestamp(when.millis(now_ms()))).await?,
        None => BTreeMap::new(),
    };
    let offset = |of: &BTreeMap<TopicPartition, ListedOffset>, partition: &TopicPartition| {
        of.get(partition).and_then(|found| found.offset)
    };
    let step = |partition: &TopicPartition| {
        let (start, end) = (offset(&starts, partition).unwrap_or(0), offset(&ends, partition).unwrap_or(0));
        let from = committed.get(partition).copied();
        let to = if asked.to_start {
            start
        } else if asked.to_end {
            end
        } else if moment.is_some() {
            // No record is that new: as Kafka does, behind the last one.
            offset(&at, partition).unwrap_or(end)
        } else if let Some(offset) = asked.to_offset {
            offset
        } else {
            from.unwrap_or(start).saturating_add(asked.shift_by.unwrap_or(0))
        };
        // As Kafka does: an offset that the log does not have becomes the nearest that it has.
        Step { partition: partition.clone(), from, to: to.clamp(start, end), end }
    };
    Ok(wanted.iter().map(step).collect())
}

/// Whether it has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Planned,
    Done,
}

pub(super) fn show(group: &str, plan: &[Step], stage: Stage) -> Answer {
    let columns = [
        Column::text("TOPIC"),
        Column::number("PARTITION"),
        Column::number("FROM"),
        Column::number("TO"),
        Column::number("CHANGE"),
        Column::number("LAG AFTER"),
        Column::text("RESULT"),
    ];
    let mut table = Table::new(columns, "nothing to set");
    for step in plan {
        let change = step.from.map(|from| step.to - from);
        let shown = change.map_or_else(|| "new".to_owned(), |change| format!("{change:+}"));
        let result = match stage {
            Stage::Planned => Cell::from("would be set"),
            Stage::Done => Cell::mood("set", Mood::Good),
        };
        let doc = Doc::map([
            ("group", Doc::from(group)),
            ("topic", Doc::from(&*step.partition.topic)),
            ("partition", Doc::from(step.partition.partition)),
            ("from_offset", Doc::from(step.from)),
            ("to_offset", Doc::from(step.to)),
            ("lag_after", Doc::from(step.end - step.to)),
            ("dry_run", Doc::from(stage == Stage::Planned)),
        ]);
        let cells = [
            Cell::from(&step.partition.topic),
            step.partition.partition.into(),
            step.from.map_or_else(|| "-".into(), Cell::from),
            step.to.into(),
            shown.into(),
            moment::show_count(u64::try_from(step.end - step.to).unwrap_or(0)).into(),
            result,
        ];
        table.push(format!("{}:{}", step.partition.topic, step.partition.partition), cells, doc);
    }
    Answer::Rows(table)
}
