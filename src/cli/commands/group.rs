//! `callboard group`.

mod seek;
mod show;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use callboard_client::model::ErrorCode;
use callboard_client::{Admin, GroupDescription, ListedGroup, OffsetSpec, TopicPartition};

use super::pattern::matches;
use crate::arguments::{
    GroupCommand, GroupDelete, GroupDescribe, GroupLag, GroupList, GroupNoun, GroupStateName, Shown,
};
use crate::connection::{Place, unknown_name};
use crate::fault::{Exit, Fault};
use crate::output::{Answer, Cell, Column, Doc, Mood, Table};
use crate::run::{Outcome, confirm, watch};

pub(crate) async fn run(noun: GroupNoun) -> Result<Outcome, Fault> {
    let place = Place::find(&noun.link, None)?;
    let shown = &noun.shown;
    match noun.command {
        GroupCommand::List(asked) => list(&place, shown, &asked).await,
        GroupCommand::Describe(asked) => describe(&place, shown, &asked).await,
        GroupCommand::Lag(asked) => lag(&place, shown, &asked).await,
        GroupCommand::Seek(asked) => seek::run(&place, shown, &asked).await,
        GroupCommand::Delete(asked) => delete(&place, &asked).await,
    }
}

impl GroupStateName {
    fn kafka(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Stable => "Stable",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Dead => "Dead",
        }
    }
}

async fn list(place: &Place, shown: &Shown, asked: &GroupList) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let admin = &admin;
    let gather = || async move {
        let listing = admin.list_groups().await.map_err(|error| place.fault(&error))?;
        let wanted = |group: &ListedGroup| {
            asked.pattern.as_ref().is_none_or(|pattern| matches(pattern, &group.group))
                && (asked.state.is_empty()
                    || asked.state.iter().any(|state| state.kafka().eq_ignore_ascii_case(&group.state)))
        };
        let groups: Vec<ListedGroup> = listing.groups.into_iter().filter(wanted).collect();
        let faults = listing.failures.iter().map(|(_, error)| place.fault(error));
        Ok(Outcome::answer(show::list(&groups)).faults(faults))
    };
    watch(shown, &asked.watching, gather, |_| false).await
}

/// How a group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) partition: TopicPartition,
    /// What it has committed.
    pub(super) committed: Option<i64>,
    /// The log's first and next offset, where known.
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    /// The member that reads it: its id, its client's name and where it is.
    pub(super) member: Option<(String, String, String)>,
}

impl Standing {
    /// Records that it has not read yet; from the log's start if nothing is committed.
    pub(super) fn lag(&self) -> Option<i64> {
        let from = self.committed.or(self.start)?;
        Some((self.end? - from).max(0))
    }
}

/// A group with how far it has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupPicture {
    pub(super) group: GroupDescription,
    pub(super) standings: Vec<Standing>,
}

impl GroupPicture {
    pub(super) fn lag(&self) -> i64 {
        self.standings.iter().filter_map(Standing::lag).sum()
    }
}

/// Groups by their names, with how far each has read; a name that is not there is answered with the nearest.
pub(super) async fn pictures(place: &Place, admin: &Admin, names: &[String]) -> (Vec<GroupPicture>, Vec<Fault>) {
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut groups, mut faults) = (Vec::new(), Vec::new());
    for (name, outcome) in admin.describe_groups(&asked).await {
        match outcome {
            Ok(group) => groups.push(group),
            Err(error) if error.kafka_code() == Some(ErrorCode::GroupIdNotFound) => {
                faults.push(unknown_group(admin, &name).await);
            }
            Err(error) => faults.push(place.fault(&error)),
        }
    }
    let mut pictures = Vec::new();
    for group in groups {
        match standings(place, admin, &group).await {
            Ok((standings, failed)) => {
                faults.extend(failed);
                pictures.push(GroupPicture { group, standings });
            }
            Err(fault) => faults.push(fault),
        }
    }
    (pictures, faults)
}

pub(super) async fn unknown_group(admin: &Admin, name: &str) -> Fault {
    let known: Vec<String> =
        admin.list_groups().await.unwrap_or_default().groups.into_iter().map(|group| group.group).collect();
    unknown_name("group", name, &known, "callboard group list").kafka(ErrorCode::GroupIdNotFound.name())
}

async fn standings(
    place: &Place,
    admin: &Admin,
    group: &GroupDescription,
) -> Result<(Vec<Standing>, Vec<Fault>), Fault> {
    let offsets = admin.list_group_offsets(&group.group, None).await.map_err(|error| place.fault(&error))?;
    let mut faults = Vec::new();
    let mut committed: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    for (partition, outcome) in offsets {
        match outcome {
            Ok(offset) => drop(committed.insert(partition, offset.offset)),
            Err(error) => faults.push(place.fault(&error)),
        }
    }
    let mut readers: BTreeMap<TopicPartition, (String, String, String)> = BTreeMap::new();
    for member in &group.members {
        for partition in member.partitions.iter().flatten() {
            let reader = (member.member_id.clone(), member.client_id.clone(), member.host.clone());
            readers.insert(partition.clone(), reader);
        }
    }
    let all: BTreeSet<TopicPartition> = committed.keys().chain(readers.keys()).cloned().collect();
    let ask = |spec: OffsetSpec| {
        let questions: Vec<_> = all.iter().map(|partition| (partition.clone(), spec)).collect();
        async move { admin.list_offsets(&questions, false).await }
    };
    let (starts, ends) = tokio::join!(ask(OffsetSpec::Earliest), ask(OffsetSpec::Latest));
    let offset = |found: &callboard_client::Each<TopicPartition, callboard_client::ListedOffset>,
                  at: &TopicPartition| {
        found.get(at).and_then(|outcome| outcome.as_ref().ok()).and_then(|listed| listed.offset)
    };
    // A topic that is gone leaves its offsets behind: shown without an end, and no failure.
    let gone = |error: &callboard_client::ClientError| error.kafka_code() == Some(ErrorCode::UnknownTopicOrPartition);
    let failed = ends.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).filter(|error| !gone(error));
    faults.extend(failed.map(|error| place.fault(error)));
    let standings = all.into_iter().map(|partition| Standing {
        committed: committed.get(&partition).copied(),
        start: offset(&starts, &partition),
        end: offset(&ends, &partition),
        member: readers.get(&partition).cloned(),
        partition,
    });
    Ok((standings.collect(), faults))
}

async fn describe(place: &Place, shown: &Shown, asked: &GroupDescribe) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let admin = &admin;
    let gather = || async move {
        let (pictures, faults) = pictures(place, admin, &asked.groups).await;
        Ok(Outcome::answer(Answer::Many(pictures.iter().map(show::describe).collect())).faults(faults))
    };
    watch(shown, &asked.watching, gather, |_| false).await
}

async fn lag(place: &Place, shown: &Shown, asked: &GroupLag) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let admin = &admin;
    let gather = || async move {
        let mut faults = Vec::new();
        let names = if asked.groups.is_empty() {
            let listing = admin.list_groups().await.map_err(|error| place.fault(&error))?;
            faults.extend(listing.failures.iter().map(|(_, error)| place.fault(error)));
            listing.groups.into_iter().map(|group| group.group).collect()
        } else {
            asked.groups.clone()
        };
        let (pictures, failed) = pictures(place, admin, &names).await;
        faults.extend(failed);
        let above = |picture: &GroupPicture| {
            asked.fail_above.is_some_and(|most| u64::try_from(picture.lag()).unwrap_or(0) > most)
        };
        let condition = pictures.iter().any(above).then_some(Exit::ConditionNotMet);
        let answer = if asked.partitions { show::lag_of_partitions(&pictures) } else { show::lag(&pictures) };
        Ok(Outcome { condition, ..Outcome::answer(answer) }.faults(faults))
    };
    watch(shown, &asked.watching, gather, |_| false).await
}

async fn delete(place: &Place, asked: &GroupDelete) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let of = match asked.topics.as_slice() {
        [] => "with all of its offsets".to_owned(),
        topics => format!("as far as its offsets of {} go", topics.join(", ")),
    };
    let what = match asked.groups.as_slice() {
        [one] => (format!("Deleting group '{one}' {of}"), one.clone()),
        many => (format!("Deleting {} groups {of}", many.len()), many.len().to_string()),
    };
    confirm(asked.danger.yes, &what.0, &what.1)?;
    let mut table = Table::new([Column::text("GROUP"), Column::text("RESULT")], "");
    let mut faults = Vec::new();
    if asked.topics.is_empty() {
        let names: Vec<&str> = asked.groups.iter().map(String::as_str).collect();
        for (name, outcome) in admin.delete_groups(&names).await {
            let absent = |error: &callboard_client::ClientError| error.kafka_code() == Some(ErrorCode::GroupIdNotFound);
            match outcome {
                Ok(()) => row(&mut table, &name, Cell::mood("deleted", Mood::Good), "deleted"),
                Err(error) if absent(&error) && asked.if_exists => {
                    row(&mut table, &name, "did not exist".into(), "absent")
                }
                Err(error) if absent(&error) => faults.push(unknown_group(&admin, &name).await),
                Err(error) => faults.push(place.fault(&error)),
            }
        }
    } else {
        for name in &asked.groups {
            let fetched = admin.list_group_offsets(name, None).await.map_err(|error| place.fault(&error))?;
            let places: Vec<TopicPartition> = fetched
                .iter()
                .map(|(place, _)| place.clone())
                .filter(|place| asked.topics.iter().any(|topic| **topic == *place.topic))
                .collect();
            if places.is_empty() {
                let message = format!("group '{name}' has no offsets of {}", asked.topics.join(", "));
                faults.push(Fault::not_found(message).hint("callboard group describe shows what it has"));
                continue;
            }
            let forgotten = admin.delete_group_offsets(name, &places).await;
            let failed: Vec<Fault> = forgotten
                .iter()
                .filter_map(|(_, outcome)| outcome.as_ref().err())
                .map(|error| place.fault(error))
                .collect();
            let done = forgotten.len() - failed.len();
            if done > 0 {
                row(&mut table, name, Cell::mood(format!("{done} offsets deleted"), Mood::Good), "offsets_deleted");
            }
            faults.extend(failed);
        }
    }
    if table.rows.is_empty() && !faults.is_empty() {
        return Ok(Outcome::default().faults(faults));
    }
    Ok(Outcome::answer(Answer::Rows(table)).faults(faults))
}

fn row(table: &mut Table, name: &str, result: Cell, word: &str) {
    let doc = Doc::map([("group", Doc::from(name)), ("result", Doc::from(word))]);
    table.push(name, [Cell::from(name), result], doc);
}
